import { assert, describe, it } from "@effect/vitest"
import { Epoch } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Ancestor from "../../src/item/Ancestor.ts"
import * as Collection from "../../src/item/Collection.ts"
import { DELETE, type Heads, type ItemAction, type ItemEntry, put, toHeads } from "../../src/item/Item.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import * as Merge from "../../src/item/Merge.ts"
import * as AddWinsSet from "../../src/item/merge/AddWinsSet.ts"
import { ask } from "../../src/item/merge/Ask.ts"
import * as Counter from "../../src/item/merge/Counter.ts"
import { custom } from "../../src/item/merge/Custom.ts"
import { lastWriter } from "../../src/item/merge/LastWriter.ts"
import { multiValue } from "../../src/item/merge/MultiValue.ts"
import { preferLocal, preferRemote } from "../../src/item/merge/Prefer.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { fields, threeWayMap } from "../../src/item/merge/ThreeWayMap.ts"
import { applyAll, author, entry, idOf, said, text, textOf, value } from "./kit.ts"
import { device, fold, mergedOf } from "./merge/kit.ts"
import { Crowd, type Replica } from "./replicas.ts"

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

// -- crowds ------------------------------------------------------------------------------------------------------------

/** What happens in a crowd: somebody writes, hears of some entries, or writes a merge down. */
type Event =
  | { readonly _tag: "write"; readonly who: number; readonly what: number }
  | { readonly _tag: "hear"; readonly who: number; readonly from: number; readonly many: number }
  | { readonly _tag: "merge"; readonly who: number }

const number = fc.nat({ max: 11 })
const events = fc.array(
  fc.oneof(
    fc.record({ _tag: fc.constant("write" as const), who: number, what: number }),
    fc.record({ _tag: fc.constant("hear" as const), who: number, from: fc.nat({ max: 40 }), many: fc.nat({ max: 9 }) }),
    fc.record({ _tag: fc.constant("merge" as const), who: number })
  ),
  { minLength: 1, maxLength: 30 }
)

const play = (crowd: Crowd, all: ReadonlyArray<Event>, write: (replica: Replica, what: number) => void): void => {
  for (const event of all) {
    const replica = crowd.at(event.who)
    if (event._tag === "write") write(replica, event.what)
    else if (event._tag === "hear") replica.hear(crowd.entries.slice(event.from, event.from + event.many))
    else {
      const op = replica.view().settle
      if (op !== undefined) replica.push(op)
    }
  }
}

/** What every replica shows in the end, and how long it took. */
const ends = (crowd: Crowd) => {
  crowd.gather()
  const before = crowd.entries.length
  const rounds = crowd.settle()
  const [first, ...others] = crowd.seen()
  for (const other of others) assert.deepStrictEqual(other, first)
  return { rounds, merges: crowd.entries.length - before, views: crowd.replicas.map((replica) => replica.view()) }
}

const map = (entries: ReadonlyArray<readonly [string, string]>) =>
  fields.encode(new Map(entries.map(([k, v]) => [k, text(v)])))

/** Each with how its values are written: what number `what` writes on top of what is there. */
const strategies: ReadonlyArray<
  readonly [name: string, strategy: Strategy, write: (replica: Replica, what: number) => void]
> = (() => {
  const plain = (replica: Replica, what: number) => replica.write(what === 0 ? undefined : text(`v${what % 4}`))
  const shown = (replica: Replica, otherwise: Uint8Array): Uint8Array => {
    const { shown } = replica.view()
    return shown._tag === "Value" ? shown.value : otherwise
  }
  const field = (replica: Replica, what: number) => {
    const before = fields.decode(shown(replica, map([]))) ?? new Map<string, Uint8Array>()
    replica.write(fields.encode(new Map(before).set(`f${what % 3}`, text(`${what}`))))
  }
  const atOnce = ({ local, remote }: { readonly local?: Uint8Array; readonly remote?: Uint8Array }) => local ?? remote
  return [
    ["last writer", lastWriter, plain],
    ["prefer local", preferLocal, plain],
    ["prefer remote", preferRemote, plain],
    ["three-way map", threeWayMap({ field: atOnce, onDelete: "keep" }), field],
    ["an app's function", custom("app", spelledShortly, { onDelete: "keep" }), plain],
    [
      "counter",
      Counter.counter(),
      (replica, what) => replica.write(Counter.add(shown(replica, Counter.zero), replica.device, what))
    ],
    ["add-wins set", AddWinsSet.addWinsSet(), (replica, what) => {
      const before = shown(replica, AddWinsSet.empty)
      replica.write(
        what % 3 === 0
          ? AddWinsSet.remove(before, text(`${what % 2}`))
          : AddWinsSet.add(before, replica.device, text(`${what % 2}`))
      )
    }]
  ]
})()

/** Another value for another order of its sides, however often it is merged again. */
function spelledShortly(
  { base, local, remote }: { readonly base?: Uint8Array; readonly local: Uint8Array; readonly remote: Uint8Array }
): Uint8Array {
  let sum = 7
  for (const byte of [...local, 1, ...remote, 2, ...base ?? []]) sum = (Math.imul(sum, 31) + byte) >>> 0
  return text(sum.toString(16))
}

describe("devices that merge at the same time", () => {
  for (const size of [2, 3]) {
    it.each(strategies)(`come to one value, ${size} of them: %s`, (_, strategy, write) => {
      let merged = 0
      fc.assert(
        fc.property(events, fc.nat({ max: 99 }), (all, salt) => {
          const crowd = new Crowd(strategy, size, salt)
          play(crowd, all, write)
          const { merges, rounds, views } = ends(crowd)
          // All see the same heads: one round of merges that are alike, or of preferences and one of what they come to.
          assert.isAtMost(rounds, 2)
          assert.isAtMost(merges, 2 * size)
          for (const { conflict, shown } of views) {
            assert.isUndefined(conflict)
            assert.deepStrictEqual(shown, views[0]?.shown)
          }
          if (merges > 0) merged++
        }),
        { numRuns: 150 }
      )
      assert.isAbove(merged, 10)
    })
  }

  it("need one entry where the one that is to write it does, and nobody else", () => {
    const crowd = new Crowd(lastWriter, 3)
    crowd.replicas.forEach((replica, who) => replica.write(text(`${who}`)))
    crowd.gather()
    const settlers = crowd.replicas.filter((replica) => replica.view().isSettler)
    assert.deepStrictEqual(settlers, [crowd.at(2)])
    for (const replica of settlers) replica.push(replica.view().settle ?? assert.fail("nothing to write"))
    crowd.gather()
    assert.strictEqual(crowd.entries.length, 4)
    assert.deepStrictEqual(crowd.replicas.map((replica) => replica.view().settle), [undefined, undefined, undefined])
  })

  it("in a crowd of 32 that merges whatever it has heard of stay far from giving up", () => {
    const summed = custom("summed", ({ local, remote }) => mergedOf(fold(Counter.counter(), local, remote)) ?? local)
    let highest = 0
    fc.assert(
      fc.property(fc.array(number, { minLength: 32, maxLength: 32 }), fc.nat({ max: 99 }), (steps, salt) => {
        const crowd = new Crowd(summed, 32, salt)
        for (const replica of crowd.replicas) replica.write(Counter.add(Counter.zero, replica.device, 1))
        for (let round = 0; round < 12; round++) {
          const heard = crowd.replicas.map((_, at) => crowd.at(at + 1 + (steps[(at + round) % 32] ?? 0) * 3).known)
            .map((known) => new Set(known))
          crowd.replicas.forEach((replica, at) => {
            replica.hear(crowd.entries.filter(({ id }) => heard[at]?.has(id) === true && !replica.known.has(id)))
          })
          crowd.mergeAll()
          for (const replica of crowd.replicas) assert.isUndefined(replica.view().conflict)
        }
        for (const head of Effect.runSync(crowd.at(0).store.heads([item])).flat()) {
          highest = Math.max(highest, head.generation)
        }
        const { views } = ends(crowd)
        const shown = views[0]?.shown
        assert.strictEqual(shown?._tag === "Value" ? Counter.total(shown.value) : undefined, 32)
      }),
      { numRuns: 5 }
    )
    assert.isAtLeast(highest, 3)
    assert.isAtMost(highest, Merge.GENERATIONS_MAX / 2)
  })

  it("lose no count and count nothing twice", () => {
    const [, strategy, write] = strategies[5] ?? assert.fail("no counter")
    fc.assert(
      fc.property(events, (all) => {
        const crowd = new Crowd(strategy, 3)
        play(crowd, all, write)
        const { views } = ends(crowd)
        const sum = all.reduce((total, event) => event._tag === "write" ? total + event.what : total, 0)
        const shown = views[0]?.shown
        assert.strictEqual(shown?._tag === "Value" ? Counter.total(shown.value) : 0, sum)
      })
    )
  })

  it("by a function that is none end in the conflict list, after a bounded number of entries", () => {
    let calls = 0
    const crowd = new Crowd(custom("dice", () => text(`${calls++}`)), 2)
    crowd.replicas.forEach((replica, who) => replica.write(text(`first ${who}`)))
    const { merges, rounds, views } = ends(crowd)
    assert.strictEqual(rounds, Merge.GENERATIONS_MAX)
    assert.strictEqual(merges, 2 * Merge.GENERATIONS_MAX)
    assert.deepStrictEqual(views.map(({ conflict }) => conflict?._tag), ["Diverging", "Diverging"])
    // An edit beside them is merged as ever: not all of them are resolutions then.
    const other = new Crowd(custom("dice", () => text(`${calls++}`)), 2)
    other.replicas.forEach((replica, who) => replica.write(text(`first ${who}`)))
    ends(other)
    other.at(0).push({ ...item, parents: [], action: value("an edit") })
    assert.isUndefined(other.at(0).view().conflict)
    // A person's word ends it.
    const [first] = crowd.replicas
    first?.push({ ...item, parents: crowd.seen()[0]?.heads[0]?.[2] ?? [], action: value("decided") })
    assert.deepStrictEqual(ends(crowd).views.map(({ shown }) => shown), [
      { _tag: "Value", value: text("decided") },
      { _tag: "Value", value: text("decided") }
    ])
  })
})
