/** Epochs: compare-and-set, force, and those that are over. */
import { assert } from "@effect/vitest"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import {
  ack,
  append,
  chainOf,
  DAY,
  epoch,
  hashOf,
  incoming,
  incomings,
  keysOf,
  NONE,
  NOW,
  open,
  position,
  range,
  setEpoch,
  state,
  sweep,
  type Test
} from "./operations.ts"

export const epochs = (test: Test) => {
  test(
    "an epoch changes by compare-and-set and remembers the one before",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3))
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2, at: NOW + 7 }))
      yield* append([incoming(4)])
      const second = yield* state()
      assert.deepStrictEqual([second.epoch, second.keys, second.opHash], [epoch(2), keysOf(2), hashOf(2)])
      const ended = {
        epoch: epoch(1),
        read: keysOf(1).read,
        position: position(3),
        chain: chainOf(incomings(1, 3)),
        millis: NOW + 7
      }
      assert.deepStrictEqual(second.past, [ended])
      assert.strictEqual(second.position, 4)
      assert.isTrue(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(2), op: 3 }))
      const third = yield* state()
      assert.deepStrictEqual(third.past.map((past) => [past.epoch, past.position]), [
        [epoch(1), position(3)],
        [epoch(2), position(4)]
      ])
    })
  )

  test(
    "a change that does not fit what is there is refused and changes nothing",
    Effect.gen(function*() {
      yield* open()
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2 }))
      const before = yield* state()
      assert.isFalse(yield* setEpoch({ before: 1, epoch: 2, op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 1, epoch: 3, previous: hashOf(2), op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 2, epoch: 3, op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(9), op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 3, epoch: 4, previous: hashOf(2), op: 3 }))
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "force wins over whatever is there, also downwards",
    Effect.gen(function*() {
      yield* open()
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2 }))
      assert.isTrue(yield* setEpoch({ before: 9, epoch: 4_000_000_000, previous: hashOf(7), op: 4, force: true }))
      assert.strictEqual((yield* state()).epoch, 4_000_000_000)
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 3, op: 5, force: true }))
      const after = yield* state()
      assert.deepStrictEqual([after.epoch, after.opHash], [epoch(3), hashOf(5)])
      assert.deepStrictEqual(after.past.map((past) => past.epoch), [epoch(1), epoch(2)])
    })
  )

  test(
    "of concurrent changes exactly one wins",
    Effect.gen(function*() {
      yield* open()
      const won = yield* Effect.forEach(range(2, 21), (op) => setEpoch({ before: 1, epoch: 2, op }), {
        concurrency: "unbounded"
      })
      assert.strictEqual(won.filter((is) => is).length, 1)
      assert.deepStrictEqual((yield* state()).opHash, hashOf(won.indexOf(true) + 2))
    })
  )

  test(
    "past epochs are bounded: the oldest go",
    Effect.gen(function*() {
      yield* open()
      const last = Limit.pastEpochsMax + 5
      for (const n of range(2, last)) {
        assert.isTrue(
          yield* setEpoch({ before: n - 1, epoch: n, op: n, previous: n === 2 ? new Uint8Array(32) : hashOf(n - 1) })
        )
      }
      const { past } = yield* state()
      assert.deepStrictEqual(past.map((each) => Number(each.epoch)), range(last - Limit.pastEpochsMax, last - 1))
    })
  )

  test(
    "tags of an ended epoch hold deletion back until they are inactive",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 4))
      yield* ack(1, 2, NOW - DAY)
      yield* setEpoch({ before: 1, epoch: 2, op: 2 })
      yield* ack(2, 4)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - DAY + 1 }), { ...NONE, acknowledged: 2 })
    })
  )
}
