/**
 * Questions about items (protocol.md §5), read off a store page by page: what is kept in memory is what is answered.
 */
import * as Effect from "effect/Effect"
import {
  type Author,
  compareKeys,
  compareTimes,
  isContested,
  type ItemRef,
  latestOf,
  type Operation,
  toHeads
} from "./Item.ts"
import type { ItemHeads, ItemStore, KeyRange } from "./ItemStore.ts"

/** Which versions of a collection are asked for. What is left out does not matter. */
export interface Query {
  readonly collection: string
  /** Beginning of keys. */
  readonly prefix?: string
  /** Who wrote the version. */
  readonly author?: Author
  /** When it was written, by its author's clock: milliseconds since 1970, `from` included, `to` not. */
  readonly fromMillis?: number
  readonly toMillis?: number
  /** `latest` unless given: one version for each item, the last written. Conditions are about that one then. `all`: each head. */
  readonly versions?: "latest" | "all"
  /** Whether tombstones count. */
  readonly deleted?: boolean
  /** `key` unless given. Versions of one key, and of one time, follow each other by time, name and key. */
  readonly order?: "key" | "time"
  readonly reverse?: boolean
  /** Versions to leave out at the beginning. */
  readonly offset?: number
  readonly limit?: number
}

/** A version that was asked for. */
export interface Found extends ItemRef {
  readonly version: Operation
  /** Its item has heads that say something else. */
  readonly contested: boolean
}

/** Items of one read. */
const PAGE_ITEMS = 256

/** What a query finds. */
export const run = <E>(store: ItemStore<E>, query: Query): Effect.Effect<ReadonlyArray<Found>, E> =>
  Effect.gen(function*() {
    const { limit = Infinity, offset = 0 } = query
    const answer = answerOf(query, offset + limit)
    const isByTime = query.order === "time"
    const size = isByTime ? PAGE_ITEMS : Math.min(PAGE_ITEMS, Math.max(1, offset + limit))
    let after: string | undefined
    while (!answer.isComplete()) {
      const page = yield* store.scan({ ...rangeOf(query, after), limit: size })
      for (const item of page) answer.add(versionsOf(item, query))
      after = page.at(-1)?.key
      if (page.length < size) break
    }
    return answer.found().slice(offset, offset + limit)
  })

const rangeOf = (
  { collection, order = "key", prefix = "", reverse = false }: Query,
  after: string | undefined
): Omit<KeyRange, "limit"> => ({
  collection,
  prefix,
  reverse: order === "key" && reverse,
  ...(after === undefined ? {} : { after })
})

/** The versions of an item that are asked for, in the order that is asked for. */
const versionsOf = (item: ItemHeads, query: Query): ReadonlyArray<Found> => {
  const heads = toHeads(item.heads)
  if (heads === undefined) return []
  const { collection, key } = item
  const contested = isContested(heads)
  const versions = query.versions === "all" ? heads.toSorted(compareTimes) : [latestOf(heads)]
  const found = versions.filter((version) => isWanted(version, query)).map((version) => ({
    collection,
    key,
    version,
    contested
  }))
  return query.reverse === true ? found.reverse() : found
}

const isWanted = ({ action, author, hlc: { millis } }: Operation, query: Query): boolean =>
  (query.deleted === true || action._tag !== "Delete") &&
  (query.author === undefined || query.author === author) &&
  millis >= (query.fromMillis ?? 0) &&
  millis < (query.toMillis ?? Infinity)

/** An answer that is being gathered. */
interface Answer {
  readonly isComplete: () => boolean
  readonly add: (found: ReadonlyArray<Found>) => void
  readonly found: () => ReadonlyArray<Found>
}

const answerOf = ({ order = "key", reverse = false }: Query, max: number): Answer =>
  order === "key" ? new InOrder(max) : new Latest(max, reverse)

/** An answer that comes in its order: it ends when it is full. */
class InOrder implements Answer {
  readonly #all: Array<Found> = []
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  isComplete(): boolean {
    return this.#all.length >= this.#max
  }

  add(found: ReadonlyArray<Found>): void {
    for (const one of found) this.#all.push(one)
  }

  found(): ReadonlyArray<Found> {
    return this.#all
  }
}

/** An answer by time: everything is looked at, and the first `max` kept. */
class Latest implements Answer {
  #all: Array<Found> = []
  readonly #max: number
  readonly #compare: (a: Found, b: Found) => number

  constructor(max: number, reverse: boolean) {
    this.#max = max
    this.#compare = reverse ? (a, b) => byTime(b, a) : byTime
  }

  isComplete(): boolean {
    return this.#max === 0
  }

  add(found: ReadonlyArray<Found>): void {
    for (const one of found) this.#all.push(one)
    if (this.#all.length > 2 * this.#max + PAGE_ITEMS) this.#all = [...this.found()]
  }

  found(): ReadonlyArray<Found> {
    return this.#all.sort(this.#compare).slice(0, this.#max)
  }
}

const byTime = (a: Found, b: Found): number => compareTimes(a.version, b.version) || compareKeys(a.key, b.key)
