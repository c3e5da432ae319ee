/** How connections and relays end, what bad bytes do, and what is left afterwards: nothing (protocol.md §6). */
import { assert, layer } from "@effect/vitest"
import * as Channel from "@sotto/core/channel/Channel"
import * as Connection from "@sotto/core/channel/Connection"
import { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import * as Relay from "@sotto/core/relay/Relay"
import { type RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { type ClientFrame, clientFrameCodec, PLANE } from "@sotto/schema/Frame"
import { MailboxId } from "@sotto/schema/Id"
import { MailboxSide } from "@sotto/schema/Relay"
import { InvalidMessage, ShuttingDown } from "@sotto/schema/RelayError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Inspectable from "effect/Inspectable"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Reconciling from "../kit/reconcileKit.ts"
import * as Kit from "../kit/relayKit.ts"

const IDLE = {
  connections: 0,
  unauthenticated: 0,
  routes: 0,
  handles: 0,
  subscriptions: 0,
  pushesInFlight: 0,
  outboundBytes: 0,
  reconcileSetBytes: 0,
  draining: false
}

const start = Effect.fnUntraced(function*(options?: Parameters<typeof Kit.makeRelay>[0]) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay(options)
  const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
  const owner = yield* Kit.member(relay, route, keys)
  return { crypto, relay, store, route, keys, owner }
})

/** A store whose appends wait for the latch. */
const gated = (gate: Latch.Latch) => (store: RelayStore["Service"]): RelayStore["Service"] => ({
  ...store,
  append: (append) => Effect.andThen(gate.await, store.append(append))
})

layer(Kit.CryptoLive)("bad bytes", (it) => {
  it.effect("after the handshake end that connection with InvalidMessage, and no other", () =>
    Effect.gen(function*() {
      const { crypto, keys, owner, relay, route } = yield* start({
        settings: { limits: { connectsPerMinute: 10_000, unauthenticatedPerAddressMax: 1000 } }
      })
      const frames: ReadonlyArray<ClientFrame> = [
        { _tag: "Push", handle: 1, request: 1, envelopes: [Kit.envelope(crypto)] },
        { _tag: "Subscribe", handle: 1, request: 1, after: Kit.position(0), lanes: [], creditBytes: 1 },
        { _tag: "Ping", request: 1 }
      ]
      const message = fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 60 }).map((tail) => Bytes.concat(Uint8Array.of(PLANE.data), tail)),
        fc.uint8Array({ maxLength: 60 }).map((tail) => Bytes.concat(Uint8Array.of(PLANE.control), tail)),
        fc.record({
          frame: fc.constantFrom(...frames),
          at: fc.nat(),
          bit: fc.nat({ max: 7 }),
          cut: fc.boolean()
        }).map(({ at, bit, cut, frame }) => {
          const bytes = clientFrameCodec.encodeAfter(1, frame)
          bytes[0] = PLANE.data
          const index = at % bytes.length
          bytes[index] = (bytes[index] ?? 0) ^ (1 << bit)
          return cut ? bytes.slice(0, index) : bytes
        })
      )
      for (const bytes of fc.sample(message, { numRuns: 150, seed: 7 })) {
        yield* Effect.scoped(Effect.gen(function*() {
          const [near, far] = yield* Connection.pair
          const serving = yield* Effect.forkScoped(Effect.exit(relay.serve(far)))
          const channel = yield* Channel.connect(near, {
            address: { url: "ws://relay/", key: relay.relayKey },
            known: relay.keys
          })
          yield* channel.send(bytes)
          yield* Effect.ignore(channel.send(Uint8Array.of(9)))
          assert.isTrue(Exit.isSuccess(yield* Fiber.join(serving)))
        }))
      }
      const client = yield* Kit.connect(relay)
      yield* client.data.send(Uint8Array.of(0, 0xc1))
      assert.instanceOf(yield* client.refused, InvalidMessage)
      yield* Kit.push(owner.client, owner.handle, [Kit.envelope(crypto)])
      const { handle } = yield* Kit.attach(yield* Kit.connect(relay), route, keys)
      assert.strictEqual(handle, 1)
    }))

  it.effect("before the handshake end the connection without an answer", () =>
    Effect.gen(function*() {
      const { relay } = yield* start()
      const [near, far] = yield* Connection.pair
      const serving = yield* Effect.forkChild(relay.serve(far))
      yield* near.send(new Uint8Array(5000))
      yield* Fiber.join(serving)
      const [, silent] = yield* Connection.pair
      const waiting = yield* Effect.forkChild(relay.serve(silent))
      yield* TestClock.adjust(30_000)
      yield* Fiber.join(waiting)
      assert.deepInclude(yield* relay.stats, { connections: 1, unauthenticated: 0 })
    }))

  it.effect("envelopes of a wrong kind, version or size end the connection that pushed them", () =>
    Effect.gen(function*() {
      const { crypto, keys, relay, route, store } = yield* start()
      const good = Kit.envelope(crypto)
      const altered = (index: number, value: number) => {
        const bytes = good.slice()
        bytes[index] = value
        return bytes
      }
      const wrong = [
        altered(0, 2),
        altered(1, 3),
        altered(3, 1),
        Kit.envelope(crypto, { kind: 3 }),
        Kit.envelope(crypto, { kind: 4 }),
        good.slice(0, 100),
        new Uint8Array(0)
      ]
      for (const bytes of wrong) {
        const client = yield* Kit.connect(relay)
        const { handle } = yield* Kit.attach(client, route, keys)
        yield* client.send({ _tag: "Push", handle, request: 1, envelopes: [good, bytes] })
        assert.instanceOf(yield* client.refused, InvalidMessage)
        yield* client.ended
      }
      assert.strictEqual((yield* store.totals).envelopes, 0)
    }))
})

layer(Kit.CryptoLive)("ends", (it) => {
  it.effect("of connections leave nothing behind", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const gate = Latch.makeUnsafe(true)
      const { relay } = yield* Kit.makeRelay({ store: gated(gate) })
      const keys = Kit.epochKeys(crypto)
      yield* Effect.scoped(Effect.gen(function*() {
        const members = yield* Effect.forEach([1, 2, 3], () => Kit.member(relay, Kit.route(crypto), keys))
        for (const { client, handle } of members) yield* Kit.subscribe(client, handle)
        yield* Kit.connect(relay)
        yield* gate.close
        for (const { client, handle } of members) {
          yield* client.send({ _tag: "Push", handle, request: 1, envelopes: [Kit.envelope(crypto)] })
        }
        yield* Kit.settle
        assert.deepStrictEqual(yield* relay.stats, {
          ...IDLE,
          connections: 4,
          unauthenticated: 1,
          routes: 3,
          handles: 3,
          subscriptions: 3,
          pushesInFlight: 3
        })
      }))
      yield* Kit.settle
      assert.deepStrictEqual(yield* relay.stats, { ...IDLE, routes: 3, pushesInFlight: 3 })
      yield* gate.open
      yield* Kit.settle
      assert.deepStrictEqual(yield* relay.stats, IDLE)
    }))

  it.effect("a push on its way from a connection that is gone still reaches the others", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(false)
      const { crypto, keys, owner, relay, route } = yield* start({ store: gated(gate) })
      yield* owner.client.send({ _tag: "Push", handle: owner.handle, request: 1, envelopes: [Kit.envelope(crypto)] })
      yield* Kit.settle
      yield* owner.client.close
      yield* owner.client.ended
      const reader = yield* Kit.connect(relay)
      const { handle } = yield* Kit.attach(reader, route, keys)
      yield* Kit.subscribe(reader, handle)
      assert.strictEqual((yield* reader.take("Deliver")).placed.length, 0)
      yield* gate.open
      assert.strictEqual((yield* Kit.receive(reader, 1)).length, 1)
    }))

  it.effect("a drain refuses what is new, answers what it took, and then lets everybody go", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(false)
      const { crypto, keys, owner: { client, handle }, relay, route } = yield* start({ store: gated(gate) })
      yield* client.send({ _tag: "Push", handle, request: 1, envelopes: [Kit.envelope(crypto)] })
      yield* Kit.settle
      const draining = yield* Effect.forkChild(relay.drain)
      assert.strictEqual((yield* client.take("GoAway")).retryAfterMillis, 5000)
      yield* client.send({ _tag: "Push", handle, request: 2, envelopes: [Kit.envelope(crypto)] })
      assert.instanceOf(yield* client.refused, ShuttingDown)
      assert.instanceOf(yield* relay.refusal("x"), ShuttingDown)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Kit.connect(relay))))
      assert.strictEqual((yield* Kit.attach(client, route, keys)).epoch, 1)
      assert.strictEqual((yield* Effect.flip(Kit.open(client, Kit.route(crypto), keys)))._tag, "ShuttingDown")
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* relay.stats, { draining: true, connections: 1, pushesInFlight: 1 })
      yield* gate.open
      assert.deepStrictEqual((yield* client.take("Pushed")).positions.map(Number), [1])
      yield* TestClock.adjust(100)
      yield* Fiber.join(draining)
      yield* client.ended
      assert.deepStrictEqual(yield* relay.stats, { ...IDLE, draining: true })
      yield* relay.drain
    }))

  it.effect("a drain does not wait for ever, neither for storage nor for who does not read", () =>
    Effect.gen(function*() {
      const { crypto, owner: { client, handle }, relay } = yield* start({ store: gated(Latch.makeUnsafe(false)) })
      yield* client.send({ _tag: "Push", handle, request: 1, envelopes: [Kit.envelope(crypto)] })
      yield* Kit.settle
      yield* client.stall
      const draining = yield* Effect.forkChild(relay.drain)
      yield* TestClock.adjust(30_000)
      yield* Fiber.join(draining)
      yield* client.ended
      assert.strictEqual((yield* relay.stats).connections, 0)
    }))

  it.effect("calls work after hours without one, and one that waits is not put away", () =>
    Effect.gen(function*() {
      const { crypto, keys, owner: { client }, relay, route } = yield* start()
      const id = MailboxId.make(crypto.random(16))
      yield* client.calls.MailboxCreate({ id, side: MailboxSide.make(crypto.random(16)), ttlMillis: 3_600_000 })
      const waiting = yield* Effect.forkChild(client.calls.MailboxReceive({ id, after: 0, waitMillis: 60_000 }))
      yield* Kit.settle
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(yield* Fiber.join(waiting), { messages: [] })
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust(7_200_000)
        yield* Kit.settle
        const calls = [Kit.attach(client, route, keys), Kit.attach(client, route, keys)]
        const attached = yield* Effect.all(calls, { concurrency: 2 })
        assert.strictEqual(attached.length, 2)
      }
      assert.deepInclude(yield* relay.stats, { connections: 1, handles: 1 })
    }))

  it.effect("a relay's scope ends all it serves", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Relay.layer().pipe(Layer.provide([MemoryRelayStore.layer(), Hints.layerLocal])),
        scope
      )
      const relay = Context.get(context, Relay.Relay)
      const { client } = yield* Kit.member(relay, Kit.route(crypto), Kit.epochKeys(crypto))
      yield* Scope.close(scope, Exit.void)
      yield* client.ended
    }))
})

layer(Kit.CryptoLive)("trouble", (it) => {
  it.effect("in storage is Overloaded for clients, and goes by", () =>
    Effect.gen(function*() {
      let broken = false
      const failed = new RelayStoreFailed({ reason: "full", operation: "append", detail: "disk" })
      const guard = <A, E>(use: Effect.Effect<A, E>): Effect.Effect<A, E | RelayStoreFailed> =>
        Effect.suspend((): Effect.Effect<A, E | RelayStoreFailed> => broken ? Effect.fail(failed) : use)
      const { crypto, keys, owner: { client, handle }, relay, route } = yield* start({
        store: (store) => ({
          ...store,
          append: (append) => guard(store.append(append)),
          read: (page) => guard(store.read(page)),
          route: (id) => guard(store.route(id)),
          sweep: (sweep) => guard(store.sweep(sweep))
        })
      })
      const envelope = Kit.envelope(crypto)
      yield* Kit.push(client, handle, [envelope])
      broken = true
      yield* client.send({ _tag: "Push", handle, request: 2, envelopes: [envelope] })
      assert.deepInclude(yield* client.refused, { _tag: "Overloaded", retryAfterMillis: 2000 })
      yield* client.send({ _tag: "Pull", handle, request: 3, after: Kit.position(0), limit: 1 })
      assert.strictEqual((yield* client.refused)._tag, "Overloaded")
      yield* Kit.subscribe(client, handle, { request: 4 })
      const refused = yield* client.take("Refused")
      assert.deepInclude(refused, { request: 4, handle })
      assert.strictEqual((yield* Effect.flip(Kit.attach(client, route, keys)))._tag, "Overloaded")
      yield* relay.sweep
      broken = false
      assert.deepStrictEqual((yield* Kit.push(client, handle, [envelope])).positions.map(Number), [1])
      yield* Kit.subscribe(client, handle)
      assert.strictEqual((yield* Kit.receive(client, 1)).length, 1)
    }))

  it.effect("of one subscriber is not that of others", () =>
    Effect.gen(function*() {
      const { crypto, keys, owner, relay, route } = yield* start({ settings: { limits: { outboundBytesMax: 50_000 } } })
      const slow = yield* Kit.connect(relay), quick = yield* Kit.connect(relay)
      const stuck = yield* Kit.attach(slow, route, keys)
      const moving = yield* Kit.attach(quick, route, keys)
      yield* slow.stall
      yield* Kit.subscribe(slow, stuck.handle, { creditBytes: 2 ** 31 })
      yield* Kit.subscribe(quick, moving.handle, { creditBytes: 2 ** 31 })
      for (let i = 0; i < 60; i++) {
        yield* Kit.push(owner.client, owner.handle, [Kit.envelope(crypto, { bytes: 100_000 })], i)
        yield* Kit.receive(quick, 1)
      }
      assert.isBelow((yield* relay.stats).outboundBytes, 2_000_000)
    }))

  it.effect("with the identity in storage stops the start: it is not replaced", () =>
    Effect.gen(function*() {
      const { relay, store } = yield* start()
      const [, again] = [relay, yield* Kit.makeRelay({ store: () => store })]
      assert.deepStrictEqual(again.relay.relayKey, relay.relayKey)
      const spoilt: RelayStore["Service"] = {
        ...store,
        secret: { ...store.secret, get: () => Effect.succeed(Uint8Array.of(1, 2, 3)) }
      }
      const failure = yield* Effect.flip(Kit.makeRelay({ store: () => spoilt }))
      assert.instanceOf(failure, Relay.RelayIdentityUnreadable)
    }))
})

layer(Kit.CryptoLive)("what an operator sees", (it) => {
  it.effect("names no route, device, key, tag or address: neither logs nor metrics", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const collect = Logger.make((entry) => {
        lines.push(Inspectable.toStringUnknown({ ...entry, fiber: undefined, cause: String(entry.cause) }))
      })
      const address = "203.0.113.77"
      yield* Effect.scoped(Effect.gen(function*() {
        const { crypto, keys, owner: { client, handle }, relay, route } = yield* start()
        const other = yield* Kit.connect(relay, { address })
        const tag = Kit.tag(crypto)
        yield* Effect.ignore(Kit.attach(other, route, Kit.epochKeys(crypto)))
        const envelope = Kit.envelope(crypto)
        yield* Kit.push(client, handle, [envelope])
        yield* client.calls.Ack({ handle, tag, position: Kit.position(1) })
        yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []))
        yield* other.data.send(Uint8Array.of(0, 0xc1))
        yield* other.ended
        yield* relay.sweep
        const draining = yield* Effect.forkChild(relay.drain)
        yield* TestClock.adjust(10_000)
        yield* Fiber.join(draining)
        const secrets = [route, keys.keys.read, tag, Kit.idOf(crypto, envelope), Reconciling.KEY.key].map(Bytes.toHex)
        const snapshot = Inspectable.toStringUnknown(Metric.snapshotUnsafe(yield* Effect.context()))
        assert.isAbove(lines.length, 3, lines.join("\n"))
        assert.include(snapshot, "sotto_relay_append_total")
        assert.include(snapshot, "sotto_relay_reconcile_total")
        for (const text of [...lines, snapshot]) {
          assert.notInclude(text, address)
          for (const secret of secrets) assert.notInclude(text.toLowerCase(), secret.slice(0, 12))
          assert.notMatch(text, /\b\d{1,3}(,\s*\d{1,3}){15}/, "bytes as a list of numbers")
        }
      })).pipe(
        Effect.provide(Logger.layer([collect])),
        Effect.provideService(References.MinimumLogLevel, "All"),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    }))
})
