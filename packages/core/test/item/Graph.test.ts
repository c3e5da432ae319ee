import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Graph from "../../src/item/Graph.ts"
import { DELETE, type ItemEntry, nameOf, type OpId } from "../../src/item/Item.ts"
import type { ItemStore } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import { applyAll, arrivals, commit, copying, entry, histories, idOf, model, seen, value } from "./kit.ts"

const emptyStore = () => copying(MemoryItemStore.make())

const withArrivals = histories.chain((entries) => fc.tuple(fc.constant(entries), arrivals(entries)))

/** All rows of operations, as bytes would tell them apart. */
const rows = (store: ItemStore<never>, entries: ReadonlyArray<ItemEntry>) => {
  const refs = entries.flatMap(({ id, ops }) => ops.map(({ collection, key }) => ({ item: { collection, key }, id })))
  return [
    Effect.runSync(store.ops(refs)),
    Effect.runSync(store.entries(entries.map(({ id }) => id)))
  ]
}

/** What a commit shows anew are operations of the entries that it applies, and of each of these all. */
const assertWhole = ({ changes, writes }: Graph.Outcome, entries: ReadonlyArray<ItemEntry>): void => {
  const applied = new Set(
    writes.flatMap((write) => write.table === "entry" && write.row?._tag === "Applied" ? [write.id] : [])
  )
  const fresh = changes.flatMap(({ before, heads }) => heads.filter(({ id }) => !before.includes(id)))
  assert.isTrue(fresh.every(({ id }) => applied.has(id)))
  const said = new Set(entries.flatMap(({ id, ops }) => ops.map((op) => `${nameOf(op)} ${id}`)))
  assert.isTrue(writes.every((write) => write.table !== "op" || said.has(`${nameOf(write.item)} ${write.id}`)))
  for (const { id, ops } of entries.filter((one) => applied.has(one.id))) {
    const written = writes.flatMap((write) => write.table === "op" && write.id === id ? [nameOf(write.item)] : [])
    assert.sameMembers(written, ops.map(nameOf))
  }
}

describe("arrival", () => {
  it("in any order, in any pages and any number of times comes to the same", () => {
    fc.assert(
      fc.property(withArrivals, ([entries, pages]) => {
        const [inOrder, anyhow] = [emptyStore(), emptyStore()]
        for (const one of entries) applyAll(inOrder, [one])
        for (const page of pages) applyAll(anyhow, page)
        assert.deepStrictEqual(seen(anyhow), model(entries))
        assert.deepStrictEqual(rows(anyhow, entries), rows(inOrder, entries))
      }),
      { numRuns: 400 }
    )
  })

  it("shows after each page what the rule says of what has come, and never half of an entry", () => {
    fc.assert(
      fc.property(withArrivals, ([, pages]) => {
        const store = emptyStore()
        const come: Array<ItemEntry> = []
        for (const page of pages) {
          applyAll(store, page)
          come.push(...page)
          assert.deepStrictEqual(seen(store), model(come))
        }
      }),
      { numRuns: 300 }
    )
  })

  it("in commits of any size comes to the same, each of them whole entries", () => {
    fc.assert(
      fc.property(withArrivals, fc.integer({ min: 1, max: 4 }), ([entries, pages], opsMax) => {
        const store = emptyStore()
        for (const page of pages) {
          for (const outcome of commit(store, Graph.apply(store, page, { opsMax }), { opsMax })) {
            assertWhole(outcome, entries)
          }
        }
        assert.deepStrictEqual(seen(store), model(entries))
      })
    )
  })

  it("tells of changes that lead from one state to the next", () => {
    fc.assert(
      fc.property(withArrivals, ([, pages]) => {
        const store = emptyStore()
        const told = new Map<string, ReadonlyArray<OpId>>()
        for (const page of pages) {
          for (const change of applyAll(store, page).flatMap(({ changes }) => changes)) {
            assert.deepStrictEqual(change.before, told.get(nameOf(change)) ?? [])
            told.set(nameOf(change), change.heads.map(({ id }) => id))
          }
          const now = seen(store).heads.map(([collection, key, ids]) => [nameOf({ collection, key }), ids])
          assert.deepStrictEqual(Object.fromEntries(told), Object.fromEntries(now))
        }
      })
    )
  })
})

describe("entries that never come", () => {
  const withGone = withArrivals.chain(([entries, pages]) =>
    fc.tuple(
      fc.constant(pages),
      fc.shuffledSubarray([...entries]),
      fc.shuffledSubarray([...entries]),
      fc.nat({ max: pages.length })
    )
  )

  it("hold up nothing once they are known to be gone, and may come all the same", () => {
    fc.assert(
      fc.property(withGone, ([pages, withheld, released, at]) => {
        const store = emptyStore()
        const held = new Set(withheld.map(({ id }) => id))
        const gone = new Set(released.map(({ id }) => id))
        const come: Array<ItemEntry> = []
        pages.forEach((page, number) => {
          if (number === at) commit(store, Graph.release(store, [...gone]))
          const there = page.filter(({ id }) => !held.has(id))
          applyAll(store, there)
          come.push(...there)
        })
        if (at === pages.length) commit(store, Graph.release(store, [...gone]))
        assert.deepStrictEqual(seen(store), model(come, gone))
        applyAll(store, withheld)
        assert.deepStrictEqual(seen(store), model([...come, ...withheld], gone))
      }),
      { numRuns: 300 }
    )
  })

  it("are the same to others once they were taken back", () => {
    fc.assert(
      fc.property(withGone, ([pages, retracted, , at]) => {
        const store = emptyStore()
        const out = new Set(retracted.map(({ id }) => id))
        const come: Array<ItemEntry> = []
        pages.forEach((page, number) => {
          if (number === at) {
            commit(store, Graph.retract(store, retracted))
            assert.deepStrictEqual(seen(store), model(come.filter(({ id }) => !out.has(id)), out))
          }
          // The log gives no entry again that it took back.
          const there = number < at ? page : page.filter(({ id }) => !out.has(id))
          applyAll(store, there)
          come.push(...there)
        })
        if (at === pages.length) commit(store, Graph.retract(store, retracted))
        const left = come.filter(({ id }) => !out.has(id))
        assert.deepStrictEqual(seen(store), model(left, out))
        applyAll(store, retracted)
        assert.deepStrictEqual(seen(store), model([...left, ...retracted], out))
      }),
      { numRuns: 300 }
    )
  })
})

describe("an entry", () => {
  it("of which one operation waits for a parent shows none of them, and is listed with what is missing", () => {
    const store = emptyStore()
    const both: ItemEntry = {
      ...entry({ id: 2 }),
      ops: [...entry({ id: 2, key: "k", parents: [1] }).ops, ...entry({ id: 2, key: "o" }).ops]
    }
    applyAll(store, [both])
    assert.deepStrictEqual(seen(store), { heads: [], contested: [], waiting: [[idOf(2), [idOf(1)]]] })
    const [outcome] = applyAll(store, [entry({ id: 1 })])
    assert.deepStrictEqual(seen(store).heads, [["a", "k", [idOf(2)]], ["a", "o", [idOf(2)]]])
    assert.deepStrictEqual(seen(store).waiting, [])
    assert.sameMembers(outcome?.changes.map(({ key }) => key) ?? [], ["k", "o"])
  })

  it("that another member names for an item of which it says nothing supersedes nothing there", () => {
    const store = emptyStore()
    applyAll(store, [entry({ id: 1, key: "k" }), entry({ id: 2, key: "o" }), entry({ id: 3, key: "k", parents: [2] })])
    assert.deepStrictEqual(seen(store).heads, [["a", "k", [idOf(1), idOf(3)]], ["a", "o", [idOf(2)]]])
  })

  it("that names a parent twice names it once", () => {
    const store = emptyStore()
    const twice = entry({ id: 2, parents: [1, 1] })
    applyAll(store, [entry({ id: 1 }), twice])
    const [row] = Effect.runSync(store.ops([{ item: { collection: "a", key: "k" }, id: idOf(2) }]))
    assert.deepStrictEqual(row?.op?.parents, [idOf(1)])
    commit(store, Graph.retract(store, [twice]))
    assert.deepStrictEqual(seen(store).heads, [["a", "k", [idOf(1)]]])
  })

  it("is read for at a cost that does not grow with the history before it", () => {
    const read = (length: number): number => {
      const store = emptyStore()
      let count = 0
      const counted = <A, B>(ask: (all: ReadonlyArray<A>) => Effect.Effect<B>) => (all: ReadonlyArray<A>) => {
        count += all.length
        return ask(all)
      }
      const counting: ItemStore<never> = {
        ...store,
        entries: counted(store.entries),
        ops: counted(store.ops),
        heads: counted(store.heads),
        waitingFor: counted(store.waitingFor)
      }
      applyAll(store, Array.from({ length }, (_, id) => entry({ id, parents: id === 0 ? [] : [id - 1] })))
      applyAll(counting, [entry({ id: length, parents: [length - 1] })])
      return count
    }
    assert.strictEqual(read(1000), read(10))
    // Itself and its parent as entries, both as operations, the heads of its item, who waits for it, whose turn it is.
    assert.strictEqual(read(10), 7)
  })
})

describe("generations", () => {
  const generationAt = (entries: ReadonlyArray<ItemEntry>, id: number): number | undefined => {
    const store = emptyStore()
    applyAll(store, entries)
    return Effect.runSync(store.ops([{ item: { collection: "a", key: "k" }, id: idOf(id) }]))[0]?.op?.generation
  }
  const forked = [entry({ id: 1 }), entry({ id: 2 })]

  it("count resolutions of resolutions, and begin anew with an edit", () => {
    const merges = [...forked, entry({ id: 3, parents: [1, 2] }), entry({ id: 4, parents: [1, 2] })]
    assert.strictEqual(generationAt(merges, 1), 0)
    assert.strictEqual(generationAt(merges, 3), 1)
    assert.strictEqual(generationAt([...merges, entry({ id: 5, parents: [3, 4] })], 5), 2)
    assert.strictEqual(generationAt([...merges, entry({ id: 5, parents: [3] })], 5), 0)
    assert.strictEqual(generationAt([...merges, entry({ id: 5 }), entry({ id: 6, parents: [3, 4, 5] })], 6), 1)
  })

  it("begin anew with an edit above resolutions that say the same", () => {
    const same = value("same")
    const alike = [entry({ id: 3, parents: [1, 2], action: same }), entry({ id: 4, parents: [1, 2], action: same })]
    assert.strictEqual(generationAt([...forked, ...alike, entry({ id: 5, parents: [3, 4] })], 5), 0)
  })
})

describe("pruning", () => {
  it("forgets what was superseded and lone tombstones, and changes nothing that is seen", () => {
    const store = emptyStore()
    const all = [
      entry({ id: 1, key: "k" }),
      entry({ id: 2, key: "k", parents: [1] }),
      entry({ id: 3, key: "o" }),
      entry({ id: 4, key: "o", parents: [3], action: DELETE }),
      entry({ id: 5, key: "kz", action: DELETE }),
      entry({ id: 6, key: "kz" })
    ]
    applyAll(store, all)
    commit(store, Graph.prune(store, all))
    assert.deepStrictEqual(seen(store).heads, [["a", "k", [idOf(2)]], ["a", "kz", [idOf(5), idOf(6)]]])
    const rest = all.map(({ id, ops: [op] }) => ({ item: { collection: "a", key: op?.key ?? "" }, id }))
    const left = Effect.runSync(store.ops(rest)).map((row) => row !== undefined)
    assert.deepStrictEqual(left, [false, true, false, false, true, true])
  })

  it("does not let an entry come back that was pruned, nor hold up what names it", () => {
    const store = emptyStore()
    const all = [entry({ id: 1 }), entry({ id: 2, parents: [1] })]
    applyAll(store, all)
    commit(store, Graph.prune(store, all))
    applyAll(store, [...all, entry({ id: 3, parents: [1] })])
    assert.deepStrictEqual(seen(store), {
      heads: [["a", "k", [idOf(2), idOf(3)]]],
      contested: [["a", "k"]],
      waiting: []
    })
  })
})
