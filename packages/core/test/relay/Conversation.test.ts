/** Reconciliation with a relay, over real channels: what a client lacks comes, what the relay lacks is found. */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
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
})
