/**
 * When the sets of ids that a relay has in memory are saved (`SavedSets`): beside everything else, one after the other.
 *
 * 1. Of a route, the set of all lanes is saved, once it has enough ids; anew when enough of it has changed, or under another
 *    key of short ids; and not again within `SAVE_MILLIS`, whoever asks for what.
 * 2. What is saved of one that has not enough ids any more is deleted.
 * 3. Who fails by it is nobody: without it, the set is read after the next start.
 */
import type { Lane, RouteId } from "@sotto/schema/Id"
import type { UnknownRoute } from "@sotto/schema/RelayError"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Semaphore from "effect/Semaphore"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import type { PlacedSet } from "./PlacedSet.ts"
import type { RelayMetrics } from "./RelayMetrics.ts"
import type { RelayStoreFailed } from "./RelayStore.ts"
import * as SavedSets from "./SavedSets.ts"

/** Which ids. */
export interface Selection {
  readonly route: RouteId
  /** Empty = all. */
  readonly lanes: ReadonlyArray<Lane>
  /** 16 bytes: the key of short ids, and its number. */
  readonly key: Uint8Array
  readonly keyEpoch: number
}

/** A set that may be saved. */
export interface Kept {
  readonly selection: Selection
  readonly routeHex: string
  /** Who has its permit may change it. */
  readonly lock: Semaphore.Semaphore
  read: PlacedSet | undefined
  /** What of it is in storage, and how many ids came and went since. */
  saved: SavedSets.Saved | undefined
  changed: number
  /** Nothing of it is in storage any more. */
  isErased: boolean
}

export type Metrics = Pick<RelayMetrics, "reconcileSaved">

/** A set is saved anew when one part of so many has changed. */
const STALE_PART = 16
/** From when a route's set was begun to be saved until the next time. */
const SAVE_MILLIS = 600_000
/** Between two writes. */
const PAUSE_MILLIS = 25

export class SetSaver {
  private readonly due = new Set<Kept>()
  private readonly bell = Latch.makeUnsafe(false)
  /** When it was a route's turn, within `SAVE_MILLIS`. */
  private readonly turnMillisByRoute = new Map<string, number>()
  private readonly aside: SavedSets.Aside
  private readonly clock: Clock.Clock
  private readonly metrics: Metrics
  private readonly savedIdsMin: number

  constructor(options: {
    readonly aside: SavedSets.Aside
    readonly clock: Clock.Clock
    readonly metrics: Metrics
    /** From so many ids on a set is saved. */
    readonly savedIdsMin: number
  }) {
    this.aside = options.aside
    this.clock = options.clock
    this.metrics = options.metrics
    this.savedIdsMin = options.savedIdsMin
  }

  /** Saves what is due now. */
  readonly saveDue: Effect.Effect<void> = Effect.suspend(() => {
    const [kept] = this.due
    if (kept === undefined) return Effect.void
    this.due.delete(kept)
    const saved = Effect.ignore(this.save(kept), {
      log: "Warn",
      message: "a set of ids was not saved: it is read after the next start"
    })
    return Effect.andThen(saved, this.saveDue)
  })

  /** Saves what is due, for ever. */
  readonly run: Effect.Effect<never> = Effect.forever(
    Effect.andThen(
      this.saveDue,
      Effect.suspend(() => {
        this.bell.closeUnsafe()
        return this.due.size > 0 ? Effect.void : this.bell.await
      })
    )
  )

  /** Whether a set that is whole is to be saved, or what is saved of it is to be deleted. */
  look(kept: Kept, { set }: PlacedSet): void {
    const { changed, isErased, saved, selection: { lanes } } = kept
    if (lanes.length > 0) return
    const ids = ReconcileSet.count(set)
    const isStale = saved === undefined || changed >= Math.max(this.savedIdsMin, ids / STALE_PART)
    if (ids < this.savedIdsMin ? isErased : !isStale || !this.mayBeSaved(kept)) return
    this.due.add(kept)
    this.bell.openUnsafe()
  }

  private mayBeSaved({ routeHex }: Kept): boolean {
    const nowMillis = this.clock.currentTimeMillisUnsafe()
    for (const [hex, millis] of this.turnMillisByRoute) {
      if (Math.abs(nowMillis - millis) >= SAVE_MILLIS) this.turnMillisByRoute.delete(hex)
    }
    return !this.turnMillisByRoute.has(routeHex)
  }

  private save(kept: Kept): Effect.Effect<void, UnknownRoute | RelayStoreFailed> {
    return Effect.suspend(() => {
      const { lock, read, routeHex, selection: { route } } = kept
      if (read === undefined) return Effect.void
      const place = {
        aside: this.aside,
        route,
        pause: Effect.sleep(PAUSE_MILLIS),
        wrote: (bytes: number) => this.metrics.reconcileSaved(bytes)
      }
      kept.isErased = ReconcileSet.count(read.set) < this.savedIdsMin
      if (kept.isErased) return SavedSets.erase(place)
      this.turnMillisByRoute.set(routeHex, this.clock.currentTimeMillisUnsafe())
      let changed = 0
      const saved = SavedSets.save({
        ...place,
        placed: read,
        saved: kept.saved,
        isWanted: () => kept.read === read,
        still: (use) =>
          lock.withPermit(Effect.tap(use, () =>
            Effect.sync(() => {
              changed = kept.changed
            })))
      })
      return Effect.map(saved, (saved) => {
        if (saved === undefined || kept.read !== read) return
        kept.saved = saved
        kept.changed -= changed
      })
    })
  }
}
