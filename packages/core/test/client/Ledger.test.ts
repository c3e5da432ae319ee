import { assert, describe, it } from "@effect/vitest"
import * as Cursor from "@sotto/core/log/Cursor"
import * as Ledger from "@sotto/core/log/Ledger"
import { makeMemory } from "@sotto/core/Store"
import * as Bytes from "@sotto/schema/Bytes"
import { DeviceId, EnvelopeId, Lane, Position, RelayKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

const number = (value: number) => Ledger.RelayNumber.make(value)
const ordinal = (value: number) => Cursor.Ordinal.make(value)
const id = (fill: number) => EnvelopeId.make(new Uint8Array(32).fill(fill))

describe("the ledger", () => {
  it.effect("scans a table in the order of its keys, and no other table", () =>
    Effect.gen(function*() {
      const store = makeMemory()
      const rows = [300, 2, 2 ** 40, 1, 255, 256]
      yield* store.commit([
        ...rows.map((at) => Ledger.outbox.put({ relay: number(7), ordinal: ordinal(at) }, id(1))),
        Ledger.outbox.put({ relay: number(6), ordinal: ordinal(9) }, id(2)),
        Ledger.outbox.put({ relay: number(8), ordinal: ordinal(0) }, id(3)),
        Ledger.witness.remove(number(7)),
        Ledger.place.put(ordinal(5), [])
      ])
      const within = Ledger.withinRelay(number(7))
      const all = yield* Ledger.outbox.scan(store, { within, limit: 100 })
      assert.deepStrictEqual(all.map(({ key }) => key.ordinal), [1, 2, 255, 256, 300, 2 ** 40].map(ordinal))
      const some = yield* Ledger.outbox.scan(store, {
        within,
        after: { relay: number(7), ordinal: ordinal(255) },
        limit: 2
      })
      assert.deepStrictEqual(some.map(({ key }) => key.ordinal), [256, 300].map(ordinal))
      const back = yield* Ledger.outbox.scan(store, { within, limit: 1, reverse: true })
      assert.deepStrictEqual(back.map(({ key }) => key.ordinal), [ordinal(2 ** 40)])
      assert.strictEqual((yield* Ledger.outbox.scan(store, { limit: 100 })).length, 8)
    }))

  it("gives different rows different keys, whose order is that of their fields", () => {
    const key = (relay: number, position: number) =>
      Ledger.placed.remove({ relay: number(relay), position: Position.make(position) }).key
    const place = fc.tuple(fc.nat(0xffff), fc.nat({ max: Number.MAX_SAFE_INTEGER }))
    fc.assert(fc.property(place, place, ([relayA, a], [relayB, b]) => {
      const order = Math.sign(Bytes.compare(key(relayA, a), key(relayB, b)))
      return order === Math.sign(relayA - relayB || a - b)
    }))
    const tables = [
      Ledger.device.remove("").key,
      Ledger.space.remove("").key,
      Ledger.meta.remove("").key,
      Ledger.relay.remove(number(1)).key,
      Ledger.mark.remove(number(1)).key,
      Ledger.entry.remove(ordinal(1)).key,
      Ledger.place.remove(ordinal(1)).key,
      Ledger.known.remove(id(1)).key,
      key(1, 1),
      Ledger.outbox.remove({ relay: number(1), ordinal: ordinal(1) }).key,
      Ledger.chain.remove({ device: DeviceId.make(new Uint8Array(32)), lane: Lane.make(new Uint8Array(8)) }).key,
      Ledger.waiting.remove(id(1)).key,
      Ledger.refused.remove(id(1)).key,
      Ledger.evidence.remove(1).key,
      Ledger.witness.remove(number(1)).key
    ]
    assert.strictEqual(new Set(tables.map(([first]) => first)).size, tables.length)
    assert.isTrue(tables.every(([first]) => first !== undefined && first > 0 && first < 32))
  })

  it.effect("says that a row is damaged, and which table it is in", () =>
    Effect.gen(function*() {
      const store = makeMemory()
      const { key } = Ledger.known.remove(id(1))
      yield* store.commit([{ key, value: Uint8Array.of(0xc0) }])
      const failed = yield* Effect.flip(Ledger.known.get(store, id(1)))
      assert.deepInclude(failed, { reason: "corrupt", operation: "read known" })
      assert.deepInclude(yield* Effect.flip(Ledger.known.scan(store, { limit: 1 })), { reason: "corrupt" })
      assert.isUndefined(yield* Ledger.known.get(store, id(2)))
    }))
})

describe("a cursor", () => {
  it("has an order at one relay and none between two", () => {
    const one = RelayKey.make(new Uint8Array(32).fill(1))
    const two = RelayKey.make(new Uint8Array(32).fill(2))
    const at = (relay: RelayKey, position: number) => ({ relay, position: Position.make(position) })
    assert.strictEqual(Cursor.compare(at(one, 5), at(one, 3)), 2)
    assert.strictEqual(Cursor.compare(Cursor.start(one), at(one, 1)), -1)
    assert.isUndefined(Cursor.compare(at(one, 5), at(two, 5)))
  })
})
