/** Waiting for a relay, as long as a person does, and no longer than there is hope. */
import type { Client } from "@sotto/core/Client"
import type { Closed } from "@sotto/core/ClientError"
import type { Failure } from "@sotto/core/Status"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

type Service = Client["Service"]

/** How long a command that needs no relay waits for one. */
const PATIENCE_MILLIS = 5000

/** What stands in the way, in one sentence. */
const obstacle = (client: Service): Effect.Effect<Failure> =>
  Effect.map(
    client.status.current,
    (status) =>
      status.relays.map(({ failure }) => failure).find((failure) => failure !== null) ??
        { tag: "NotConnected", message: "no relay answered in time", retrying: true }
  )

/**
 * What `done` answers, or why it does not come: no relay could be reached, or none did it in time.
 */
export const hopeful = <A>(
  client: Service,
  done: Effect.Effect<A, Closed>,
  millis = PATIENCE_MILLIS
): Effect.Effect<Result.Result<A, Failure>, Closed> =>
  Effect.gen(function*() {
    const answer = yield* Effect.raceFirst(done, Effect.andThen(client.pull, Effect.never)).pipe(
      Effect.timeoutOption(millis),
      Effect.catchTag("NotConnected", () => Effect.succeedNone)
    )
    return Option.isSome(answer) ? Result.succeed(answer.value) : Result.fail(yield* obstacle(client))
  })

/** Connects, and waits until everything is sent and received. */
export const settled = (client: Service, millis = PATIENCE_MILLIS) => hopeful(client, client.settled, millis)
