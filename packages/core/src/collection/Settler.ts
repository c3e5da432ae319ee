/**
 * Merges put on record (protocol.md §5): of collections that were named, by the device whose turn it is. Everybody shows
 * the merged value at once; what is written here spares others the same work, and keeps heads few.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Signal from "../internal/signal.ts"
import type * as Collection from "../item/Collection.ts"
import * as Item from "../item/Item.ts"
import type * as ItemFeed from "../log/ItemFeed.ts"
import type { Desk } from "./Desk.ts"
import type { ItemWriteFailed } from "./ItemCollection.ts"

/** What may go well a little later, with nothing else changed. */
const PASSING: ReadonlySet<ItemWriteFailed["_tag"]> = new Set([
  "StoreFailed",
  "KeystoreFailed",
  "OutboxFull",
  "EntropyUnavailable"
])
/** From one attempt to the next, at first and at most: twice as long each time. */
const AGAIN_MILLIS = 5000
const AGAIN_MILLIS_MAX = 300_000

/** Keys of contested items that are read together. */
const CONTESTED_PAGE = 64

/** Writes merges down while `run` runs. */
export class Settler {
  readonly #desk: Desk
  readonly #settleByName = new Map<string, (key: string) => Effect.Effect<void, ItemWriteFailed>>()
  /** Collections whose contested items were not looked at yet. */
  readonly #unread = new Set<string>()
  readonly #contested = new Item.ByItem<Item.ItemRef>()
  readonly #found = Signal.make()
  #againMillis = AGAIN_MILLIS

  constructor(desk: Desk) {
    this.#desk = desk
  }

  register<A>(collection: Collection.Collection<A>): void {
    this.#settleByName.set(collection.name, (key) => this.#settle(collection, key))
    this.#unread.add(collection.name)
    this.#found.raise()
  }

  get run(): Effect.Effect<void> {
    return Effect.asVoid(Effect.all([this.#watch, this.#work], { concurrency: "unbounded" }))
  }

  get #watch(): Effect.Effect<void> {
    return Stream.runForEach(this.#desk.items.changes, (changes) =>
      Effect.sync(() => {
        for (const change of changes) {
          if (Item.isContested(change.heads)) this.#note(change)
        }
      }))
  }

  #note({ collection, key }: Item.ItemRef): void {
    if (!this.#settleByName.has(collection)) return
    this.#contested.set({ collection, key }, { collection, key })
    this.#found.raise()
  }

  get #work(): Effect.Effect<never> {
    const isDue = () => this.#unread.size > 0 || this.#contested.values().length > 0 ? true : undefined
    const turn = Effect.gen({ self: this }, function*() {
      yield* Signal.until(this.#found, isDue)
      for (const name of this.#unread) {
        this.#unread.delete(name)
        yield* Effect.tapError(this.#readContested(name), () => Effect.sync(() => this.#unread.add(name)))
      }
      for (const item of this.#contested.values()) {
        this.#contested.delete(item)
        const settle = this.#settleByName.get(item.collection)
        if (settle === undefined) continue
        yield* Effect.tapError(settle(item.key), ({ _tag }) =>
          Effect.sync(() => {
            if (PASSING.has(_tag)) this.#contested.set(item, item)
          }))
      }
    })
    // The merged value shows without it, so there is no hurry; what does not pass is written by the next edit.
    const warned = Effect.matchEffect(turn, {
      onFailure: (failure) =>
        failure._tag === "Closed" ? Effect.never : Effect.andThen(
          Effect.logWarning("A merge was not written.", failure),
          this.#pause
        ),
      onSuccess: () =>
        Effect.sync(() => {
          this.#againMillis = AGAIN_MILLIS
        })
    })
    return Effect.forever(warned)
  }

  get #pause(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const millis = this.#againMillis
      this.#againMillis = Math.min(2 * millis, AGAIN_MILLIS_MAX)
      return Effect.sleep(millis)
    })
  }

  #readContested(collection: string): Effect.Effect<void, ItemFeed.FeedFailed> {
    return Effect.gen({ self: this }, function*() {
      yield* this.#desk.current
      let after: string | undefined
      while (true) {
        const keys = yield* this.#desk.items.contested({
          collection,
          prefix: "",
          limit: CONTESTED_PAGE,
          ...(after === undefined ? {} : { after })
        })
        for (const key of keys) this.#note({ collection, key })
        after = keys.at(-1)
        if (keys.length < CONTESTED_PAGE) return
      }
    })
  }

  #settle<A>(collection: Collection.Collection<A>, key: string): Effect.Effect<void, ItemWriteFailed> {
    if (!this.#desk.mayWrite()) return Effect.void
    const settled = Effect.map(
      this.#desk.items.view(collection, key),
      ({ isSettler, settle }) => isSettler ? settle : undefined
    )
    return Effect.asVoid(this.#desk.write(settled))
  }
}
