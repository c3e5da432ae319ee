import { assert, layer } from "@effect/vitest"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import { Limit } from "@sotto/schema/Limit"
import { UnknownRoute } from "@sotto/schema/RelayError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bytes, entries, push, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

layer(World.CryptoLive)("a device without a relay in reach", (it) => {
  it.effect("leaves a relay that falls silent between the handshake and the answer to what it was asked first", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.close
      const { routeByHex } = relay.disk
      const dials = a.dials()
      routeByHex.get = (hex) => {
        Effect.runSync(a.freeze)
        return Map.prototype.get.call(routeByHex, hex)
      }
      yield* a.open
      yield* World.until("it asked", () => a.dials() === dials + 1)
      yield* World.settle
      Reflect.deleteProperty(routeByHex, "get")
      yield* a.heal
      yield* TestClock.adjust(Limit.handshakeTotalMillis - 1)
      assert.strictEqual((yield* a.client().status.current)._tag, "Connecting")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* a.client().status.current).relays[0]?.failure?.tag, "RelaySilent")
      yield* TestClock.adjust(Limit.reconnectMillisMin + Limit.reconnectJitterMillis)
      yield* a.client().settled
      assert.strictEqual(a.dials(), dials + 2)
    }))

  it.effect("keeps what was pushed when the process dies before anything was sent", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.cut
      const receipt = yield* push(a.client(), "kept")
      assert.strictEqual((yield* a.client().status.current).pending, 1)
      yield* a.crash
      yield* a.heal
      const again = yield* a.open
      assert.deepStrictEqual(yield* values(again), ["kept"])
      yield* again.settled
      const [entry] = yield* entries(again)
      assert.deepStrictEqual(entry?.id, receipt.id)
      assert.deepStrictEqual(entry?.position, { relay: relay.address.key, position: 1 })
      assert.strictEqual((yield* again.status.current).pending, 0)
    }))

  it.effect("sends again what was sent and not acknowledged, and it is stored once", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      const routes = () => [...relay.disk.routeByHex.values()].map(({ state }) => state.position)
      // The relay has stored it, and the device dies before it hears so.
      a.fault((commit) => commit === a.commits() && routes()[0] === 1 ? "die-before" : "ok")
      yield* push(a.client(), "once")
      yield* World.until("the entry is stored", () => routes()[0] === 1)
      yield* a.crash
      a.fault(() => "ok")
      const again = yield* a.open
      yield* again.settled
      assert.deepStrictEqual(routes(), [1])
      const [entry] = yield* entries(again)
      assert.deepStrictEqual(entry?.position?.position, 1)
    }))

  it.effect("goes on with the numbers and the clock after a restart", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const one = yield* push(a.client(), "one")
      yield* a.crash
      const again = yield* a.open
      const two = yield* push(again, "two")
      assert.deepStrictEqual([one.seq, two.seq], [1, 2])
      assert.isTrue(two.hlc.millis > one.hlc.millis || two.hlc.counter > one.hlc.counter)
      assert.deepStrictEqual([one.ordinal, two.ordinal], [1, 2])
    }))

  it.effect("puts a thousand pushes that meet into few entries, and answers each", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      const before = a.commits()
      const texts = Array.from({ length: 1000 }, (_, i) => `${i}`)
      const receipts = yield* Effect.forEach(texts, (text) => push(a.client(), text), { concurrency: "unbounded" })
      const all = yield* entries(a.client())
      assert.isBelow(a.commits() - before, 10)
      assert.isBelow(all.length, 10)
      assert.deepStrictEqual(yield* values(a.client()), texts)
      receipts.forEach(({ id, index }, i) => {
        const entry = all.find((one) => one.id.every((byte, at) => byte === id[at]))
        assert.deepStrictEqual(entry?.ops[index]?.action, { _tag: "Put", value: bytes(`${i}`) })
      })
      yield* Effect.forEach(receipts, ({ stored }) => stored, { concurrency: "unbounded" })
    }))

  it.effect("does not write a push whose caller went away while it stood in line", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const gone = yield* Effect.forkChild(push(a.client(), "gone"))
      yield* Fiber.interrupt(gone)
      yield* push(a.client(), "here")
      assert.deepStrictEqual(yield* values(a.client()), ["here"])
    }))

  it.effect("refuses what no entry can hold, and what meets it is written", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const tries = yield* Effect.forEach(
        [
          a.client().push(new Uint8Array(64 * 1024 + 1)),
          a.client().push(bytes("x"), { collection: "c".repeat(129) }),
          a.client().push(bytes("x"), { key: "k".repeat(513) }),
          a.client().pushAll([]),
          push(a.client(), "fine")
        ],
        (pushed) => Effect.result(pushed),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        tries.map((tried) => tried._tag === "Success" ? "ok" : tried.failure._tag),
        ["TooLarge", "TooLarge", "TooLarge", "TransactionRefused", "ok"]
      )
      assert.deepStrictEqual(yield* values(a.client()), ["fine"])
    }))

  it.effect("ends what waits for a relay when it is closed", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const receipt = yield* push(a.client(), "x")
      const waiting = yield* Effect.forkChild(Effect.flip(receipt.stored))
      yield* World.settle
      const client = a.client()
      yield* a.close
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(push(client, "y")))._tag, "Closed")
    }))

  it.effect("refuses more than may wait for a relay", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.close
      yield* World.crowd(a, Limit.outboxEntriesMax - 1)
      yield* a.cut
      const full = yield* a.open
      yield* push(full, "the last one")
      const refused = yield* Effect.flip(push(full, "one too many"))
      assert.deepInclude(refused, { _tag: "OutboxFull", pending: Limit.outboxEntriesMax })
      assert.deepStrictEqual(yield* values(full), ["the last one"])
    }))

  it.effect("answers a push that comes alone without waiting for others", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const before = yield* Clock.currentTimeMillis
      yield* push(a.client(), "alone")
      assert.isBelow((yield* Clock.currentTimeMillis) - before, Limit.flushMillis)
    }))

  it.effect("gives up to flush to a relay that does not answer after half a second", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.freeze
      yield* push(a.client(), "stranded")
      const flushing = yield* Effect.forkChild(a.client().flush())
      yield* TestClock.adjust(Limit.suspendFlushMillis - 1)
      yield* World.settle
      assert.isUndefined(flushing.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(flushing), 1)
      yield* a.crash
      yield* a.heal
      const again = yield* a.open
      yield* again.settled
      assert.strictEqual((yield* again.status.current).pending, 0)
    }))

  it.effect("leaves on request at once, and takes at most half a second to flush", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* push(a.client(), "x")
      assert.strictEqual(yield* a.client().flush(), 0)
      yield* a.client().pause
      yield* push(a.client(), "y")
      assert.strictEqual(yield* a.client().flush(), 1)
      assert.deepInclude(yield* a.client().status.current, { _tag: "Offline", paused: true, pending: 1 })
      yield* a.client().resume
      yield* a.client().settled
    }))

  it.effect("says at once that a pull is not possible, and why", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const alone = yield* World.found(world, "alone", [])
      assert.strictEqual((yield* Effect.flip(alone.client().pull))._tag, "NotConnected")
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* relay.stop
      const failed = yield* Effect.flip(a.client().pull)
      assert.include(failed.message, "No relay is connected")
      yield* a.client().pause
      assert.include((yield* Effect.flip(a.client().pull)).message, "paused")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(a.client().status.changes, 1)), [
        yield* a.client().status.current
      ])
    }))

  it.effect("pulls all the same when a relay cannot say at first where its log stands, and says why it cannot at all", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const plain = MemoryRelayStore.make(world.crypto, MemoryRelayStore.makeDisk())
      let failure: RelayStoreFailed | UnknownRoute | undefined
      const store = RelayStore.of({
        ...plain,
        read: (page) =>
          Effect.suspend(() => page.limit === 1 && failure !== undefined ? Effect.fail(failure) : plain.read(page))
      })
      const relay = yield* world.makeRelay({ store })
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      failure = new RelayStoreFailed({ reason: "unavailable", operation: "read", detail: "for a moment" })
      const pulling = yield* Effect.forkChild(a.client().pull)
      yield* World.settle
      assert.strictEqual(pulling.pollUnsafe(), undefined)
      failure = undefined
      yield* TestClock.adjust(5000)
      yield* Fiber.join(pulling)
      failure = new UnknownRoute()
      const failed = yield* Effect.flip(a.client().pull)
      assert.strictEqual(failed._tag, "NotConnected")
      assert.include(failed.detail, failure.message)
    }))
})
