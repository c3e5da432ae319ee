/** Reconciliation with a relay, over real channels: what a client lacks comes, what the relay lacks is found. */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Reconciling from "../kit/reconcileKit.ts"
import * as Kit from "../kit/relayKit.ts"

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

const start = Effect.fnUntraced(function*(count: number, options?: Parameters<typeof Kit.makeRelay>[0]) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay(options)
  const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
  const { client, handle } = yield* Kit.member(relay, route, keys, { retention: { _tag: "Vault" } })
  const envelopes = range(1, count).map((n) => Kit.envelope(crypto, { lane: n % 3 }))
  for (let i = 0; i < count; i += 1000) yield* Kit.push(client, handle, envelopes.slice(i, i + 1000))
  return { crypto, relay, store, route, keys, client, handle, envelopes }
})

const keptIds = Effect.fnUntraced(function*(store: RelayStore["Service"], route: Parameters<typeof Kit.open>[1]) {
  const { ids } = yield* store.ids({ route, after: Kit.position(0), lanes: [], limit: 1e6 })
  return ids.map(({ id }) => Bytes.toHex(id)).sort()
})

layer(Kit.CryptoLive)("a reconciliation with a relay", (it) => {
  it.effect("of equal sets takes one round trip, and its head is the log's", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle } = yield* start(1200)
      const side = Reconciling.side(crypto, envelopes)
      const { bytes, head, pushed, received, roundTrips } = yield* Reconciling.reconcile(client, handle, side)
      assert.deepStrictEqual([roundTrips, pushed, received.length], [1, 0, 0])
      assert.deepStrictEqual([head.body.position, head.body.chain], [
        Kit.position(1200),
        Kit.chainOf(crypto, envelopes)
      ])
      assert.isBelow(bytes, 500)
    }))

  for (const differences of [1, 10, 300]) {
    for (const strategy of ["sketch", "ranges"] as const) {
      it.effect(`finds ${differences} on either side by ${strategy}`, () =>
        Effect.gen(function*() {
          const { client, crypto, envelopes, handle, route, store } = yield* start(1500)
          const mine = range(1, differences).map(() => Kit.envelope(crypto))
          const side = Reconciling.side(crypto, [...mine, ...envelopes.slice(differences)])
          const outcome = yield* Reconciling.reconcile(client, handle, side, { strategy })
          assert.strictEqual(outcome.pushed, differences)
          assert.deepStrictEqual(outcome.received.map(({ position }) => position), range(1, differences))
          assert.strictEqual(outcome.head.body.position, 1500)
          assert.deepStrictEqual(yield* keptIds(store, route), Reconciling.idsOf(side))
          const again = yield* Reconciling.reconcile(client, handle, side)
          assert.deepStrictEqual([again.roundTrips, again.head.body.position], [1, 1500 + differences])
        }))
    }
  }

  it.effect("at first contact brings everything, in pages, in the order of positions", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle } = yield* start(2500)
      const side = Reconciling.side(crypto, [])
      const outcome = yield* Reconciling.reconcile(client, handle, side)
      assert.deepStrictEqual(outcome.received.map(({ position }) => position), range(1, 2500))
      assert.isTrue(Kit.sameBytes(outcome.received.map(({ envelope }) => envelope), envelopes))
      assert.deepStrictEqual(outcome.pages.map(({ placed }) => placed.length), [1000, 1000, 500])
      assert.deepStrictEqual(outcome.pages.map(({ more }) => more), [true, true, false])
    }))

  it.effect("fills an empty relay", () =>
    Effect.gen(function*() {
      const { client, crypto, handle, route, store } = yield* start(0)
      const side = Reconciling.side(crypto, range(1, 700).map(() => Kit.envelope(crypto)))
      const { head, pushed } = yield* Reconciling.reconcile(client, handle, side)
      assert.deepStrictEqual([pushed, head.body.position], [700, Kit.position(0)])
      assert.deepStrictEqual(yield* keptIds(store, route), Reconciling.idsOf(side))
    }))

  it.effect("is about the lanes that were named, one or several", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle } = yield* start(600)
      const of = (...lanes: ReadonlyArray<number>) => envelopes.filter((_, i) => lanes.includes((i + 1) % 3))
      for (const lanes of [[1], [0, 2], [2, 0]]) {
        const side = Reconciling.side(crypto, of(...lanes).slice(7))
        const outcome = yield* Reconciling.reconcile(client, handle, side, { lanes: lanes.map(Kit.lane) })
        assert.strictEqual(outcome.pushed, 0)
        assert.strictEqual(outcome.head.body.position, 600)
        assert.isTrue(Kit.sameBytes(outcome.received.map(({ envelope }) => envelope), of(...lanes).slice(0, 7)))
      }
      const none = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []), { lanes: [Kit.lane(9)] })
      assert.deepStrictEqual([none.roundTrips, none.received.length], [1, 0])
      // Everything of one lane is listed, and asked for as that list.
      const first = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []), { lanes: [Kit.lane(1)] })
      assert.isTrue(Kit.sameBytes(first.received.map(({ envelope }) => envelope), of(1)))
    }))

  it.effect("sees what was deleted: it is neither listed nor handed out", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle, route, store } = yield* start(30)
      const all = Reconciling.side(crypto, envelopes)
      assert.strictEqual((yield* Reconciling.reconcile(client, handle, all)).roundTrips, 1)
      const gone = envelopes.slice(3, 9)
      yield* client.calls.Prune({ handle, ids: gone.map((one) => Kit.idOf(crypto, one)) })
      const kept = envelopes.filter((one) => !gone.includes(one))
      const equal = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, kept))
      assert.deepStrictEqual([equal.roundTrips, equal.pushed, equal.received.length], [1, 0, 0])
      const empty = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []))
      assert.isTrue(Kit.sameBytes(empty.received.map(({ envelope }) => envelope), kept))
      assert.strictEqual((yield* keptIds(store, route)).length, 24)
    }))

  it.effect("hands out what was listed, without what came later and what went since", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle } = yield* start(10)
      const ask = (side: Reconciling.Side) =>
        Effect.andThen(
          client.send(Reconciling.frame(handle, Reconciling.hello(crypto, side))),
          client.take("Reconciled")
        )
      const later = Kit.envelope(crypto), gone = envelopes.slice(4, 6)
      yield* ask(Reconciling.side(crypto, []))
      yield* Kit.push(client, handle, [later])
      yield* client.calls.Prune({ handle, ids: gone.map((one) => Kit.idOf(crypto, one)) })
      yield* client.send(Reconciling.frame(handle, Reconciling.question({ _tag: "WantAll" }), { on: true }))
      const all = yield* Reconciling.pages(client)
      assert.deepStrictEqual(
        all.flatMap(({ placed }) => placed.map(({ position }) => Number(position))),
        [1, 2, 3, 4, 7, 8, 9, 10]
      )
      assert.strictEqual(all.at(-1)?.head.body.position, 11)
      // The same of single ones: handles of which one is gone, and one is of nobody.
      const { set } = Reconciling.side(crypto, envelopes)
      const handles = Reconciling.handlesOf(set, [...envelopes.slice(8), ...gone].map((one) => crypto.blake3(one)))
      yield* ask(Reconciling.side(crypto, []))
      yield* client.send(
        Reconciling.frame(handle, Reconciling.question({ _tag: "Want", handles }), { on: true, request: 4 })
      )
      const some = yield* Reconciling.pages(client)
      assert.deepStrictEqual(some.map(({ more, placed }) => [placed.map(({ position }) => Number(position)), more]), [
        [[9, 10], false]
      ])
      yield* ask(Reconciling.side(crypto, []))
      yield* client.send(
        Reconciling.frame(
          handle,
          Reconciling.question({ _tag: "Want", handles: Float64Array.of(5) }),
          { on: true, request: 5 }
        )
      )
      assert.deepInclude(yield* client.take("Page"), { request: 5, placed: [], more: false })
    }))

  it.effect("cuts what is wanted into pages by number and by bytes", () =>
    Effect.gen(function*() {
      const limits = { pageEnvelopesMax: 4, pageBytesMax: 2000 }
      const { client, crypto, handle } = yield* start(0, { settings: { limits } })
      const sizes = [500, 500, 500, 500, 500, 1500, 5000, 400, 400, 400, 400, 400]
      const envelopes = sizes.map((bytes) => Kit.envelope(crypto, { bytes }))
      const lengths = (outcome: Reconciling.Outcome) => outcome.pages.map(({ placed }) => placed.length)
      yield* Kit.push(client, handle, envelopes)
      const all = yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []))
      assert.deepStrictEqual(lengths(all), [4, 2, 1, 4, 1])
      const others = range(1, 300).map(() => Kit.envelope(crypto, { bytes: 400 }))
      for (let i = 0; i < 300; i += 100) yield* Kit.push(client, handle, others.slice(i, i + 100))
      const side = Reconciling.side(crypto, [...envelopes.slice(8), ...others])
      const some = yield* Reconciling.reconcile(client, handle, side)
      assert.deepStrictEqual(some.received.map(({ position }) => position), range(1, 8))
      assert.deepStrictEqual(lengths(some), [4, 2, 1, 1])
      assert.deepStrictEqual(some.pages.map(({ more }) => more), [true, true, true, false])
    }))

  it.effect("serves two connections at once, out of one set", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true)
      let reads = 0
      const store = (memory: RelayStore["Service"]): RelayStore["Service"] => ({
        ...memory,
        ids: (page) =>
          Effect.suspend(() => {
            reads++
            return Effect.andThen(gate.await, memory.ids(page))
          })
      })
      const { client, crypto, envelopes, handle, keys, relay, route } = yield* start(1600, { store })
      const other = yield* Kit.connect(relay)
      const attached = yield* Kit.attach(other, route, keys)
      const sides = [Reconciling.side(crypto, envelopes.slice(2)), Reconciling.side(crypto, envelopes.slice(0, -3))]
      gate.closeUnsafe()
      const both = yield* Effect.forkChild(Effect.all([
        Reconciling.reconcile(client, handle, sides[0] ?? Reconciling.side(crypto, [])),
        Reconciling.reconcile(other, attached.handle, sides[1] ?? Reconciling.side(crypto, []))
      ], { concurrency: 2 }))
      yield* Kit.settle
      assert.strictEqual(reads, 1)
      // Nothing else on the connection waits for it.
      yield* client.send({ _tag: "Ping", request: 1 })
      yield* client.take("Pong")
      gate.openUnsafe()
      const [first, second] = yield* Fiber.join(both)
      assert.deepStrictEqual([first.received.length, second.received.length], [2, 3])
      // Four pages of 500 for the set, and one look for each of the three requests that found it read.
      assert.strictEqual(reads, 7)
    }))

  it.effect("says nothing of a moment that is over: what is stored meanwhile is in the set and in the head", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true)
      const store = (memory: RelayStore["Service"]): RelayStore["Service"] => ({
        ...memory,
        // As a storage beyond a network: the answer is of an earlier moment when it comes.
        ids: (page) => Effect.tap(memory.ids(page), () => gate.await)
      })
      const { client, crypto, envelopes, handle } = yield* start(3, { store })
      const side = Reconciling.side(crypto, envelopes)
      gate.closeUnsafe()
      yield* client.send(Reconciling.frame(handle, Reconciling.hello(crypto, side)))
      yield* Kit.settle
      const late = Kit.envelope(crypto)
      yield* Kit.push(client, handle, [late])
      gate.openUnsafe()
      const { head, message } = yield* client.take("Reconciled")
      assert.deepStrictEqual([head.body.position, head.body.chain], [
        Kit.position(4),
        Kit.chainOf(crypto, [...envelopes, late])
      ])
      assert.notDeepEqual(message, Reconciling.SAME)
      const outcome = yield* Reconciling.reconcile(client, handle, side)
      assert.isTrue(Kit.sameBytes(outcome.received.map(({ envelope }) => envelope), [late]))
    }))

  it.effect("ends in agreement with what was there when it was answered, though others write", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle, keys, relay, route, store } = yield* start(900)
      const writer = yield* Kit.connect(relay)
      const attached = yield* Kit.attach(writer, route, keys)
      const meanwhile = Effect.suspend(() => Kit.push(writer, attached.handle, [Kit.envelope(crypto)]))
      for (const [strategy, lacking] of [["sketch", 100], ["ranges", 100], ["sketch", 900], ["ranges", 5]] as const) {
        const side = Reconciling.side(crypto, envelopes.slice(lacking))
        const { head } = yield* Reconciling.reconcile(client, handle, side, { strategy, meanwhile })
        assert.strictEqual(side.envelopeByHex.size, head.body.position)
      }
      const side = Reconciling.side(crypto, envelopes)
      const { received } = yield* Reconciling.reconcile(client, handle, side)
      assert.strictEqual(received.length, 4)
      assert.deepStrictEqual(yield* keptIds(store, route), Reconciling.idsOf(side))
    }))

  it.effect("is counted: by what came of it, and in bytes of its messages", () =>
    Effect.gen(function*() {
      const { client, crypto, envelopes, handle, relay } = yield* start(1200)
      yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, envelopes))
      yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, envelopes.slice(1)))
      yield* client.send(Reconciling.frame(handle, Uint8Array.of(77)))
      yield* client.ended
      const counts = new Map<string, unknown>()
      for (const { attributes, id, state } of Metric.snapshotUnsafe(yield* Effect.context())) {
        counts.set([id, ...Object.values(attributes ?? {})].join(" "), "count" in state ? state.count : state)
      }
      const outcomes = ["begun", "same", "wanted", "refused"]
      assert.deepStrictEqual(
        outcomes.map((outcome) => counts.get(`sotto_relay_reconcile_total ${outcome}`)),
        [3, 1, 1, 1]
      )
      assert.strictEqual(counts.get("sotto_relay_reconcile_ids_total"), 1200)
      const bytes = counts.get("sotto_relay_reconcile_bytes_total")
      assert(typeof bytes === "number" && bytes > 200 && bytes < 700, String(bytes))
      const sets = counts.get("sotto_relay_reconcile_set_bytes")
      assert.deepStrictEqual(sets, { value: (yield* relay.stats).reconcileSetBytes })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})
