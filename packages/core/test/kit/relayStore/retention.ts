/** Quota, expiry, acknowledgement and pruning. */
import { assert } from "@effect/vitest"
import { Limit } from "@sotto/schema/Limit"
import { QuotaExceeded } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import {
  ack,
  append,
  chainOf,
  DAY,
  incoming,
  incomings,
  NONE,
  NOW,
  open,
  position,
  positionsOf,
  prune,
  range,
  read,
  state,
  storedOf,
  sweep,
  type Test
} from "./operations.ts"

export const quota = (test: Test) => {
  test(
    "a batch that does not fit is refused whole, with the figures",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 350 })
      yield* append(incomings(1, 2))
      const before = yield* state()
      const refused = yield* Effect.flip(append([incoming(3), incoming(4)]))
      assert.deepStrictEqual(refused, new QuotaExceeded({ usedBytes: 200, quotaBytes: 350 }))
      assert.deepStrictEqual(yield* state(), before)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2])
      const appended = yield* append([incoming(4)])
      assert.deepStrictEqual(appended.stored, [{ position: position(3), duplicate: false }])
    })
  )

  test(
    "a batch that fits exactly is taken; duplicates cost nothing",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 300 })
      yield* append(incomings(1, 3))
      const full = yield* append([incoming(2), incoming(1)])
      assert.deepStrictEqual(storedOf(full), [2, 1])
      assert.instanceOf(yield* Effect.flip(append([incoming(1), incoming(4, { bytes: 1 })])), QuotaExceeded)
    })
  )

  test(
    "what is deleted is free again",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 300 })
      yield* append(incomings(1, 3))
      yield* prune([incoming(2)])
      assert.strictEqual((yield* state()).usedBytes, 200)
      assert.deepStrictEqual(storedOf(yield* append([incoming(4)])), [4])
      yield* ack(1, 3)
      yield* sweep()
      assert.strictEqual((yield* state()).usedBytes, 100)
      assert.deepStrictEqual(storedOf(yield* append([incoming(5), incoming(6)])), [5, 6])
    })
  )
}

export const retention = (test: Test) => {
  test(
    "rows expire at their time; position and chain stay, lowest rises",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2), { expires: NOW + 100 })
      yield* append(incomings(3, 4), { expires: NOW + 200 })
      yield* append([incoming(5)])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 99 }), NONE)
      assert.deepStrictEqual(yield* sweep({ at: NOW + 100 }), { ...NONE, expired: 2 })
      assert.strictEqual((yield* state()).lowest, 3)
      assert.deepStrictEqual(positionsOf(yield* read()), [3, 4, 5])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 1e12 }), { ...NONE, expired: 2 })
      const left = yield* state()
      assert.deepStrictEqual([left.lowest, left.position, left.usedBytes], [position(5), position(5), 100])
      assert.deepStrictEqual(left.chain, chainOf(incomings(1, 5)))
    })
  )

  test(
    "lowest is one above the position when nothing is kept, and positions go on",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3), { expires: NOW })
      assert.deepStrictEqual(yield* sweep(), { ...NONE, expired: 3 })
      const page = yield* read()
      assert.deepStrictEqual([page.lowest, page.position], [position(4), position(3)])
      const appended = yield* append([incoming(4)])
      assert.deepStrictEqual([storedOf(appended), appended.lowest], [[4], position(4)])
      assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 4)))
    })
  )

  test(
    "a sweep goes in steps of its limit",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 25), { expires: NOW + 5 })
      const steps: Array<number> = []
      for (;;) {
        const { expired } = yield* sweep({ at: NOW + 5, limit: 10 })
        if (expired === 0) break
        steps.push(expired)
      }
      assert.deepStrictEqual(steps, [10, 10, 5])
    })
  )

  test(
    "an acknowledgement only rises, and not above the log",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      assert.strictEqual(yield* ack(1, 4), 4)
      assert.strictEqual(yield* ack(1, 2), 4)
      assert.strictEqual(yield* ack(1, 7), 7)
      assert.strictEqual(yield* ack(2, 1_000_000), 10)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 7 })
    })
  )

  test(
    "a sweep deletes what all active tags have acknowledged",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      assert.deepStrictEqual(yield* sweep(), NONE)
      yield* ack(1, 8)
      yield* ack(2, 3)
      yield* ack(3, 1, NOW - 8 * DAY)
      assert.deepStrictEqual(yield* sweep({ limit: 2 }), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ limit: 2 }), { ...NONE, acknowledged: 1 })
      assert.deepStrictEqual(yield* sweep(), NONE)
      assert.strictEqual((yield* state()).lowest, 4)
      assert.deepStrictEqual(positionsOf(yield* read()), range(4, 10))
      yield* ack(2, 9)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 5 })
      yield* ack(3, 9)
      yield* ack(1, 10)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
      assert.deepStrictEqual(positionsOf(yield* read()), [10])
    })
  )

  test(
    "a tag is active at its last acknowledgement exactly, also one that raised nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 5))
      yield* ack(1, 5)
      yield* ack(2, 2, NOW - 100)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 100 }), { ...NONE, acknowledged: 2 })
      yield* ack(2, 1, NOW - 50)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 60 }), NONE)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 49 }), { ...NONE, acknowledged: 3 })
    })
  )

  test(
    "only a transit route lets go by acknowledgement",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Durable" } })
      yield* append(incomings(1, 3))
      yield* ack(1, 3)
      assert.deepStrictEqual(yield* sweep(), NONE)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
    })
  )

  test(
    "tags are bounded: the one seen longest ago goes",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      yield* ack(0, 1, NOW - 1000)
      for (const n of range(1, Limit.ackTagsMax - 1)) yield* ack(n, 2, NOW)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
      yield* ack(Limit.ackTagsMax, 2, NOW)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
    })
  )

  test(
    "pruning deletes at once and leaves holes; lowest moves with the oldest",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Vault" } })
      yield* append(incomings(1, 6))
      assert.strictEqual(yield* prune([incoming(2), incoming(4), incoming(99), incoming(4)]), 2)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 3, 5, 6])
      assert.strictEqual((yield* state()).lowest, 1)
      assert.strictEqual(yield* prune([incoming(2)]), 0)
      assert.strictEqual(yield* prune([incoming(1)]), 1)
      assert.strictEqual((yield* state()).lowest, 3)
      assert.strictEqual(yield* prune(incomings(3, 6)), 3)
      const left = yield* state()
      assert.deepStrictEqual([left.lowest, left.position, left.usedBytes], [position(7), position(6), 0])
      assert.strictEqual(yield* prune([]), 0)
    })
  )

  test(
    "pruning with grace expires later; an earlier expiry stays",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Durable" } })
      yield* append([incoming(1), incoming(2)])
      yield* append([incoming(3)], { expires: NOW + 10 })
      assert.strictEqual(yield* prune(incomings(1, 3), { expires: NOW + 100 }), 3)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 99 }), { ...NONE, expired: 1 })
      assert.strictEqual(yield* prune([incoming(1)], { expires: NOW + 500 }), 1)
      assert.deepStrictEqual(yield* sweep({ at: NOW + 100 }), { ...NONE, expired: 2 })
      assert.strictEqual((yield* state()).lowest, 4)
    })
  )
}
