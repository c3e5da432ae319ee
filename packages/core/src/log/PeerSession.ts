/**
 * Two devices of a space over one connection, without a relay (protocol.md §2a, §8): they compare what they have, each
 * gets what it lacks, and from then on each gives the other what it accepts.
 *
 * ```
 *   meet: hybridXX ─ whose keys are these? ┬─ read: envelopes ─▶ Inbox.acceptGiven;  answers;  questions ─▶ answer
 *                                          ├─ answer: what the other asks, in its order
 *                                          ├─ give: compare (who connected), then what is accepted here, one offer at a time
 *                                          └─ keep alive: a ping when nothing came for a while; no wait without an end
 * ```
 *
 * 1. Both sides are members, or nothing is said: a device that is not, or was removed, is refused.
 * 2. What came from the other side is not given back to it. What a relay or a third device brought is passed on.
 * 3. The reader never waits for the other side to read: what it has to say goes through `answer`. It is the one that
 *    finds the end of the connection, after all that came before.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { NoiseKeys } from "@sotto/schema/Device"
import type { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type PeerFrame, peerFrameCodec } from "@sotto/schema/Peer"
import {
  DeviceRevoked,
  fromRefusal,
  InvalidMessage,
  type RelayError,
  toRefusal,
  Unauthorized
} from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Channel from "../channel/Channel.ts"
import { ChannelFailed } from "../channel/ChannelError.ts"
import * as Demux from "../channel/Demux.ts"
import type { Role } from "../channel/Pattern.ts"
import { PeerSilent, PeerUnknown, type QuarantineFull } from "../ClientError.ts"
import type { Crypto, EntropyUnavailable } from "../Crypto.ts"
import * as Signal from "../internal/signal.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import * as Membership from "../space/Membership.ts"
import type { StoreFailed } from "../Store.ts"
import type { Connection, ConnectionClosed } from "../Transport.ts"
import * as Conversation from "./Conversation.ts"
import { Ordinal } from "./Cursor.ts"
import * as Giving from "./Giving.ts"
import * as IdSet from "./IdSet.ts"
import * as Inbox from "./Inbox.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import { envelopeId } from "./Sealing.ts"

/** Everything that a connection to a device ends with. A `RelayError` is what the other side refused, or ends it with. */
export type PeerEnded =
  | ConnectionClosed
  | ChannelFailed
  | RelayError
  | ReconcileFailed
  | PeerSilent
  | PeerUnknown
  | QuarantineFull
  | StoreFailed
  | KeystoreFailed
  | EntropyUnavailable

/** What has gone over a connection since it began. */
export interface Counts {
  received: number
  sent: number
}

/** What a session tells whoever runs it. */
export interface Listener {
  readonly met: (device: DeviceId, counts: Counts) => Effect.Effect<void>
  /** Both have what the other had. Only on the side that connected. */
  readonly compared: (device: DeviceId) => Effect.Effect<void>
}

/** Something that is asked of the other side. */
type Waiting =
  | { readonly _tag: "Answer"; readonly done: Deferred.Deferred<Uint8Array, RelayError> }
  | {
    readonly _tag: "Envelopes"
    readonly count: number
    readonly ids: Array<Uint8Array>
    readonly done: Deferred.Deferred<void, RelayError>
  }
  | { readonly _tag: "Taken"; readonly done: Deferred.Deferred<void, RelayError> }

interface Live {
  readonly journal: Journal
  readonly data: Demux.Plane
  readonly device: DeviceId
  readonly listener: Listener
  readonly counts: Counts
  readonly waiting: Map<number, Waiting>
  /** What the other side is to be told, in order. */
  readonly jobs: Queue.Queue<Effect.Effect<void, PeerEnded>>
  /** Ids that the other side has shown to have, until what is given passes them. */
  readonly theirs: Set<string>
  conversation: Giving.Conversation | undefined
  request: number
  /** Frames that came, and those of them that were no sign of life alone. */
  heard: number
  said: number
}

/** Questions, offers and pings that may wait for their answers: an honest side has one of each on its way. */
const JOBS_MAX = 16

/** Speaks with the device at the other end until the connection ends. */
export const run: (
  journal: Journal,
  connection: Connection,
  options: { readonly role: Role; readonly listener: Listener }
) => Effect.Effect<never, PeerEnded, Crypto | Scope.Scope> = Effect.fn("PeerSession.run")(
  function*(journal, connection, { listener, role }) {
    const context = journal.books().state.spaceId
    const channel = yield* Channel.meet(connection, { role, identity: journal.identity, context })
    const { data } = yield* Demux.make(channel)
    const found = whose(journal, channel.remote)
    if (Result.isFailure(found)) {
      yield* Effect.ignore(data.send(peerFrameCodec.encodeAfter(1, refusal(0, REFUSALS[found.failure.reason]))))
      return yield* found.failure
    }
    const live: Live = {
      journal,
      data,
      device: found.success,
      listener,
      counts: { received: 0, sent: 0 },
      waiting: new Map(),
      jobs: yield* Queue.dropping<Effect.Effect<void, PeerEnded>>(JOBS_MAX),
      theirs: new Set(),
      conversation: undefined,
      request: 0,
      heard: 0,
      said: 0
    }
    yield* listener.met(live.device, live.counts)
    const speaking = [answer(live), give(live, role), keepAlive(live)].map(leaveEndToReader)
    return yield* Effect.raceAllFirst([read(live), ...speaking, stalled(live), removed(live)])
  }
)

/** What came before the end says why it came: a refusal is read before whoever sends finds the connection closed. */
const leaveEndToReader = (speaking: Effect.Effect<never, PeerEnded>): Effect.Effect<never, PeerEnded> =>
  Effect.catchTag(speaking, "ConnectionClosed", () => Effect.never)

const isMember = (journal: Journal, id: DeviceId): boolean => {
  const member = Membership.memberOf(journal.books().state.membership, id)
  return member !== undefined && member.removed === null
}

/** What the other side is told. */
const REFUSALS: { readonly [Reason in PeerUnknown["reason"]]: RelayError } = {
  stranger: new Unauthorized({ detail: "the device is not known here as a member" }),
  removed: new DeviceRevoked(),
  itself: new Unauthorized({ detail: "a device and itself" })
}

/** The member whose keys these are. */
const whose = (journal: Journal, { mlKem, x25519 }: NoiseKeys): Result.Result<DeviceId, PeerUnknown> => {
  const { roster } = journal.books().state.membership
  for (const { certificate: { body }, id, removed } of roster.memberByHex.values()) {
    if (!Bytes.equals(body.noise.x25519, x25519) || !Bytes.equals(body.noise.mlKem, mlKem)) continue
    if (Bytes.equals(id, journal.identity.id)) return Result.fail(new PeerUnknown({ reason: "itself" }))
    return removed === null ? Result.succeed(id) : Result.fail(new PeerUnknown({ reason: "removed" }))
  }
  return Result.fail(new PeerUnknown({ reason: "stranger" }))
}

/** A device that is removed while it is connected gets nothing more. */
const removed = ({ device, journal }: Live): Effect.Effect<never, PeerUnknown> =>
  Effect.flatMap(
    Signal.until(journal.changed, () => isMember(journal, device) ? undefined : true),
    () => Effect.fail(new PeerUnknown({ reason: "removed" }))
  )

const send = ({ data }: Live, frame: PeerFrame) => Effect.suspend(() => data.send(peerFrameCodec.encodeAfter(1, frame)))

const refusal = (request: number, error: RelayError): PeerFrame => ({
  _tag: "Refused",
  request,
  refusal: toRefusal(error)
})

const invalid = (detail: string) => new ChannelFailed({ reason: "control", detail })

// -- reading -----------------------------------------------------------------------------------------------------------

const read = (live: Live): Effect.Effect<never, PeerEnded> =>
  Effect.forever(Effect.gen(function*() {
    for (const message of yield* live.data.receive) {
      live.heard++
      const frame = peerFrameCodec.decode(message)
      if (Result.isFailure(frame)) return yield* invalid(`a frame of a device (${frame.failure.reason})`)
      if (frame.success._tag !== "Ping" && frame.success._tag !== "Pong") live.said++
      yield* dispatch(live, frame.success)
    }
  }))

const dispatch = (live: Live, frame: PeerFrame): Effect.Effect<void, PeerEnded> => {
  switch (frame._tag) {
    case "Reconcile":
      return later(live, asked(live, frame))
    case "Offer":
      return Effect.andThen(
        take(live, frame.envelopes),
        later(live, send(live, { _tag: "Taken", request: frame.request }))
      )
    case "Ping":
      return later(live, send(live, { _tag: "Pong", request: frame.request }))
    case "Pong":
      return Effect.void
    case "Refused":
      return refused(live, frame)
    case "Reconciled":
      return answered(live, frame.request, "Answer", ({ done }) => Deferred.succeed(done, frame.message))
    case "Taken":
      return answered(live, frame.request, "Taken", ({ done }) => Deferred.succeed(done, undefined))
    case "Envelopes":
      return came(live, frame)
  }
}

/** Leaves it to `answer`. Whoever asks without waiting for answers is left. */
const later = ({ jobs }: Live, job: Effect.Effect<void, PeerEnded>): Effect.Effect<void, ChannelFailed> =>
  Effect.flatMap(Queue.offer(jobs, job), (taken) => taken ? Effect.void : Effect.fail(invalid("too many questions")))

const answer = ({ jobs }: Live): Effect.Effect<never, PeerEnded> => Effect.forever(Effect.flatten(Queue.take(jobs)))

type WaitingFor<Tag extends Waiting["_tag"]> = Extract<Waiting, { readonly _tag: Tag }>

const isFor = <Tag extends Waiting["_tag"]>(waiting: Waiting | undefined, tag: Tag): waiting is WaitingFor<Tag> =>
  waiting?._tag === tag

const answered = <Tag extends Waiting["_tag"]>(
  { waiting }: Live,
  request: number,
  tag: Tag,
  use: (waiting: WaitingFor<Tag>) => Effect.Effect<unknown>
): Effect.Effect<void, ChannelFailed> => {
  const found = waiting.get(request)
  if (!isFor(found, tag)) return Effect.fail(invalid("an answer to nothing"))
  waiting.delete(request)
  return Effect.asVoid(use(found))
}

const came = Effect.fnUntraced(function*(
  live: Live,
  { envelopes, more, request }: Extract<PeerFrame, { readonly _tag: "Envelopes" }>
): Effect.fn.Return<void, PeerEnded> {
  const waiting = live.waiting.get(request)
  const isTooMany = waiting?._tag === "Envelopes" && waiting.ids.length + envelopes.length > waiting.count
  if (!isFor(waiting, "Envelopes") || isTooMany || (more && envelopes.length === 0)) {
    return yield* invalid("envelopes that were not asked for")
  }
  waiting.ids.push(...(yield* take(live, envelopes)))
  if (more) return
  live.waiting.delete(request)
  yield* Deferred.succeed(waiting.done, undefined)
})

const THEIRS_MAX = 100_000

/** Makes envelopes durable here. */
const take = Effect.fnUntraced(function*(
  { counts, journal, theirs }: Live,
  envelopes: ReadonlyArray<Uint8Array>
): Effect.fn.Return<ReadonlyArray<Uint8Array>, PeerEnded> {
  // Forgetting some costs no more than giving them back.
  if (theirs.size > THEIRS_MAX) theirs.clear()
  // Before they are accepted: what is given next may be looked for at once.
  for (const envelope of envelopes) theirs.add(Bytes.toHex(envelopeId(journal.crypto, envelope)))
  const { ids } = yield* Inbox.acceptGiven(journal, envelopes)
  counts.received += envelopes.length
  return ids
})

/** What concerns no request ends the session: the other side will not speak with this one. */
const refused = (
  live: Live,
  { refusal, request }: Extract<PeerFrame, { readonly _tag: "Refused" }>
): Effect.Effect<void, PeerEnded> => {
  const error = fromRefusal(refusal)
  if (Result.isFailure(error)) return Effect.fail(invalid("a refusal"))
  const waiting = live.waiting.get(request)
  if (waiting === undefined) return Effect.fail(error.success)
  live.waiting.delete(request)
  switch (waiting._tag) {
    case "Answer":
      return Effect.asVoid(Deferred.fail(waiting.done, error.success))
    case "Envelopes":
    case "Taken":
      return Effect.asVoid(Deferred.fail(waiting.done, error.success))
  }
}

// -- answering ---------------------------------------------------------------------------------------------------------

const asked = Effect.fnUntraced(function*(
  live: Live,
  { keyEpoch, message, request }: Extract<PeerFrame, { readonly _tag: "Reconcile" }>
): Effect.fn.Return<void, PeerEnded> {
  if (keyEpoch !== null) live.conversation = yield* Giving.begin(live.journal, keyEpoch)
  const { conversation } = live
  if (conversation === undefined) return yield* invalid("a conversation that was not begun")
  const answered = Giving.respond(conversation, message)
  if (Result.isFailure(answered)) {
    live.conversation = undefined
    return yield* send(live, refusal(request, new InvalidMessage({ detail: answered.failure.reason })))
  }
  live.conversation = answered.success.conversation
  if (answered.success.message !== undefined) {
    return yield* send(live, { _tag: "Reconciled", request, message: answered.success.message })
  }
  let rest = yield* Giving.inOrder(live.journal, answered.success.send)
  do {
    const load = yield* Giving.load(live.journal, rest)
    rest = load.rest
    yield* send(live, { _tag: "Envelopes", request, envelopes: load.envelopes, more: rest.length > 0 })
    live.counts.sent += load.envelopes.length
  } while (rest.length > 0)
})

// -- giving ------------------------------------------------------------------------------------------------------------

/** Compares first, if this side connected; then gives on what is accepted here. */
const give = Effect.fnUntraced(function*(live: Live, role: Role): Effect.fn.Return<never, PeerEnded> {
  const { device, journal, listener } = live
  let from = journal.books().meta.ordinal
  if (role === "initiator") {
    const { lacking } = yield* compare(live)
    let rest = yield* Giving.inOrder(journal, lacking)
    while (rest.length > 0) {
      const load = yield* Giving.load(journal, rest)
      rest = load.rest
      yield* offer(live, load)
    }
    yield* listener.compared(device)
  }
  while (true) {
    yield* Signal.until(journal.changed, () => journal.books().meta.ordinal > from ? true : undefined)
    from = yield* giveAfter(live, from)
  }
})

/** How long to wait before sets that changed while they were compared are compared again. */
const CHANGING_MILLIS = 1000

/** How often that is done: a side that says so again and again does not want to come to an end. */
const COMPARISONS_MAX = 5

/** Compares; again, when that failed through nobody's fault. */
const compare = (live: Live, left = COMPARISONS_MAX): Effect.Effect<Conversation.Compared, PeerEnded> =>
  Effect.catchTag(
    Effect.tap(Conversation.run(live.journal, peerOf(live), "device"), () => IdSet.saveQuietly(live.journal)),
    "ReconcileFailed",
    (error) =>
      error.isMisconduct || left === 1
        ? Effect.fail(error)
        : Effect.andThen(Effect.sleep(CHANGING_MILLIS), Effect.suspend(() => compare(live, left - 1)))
  )

const SCAN_ROWS = 16

/** Gives what was accepted after an ordinal, but not what the other side gave; answers how far it got. */
const giveAfter = Effect.fnUntraced(function*(live: Live, from: Ordinal): Effect.fn.Return<Ordinal, PeerEnded> {
  const { journal, theirs } = live
  const newest = journal.books().meta.ordinal
  const rows = yield* Ledger.entry.scan(journal.store, { after: from, limit: SCAN_ROWS })
  const ids: Array<Uint8Array> = []
  for (const { row: { envelope } } of rows) {
    const id = envelopeId(journal.crypto, envelope)
    if (!theirs.delete(Bytes.toHex(id))) ids.push(id)
  }
  let rest: ReadonlyArray<Uint8Array> = ids
  while (rest.length > 0) {
    const load = yield* Giving.load(journal, rest)
    rest = load.rest
    yield* offer(live, load)
  }
  const last = rows.at(-1)?.key
  return rows.length < SCAN_ROWS ? Ordinal.make(Math.max(newest, last ?? from)) : last ?? from
})

/** Waits until the other side has made them durable. */
const offer = (live: Live, { envelopes, ids }: Giving.Load): Effect.Effect<void, PeerEnded> =>
  Effect.suspend(() => {
    if (envelopes.length === 0) return Effect.void
    const done = Deferred.makeUnsafe<void, RelayError>()
    const request = expect(live, { _tag: "Taken", done })
    return send(live, { _tag: "Offer", request, envelopes }).pipe(
      Effect.andThen(Deferred.await(done)),
      Effect.andThen(Effect.sync(() => {
        live.counts.sent += ids.length
      }))
    )
  })

const expect = (live: Live, waiting: Waiting): number => {
  const request = ++live.request
  live.waiting.set(request, waiting)
  return request
}

const peerOf = (live: Live): Conversation.Peer<PeerEnded> => ({
  ask: (message, opening) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<Uint8Array, RelayError>()
      const request = expect(live, { _tag: "Answer", done })
      const keyEpoch = opening?.keyEpoch ?? null
      return Effect.andThen(send(live, { _tag: "Reconcile", request, keyEpoch, message }), Deferred.await(done))
    }),
  fetch: (message, count) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<void, RelayError>()
      const ids: Array<Uint8Array> = []
      const request = expect(live, { _tag: "Envelopes", count, ids, done })
      return send(live, { _tag: "Reconcile", request, keyEpoch: null, message }).pipe(
        Effect.andThen(Deferred.await(done)),
        Effect.as(ids)
      )
    })
})

// -- keeping alive -----------------------------------------------------------------------------------------------------

/** Patient: a slow device may have megabytes before the ping to take in, and answers when it gets there. */
const keepAlive = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, PeerEnded> {
  while (true) {
    const { heard } = live
    yield* Effect.sleep(Limit.keepAliveMillis)
    if (live.heard !== heard) continue
    // A side that takes nothing does not take the ping, either.
    const asked = Effect.andThen(send(live, { _tag: "Ping", request: ++live.request }), Effect.never)
    yield* Effect.raceFirst(asked, Effect.sleep(Limit.stallMillis))
    if (live.heard === heard) return yield* new PeerSilent({ millis: Limit.stallMillis })
  }
})

/** Ends it with a side that answers pings, and nothing else: who waits for it would wait for ever. */
const stalled = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, PeerSilent> {
  while (true) {
    const { said } = live
    const [oldest] = live.waiting.keys()
    yield* Effect.sleep(Limit.stallMillis)
    if (oldest !== undefined && live.waiting.has(oldest) && live.said === said) {
      return yield* new PeerSilent({ millis: Limit.stallMillis })
    }
  }
})
