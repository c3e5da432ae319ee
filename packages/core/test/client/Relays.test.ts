import { assert, layer } from "@effect/vitest"
import type { Client } from "@sotto/core/Client"
import * as Ledger from "@sotto/core/log/Ledger"
import type { ClientEvent } from "@sotto/core/Status"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { entries, gapsOf, positionsOf, push, sorted, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** Everything that a client tells from now on. */
const listen = Effect.fnUntraced(function*(client: Client["Service"]) {
  const events: Array<ClientEvent> = []
  yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => events.push(event))))
  yield* World.settle
  return events
})

const tagsOf = (events: ReadonlyArray<ClientEvent>) => events.map(({ _tag }) => _tag)

/** Waits until the device noticed that its relay is gone, then has it try again at once. */
const again = Effect.fnUntraced(function*({ client }: World.DeviceHost) {
  yield* World.untilEffect(
    "it is noticed",
    Effect.map(client().status.current, ({ relays }) => relays.every(({ phase }) => phase === "waiting"))
  )
  yield* client().wake
})

const pair = Effect.fnUntraced(function*(relays = 1) {
  const world = yield* World.make
  const hosts: Array<World.RelayHost> = []
  for (let i = 0; i < relays; i++) hosts.push(yield* world.makeRelay())
  const a = yield* World.found(world, "a", hosts)
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  yield* a.client().settled
  yield* b.open
  yield* b.client().pull
  return { world, hosts, a, b }
})

const first = (hosts: ReadonlyArray<World.RelayHost>): World.RelayHost => {
  const [host] = hosts
  if (host === undefined) throw new Error("a world without a relay")
  return host
}

const second = (hosts: ReadonlyArray<World.RelayHost>): World.RelayHost => first(hosts.slice(1))

layer(World.CryptoLive)("a relay", (it) => {
  it.effect("that restarts over its storage is gone on with where it was left", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair()
      const relay = first(hosts)
      yield* push(a.client(), "before")
      yield* a.client().settled
      yield* relay.stop
      yield* push(a.client(), "while it is gone")
      yield* World.untilEffect(
        "both notice",
        Effect.map(Effect.all([a.client().status.current, b.client().status.current]), (all) =>
          all.every(({ _tag }) => _tag === "Offline"))
      )
      yield* relay.start
      yield* TestClock.adjust(Limit.reconnectMillisMin + Limit.reconnectJitterMillis)
      yield* a.client().settled
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["before", "while it is gone"])
      assert.deepStrictEqual(yield* b.client().evidence, [])
    }))

  it.effect("that went back to an older state is caught, stays away, and is taken back only on request", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* pair()
      const relay = first(hosts)
      const yesterday = relay.snapshot()
      yield* push(a.client(), "today")
      yield* a.client().settled
      const events = yield* listen(a.client())
      yield* relay.stop
      relay.restore(yesterday)
      yield* relay.start
      yield* again(a)
      yield* World.until("it is caught", () => tagsOf(events).includes("Misbehaved"))
      const status = yield* a.client().status.current
      assert.strictEqual(status._tag, "Failed")
      assert.deepInclude(status.relays[0], { phase: "stopped" })
      const [evidence] = yield* a.client().evidence
      assert.strictEqual(evidence?.evidence.reason, "regress")
      assert.strictEqual(evidence?.evidence.heads.length, 2)
      const dials = a.dials()
      yield* TestClock.adjust("1 hour")
      yield* World.settle
      assert.strictEqual(a.dials(), dials)
      // It stays so after a restart.
      yield* a.crash
      const reopened = yield* a.open
      yield* World.settle
      assert.strictEqual((yield* reopened.status.current)._tag, "Failed")
      assert.strictEqual(a.dials(), dials)
      assert.isNotNull((yield* reopened.relays.list)[0]?.misbehaved)
      // The user knows that it was restored from a backup.
      yield* reopened.relays.trustAgain(relay.address.key)
      yield* reopened.settled
      assert.deepStrictEqual(yield* values(reopened), ["today"])
      assert.deepStrictEqual(positionsOf(yield* entries(reopened)), [1, 2])
      assert.strictEqual((yield* reopened.evidence).length, 1)
      assert.isNull((yield* reopened.relays.list)[0]?.misbehaved)
    }))

  it.effect("that shows two histories to two members is caught by what one tells the other", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair()
      const relay = first(hosts)
      yield* a.cut
      const common = relay.snapshot()
      yield* push(b.client(), "only b saw this")
      yield* b.client().settled
      yield* b.cut
      // For a, that never was: something else stands at its place.
      const hidden = relay.snapshot()
      yield* relay.stop
      relay.restore(common)
      yield* relay.start
      yield* a.heal
      yield* a.client().wake
      yield* push(a.client(), "only a saw this")
      yield* a.client().settled
      assert.deepStrictEqual(yield* a.client().evidence, [])
      // What b wrote comes to a after all, at another place, and so does its next entry, which tells what b saw.
      yield* TestClock.adjust("2 seconds")
      yield* push(b.client(), "and b tells")
      yield* World.inject(relay, hidden, b)
      yield* World.untilEffect(
        "it is caught",
        Effect.map(a.client().status.current, ({ relays }) => relays[0]?.phase === "stopped")
      )
      const [caught] = yield* a.client().evidence
      assert.strictEqual(caught?.evidence.reason, "chain")
      assert.deepStrictEqual(yield* sorted(a.client()), ["and b tells", "only a saw this", "only b saw this"])
    }))

  it.effect("that is asked for by the app and does not answer is left at once", () =>
    Effect.gen(function*() {
      const { a } = yield* pair()
      yield* a.freeze
      yield* a.client().wake
      yield* TestClock.adjust(Limit.handshakeStepMillis)
      yield* World.untilEffect(
        "it is noticed",
        Effect.map(a.client().status.current, ({ relays }) => relays[0]?.failure?.tag === "RelaySilent")
      )
    }))

  it.effect("that is taken up anew leaves nothing of its former log behind", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* pair()
      for (const text of ["1", "2", "3"]) yield* push(a.client(), text)
      yield* a.client().settled
      const placed = Effect.map(Ledger.placed.scan(a.store, { limit: 100 }), (rows) => rows.map(({ key }) => key.relay))
      assert.deepStrictEqual(new Set(yield* placed), new Set([Ledger.RelayNumber.make(1)]))
      yield* a.client().relays.trustAgain(first(hosts).address.key)
      yield* a.client().settled
      yield* World.untilEffect("it is swept", Effect.map(placed, (numbers) => numbers.every((number) => number === 2)))
      assert.deepStrictEqual(positionsOf(yield* entries(a.client())), [1, 2, 3, 4])
    }))

  it.effect("that lost its routes is told of, and filled again from what its devices have", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair()
      const relay = first(hosts)
      yield* push(a.client(), "from a")
      yield* push(b.client(), "from b")
      yield* Effect.all([a.client().settled, b.client().settled])
      yield* a.client().pull
      const events = yield* listen(a.client())
      yield* relay.stop
      relay.wipe()
      yield* relay.start
      yield* push(a.client(), "after")
      yield* again(a)
      yield* a.client().settled
      const resets = events.flatMap((event): ReadonlyArray<number> =>
        event._tag === "RelayReset" ? [event.lastPosition] : []
      )
      assert.deepStrictEqual(resets, [3])
      yield* again(b)
      yield* b.client().settled
      yield* a.client().pull
      assert.deepStrictEqual(yield* sorted(a.client()), ["after", "from a", "from b"])
      assert.deepStrictEqual(yield* sorted(b.client()), ["after", "from a", "from b"])
      const state = [...relay.disk.routeByHex.values()][0]?.state
      assert.strictEqual(state?.position, 4)
      assert.deepStrictEqual(yield* a.client().evidence, [])
      assert.sameMembers([...positionsOf(yield* entries(b.client()))], [1, 2, 3, 4])
    }))

  it.effect("that delivers something else than it signed is caught", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair()
      const relay = first(hosts)
      yield* b.cut
      yield* push(a.client(), "one")
      yield* push(a.client(), "two")
      yield* a.client().settled
      // It hands b another envelope at the place of the first one.
      for (const route of relay.disk.routeByHex.values()) {
        const row = route.rowByPosition.get(2)
        const other = route.rowByPosition.get(1)
        if (row !== undefined && other !== undefined) route.rowByPosition.set(2, { ...row, bytes: other.bytes })
      }
      yield* b.heal
      yield* b.client().wake
      yield* World.untilEffect(
        "it is caught",
        Effect.map(b.client().status.current, ({ _tag }) => _tag === "Failed")
      )
      const [caught] = yield* b.client().evidence
      assert.strictEqual(caught?.evidence.reason, "chain")
      assert.strictEqual(caught?.evidence.own?.position, 3)
    }))

  it.effect("that no longer keeps what a device missed leaves a gap, which is told, and what comes after is taken", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* world.makeDevice("a")
      yield* World.create(a, "a", [relay], { retention: { _tag: "Transit", ttl: { _tag: "Millis", millis: 60_000 } } })
      yield* a.open
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* b.open
      yield* b.client().pull
      yield* b.cut
      for (const text of ["1", "2", "3"]) yield* push(a.client(), text)
      yield* a.client().settled
      yield* TestClock.adjust("2 minutes")
      yield* relay.relay().sweep
      yield* push(a.client(), "4")
      yield* a.client().settled
      const events = yield* listen(b.client())
      yield* b.heal
      yield* b.client().wake
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["4"])
      assert.deepStrictEqual(gapsOf(events), [[2, 4, true]])
      // Whoever was not there to hear of it, since the device was stopped just then, is told as well.
      const gapped = yield* Effect.forEach([a, b], (one) => one.client().relays.list)
      assert.deepStrictEqual(gapped.flat().map((one) => one.gapped), [false, true])
      assert.deepStrictEqual(yield* b.client().evidence, [])
      yield* push(a.client(), "5")
      yield* a.client().settled
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["4", "5"])
      assert.strictEqual((yield* b.client().status.current).quarantined, 0)
    }))

  it.effect("that is full keeps nothing back here, says so, and is tried again", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay({ settings: { limits: { routeBytesMax: 3000 } } })
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.client().push(new Uint8Array(2000))
      yield* a.client().settled
      yield* a.client().push(new Uint8Array(2000))
      yield* World.untilEffect(
        "it is refused",
        Effect.map(a.client().status.current, ({ relays }) => relays[0]?.failure?.tag === "QuotaExceeded")
      )
      const status = yield* a.client().status.current
      assert.deepInclude(status, { _tag: "Failed", pending: 1 })
      for (const route of relay.disk.routeByHex.values()) route.state = { ...route.state, quotaBytes: 1_000_000 }
      yield* TestClock.adjust(Limit.reconnectMillisMax)
      yield* a.client().settled
      assert.strictEqual((yield* a.client().status.current)._tag, "Synced")
    }))

  it.effect("that asks for patience is not asked again before", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay({ settings: { limits: { messagesPerSecond: 1, messagesBurst: 6 } } })
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* Effect.forEach(["1", "2", "3", "4", "5", "6", "7", "8"], (text) =>
        Effect.andThen(push(a.client(), text), World.settle))
      assert.isAbove((yield* a.client().status.current).pending, 0)
      yield* TestClock.adjust("20 seconds")
      yield* World.untilEffect(
        "all is sent",
        Effect.map(a.client().status.current, ({ pending }) =>
          pending === 0)
      )
      assert.strictEqual(a.dials(), 1)
      assert.strictEqual([...relay.disk.routeByHex.values()][0]?.state.position, 8)
    }))

  it.effect("that says nothing any more on an open connection is left for a new one", () =>
    Effect.gen(function*() {
      const { a } = yield* pair()
      const events = yield* listen(a.client())
      const dials = a.dials()
      yield* a.freeze
      yield* TestClock.adjust(Limit.keepAliveMillis * 2 + Limit.handshakeStepMillis)
      yield* World.until("it is noticed", () => tagsOf(events).includes("Disconnected"))
      assert.deepInclude(events.find(({ _tag }) => _tag === "Disconnected"), {
        failure: {
          tag: "RelaySilent",
          retrying: true,
          message: events.flatMap((event) => event._tag === "Disconnected" ? [event.failure.message] : [])[0] ?? ""
        }
      })
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      assert.isAbove(a.dials(), dials)
    }))

  it.effect("that goes down in order is not asked before it said", () =>
    Effect.gen(function*() {
      const { a, hosts } = yield* pair()
      const relay = first(hosts)
      const dials = a.dials()
      yield* Effect.forkChild(relay.relay().drain)
      yield* World.untilEffect(
        "the device leaves",
        Effect.map(a.client().status.current, ({ relays }) => relays[0]?.phase === "waiting")
      )
      assert.strictEqual((yield* a.client().status.current).relays[0]?.failure?.tag, "ShuttingDown")
      yield* TestClock.adjust(Limit.goAwayMillis - 1)
      assert.strictEqual(a.dials(), dials)
      yield* relay.stop
      yield* relay.start
      yield* TestClock.adjust(Limit.reconnectJitterMillis + 1)
      yield* a.client().settled
    }))
})

layer(World.CryptoLive)("two relays", (it) => {
  it.effect("both get everything, each with its own places", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair(2)
      yield* push(a.client(), "x")
      yield* push(b.client(), "y")
      yield* Effect.all([a.client().settled, b.client().settled])
      yield* World.until("both relays have all", () =>
        hosts.every(({ disk }) => [...disk.routeByHex.values()][0]?.state.position === 3))
      yield* a.client().pull
      yield* b.client().pull
      for (const { address: { key } } of hosts) {
        const log = yield* b.client().log({ relay: key })
        assert.deepStrictEqual(positionsOf(log), [1, 2, 3])
        assert.isTrue(log.every(({ position }) =>
          position?.relay.every((byte, at) => byte === key[at]) === true
        ))
      }
      assert.deepStrictEqual(yield* sorted(b.client()), ["x", "y"])
    }))

  it.effect("one is enough", () =>
    Effect.gen(function*() {
      const { a, b, hosts } = yield* pair(2)
      yield* first(hosts).stop
      const receipt = yield* push(a.client(), "x")
      const { relay } = yield* receipt.stored
      assert.deepStrictEqual(relay, second(hosts).address.key)
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["x"])
      const status = yield* a.client().status.current
      assert.strictEqual(status._tag, "Synced")
      assert.sameMembers(status.relays.map(({ pending }) => pending), [0, 1])
      yield* first(hosts).start
      yield* TestClock.adjust(Limit.reconnectMillisMin + Limit.reconnectJitterMillis)
      yield* World.until("the other catches up", () =>
        [...first(hosts).disk.routeByHex.values()][0]?.state.position === 2)
    }))

  it.effect("one that is added later is sent everything, one that is removed is forgotten", () =>
    Effect.gen(function*() {
      const { a, b, hosts, world } = yield* pair()
      yield* push(a.client(), "x")
      yield* push(b.client(), "y")
      yield* Effect.all([a.client().settled, b.client().settled])
      yield* a.client().pull
      const later = yield* world.makeRelay()
      yield* a.client().relays.add(later.address, {
        token: null,
        retention: { _tag: "Durable" },
        recovery: null
      })
      yield* World.until("it has all", () => [...later.disk.routeByHex.values()][0]?.state.position === 3)
      yield* a.client().relays.remove(first(hosts).address.key)
      assert.strictEqual((yield* Effect.flip(a.client().relays.remove(first(hosts).address.key)))._tag, "UnknownRelay")
      yield* push(a.client(), "z")
      yield* a.client().settled
      assert.deepStrictEqual((yield* a.client().relays.list).map(({ address }) => address), [later.address])
      assert.strictEqual([...first(hosts).disk.routeByHex.values()][0]?.state.position, 3)
      yield* b.client().relays.add(later.address)
      yield* b.client().pull
      assert.deepStrictEqual(yield* sorted(b.client()), ["x", "y", "z"])
      yield* a.crash
      const reopened = yield* a.open
      yield* reopened.settled
      assert.deepStrictEqual(yield* sorted(reopened), ["x", "y", "z"])
    }))
})
