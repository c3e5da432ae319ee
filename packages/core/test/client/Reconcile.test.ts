import { assert, layer } from "@effect/vitest"
import type { Client } from "@sotto/core/Client"
import * as Ledger from "@sotto/core/log/Ledger"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import * as SpaceState from "@sotto/core/space/SpaceState"
import type { ClientEvent } from "@sotto/core/Status"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as RelayKit from "../kit/relayKit.ts"
import { push, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

const listen = Effect.fnUntraced(function*(client: Client["Service"]) {
  const events: Array<ClientEvent> = []
  yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => Effect.sync(() => events.push(event))))
  yield* World.settle
  return events
})

const comparisons = (events: ReadonlyArray<ClientEvent>) =>
  events.flatMap((event) => event._tag === "Reconciled" ? [[event.received, event.sent] as const] : [])

const write = (host: World.DeviceHost, text: string, count: number) =>
  Effect.forEach(Array.from({ length: count }, (_, i) => `${text} ${i}`), (value) => push(host.client(), value))

/** Two devices that know one relay, and a second relay that runs but that nobody knows yet. */
const two = Effect.gen(function*() {
  const world = yield* World.make
  const first = yield* world.makeRelay()
  const second = yield* world.makeRelay()
  const a = yield* World.found(world, "a", [first])
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  yield* a.client().settled
  yield* b.open
  yield* b.client().pull
  const all = [a, b]
  const settled = Effect.forEach(all, (host) => host.client().settled, { discard: true })
  return { world, first, second, a, b, settled }
})

const rowsAt = (relay: World.RelayHost): number => {
  let rows = 0
  for (const { rowByPosition } of relay.disk.routeByHex.values()) rows += rowByPosition.size
  return rows
}

/** What an administrator opens the route there with. */
const opening = (relay: World.RelayHost) =>
  [relay.address, { token: null, retention: { _tag: "Durable" }, recovery: null }] as const

layer(World.CryptoLive)("a device and a relay that differ", (it) => {
  it.effect("a device that comes to a relay with what it has already gets only the rest", () =>
    Effect.gen(function*() {
      const { a, b, second, settled } = yield* two
      yield* write(a, "old", 60)
      yield* settled
      yield* b.client().pull
      yield* a.client().relays.add(...opening(second))
      yield* a.client().settled
      yield* write(a, "both", 3)
      yield* a.client().settled
      // b has everything from the first relay; the second one is new to it.
      const events = yield* listen(b.client())
      yield* b.client().pull
      yield* b.client().relays.add(second.address)
      yield* b.client().settled
      yield* b.client().pull
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
      assert.deepStrictEqual(events.filter(({ _tag }) => _tag === "NotReconciled"), [])
      // No page of the second relay's log was read.
      const within = Ledger.withinRelay(Ledger.RelayNumber.make(2))
      assert.deepStrictEqual(yield* Ledger.placed.scan(b.store, { within, limit: 10 }), [])
      const [relay] = (yield* b.client().status.current).relays.filter(({ url }) => url === second.url)
      assert.deepStrictEqual([relay?.pending, relay?.received], [0, relay?.head])
    }))

  it.effect("an entry that only one relay has comes to the other by a device that has both", () =>
    Effect.gen(function*() {
      const { a, b, first, second } = yield* two
      yield* a.client().relays.add(...opening(second))
      yield* b.client().relays.add(second.address)
      yield* write(a, "both", 20)
      yield* a.client().settled
      yield* b.client().settled
      // What the second relay loses of its disk, without knowing: it holds it for a log that ended earlier.
      const yesterday = second.snapshot()
      yield* write(a, "later", 5)
      yield* a.client().settled
      yield* b.client().pull
      yield* second.stop
      second.restore(yesterday)
      yield* second.start
      const events = yield* listen(b.client())
      yield* b.client().relays.trustAgain(second.address.key)
      yield* b.client().settled
      yield* World.untilEffect(
        "the relay has everything again",
        Effect.sync(() => rowsAt(second) === rowsAt(first))
      )
      assert.isTrue(comparisons(events).some(([, sent]) => sent >= 5), JSON.stringify(comparisons(events)))
    }))

  it.effect("the app asks, and hears what it moved", () =>
    Effect.gen(function*() {
      const { a, b, first } = yield* two
      yield* write(a, "kept", 30)
      yield* a.client().settled
      assert.deepStrictEqual(yield* a.client().reconcile, [{ relay: first.address.key, received: 0, sent: 0 }])
      yield* b.client().pull
      yield* first.stop
      const [failed] = yield* b.client().reconcile
      assert.property(failed, "failure")
    }))

  it.effect("now and then a device compares by itself", () =>
    Effect.gen(function*() {
      const { a, b, second, settled } = yield* two
      yield* write(a, "x", 5)
      yield* settled
      yield* b.client().relays.add(second.address)
      yield* a.client().relays.add(...opening(second))
      yield* a.client().settled
      yield* TestClock.adjust(Limit.reconnectMillisMax * 2)
      yield* b.client().settled
      yield* TestClock.adjust(Limit.reconcileFirstMillis * 3)
      yield* b.client().pull
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
      assert.deepStrictEqual(yield* b.client().evidence, [])
    }))

  it.effect("a relay that hides ids while it compares is read place by place, and nothing stays hidden", () =>
    Effect.gen(function*() {
      const { a, b, settled, world } = yield* two
      yield* write(a, "shared", 40)
      yield* settled
      yield* b.client().pull
      const honest = MemoryRelayStore.make(world.crypto, MemoryRelayStore.makeDisk())
      let hides = false
      const lying = RelayStore.of({
        ...honest,
        ids: (page) =>
          Effect.map(
            honest.ids(page),
            (found) => hides ? { ...found, ids: found.ids.filter(({ position }) => position % 5 !== 0) } : found
          )
      })
      const liar = yield* world.makeRelay({ store: lying })
      // a tells the liar alone what b is to miss.
      yield* a.client().relays.add(...opening(liar))
      yield* a.client().settled
      yield* b.cut
      yield* write(a, "only there", 10)
      yield* a.client().settled
      hides = true
      yield* b.client().relays.add(liar.address)
      yield* b.heal
      yield* b.client().wake
      yield* b.client().pull
      assert.deepStrictEqual(yield* sorted(b.client()), yield* sorted(a.client()))
      const [relay] = (yield* b.client().status.current).relays.filter(({ url }) => url === liar.url)
      assert.deepStrictEqual([relay?.phase, relay?.received], ["live", relay?.head])
      // It was read: its places are known.
      const within = Ledger.withinRelay(Ledger.RelayNumber.make(2))
      assert.isAbove((yield* Ledger.placed.scan(b.store, { within, limit: 10 })).length, 0)
    }))

  it.effect("what was refused here is not asked for again", () =>
    Effect.gen(function*() {
      const { a, b, first, world } = yield* two
      yield* write(a, "x", 20)
      yield* a.client().settled
      yield* b.client().pull
      const { crypto } = world
      const state = yield* a.client().state
      const client = yield* RelayKit.connect(first.relay())
      const epoch = SpaceState.currentEpoch(state)
      const own = RelayKit.epochKeys(crypto)
      const keys = { ...own, pairs: { ...own.pairs, write: epoch.writeCapability(first.address.key) } }
      const { handle } = yield* RelayKit.attach(client, state.keys.routeId(first.address.key), keys, ["write"])
      // What nobody can open, from somebody who may write.
      yield* RelayKit.push(client, handle, [RelayKit.envelope(crypto), RelayKit.envelope(crypto)])
      yield* b.client().pull
      const refused = yield* b.client().quarantine
      assert.deepStrictEqual(refused.map(({ waiting }) => waiting), [false, false])
      const before = rowsAt(first)
      assert.deepStrictEqual(yield* b.client().reconcile, [{ relay: first.address.key, received: 0, sent: 0 }])
      assert.deepStrictEqual([yield* b.client().quarantine, rowsAt(first)], [refused, before])
    }))
})
