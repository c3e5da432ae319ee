/**
 * The log into items: one fiber that takes every accepted entry, in the order of its ordinal, into the graph of items,
 * and takes back what leaves the log. Where it is, is saved with the items that it led to, in one commit: it goes on from
 * there after a restart.
 *
 * 1. It starts when somebody asks for it. Until then it costs nothing.
 * 2. Whoever waits for `current` sees every entry that was accepted when they asked, their own included.
 * 3. A parent that is not here is waited for as long as it may come. When a relay has been read to its end and nothing
 *    waits in the quarantine, it is not going to: it was refused for good, or was deleted before this device came. What
 *    waits for it shows then. Should it come all the same, it goes behind, so that this guess decides nothing.
 * 4. What left the log (`Ledger.withdrawn`) is taken back before anything is taken in, so that an entry which was accepted
 *    again comes after that.
 * 5. When storage fails, whoever waits is told; the next one who asks starts it again from where it was.
 * 6. Items that do not read are dropped, and built again from the log. Questions wait for that.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Closed } from "../ClientError.ts"
import * as Signal from "../internal/signal.ts"
import { ItemsDamaged } from "../item/durable/Layout.ts"
import type { DurableItemStore, ItemStoreFailed } from "../item/DurableItemStore.ts"
import * as Item from "../item/Item.ts"
import * as Items from "../item/Items.ts"
import { StoreFailed } from "../Store.ts"
import { Ordinal } from "./Cursor.ts"
import type { Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Reader from "./Reader.ts"

/** Why items can't be read. */
export type FeedFailed = Exclude<ItemStoreFailed, ItemsDamaged> | Closed

export interface ItemFeed {
  readonly items: Items.Items<ItemStoreFailed, FeedFailed>
  /** Waits until everything that is accepted now shows. */
  readonly current: Effect.Effect<void, FeedFailed>
  /** Waits until the entry of this ordinal, and all before it, show. */
  readonly reached: (ordinal: Ordinal) => Effect.Effect<void, FeedFailed>
}

/** Entries that wait for others, looked at together. */
const PENDING_PAGE = 256

/** Entries that are taken in together, about, and the bytes of their values: a commit has to fit memory. */
const BATCH_ENTRIES = 1024
const BATCH_BYTES = 4 * 1024 * 1024

/** Entries that are taken back together: they hold envelopes. */
const WITHDRAWN_PAGE = 16

/** How often items are built again before it is said that storage does not keep them. */
const REBUILDS_MAX = 3

/** A feed that has not begun; it ends with the scope. */
export const make = Effect.fn("ItemFeed.make")(function*(
  journal: Journal,
  store: DurableItemStore
): Effect.fn.Return<ItemFeed, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const progress = Signal.make()
  let phase: "idle" | "running" | "closed" = "idle"
  let failure: Cause.Cause<FeedFailed> | undefined

  const reached = (ordinal: Ordinal): Effect.Effect<void, FeedFailed> =>
    Effect.andThen(
      Effect.suspend(() => start),
      Effect.flatten(Signal.until(progress, (): Effect.Effect<void, FeedFailed> | undefined => {
        if (phase === "closed") return Effect.fail(new Closed())
        if (failure !== undefined) return Effect.failCause(failure)
        return reading.isAt(ordinal) ? Effect.void : undefined
      }))
    )
  const current = Effect.suspend(() => reached(journal.books().meta.ordinal))
  const items = yield* Items.makeWith<ItemStoreFailed, FeedFailed>(store, Item.authorOf(journal.identity.id), {
    ready: Effect.suspend(() => reading.isWhole() ? Effect.void : current),
    recover: (failure) =>
      Effect.suspend(() => {
        if (failure._tag !== "ItemsDamaged") return Effect.fail(failure)
        reading.note(failure)
        return current
      })
  })
  const reading = new Reading(journal, store, items)

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
  return { items, reached, current }
})

/** How far the log was read. Owned by one fiber of `make`; what leaves the log, and damage, are noted from outside. */
class Reading {
  readonly #journal: Journal
  readonly #store: DurableItemStore
  readonly #items: Items.Items<ItemStoreFailed, FeedFailed>
  /** Undefined until it is read. */
  #at: Ordinal | undefined
  #mayHaveLeft = true
  #isAnyPending = false
  #damage: ItemsDamaged | undefined
  #isRebuilding = false
  #rebuilds = 0
  #stop: (() => void) | undefined

  constructor(journal: Journal, store: DurableItemStore, items: Items.Items<ItemStoreFailed, FeedFailed>) {
    this.#journal = journal
    this.#store = store
    this.#items = items
  }

  /** Hears of what leaves the log from now on. A commit that failed may have been made: where this is, is read anew. */
  begin(): void {
    this.#at = undefined
    this.#mayHaveLeft = true
    this.#stop ??= this.#journal.withdrawals.listen(() => {
      this.#mayHaveLeft = true
      this.#journal.changed.raise()
    })
  }

  end(): void {
    this.#stop?.()
  }

  /** Items do not read: they are to be built again. */
  note(damage: ItemsDamaged): void {
    this.#damage = damage
    this.#isRebuilding = true
    this.#journal.changed.raise()
  }

  /** Whether nothing is being built again. */
  isWhole(): boolean {
    return !this.#isRebuilding
  }

  /** Whether everything up to here shows, and nothing that has left. */
  isAt(ordinal: Ordinal): boolean {
    return this.#at !== undefined && this.#at >= ordinal && !this.#mayHaveLeft && this.isWhole()
  }

  /** Waits until there is something to do, and does it. */
  readonly next: Effect.Effect<void, FeedFailed> = Effect.suspend(() => {
    const isDue = () => {
      const books = this.#journal.books()
      const isDone = this.isAt(books.meta.ordinal) && !(this.#isAnyPending && isAtRest(books))
      return isDone ? undefined : true
    }
    const noted = (damage: ItemsDamaged) => Effect.sync(() => this.note(damage))
    return Effect.andThen(
      Signal.until(this.#journal.changed, isDue),
      Effect.catchTag(this.#step(), "ItemsDamaged", noted)
    )
  })

  readonly #step = Effect.fnUntraced(
    { self: this },
    function*(): Effect.fn.Return<void, Exclude<FeedFailed, Closed> | ItemsDamaged> {
      if (this.#damage !== undefined) yield* this.#drop(this.#damage)
      const at = this.#at ?? (yield* this.#mark())
      this.#at = at
      if (this.#mayHaveLeft) yield* this.#takeBack(at)
      const { entries, last, more } = yield* this.#read(at)
      // One that was accepted again may be among these: it has to be taken back first.
      if (this.#mayHaveLeft) return
      yield* this.#items.apply(entries, last === at ? undefined : last)
      this.#at = last
      if (more) return
      this.#isRebuilding = false
      const waiting = yield* this.#store.waiting({ limit: 1 })
      this.#isAnyPending = waiting.length > 0
      if (this.#isAnyPending && isAtRest(this.#journal.books())) yield* this.#release()
    }
  )

  /** Where items were when they were saved. They cannot be ahead of the log. */
  #mark(): Effect.Effect<Ordinal, ItemStoreFailed> {
    return Effect.flatMap(this.#store.mark, (mark) =>
      mark > this.#journal.books().meta.ordinal
        ? Effect.fail(new ItemsDamaged({ detail: "they are ahead of the log" }))
        : Effect.succeed(Ordinal.make(mark)))
  }

  readonly #drop = Effect.fnUntraced(
    { self: this },
    function*(damage: ItemsDamaged): Effect.fn.Return<void, StoreFailed> {
      if (++this.#rebuilds > REBUILDS_MAX) {
        return yield* new StoreFailed({ reason: "corrupt", operation: "keep items", detail: damage.detail })
      }
      yield* Effect.logWarning("Items are built again from this device's log.", damage)
      yield* this.#items.alone(this.#store.drop)
      this.#damage = undefined
      this.#at = undefined
    }
  )

  /** Entries behind `at`, as many as make a commit. */
  readonly #read = Effect.fnUntraced({ self: this }, function*(at: Ordinal) {
    const entries: Array<Item.ItemEntry> = []
    let [last, more, bytes] = [at, true, 0]
    while (more && entries.length < BATCH_ENTRIES && bytes < BATCH_BYTES) {
      const page = yield* Reader.page(this.#journal, last)
      for (const entry of page.entries) {
        entries.push(Item.fromEntry(entry.hash, entry))
        for (const { action } of entry.ops) bytes += action._tag === "Put" ? action.value.length : 0
      }
      last = page.last
      more = page.more
    }
    return { entries, last, more }
  })

  /** Takes out what left the log, so far as it was taken in. */
  #takeBack(at: Ordinal): Effect.Effect<void, ItemStoreFailed> {
    const { store } = this.#journal
    const isDone = Effect.gen({ self: this }, function*() {
      const rows = yield* Ledger.withdrawn.scan(store, { limit: WITHDRAWN_PAGE })
      if (rows.length === 0) return true
      const entries = yield* Effect.forEach(
        rows.filter(({ key }) => key <= at),
        ({ key, row }) => Effect.map(Reader.toEntry(this.#journal, key, row), (one) => Item.fromEntry(one.hash, one))
      )
      if (entries.length > 0) yield* this.#items.retract(entries)
      yield* store.commit(rows.map(({ key }) => Ledger.withdrawn.remove(key)))
      return false
    })
    return Effect.suspend(() => {
      this.#mayHaveLeft = false
      return Effect.repeat(isDone, { until: (done) => done })
    }).pipe(
      Effect.asVoid,
      Effect.onError(() =>
        Effect.sync(() => {
          this.#mayHaveLeft = true
        })
      )
    )
  }

  /** Lets show what waits for entries that will not come: all that nothing here stands for. */
  #release(): Effect.Effect<void, ItemStoreFailed> {
    return Effect.gen({ self: this }, function*() {
      const [waiting, missing] = [new Set<Item.OpId>(), new Set<Item.OpId>()]
      let after: Item.OpId | undefined
      while (true) {
        const page = yield* this.#store.waiting({ limit: PENDING_PAGE, ...(after === undefined ? {} : { after }) })
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

/**
 * Whether all that came is accepted or refused for good, and a relay was read to its end. Without a relay nothing has an
 * end: devices give what they have in the order in which they accepted it, what it needs before it.
 */
const isAtRest = ({ bookByHex, waitingByHex }: Books): boolean =>
  waitingByHex.size === 0 && (bookByHex.size === 0 ||
    [...bookByHex.values()].some(({ mark: { cursor, head } }) => head !== null && cursor >= head.body.position))
