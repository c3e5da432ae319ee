/** Waiting for a relay, as long as a person does, and no longer than there is hope. */
import type { Client } from "@sotto/core/Client"
import type { Closed } from "@sotto/core/ClientError"
import type { Failure, RelayStatus, Status } from "@sotto/core/Status"
import * as Bytes from "@sotto/schema/Bytes"
import type { RelayKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CODE, codeOfTag } from "./Exit.ts"
import { Output } from "./Output.ts"

type Service = Client["Service"]

/** How long a command that needs no relay waits for one. */
const PATIENCE_MILLIS = 5000

const failureIn = (status: Status): Failure | undefined =>
  status.relays.map(({ failure }) => failure).find((failure) => failure !== null)

/** How long a try that has just failed may take to say why. */
const REASON_MILLIS = 1000

/** What stands in the way, in one sentence. */
const obstacle = (client: Service): Effect.Effect<Failure> =>
  client.status.changes.pipe(
    Stream.filter((status) => failureIn(status) !== undefined && status._tag !== "Connecting"),
    Stream.runHead,
    Effect.timeoutOption(REASON_MILLIS),
    Effect.map((status) =>
      Option.flatMapNullishOr(Option.flatten(status), failureIn).pipe(
        Option.getOrElse(() => ({ tag: "NotConnected", message: "no relay answered in time", retrying: true }))
      )
    )
  )

/** Waits until a relay says no for good, and no other is there that may do it: waiting longer changes nothing. */
const refused = (client: Service): Effect.Effect<unknown> =>
  Stream.runHead(
    Stream.filter(client.status.changes, ({ relays }) =>
      relays.every(({ failure }) => failure !== null) &&
      relays.some(({ failure }) => failure !== null && codeOfTag(failure.tag) === CODE.refused))
  )

const PROGRESS_MILLIS = 500

/** What happens now, for who looks on. */
const progressOf = ({ relays }: Status): string => {
  const receiving = relays.find(({ phase }) => phase === "catching-up")
  if (receiving !== undefined) return `Received ${receiving.received} of ${receiving.head} …`
  const sending = relays.filter(({ phase }) => phase === "live")
  const pending = Math.max(0, ...sending.map((relay) => relay.pending))
  if (sending.length > 0) return pending === 0 ? "" : `${pending} to be sent …`
  return `Connecting to ${relays.map(({ url }) => url).join(", ")} …`
}

/** Shows what happens until it is interrupted: only what takes longer than a moment is seen at all. */
const showProgress = (text: Effect.Effect<string>) =>
  Output.use((output) =>
    Effect.ensuring(
      Effect.forever(Effect.gen(function*() {
        yield* Effect.sleep(PROGRESS_MILLIS)
        yield* output.progress(yield* text)
      })),
      output.progress("")
    )
  )

/** The same, with a line on the terminal while it lasts. */
export const withProgress = <A, E, R>(text: Effect.Effect<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, showProgress(text))

/** The same, with what the relays' connections do on that line. */
export const watched = <A, E, R>(client: Service, effect: Effect.Effect<A, E, R>) =>
  withProgress(Effect.map(client.status.current, progressOf), effect)

/**
 * What `done` answers, or why it does not come: no relay could be reached, or none did it in time.
 */
export const hopeful = <A>(
  client: Service,
  done: Effect.Effect<A, Closed>,
  millis = PATIENCE_MILLIS
): Effect.Effect<Result.Result<A, Failure>, Closed, Output> =>
  Effect.gen(function*() {
    const answer = yield* Effect.raceAllFirst([
      Effect.asSome(done),
      Effect.andThen(client.pull, Effect.never),
      Effect.andThen(refused(client), Effect.succeedNone)
    ]).pipe(
      (waiting) => watched(client, waiting),
      Effect.timeoutOption(millis),
      Effect.map(Option.flatten),
      Effect.catchTag("NotConnected", () => Effect.succeedNone)
    )
    return Option.isSome(answer) ? Result.succeed(answer.value) : Result.fail(yield* obstacle(client))
  })

/**
 * Waits, however long it takes, until one relay has everything that this device has and that it takes. Answers what came
 * in the way: whatever ends the connection ends the waiting.
 */
export const filled = (client: Service, key: RelayKey): Effect.Effect<Failure | undefined, never, Output> => {
  const tooLarge = new Map<string, Failure>()
  const refusals = client.events.pipe(
    Stream.filter((event) => event._tag === "Refused" && Bytes.equals(event.relay, key)),
    Stream.mapEffect((event) => {
      if (event._tag === "Refused") tooLarge.set(Bytes.toHex(event.id), event.failure)
      return client.status.current
    })
  )
  const looks = Stream.merge(client.status.changes, refusals).pipe(
    Stream.map(({ relays }) => relays.find(({ relay }) => Bytes.equals(relay, key))),
    // What it was before it is tried now says nothing.
    Stream.dropWhile((relay) => relay !== undefined && (relay.phase === "waiting" || relay.phase === "stopped")),
    Stream.filter((relay) => {
      if (relay === undefined || (relay.failure !== null && relay.phase !== "connecting")) return true
      return relay.phase === "live" && relay.pending <= tooLarge.size
    })
  )
  return Effect.andThen(client.wake, watched(client, Stream.runHead(looks))).pipe(
    Effect.map((relay) => Option.getOrUndefined(relay)?.failure ?? [...tooLarge.values()][0])
  )
}

/** How long a command that is done goes on sending to the relays that do not have everything yet. */
const SPREAD_MILLIS = 2000

/**
 * Lets every relay that is in reach have what this device wrote. A command waits for one of them; without this, another
 * one would come to have it only when a later command happens to last long enough.
 */
export const spread = (client: Service): Effect.Effect<void> => {
  const isOver = ({ failure, pending, phase }: RelayStatus) =>
    failure !== null || phase === "paused" || phase === "stopped" || (phase === "live" && pending === 0)
  return client.status.changes.pipe(
    Stream.filter(({ relays }) => relays.length < 2 || relays.every(isOver)),
    Stream.runHead,
    Effect.timeoutOption(SPREAD_MILLIS),
    Effect.asVoid
  )
}

/** Connects, and waits until everything is sent and received. */
export const settled = (client: Service, millis = PATIENCE_MILLIS) => hopeful(client, client.settled, millis)
