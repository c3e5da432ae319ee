/** What a strategy has to keep whose values hold all they need: in whatever order versions meet, they come to the same. */
import { assert, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Strategy } from "../../../src/item/merge/Strategy.ts"
import { failureOf, fold, mergedOf } from "./kit.ts"

/** Tests over `values`, some of which have to be versions of each other for this to say much. */
export const laws = (strategy: Strategy, values: fc.Arbitrary<readonly [Uint8Array, Uint8Array, Uint8Array]>): void => {
  const join = (a: Uint8Array, b: Uint8Array): Uint8Array => mergedOf(fold(strategy, a, b)) ?? assert.fail("no value")

  it("is commutative, associative and idempotent", () => {
    let distinct = 0
    fc.assert(
      fc.property(values, ([a, b, c]) => {
        assert.deepStrictEqual(join(a, b), join(b, a))
        assert.deepStrictEqual(join(join(a, b), c), join(a, join(b, c)))
        assert.deepStrictEqual(join(a, a), a)
        assert.deepStrictEqual(join(join(a, b), b), join(a, b))
        const all = [a, b, join(a, b)].map(String)
        if (new Set(all).size === all.length) distinct++
      }),
      { numRuns: 300 }
    )
    assert.isAbove(distinct, 50)
  })

  it("takes bytes that are no value for a failure", () => {
    fc.assert(
      fc.property(values, fc.uint8Array({ maxLength: 40 }), ([value], noise) => {
        // Noise that is a value by chance merges; it then is a value with itself, too.
        const isValue = failureOf(fold(strategy, noise, noise)) === undefined
        assert.strictEqual(failureOf(fold(strategy, value, noise)), isValue ? undefined : "malformed")
        assert.strictEqual(failureOf(fold(strategy, noise, value)), isValue ? undefined : "malformed")
      })
    )
    assert.strictEqual(failureOf(fold(strategy, new Uint8Array(0), new Uint8Array(0))), "malformed")
  })
}
