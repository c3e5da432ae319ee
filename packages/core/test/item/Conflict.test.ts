import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Collection from "../../src/item/Collection.ts"
import * as Conflict from "../../src/item/Conflict.ts"
import { DELETE, type ItemEntry, type ItemOp } from "../../src/item/Item.ts"
import * as ItemRow from "../../src/item/ItemRow.ts"
import type { ItemStore, ItemWrite } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import { ask } from "../../src/item/merge/Ask.ts"
import { custom, UNRESOLVED } from "../../src/item/merge/Custom.ts"
import { lastWriter } from "../../src/item/merge/LastWriter.ts"
import { multiValue } from "../../src/item/merge/MultiValue.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { threeWayMap } from "../../src/item/merge/ThreeWayMap.ts"
import {
  applyAll,
  arrivals,
  author,
  COLLECTIONS,
  entry,
  histories,
  idOf,
  recording,
  said,
  seen,
  text,
  textOf,
  value
} from "./kit.ts"

const key = (at: number): string => String(at).padStart(4, "0")

/** An item with two versions of one base. */
const forked = (at: number): ReadonlyArray<ItemEntry> => [
  entry({ id: 10 * at + 1, key: key(at), author: "a", action: value("base") }),
  entry({ id: 10 * at + 2, key: key(at), author: "a", parents: [10 * at + 1], action: value("x") }),
  entry({ id: 10 * at + 3, key: key(at), author: "b", parents: [10 * at + 1], action: value("y") })
]

const storeOf = (...entries: ReadonlyArray<ItemEntry>): ItemStore<never> => {
  const store = MemoryItemStore.make()
  applyAll(store, entries)
  return store
}

const judge = (strategy: Strategy, self = "a"): Conflict.Judge => ({ strategy, self: author(self) })
const list = (
  store: ItemStore<never>,
  strategy: Strategy,
  page: { readonly after?: string; readonly limit?: number } = {}
) => Effect.runSync(Conflict.list(store, judge(strategy), { collection: "a", ...page }))
const keysOf = ({ conflicts }: Conflict.Page) => conflicts.map((conflict) => conflict.key)

const conflictAt = (store: ItemStore<never>, at: number, strategy: Strategy = ask): Conflict.Conflict =>
  Effect.runSync(Conflict.inspect(store, judge(strategy), { collection: "a", key: key(at) })) ??
    assert.fail("no conflict")

/** What a decision leads to, as the next entry. */
const decided = (store: ItemStore<never>, op: ItemOp, id = 900): ReadonlyArray<string> => {
  applyAll(store, [{ ...entry({ id, author: "a" }), ops: [op] }])
  const item = Effect.runSync(store.heads([op]))[0] ?? []
  return item.map(({ action }) => said(action))
}

describe("the conflict list", () => {
  it("has the items that their merge leaves to a person, and no others", () => {
    const store = storeOf(...forked(1), entry({ id: 21, key: key(2) }), ...forked(3))
    assert.deepStrictEqual(keysOf(list(store, ask)), [key(1), key(3)])
    for (const strategy of [lastWriter, multiValue, custom("app", ({ local }) => local)]) {
      assert.deepStrictEqual(keysOf(list(store, strategy)), [])
    }
    const only3 = custom("app", ({ key: at, local }) => at === key(3) ? UNRESOLVED : local)
    assert.deepStrictEqual(keysOf(list(store, only3)), [key(3)])
  })

  it("says of each its base, both versions, who wrote them and when, and why", () => {
    const conflict = conflictAt(storeOf(...forked(1)), 1)
    assert.deepInclude(conflict, { collection: "a", key: key(1), reason: { _tag: "Asked" } })
    const { local, remotes: [remote, ...others] } = conflict
    assert.deepInclude(local, { author: author("a"), hlc: { millis: 12, counter: 0 }, action: value("x") })
    assert.deepInclude(remote?.version, { author: author("b"), hlc: { millis: 13, counter: 0 }, action: value("y") })
    assert.deepStrictEqual(remote?.base, value("base"))
    assert.deepStrictEqual(others, [])
    const other = Effect.runSync(Conflict.inspect(storeOf(...forked(1)), judge(ask, "b"), conflict))
    assert.strictEqual(other?.local.id, idOf(13))
  })

  it("says for each other version what it and the local one began with", () => {
    const store = storeOf(...forked(1), entry({ id: 14, key: key(1), author: "c", action: value("z") }))
    const { remotes } = conflictAt(store, 1)
    assert.deepStrictEqual(
      remotes.map(({ base, version }) => [said(version.action), base === undefined ? "" : said(base)]),
      [
        ["y", "base"],
        ["z", ""]
      ]
    )
  })

  it("lists what failed in the app's function, and goes on with the others", () => {
    const store = storeOf(...forked(1), ...forked(2), ...forked(3))
    const picky = custom("picky", ({ key: at, local }) => {
      if (at === key(1)) throw new Error("a bug of the app")
      return at === key(2) ? JSON.parse("{}") : local
    })
    const { conflicts } = list(store, picky)
    assert.deepStrictEqual(
      conflicts.map(({ key, reason }) => [key, reason._tag === "Failed" ? reason.error.reason : ""]),
      [[key(1), "threw"], [key(2), "returned"]]
    )
    assert.deepStrictEqual(list(store, threeWayMap()).conflicts.map(({ reason }) => reason._tag), [
      "Failed",
      "Failed",
      "Failed"
    ])
  })

  it("comes in pages, also through items that need nobody", () => {
    const store = storeOf(...Array.from({ length: 200 }, (_, at) => forked(at)).flat())
    const every40th = custom("app", ({ key: at, local }) => Number(at) % 40 === 0 ? UNRESOLVED : local)
    const wanted = [0, 40, 80, 120, 160].map(key)
    assert.deepStrictEqual(keysOf(list(store, every40th)), wanted)
    const first = list(store, every40th, { limit: 2 })
    assert.deepStrictEqual(first.next, key(40))
    const second = list(store, every40th, { limit: 2, after: first.next ?? "" })
    const third = list(store, every40th, { limit: 2, after: second.next ?? "" })
    assert.deepStrictEqual([first, second, third].flatMap(keysOf), wanted)
    assert.isUndefined(third.next)
  })

  it("is the same after all rows went through bytes into another store, as after a restart", () => {
    const store = recording(MemoryItemStore.make())
    applyAll(store, [
      ...forked(1),
      entry({ id: 31, key: key(3), action: DELETE }),
      entry({ id: 32, key: key(3) }),
      entry({ id: 41, key: key(4), parents: [999] }),
      ...forked(5)
    ])
    const again = MemoryItemStore.make()
    Effect.runSync(again.commit(store.written.map(throughBytes)))
    assert.deepStrictEqual(seen(again), seen(store))
    assert.deepStrictEqual(list(again, ask), list(store, ask))
    assert.strictEqual(list(again, ask).conflicts.length, 3)
    // And goes on where it stood: what was missing comes.
    applyAll(again, [entry({ id: 999, key: key(4) })])
    applyAll(store, [entry({ id: 999, key: key(4) })])
    assert.deepStrictEqual(seen(again), seen(store))
    assert.deepStrictEqual(seen(again).waiting, [])
  })
})

const throughBytes = (write: ItemWrite): ItemWrite => {
  if (write.table === "entry" && write.row !== undefined) {
    return { ...write, row: Result.getOrThrow(ItemRow.decodeEntry(ItemRow.encodeEntry(write.row))) }
  }
  if (write.table === "op" && write.row !== undefined) {
    return { ...write, row: Result.getOrThrow(ItemRow.decodeOp(ItemRow.encodeOp(write.row))) }
  }
  return write
}

describe("values and conflicts", () => {
  const spelled = custom("spelled", ({ base, local, remote }) => {
    const [l, r, b] = [local, remote, base ?? text("")].map(textOf)
    if (l === "v0") throw new Error("a bug of the app")
    return l === "v1" && r === "v2" ? UNRESOLVED : text(`(${l}${r}${b})`)
  })

  it("are the same in whatever order, pages and repetition entries came", () => {
    let [conflicts, merges] = [0, 0]
    fc.assert(
      fc.property(
        histories.chain((entries) => fc.tuple(fc.constant(entries), arrivals(entries))),
        ([entries, pages]) => {
          const [inOrder, anyhow] = [storeOf(...entries), MemoryItemStore.make()]
          for (const page of pages) applyAll(anyhow, page)
          const comesTo = (store: ItemStore<never>) =>
            [ask, spelled, lastWriter, multiValue].flatMap((merge) =>
              COLLECTIONS.map((name) => {
                const collection = Collection.make(name, { form: Collection.bytes, merge })
                const page = Effect.runSync(Conflict.list(store, judge(merge), { collection: name }))
                const items = Effect.runSync(store.scan({ collection: name, prefix: "", limit: 99 }))
                const views = items.map(({ key }) =>
                  Effect.runSync(Collection.view(store, collection, key, author("a")))
                )
                conflicts += page.conflicts.length
                merges += views.filter(({ settle }) => settle !== undefined).length
                return { page, views }
              })
            )
          assert.deepStrictEqual(comesTo(anyhow), comesTo(inOrder))
        }
      ),
      { numRuns: 200 }
    )
    assert.isAbove(Math.min(conflicts, merges), 100)
  })
})

describe("a decision", () => {
  it("by value puts that in the place of all versions that the conflict has", () => {
    const store = storeOf(...forked(1))
    assert.deepStrictEqual(decided(store, Conflict.byValue(conflictAt(store, 1), value("both"))), ["both"])
    assert.deepStrictEqual(keysOf(list(store, ask)), [])
  })

  it("by value may be to delete", () => {
    const store = storeOf(...forked(1))
    assert.deepStrictEqual(decided(store, Conflict.byValue(conflictAt(store, 1), DELETE)), ["†"])
  })

  it("by head takes one of the versions, and no other", () => {
    const store = storeOf(...forked(1))
    const conflict = conflictAt(store, 1)
    assert.deepStrictEqual(Result.getFailure(Conflict.byHead(conflict, idOf(11)))._tag, "Some")
    const op = Result.getOrThrow(Conflict.byHead(conflict, idOf(13)))
    assert.deepStrictEqual(decided(store, op), ["y"])
  })

  it("by function is given the conflict; one that throws or answers no action decides nothing", () => {
    const store = storeOf(...forked(1))
    const conflict = conflictAt(store, 1)
    const reason = (decide: () => unknown) => {
      const result = Conflict.byFunction(conflict, () => Object(decide()))
      return Result.isFailure(result) ? result.failure.reason : undefined
    }
    assert.strictEqual(
      reason(() => {
        throw new Error("a bug of the app")
      }),
      "threw"
    )
    assert.strictEqual(reason(() => undefined), "returned")
    assert.strictEqual(reason(() => text("bytes")), "returned")
    assert.strictEqual(reason(() => ({ _tag: "Put", value: "text" })), "returned")
    assert.strictEqual(reason(() => ({ _tag: "Control" })), "returned")
    const op = Result.getOrThrow(
      Conflict.byFunction(conflict, ({ local, remotes }) =>
        value(
          [
            local,
            ...remotes.map(({ version }) => version)
          ].map(({ action }) => said(action)).join("+")
        ))
    )
    assert.deepStrictEqual(decided(store, op), ["x+y"])
  })

  it("does not touch a version that came after it was looked at", () => {
    const store = storeOf(...forked(1))
    const conflict = conflictAt(store, 1)
    applyAll(store, [entry({ id: 14, key: key(1), author: "c", action: value("late") })])
    assert.sameMembers([...decided(store, Conflict.byValue(conflict, value("both")))], ["late", "both"])
    assert.deepStrictEqual(keysOf(list(store, ask)), [key(1)])
  })
})
