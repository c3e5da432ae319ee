/**
 * The promise face of a collection: the calls of `ItemCollection`, with promises for effects and `AsyncIterable`s for
 * streams. It belongs to `Face`.
 */
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClientItems } from "./ClientItems.ts"
import type { ConflictPage, ItemCollection, ItemConflict, ItemLine, PastVersion } from "./collection/ItemCollection.ts"
import type { ValueForm, View } from "./item/Collection.ts"
import type * as Listing from "./item/Listing.ts"
import type { Strategy } from "./item/merge/Strategy.ts"
import type { Receipt } from "./log/Outbox.ts"

/** A collection for apps that do not know Effect. `R` is what a write resolves to. */
export interface CollectionHandle<in out A, out R> {
  readonly name: string
  /** Writes a value on top of what this device shows; it can be read then. Rejects with `ItemWriteFailed`. */
  readonly put: (key: string, value: A) => Promise<R>
  /** Writes a value as an item of its own. Resolves with its key. */
  readonly add: (value: A) => Promise<R & { readonly key: string }>
  /** What the item comes to on this device; undefined when there is none. Rejects with `FormFailed` for what is no value. */
  readonly get: (key: string) => Promise<A | undefined>
  readonly view: (key: string) => Promise<View<A>>
  /** Deletes what this device shows; resolves with nothing when there is nothing. */
  readonly delete: (key: string) => Promise<R | undefined>
  readonly list: (page?: Listing.Page) => Promise<ReadonlyArray<ItemLine<A>>>
  /** What `list` resolves to now, and again whenever that may have changed, until the loop is left. */
  readonly watch: (page?: Listing.Page) => AsyncIterable<ReadonlyArray<ItemLine<A>>>
  /** Versions of an item, the latest first: 100 unless given. */
  readonly history: (key: string, limit?: number) => Promise<ReadonlyArray<PastVersion<A>>>
  readonly conflicts: {
    readonly list: (page?: { readonly after?: string; readonly limit?: number }) => Promise<ConflictPage<A>>
    readonly inspect: (key: string) => Promise<ItemConflict<A> | undefined>
    readonly watch: () => AsyncIterable<ConflictPage<A>>
    /** Ends a conflict, on all devices. Rejects with `ResolveFailed`. */
    readonly resolve: (...args: Parameters<ItemCollection<A>["conflicts"]["resolve"]>) => Promise<R>
  }
}

/** Names collections, as `ClientItems.collection` does. */
export interface OpenCollection<out R> {
  (name: string, options?: { readonly merge?: Strategy }): CollectionHandle<Uint8Array, R>
  <A>(
    name: string,
    options: { readonly form: ValueForm<A>; readonly merge?: Strategy }
  ): CollectionHandle<A, R>
}

/** How effects run, and what an app gets for a receipt. */
export interface FaceItemsOptions<R> {
  readonly items: ClientItems
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  readonly receipt: (receipt: Receipt) => R
}

/** The promise face of a client's collections. */
export const makeCollections = <R>(options: FaceItemsOptions<R>): OpenCollection<R> => {
  const { items } = options
  function collection(name: string, given?: { readonly merge?: Strategy }): CollectionHandle<Uint8Array, R>
  function collection<A>(
    name: string,
    given: { readonly form: ValueForm<A>; readonly merge?: Strategy }
  ): CollectionHandle<A, R>
  function collection<A>(
    name: string,
    { form, ...merge }: { readonly form?: ValueForm<A>; readonly merge?: Strategy } = {}
  ): CollectionHandle<A, R> | CollectionHandle<Uint8Array, R> {
    return form === undefined
      ? handleOf(options, items.collection(name, merge))
      : handleOf(options, items.collection(name, { form, ...merge }))
  }
  return collection
}

const handleOf = <A, R>(
  { receipt, run }: FaceItemsOptions<R>,
  { conflicts, ...collection }: ItemCollection<A>
): CollectionHandle<A, R> => ({
  name: collection.name,
  put: async (key, value) => receipt(await run(collection.put(key, value))),
  add: async (value) => {
    const { key, ...added } = await run(collection.add(value))
    return { ...receipt(added), key }
  },
  get: (key) => run(collection.get(key)),
  view: (key) => run(collection.view(key)),
  delete: async (key) => {
    const deleted = await run(collection.delete(key))
    return deleted === undefined ? undefined : receipt(deleted)
  },
  list: (page) => run(collection.list(page)),
  watch: (page) => Stream.toAsyncIterable(collection.watch(page)),
  history: (key, limit) => run(collection.history(key, limit)),
  conflicts: {
    list: (page) => run(conflicts.list(page)),
    inspect: (key) => run(conflicts.inspect(key)),
    watch: () => Stream.toAsyncIterable(conflicts.watch),
    resolve: async (which, decision) => receipt(await run(conflicts.resolve(which, decision)))
  }
})
