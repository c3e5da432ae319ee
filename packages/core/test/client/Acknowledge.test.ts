import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { push, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** What all relays of the world keep. */
const kept = (relay: World.RelayHost): number =>
  [...relay.disk.routeByHex.values()].reduce((sum, { rowByPosition }) => sum + rowByPosition.size, 0)

layer(World.CryptoLive)("acknowledging", (it) => {
  it.effect("at the app's wish happens at once, and lets a relay in transit delete what all have", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* world.makeDevice("a")
      yield* World.create(a, "a", [relay], { retention: { _tag: "Transit", ttl: { _tag: "Never" } } })
      yield* a.open
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.open
      yield* b.client().settled
      yield* b.client().ack
      yield* a.client().ack
      yield* relay.relay().sweep
      assert.strictEqual(kept(relay), 0)
      for (const text of ["1", "2"]) yield* push(a.client(), text)
      yield* a.client().settled
      yield* b.client().pull
      // The clock stands still: of itself, neither says what it has for two seconds.
      yield* a.client().ack
      yield* relay.relay().sweep
      assert.strictEqual(kept(relay), 2)
      yield* b.client().ack
      yield* relay.relay().sweep
      assert.strictEqual(kept(relay), 0)
      assert.deepStrictEqual(yield* values(b.client()), ["1", "2"])
    }))

  it.effect("begins when a device first comes: what it has not received by then is kept for it", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* world.makeDevice("a")
      yield* World.create(a, "a", [relay], { retention: { _tag: "Transit", ttl: { _tag: "Never" } } })
      yield* a.open
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.open
      yield* b.client().settled
      yield* b.cut
      yield* push(a.client(), "1")
      yield* a.client().settled
      yield* a.client().ack
      yield* relay.relay().sweep
      yield* b.heal
      yield* b.client().wake
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["1"])
    }))
})
