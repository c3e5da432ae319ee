/** Who may not reconcile, what is refused, and what ends: nothing that a client does leaves anything behind. */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import * as Reconciling from "../kit/reconcileKit.ts"
import * as Kit from "../kit/relayKit.ts"

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const start = Effect.fnUntraced(function*(options?: Parameters<typeof Kit.makeRelay>[0]) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay(options)
  const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
  const { client, handle } = yield* Kit.member(relay, route, keys, { retention: { _tag: "Vault" } })
  const envelopes = range(1, 5).map(() => Kit.envelope(crypto))
  yield* Kit.push(client, handle, envelopes)
  const side = Reconciling.side(crypto, envelopes)
  return { crypto, relay, store, route, keys, client, handle, envelopes, side }
})

/** A store of which some reads wait for a latch. */
const gated = (gate: Latch.Latch, seen: { ids: number; pages: number }) =>
(
  store: RelayStore["Service"]
): RelayStore["Service"] => ({
  ...store,
  ids: (page) =>
    Effect.suspend(() => {
      seen.ids++
      return Effect.andThen(gate.await, store.ids(page))
    }),
  read: (page) =>
    Effect.suspend(() => {
      seen.pages++
      return store.read(page)
    })
})

const WANT_ALL = Reconciling.question({ _tag: "WantAll" })

layer(Kit.CryptoLive)("the end of a reconciliation", (it) => {
  it.effect("who may only write is refused, and the connection goes on", () =>
    Effect.gen(function*() {
      const { crypto, keys, relay, route, side } = yield* start()
      const writer = yield* Kit.connect(relay)
      const { handle } = yield* Kit.attach(writer, route, keys, ["write"])
      yield* writer.send(Reconciling.frame(handle, Reconciling.hello(crypto, side), { request: 3 }))
      const refused = yield* writer.take("Refused")
      assert.deepStrictEqual([refused.request, refused.refusal.number], [3, 1002])
      yield* Kit.push(writer, handle, [Kit.envelope(crypto)])
    }))

  it.effect("a handle of an epoch that is over is refused: attached before, attached after, in the middle", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true)
      const { client, crypto, handle, keys, relay, route, side } = yield* start({
        store: gated(gate, { ids: 0, pages: 0 })
      })
      const owner = yield* Kit.connect(relay)
      const hello = () => Reconciling.hello(crypto, side)
      yield* client.send(Reconciling.frame(handle, hello()))
      yield* client.take("Reconciled")
      gate.closeUnsafe()
      yield* client.send(Reconciling.frame(handle, hello(), { on: true, request: 2 }))
      yield* Kit.settle
      const after = Kit.epochKeys(crypto, 2)
      yield* Kit.attach(owner, route, keys)
      yield* Kit.setEpoch(owner, route, { before: keys, after, opHash: crypto.random(32) })
      gate.openUnsafe()
      assert.strictEqual((yield* client.refused)._tag, "Unauthorized")
      yield* client.send(Reconciling.frame(handle, hello()))
      assert.strictEqual((yield* client.refused)._tag, "Unauthorized")
      const late = yield* Kit.connect(relay)
      const old = yield* Kit.attach(late, route, keys, ["read"])
      yield* late.send(Reconciling.frame(old.handle, hello()))
      assert.strictEqual((yield* late.refused)._tag, "Unauthorized")
      const current = yield* Kit.attach(late, route, after, ["read"])
      assert.strictEqual((yield* Reconciling.reconcile(late, current.handle, side)).roundTrips, 1)
    }))

  it.effect("what no client sends ends the connection: nothing begun, out of turn, no message, not asked, not true", () =>
    Effect.gen(function*() {
      const { crypto, keys, relay, route, side } = yield* start()
      const hello = () => Reconciling.hello(crypto, side)
      const inverted = Reconciling.question({
        _tag: "Exact",
        nonce: new Uint8Array(8),
        from: "ffffffffffffffff",
        through: "0000000000000000",
        ids: []
      })
      const cases: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, boolean]> = [
        ["not begun", [hello()], true],
        ["malformed", [Uint8Array.of(0xff, 1, 2)], false],
        ["malformed", [hello().subarray(1)], false],
        ["malformed", [new Uint8Array(0)], false],
        ["unexpected", [WANT_ALL], false],
        ["inconsistent", [inverted], false],
        ["malformed", [hello(), Uint8Array.of(77)], false]
      ]
      for (const [detail, messages, on] of cases) {
        const client = yield* Kit.connect(relay)
        const { handle } = yield* Kit.attach(client, route, keys)
        for (const [i, message] of messages.entries()) {
          if (i > 0) yield* client.take("Reconciled")
          yield* client.send(Reconciling.frame(handle, message, { on: on || i > 0 }))
        }
        const refused = yield* client.refused
        assert.deepInclude(refused, { _tag: "InvalidMessage" })
        assert.include(refused.message, detail)
        yield* client.ended
      }
      assert.deepInclude(yield* relay.stats, { connections: 1, handles: 1 })
    }))

  it.effect("a request before the one before it was answered ends the connection", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true), seen = { ids: 0, pages: 0 }
      const { client, crypto, handle, side } = yield* start({ store: gated(gate, seen) })
      gate.closeUnsafe()
      yield* client.send(Reconciling.frame(handle, Reconciling.hello(crypto, side)))
      yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: true }))
      const refused = yield* client.refused
      assert.include(refused.message, "before it was answered")
      gate.openUnsafe()
      yield* client.ended
    }))

  it.effect("too many requests end the conversation, and it may be begun again", () =>
    Effect.gen(function*() {
      const { client, handle, side } = yield* start({ settings: { limits: { messagesBurst: 5000 } } })
      for (let i = 0; i < Limit.reconcileMessagesMax; i++) {
        yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: i > 0 }))
        yield* client.take("Reconciled")
      }
      yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: true, request: 8 }))
      assert.deepInclude(yield* client.refused, { _tag: "RateLimited", scope: "reconcile" })
      assert.strictEqual((yield* Reconciling.reconcile(client, handle, side)).roundTrips, 1)
    }))

  it.effect("requests count as all others do, and one that was refused may be sent again", () =>
    Effect.gen(function*() {
      const limits = { messagesBurst: 5, messagesPerSecond: 1 }
      const { client, crypto, handle, side } = yield* start({ settings: { limits } })
      yield* client.send(Reconciling.frame(handle, Reconciling.hello(crypto, side)))
      yield* client.take("Reconciled")
      for (let i = 0; i < 2; i++) {
        yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: true }))
        const [frame] = yield* Effect.andThen(Kit.settle, Effect.sync(() => client.frames.splice(0)))
        assert.strictEqual(frame?._tag, i === 0 ? "Reconciled" : "Refused")
      }
      yield* TestClock.adjust(1000)
      yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: true }))
      yield* client.take("Reconciled")
    }))

  it.effect("what waits for its answer counts as what is on its way", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true), seen = { ids: 0, pages: 0 }
      const handles = Float64Array.from(range(1, 400), (n) => n * 2 ** 38)
      const want = Reconciling.question({ _tag: "Want", handles })
      assert.isAbove(want.length, 2000)
      const limits = { pushBytesInFlightMax: 2000, pushBytesInFlightTotalMax: want.length + 1000 }
      const { client, handle, keys, relay, route } = yield* start({ settings: { limits }, store: gated(gate, seen) })
      gate.closeUnsafe()
      yield* client.send(Reconciling.frame(handle, want))
      yield* client.send({ _tag: "Ping", request: 5 })
      const other = yield* Kit.connect(relay)
      const attached = yield* Kit.attach(other, route, keys)
      yield* other.send(Reconciling.frame(attached.handle, want))
      assert.strictEqual((yield* other.refused)._tag, "Overloaded")
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
      gate.openUnsafe()
      yield* client.take("Page")
      yield* client.take("Pong")
      yield* other.send(Reconciling.frame(attached.handle, want))
      yield* other.take("Page")
    }))

  it.effect("storage that fails is said, and the conversation goes on afterwards", () =>
    Effect.gen(function*() {
      let broken = false
      const store = (memory: RelayStore["Service"]): RelayStore["Service"] => ({
        ...memory,
        ids: (page) => broken ? Effect.fail(Kit.storeFailed) : memory.ids(page),
        read: (page) => broken ? Effect.fail(Kit.storeFailed) : memory.read(page)
      })
      const { client, crypto, handle } = yield* start({ store })
      yield* client.send(Reconciling.frame(handle, Reconciling.hello(crypto, Reconciling.side(crypto, []))))
      yield* client.take("Reconciled")
      broken = true
      yield* client.send(Reconciling.frame(handle, Reconciling.check(), { on: true }))
      assert.strictEqual((yield* client.refused)._tag, "Overloaded")
      broken = false
      yield* client.send(
        Reconciling.frame(handle, Reconciling.hello(crypto, Reconciling.side(crypto, [])), { on: true })
      )
      yield* client.take("Reconciled")
      yield* client.send(Reconciling.frame(handle, WANT_ALL, { on: true }))
      assert.strictEqual((yield* Reconciling.pages(client)).flatMap(({ placed }) => placed).length, 5)
    }))

  it.effect("pages wait for a client that does not read, and end when it goes or begins again", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true), seen = { ids: 0, pages: 0 }
      const limits = { outboundBytesMax: 100_000, pageEnvelopesMax: 1, messagesBurst: 5000 }
      const { client, crypto, handle, keys, relay, route } = yield* start({
        settings: { limits },
        store: gated(gate, seen)
      })
      const large = range(1, 120).map(() => Kit.envelope(crypto, { bytes: 60_000 }))
      for (const [i, envelope] of large.entries()) yield* Kit.push(client, handle, [envelope], i)
      const slow = yield* Kit.connect(relay)
      const attached = yield* Kit.attach(slow, route, keys)
      const nothing = Reconciling.side(crypto, [])
      yield* slow.send(Reconciling.frame(attached.handle, Reconciling.hello(crypto, nothing)))
      yield* slow.take("Reconciled")
      yield* slow.stall
      yield* slow.send(Reconciling.frame(attached.handle, WANT_ALL, { on: true }))
      yield* Kit.settle
      const stalled = { ...seen }
      assert.isBelow(stalled.pages, 120)
      const { outboundBytes } = yield* relay.stats
      assert.isAbove(outboundBytes, 100_000)
      assert.isBelow(outboundBytes, 170_000)
      yield* slow.close
      yield* slow.ended
      yield* Kit.settle
      assert.deepStrictEqual(seen, stalled)
      assert.deepInclude(yield* relay.stats, { connections: 1, handles: 1, outboundBytes: 0 })
      // Another one reads all of it, however little room there is.
      const all = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []))
      assert.strictEqual(all.received.length, 125)
    }))

  it.effect("another beginning, or letting the handle go, ends a request that is under way", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true), seen = { ids: 0, pages: 0 }
      const { client, crypto, handle, side } = yield* start({ store: gated(gate, seen) })
      const begin = (request: number) =>
        client.send(Reconciling.frame(handle, Reconciling.hello(crypto, side), { request }))
      gate.closeUnsafe()
      yield* begin(1)
      yield* begin(2)
      yield* Kit.settle
      gate.openUnsafe()
      assert.strictEqual((yield* client.take("Reconciled")).request, 2)
      gate.closeUnsafe()
      yield* begin(3)
      yield* Kit.settle
      yield* client.calls.Detach({ handle })
      gate.openUnsafe()
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
      yield* begin(4)
      assert.strictEqual((yield* client.refused)._tag, "Unauthorized")
    }))
})
