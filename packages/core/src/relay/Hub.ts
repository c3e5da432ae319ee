/**
 * One route that somebody is attached to at this relay: its state, who is attached, and what has just been appended.
 *
 * 1. A hub is in `Engine.hubByRoute` exactly while it has handles or pushes on their way, so there is one per route.
 * 2. A handle belongs to one connection. It may do what was proved when it was attached, until its epoch ends; from then
 *    on it reads what was there at the end (`ended`), and no more.
 * 3. `head` is what the log is known to hold here; it never goes back. `tail` holds envelopes that were just appended,
 *    until they have been handed out: it spares reading them back from storage.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { PLANE, type RelayFrame, relayFrameCodec } from "@sotto/schema/Frame"
import type { Head } from "@sotto/schema/Head"
import { type Epoch, type Lane, Position, type RouteId } from "@sotto/schema/Id"
import { type RelayError, toRefusal, Unauthorized, type UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import { type Engine, now } from "./Engine.ts"
import type { HeadCache, LogState } from "./HeadSigner.ts"
import type { Outbox } from "./Outbox.ts"
import * as RateLimit from "./RateLimit.ts"
import type { Appended, Incoming, PastEpoch, RelayStoreFailed, RouteState } from "./RelayStore.ts"

/** A subscription of a handle: everything up to `position` was looked at and, if it fits `lanes`, sent. */
export interface Subscription {
  readonly request: number
  readonly lanes: ReadonlyArray<Lane>
  /** Subscriptions with the same lanes have the same key. */
  readonly lanesKey: string
  position: Position
  creditBytes: number
  /** A head was sent when nothing more was there. */
  caughtUp: boolean
}

/** A reconciliation that was begun on a handle: which set it is about, and what is remembered between two requests. */
export interface Conversation {
  readonly key: Uint8Array
  readonly keyEpoch: number
  /** Empty = all. */
  readonly lanes: ReadonlyArray<Lane>
  /** Requests that were answered. */
  messages: number
  /** The last answer listed all ids up to here. */
  listedThrough: Position | undefined
  /** A request is under way. */
  busy: boolean
  /** What a request waits for while its connection has no room. */
  readonly room: Latch.Latch
}

/** A route attached on one connection. */
export interface Handle {
  readonly number: number
  readonly hub: Hub
  readonly outbox: Outbox
  readonly epoch: Epoch
  /** The `opHash` of its epoch: an epoch that recovery made anew is another one, also with the same number. */
  readonly opHash: Uint8Array
  readonly read: boolean
  readonly write: boolean
  /** The end of its epoch, once it is over. */
  ended: PastEpoch | undefined
  subscription: Subscription | undefined
  conversation: Conversation | undefined
}

/** A push that is stored and whose answer waits for the next head. */
interface Answer {
  readonly handle: Handle
  readonly request: number
  readonly positions: ReadonlyArray<Position>
}

/** An envelope that was just appended. */
export interface Recent {
  readonly position: Position
  readonly lane: Lane
  readonly bytes: Uint8Array
}

export interface Hub {
  readonly route: RouteId
  readonly routeHex: string
  state: RouteState
  /** Counts changes of `state`'s epoch: who read the store before one must not write what it read after it. */
  changes: number
  head: LogState
  readonly cache: HeadCache
  readonly handles: Set<Handle>
  /** Pushes that are on their way to storage. */
  pushes: number
  readonly bucket: RateLimit.Bucket
  readonly tail: Map<number, Recent>
  tailBytes: number
  answers: Array<Answer>
  /** Something was appended here since the last hint to other relays. */
  unannounced: boolean
  /** It stands in `Engine.work` or is being worked on. */
  queued: boolean
  /** There is something to do. */
  dirty: boolean
}

export const routeRate = (engine: Engine): RateLimit.Rate =>
  RateLimit.rate(engine.options.limits.routeMessagesPerSecond, 1000)

/**
 * The route as storage has it, and its hub brought up to it (or a new one, which counts from its first `attach`; that
 * must follow in the same step). When the epoch changed here while storage was read, it is read again: an older state
 * never replaces a newer one.
 */
export const reload: (
  engine: Engine,
  route: RouteId
) => Effect.Effect<readonly [RouteState, Hub], UnknownRoute | RelayStoreFailed> = Effect.fnUntraced(
  function*(engine, route) {
    const routeHex = Bytes.toHex(route)
    for (;;) {
      const before = engine.hubByRoute.get(routeHex)
      const changes = before?.changes
      const state = yield* engine.store.route(route)
      const hub = engine.hubByRoute.get(routeHex)
      if (hub === undefined) return [state, make(engine, routeHex, state)] as const
      if (hub !== before || hub.changes !== changes) continue
      refresh(engine, hub, state)
      return [state, hub] as const
    }
  }
)

const make = (engine: Engine, routeHex: string, state: RouteState): Hub => ({
  route: state.route,
  routeHex,
  state,
  changes: 0,
  head: { position: state.position, chain: state.chain, lowest: state.lowest },
  cache: { head: undefined },
  handles: new Set(),
  pushes: 0,
  bucket: RateLimit.full(now(engine)),
  tail: new Map(),
  tailBytes: 0,
  answers: [],
  unannounced: false,
  queued: false,
  dirty: false
})

/** Takes over the route's state from storage. Handles of epochs that are over by it become read only. */
const refresh = (engine: Engine, hub: Hub, state: RouteState): void => {
  advance(hub, state)
  const changed = !Bytes.equals(hub.state.opHash, state.opHash)
  hub.state = state
  if (!changed) return
  hub.changes++
  for (const handle of hub.handles) {
    if (handle.ended !== undefined || Bytes.equals(handle.opHash, state.opHash)) continue
    handle.ended = state.past.find((past) => past.epoch === handle.epoch) ?? {
      epoch: handle.epoch,
      read: state.keys.read,
      position: hub.head.position,
      chain: hub.head.chain,
      millis: now(engine)
    }
    if (handle.subscription === undefined) sendEpochChanged(handle)
  }
  wake(engine, hub)
}

/** No other hub stands for this route. */
export const isCurrent = (engine: Engine, hub: Hub): boolean => (engine.hubByRoute.get(hub.routeHex) ?? hub) === hub

export const attach = (engine: Engine, handle: Handle): void => {
  handle.hub.handles.add(handle)
  engine.hubByRoute.set(handle.hub.routeHex, handle.hub)
}

/** Has the hub looked at soon. */
export const wake = (engine: Engine, hub: Hub): void => {
  hub.dirty = true
  if (hub.queued) return
  hub.queued = true
  Queue.offerUnsafe(engine.work, hub)
}

/** Another reconciliation in place of the one before, whose request ends by itself when it finds out. */
export const converse = (handle: Handle, conversation: Conversation | undefined): void => {
  const before = handle.conversation
  handle.conversation = conversation
  before?.room.openUnsafe()
}

/** Lets go of a handle. */
export const detach = (engine: Engine, handle: Handle): void => {
  const { hub } = handle
  handle.subscription = undefined
  converse(handle, undefined)
  hub.handles.delete(handle)
  closeIfIdle(engine, hub)
}

export const closeIfIdle = (engine: Engine, hub: Hub): void => {
  if (hub.handles.size === 0 && hub.pushes === 0) engine.hubByRoute.delete(hub.routeHex)
}

/** Takes note of where the log stands, from whatever source. */
export const advance = (hub: Hub, log: LogState): void => {
  if (log.position > hub.head.position) {
    hub.head = { position: log.position, chain: log.chain, lowest: log.lowest }
  } else if (log.lowest > hub.head.lowest) hub.head = { ...hub.head, lowest: log.lowest }
}

/** Takes note of an append of this relay, so that it is handed out and answered. */
export const appended = (
  engine: Engine,
  append: {
    readonly handle: Handle
    readonly request: number
    readonly envelopes: ReadonlyArray<Incoming>
    readonly result: Appended
  }
): void => {
  const { envelopes, handle, request, result } = append
  const { hub } = handle
  advance(hub, result)
  const positions: Array<Position> = []
  result.stored.forEach(({ duplicate, position }, i) => {
    positions.push(position)
    const envelope = envelopes[i]
    if (duplicate || envelope === undefined) return
    hub.unannounced = true
    if (hub.tailBytes + envelope.bytes.length > engine.options.limits.pageBytesMax) return
    hub.tail.set(position, { position, lane: envelope.lane, bytes: envelope.bytes })
    hub.tailBytes += envelope.bytes.length
  })
  hub.answers.push({ handle, request, positions })
  wake(engine, hub)
}

/** The signed head of the route as it is known here. */
export const headOf = (engine: Engine, hub: Hub): Head =>
  engine.signer.current(hub.cache, hub.route, hub.head, now(engine))

/** The head that a handle may see: of an epoch that is over, the one at its end. */
export const headFor = (engine: Engine, handle: Handle): Head => {
  const { ended, hub } = handle
  if (ended === undefined) return headOf(engine, hub)
  const lowest = Position.make(Math.min(hub.head.lowest, ended.position + 1))
  return engine.signer.sign(hub.route, { position: ended.position, chain: ended.chain, lowest }, ended.millis)
}

/** Why a handle may not read at all; undefined when it may. */
export const mayRead = (handle: Handle): Unauthorized | undefined =>
  handle.read ? undefined : new Unauthorized({ detail: "this handle was attached without the read capability" })

/** Up to where a handle may read. */
export const goalOf = (handle: Handle): Position => handle.ended?.position ?? handle.hub.head.position

/** Says on the handle that its epoch is over and everything it may read was sent. */
export const sendEpochChanged = (handle: Handle): void =>
  offer(handle, { _tag: "EpochChanged", handle: handle.number, epoch: handle.hub.state.epoch })

/** A frame as a channel's message. */
export const toMessage = (frame: RelayFrame): Uint8Array => {
  const message = relayFrameCodec.encodeAfter(1, frame)
  message[0] = PLANE.data
  return message
}

/** Also for a handle that was let go: an answer to what it asked before still belongs to its connection. */
export const offer = (handle: Handle, frame: RelayFrame): void => handle.outbox.offer(toMessage(frame))

export const refused = (handle: number, request: number, error: RelayError): RelayFrame => ({
  _tag: "Refused",
  handle,
  request,
  refusal: toRefusal(error)
})

/** Whether somebody here is attached to this route. */
export const isAttached = (engine: Engine, route: RouteId): boolean => engine.hubByRoute.has(Bytes.toHex(route))
