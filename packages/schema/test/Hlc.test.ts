import { assert, describe, it } from "@effect/vitest"
import * as Hlc from "@sotto/schema/Hlc"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const hlc = Arbitrary.schema(Schema.Struct({
  millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 47 })),
  counter: Schema.Literals([0, 1, 7, 0xfffe, 0xffff])
}))
const wall = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 47 })))
const near = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 2 })))

describe("Hlc", () => {
  it.prop(
    "ticks forward, whatever the wall clock does",
    [hlc, wall],
    ([last, now]) => Hlc.compare(Hlc.tick(last, now), last) > 0
  )

  it.prop(
    "ticks forward when the wall clock is about where it was",
    [hlc, near],
    ([last, by]) => Hlc.compare(Hlc.tick(last, last.millis + by), last) > 0
  )

  it.prop("never falls behind the wall clock", [hlc, wall], ([last, now]) => Hlc.tick(last, now).millis >= now)

  it.prop("stays a reading", [hlc, wall], ([last, now]) => Schema.is(Hlc.Hlc)(Hlc.tick(last, now)))

  it.prop(
    "runs ahead of wall and past by one millisecond at most",
    [hlc, wall],
    ([last, now]) => Hlc.tick(last, now).millis <= Math.max(last.millis + 1, now)
  )

  it.prop("is totally ordered", [hlc, hlc, hlc], ([a, b, c]) => {
    assert.strictEqual(Math.sign(Hlc.compare(a, b)), -Math.sign(Hlc.compare(b, a)) + 0)
    assert.strictEqual(Hlc.compare(a, a), 0)
    if (Hlc.compare(a, b) <= 0 && Hlc.compare(b, c) <= 0) assert.isAtMost(Hlc.compare(a, c), 0)
    if (Hlc.compare(a, b) === 0) assert.deepStrictEqual(a, b)
  })

  it.prop("max is the least upper bound: commutative, associative, idempotent", [hlc, hlc, hlc], ([a, b, c]) => {
    assert.deepStrictEqual(Hlc.max(a, b), Hlc.max(b, a))
    assert.deepStrictEqual(Hlc.max(a, Hlc.max(b, c)), Hlc.max(Hlc.max(a, b), c))
    assert.deepStrictEqual(Hlc.max(a, a), a)
    assert.isAtLeast(Hlc.compare(Hlc.max(a, b), b), 0)
  })

  it("carries from the counter into the millisecond", () => {
    assert.deepStrictEqual(Hlc.tick({ millis: 5, counter: 0xffff }, 0), { millis: 6, counter: 0 })
    assert.deepStrictEqual(Hlc.tick({ millis: 5, counter: 3 }, 5), { millis: 5, counter: 4 })
    assert.deepStrictEqual(Hlc.tick({ millis: 5, counter: 3 }, 6), { millis: 6, counter: 0 })
  })
})
