/**
 * A collection's items as an app lists them (protocol.md §5): each with what it comes to on this device, merges and
 * conflicts included. Deleted ones are left out. For questions about single versions there is `Query`.
 */
import * as Effect from "effect/Effect"
import { type Collection, show, type Shown, view } from "./Collection.ts"
import { type Author, compareKeys, compareTimes, isContested, latestOf, type Operation, toHeads } from "./Item.ts"
import type { ItemHeads, ItemStore, KeyRange } from "./ItemStore.ts"
import type { Reason } from "./Merge.ts"

/** Which items are asked for. What is left out does not matter. */
export interface Page {
  /** Beginning of keys. */
  readonly prefix?: string
  /** `key` unless given: by the keys' bytes. `time`: by when each was written last. */
  readonly order?: "key" | "time"
  readonly reverse?: boolean
  /** Only items behind this key. Of use with the order `key`. */
  readonly after?: string
  readonly limit?: number
}

/** An item, what it comes to, and its last version. */
export interface Listed<A> {
  readonly key: string
  readonly shown: Shown<A>
  readonly latest: Operation
  /** Why it is a conflict, if it is one. */
  readonly conflict: Reason | undefined
}

/** Items of one read. */
const PAGE_ITEMS = 256

/** A page of a collection's items, on the device `self`. */
export const list = Effect.fnUntraced(function*<A, E>(
  store: ItemStore<E>,
  collection: Collection<A>,
  self: Author,
  page: Page = {}
): Effect.fn.Return<ReadonlyArray<Listed<A>>, E> {
  // By time, everything has to be looked at; by key, as many as are asked for.
  const { limit = Infinity } = page
  const isByTime = page.order === "time"
  const size = isByTime ? PAGE_ITEMS : Math.min(PAGE_ITEMS, Math.max(1, limit))
  const found: Array<Listed<A>> = []
  let after = page.after
  while (isByTime || found.length < limit) {
    const items: ReadonlyArray<ItemHeads> = yield* store.scan({
      ...rangeOf(collection.name, page, after),
      limit: size
    })
    for (const item of items) {
      const listed = yield* listedOf(store, collection, self, item)
      if (listed !== undefined) found.push(listed)
    }
    after = items.at(-1)?.key
    if (items.length < size) break
  }
  return (isByTime ? inTime(found, page) : found).slice(0, limit)
})

const rangeOf = (
  collection: string,
  { order, prefix = "", reverse = false }: Page,
  after: string | undefined
): Omit<KeyRange, "limit"> => ({
  collection,
  prefix,
  reverse: reverse && order !== "time",
  ...(after === undefined ? {} : { after })
})

const inTime = <A>(found: ReadonlyArray<Listed<A>>, { reverse = false }: Page): ReadonlyArray<Listed<A>> =>
  found.toSorted((a, b) => reverse ? byTime(b, a) : byTime(a, b))

const byTime = <A>(a: Listed<A>, b: Listed<A>): number => compareTimes(a.latest, b.latest) || compareKeys(a.key, b.key)

/** An item as a line; undefined when it is deleted. */
const listedOf = <A, E>(
  store: ItemStore<E>,
  collection: Collection<A>,
  self: Author,
  { heads: all, key }: ItemHeads
): Effect.Effect<Listed<A> | undefined, E> => {
  const heads = toHeads(all)
  if (heads === undefined) return Effect.undefined
  const latest = latestOf(heads)
  const came: Effect.Effect<Pick<Listed<A>, "shown" | "conflict">, E> = isContested(heads)
    ? view(store, collection, key, self)
    : Effect.sync(() => ({ shown: show(collection.form, latest.action), conflict: undefined }))
  return Effect.map(came, ({ conflict, shown }) => {
    // One that was deleted here and edited elsewhere is there to be decided about.
    return shown._tag === "Absent" && conflict === undefined ? undefined : { key, shown, latest, conflict }
  })
}
