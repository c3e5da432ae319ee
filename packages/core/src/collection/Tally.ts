/**
 * Counts the items that wait for a person's decision (protocol.md §7), in collections that were named: all that is contested
 * is looked at once, and from then on what changes. What is counted are conflicts as the collection's merge has them now.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Signal from "../internal/signal.ts"
import type * as Collection from "../item/Collection.ts"
import * as Item from "../item/Item.ts"
import type * as ItemFeed from "../log/ItemFeed.ts"
import type { Undecided } from "../log/Undecided.ts"

/** Conflicts that are read together. */
const CONFLICTS_PAGE = 64

/** What is known of a collection. */
interface Counted {
  readonly keys: Set<string>
  /** Keys in conflict, behind one. */
  readonly list: (after: string | undefined) => Effect.Effect<ReadonlyArray<string>, ItemFeed.FeedFailed>
  readonly isConflict: (key: string) => Effect.Effect<boolean, ItemFeed.FeedFailed>
}

/** Counts while `run` runs. */
export class Tally {
  readonly #feed: ItemFeed.ItemFeed
  readonly #undecided: Undecided
  readonly #countedByName = new Map<string, Counted>()
  /** Collections that were not looked at as a whole. */
  readonly #unread = new Set<string>()
  readonly #changed = new Item.ByItem<Item.ItemRef>()
  readonly #found = Signal.make()

  constructor(feed: ItemFeed.ItemFeed, undecided: Undecided) {
    this.#feed = feed
    this.#undecided = undecided
  }

  /** Counts a collection, by the merge that it has now. */
  register<A>(collection: Collection.Collection<A>): void {
    const { conflicts } = this.#feed.items
    this.#countedByName.set(collection.name, {
      keys: new Set(),
      list: (after) =>
        Effect.map(
          conflicts.list(collection, { limit: CONFLICTS_PAGE, ...(after === undefined ? {} : { after }) }),
          (page) => page.conflicts.map(({ key }) => key)
        ),
      isConflict: (key) => Effect.map(conflicts.inspect(collection, key), (conflict) => conflict !== undefined)
    })
    this.#unread.add(collection.name)
    this.#found.raise()
  }

  get run(): Effect.Effect<void> {
    return Effect.asVoid(Effect.all([this.#watch, this.#work], { concurrency: "unbounded" }))
  }

  get #watch(): Effect.Effect<void> {
    return Stream.runForEach(this.#feed.items.changes, (changes) =>
      Effect.sync(() => {
        for (const { collection, key } of changes) {
          if (this.#countedByName.has(collection)) this.#changed.set({ collection, key }, { collection, key })
        }
        this.#found.raise()
      }))
  }

  get #work(): Effect.Effect<never> {
    const isDue = () => this.#unread.size > 0 || this.#changed.values().length > 0 ? true : undefined
    const turn = Effect.gen({ self: this }, function*() {
      yield* Signal.until(this.#found, isDue)
      yield* this.#feed.current
      for (const name of this.#unread) yield* this.#readAll(name)
      for (const item of this.#changed.values()) yield* this.#look(item)
      this.#tell()
    })
    // Whoever asks for items next hears of it. What was missed is made up for then, with everything else.
    const afterFailure = (failure: ItemFeed.FeedFailed) =>
      failure._tag === "Closed" ? Effect.never : Effect.andThen(
        Effect.logWarning("Conflicts were not counted.", failure),
        Effect.suspend(() => {
          for (const name of this.#countedByName.keys()) this.#unread.add(name)
          return this.#found.after(this.#found.version())
        })
      )
    return Effect.forever(Effect.matchEffect(turn, { onFailure: afterFailure, onSuccess: () => Effect.void }))
  }

  #readAll(name: string): Effect.Effect<void, ItemFeed.FeedFailed> {
    return Effect.gen({ self: this }, function*() {
      this.#unread.delete(name)
      const counted = this.#countedByName.get(name)
      if (counted === undefined) return
      counted.keys.clear()
      let after: string | undefined
      while (true) {
        const keys: ReadonlyArray<string> = yield* counted.list(after)
        for (const key of keys) counted.keys.add(key)
        after = keys.at(-1)
        if (keys.length < CONFLICTS_PAGE) return
      }
    })
  }

  #look(item: Item.ItemRef): Effect.Effect<void, ItemFeed.FeedFailed> {
    this.#changed.delete(item)
    const counted = this.#countedByName.get(item.collection)
    if (counted === undefined) return Effect.void
    return Effect.map(counted.isConflict(item.key), (is) => {
      if (is) counted.keys.add(item.key)
      else counted.keys.delete(item.key)
    })
  }

  #tell(): void {
    let count = 0
    for (const { keys } of this.#countedByName.values()) count += keys.size
    this.#undecided.set(count)
  }
}
