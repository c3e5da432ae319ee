import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Ancestor from "../../src/item/Ancestor.ts"
import { compareIds, type ItemEntry, type OpId } from "../../src/item/Item.ts"
import type { ItemStore } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import { applyAll, entry, idOf } from "./kit.ts"

const item = { collection: "a", key: "k" }

/** Histories of one item: each operation names up to three before it. Names are in no order; clocks are, unless they lie. */
const graphs = fc.record({
  parents: fc.array(fc.nat({ max: 15 }), { minLength: 1, maxLength: 14 }),
  ids: fc.uniqueArray(fc.nat({ max: 999 }), { minLength: 14, maxLength: 14 }),
  lies: fc.array(fc.nat({ max: 30 }), { minLength: 14, maxLength: 14 })
}).map(({ ids, lies, parents }) => {
  const make = (millis: (at: number) => number) =>
    parents.map((mask, at) =>
      entry({
        id: ids[at] ?? at,
        millis: millis(at),
        parents: [1, 2, 4].flatMap((back, bit) => (mask & (1 << bit)) === 0 || at < back ? [] : [ids[at - back] ?? 0])
      })
    )
  return { honest: make((at) => at), lying: make((at) => lies[at] ?? 0) }
})

const ancestors = (all: ReadonlyMap<OpId, ItemEntry>, id: OpId): Set<OpId> => {
  const found = new Set([id])
  for (const parent of all.get(id)?.ops[0]?.parents ?? []) for (const each of ancestors(all, parent)) found.add(each)
  return found
}

/** Common ancestors of which none of the others comes later: by the definition. */
const expected = (entries: ReadonlyArray<ItemEntry>, a: OpId, b: OpId): ReadonlyArray<OpId> => {
  const all = new Map(entries.map((one) => [one.id, one]))
  const [ofA, ofB] = [ancestors(all, a), ancestors(all, b)]
  const common = [...ofA].filter((id) => ofB.has(id))
  return common.filter((id) => !common.some((other) => other !== id && ancestors(all, other).has(id))).sort(compareIds)
}

const nearest = (store: ItemStore<never>, left: OpId, right: OpId) => {
  const heads = Effect.runSync(store.heads([item]))[0] ?? []
  const history = Effect.runSync(Ancestor.history(store, item, heads))
  return Ancestor.nearest(history, Ancestor.pastOf(history, [left]), Ancestor.pastOf(history, [right])).map(({ id }) =>
    id
  )
}

const storeOf = (entries: ReadonlyArray<ItemEntry>) => {
  const store = MemoryItemStore.make()
  applyAll(store, entries)
  return { store, heads: (Effect.runSync(store.heads([item]))[0] ?? []).map(({ id }) => id) }
}

const pairs = (heads: ReadonlyArray<OpId>) => heads.flatMap((a) => heads.flatMap((b) => a < b ? [[a, b] as const] : []))

describe("nearest common ancestors", () => {
  it("of any two heads are those of the definition", () => {
    let [several, none] = [0, 0]
    fc.assert(
      fc.property(graphs, ({ honest }) => {
        const { heads, store } = storeOf(honest)
        for (const [a, b] of pairs(heads)) {
          const found = nearest(store, a, b)
          assert.deepStrictEqual(found, expected(honest, a, b))
          assert.deepStrictEqual(nearest(store, b, a), found)
          if (found.length > 1) several++
          if (found.length === 0) none++
        }
      }),
      { numRuns: 1000 }
    )
    assert.isAbove(several, 0)
    assert.isAbove(none, 0)
  })

  it("are common ancestors also where clocks lie, the same on every device", () => {
    fc.assert(
      fc.property(graphs, ({ lying }) => {
        const { heads, store } = storeOf(lying)
        const other = storeOf(lying.toReversed())
        const all = new Map(lying.map((one) => [one.id, one]))
        for (const [a, b] of pairs(heads)) {
          const found = nearest(store, a, b)
          for (const id of found) assert.isTrue(ancestors(all, a).has(id) && ancestors(all, b).has(id))
          assert.deepStrictEqual(nearest(other.store, a, b), found)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("are found without reading the history before them", () => {
    const chain = Array.from({ length: 500 }, (_, id) => entry({ id, parents: id === 0 ? [] : [id - 1] }))
    const { store } = storeOf([...chain, entry({ id: 501, parents: [499] }), entry({ id: 502, parents: [499] })])
    let read = 0
    const counting: ItemStore<never> = {
      ...store,
      ops: (refs) => {
        read += refs.length
        return store.ops(refs)
      }
    }
    assert.deepStrictEqual(nearest(counting, idOf(501), idOf(502)), [idOf(499)])
    assert.isAtMost(read, 2)
  })

  it("do not make it read on behind them, nor for a head that has nothing in common with the others", () => {
    const chain = (from: number, millis: number) =>
      Array.from(
        { length: 300 },
        (_, at) => entry({ id: from + at, millis: millis + 2 * at, parents: at === 0 ? [] : [from + at - 1] })
      )
    const count = (entries: ReadonlyArray<ItemEntry>): number => {
      const { heads, store } = storeOf(entries)
      let read = 0
      const ops: ItemStore<never>["ops"] = (refs) => {
        read += refs.length
        return store.ops(refs)
      }
      nearest({ ...store, ops }, heads[0] ?? idOf(0), heads[1] ?? idOf(0))
      return read
    }
    const crossed = [
      entry({ id: 5001, millis: 5001, parents: [1299, 2299] }),
      entry({ id: 5002, millis: 5002, parents: [1299, 2299] })
    ]
    assert.isAtMost(count([...chain(1000, 0), ...chain(2000, 1), ...crossed]), 4)
    assert.isAtMost(count([...chain(1000, 0), entry({ id: 5003, millis: 5003 })]), 1)
  })

  it("are none behind more history than is looked at", () => {
    const side = (from: number) =>
      Array.from(
        { length: 600 },
        (_, at) => entry({ id: from + at, millis: 2 * at + 1, parents: [at === 0 ? 1 : from + at - 1] })
      )
    const far = storeOf([entry({ id: 1, millis: 0 }), ...side(1000), ...side(2000)])
    assert.deepStrictEqual(nearest(far.store, idOf(1599), idOf(2599)), [])
    const near = storeOf([entry({ id: 1, millis: 0 }), ...side(1000).slice(0, 400), ...side(2000).slice(0, 400)])
    assert.deepStrictEqual(nearest(near.store, idOf(1399), idOf(2399)), [idOf(1)])
  })
})
