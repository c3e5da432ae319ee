import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { compareKeys, isContested, type ItemEntry, latestOf, toHeads } from "../../src/item/Item.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import * as Query from "../../src/item/Query.ts"
import { applyAll, author, COLLECTIONS, entry, histories, idOf, model, value } from "./kit.ts"

const optional = <A>(of: fc.Arbitrary<A>) => fc.option(of, { nil: undefined, freq: 2 })

const queries: fc.Arbitrary<Query.Query> = fc.record({
  collection: fc.constantFrom(...COLLECTIONS),
  prefix: optional(fc.constantFrom("", "k", "k1", "ｚ", "😀")),
  author: optional(fc.constantFrom("a", "b", "c").map(author)),
  fromMillis: optional(fc.nat({ max: 10 })),
  toMillis: optional(fc.integer({ min: 8, max: 20 })),
  versions: optional(fc.constantFrom("latest" as const, "all" as const)),
  deleted: optional(fc.boolean()),
  order: optional(fc.constantFrom("key" as const, "time" as const)),
  reverse: optional(fc.boolean()),
  offset: optional(fc.nat({ max: 4 })),
  limit: optional(fc.nat({ max: 5 }))
}).map((all) => {
  const { collection, ...options } = all
  return { collection, ...Object.fromEntries(Object.entries(options).filter(([, of]) => of !== undefined)) }
})

/** The answer, worked out the plain way. */
const answer = (entries: ReadonlyArray<ItemEntry>, query: Query.Query): ReadonlyArray<Query.Found> => {
  const ops = entries.flatMap(({ author, hlc, id, ops }) => ops.map((op) => ({ ...op, id, author, hlc })))
  const items = model(entries).heads.map(([collection, key, ids]) => ({
    collection,
    key,
    heads: ids.map((id) => {
      const op = ops.find((op) => op.id === id && op.collection === collection && op.key === key)
      const { action, author, hlc, parents } = op ?? assert.fail("an unknown head")
      return { id, author, hlc, parents: [...new Set(parents)], action, generation: 0 }
    })
  }))
  const found = items.filter(({ collection, key }) =>
    collection === query.collection && key.startsWith(query.prefix ?? "")
  )
    .flatMap(({ collection, heads, key }) => {
      const all = toHeads(heads) ?? assert.fail("no heads")
      const versions = query.versions === "all" ? all : [latestOf(all)]
      return versions.map((version) => ({ collection, key, version, contested: isContested(heads) }))
    })
    .filter(({ version: { action, author, hlc } }) =>
      (query.deleted === true || action._tag !== "Delete") &&
      (query.author === undefined || author === query.author) &&
      (query.fromMillis === undefined || hlc.millis >= query.fromMillis) &&
      (query.toMillis === undefined || hlc.millis < query.toMillis)
    )
  const byTime = (a: Query.Found, b: Query.Found) =>
    a.version.hlc.millis - b.version.hlc.millis ||
    (a.version.id < b.version.id ? -1 : a.version.id > b.version.id ? 1 : 0)
  const byKey = (a: Query.Found, b: Query.Found) => compareKeys(a.key, b.key)
  found.sort((a, b) => query.order === "time" ? byTime(a, b) || byKey(a, b) : byKey(a, b) || byTime(a, b))
  if (query.reverse === true) found.reverse()
  const offset = query.offset ?? 0
  return found.slice(offset, query.limit === undefined ? undefined : offset + query.limit)
}

const withoutGeneration = (all: ReadonlyArray<Query.Found>) =>
  all.map(({ version, ...found }) => ({ ...found, version: { ...version, generation: 0 } }))

describe("a query", () => {
  it("finds what a plain look at everything finds, in the same order", () => {
    let found = 0
    fc.assert(
      fc.property(histories, queries, (entries, query) => {
        const store = MemoryItemStore.make()
        applyAll(store, entries)
        const result = Effect.runSync(Query.run(store, query))
        assert.deepStrictEqual(withoutGeneration(result), answer(entries, query))
        found += result.length
      }),
      { numRuns: 1500 }
    )
    assert.isAbove(found, 300)
  })

  const many = Array.from(
    { length: 1000 },
    (_, id) => entry({ id, key: String(id).padStart(4, "0"), millis: (id * 389) % 1000 })
  )

  it("goes through more items than one read brings, both ways, and reads no more than it needs", () => {
    const store = MemoryItemStore.make()
    applyAll(store, many)
    let read = 0
    const counting = {
      ...store,
      scan: (range: Parameters<typeof store.scan>[0]) =>
        Effect.tap(store.scan(range), (page) => Effect.sync(() => read += page.length))
    }
    const keys = (query: Omit<Query.Query, "collection">) =>
      Effect.runSync(Query.run(counting, { collection: "a", ...query })).map(({ key }) => key)
    const all = many.map(({ ops: [op] }) => op?.key ?? "")
    assert.deepStrictEqual(keys({}), all)
    assert.deepStrictEqual(keys({ reverse: true }), all.toReversed())
    assert.deepStrictEqual(
      keys({ order: "time" }),
      many.toSorted((a, b) => a.hlc.millis - b.hlc.millis).map(({ ops: [op] }) => op?.key ?? "")
    )
    assert.deepStrictEqual(
      keys({ order: "time", reverse: true, limit: 2 }),
      many.toSorted((a, b) => b.hlc.millis - a.hlc.millis).slice(0, 2).map(({ ops: [op] }) => op?.key ?? "")
    )
    read = 0
    assert.deepStrictEqual(keys({ offset: 3, limit: 2 }), ["0003", "0004"])
    assert.isAtMost(read, 256)
    read = 0
    assert.deepStrictEqual(keys({ limit: 0 }), [])
    assert.strictEqual(read, 0)
  })

  it("for the latest version asks its conditions of that one, not of others", () => {
    const store = MemoryItemStore.make()
    applyAll(store, [
      entry({ id: 1, author: "a", millis: 1, action: value("x") }),
      entry({ id: 2, author: "b", millis: 2 })
    ])
    const ids = (query: Omit<Query.Query, "collection">) =>
      Effect.runSync(Query.run(store, { collection: "a", ...query })).map(({ version: { id } }) => id)
    assert.deepStrictEqual(ids({}), [idOf(2)])
    assert.deepStrictEqual(ids({ author: author("a") }), [])
    assert.deepStrictEqual(ids({ author: author("a"), versions: "all" }), [idOf(1)])
  })
})

describe("a store in memory", () => {
  it("keeps keys in order while they come and go one by one", () => {
    const store = MemoryItemStore.make()
    const item = (key: string) => ({ collection: "a", key })
    const contested = () => Effect.runSync(store.contested({ collection: "a", prefix: "", limit: 1000 }))
    const set = (key: string, row: true | undefined) =>
      Effect.runSync(store.commit([{ table: "contested", item: item(key), row }]))
    const model = new Set<string>()
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 99 }), fc.boolean()), { maxLength: 120 }), (changes) => {
        for (const [number, isThere] of changes) {
          const key = `${number}`
          set(key, isThere ? true : undefined)
          if (isThere) model.add(key)
          else model.delete(key)
          if (number % 20 === 0) assert.deepStrictEqual(contested(), [...model].sort())
        }
      }),
      { numRuns: 30 }
    )
  })
})
