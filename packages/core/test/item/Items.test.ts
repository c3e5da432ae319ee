import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Collection from "../../src/item/Collection.ts"
import type { ItemChange } from "../../src/item/Graph.ts"
import type { ItemEntry } from "../../src/item/Item.ts"
import * as Items from "../../src/item/Items.ts"
import type { ItemStore } from "../../src/item/ItemStore.ts"
import * as MemoryItemStore from "../../src/item/MemoryItemStore.ts"
import * as Counter from "../../src/item/merge/Counter.ts"
import { lastWriter } from "../../src/item/merge/LastWriter.ts"
import { multiValue } from "../../src/item/merge/MultiValue.ts"
import type { Strategy } from "../../src/item/merge/Strategy.ts"
import { threeWayMap } from "../../src/item/merge/ThreeWayMap.ts"
import { author, entry, idOf, text, value } from "./kit.ts"

const notes = Collection.make("a", { form: Collection.bytes })
const self = author("a")

/** Starts a stream and lets it come to where it waits. */
const start = <A, E>(stream: Stream.Stream<A, E>, count: number) =>
  Effect.tap(Effect.forkChild(Stream.runCollect(Stream.take(stream, count))), () => settle)
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)

const keys = (batch: ReadonlyArray<ItemChange>) => batch.map(({ key }) => key)

const both: ItemEntry = {
  ...entry({ id: 5 }),
  ops: [...entry({ id: 5, key: "x" }).ops, ...entry({ id: 5, key: "y", parents: [9] }).ops]
}

describe("items", () => {
  it.effect("tell of changes commit by commit, an entry's together", () =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      const told = yield* start(items.changes, 2)
      yield* items.apply([both])
      yield* items.apply([entry({ id: 1, key: "k" })])
      yield* items.apply([entry({ id: 9, key: "y" })])
      assert.deepStrictEqual((yield* Fiber.join(told)).map(keys), [["k"], ["y", "x"]])
      assert.deepStrictEqual(yield* items.pending({ limit: 9 }), [])
    }))

  it.effect("list what waits and for what, and stop waiting when it is released", () =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      yield* items.apply([both, entry({ id: 6, parents: [5, 8] })])
      const names = Effect.map(items.pending({ limit: 9 }), (all) =>
        all.map(({ entry: { id }, missing }) => [id, missing]))
      assert.deepStrictEqual(yield* names, [[idOf(5), [idOf(9)]], [idOf(6), [idOf(5), idOf(8)]]])
      assert.deepStrictEqual(
        (yield* items.pending({ limit: 1, after: idOf(5) })).map(({ entry: { id } }) =>
          id
        ),
        [idOf(6)]
      )
      yield* items.release([idOf(9), idOf(8)])
      assert.deepStrictEqual(yield* names, [])
      assert.strictEqual((yield* items.view(notes, "x")).shown._tag, "Value")
    }))

  it.effect("answer a watched query now, and again when its collection changed, not when another did", () =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      const found = yield* start(items.watch({ collection: "a" }), 3)
      yield* items.apply([entry({ id: 1, key: "k" })])
      yield* settle
      yield* items.apply([entry({ id: 2, collection: "b", key: "k" })])
      yield* settle
      yield* items.apply([entry({ id: 3, key: "l" })])
      const answers = yield* Fiber.join(found)
      assert.deepStrictEqual(answers.map((answer) => answer.map(({ key }) => key)), [[], ["k"], ["k", "l"]])
    }))

  it.effect("keep the conflict list, watched, and take decisions as any other entry", () =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      const watched = yield* start(items.conflicts.watch(notes), 3)
      yield* items.apply([entry({ id: 1, author: "a" }), entry({ id: 2, author: "b" })])
      yield* settle
      const conflict = yield* items.conflicts.inspect(notes, "k")
      assert.strictEqual(conflict?.local.id, idOf(1))
      assert.deepStrictEqual((yield* items.conflicts.list(notes)).conflicts, conflict === undefined ? [] : [conflict])
      const view = yield* items.view(notes, "k")
      assert.deepInclude(view, {
        shown: { _tag: "Value", value: text("1") },
        conflict: { _tag: "Asked" },
        isSettler: false
      })
      yield* items.apply([entry({ id: 3, parents: [1, 2] })])
      assert.deepStrictEqual((yield* Fiber.join(watched)).map(({ conflicts }) => conflicts.length), [0, 1, 0])
      assert.isUndefined(yield* items.conflicts.inspect(notes, "k"))
      assert.isUndefined(yield* items.conflicts.inspect(notes, "nothing"))
    }))

  it.effect("take back and prune", () =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      const all = [entry({ id: 1 }), entry({ id: 2, parents: [1] })]
      yield* items.apply(all)
      yield* items.retract(all.slice(1))
      assert.deepStrictEqual((yield* items.view(notes, "k")).shows, [idOf(1)])
      yield* items.apply(all.slice(1))
      yield* items.prune(all)
      assert.deepStrictEqual((yield* items.query({ collection: "a" })).map(({ version: { id } }) => id), [idOf(2)])
    }))

  it.effect("apply everything though a commit takes a part of it, and pass a failed commit on without telling of it", () =>
    Effect.gen(function*() {
      const store = MemoryItemStore.make()
      let commits = 0
      const failing: ItemStore<"full"> = {
        ...store,
        commit: (writes) => Effect.suspend(() => commits++ === 1 ? Effect.fail("full" as const) : store.commit(writes))
      }
      const items = yield* Items.make(failing, self)
      const told = yield* start(items.changes, 2)
      const many = Array.from({ length: 20_000 }, (_, id) => entry({ id, key: `${id}` }))
      assert.strictEqual(yield* Effect.flip(items.apply(many)), "full")
      assert.strictEqual((yield* items.query({ collection: "a" })).length, 16_384)
      yield* items.apply([])
      assert.strictEqual((yield* items.query({ collection: "a" })).length, 20_000)
      assert.deepStrictEqual((yield* Fiber.join(told)).map(({ length }) => length), [16_384, 3_616])
    }))
})

describe("a collection", () => {
  const numbers: Collection.ValueForm<number> = {
    encode: (of) => Uint8Array.of(of),
    decode: ([of, ...more]) => more.length === 0 ? of : undefined
  }
  const viewed = (strategy: typeof lastWriter, ...entries: ReadonlyArray<ItemEntry>) =>
    Effect.gen(function*() {
      const items = yield* Items.make(MemoryItemStore.make(), self)
      yield* items.apply(entries)
      return yield* items.view(Collection.make("a", { form: numbers, merge: strategy }), "k")
    })
  const five = { _tag: "Put", value: Uint8Array.of(5) } as const
  const six = { _tag: "Put", value: Uint8Array.of(6) } as const

  it.effect("shows values in its own form, or why there is none", () =>
    Effect.gen(function*() {
      const nothing = yield* viewed(lastWriter)
      assert.deepStrictEqual(nothing, {
        collection: "a",
        key: "k",
        shown: { _tag: "Absent" },
        beside: [],
        conflict: undefined,
        shows: [],
        settle: undefined,
        isSettler: false
      })
      assert.deepStrictEqual((yield* viewed(lastWriter, entry({ id: 1, action: five }))).shown, {
        _tag: "Value",
        value: 5
      })
      assert.deepStrictEqual((yield* viewed(lastWriter, entry({ id: 1, action: value("text") }))).shown, {
        _tag: "Unreadable",
        bytes: text("text")
      })
      const items = yield* Items.make(MemoryItemStore.make(), self)
      yield* items.apply([entry({ id: 1 })])
      const cause = new Error("a bug of the app")
      const throwing = Collection.make<number>("a", {
        form: {
          ...numbers,
          decode: () => {
            throw cause
          }
        }
      })
      assert.deepStrictEqual((yield* items.view(throwing, "k")).shown, { _tag: "Unreadable", bytes: text("1"), cause })
      const deleted = yield* viewed(lastWriter, entry({ id: 1, action: { _tag: "Delete" } }))
      assert.deepStrictEqual([deleted.shown._tag, deleted.shows], ["Absent", [idOf(1)]])
    }))

  it.effect("reads history only where its merge looks at what both sides began with", () =>
    Effect.gen(function*() {
      const memory = MemoryItemStore.make()
      let reads = 0
      const counting: ItemStore<never> = {
        ...memory,
        ops: (refs) => {
          reads++
          return memory.ops(refs)
        }
      }
      const items = yield* Items.make(counting, self)
      const two = [entry({ id: 2, parents: [1] }), entry({ id: 3, parents: [1] })]
      yield* items.apply([entry({ id: 1 }), ...two])
      const readsOf = (merge: Strategy) => {
        reads = 0
        return Effect.map(items.view(Collection.make("a", { form: Collection.bytes, merge }), "k"), () => reads)
      }
      assert.strictEqual(yield* readsOf(lastWriter), 0)
      assert.strictEqual(yield* readsOf(Counter.counter()), 0)
      assert.isAbove(yield* readsOf(threeWayMap()), 0)
    }))

  it.effect("shows versions beside each other where it keeps them", () =>
    Effect.gen(function*() {
      const view = yield* viewed(multiValue, entry({ id: 1, action: five }), entry({ id: 2, action: six }))
      assert.deepStrictEqual([view.shown, ...view.beside], [{ _tag: "Value", value: 5 }, { _tag: "Value", value: 6 }])
      assert.deepStrictEqual(view.shows, [idOf(1), idOf(2)])
      assert.isUndefined(view.conflict)
      assert.isUndefined(view.settle)
    }))

  it.effect("writes and deletes on top of what a view shows", () =>
    Effect.gen(function*() {
      const view = yield* viewed(lastWriter, entry({ id: 1, action: five }), entry({ id: 2, action: six }))
      const op = { collection: "a", key: "k", parents: [idOf(1), idOf(2)] }
      assert.deepStrictEqual(view.settle, { ...op, action: six })
      const sevens = Collection.make("a", { form: numbers })
      assert.deepStrictEqual(Collection.write(sevens, view, 7), {
        ...op,
        action: { _tag: "Put", value: Uint8Array.of(7) }
      })
      assert.deepStrictEqual(Collection.remove(view), { ...op, action: { _tag: "Delete" } })
    }))
})
