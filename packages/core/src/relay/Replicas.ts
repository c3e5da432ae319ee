/**
 * The sets of ids that reconciliation compares (protocol.md §2a), kept in memory while they are asked for: one for each
 * route, key of short ids and choice of lanes.
 *
 * 1. A set is read from storage when it is first asked for, and up to the end of the log whenever it is asked for. A
 *    request sees the set and the log of one moment: between the last page of ids and its answer nothing happens.
 * 2. What was deleted meanwhile leaves it (`PlacedSet`), before anything else is taken in.
 * 3. Who asks for a set that is being read waits, and finds it read. One page is read at a time, over all routes, and
 *    others go on after each; a route that has read a million ids reads slowly from then on.
 * 4. All together take at most `bytesMax`: who was not used for the longest time goes first, and of one route nothing
 *    stays but what belongs to the two keys that were used last.
 * 5. A large one of all lanes is saved (`SavedSets`), in writes between which others have theirs, and opened the next time.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Position } from "@sotto/schema/Id"
import { Overloaded, type UnknownRoute } from "@sotto/schema/RelayError"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import type { LogState } from "./HeadSigner.ts"
import * as PlacedSet from "./PlacedSet.ts"
import * as RateLimit from "./RateLimit.ts"
import type { RelayMetrics } from "./RelayMetrics.ts"
import type { IdPage, RelayStore, RelayStoreFailed } from "./RelayStore.ts"
import * as SavedSets from "./SavedSets.ts"
import * as SetSaver from "./SetSaver.ts"

type Selection = SetSaver.Selection

/** What a request gets. */
export type Replica = Pick<PlacedSet.PlacedSet, "set" | "positions">

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
interface Slot extends SetSaver.Kept {
  readonly name: string
  readonly keyName: string
  /** Whether it is to be looked for in storage, or is being opened. */
  opening: SavedSets.Opening | "asked" | undefined
  /** What it counts for. */
  bytes: number
  /** Requests that use it or wait for it. */
  users: number
}

/** Ids of one page: about three milliseconds of work. */
const PAGE_IDS = 500
/** How fast one route's ids are read, beyond the first page of a set: a million at once, then 25,000 each second. */
const PAGE_RATE = RateLimit.rate(50, 1000, 2000)
/** Ranges in which is looked for what went, in one step: as much work. */
const STEP_RANGES = 16
/** How often a set is read on for one request, because the route changed meanwhile, before that is refused. */
const AGAIN_MAX = 8
const KEYS_MAX = 2
/** How long a client should wait when there is no room. */
const RETRY_MILLIS = 2000
const overloaded = Effect.suspend(() => Effect.fail(new Overloaded({ retryAfterMillis: RETRY_MILLIS })))

/** Nothing is read yet; of all lanes, it is known how much there will be. */
const begin = ({ key, keyEpoch, lanes }: Selection, page: IdPage): PlacedSet.PlacedSet => {
  const expected = lanes.length === 0 ? page.position - page.removed : 0
  return {
    set: ReconcileSet.make({ key, keyEpoch, expected }),
    positions: [],
    through: Position.make(0),
    removed: page.removed
  }
}

type Store = Pick<RelayStore["Service"], "ids" | "places" | "aside">
type Metrics = Pick<RelayMetrics, "reconcileIds" | "reconcileSets"> & SetSaver.Metrics

export class Replicas {
  /** Memory of all sets. */
  bytes = 0
  /** Pages of ids per route. */
  readonly pages = RateLimit.makeBuckets(PAGE_RATE)
  /** The least recently used first. */
  private readonly slotByName = new Map<string, Slot>()
  private readonly turn = Semaphore.makeUnsafe(1)
  /** Saves sets when it is time for that. */
  readonly saver: SetSaver.SetSaver
  private readonly store: Store
  private readonly clock: Clock.Clock
  private readonly metrics: Metrics
  private readonly bytesMax: number

  constructor(options: {
    readonly store: Store
    readonly clock: Clock.Clock
    readonly metrics: Metrics
    readonly bytesMax: number
    /** From so many ids on a set is saved. */
    readonly savedIdsMin: number
  }) {
    this.store = options.store
    this.clock = options.clock
    this.metrics = options.metrics
    this.bytesMax = options.bytesMax
    this.saver = new SetSaver.SetSaver({ ...options, aside: options.store.aside })
  }

  /** Has a request answered from its set, as it is now; undefined when nobody waits for the answer any more. */
  use<A>(selection: Selection, use: Use<A>): Effect.Effect<A | undefined, Failure> {
    return Effect.suspend(() => {
      const slot = this.slotOf(selection)
      slot.users++
      return Effect.ensuring(
        slot.lock.withPermit(this.answer(slot, use)),
        Effect.sync(() => {
          slot.users--
          if (slot.users === 0 && slot.read === undefined && typeof slot.opening !== "object") this.drop(slot)
          this.trim()
        })
      )
    })
  }

  private slotOf(selection: Selection): Slot {
    const { key, keyEpoch, lanes, route } = selection
    const routeHex = Bytes.toHex(route)
    const keyName = `${keyEpoch} ${Bytes.toHex(key)}`
    const name = [routeHex, keyName, ...new Set(lanes.map(Bytes.toHex).sort())].join(" ")
    const before = this.slotByName.get(name)
    const slot = before ?? {
      name,
      routeHex,
      keyName,
      selection,
      lock: Semaphore.makeUnsafe(1),
      opening: lanes.length === 0 ? "asked" : undefined,
      read: undefined,
      saved: undefined,
      changed: 0,
      isErased: true,
      bytes: 0,
      users: 0
    }
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
    slot.opening = undefined
    slot.saved = undefined
    this.measure(slot)
  }

  private drop(slot: Slot): void {
    this.forget(slot)
    this.slotByName.delete(slot.name)
  }

  private measure(slot: Slot): void {
    const before = slot.bytes
    const { name, opening, read } = slot
    slot.bytes = read !== undefined
      ? PlacedSet.memoryBytes(read) + name.length
      : typeof opening === "object"
      ? SavedSets.memoryBytes(opening) + name.length
      : 0
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

  /** Lets a set go for which there is no room; whether there is. */
  private fits(slot: Slot): boolean {
    this.measure(slot)
    const isRoom = this.trim()
    if (!isRoom) this.forget(slot)
    return isRoom
  }

  private answer<A>(slot: Slot, use: Use<A>): Effect.Effect<A | undefined, Failure> {
    let times = 0
    const again = (): Effect.Effect<A | undefined, Failure> => ++times > AGAIN_MAX ? overloaded : next
    const next: Effect.Effect<A | undefined, Failure> = Effect.suspend(() => {
      if (!use.isWanted()) return Effect.undefined
      if (slot.opening !== undefined) return Effect.andThen(this.open(slot, slot.opening), next)
      return Effect.flatMap(this.turn.withPermit(this.page(slot)), (page) => {
        const read = slot.read ??= begin(slot.selection, page)
        if (read.removed !== page.removed) {
          return Effect.andThen(this.settle(slot, read, page.removed), Effect.suspend(again))
        }
        PlacedSet.add(read, page)
        slot.changed += page.ids.length
        this.metrics.reconcileIds(page.ids.length)
        if (!this.fits(slot)) return overloaded
        if (page.more) return Effect.andThen(this.pause(slot), next)
        if (slot.saved !== undefined && !PlacedSet.isExact(read)) {
          // What was saved is not what is stored, whatever the reason: it is read.
          this.forget(slot)
          return again()
        }
        if (!use.isWanted() || !use.isCurrent(page)) return again()
        this.saver.look(slot, read)
        return Effect.succeed(use.take(read, page))
      })
    })
    return next
  }

  /** The next page of ids; while there are more of them, others go on before it is another one's turn. */
  private page({ read, selection: { lanes, route } }: Slot): Effect.Effect<IdPage, Failure> {
    const after = read?.through ?? Position.make(0)
    return Effect.tap(
      this.store.ids({ route, lanes, after, limit: PAGE_IDS }),
      ({ more }) => more ? Effect.yieldNow : Effect.void
    )
  }

  /** Goes a step on in opening what is saved. */
  private open(slot: Slot, opening: SavedSets.Opening | "asked"): Effect.Effect<void, Failure> {
    const { selection, selection: { route } } = slot
    const { aside } = this.store
    if (opening === "asked") {
      return Effect.flatMap(this.turn.withPermit(SavedSets.begin(aside, route, selection)), (begun) => {
        slot.opening = typeof begun === "object" ? begun : undefined
        slot.isErased = begun === "absent"
        return this.fits(slot) ? Effect.void : overloaded
      })
    }
    const step = this.turn.withPermit(Effect.tap(SavedSets.open(aside, route, opening), () => Effect.yieldNow))
    return Effect.flatMap(step, (step) => {
      if (step._tag !== "More") slot.opening = undefined
      if (step._tag === "Whole") {
        slot.read = step.placed
        slot.saved = step.saved
        slot.changed = 0
      }
      return this.fits(slot) ? this.pause(slot) : overloaded
    })
  }

  /** Takes out what went; or lets all go, to be read anew, where that is less work. */
  private settle(slot: Slot, read: PlacedSet.PlacedSet, removed: number): Effect.Effect<void, Failure> {
    const { lanes, route } = slot.selection
    if (2 * (removed - read.removed) > ReconcileSet.count(read.set)) return Effect.sync(() => this.forget(slot))
    let after = 0
    let asOf: number | undefined
    const next: Effect.Effect<void, Failure> = Effect.suspend(() => {
      const ranges = PlacedSet.rangesAfter(read, after, STEP_RANGES)
      const last = ranges.at(-1)
      if (last === undefined) {
        read.removed = asOf ?? removed
        return Effect.void
      }
      const look = Effect.tap(this.store.places({ route, lanes, ranges }), () => Effect.yieldNow)
      return Effect.flatMap(this.turn.withPermit(look), (found) => {
        // What went later may be found as well, or not: that is for the next time.
        asOf ??= found.removed
        slot.changed += PlacedSet.keepOnly(read, ranges, found)
        after = last.to
        return Effect.andThen(this.pause(slot), next)
      })
    })
    return next
  }

  /** Holds back a route of which much was read. */
  private pause({ routeHex }: Pick<Slot, "routeHex">): Effect.Effect<void> {
    return Effect.suspend(() => {
      const waitMillis = this.pages.take(routeHex, this.clock.currentTimeMillisUnsafe())
      return waitMillis > 0 ? Effect.andThen(Effect.sleep(waitMillis), this.pause({ routeHex })) : Effect.void
    })
  }
}
