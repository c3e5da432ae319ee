import { assert, layer } from "@effect/vitest"
import { PRESENCE_BODY_BYTES_MAX } from "@sotto/core/log/Presence"
import { RelayKey } from "@sotto/schema/Id"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { bytes, entries, positionsOf, push, pushChained, sorted, values, valuesOf } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** Two devices of one space, running and connected. */
const pair = Effect.gen(function*() {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const a = yield* World.found(world, "a", [relay])
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  yield* b.open
  yield* b.client().pull
  return { world, relay, a, b }
})

layer(World.CryptoLive)("two devices of one space", (it) => {
  it.effect("see what the other writes while both are connected", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      yield* push(a.client(), "hello")
      yield* a.client().settled
      yield* b.client().settled
      assert.deepStrictEqual(yield* values(b.client()), ["hello"])
      const receipt = yield* push(b.client(), "and hello back")
      const stored = yield* receipt.stored
      yield* a.client().pull
      assert.deepStrictEqual(yield* values(a.client()), ["hello", "and hello back"])
      const [, , mine] = yield* entries(a.client())
      assert.deepStrictEqual(mine?.position, stored)
      assert.strictEqual(mine?.own, false)
      assert.deepStrictEqual(mine?.device, b.client().device)
    }))

  it.effect("write while neither is connected, and come to hold the same", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      yield* a.cut
      yield* b.cut
      for (const text of ["a1", "a2", "a3"]) yield* push(a.client(), text)
      for (const text of ["b1", "b2"]) yield* push(b.client(), text)
      assert.deepStrictEqual(yield* values(a.client()), ["a1", "a2", "a3"])
      yield* a.heal
      yield* b.heal
      yield* a.client().wake
      yield* b.client().wake
      yield* a.client().settled
      yield* b.client().settled
      yield* a.client().pull
      assert.deepStrictEqual(yield* sorted(a.client()), ["a1", "a2", "a3", "b1", "b2"])
      assert.deepStrictEqual(yield* sorted(b.client()), ["a1", "a2", "a3", "b1", "b2"])
    }))

  it.effect("hold each other's entries in the order in which their author wrote them", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      const texts = Array.from({ length: 20 }, (_, i) => `v${i}`)
      for (const text of texts) yield* push(a.client(), text)
      yield* a.client().settled
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), texts)
    }))

  it.effect("know each other's labels and roles, and a new member at once", () =>
    Effect.gen(function*() {
      const { a, b, world } = yield* pair
      const seen = yield* Effect.forkChild(
        Stream.runHead(Stream.filter(b.client().events, (event) => event._tag === "MemberAdded"))
      )
      yield* World.settle
      const c = yield* World.admit(world, a, "c", ROLE.read)
      yield* a.client().settled
      yield* b.client().pull
      const devices = yield* b.client().devices
      assert.sameDeepMembers(
        devices.map(({ label, own, role }) => [label, own, role]),
        [["a", false, ROLE.owner], ["b", true, ROLE.admin], ["c", false, ROLE.read]]
      )
      assert.deepInclude(yield* Fiber.join(seen), { _tag: "Some" })
      const reader = yield* c.open
      assert.strictEqual((yield* Effect.flip(push(reader, "no")))._tag, "NotWriter")
      yield* reader.pull
      assert.deepStrictEqual(yield* values(reader), [])
    }))

  it.effect("see who is there, and nothing of it is kept", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      const seen = yield* Effect.forkChild(Stream.runHead(b.client().presence.changes))
      yield* World.settle
      const before = yield* entries(b.client())
      yield* a.client().presence.publish(bytes("typing"))
      const message = yield* Effect.flatMap(Fiber.join(seen), Effect.fromOption)
      assert.deepStrictEqual(message.body, bytes("typing"))
      assert.deepStrictEqual(message.device, a.client().device)
      assert.deepStrictEqual(yield* entries(b.client()), before)
      const long = yield* Effect.flip(a.client().presence.publish(new Uint8Array(PRESENCE_BODY_BYTES_MAX + 1)))
      assert.strictEqual(long._tag, "TooLarge")
      yield* a.cut
      yield* World.settle
      assert.strictEqual((yield* Effect.flip(a.client().presence.publish(bytes("typing"))))._tag, "NotConnected")
    }))

  it.effect("take up a stream of entries where it was left, with no gap and no duplicate while others write", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      yield* pushChained(a.client(), "before", 300)
      yield* a.client().settled
      const live = yield* Effect.forkChild(
        b.client().entries({ live: true }).pipe(Stream.take(321), Stream.runCollect)
      )
      for (let i = 0; i < 20; i++) yield* push(i % 2 === 0 ? a.client() : b.client(), `${i}`)
      const all = yield* Fiber.join(live)
      assert.deepStrictEqual(all.map(({ ordinal }) => ordinal), Array.from({ length: 321 }, (_, at) => at + 1))
      const middle = all[150]
      const rest = yield* Stream.runCollect(b.client().entries(middle === undefined ? {} : { after: middle.ordinal }))
      assert.deepStrictEqual(rest.map(({ id }) => id), all.slice(151).map(({ id }) => id))
      yield* b.client().settled
      assert.strictEqual(valuesOf(yield* entries(b.client())).length, 320)
    }))

  it.effect("page through a relay's log by its positions", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      for (const text of ["1", "2", "3", "4", "5"]) yield* push(a.client(), text)
      yield* a.client().settled
      yield* b.client().pull
      const first = yield* b.client().log({ limit: 3 })
      assert.deepStrictEqual(positionsOf(first), [1, 2, 3])
      const after = first.at(-1)?.position
      assert.isDefined(after)
      const rest = yield* b.client().log(after === undefined ? {} : { after })
      assert.deepStrictEqual([...valuesOf(first), ...valuesOf(rest)], ["1", "2", "3", "4", "5"])
      const elsewhere = RelayKey.make(new Uint8Array(32))
      assert.strictEqual((yield* Effect.flip(b.client().log({ relay: elsewhere })))._tag, "UnknownRelay")
      const mixed = yield* Effect.flip(
        b.client().log({ relay: elsewhere, ...(after === undefined ? {} : { after }) })
      )
      assert.strictEqual(mixed._tag, "UnknownRelay")
    }))
})
