import { assert, layer } from "@effect/vitest"
import type { Client, Quorum, Receipt } from "@sotto/core/Client"
import * as Sotto from "@sotto/core/Sotto"
import type { RelayPhase } from "@sotto/core/Status"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { push } from "../kit/values.ts"
import * as World from "../kit/World.ts"

const at = (hosts: ReadonlyArray<World.RelayHost>, index: number): World.RelayHost => {
  const host = hosts[index]
  if (host === undefined) throw new Error(`a world without relay ${index}`)
  return host
}

/** A device of a space at so many relays, all of which have all that was written yet; then opened with a quorum. */
const start = Effect.fnUntraced(function*(relays: number, quorum: Quorum) {
  const world = yield* World.make
  const hosts: Array<World.RelayHost> = []
  for (let i = 0; i < relays; i++) hosts.push(yield* world.makeRelay())
  const a = yield* World.found(world, "a", hosts)
  yield* a.close
  yield* Effect.flatMap(a.openWith({ quorum: "all" }), ({ settled }) => settled)
  yield* a.close
  yield* a.openWith({ quorum })
  yield* a.client().settled
  yield* phases(a.client(), ...hosts.map(() => "live" as const))
  return { world, hosts, a }
})

const pendingOf = (client: Client["Service"]) => Effect.map(client.status.current, ({ pending }) => pending)

/** How many entries a relay has of the space. */
const countOf = (host: World.RelayHost): number => [...host.disk.routeByHex.values()][0]?.state.position ?? 0

/** Whether the receipt's promise is kept, once everything that can happen now has happened. */
const isStored = Effect.fnUntraced(function*({ stored }: Receipt) {
  const waiting = yield* Effect.forkChild(stored)
  yield* World.settle
  const exit = waiting.pollUnsafe()
  yield* Fiber.interrupt(waiting)
  return exit !== undefined
})

/** Waits until a device's relays are in these phases. */
const phases = (client: Client["Service"], ...expected: ReadonlyArray<RelayPhase>) =>
  World.untilEffect(
    `the relays are ${expected.join()}`,
    Effect.map(client.status.current, ({ relays }) => relays.map(({ phase }) => phase).join() === expected.join())
  )

layer(World.CryptoLive)("a write quorum", (it) => {
  it.effect("of all waits for the relay that is away, and answers with the first that had it", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* start(2, "all")
      yield* at(hosts, 1).stop
      const receipt = yield* push(a.client(), "x")
      yield* World.until("the one has it", () => countOf(at(hosts, 0)) === 1)
      assert.isFalse(yield* isStored(receipt))
      assert.deepInclude(yield* a.client().status.current, { _tag: "Pending", pending: 1 })
      const settled = yield* Effect.forkChild(a.client().settled)
      yield* World.settle
      assert.isUndefined(settled.pollUnsafe())
      yield* phases(a.client(), "live", "waiting")
      yield* at(hosts, 1).start
      yield* a.client().wake
      yield* Fiber.join(settled)
      assert.deepStrictEqual((yield* receipt.stored).relay, at(hosts, 0).address.key)
      assert.deepStrictEqual(hosts.map(countOf), [1, 1])
      assert.deepInclude(yield* a.client().status.current, { _tag: "Synced", pending: 0 })
    }))

  it.effect("of a majority is met without one of three, and not without two", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* start(3, "majority")
      yield* at(hosts, 0).stop
      yield* (yield* push(a.client(), "one is away")).stored
      yield* a.client().settled
      assert.deepInclude(yield* a.client().status.current, { _tag: "Synced", pending: 0 })
      yield* at(hosts, 1).stop
      const receipt = yield* push(a.client(), "two are away")
      yield* World.until("the third has it", () => countOf(at(hosts, 2)) === 2)
      assert.isFalse(yield* isStored(receipt))
      // What takes time is not waited for longer than it was asked to.
      const flushing = yield* Effect.forkChild(a.client().flush())
      yield* World.settle
      yield* TestClock.adjust(Limit.suspendFlushMillis)
      assert.strictEqual(yield* Fiber.join(flushing), 1)
      // With one relay taken out, two are left, and a majority of two is both.
      yield* a.client().relays.remove(at(hosts, 0).address.key)
      assert.isFalse(yield* isStored(receipt))
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* a.client().relays.remove(at(hosts, 1).address.key)
      assert.deepStrictEqual((yield* receipt.stored).relay, at(hosts, 2).address.key)
      assert.strictEqual(yield* pendingOf(a.client()), 0)
    }))

  it.effect("is kept waiting by the removal of the last relay, and met by the one that comes after it", () =>
    Effect.gen(function*() {
      const { a, hosts, world } = yield* start(1, "all")
      yield* a.cut
      const receipt = yield* push(a.client(), "x")
      yield* a.client().relays.remove(at(hosts, 0).address.key)
      assert.isFalse(yield* isStored(receipt))
      assert.strictEqual((yield* a.client().status.current)._tag, "Offline")
      const later = yield* world.makeRelay()
      yield* a.client().relays.add(later.address, { token: null, retention: { _tag: "Durable" }, recovery: null })
      assert.isFalse(yield* isStored(receipt))
      yield* phases(a.client(), "waiting")
      yield* a.heal
      yield* a.client().wake
      assert.deepStrictEqual((yield* receipt.stored).relay, later.address.key)
      yield* a.client().settled
    }))

  it.effect("holds after a restart for what fewer relays have, and counts what a new relay is still to be sent", () =>
    Effect.gen(function*() {
      const { a, hosts, world } = yield* start(2, 1)
      yield* at(hosts, 1).stop
      yield* push(a.client(), "x")
      yield* a.client().settled
      assert.strictEqual(yield* pendingOf(a.client()), 0)
      yield* a.crash
      yield* a.openWith({ quorum: "all" })
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* phases(a.client(), "live", "waiting")
      yield* at(hosts, 1).start
      yield* a.client().wake
      yield* a.client().settled
      assert.deepStrictEqual(hosts.map(countOf), [1, 1])
      const later = yield* world.makeRelay()
      yield* later.stop
      yield* a.client().relays.add(later.address, { token: null, retention: { _tag: "Durable" }, recovery: null })
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* a.crash
      yield* a.openWith({ quorum: "all" })
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* push(a.client(), "y")
      assert.strictEqual(yield* pendingOf(a.client()), 2)
      yield* World.until("the others have it", () => hosts.every((host) => countOf(host) === 2))
      assert.strictEqual(yield* pendingOf(a.client()), 2)
      yield* phases(a.client(), "live", "live", "waiting")
      yield* later.start
      yield* a.client().wake
      yield* a.client().settled
      assert.strictEqual(countOf(later), 2)
    }))

  it.effect("counts a relay that was caught: it fails, until somebody takes that relay out", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* start(2, "all")
      const liar = at(hosts, 1)
      const yesterday = liar.snapshot()
      yield* push(a.client(), "today")
      yield* a.client().settled
      yield* liar.stop
      yield* phases(a.client(), "live", "waiting")
      liar.restore(yesterday)
      yield* liar.start
      yield* a.client().wake
      yield* World.untilEffect(
        "it is caught",
        Effect.map(a.client().status.current, ({ relays }) => relays.some(({ phase }) => phase === "stopped"))
      )
      assert.deepInclude(yield* a.client().status.current, { _tag: "Synced", pending: 0 })
      const receipt = yield* push(a.client(), "tomorrow")
      yield* World.until("the honest one has it", () => countOf(at(hosts, 0)) === 2)
      assert.isFalse(yield* isStored(receipt))
      const status = yield* a.client().status.current
      assert.strictEqual(status._tag === "Failed" ? status.failure.tag : status._tag, "RelayMisbehaved")
      yield* a.client().relays.remove(liar.address.key)
      yield* receipt.stored
      yield* a.client().settled
    }))

  it.effect("starts over for a relay that is trusted again: it has nothing until it says so", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* start(2, "all")
      yield* push(a.client(), "x")
      yield* a.client().settled
      yield* at(hosts, 1).stop
      yield* a.client().relays.trustAgain(at(hosts, 1).address.key)
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* phases(a.client(), "live", "waiting")
      yield* at(hosts, 1).start
      yield* a.client().wake
      yield* a.client().settled
      assert.strictEqual(yield* pendingOf(a.client()), 0)
    }))

  it.effect("counts a new relay that has the entries from another device, and was never sent them", () =>
    Effect.gen(function*() {
      const { a, hosts, world } = yield* start(1, 1)
      const opening = { token: null, retention: { _tag: "Durable" }, recovery: null } as const
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.openWith({ quorum: "all" })
      yield* b.client().settled
      const [away, second] = [yield* world.makeRelay(), yield* world.makeRelay()]
      yield* away.stop
      yield* b.client().relays.add(away.address, opening)
      const receipts = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => `${i}`),
        (text) => push(b.client(), text)
      )
      yield* World.until("the first relay has all", () => countOf(at(hosts, 0)) === 21)
      yield* a.client().pull
      yield* a.client().relays.add(second.address, opening)
      yield* World.until("the second one has all", () => countOf(second) === 21)
      yield* b.client().relays.add(second.address, opening)
      yield* World.untilEffect(
        "b has compared itself with it",
        Effect.map(b.client().status.current, ({ relays }) => relays[2]?.phase === "live" && relays[2].pending === 0)
      )
      assert.isFalse(yield* isStored(receipts[0] ?? assert.fail("no receipt")))
      yield* b.client().relays.remove(away.address.key)
      for (const { stored } of receipts) yield* stored
      assert.strictEqual(yield* pendingOf(b.client()), 0)
      // They were compared: what stands where at the second one is not noted, and nothing is wrong with that.
      yield* b.crash
      const { found, positions, relays } = yield* Effect.orDie(b.run(Sotto.verify()))
      assert.deepStrictEqual([found, positions, relays], [0, 21, 2])
    }))

  it.effect("does not count what a new relay will not take", () =>
    Effect.gen(function*() {
      const { a, world } = yield* start(1, "all")
      yield* a.client().push(new Uint8Array(3000))
      yield* push(a.client(), "small")
      yield* a.client().settled
      const small = yield* world.makeRelay({ settings: { limits: { envelopeBytesMax: 2000 } } })
      yield* a.client().relays.add(small.address, { token: null, retention: { _tag: "Durable" }, recovery: null })
      yield* World.until("it has the other", () => countOf(small) === 1)
      yield* World.settle
      assert.strictEqual(yield* pendingOf(a.client()), 1)
      yield* a.crash
      yield* a.openWith({ quorum: "all" })
      yield* a.client().pull
      assert.strictEqual(yield* pendingOf(a.client()), 1)
    }))

  it.effect("bounds what may wait: full is what too few relays have", () =>
    Effect.gen(function*() {
      const { a } = yield* start(2, 1)
      yield* a.cut
      yield* a.close
      yield* World.crowd(a, Limit.outboxEntriesMax)
      yield* a.openWith({ quorum: "all" })
      assert.strictEqual((yield* Effect.flip(push(a.client(), "x")))._tag, "OutboxFull")
      yield* a.close
      yield* a.openWith({ quorum: 1 })
      yield* push(a.client(), "the other relay has all of those")
    }))
})
