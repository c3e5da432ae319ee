/**
 * The items of a space, running: entries in, answers and changes out. A thin shell around the graph: one change at a time,
 * committed before anybody sees it, so that an entry is never half visible.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Signal from "../internal/signal.ts"
import * as Sliding from "../internal/sliding.ts"
import * as Collection from "./Collection.ts"
import * as Conflict from "./Conflict.ts"
import * as Graph from "./Graph.ts"
import * as History from "./History.ts"
import type { Author, ItemEntry, OpId } from "./Item.ts"
import type { ItemEntryWaiting, ItemStore, ItemWrite, KeyRange } from "./ItemStore.ts"
import * as Listing from "./Listing.ts"
import * as Query from "./Query.ts"

/** The items of a space on one device. `E`: why a change is not made; `F`: why a question is not answered. */
export interface Items<E, F = E> {
  /**
   * Takes accepted entries in, in any order and any number of times. Pages of a thousand or so are best: what does not fit
   * a commit is written twice, waiting and applied. `mark` is kept with them, in one commit (`ItemStore.mark`).
   */
  readonly apply: (entries: ReadonlyArray<ItemEntry>, mark?: number) => Effect.Effect<void, E>
  /** Entries that will not come: what waits for them waits no longer. */
  readonly release: (ids: ReadonlyArray<OpId>) => Effect.Effect<void, E>
  /** Takes entries back that do not count after all. */
  readonly retract: (entries: ReadonlyArray<ItemEntry>) => Effect.Effect<void, E>
  /** Forgets what entries that every device has wrote and others superseded, and their tombstones. */
  readonly prune: (entries: ReadonlyArray<ItemEntry>) => Effect.Effect<void, E>
  /** Does something while no question is being answered and nothing changes. */
  readonly alone: <A, G>(effect: Effect.Effect<A, G>) => Effect.Effect<A, G>

  readonly view: <A>(collection: Collection.Collection<A>, key: string) => Effect.Effect<Collection.View<A>, F>
  /** A page of a collection's items, each as `view` has it. */
  readonly list: <A>(
    collection: Collection.Collection<A>,
    page?: Listing.Page
  ) => Effect.Effect<ReadonlyArray<Listing.Listed<A>>, F>
  /** What `list` answers now, and again whenever that may have changed; a slow reader skips what is outdated. */
  readonly watchList: <A>(
    collection: Collection.Collection<A>,
    page?: Listing.Page
  ) => Stream.Stream<ReadonlyArray<Listing.Listed<A>>, F>
  /** What was written to an item, the latest first: at most `limit` versions. */
  readonly history: <A>(
    collection: Collection.Collection<A>,
    key: string,
    limit?: number
  ) => Effect.Effect<ReadonlyArray<History.Past<A>>, F>
  readonly query: (query: Query.Query) => Effect.Effect<ReadonlyArray<Query.Found>, F>
  /** What a query finds now, and again whenever that may have changed; a slow reader skips what is outdated. */
  readonly watch: (query: Query.Query) => Stream.Stream<ReadonlyArray<Query.Found>, F>
  /** What changes from now on, commit by commit. A reader that falls 1,024 behind loses the oldest. */
  readonly changes: Stream.Stream<ReadonlyArray<Graph.ItemChange>>

  /** A page of entries that wait for others, with the names of what is missing. */
  readonly pending: (
    page: { readonly after?: OpId; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<ItemEntryWaiting>, F>

  /** A page of keys of items whose versions differ, merged or not. */
  readonly contested: (range: Omit<KeyRange, "reverse">) => Effect.Effect<ReadonlyArray<string>, F>

  readonly conflicts: {
    /** A page of what a person has to decide in a collection. */
    readonly list: <A>(
      collection: Collection.Collection<A>,
      page?: { readonly after?: string; readonly limit?: number }
    ) => Effect.Effect<Conflict.Page, F>
    /** One item's conflict; undefined when there is none. */
    readonly inspect: <A>(
      collection: Collection.Collection<A>,
      key: string
    ) => Effect.Effect<Conflict.Conflict | undefined, F>
    /** The first page now, and again whenever the collection changed. */
    readonly watch: <A>(collection: Collection.Collection<A>) => Stream.Stream<Conflict.Page, F>
  }
}

/** Batches of changes that may wait for one reader. */
const CHANGES_MAX = 1024

/** The items that a store holds, on the device `self`. */
export const make = <E>(store: ItemStore<E>, self: Author): Effect.Effect<Items<E>> =>
  makeWith(store, self, { ready: Effect.void, recover: Effect.fail })

/** What stands between a question and its answer. */
export interface Asking<in E, out F> {
  /** Done before each question. */
  readonly ready: Effect.Effect<void, F>
  /** Done when storage failed, before the question is asked once more. */
  readonly recover: (failure: E) => Effect.Effect<void, F>
}

/** Like `make`, over a store that may have to be built first. */
export const makeWith = Effect.fn("Items.make")(function*<E, F>(
  store: ItemStore<E>,
  self: Author,
  { ready, recover }: Asking<E, F>
): Effect.fn.Return<Items<E, F>> {
  const permit = yield* Semaphore.make(1)
  const changes = yield* Sliding.make<ReadonlyArray<Graph.ItemChange>>(CHANGES_MAX)
  const versions = new Versions()

  const publish = (batch: ReadonlyArray<Graph.ItemChange>) =>
    Effect.suspend(() => {
      if (batch.length === 0) return Effect.void
      versions.raise(new Set(batch.map((change) => change.collection)))
      return PubSub.publish(changes, batch)
    })

  const write = (writes: ReadonlyArray<ItemWrite>): Effect.Effect<void, E> =>
    writes.length === 0
      ? Effect.void
      : Effect.tapError(store.commit(writes), () => Effect.sync(() => versions.raiseAll()))

  /** Commits what a step of the graph comes to, and goes on while there is more. */
  const commit = (step: Effect.Effect<Graph.Outcome, E>, also: ReadonlyArray<ItemWrite> = []): Effect.Effect<void, E> =>
    Effect.flatMap(
      permit.withPermit(Effect.uninterruptible(Effect.tap(
        step,
        (outcome) => Effect.andThen(write([...outcome.writes, ...also]), publish(outcome.changes))
      ))),
      ({ more }) => more ? commit(Graph.apply(store, [])) : Effect.void
    )

  /** Reads see no commit that is under way. */
  const read = <A>(question: Effect.Effect<A, E>): Effect.Effect<A, F> =>
    Effect.andThen(
      ready,
      permit.withPermit(question).pipe(
        Effect.catch((failure) => Effect.andThen(recover(failure), read(question)))
      )
    )

  /** What a question about a collection answers now, and again after each commit that changed the collection. */
  const watch = <A>(collection: string, question: Effect.Effect<A, E>): Stream.Stream<A, F> =>
    Stream.paginate(-1, (seen) => {
      return Effect.flatMap(
        versions.after(collection, seen),
        (version) => Effect.map(read(question), (answer) => [[answer], Option.some(version)] as const)
      )
    })

  const judge = <A>({ merge }: Collection.Collection<A>): Conflict.Judge => ({ strategy: merge, self })

  return {
    apply: (entries, mark) =>
      commit(Graph.apply(store, entries), mark === undefined ? [] : [{ table: "mark", row: mark }]),
    release: (ids) => commit(Graph.release(store, ids)),
    retract: (entries) => commit(Graph.retract(store, entries)),
    prune: (entries) => commit(Graph.prune(store, entries)),
    alone: (effect) => permit.withPermit(effect),
    view: (collection, key) => read(Collection.view(store, collection, key, self)),
    list: (collection, page) => read(Listing.list(store, collection, self, page)),
    watchList: (collection, page) => watch(collection.name, Listing.list(store, collection, self, page)),
    history: (collection, key, limit) => read(History.read(store, collection, key, limit)),
    query: (query) => read(Query.run(store, query)),
    watch: (query) => watch(query.collection, Query.run(store, query)),
    changes: Stream.fromPubSub(changes),
    pending: (page) => read(store.waiting(page)),
    contested: (range) => read(store.contested(range)),
    conflicts: {
      list: (collection, page) =>
        read(Conflict.list(store, judge(collection), { collection: collection.name, ...page })),
      inspect: (collection, key) =>
        read(Conflict.inspect(store, judge(collection), { collection: collection.name, key })),
      watch: (collection) =>
        watch(collection.name, Conflict.list(store, judge(collection), { collection: collection.name }))
    }
  }
})

/** How often collections changed: who watches one waits for the next time. */
class Versions {
  readonly #byCollection = new Map<string, number>()
  readonly #changed = Signal.make()
  /** Commits that failed and may have been made all the same: they count as a change of every collection. */
  #unknown = 0

  raise(collections: Iterable<string>): void {
    for (const collection of collections) {
      this.#byCollection.set(collection, (this.#byCollection.get(collection) ?? 0) + 1)
    }
    this.#changed.raise()
  }

  raiseAll(): void {
    this.#unknown++
    this.#changed.raise()
  }

  /** Waits until the version of a collection is another one than `seen`; answers it. */
  after(collection: string, seen: number): Effect.Effect<number> {
    const current = () => (this.#byCollection.get(collection) ?? 0) + this.#unknown
    return Signal.until(this.#changed, () => current() === seen ? undefined : current())
  }
}
