import { assert, describe, it } from "@effect/vitest"
import { Epoch } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Ancestor from "../../src/item/Ancestor.ts"
import * as Collection from "../../src/item/Collection.ts"
import { DELETE, type Heads, type ItemAction, type ItemEntry, put, toHeads } from "../../src/item/Item.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import * as Merge from "../../src/item/Merge.ts"
import { ask } from "../../src/item/merge/Ask.ts"
import * as Counter from "../../src/item/merge/Counter.ts"
import { custom } from "../../src/item/merge/Custom.ts"
import { lastWriter } from "../../src/item/merge/LastWriter.ts"
import { multiValue } from "../../src/item/merge/MultiValue.ts"
import { preferLocal, preferRemote } from "../../src/item/merge/Prefer.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { fields, threeWayMap } from "../../src/item/merge/ThreeWayMap.ts"
import { applyAll, author, entry, idOf, said, text, textOf, value } from "./kit.ts"
import { device } from "./merge/kit.ts"

const item = { collection: "a", key: "k" }

/** What some entries on one item come to on a device. */
const resolve = (entries: ReadonlyArray<ItemEntry>, strategy: Strategy, self = "z"): Merge.Resolution => {
  const store = MemoryItemStore.make()
  applyAll(store, entries)
  const heads: Heads = toHeads(Effect.runSync(store.heads([item]))[0] ?? []) ?? assert.fail("no heads")
  const history = Effect.runSync(Ancestor.history(store, item, heads))
  return Merge.resolve({ key: item.key, heads, history, strategy, self: author(self) })
}

/** In a line: what it is, what is shown, and why it is a conflict. */
const told = (resolution: Merge.Resolution): string => {
  switch (resolution._tag) {
    case "Kept":
      return `Kept ${resolution.actions.map(said).join()}`
    case "Conflict":
      return `Conflict ${said(resolution.action)}, ${resolution.reason._tag}`
    case "Merged":
    case "Settled":
      return `${resolution._tag} ${said(resolution.action)}`
  }
}

/** Shows what it was called with: not commutative, not associative. */
const spelled = custom(
  "spelled",
  ({ base, local, remote }) =>
    text(`(${textOf(local)}${textOf(remote)}${base === undefined ? "" : `/${textOf(base)}`})`)
)

const two = [entry({ id: 1, author: "a", action: value("x") }), entry({ id: 2, author: "b", action: value("y") })]

describe("heads", () => {
  it("that are one, or say the same, are settled, and a write supersedes all of them", () => {
    const same = [entry({ id: 1, action: value("x") }), entry({ id: 2, action: value("x") })]
    for (const strategy of [ask, spelled, lastWriter, multiValue]) {
      assert.strictEqual(told(resolve(two.slice(0, 1), strategy)), "Settled x")
      assert.strictEqual(told(resolve(same, strategy)), "Settled x")
    }
    assert.deepStrictEqual(resolve(same, ask).shows, [idOf(1), idOf(2)])
  })

  it("that differ come to what the strategy says", () => {
    assert.strictEqual(told(resolve(two, lastWriter)), "Merged y")
    assert.strictEqual(told(resolve(two, preferLocal, "a")), "Merged x")
    assert.strictEqual(told(resolve(two, preferLocal, "b")), "Merged y")
    assert.strictEqual(told(resolve(two, preferRemote, "a")), "Merged y")
    assert.strictEqual(told(resolve(two, preferRemote, "b")), "Merged x")
    assert.strictEqual(told(resolve(two, preferLocal, "c")), "Merged y")
    assert.strictEqual(told(resolve(two, multiValue)), "Kept x,y")
    assert.strictEqual(told(resolve(two, ask, "a")), "Conflict x, Asked")
    assert.strictEqual(told(resolve(two, spelled)), "Merged (xy)")
  })

  it("are preferred by device while one of them is an edit, and by time when all are resolutions", () => {
    const settled = [
      ...two,
      entry({ id: 3, author: "a", parents: [1, 2], action: value("m") }),
      entry({ id: 4, author: "b", parents: [1, 2], action: value("n") })
    ]
    const edited = [...settled, entry({ id: 5, author: "a", parents: [3], action: value("e") })]
    for (const strategy of [preferLocal, preferRemote]) {
      for (const self of ["a", "b"]) assert.strictEqual(told(resolve(settled, strategy, self)), "Merged n")
    }
    assert.strictEqual(told(resolve(edited, preferLocal, "a")), "Merged e")
    assert.strictEqual(told(resolve(edited, preferLocal, "b")), "Merged n")
    assert.strictEqual(told(resolve(edited, preferRemote, "a")), "Merged n")
  })

  it("of one time go by their names", () => {
    const tied = two.map((one) => ({ ...one, hlc: { millis: 5, counter: 0 } }))
    assert.strictEqual(told(resolve(tied, lastWriter)), "Merged y")
    const later = [{ ...tied[0] ?? entry({ id: 1 }), hlc: { millis: 5, counter: 1 } }, ...tied.slice(1)]
    assert.strictEqual(told(resolve(later, lastWriter)), "Merged x")
  })

  it("fold in the order of their names, each pair with its nearest common ancestor", () => {
    const all = [
      entry({ id: 10, action: value("p") }),
      entry({ id: 11, action: value("q"), parents: [10] }),
      entry({ id: 3, action: value("c"), parents: [10], millis: 30 }),
      entry({ id: 2, action: value("b"), parents: [11], millis: 20 }),
      entry({ id: 1, action: value("a"), parents: [11], millis: 40 })
    ]
    assert.strictEqual(told(resolve(all, spelled)), "Merged ((ab/q)c/p)")
  })

  it("fold with what any of those before has in common with the next", () => {
    const all = [
      entry({ id: 10, action: value("p") }),
      entry({ id: 1, action: value("a"), parents: [10], millis: 20 }),
      entry({ id: 2, action: value("b"), millis: 21 }),
      entry({ id: 3, action: value("c"), parents: [10], millis: 22 })
    ]
    assert.strictEqual(told(resolve(all, spelled)), "Merged ((ab)c/p)")
  })

  it("of two creators have no base, nor do those behind pruned history", () => {
    assert.strictEqual(told(resolve(two, spelled)), "Merged (xy)")
    const store = MemoryItemStore.make()
    const all = [
      entry({ id: 9, millis: 0, action: value("p") }),
      ...two.map((one) => ({
        ...one,
        ops: one.ops.map((op) => ({ ...op, parents: [idOf(9)] }))
      }))
    ]
    assert.strictEqual(told(resolve(all, spelled)), "Merged (xy/p)")
    applyAll(store, all)
    Effect.runSync(store.commit([{ table: "op", item, id: idOf(9), row: undefined }]))
    const heads = toHeads(Effect.runSync(store.heads([item]))[0] ?? []) ?? assert.fail("no heads")
    const history = Effect.runSync(Ancestor.history(store, item, heads))
    const resolution = Merge.resolve({ key: "k", heads, history, strategy: spelled, self: author("z") })
    assert.strictEqual(told(resolution), "Merged (xy)")
  })

  it("after merges that crossed have a base only where the ancestors say the same", () => {
    const crossed = (x: string, y: string) => [
      entry({ id: 1, action: value(x) }),
      entry({ id: 2, action: value(y) }),
      entry({ id: 3, parents: [1, 2], action: value("m") }),
      entry({ id: 4, parents: [1, 2], action: value("n") })
    ]
    assert.strictEqual(told(resolve(crossed("x", "y"), spelled)), "Merged (mn)")
    assert.strictEqual(told(resolve(crossed("x", "x"), spelled)), "Merged (mn/x)")
    const counted = custom("counted", ({ base, bases }) => text(`${bases.length}${base === undefined ? "" : " one"}`))
    assert.strictEqual(told(resolve(crossed("x", "y"), counted)), "Merged 2")
    assert.strictEqual(told(resolve(crossed("x", "x"), counted)), "Merged 2 one")
    // One that deleted says nothing that a merge could go by.
    const deleted = crossed("x", "y").map((one, at) => at === 1 ? entry({ id: 2, action: DELETE }) : one)
    assert.strictEqual(told(resolve(deleted, counted)), "Merged 0")
  })

  it("of which one deleted and another edited are a conflict, unless the collection says which wins", () => {
    const all = [entry({ id: 1, action: DELETE }), entry({ id: 2, action: value("y") })]
    const keeping = (onDelete: "conflict" | "keep" | "delete") => custom("app", ({ local }) => local, { onDelete })
    assert.strictEqual(told(resolve(all, keeping("conflict"))), "Conflict y, Deleted")
    assert.strictEqual(told(resolve(all, keeping("keep"))), "Merged y")
    assert.strictEqual(told(resolve(all, keeping("delete"))), "Merged †")
    assert.strictEqual(told(resolve(all, Counter.counter())), "Conflict y, Deleted")
    assert.strictEqual(told(resolve(all, lastWriter)), "Merged y")
    assert.strictEqual(told(resolve([...all, entry({ id: 3, action: DELETE })], ask)), "Conflict †, Asked")
    assert.strictEqual(told(resolve([...all.slice(0, 1), entry({ id: 3, action: DELETE })], ask)), "Settled †")
  })

  it("that no merge reads, or that fail in it, are conflicts with the reason", () => {
    const content: ItemAction = {
      _tag: "PutContent",
      content: {
        address: new Uint8Array(32),
        sizeBytes: 1,
        salt: new Uint8Array(24),
        commitment: new Uint8Array(32),
        epoch: Epoch.make(1),
        mediaType: "",
        preview: null
      }
    }
    const withContent = [...two.slice(0, 1), entry({ id: 3, action: content })]
    assert.strictEqual(told(resolve(withContent, spelled)), "Conflict content, Content")
    assert.strictEqual(told(resolve(withContent, lastWriter)), "Merged content")
    assert.strictEqual(
      told(resolve([entry({ id: 3, action: content }), entry({ id: 4, action: structuredClone(content) })], ask)),
      "Settled content"
    )
    const failure = (resolution: Merge.Resolution) =>
      resolution._tag === "Conflict" && resolution.reason._tag === "Failed" ? resolution.reason.error.reason : undefined
    const large = [
      entry({ id: 1, action: put(new Uint8Array(40_000)) }),
      entry({ id: 2, action: put(new Uint8Array(40_001)) })
    ]
    const joined = custom("joined", ({ local, remote }) => Uint8Array.from([...local, ...remote]))
    assert.strictEqual(failure(resolve(large, joined)), "too-large")
    assert.strictEqual(failure(resolve(two, Counter.counter())), "malformed")
    const throwing = custom("app", () => {
      throw new Error("a bug of the app")
    })
    assert.strictEqual(failure(resolve(two, throwing)), "threw")
  })

  it("that were resolved and resolved again are left to a person, if an app's code is in it, and merged if not", () => {
    const counted = (who: number, amount: number) => put(Counter.add(Counter.zero, device(who), amount) ?? Counter.zero)
    const ladder = (generations: number) =>
      Array.from(
        { length: generations + 1 },
        (_, at) =>
          [0, 1].map((who) =>
            entry({ id: 2 * at + who, parents: at === 0 ? [] : [2 * at - 2, 2 * at - 1], action: counted(who, at + 1) })
          )
      ).flat()
    const foreign = custom("app", ({ local }) => local)
    const [below, at] = [ladder(Merge.GENERATIONS_MAX - 1), ladder(Merge.GENERATIONS_MAX)]
    assert.strictEqual(resolve(below, foreign)._tag, "Merged")
    const given = resolve(at, foreign)
    assert.deepStrictEqual(given._tag === "Conflict" ? given.reason : undefined, { _tag: "Diverging" })
    assert.strictEqual(resolve(at, Counter.counter())._tag, "Merged")
    assert.strictEqual(resolve(at, lastWriter)._tag, "Merged")
    const reasonOf = (strategy: Strategy) => {
      const resolution = resolve(at, strategy)
      return resolution._tag === "Conflict" ? resolution.reason._tag : undefined
    }
    // No map among these values: the merge was tried, and failed for that.
    assert.strictEqual(reasonOf(threeWayMap()), "Failed")
    assert.strictEqual(reasonOf(threeWayMap({ field: () => undefined })), "Diverging")
    assert.strictEqual(reasonOf(threeWayMap({ form: { ...fields } })), "Diverging")
  })

  it("show in a conflict what this device wrote, or the last there is; a write supersedes that and nothing unseen", () => {
    assert.strictEqual(told(resolve(two, ask, "a")), "Conflict x, Asked")
    assert.deepStrictEqual(resolve(two, ask, "a").shows, [idOf(1)])
    assert.strictEqual(told(resolve(two, ask, "z")), "Conflict y, Asked")
    assert.deepStrictEqual(resolve(two, ask, "z").shows, [idOf(2)])
  })
})

describe("an item with thousands of heads", () => {
  const many = Array.from(
    { length: 5000 },
    (_, at) => entry({ id: at + 1, action: put(Counter.add(Counter.zero, device(at % 20), at) ?? Counter.zero) })
  )

  it("still comes to a value, and each merge that is written leaves fewer", () => {
    const store = MemoryItemStore.make()
    applyAll(store, many)
    const view = () =>
      Effect.runSync(
        Collection.view(
          store,
          Collection.make("a", { form: Collection.bytes, merge: Counter.counter() }),
          "k",
          author("z")
        )
      )
    const total = () => {
      const { shown } = view()
      return shown._tag === "Value" ? Counter.total(shown.value) : undefined
    }
    // Of each of the 20 devices, its largest share counts.
    const expected = Array.from({ length: 20 }, (_, who) => 4980 + who).reduce((sum, share) => sum + share, 0)
    assert.strictEqual(total(), expected)
    const settle = view().settle ?? assert.fail("nothing to write")
    applyAll(store, [{ ...entry({ id: 9000 }), ops: [settle] }])
    assert.strictEqual(view().shows.length, 5000 - Limit.parentsMax + 1)
    assert.strictEqual(total(), expected)
  })
})
