/**
 * One attached connection to one relay (protocol.md §5a, §7), from dialling until it ends, which is always with an error
 * that says why: a relay is left for no reason only by interrupting.
 *
 * ```
 *   dial ─ attach ┬─ read: deliveries ─▶ Inbox.accept, then credit;  acknowledgements ─▶ pump
 *                 ├─ follow: compare, where that is shorter; subscribe; compare again now and then
 *                 ├─ pump: outbox ─▶ Push
 *                 ├─ acknowledge: how far this device is, at most every two seconds
 *                 └─ keep alive: a ping when nothing came for a while
 * ```
 *
 * 1. Credit is given back when a page is durable: a relay is never ahead of this device's disk by more than the credit.
 * 2. Frames are worked on in their order, by one fiber.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type ClientFrame, clientFrameCodec, type RelayFrame, relayFrameCodec } from "@sotto/schema/Frame"
import type { Head } from "@sotto/schema/Head"
import type { Position, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { Attached } from "@sotto/schema/Relay"
import { DeviceRevoked, EnvelopeTooLarge, fromRefusal, type RelayError, ShuttingDown } from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type ChannelEnd, ChannelFailed } from "../channel/ChannelError.ts"
import type { CallError } from "../channel/Control.ts"
import * as Dial from "../channel/Dial.ts"
import { EpochMoved, type QuarantineFull, RelaySilent, UnknownRelay } from "../ClientError.ts"
import type { Crypto, EntropyUnavailable } from "../Crypto.ts"
import * as Signal from "../internal/signal.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import { memberOf } from "../space/Membership.ts"
import { currentEpoch } from "../space/SpaceState.ts"
import { type ClientEvent, failureOf } from "../Status.ts"
import type { StoreFailed } from "../Store.ts"
import type { ConnectionClosed, Transport } from "../Transport.ts"
import * as Attach from "./Attach.ts"
import * as Comparing from "./Comparing.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as IdSet from "./IdSet.ts"
import * as Inbox from "./Inbox.ts"
import type { Book, Journal } from "./Journal.ts"
import * as Pump from "./Pump.ts"
import * as Reconnect from "./Reconnect.ts"
import { type CompareFailed, type Reconciled, RelayTalk } from "./RelayTalk.ts"
import { envelopeId } from "./Sealing.ts"

/** Everything that a session ends with. */
export type SessionEnded =
  | Dial.DialFailed
  | Attach.AttachFailed
  | RelayError
  | CallError
  | RelayMisbehaved
  | QuarantineFull
  | UnknownRelay
  | StoreFailed
  | KeystoreFailed
  | EntropyUnavailable
  | RelaySilent
  | EpochMoved

/** What a session tells whoever runs it. */
export interface Listener {
  /** `writable`: with the key of the epoch that the relay is in. */
  readonly attached: (session: Session, writable: boolean) => Effect.Effect<void>
  /** Everything that the relay has is here. */
  readonly caughtUp: (position: Position) => Effect.Effect<void>
  readonly events: (events: ReadonlyArray<ClientEvent>) => Effect.Effect<void>
  /** A push was refused and is tried again; null once one went through. */
  readonly refused: (error: RelayError | null) => Effect.Effect<void>
  readonly presence: (envelope: Uint8Array) => Effect.Effect<void>
  /** Whether no other relay may still bring what is missing here. */
  readonly last: () => boolean
  /** Raised when the app wants to know at once whether the relay is still there. */
  readonly poked: Signal.Signal
  /** Whether to wait with sending until everything is here: the first time after a start. */
  readonly readFirst: () => boolean
}

/** What can be done over an attached connection. */
export interface Session {
  readonly publish: (envelope: Uint8Array) => Effect.Effect<void, ConnectionClosed | ChannelFailed>
  /** Acknowledges now what is here. */
  readonly acknowledge: Effect.Effect<void, RelayError | CallError>
  /** Asks the relay where its log stands, and waits until everything up to there is here. */
  readonly sync: Effect.Effect<void, RelayError | ChannelEnd | UnknownRelay>
  /** Compares this device with the relay, so that afterwards each has what the other had. */
  readonly reconcile: Effect.Effect<Reconciled, CompareFailed>
}

type Answer = Extract<RelayFrame, { readonly _tag: "Pushed" }>

/** A push that is on its way. `done`: its answer is in the books. */
interface Pushing {
  readonly load: Pump.Load
  readonly done: Deferred.Deferred<void, RelayError>
}

/** The state of a session. Owned by its fibers, which run on one thread. */
interface Live {
  readonly journal: Journal
  readonly relay: RelayKey
  readonly line: Dial.Line
  readonly listener: Listener
  readonly attachment: Attach.Attachment
  readonly changed: Signal.Signal
  readonly pushes: Map<number, Pushing>
  readonly questions: Map<number, Deferred.Deferred<Head, RelayError>>
  readonly talk: RelayTalk
  /** Those who want to compare. */
  readonly asking: Array<Deferred.Deferred<Reconciled, CompareFailed>>
  /** The relay's log is on its way. */
  subscribed: boolean
  request: number
  /** Bytes that were delivered and not given back. */
  owedBytes: number
  /** Frames that came. */
  heard: number
  caughtUp: boolean
  /** Up to where; −1 before the first time. A relay in transit waits for devices that said something, if only "nothing". */
  acknowledged: number
}

/** Credit is given back in pieces of this size: a frame for every small page would count against the relay's limits. */
const CREDIT_STEP_BYTES = Limit.streamCreditBytes / 4

/** A relay that dies between its handshake and its answer may leave a connection that nobody ever closes. */
const ATTACH_MILLIS = Limit.handshakeTotalMillis

/** Connects, attaches and runs until it ends. */
export const run: (
  journal: Journal,
  relay: RelayKey,
  listener: Listener
) => Effect.Effect<never, SessionEnded, Transport | Crypto | Scope.Scope> = Effect.fn("RelaySession.run")(
  function*(journal, relay, listener) {
    const book = yield* bookOf(journal, relay)
    const line = yield* Dial.dial(book.row.address, book.row.keys ?? undefined)
    const attachment = yield* Effect.timeoutOrElse(Attach.attach(journal, relay, line), {
      duration: ATTACH_MILLIS,
      orElse: () => Effect.fail(new RelaySilent({ millis: ATTACH_MILLIS }))
    })
    const live = start({ journal, relay, line, listener, attachment })
    yield* listener.attached({
      publish: (envelope) => send(live, { _tag: "Publish", handle: handleOf(live), envelope }),
      acknowledge: acknowledge(live),
      sync: sync(live),
      reconcile: reconcile(live)
    }, attachment.writable)
    return yield* Effect.raceAllFirst([read(live), follow(live), pump(live), acknowledging(live), keepAlive(live)])
  }
)

const start = (
  made: Pick<Live, "journal" | "relay" | "line" | "listener" | "attachment">
): Live => {
  const { attachment, journal, listener: { last }, relay } = made
  const live: Live = {
    ...made,
    changed: Signal.make(),
    pushes: new Map(),
    questions: new Map(),
    talk: new RelayTalk({
      journal,
      relay,
      handle: attachment.attached.handle,
      number: () => ++live.request,
      send: (frame) => send(live, frame),
      last
    }),
    asking: [],
    subscribed: false,
    request: 0,
    owedBytes: 0,
    heard: 0,
    caughtUp: false,
    acknowledged: -1
  }
  return live
}

const bookOf = (journal: Journal, relay: RelayKey): Effect.Effect<Book, UnknownRelay> =>
  Effect.suspend(() => {
    const book = journal.books().bookByHex.get(Bytes.toHex(relay))
    return book === undefined ? Effect.fail(new UnknownRelay()) : Effect.succeed(book)
  })

const handleOf = ({ attachment }: Live): Attached["handle"] => attachment.attached.handle

const send = ({ line }: Live, frame: ClientFrame) =>
  Effect.suspend(() => line.data.send(clientFrameCodec.encodeAfter(1, frame)))

const invalid = (detail: string) => new ChannelFailed({ reason: "control", detail })

// -- reading -----------------------------------------------------------------------------------------------------------

type Deliver = Extract<RelayFrame, { readonly _tag: "Deliver" }>

const read = (live: Live): Effect.Effect<never, SessionEnded> =>
  Effect.forever(Effect.gen(function*() {
    const messages = yield* live.line.data.receive
    live.heard += messages.length
    let pages: Array<Deliver> = []
    for (const message of messages) {
      const frame = relayFrameCodec.decode(message)
      if (Result.isFailure(frame)) return yield* invalid(`a data frame (${frame.failure.reason})`)
      if (pages.length > 0 && (frame.success._tag !== "Deliver" || pages.length >= PAGES_MAX)) {
        yield* take(live, pages)
        pages = []
      }
      if (frame.success._tag === "Deliver") pages.push(frame.success)
      else yield* dispatch(live, frame.success)
    }
    if (pages.length > 0) yield* take(live, pages)
  }))

/** Live pages that came together are one commit. */
const PAGES_MAX = 64

const dispatch = (
  live: Live,
  frame: Exclude<RelayFrame, Deliver>
): Effect.Effect<void, SessionEnded> => {
  switch (frame._tag) {
    case "Pushed":
      return pushed(live, frame)
    case "Presence":
      return live.listener.presence(frame.envelope)
    case "Pong":
      return Effect.void
    case "Reconciled":
      return live.talk.take(frame)
    case "Page":
      return live.talk.awaits(frame.request)
        ? live.talk.take(frame)
        : answered(live.questions, frame.request, (waiting) => Deferred.succeed(waiting, frame.head))
    case "Refused":
      return refused(live, frame)
    case "GoAway":
      return Effect.fail(new ShuttingDown({ retryAfterMillis: frame.retryAfterMillis }))
    case "EpochChanged":
      return Effect.flatMap(epochMoved(live, frame.epoch), Effect.fail)
  }
}

/** With the next epoch's keys, the connection is made anew; without them, this device waits for them, or is out. */
const epochMoved = ({ attachment, journal }: Live, epoch: number): Effect.Effect<EpochMoved | DeviceRevoked> =>
  Effect.sync(() => {
    const { state } = journal.books()
    const own = memberOf(state.membership, journal.identity.id)
    if (own !== undefined && own.removed !== null) return new DeviceRevoked()
    return new EpochMoved({ epoch, ready: currentEpoch(state).epoch > attachment.epoch.epoch })
  })

const answered = <A>(
  waitingByRequest: Map<number, A>,
  request: number,
  use: (waiting: A) => Effect.Effect<unknown>
): Effect.Effect<void, ChannelFailed> => {
  const waiting = waitingByRequest.get(request)
  if (waiting === undefined) return Effect.fail(invalid("an answer to nothing"))
  waitingByRequest.delete(request)
  return Effect.asVoid(use(waiting))
}

/**
 * The answer to a push, put into the books before the next frame is looked at: a head that came later must not be there
 * first, or this one would look as if the relay's log had gone back.
 */
const pushed = Effect.fnUntraced(function*(live: Live, answer: Answer): Effect.fn.Return<void, SessionEnded> {
  const { journal, pushes, relay } = live
  const pushing = pushes.get(answer.request)
  if (pushing === undefined) return yield* invalid("an answer to nothing")
  pushes.delete(answer.request)
  if (answer.positions.length !== pushing.load.items.length) return yield* invalid("an answer to another push")
  const caught = yield* Pump.acknowledged(journal, relay, pushing.load, answer)
  if (caught !== undefined) return yield* caught
  yield* Deferred.succeed(pushing.done, undefined)
})

/** A push that is refused is the pump's; presence that is refused is lost, as it may be; all else ends the session. */
const refused = (
  live: Live,
  { handle, refusal, request }: Extract<RelayFrame, { readonly _tag: "Refused" }>
): Effect.Effect<void, SessionEnded> => {
  const error = fromRefusal(refusal)
  if (Result.isFailure(error)) return Effect.fail(invalid("a refusal"))
  const refuse = <A>(waiting: Deferred.Deferred<A, RelayError>) => Deferred.fail(waiting, error.success)
  if (live.pushes.has(request)) return answered(live.pushes, request, ({ done }) => refuse(done))
  if (live.questions.has(request)) return answered(live.questions, request, refuse)
  if (live.talk.awaits(request)) return live.talk.refuse(error.success)
  return request === 0 && handle !== 0 ? Effect.void : Effect.fail(error.success)
}

/** Takes deliveries in that follow one another. */
const take = Effect.fnUntraced(function*(
  live: Live,
  pages: ReadonlyArray<Deliver>
): Effect.fn.Return<void, SessionEnded> {
  const { journal, listener, relay } = live
  const placed = pages.length === 1 ? pages[0]?.placed ?? [] : pages.flatMap((page) => page.placed)
  const head = pages.at(-1)?.head ?? null
  const taken = yield* Inbox.accept(journal, relay, { placed, head, last: listener.last() })
  // What shows another relay's misconduct is in the books, where its keeper finds it.
  const caught = taken.caught.find(({ evidence }) => Bytes.equals(evidence.relay, relay))
  if (caught !== undefined) return yield* caught
  for (const { envelope } of placed) live.owedBytes += envelope.length
  if (live.owedBytes >= CREDIT_STEP_BYTES) {
    const bytes = live.owedBytes
    live.owedBytes = 0
    yield* send(live, { _tag: "Credit", handle: handleOf(live), bytes })
  }
  yield* checkCaughtUp(live, head ?? live.attachment.attached.head)
  live.changed.raise()
})

// -- comparing and following -------------------------------------------------------------------------------------------

/** Compares where that is shorter, then has the log come, then compares now and then. */
const follow = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, SessionEnded> {
  const { attachment: { attached, writable }, journal, relay } = live
  const { head } = attached
  const facts = Comparing.factsOf(journal.books(), yield* bookOf(journal, relay))
  if (writable && Comparing.isShorter(facts, head.body.position)) yield* compare(live)
  const { mark } = yield* bookOf(journal, relay)
  const request = ++live.request
  const creditBytes = Limit.streamCreditBytes
  yield* send(live, { _tag: "Subscribe", handle: handleOf(live), request, after: mark.cursor, lanes: [], creditBytes })
  live.subscribed = true
  live.changed.raise()
  yield* checkCaughtUp(live, head)
  yield* Signal.until(live.changed, () => live.caughtUp ? true : undefined)
  for (let count = 0;; count++) {
    yield* IdSet.saveQuietly(journal)
    const asked = Signal.until(live.changed, () => live.asking.length > 0 ? true : undefined)
    yield* Effect.timeoutOption(asked, yield* Comparing.pauseMillis(count))
    if (writable || live.asking.length > 0) yield* compare(live)
  }
})

/** Compares, and tells whoever asked. A comparison that leads nowhere is told of; the log goes on without it. */
const compare = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<void, SessionEnded> {
  const { listener: { events }, relay, talk } = live
  const ended = yield* Effect.exit(talk.compare())
  for (const one of live.asking.splice(0)) Deferred.doneUnsafe(one, ended)
  const result = yield* Effect.result(ended)
  if (Result.isSuccess(result)) {
    const { received, sent } = result.success
    if (received + sent > 0) yield* events([{ _tag: "Reconciled", relay, received, sent }])
  } else if (Comparing.isPassing(result.failure)) {
    yield* events([{ _tag: "NotReconciled", relay, failure: failureOf(result.failure, true) }])
  } else return yield* result.failure
})

const reconcile = (live: Live): Effect.Effect<Reconciled, CompareFailed> =>
  Effect.suspend(() => {
    const done = Deferred.makeUnsafe<Reconciled, CompareFailed>()
    live.asking.push(done)
    live.changed.raise()
    return Deferred.await(done)
  })

const checkCaughtUp = Effect.fnUntraced(function*(live: Live, head: Head) {
  const { mark } = yield* bookOf(live.journal, live.relay)
  if (mark.cursor < head.body.position || live.caughtUp) return
  live.caughtUp = true
  live.changed.raise()
  yield* live.listener.caughtUp(mark.cursor)
})

// -- sending -----------------------------------------------------------------------------------------------------------

const pump = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, SessionEnded> {
  const { attachment, journal, listener, relay } = live
  const skipped = new Set<number>()
  if (!attachment.writable) return yield* Effect.never
  // What it is to be sent may be known only after it was compared with.
  yield* Signal.until(live.changed, () => live.subscribed ? true : undefined)
  if (listener.readFirst()) yield* Signal.until(live.changed, () => live.caughtUp ? true : undefined)
  while (true) {
    const seen = journal.changed.version()
    const load = yield* Pump.next(journal, yield* bookOf(journal, relay), {
      limits: attachment.attached.limits,
      epoch: attachment.epoch.epoch,
      skipped
    })
    if (load === undefined) yield* journal.changed.after(seen)
    else yield* deliver(live, load, skipped)
  }
})

/** One push, from the outbox to the books. */
const deliver = Effect.fnUntraced(function*(
  live: Live,
  load: Pump.Load,
  skipped: Set<number>
): Effect.fn.Return<void, SessionEnded> {
  const { attachment, journal, listener, relay } = live
  for (const { envelope, ordinal } of load.tooLarge) {
    skipped.add(ordinal)
    const maxBytes = attachment.attached.limits.envelopeBytesMax
    const failure = failureOf(new EnvelopeTooLarge({ sizeBytes: envelope.length, maxBytes }), false)
    yield* listener.events([{ _tag: "Refused", relay, id: envelopeId(journal.crypto, envelope), failure }])
  }
  if (load.items.length > 0) return yield* push(live, load)
  yield* Pump.acknowledged(journal, relay, load, null)
})

/** Sends a push and waits until its answer is in the books; for what will pass, it waits and leaves it to be sent again. */
const push = Effect.fnUntraced(function*(live: Live, load: Pump.Load): Effect.fn.Return<void, SessionEnded> {
  const request = ++live.request
  const done = Deferred.makeUnsafe<void, RelayError>()
  live.pushes.set(request, { load, done })
  const envelopes = load.items.map(({ envelope }) => envelope)
  yield* send(live, { _tag: "Push", handle: handleOf(live), request, envelopes })
  const answer = yield* Effect.result(Deferred.await(done))
  if (Result.isSuccess(answer)) return yield* live.listener.refused(null)
  const error = answer.failure
  const retryMillis = Reconnect.askAgainMillis(error)
  if (retryMillis === undefined) return yield* error
  yield* live.listener.refused(error)
  yield* Effect.sleep(retryMillis)
})

/** The head of the relay's log. What will pass is waited for, and asked again. */
const headNow = Effect.fnUntraced(function*(
  live: Live
): Effect.fn.Return<Head, RelayError | ChannelEnd | UnknownRelay> {
  while (true) {
    const { mark } = yield* bookOf(live.journal, live.relay)
    const request = ++live.request
    const waiting = Deferred.makeUnsafe<Head, RelayError>()
    live.questions.set(request, waiting)
    yield* send(live, { _tag: "Pull", handle: handleOf(live), request, after: mark.cursor, limit: 1 })
    const answer = yield* Effect.result(Deferred.await(waiting))
    if (Result.isSuccess(answer)) return answer.success
    const retryMillis = Reconnect.askAgainMillis(answer.failure)
    if (retryMillis === undefined) return yield* answer.failure
    yield* Effect.sleep(retryMillis)
  }
})

const sync = Effect.fnUntraced(function*(live: Live) {
  const { body } = yield* headNow(live)
  const reached = () => {
    const book = live.journal.books().bookByHex.get(Bytes.toHex(live.relay))
    return book === undefined || book.mark.cursor >= body.position ? true : undefined
  }
  yield* Signal.until(live.journal.changed, reached)
})

// -- acknowledging and keeping alive -----------------------------------------------------------------------------------

/** Acknowledgements are collected for this long. */
const ACKNOWLEDGE_MILLIS = 2000

const acknowledge = Effect.fnUntraced(function*(live: Live) {
  const { attachment, journal, line, relay } = live
  const book = yield* Effect.result(bookOf(journal, relay))
  if (Result.isFailure(book)) return
  const position = book.success.mark.cursor
  if (position <= live.acknowledged) return
  const tag = attachment.epoch.ackTag(journal.identity.id)
  yield* line.control.Ack({ handle: handleOf(live), tag, position })
  live.acknowledged = Math.max(live.acknowledged, position)
})

const acknowledging = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, SessionEnded> {
  while (true) {
    const seen = live.changed.version()
    yield* acknowledge(live).pipe(
      Effect.catchTags({
        RateLimited: ({ retryAfterMillis }) => Effect.sleep(retryAfterMillis),
        Overloaded: ({ retryAfterMillis }) => Effect.sleep(retryAfterMillis)
      })
    )
    yield* Effect.sleep(ACKNOWLEDGE_MILLIS)
    yield* live.changed.after(seen)
  }
})

/** A ping when nothing came for a while, or when the app asks; nothing after it either ends the session. */
const keepAlive = Effect.fnUntraced(function*(live: Live): Effect.fn.Return<never, SessionEnded> {
  const { poked } = live.listener
  while (true) {
    const { heard } = live
    const seen = poked.version()
    yield* Effect.timeoutOption(poked.after(seen), Limit.keepAliveMillis)
    if (live.heard !== heard && poked.version() === seen) continue
    const before = live.heard
    yield* send(live, { _tag: "Ping", request: ++live.request })
    yield* Effect.sleep(Limit.handshakeStepMillis)
    if (live.heard === before) return yield* new RelaySilent({ millis: Limit.handshakeStepMillis })
  }
})
