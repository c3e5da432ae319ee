/** Synchronous code that draws random bytes, with the one failure that is not a bug in the error channel. */
import * as Effect from "effect/Effect"
import { EntropyUnavailable } from "../Crypto.ts"

/** What `make` answers. `EntropyUnavailable` becomes an error; whatever else it throws is a bug and dies. */
export const attempt = <A>(make: () => A): Effect.Effect<A, EntropyUnavailable> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(make())
    } catch (thrown) {
      return thrown instanceof EntropyUnavailable ? Effect.fail(thrown) : Effect.die(thrown)
    }
  })
