import { assert, describe, layer } from "@effect/vitest"
import type { Client, ReceivedEntry } from "@sotto/core/Client"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as World from "../kit/World.ts"

const text = (bytes: Uint8Array) => String.fromCharCode(...bytes)
const valuesOf = (entries: ReadonlyArray<ReceivedEntry>): ReadonlyArray<string> =>
  entries.flatMap(({ ops }) => ops.flatMap(({ action }) => action._tag === "Put" ? [text(action.value)] : []))
const values = (client: Client["Service"]) => Effect.map(Stream.runCollect(client.entries()), valuesOf)

layer(World.CryptoLive)("two devices", (it) => {
  it.effect("see what the other writes while both are connected", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* b.open
      yield* a.client().push(Utf8.encode("hello"))
      yield* a.client().settled
      yield* b.client().settled
      assert.deepStrictEqual(yield* values(b.client()), ["hello"])
      const receipt = yield* b.client().push(Utf8.encode("and hello back"))
      yield* receipt.stored
      yield* a.client().pull
      assert.deepStrictEqual(yield* values(a.client()), ["hello", "and hello back"])
      assert.strictEqual((yield* a.client().status.current)._tag, "Synced")
    }))
})
