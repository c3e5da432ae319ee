/** Questions to the person at this device: one line of input. Its end, or anything but a yes, is a no. */
import * as Effect from "effect/Effect"
import * as Terminal from "effect/Terminal"
import { emit, type Output } from "./Output.ts"

/** Asks, unless it was answered beforehand (`--yes`). */
export const agreed = (question: string, yes: boolean): Effect.Effect<boolean, never, Output | Terminal.Terminal> =>
  yes ? Effect.succeed(true) : Effect.gen(function*() {
    yield* emit({ type: "question", question })
    const answer = yield* Effect.catchTag(
      Terminal.Terminal.use((terminal) => terminal.readLine),
      "QuitError",
      () => Effect.succeed("")
    )
    return /^y(es)?$/i.test(answer.trim())
  })
