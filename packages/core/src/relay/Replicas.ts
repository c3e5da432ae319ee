/**
 * The sets of ids that reconciliation compares (protocol.md §2a), kept in memory while they are asked for: one for each
 * route, key of short ids and choice of lanes.
 *
 * 1. A set is read from storage when it is first asked for, and up to the end of the log whenever it is asked for. A
 *    request sees the set and the log of one moment: between the last page of ids and its answer nothing happens.
 * 2. A position never gets another id, so a set only grows; after a deletion it is read anew.
 * 3. Who asks for a set that is being read waits, and finds it read. One page is read at a time, over all routes, and
 *    others go on after each; a route that has read a million ids reads slowly from then on.
 * 4. All together take at most `bytesMax`: who was not used for the longest time goes first, and of one route nothing
 *    stays but what belongs to the two keys that were used last.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type Lane, Position, type RouteId } from "@sotto/schema/Id"
import { Overloaded, type UnknownRoute } from "@sotto/schema/RelayError"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import type { LogState } from "./HeadSigner.ts"
import * as RateLimit from "./RateLimit.ts"
import type { RelayMetrics } from "./RelayMetrics.ts"
import type { IdPage, RelayStore, RelayStoreFailed } from "./RelayStore.ts"

/** Which ids. */
export interface Selection {
  readonly route: RouteId
  /** Empty = all. */
  readonly lanes: ReadonlyArray<Lane>
  /** 16 bytes: the key of short ids, and its number. */
  readonly key: Uint8Array
  readonly keyEpoch: number
}

/** A set as far as it was read. */
interface Read {
  readonly set: ReconcileSet.ReconcileSet
  /** The position of each id, in the order of insertion, which is theirs. */
  readonly positions: Array<Position>
  /** Everything up to here was looked at. */
  through: Position
  /** What the route had deleted by then. */
  readonly removed: number
}

/** What a request gets. */
export type Replica = Pick<Read, "set" | "positions">

/** What a request is. */
export interface Use<A> {
  /** Whether somebody still waits for the answer. */
  readonly isWanted: () => boolean
  /** Whether a set as of this state of the log is new enough. */
  readonly isCurrent: (log: LogState) => boolean
  /** Answers. It keeps nothing of the set. */
  readonly take: (replica: Replica, log: LogState) => A
}

type Failure = UnknownRoute | Overloaded | RelayStoreFailed

/** The place of a set. */
interface Slot {
  readonly name: string
  readonly routeHex: string
  readonly keyName: string
  readonly lock: Semaphore.Semaphore
  read: Read | undefined
  /** What it counts for. */
  bytes: number
  /** Requests that use it or wait for it. */
  users: number
}

/** Ids of one page: about three milliseconds of work. */
const PAGE_IDS = 500
/** How fast one route's ids are read, beyond the first page of a set: a million at once, then 25,000 each second. */
const PAGE_RATE = RateLimit.rate(50, 1000, 2000)
/** How often a set is read anew or on for one request, because the route changed meanwhile, before that is refused. */
const AGAIN_MAX = 8
const KEYS_MAX = 2
/** Bytes for each position: an array of numbers, and room for it to grow. */
const POSITION_BYTES = 12
/** How long a client should wait when there is no room. */
const RETRY_MILLIS = 2000

/** Nothing is read yet; of all lanes, it is known how much there will be. */
const begin = (selection: Selection, page: IdPage): Read => {
  const { key, keyEpoch, lanes } = selection
  const expected = lanes.length === 0 ? page.position - page.removed : 0
  return {
    set: ReconcileSet.make({ key, keyEpoch, expected }),
    positions: [],
    through: Position.make(0),
    removed: page.removed
  }
}

const add = (read: Read, page: IdPage): void => {
  for (const { id, position } of page.ids) {
    // An id that was deleted, forgotten and stored again has one row, so each comes once.
    ReconcileSet.insert(read.set, id)
    read.positions.push(position)
  }
  read.through = page.more ? page.ids.at(-1)?.position ?? read.through : page.position
}

/** The positions of the ids that are in the set, ascending. */
export const positionsOf = (
  { positions, set }: Replica,
  ids: ReadonlyArray<Uint8Array>
): ReadonlyArray<Position> => ids.flatMap((id) => positions[ReconcileSet.rowOf(set, id)] ?? []).sort((a, b) => a - b)

export class Replicas {
  /** Memory of all sets. */
  bytes = 0
  /** Pages of ids per route. */
  readonly pages = RateLimit.makeBuckets(PAGE_RATE)
  /** The least recently used first. */
  private readonly slotByName = new Map<string, Slot>()
  private readonly turn = Semaphore.makeUnsafe(1)
  private readonly store: Pick<RelayStore["Service"], "ids">
  private readonly clock: Clock.Clock
  private readonly metrics: Pick<RelayMetrics, "reconcileIds" | "reconcileSets">
  private readonly bytesMax: number

  constructor(options: {
    readonly store: Pick<RelayStore["Service"], "ids">
    readonly clock: Clock.Clock
    readonly metrics: Pick<RelayMetrics, "reconcileIds" | "reconcileSets">
    readonly bytesMax: number
  }) {
    this.store = options.store
    this.clock = options.clock
    this.metrics = options.metrics
    this.bytesMax = options.bytesMax
  }

  /** Has a request answered from its set, as it is now; undefined when nobody waits for the answer any more. */
  use<A>(
    selection: Selection,
    use: Use<A>
  ): Effect.Effect<A | undefined, UnknownRoute | Overloaded | RelayStoreFailed> {
    return Effect.suspend(() => {
      const slot = this.slotOf(selection)
      slot.users++
      return Effect.ensuring(
        slot.lock.withPermit(this.answer(selection, slot, use)),
        Effect.sync(() => {
          slot.users--
          if (slot.users === 0 && slot.read === undefined) this.drop(slot)
          this.trim()
        })
      )
    })
  }

  private slotOf({ key, keyEpoch, lanes, route }: Selection): Slot {
    const routeHex = Bytes.toHex(route)
    const keyName = `${keyEpoch} ${Bytes.toHex(key)}`
    const name = [routeHex, keyName, ...new Set(lanes.map(Bytes.toHex).sort())].join(" ")
    const before = this.slotByName.get(name)
    const slot = before ??
      { name, routeHex, keyName, lock: Semaphore.makeUnsafe(1), read: undefined, bytes: 0, users: 0 }
    this.slotByName.delete(name)
    this.slotByName.set(name, slot)
    if (before === undefined) this.dropOldKeys(routeHex)
    return slot
  }

  private dropOldKeys(routeHex: string): void {
    const slots = [...this.slotByName.values()].filter((slot) => slot.routeHex === routeHex).reverse()
    const kept = new Set([...new Set(slots.map(({ keyName }) => keyName))].slice(0, KEYS_MAX))
    for (const slot of slots) if (slot.users === 0 && !kept.has(slot.keyName)) this.drop(slot)
  }

  private forget(slot: Slot): void {
    slot.read = undefined
    this.measure(slot)
  }

  private drop(slot: Slot): void {
    this.forget(slot)
    this.slotByName.delete(slot.name)
  }

  private measure(slot: Slot): void {
    const before = slot.bytes
    const { read } = slot
    slot.bytes = read === undefined
      ? 0
      : ReconcileSet.memoryBytes(read.set) + read.positions.length * POSITION_BYTES + slot.name.length
    this.bytes += slot.bytes - before
    if (slot.bytes !== before) this.metrics.reconcileSets(this.bytes)
  }

  /** Lets sets go that nobody uses, until the rest fits; whether it does. */
  private trim(): boolean {
    for (const slot of this.slotByName.values()) {
      if (this.bytes <= this.bytesMax) return true
      if (slot.users === 0) this.drop(slot)
    }
    return this.bytes <= this.bytesMax
  }

  private answer<A>(selection: Selection, slot: Slot, use: Use<A>): Effect.Effect<A | undefined, Failure> {
    let times = 0
    const again = (): Effect.Effect<A | undefined, Failure> =>
      ++times > AGAIN_MAX ? Effect.fail(new Overloaded({ retryAfterMillis: RETRY_MILLIS })) : next
    const next: Effect.Effect<A | undefined, Failure> = Effect.suspend(() => {
      if (!use.isWanted()) return Effect.undefined
      return Effect.flatMap(this.turn.withPermit(this.page(selection, slot)), (page) => {
        if (slot.read !== undefined && slot.read.removed !== page.removed) {
          this.forget(slot)
          return again()
        }
        const read = slot.read ??= begin(selection, page)
        add(read, page)
        this.metrics.reconcileIds(page.ids.length)
        this.measure(slot)
        if (!this.trim()) {
          this.forget(slot)
          return Effect.fail(new Overloaded({ retryAfterMillis: RETRY_MILLIS }))
        }
        if (page.more) return Effect.andThen(this.pause(slot), next)
        return use.isWanted() && use.isCurrent(page) ? Effect.succeed(use.take(read, page)) : again()
      })
    })
    return next
  }

  /** The next page of ids; while there are more of them, others go on before it is another one's turn. */
  private page({ lanes, route }: Selection, { read }: Slot): Effect.Effect<IdPage, Failure> {
    const after = read?.through ?? Position.make(0)
    return Effect.tap(
      this.store.ids({ route, lanes, after, limit: PAGE_IDS }),
      ({ more }) => more ? Effect.yieldNow : Effect.void
    )
  }

  /** Holds back a route of which much was read. */
  private pause({ routeHex }: Pick<Slot, "routeHex">): Effect.Effect<void> {
    return Effect.suspend(() => {
      const waitMillis = this.pages.take(routeHex, this.clock.currentTimeMillisUnsafe())
      return waitMillis > 0 ? Effect.andThen(Effect.sleep(waitMillis), this.pause({ routeHex })) : Effect.void
    })
  }
}
