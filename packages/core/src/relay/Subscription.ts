/**
 * Hands out what a route holds to those who subscribed (protocol.md §5a, §6): the backlog in pages, then what comes, with
 * no gap and no duplicate, since both are the same loop: "the page after where this one stands".
 *
 * 1. All subscriptions that stand at the same place get the same page: it is read once, encoded once per handle number
 *    (most clients have one route, so once), and the bytes are shared.
 * 2. Nobody waits for anybody. A subscription without credit, or on a connection that is not read, stands still and
 *    costs nothing but its position; it goes on when credit or room comes.
 * 3. Answers to pushes go out first, all with one signed head.
 * 4. One worker at a time looks at a hub, so positions only rise. The heads that a connection gets never go back either,
 *    whatever else it is answered: that would look as if the log had.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Placed } from "@sotto/schema/Frame"
import type { Head } from "@sotto/schema/Head"
import type { Lane, Position } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { type Engine, withStore } from "./Engine.ts"
import {
  advance,
  goalOf,
  type Handle,
  headFor,
  headOf,
  type Hub,
  offer,
  type Recent,
  refused,
  sendEpochChanged,
  toMessage,
  wake
} from "./Hub.ts"

/** Starts (or replaces) a handle's subscription. From a place above the log the first page leads to the log's end. */
export const subscribe = (
  engine: Engine,
  handle: Handle,
  wanted: {
    readonly request: number
    readonly after: Position
    readonly lanes: ReadonlyArray<Lane>
    readonly creditBytes: number
  }
): void => {
  const { after, creditBytes, lanes, request } = wanted
  handle.subscription = {
    request,
    lanes,
    lanesKey: lanes.map(Bytes.toHex).sort().join(),
    position: after,
    creditBytes,
    caughtUp: false
  }
  wake(engine, handle.hub)
}

/** More bytes may be sent. Credit beyond what can be used is of no use, so it is bounded. */
export const grant = (engine: Engine, handle: Handle, bytes: number): void => {
  const { subscription } = handle
  if (subscription === undefined) return
  subscription.creditBytes = Math.min(subscription.creditBytes + bytes, 0xffff_ffff)
  wake(engine, handle.hub)
}

/** A page for all who stand at one place. */
interface Page {
  readonly placed: ReadonlyArray<Placed>
  readonly bytes: number
  /** Everything up to here was looked at. */
  readonly through: Position
}

interface Group {
  readonly after: Position
  readonly lanes: ReadonlyArray<Lane>
  /** A position, when they may not read further. */
  readonly until: Position | undefined
  readonly members: Array<{ readonly handle: Handle; readonly subscription: Subscribed }>
}

type Subscribed = NonNullable<Handle["subscription"]>

/** Pages that a worker hands out before it turns to the next hub. */
const PAGES_PER_TURN = 64

/** Works on hubs as they have something to do, for ever. Several may run. */
export const worker = (engine: Engine): Effect.Effect<never> =>
  Effect.forever(
    Effect.flatMap(Queue.take(engine.work), (hub) =>
      // A bug here costs one turn of one route, not the relay: the next one finds the hub as it is.
      Effect.catchCause(turn(engine, hub), (cause) => {
        hub.queued = false
        return Effect.logError("relay could not hand out a page", cause)
      }))
  )

const turn = Effect.fnUntraced(function*(engine: Engine, hub: Hub) {
  let pages = 0
  while (hub.dirty && pages < PAGES_PER_TURN) {
    hub.dirty = false
    answer(engine, hub)
    if (hub.unannounced) {
      hub.unannounced = false
      yield* engine.hints.publish({ route: hub.route, origin: engine.origin })
    }
    for (const group of groups(engine, hub)) {
      pages++
      const page = fromTail(engine, hub, group) ?? (yield* fromStore(engine, hub, group))
      if (page !== undefined && deliver(engine, hub, group, page)) hub.dirty = true
    }
  }
  if (!hub.dirty) {
    hub.tail.clear()
    hub.tailBytes = 0
  }
  hub.queued = false
  if (hub.dirty) wake(engine, hub)
})

/** Answers the pushes that are stored. */
const answer = (engine: Engine, hub: Hub): void => {
  const { answers } = hub
  if (answers.length === 0) return
  hub.answers = []
  const head = headOf(engine, hub)
  for (const { handle, positions, request } of answers) {
    engine.load.pushes--
    offer(handle, { _tag: "Pushed", handle: handle.number, request, positions, head })
  }
}

/** Those who can take a page, by where they stand. Ends those who have all that they may have. */
const groups = (engine: Engine, hub: Hub): Iterable<Group> => {
  const groupByKey = new Map<string, Group>()
  for (const handle of hub.handles) {
    const { ended, subscription } = handle
    if (subscription === undefined || endIfOver(handle, subscription) || !isReady(engine, handle, subscription)) {
      continue
    }
    const { lanes, lanesKey, position } = subscription
    const key = `${position} ${ended?.position ?? ""} ${lanesKey}`
    const group = groupByKey.get(key)
    const member = { handle, subscription }
    if (group !== undefined) group.members.push(member)
    else groupByKey.set(key, { after: position, lanes, until: ended?.position, members: [member] })
  }
  return groupByKey.values()
}

const endIfOver = (handle: Handle, { position }: Subscribed): boolean => {
  if (handle.ended === undefined || position < handle.ended.position) return false
  handle.subscription = undefined
  sendEpochChanged(handle)
  return true
}

const isReady = (engine: Engine, handle: Handle, { caughtUp, creditBytes, position }: Subscribed): boolean =>
  (!caughtUp || position < goalOf(handle)) && creditBytes > 0 &&
  handle.outbox.bytes < engine.options.limits.outboundBytesMax

/** A page out of what was just appended; `undefined` when the next envelope is not there. */
const fromTail = (engine: Engine, hub: Hub, group: Group): Page | undefined => {
  if (!hub.tail.has(group.after + 1)) return undefined
  const { pageBytesMax, pageEnvelopesMax } = engine.options.limits
  const goal = group.until ?? hub.head.position
  const placed: Array<Placed> = []
  let bytes = 0
  let through = group.after
  for (const envelope of following(hub, group.after, goal)) {
    if (group.lanes.length === 0 || group.lanes.some((lane) => Bytes.equals(lane, envelope.lane))) {
      const fits = placed.length < pageEnvelopesMax && bytes + envelope.bytes.length <= pageBytesMax
      if (!fits && placed.length > 0) break
      placed.push({ position: envelope.position, envelope: envelope.bytes })
      bytes += envelope.bytes.length
    }
    through = envelope.position
  }
  return { placed, bytes, through }
}

/** What the tail holds after `after`, without a gap, up to `goal`. */
function* following(hub: Hub, after: Position, goal: Position): Generator<Recent> {
  for (let at = after + 1; at <= goal; at++) {
    const envelope = hub.tail.get(at)
    if (envelope === undefined) return
    yield envelope
  }
}

/** A page from storage. When storage fails the group is told and loses its subscriptions: it comes again. */
const fromStore = Effect.fnUntraced(function*(engine: Engine, hub: Hub, { after, lanes, members, until }: Group) {
  const { pageBytesMax, pageEnvelopesMax } = engine.options.limits
  const read = engine.store.read({
    route: hub.route,
    after,
    lanes,
    limit: pageEnvelopesMax,
    bytesMax: pageBytesMax
  })
  return yield* Effect.matchEffect(withStore(engine, read), {
    onFailure: (failure) =>
      Effect.sync(() => {
        for (const { handle, subscription } of members) {
          if (handle.subscription !== subscription) continue
          handle.subscription = undefined
          offer(handle, refused(handle.number, subscription.request, failure))
        }
        return undefined
      }),
    onSuccess: (page) =>
      Effect.sync((): Page => {
        advance(hub, page)
        const kept = until === undefined ? page.envelopes : page.envelopes.filter(({ position }) => position <= until)
        const last = page.envelopes.at(-1)?.position ?? after
        const examined = page.more ? last : page.position
        const placed = kept.map(({ bytes, position }): Placed => ({ position, envelope: bytes }))
        return {
          placed,
          bytes: kept.reduce((total, { bytes }) => total + bytes.length, 0),
          through: until !== undefined && examined > until ? until : examined
        }
      })
  })
})

/** The head that goes with a page, as of the moment in which it goes out: other answers may have told of a later one. */
const headWith = (engine: Engine, hub: Hub, { until }: Group, { through }: Page): Head | null =>
  until === undefined && through === hub.head.position ? headOf(engine, hub) : null

/** Gives a page to the group's members; `true` when one of them can go on at once. */
const deliver = (engine: Engine, hub: Hub, group: Group, page: Page): boolean => {
  const messageByNumber = new Map<number, Uint8Array>()
  const { placed } = page
  const head = headWith(engine, hub, group, page)
  let more = false
  for (const { handle, subscription } of group.members) {
    // It may have been replaced or ended while the page was read.
    if (handle.subscription !== subscription) continue
    // Its epoch may have ended meanwhile: the page holds what it may not have. It is given another one.
    if (handle.ended?.position !== group.until) {
      more = true
      continue
    }
    subscription.position = page.through
    if (placed.length > 0 || (head !== null && !subscription.caughtUp)) {
      let message = messageByNumber.get(handle.number)
      if (message === undefined) {
        message = toMessage({ _tag: "Deliver", handle: handle.number, placed, head })
        messageByNumber.set(handle.number, message)
      }
      subscription.creditBytes -= page.bytes
      handle.outbox.offer(message)
      engine.metrics.delivered(placed.length)
    }
    if (head !== null) subscription.caughtUp = true
    if (page.through < goalOf(handle) || handle.ended !== undefined) more = true
  }
  return more
}

/** A page for one call, without a subscription. */
export const pull = Effect.fnUntraced(
  function*(
    engine: Engine,
    handle: Handle,
    wanted: { readonly request: number; readonly after: Position; readonly limit: number }
  ) {
    const { pageBytesMax, pageEnvelopesMax } = engine.options.limits
    const { hub } = handle
    const page = yield* withStore(
      engine,
      engine.store.read({
        route: hub.route,
        after: wanted.after,
        lanes: [],
        limit: Math.max(1, Math.min(wanted.limit, pageEnvelopesMax)),
        bytesMax: pageBytesMax
      })
    )
    advance(hub, page)
    const until = handle.ended?.position
    const kept = until === undefined ? page.envelopes : page.envelopes.filter(({ position }) => position <= until)
    const placed = kept.map(({ bytes, position }): Placed => ({ position, envelope: bytes }))
    const more = page.more && kept.length === page.envelopes.length
    offer(handle, {
      _tag: "Page",
      handle: handle.number,
      request: wanted.request,
      placed,
      more,
      head: headFor(engine, handle)
    })
  }
)
