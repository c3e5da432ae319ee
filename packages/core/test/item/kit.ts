/** Histories of items for tests, and what they have to come to, said as plainly as possible. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Graph from "../../src/item/Graph.ts"
import {
  Author,
  compareIds,
  compareKeys,
  DELETE,
  isContested,
  type ItemAction,
  type ItemEntry,
  type ItemOp,
  nameOf,
  OpId,
  put
} from "../../src/item/Item.ts"
import type { ItemStore, ItemWrite } from "../../src/item/ItemStore.ts"

export const author = (letter: string): Author => Author(letter.repeat(64))
export const idOf = (number: number): OpId => OpId(number.toString(16).padStart(64, "0"))
export const text = (value: string): Uint8Array => Uint8Array.from(value, (character) => character.charCodeAt(0))
export const textOf = (value: Uint8Array): string => String.fromCharCode(...value)
export const value = (of: string): ItemAction => put(text(of))

/** What an action says, for people. */
export const said = (action: ItemAction): string =>
  action._tag === "Put" ? textOf(action.value) : action._tag === "Delete" ? "†" : "content"

export const COLLECTIONS = ["a", "b"]
/** In the order of their bytes. */
const KEYS = ["k", "k1", "kz", "o", "ｚ", "😀"]

/** An entry with one operation. */
export const entry = (options: {
  readonly id: number
  readonly author?: string
  readonly millis?: number
  readonly key?: string
  readonly collection?: string
  readonly parents?: ReadonlyArray<number>
  readonly action?: ItemAction
}): ItemEntry => ({
  id: idOf(options.id),
  author: author(options.author ?? "a"),
  hlc: { millis: options.millis ?? options.id, counter: 0 },
  ops: [{
    collection: options.collection ?? "a",
    key: options.key ?? "k",
    parents: (options.parents ?? []).map(idOf),
    action: options.action ?? value(String(options.id))
  }]
})

// -- generated histories -----------------------------------------------------------------------------------------------

interface Draft {
  readonly author: number
  readonly millis: number
  readonly ops: ReadonlyArray<{
    readonly item: number
    readonly parents: number
    readonly action: number
    readonly stray: boolean
  }>
}

const drafts = fc.array(
  fc.record<Draft>({
    author: fc.nat({ max: 2 }),
    millis: fc.nat({ max: 20 }),
    ops: fc.uniqueArray(
      fc.record({
        item: fc.nat({ max: COLLECTIONS.length * KEYS.length - 1 }).map((n) => n < 6 ? n % 2 : n),
        parents: fc.nat({ max: 7 }),
        action: fc.nat({ max: 3 }),
        stray: fc.boolean()
      }),
      { minLength: 1, maxLength: 3, selector: ({ item }) => item }
    )
  }),
  { minLength: 1, maxLength: 14 }
)

const itemAt = (at: number) => ({
  collection: COLLECTIONS[Math.floor(at / KEYS.length)] ?? "a",
  key: KEYS[at % KEYS.length] ?? "k"
})

/**
 * Entries in an order in which each comes after what it names. Names and clocks are in no such order. Some name an entry
 * that says nothing of their item.
 */
export const histories: fc.Arbitrary<ReadonlyArray<ItemEntry>> = fc.tuple(
  drafts,
  fc.uniqueArray(fc.nat({ max: 0xffff }), { minLength: 14, maxLength: 14 })
).map(([all, ids]) => {
  const entries: Array<ItemEntry> = []
  const byItem = new Map<string, Array<OpId>>()
  for (const [at, { author: who, millis, ops }] of all.entries()) {
    const id = idOf(ids[at] ?? at)
    const made = ops.map(({ action, item, parents, stray }): ItemOp => {
      const ref = itemAt(item)
      const before = (byItem.get(nameOf(ref)) ?? []).slice(-3).filter((_, bit) => (parents & (1 << bit)) !== 0)
      const strayed = entries.at(-1)
      return {
        ...ref,
        parents: stray && strayed !== undefined && !before.includes(strayed.id) ? [...before, strayed.id] : before,
        action: action === 3 ? DELETE : value(`v${action}`)
      }
    })
    for (const op of made) byItem.set(nameOf(op), [...byItem.get(nameOf(op)) ?? [], id])
    entries.push({ id, author: author("abc"[who] ?? "a"), hlc: { millis, counter: 0 }, ops: made })
  }
  return entries
})

/** Entries in any order, some more than once, in pages of any size. */
export const arrivals = (entries: ReadonlyArray<ItemEntry>): fc.Arbitrary<ReadonlyArray<ReadonlyArray<ItemEntry>>> =>
  fc.tuple(
    fc.shuffledSubarray([...entries], { minLength: entries.length }),
    fc.array(fc.nat({ max: Math.max(0, entries.length - 1) }), { maxLength: 4 }),
    fc.array(fc.integer({ min: 1, max: 6 }), { minLength: entries.length, maxLength: entries.length })
  ).map(([order, again, sizes]) => {
    const all = [...order]
    for (const at of again) {
      const copy = entries[at]
      if (copy !== undefined) all.splice((at * 7) % (all.length + 1), 0, structuredClone(copy))
    }
    const pages: Array<ReadonlyArray<ItemEntry>> = []
    for (let at = 0, page = 0; at < all.length; page++) {
      const size = sizes[page % sizes.length] ?? 1
      pages.push(all.slice(at, at + size))
      at += size
    }
    return pages
  })

// -- what it has to come to --------------------------------------------------------------------------------------------

/** Everything that anybody can see of a store: for each item the names of its heads; conflicts; what waits for what. */
export interface Seen {
  readonly heads: ReadonlyArray<readonly [collection: string, key: string, ids: ReadonlyArray<OpId>]>
  readonly contested: ReadonlyArray<readonly [collection: string, key: string]>
  readonly waiting: ReadonlyArray<readonly [id: OpId, missing: ReadonlyArray<OpId>]>
}

/** The rule, without any of the ways in which the graph keeps to it. */
export const model = (present: ReadonlyArray<ItemEntry>, gone: ReadonlySet<OpId> = new Set()): Seen => {
  const byId = new Map(present.map((one) => [one.id, one]))
  const applied = new Set<OpId>()
  const missingOf = ({ ops }: ItemEntry) => [
    ...new Set(ops.flatMap(({ parents }) => parents).filter((parent) => !applied.has(parent) && !gone.has(parent)))
  ]
  for (let before = -1; before < applied.size;) {
    before = applied.size
    for (const one of byId.values()) if (missingOf(one).length === 0) applied.add(one.id)
  }
  const all = [...byId.values()].filter(({ id }) => applied.has(id)).flatMap(({ author, hlc, id, ops }) =>
    ops.map((op) => ({ ...op, id, author, hlc, generation: 0 }))
  )
  const isHead = (op: (typeof all)[number]) =>
    !all.some((other) => nameOf(other) === nameOf(op) && other.parents.includes(op.id))
  const items = COLLECTIONS.flatMap((collection) =>
    [...new Set(all.filter((op) => op.collection === collection).map(({ key }) => key))].sort(compareKeys)
      .map((key) => ({
        collection,
        key,
        heads: all.filter((op) => op.collection === collection && op.key === key && isHead(op))
          .sort((a, b) => compareIds(a.id, b.id))
      }))
  ).filter(({ heads }) => heads.length > 0)
  return {
    heads: items.map(({ collection, heads, key }) => [collection, key, heads.map(({ id }) => id)]),
    contested: items.filter(({ heads }) => isContested(heads)).map(({ collection, key }) => [collection, key]),
    waiting: [...byId.values()].filter(({ id }) => !applied.has(id)).sort((a, b) => compareIds(a.id, b.id))
      .map((one) => [one.id, missingOf(one).sort(compareIds)])
  }
}

const ALL = 1_000_000

export const seen = (store: ItemStore<never>): Seen => {
  const items = COLLECTIONS.flatMap((collection) => Effect.runSync(store.scan({ collection, prefix: "", limit: ALL })))
  return {
    heads: items.map(({ collection, heads, key }) => [collection, key, heads.map(({ id }) => id)]),
    contested: COLLECTIONS.flatMap((collection) =>
      Effect.runSync(store.contested({ collection, prefix: "", limit: ALL })).map((key) => [collection, key] as const)
    ),
    waiting: Effect.runSync(store.waiting({ limit: ALL })).map(({ entry: { id }, missing }) =>
      [id, missing.toSorted(compareIds)] as const
    )
  }
}

/** Commits what a step comes to, and what is left of it. */
export const commit = (
  store: ItemStore<never>,
  step: Effect.Effect<Graph.Outcome>,
  options: { readonly opsMax?: number } = {}
): ReadonlyArray<Graph.Outcome> => {
  const outcomes: Array<Graph.Outcome> = []
  for (let next = step;; next = Graph.apply(store, [], options)) {
    const outcome = Effect.runSync(next)
    Effect.runSync(store.commit(outcome.writes))
    outcomes.push(outcome)
    if (!outcome.more) return outcomes
  }
}

export const applyAll = (store: ItemStore<never>, entries: ReadonlyArray<ItemEntry>): ReadonlyArray<Graph.Outcome> =>
  commit(store, Graph.apply(store, entries))

/** A store that gives everything as a copy, as one does that keeps bytes. */
export const copying = (store: ItemStore<never>): ItemStore<never> => {
  const copy = <A, B>(ask: (of: A) => Effect.Effect<B>) => (of: A) =>
    Effect.map(ask(of), (answer): B => structuredClone(answer))
  return {
    entries: copy(store.entries),
    ops: copy(store.ops),
    heads: copy(store.heads),
    waitingFor: copy(store.waitingFor),
    waiting: copy(store.waiting),
    scan: copy(store.scan),
    contested: copy(store.contested),
    mark: store.mark,
    commit: (writes) => store.commit(structuredClone(writes))
  }
}

/** A store that keeps what was written to it. */
export const recording = (store: ItemStore<never>): ItemStore<never> & { readonly written: Array<ItemWrite> } => {
  const written: Array<ItemWrite> = []
  return {
    ...store,
    written,
    commit: (writes) => {
      written.push(...writes)
      return store.commit(writes)
    }
  }
}
