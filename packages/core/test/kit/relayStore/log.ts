/** Routes, positions, pages, lanes and idempotency. */
import { assert } from "@effect/vitest"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import { Limit } from "@sotto/schema/Limit"
import type { Retention } from "@sotto/schema/Relay"
import { UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import {
  ack,
  append,
  chainOf,
  DAY,
  epoch,
  ids,
  incoming,
  incomings,
  keysOf,
  laneOf,
  NONE,
  NOW,
  open,
  position,
  positionsOf,
  prune,
  range,
  read,
  readAt,
  routeOf,
  setEpoch,
  state,
  storedOf,
  sweep,
  type Test,
  TRANSIT
} from "./operations.ts"

export const routes = (test: Test) => {
  test(
    "a new route is empty",
    Effect.gen(function*() {
      const opened = yield* open(1, { quotaBytes: 5000 })
      assert.deepStrictEqual(opened, {
        route: routeOf(1),
        epoch: epoch(1),
        keys: keysOf(1),
        retention: TRANSIT,
        position: position(0),
        chain: new Uint8Array(32),
        lowest: position(1),
        usedBytes: 0,
        quotaBytes: 5000,
        opHash: new Uint8Array(32),
        past: []
      })
      assert.deepStrictEqual(yield* state(), opened)
      assert.deepStrictEqual(yield* read(), {
        envelopes: [],
        more: false,
        position: position(0),
        chain: new Uint8Array(32),
        lowest: position(1)
      })
    })
  )

  test(
    "opening again answers what is there",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Vault" }, quotaBytes: 7000 })
      yield* append(incomings(1, 3))
      const before = yield* state()
      const again = yield* RelayStore.use((store) =>
        store.open({
          route: routeOf(1),
          epoch: epoch(9),
          keys: keysOf(9),
          retention: { _tag: "Transit", ttl: { _tag: "Millis", millis: 5 } },
          quotaBytes: 1
        })
      )
      assert.deepStrictEqual(again, before)
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "retention of every kind is kept as it was asked for",
    Effect.gen(function*() {
      const kinds: ReadonlyArray<Retention> = [
        TRANSIT,
        { _tag: "Transit", ttl: { _tag: "Millis", millis: 12_345 } },
        { _tag: "Transit", ttl: { _tag: "Never" } },
        { _tag: "Durable" },
        { _tag: "Vault" }
      ]
      for (const [i, kind] of kinds.entries()) yield* open(i + 1, { retention: kind })
      for (const [i, kind] of kinds.entries()) assert.deepStrictEqual((yield* state(i + 1)).retention, kind)
    })
  )

  test(
    "a route that was never opened is unknown to every operation",
    Effect.gen(function*() {
      const failures: ReadonlyArray<unknown> = [
        yield* Effect.flip(state()),
        yield* Effect.flip(append([incoming(1)])),
        yield* Effect.flip(read()),
        yield* Effect.flip(readAt([1])),
        yield* Effect.flip(ids()),
        yield* Effect.flip(ack(1, 1)),
        yield* Effect.flip(prune([incoming(1)])),
        yield* Effect.flip(setEpoch({ before: 1, epoch: 2, op: 2, force: true }))
      ]
      for (const failure of failures) assert.instanceOf(failure, UnknownRoute)
      assert.deepStrictEqual(yield* sweep(), NONE)
    })
  )

  test(
    "routes do not see each other",
    Effect.gen(function*() {
      yield* open(1)
      yield* open(2)
      yield* append(incomings(1, 4))
      const other = yield* append([incoming(3), incoming(9)], { route: 2 })
      assert.deepStrictEqual(storedOf(other), [1, 2])
      assert.isFalse(other.stored.some((stored) => stored.duplicate))
      assert.deepStrictEqual(positionsOf(yield* read(0)), [1, 2, 3, 4])
      assert.strictEqual(yield* prune([incoming(1)], { route: 2 }), 0)
      assert.strictEqual((yield* state(1)).usedBytes, 400)
      assert.strictEqual((yield* state(2)).usedBytes, 200)
      const totals = yield* RelayStore.use((store) => store.totals)
      assert.deepStrictEqual(totals, { routes: 2, envelopes: 6, bytes: 600 })
    })
  )
}

export const log = (test: Test) => {
  test(
    "positions are 1, 2, 3, … in the order given, and reads follow it",
    Effect.gen(function*() {
      yield* open()
      const first = yield* append(incomings(1, 3))
      assert.deepStrictEqual(first.stored, range(1, 3).map((at) => ({ position: position(at), duplicate: false })))
      const second = yield* append([incoming(9), incoming(8)])
      assert.deepStrictEqual(storedOf(second), [4, 5])
      assert.strictEqual(second.position, 5)
      const page = yield* read()
      assert.deepStrictEqual(positionsOf(page), range(1, 5))
      const expected = [...incomings(1, 3), incoming(9), incoming(8)]
      assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), expected.map(({ bytes }) => bytes))
      assert.deepStrictEqual(positionsOf(yield* read(3)), [4, 5])
      assert.deepStrictEqual(positionsOf(yield* read(5)), [])
      assert.deepStrictEqual(positionsOf(yield* read(99)), [])
      assert.strictEqual((yield* state()).usedBytes, 500)
    })
  )

  test(
    "the chain runs over the ids, however the batches were cut",
    Effect.gen(function*() {
      const all = incomings(1, 20)
      yield* open(1)
      yield* open(2)
      const whole = yield* append(all)
      assert.deepStrictEqual(whole.chain, chainOf(all))
      for (const [i, envelope] of all.entries()) {
        const { chain } = yield* append([envelope], { route: 2 })
        assert.deepStrictEqual(chain, chainOf(all.slice(0, i + 1)))
      }
      assert.deepStrictEqual((yield* state(2)).chain, whole.chain)
      const page = yield* read(15)
      assert.deepStrictEqual([page.position, page.chain, page.lowest], [position(20), whole.chain, position(1)])
    })
  )

  test(
    "an empty append changes nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      const before = yield* state()
      const appended = yield* append([])
      assert.deepStrictEqual(appended, { stored: [], position: position(2), chain: before.chain, lowest: position(1) })
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "pages are bounded by count",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      const first = yield* read(0, { limit: 4 })
      assert.deepStrictEqual([positionsOf(first), first.more], [[1, 2, 3, 4], true])
      const second = yield* read(4, { limit: 4 })
      assert.deepStrictEqual([positionsOf(second), second.more], [[5, 6, 7, 8], true])
      const third = yield* read(8, { limit: 4 })
      assert.deepStrictEqual([positionsOf(third), third.more], [[9, 10], false])
      const exact = yield* read(6, { limit: 4 })
      assert.deepStrictEqual([positionsOf(exact), exact.more], [[7, 8, 9, 10], false])
    })
  )

  test(
    "pages are bounded by bytes, but hold one envelope at least",
    Effect.gen(function*() {
      yield* open()
      yield* append([100, 200, 300, 5000, 100].map((bytes, i) => incoming(i + 1, { bytes })))
      const bounded = Effect.fnUntraced(function*(after: number, bytesMax: number) {
        const page = yield* read(after, { bytesMax })
        return [positionsOf(page), page.more]
      })
      assert.deepStrictEqual(yield* bounded(0, 299), [[1], true])
      assert.deepStrictEqual(yield* bounded(0, 300), [[1, 2], true])
      assert.deepStrictEqual(yield* bounded(0, 600), [[1, 2, 3], true])
      assert.deepStrictEqual(yield* bounded(2, 600), [[3], true])
      assert.deepStrictEqual(yield* bounded(3, 600), [[4], true])
      assert.deepStrictEqual(yield* bounded(3, 1), [[4], true])
      assert.deepStrictEqual(yield* bounded(4, 1), [[5], false])
      assert.deepStrictEqual(yield* bounded(0, 5700), [[1, 2, 3, 4, 5], false])
    })
  )

  test(
    "pages over holes are complete and say truly whether more follows",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 12))
      yield* prune([2, 3, 4, 6, 11, 12].map((n) => incoming(n)))
      const first = yield* read(0, { limit: 2 })
      assert.deepStrictEqual([positionsOf(first), first.more], [[1, 5], true])
      const second = yield* read(5, { limit: 4 })
      assert.deepStrictEqual([positionsOf(second), second.more], [[7, 8, 9, 10], false])
    })
  )

  test(
    "lane filters pick lanes and keep positions",
    Effect.gen(function*() {
      yield* open()
      yield* append(range(1, 30).map((n) => incoming(n, { lane: n % 3 })))
      const one = yield* read(0, { lanes: [laneOf(1)] })
      assert.deepStrictEqual(positionsOf(one), range(1, 30).filter((n) => n % 3 === 1))
      assert.strictEqual(one.position, 30)
      const two = yield* read(7, { lanes: [laneOf(2), laneOf(0)], limit: 5 })
      assert.deepStrictEqual([positionsOf(two), two.more], [[8, 9, 11, 12, 14], true])
      const last = yield* read(25, { lanes: [laneOf(1)], limit: 1 })
      assert.deepStrictEqual([positionsOf(last), last.more], [[28], false])
      const bytes = yield* read(0, { lanes: [laneOf(0)], bytesMax: 250 })
      assert.deepStrictEqual([positionsOf(bytes), bytes.more], [[3, 6], true])
      const none = yield* read(0, { lanes: [laneOf(7)] })
      assert.deepStrictEqual([positionsOf(none), none.more], [[], false])
      const many = yield* read(0, { lanes: range(0, 255).map(laneOf) })
      assert.deepStrictEqual(positionsOf(many), range(1, 30))
    })
  )

  test(
    "a large batch and a large envelope fit",
    Effect.gen(function*() {
      yield* open()
      const batch = incomings(1, Limit.pushEnvelopesMax)
      assert.deepStrictEqual(storedOf(yield* append(batch)), range(1, Limit.pushEnvelopesMax))
      const large = incoming(5000, { bytes: Limit.envelopeBytesMax })
      yield* append([large])
      const page = yield* read(Limit.pushEnvelopesMax)
      assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), [large.bytes])
    })
  )

  test(
    "bytes given and bytes answered are the caller's own",
    Effect.gen(function*() {
      yield* open()
      const given = incoming(1)
      const kept = given.bytes.slice()
      const { chain } = yield* append([given])
      given.bytes.fill(0)
      chain.fill(0)
      const page = yield* read()
      page.chain.fill(0)
      for (const { bytes } of page.envelopes) {
        assert.deepStrictEqual(bytes, kept)
        bytes.fill(0)
      }
      assert.deepStrictEqual((yield* read()).envelopes.map(({ bytes }) => bytes), [kept])
      assert.deepStrictEqual((yield* read()).chain, chainOf([incoming(1)]))
    })
  )
}

export const idempotency = (test: Test) => {
  test(
    "the same envelope again keeps its position and changes nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3))
      const before = yield* state()
      const again = yield* append([incoming(3), incoming(1)])
      assert.deepStrictEqual(again.stored, [
        { position: position(3), duplicate: true },
        { position: position(1), duplicate: true }
      ])
      assert.deepStrictEqual(yield* state(), before)
      const mixed = yield* append([incoming(2), incoming(4), incoming(1), incoming(5)])
      assert.deepStrictEqual(mixed.stored.map(({ duplicate, position }) => [position, duplicate]), [
        [position(2), true],
        [position(4), false],
        [position(1), true],
        [position(5), false]
      ])
      assert.deepStrictEqual((yield* state()).chain, chainOf(incomings(1, 5)))
      assert.strictEqual((yield* state()).usedBytes, 500)
    })
  )

  test(
    "an envelope twice in one batch is stored once",
    Effect.gen(function*() {
      yield* open()
      const appended = yield* append([incoming(1), incoming(2), incoming(1), incoming(2), incoming(3)])
      assert.deepStrictEqual(appended.stored.map((stored) => [stored.position, stored.duplicate]), [
        [position(1), false],
        [position(2), false],
        [position(1), true],
        [position(2), true],
        [position(3), false]
      ])
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
      assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 3)))
    })
  )

  test(
    "it holds after the row was deleted by acknowledgement, expiry or pruning",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      yield* append([incoming(3)], { expires: NOW + 10 })
      yield* append([incoming(4)])
      yield* ack(1, 2)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ at: NOW + 10 }), { ...NONE, expired: 1 })
      assert.strictEqual(yield* prune([incoming(4)]), 1)
      const before = yield* state()
      assert.deepStrictEqual([before.lowest, before.usedBytes], [position(5), 0])
      const again = yield* append(incomings(1, 4))
      assert.deepStrictEqual(storedOf(again), [1, 2, 3, 4])
      assert.isTrue(again.stored.every((stored) => stored.duplicate))
      assert.deepStrictEqual(yield* state(), before)
      assert.deepStrictEqual(positionsOf(yield* read()), [])
    })
  )

  test(
    "a deleted envelope's id is forgotten by age, one that is kept never",
    Effect.gen(function*() {
      yield* open()
      yield* append([incoming(1), incoming(2)], { at: NOW - 31 * DAY })
      yield* append([incoming(3)], { at: NOW - DAY })
      yield* prune([incoming(1), incoming(3)])
      assert.deepStrictEqual(yield* sweep(), { ...NONE, forgotten: 1 })
      assert.deepStrictEqual(yield* sweep(), NONE)
      const again = yield* append([incoming(1), incoming(2), incoming(3)])
      assert.deepStrictEqual(storedOf(again), [4, 2, 3])
      assert.deepStrictEqual(positionsOf(yield* read()), [2, 4])
      assert.deepStrictEqual(again.chain, chainOf([...incomings(1, 3), incoming(1)]))
    })
  )
}
