/**
 * The log into items: one fiber that takes every accepted entry, in the order of its ordinal, into the graph of items,
 * and takes back what leaves the log. Where it is stands in memory, as its items do: it begins at the first entry.
 *
 * 1. It starts when somebody asks for it. Until then it costs nothing.
 * 2. Whoever waits for `current` sees every entry that was accepted when they asked, their own included.
 * 3. A parent that is not here is waited for as long as it may come. When a relay has been read to its end and nothing
 *    waits in the quarantine, it is not going to: it was refused for good, or was deleted before this device came. What
 *    waits for it shows then. Should it come all the same, it goes behind, so that this guess decides nothing.
 * 4. When storage fails, whoever waits is told; the next one who asks starts it again from where it was.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Closed } from "../ClientError.ts"
import * as Signal from "../internal/signal.ts"
import * as Item from "../item/Item.ts"
import * as Items from "../item/Items.ts"
import type { ItemStore } from "../item/ItemStore.ts"
import type { StoreFailed } from "../Store.ts"
import { Ordinal } from "./Cursor.ts"
import type { Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Reader from "./Reader.ts"

/** Why items can't be read. */
export type FeedFailed = StoreFailed | Closed

export interface ItemFeed {
  readonly items: Items.Items<never>
  /** Waits until everything that is accepted now shows. */
  readonly current: Effect.Effect<void, FeedFailed>
  /** Waits until the entry of this ordinal, and all before it, show. */
  readonly reached: (ordinal: Ordinal) => Effect.Effect<void, FeedFailed>
}

/** Entries that wait for others, looked at together. */
const PENDING_PAGE = 256

/** A feed that has not begun; it ends with the scope. */
export const make = Effect.fn("ItemFeed.make")(function*(
  journal: Journal,
  store: ItemStore<never>
): Effect.fn.Return<ItemFeed, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const items = yield* Items.make(store, Item.authorOf(journal.identity.id))
  const progress = Signal.make()
  const reading = new Reading(journal, items)
  let phase: "idle" | "running" | "closed" = "idle"
  let failure: Cause.Cause<StoreFailed> | undefined

  const run = Effect.forever(Effect.andThen(reading.next, Effect.sync(progress.raise))).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (phase === "running") phase = "idle"
        if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) failure = exit.cause
        progress.raise()
      })
    )
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      phase = "closed"
      reading.end()
      progress.raise()
    })
  )
  const start = Effect.suspend(() => {
    if (phase !== "idle") return Effect.void
    phase = "running"
    failure = undefined
    reading.begin()
    return Effect.forkIn(run, scope)
  })

  const reached = (ordinal: Ordinal): Effect.Effect<void, FeedFailed> =>
    Effect.andThen(
      start,
      Effect.flatten(Signal.until(progress, (): Effect.Effect<void, FeedFailed> | undefined => {
        if (phase === "closed") return Effect.fail(new Closed())
        if (failure !== undefined) return Effect.failCause(failure)
        return reading.isAt(ordinal) ? Effect.void : undefined
      }))
    )
  return { items, reached, current: Effect.suspend(() => reached(journal.books().meta.ordinal)) }
})

/** How far the log was read. Owned by one fiber of `make`; what leaves the log is noted from outside. */
class Reading {
  readonly #journal: Journal
  readonly #items: Items.Items<never>
  readonly #entryByOrdinal = new Map<number, Item.ItemEntry>()
  /** Ordinals that left the log, and were not looked at since. */
  readonly #withdrawn = new Set<number>()
  #everythingMayHaveLeft = false
  #isAnyPending = false
  #at = Ordinal.make(0)
  #stop: (() => void) | undefined

  constructor(journal: Journal, items: Items.Items<never>) {
    this.#journal = journal
    this.#items = items
  }

  /** Hears of what leaves the log from now on. */
  begin(): void {
    this.#stop ??= this.#journal.withdrawals.listen((withdrawn) => {
      if (withdrawn === "unknown") this.#everythingMayHaveLeft = true
      else for (const ordinal of withdrawn) this.#withdrawn.add(ordinal)
      this.#journal.changed.raise()
    })
  }

  end(): void {
    this.#stop?.()
  }

  /** Whether everything up to here shows, and nothing that has left. */
  isAt(ordinal: Ordinal): boolean {
    return this.#at >= ordinal && this.#withdrawn.size === 0 && !this.#everythingMayHaveLeft
  }

  /** Waits until there is something to do, and does it. */
  readonly next: Effect.Effect<void, StoreFailed> = Effect.suspend(() => {
    const isDue = () => {
      const books = this.#journal.books()
      const isDone = this.isAt(books.meta.ordinal) && !(this.#isAnyPending && isAtRest(books))
      return isDone ? undefined : true
    }
    return Effect.andThen(Signal.until(this.#journal.changed, isDue), this.#step())
  })

  #step(): Effect.Effect<void, StoreFailed> {
    const { books } = this.#journal
    return Effect.gen({ self: this }, function*() {
      yield* this.#takeBack()
      const { entries, last, more } = yield* Reader.page(this.#journal, this.#at)
      // What left while this was read is not taken in.
      const page = entries.filter(({ ordinal }) => !this.#withdrawn.has(ordinal))
        .map((entry) => ({ ordinal: entry.ordinal, item: Item.fromEntry(entry.hash, entry) }))
      for (const { item, ordinal } of page) this.#entryByOrdinal.set(ordinal, item)
      yield* this.#items.apply(page.map(({ item }) => item))
      this.#at = last
      if (more) return
      const waiting = yield* this.#items.pending({ limit: 1 })
      this.#isAnyPending = waiting.length > 0
      if (this.#isAnyPending && isAtRest(books())) yield* this.#release()
    })
  }

  /** Takes out what left the log. */
  #takeBack(): Effect.Effect<void, StoreFailed> {
    return Effect.gen({ self: this }, function*() {
      if (this.#everythingMayHaveLeft) yield* this.#lookAtAll()
      const ordinals = [...this.#withdrawn]
      if (ordinals.length === 0) return
      const entries = ordinals.flatMap((ordinal) => this.#entryByOrdinal.get(ordinal) ?? [])
      for (const ordinal of ordinals) this.#entryByOrdinal.delete(ordinal)
      // One that was accepted again meanwhile stays.
      const kept = new Set([...this.#entryByOrdinal.values()].map(({ id }) => id))
      yield* this.#items.retract(entries.filter(({ id }) => !kept.has(id)))
      for (const ordinal of ordinals) this.#withdrawn.delete(ordinal)
    })
  }

  /** Notes what is not in the log any more, entry by entry. */
  #lookAtAll(): Effect.Effect<void, StoreFailed> {
    return Effect.suspend(() => {
      this.#everythingMayHaveLeft = false
      return Effect.forEach(
        [...this.#entryByOrdinal.keys()],
        (number) =>
          Effect.map(Ledger.entry.get(this.#journal.store, Ordinal.make(number)), (row) => {
            if (row === undefined) this.#withdrawn.add(number)
          }),
        { discard: true }
      )
    }).pipe(Effect.tapError(() =>
      Effect.sync(() => {
        this.#everythingMayHaveLeft = true
      })
    ))
  }

  /** Lets show what waits for entries that will not come: all that nothing here stands for. */
  #release(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const [waiting, missing] = [new Set<Item.OpId>(), new Set<Item.OpId>()]
      let after: Item.OpId | undefined
      while (true) {
        const page = yield* this.#items.pending({ limit: PENDING_PAGE, ...(after === undefined ? {} : { after }) })
        for (const { entry, missing: names } of page) {
          waiting.add(entry.id)
          for (const name of names) missing.add(name)
        }
        after = page.at(-1)?.entry.id
        if (page.length < PENDING_PAGE) break
      }
      yield* this.#items.release([...missing].filter((id) => !waiting.has(id)))
      this.#isAnyPending = false
    })
  }
}

/** Whether a relay was read to its end, and all that came is accepted or refused for good. */
const isAtRest = ({ bookByHex, waitingByHex }: Books): boolean =>
  waitingByHex.size === 0 &&
  [...bookByHex.values()].some(({ mark: { cursor, head } }) => head !== null && cursor >= head.body.position)
