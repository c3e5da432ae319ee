import { assert, layer } from "@effect/vitest"
import { Client } from "@sotto/core/Client"
import * as Secret from "@sotto/core/Secret"
import * as Sotto from "@sotto/core/Sotto"
import * as Effect from "effect/Effect"
import { push, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

layer(World.CryptoLive)("a directory", (it) => {
  it.effect("goes from empty to a device to a space, each step durable", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const host = yield* world.makeDevice("a")
      assert.strictEqual(yield* host.run(Sotto.stateOf), "empty")
      const early = yield* Effect.flip(host.run(Sotto.open))
      assert.deepInclude(early, { _tag: "WrongDirectory", reason: "no-device" })
      const device = yield* host.run(Sotto.device({ label: "a" }))
      assert.strictEqual(yield* host.run(Sotto.stateOf), "device")
      assert.deepInclude(yield* Effect.flip(host.run(Sotto.open)), { _tag: "WrongDirectory", reason: "no-space" })
      const created = yield* host.run(Sotto.create({ label: "ignored: there is one", relays: [] }))
      assert.deepStrictEqual(created.identity.id, device.id)
      assert.strictEqual(Secret.reveal(created.recovery).length, 32)
      assert.strictEqual(yield* host.run(Sotto.stateOf), "space")
      const twice = yield* Effect.flip(host.run(Sotto.create({ label: "b", relays: [] })))
      assert.deepInclude(twice, { _tag: "WrongDirectory", reason: "in-space" })
      const client = yield* host.open
      assert.deepStrictEqual(client.device, device.id)
      assert.deepInclude(yield* client.status.current, { _tag: "Offline", pending: 0 })
      yield* push(client, "kept without any relay")
      assert.deepStrictEqual(yield* values(client), ["kept without any relay"])
    }))

  it.effect("says what a device cannot be called, and makes none", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const host = yield* world.makeDevice("a")
      const refused = [["", "empty"], ["é".repeat(33), "too-long"], ["\ud800", "malformed"]] as const
      for (const [label, reason] of refused) {
        const failed = yield* Effect.flip(host.run(Sotto.create({ label, relays: [] })))
        assert.deepInclude(failed, { _tag: "LabelRefused", reason })
        assert.include(failed.message, "1 to 64 bytes")
      }
      assert.strictEqual(yield* host.run(Sotto.stateOf), "empty")
      const device = yield* host.run(Sotto.device({ label: "é".repeat(32) }))
      assert.strictEqual(device.certificate.body.label, "é".repeat(32))
    }))

  it.effect("joins the space that it was welcomed to, once", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      const guest = yield* world.makeDevice("b")
      const stranger = yield* world.makeDevice("c")
      const { certificate } = yield* guest.run(Sotto.device({ label: "b" }))
      const welcome = yield* World.welcome(world, a, certificate, 2)
      const noDevice = yield* Effect.flip(stranger.run(Sotto.join(welcome)))
      assert.deepInclude(noDevice, { _tag: "WrongDirectory", reason: "no-device" })
      yield* stranger.run(Sotto.device({ label: "c" }))
      const notMember = yield* Effect.flip(stranger.run(Sotto.join(welcome)))
      assert.deepInclude(notMember, { _tag: "WelcomeRefused", reason: "not-member" })
      yield* guest.run(Sotto.join(welcome))
      const twice = yield* Effect.flip(guest.run(Sotto.join(welcome)))
      assert.deepInclude(twice, { _tag: "WrongDirectory", reason: "in-space" })
      const client = yield* guest.open
      assert.deepStrictEqual(client.space, a.client().space)
      assert.deepStrictEqual((yield* client.relays.list).map(({ address }) => address), [relay.address])
    }))

  it.effect("is created and run by one Layer, which hands the recovery secret out once", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const host = yield* world.makeDevice("a")
      const secrets: Array<number> = []
      const layer = Sotto.layer({
        create: {
          label: "a",
          relays: [relay.address],
          onCreated: ({ recovery }) => Effect.sync(() => secrets.push(Secret.reveal(recovery).length))
        }
      })
      const write = Effect.gen(function*() {
        const client = yield* Client
        yield* push(client, "x")
        yield* client.settled
        return yield* values(client)
      })
      assert.deepStrictEqual(yield* host.run(Effect.provide(write, layer)), ["x"])
      assert.deepStrictEqual(yield* host.run(Effect.provide(write, layer, { local: true })), ["x", "x"])
      assert.deepStrictEqual(secrets, [32])
    }))

  it.effect("that was damaged says so instead of guessing", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      yield* a.crash
      const copy = yield* a.copy
      for (const table of [2, 3, 10, 11]) {
        const row = copy.find(({ key }) => key[0] === table)
        if (row === undefined) continue
        yield* a.putBack(copy)
        yield* Effect.orDie(a.store.commit([{ key: row.key, value: row.value.slice(0, -1) }]))
        const failed = yield* Effect.flip(a.run(Sotto.open))
        assert.include(["StoreFailed", "KeystoreFailed"], failed._tag)
      }
      yield* a.putBack(copy)
      yield* a.open
    }))
})
