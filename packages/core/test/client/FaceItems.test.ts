import { assert, layer } from "@effect/vitest"
import { makeCollections } from "@sotto/core/FaceItems"
import { text } from "@sotto/core/item/Collection"
import { lastWriter } from "@sotto/core/item/merge/LastWriter"
import * as Effect from "effect/Effect"
import { bytes } from "../kit/values.ts"
import * as World from "../kit/World.ts"

const tagOf = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
    return "resolved"
  } catch (error) {
    return typeof error === "object" && error !== null && "_tag" in error ? error._tag : error
  }
}

layer(World.CryptoLive)("a collection's promise face", (it) => {
  it.effect("writes, reads, lists, watches and deletes, and rejects with tagged errors", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const collection = makeCollections({
        items: a.client().items,
        run: (effect) => Effect.runPromise(effect),
        receipt: ({ seq }) => ({ seq })
      })
      yield* Effect.promise(async () => {
        const notes = collection("notes", { form: text, merge: lastWriter })
        assert.strictEqual(notes.name, "notes")
        assert.deepStrictEqual(await notes.put("k", "one"), { seq: 1 })
        assert.strictEqual(await notes.get("k"), "one")
        const { key, seq } = await notes.add("alone")
        assert.strictEqual(seq, 2)
        assert.strictEqual(await notes.get(key), "alone")
        assert.deepStrictEqual((await notes.list({ prefix: "k" })).map(({ value }) => value), ["one"])
        assert.lengthOf(await notes.history("k"), 1)
        assert.deepStrictEqual((await notes.view("k")).shown, { _tag: "Value", value: "one" })
        const seen: Array<ReadonlyArray<string | undefined>> = []
        for await (const lines of notes.watch({ prefix: "k" })) {
          seen.push(lines.map(({ value }) => value))
          if (seen.length === 2) break
          await notes.put("k2", "two")
        }
        assert.deepStrictEqual(seen, [["one"], ["one", "two"]])
        assert.deepStrictEqual(await notes.delete("k"), { seq: 4 })
        assert.isUndefined(await notes.delete("k"))
        assert.isUndefined(await notes.conflicts.inspect("k"))
        assert.deepStrictEqual(await notes.conflicts.list(), { conflicts: [] })
        for await (const page of notes.conflicts.watch()) {
          assert.deepStrictEqual(page, { conflicts: [] })
          break
        }
        assert.strictEqual(await tagOf(notes.conflicts.resolve("k", { delete: true })), "NoConflict")
        await collection("notes").put("k", Uint8Array.of(0xff))
        assert.strictEqual(await tagOf(notes.get("k")), "FormFailed")
        assert.strictEqual(await tagOf(collection("notes").put("k".repeat(600), bytes("v"))), "TooLarge")
      })
    }))

  it.effect("ends a conflict", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.open
      yield* b.client().pull
      const [onA, onB] = [a, b].map((host) => host.client().items.collection("notes", { form: text }))
      if (onA === undefined || onB === undefined) return yield* Effect.die("no device")
      yield* a.cut
      yield* onA.put("k", "from a")
      yield* onB.put("k", "from b")
      yield* b.client().settled
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      const notes = makeCollections({
        items: a.client().items,
        run: (effect) => Effect.runPromise(effect),
        receipt: ({ seq }) => ({ seq })
      })("notes", { form: text })
      yield* Effect.promise(async () => {
        const { conflicts: [conflict] } = await notes.conflicts.list()
        assert.strictEqual(conflict?.key, "k")
        assert.deepStrictEqual(await notes.conflicts.resolve("k", { value: "both" }), { seq: 2 })
        assert.strictEqual(await notes.get("k"), "both")
      })
      yield* a.client().settled
      yield* b.client().pull
      assert.strictEqual(yield* onB.get("k"), "both")
    }))
})
