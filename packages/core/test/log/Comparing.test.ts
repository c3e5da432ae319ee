import { assert, describe, it } from "@effect/vitest"
import * as Comparing from "@sotto/core/log/Comparing"
import { Position } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"

const shorter = (facts: {
  readonly entries?: number
  readonly relays?: number
  readonly cursor?: number
  readonly head?: number
  readonly toOffer?: number
}): boolean => {
  const { cursor = 0, entries = 1000, head = 1000, relays = 1, toOffer = 0 } = facts
  return Comparing.isShorter({ entries, relays, cursor, toOffer }, Position.make(head))
}

describe("to compare before a log is read", () => {
  it("is shorter where most of it may be here", () => {
    assert.isTrue(shorter({}), "never at this relay")
    assert.isTrue(shorter({ cursor: 900, relays: 2 }), "another relay may have brought it")
    assert.isTrue(shorter({ cursor: 1000, toOffer: 900 }), "to be offered what it may have")
  })

  it("is not, where the log brings little, or all of it is new", () => {
    assert.isFalse(shorter({ entries: 3 }), "a device that has nothing")
    assert.isFalse(shorter({ head: 0 }), "a relay that has nothing")
    assert.isFalse(shorter({ head: 0, toOffer: 900 }), "an empty relay is sent everything")
    assert.isFalse(shorter({ cursor: 500 }), "the only relay: what came after is new")
    assert.isFalse(shorter({ cursor: 990, relays: 2 }), "a few envelopes")
  })

  it("happens again after a while, which differs from device to device", () =>
    Effect.runPromise(Effect.gen(function*() {
      for (const [count, base] of [[0, Limit.reconcileFirstMillis], [1, Limit.reconcileEveryMillis]] as const) {
        const drawn = yield* Effect.forEach(Array.from({ length: 50 }), () => Comparing.pauseMillis(count))
        for (const millis of drawn) {
          assert.isAtLeast(millis, base)
          assert.isBelow(millis, 2 * base)
        }
        assert.isAbove(new Set(drawn).size, 10)
      }
    })))
})
