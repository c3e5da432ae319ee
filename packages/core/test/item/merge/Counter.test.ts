import { assert, describe, it } from "@effect/vitest"
import * as Codec from "@sotto/schema/Codec"
import { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, uint } from "@sotto/schema/Wire"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { add, counter, total, zero } from "../../../src/item/merge/Counter.ts"
import { device, failureOf, fold, mergedOf } from "./kit.ts"
import { laws } from "./laws.ts"

const adds = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.integer({ min: -5, max: 9 })), { maxLength: 6 })

const after = (value: Uint8Array, all: ReadonlyArray<readonly [number, number]>): Uint8Array =>
  all.reduce((sum, [who, amount]) => add(sum, device(who), amount) ?? assert.fail("not added"), value)

/** Bytes of a counter of any form, also of one that no device would write. */
const forged = Codec.make(
  boundedArray(Schema.Struct({ device: DeviceId, added: uint(), taken: uint() }), 5000),
  "forged"
)

describe("a counter", () => {
  laws(
    counter(),
    fc.tuple(adds, adds, adds, adds).map(([before, ...each]) => {
      const base = after(zero, before)
      const [a, b, c] = each.map((all) => after(base, all))
      return [a ?? base, b ?? base, c ?? base] as const
    })
  )

  it("counts what devices added at the same time once each", () => {
    fc.assert(
      fc.property(adds, fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.integer(), fc.integer(), (before, a, b, x, y) => {
        fc.pre(a !== b)
        const base = after(zero, before)
        const merged = mergedOf(fold(counter(), after(base, [[a, x]]), after(base, [[b, y]])))
        assert.strictEqual(total(merged ?? zero), before.reduce((sum, [, amount]) => sum + amount, 0) + x + y)
      })
    )
  })

  it("stands at zero, and takes whole numbers only", () => {
    assert.strictEqual(total(zero), 0)
    assert.strictEqual(total(after(zero, [[1, 5], [1, -7], [2, 1]])), -1)
    assert.isUndefined(add(zero, device(1), 0.5))
    assert.isUndefined(add(zero, device(1), Number.MAX_SAFE_INTEGER + 1))
    assert.isUndefined(add(after(zero, [[1, Number.MAX_SAFE_INTEGER]]), device(1), 1))
    assert.isUndefined(add(Uint8Array.of(1), device(1), 1))
    assert.isUndefined(total(Uint8Array.of(1)))
  })

  it("has each device once, in order, and no more devices than a space", () => {
    const share = (of: number) => ({ device: device(of), added: 1, taken: 0 })
    assert.strictEqual(total(forged.encode([share(1), share(2)])), 2)
    assert.isUndefined(total(forged.encode([share(2), share(1)])))
    assert.isUndefined(total(forged.encode([share(1), share(1)])))
    const many = (from: number) =>
      forged.encode(Array.from({ length: Limit.membersMax }, (_, at) => {
        const id = new Uint8Array(32)
        new DataView(id.buffer).setUint32(0, from + at)
        return { device: DeviceId.make(id), added: 1, taken: 0 }
      }))
    assert.strictEqual(total(many(1)), Limit.membersMax)
    assert.strictEqual(failureOf(fold(counter(), many(1), many(2))), "too-large")
    assert.isUndefined(add(many(1), device(9), 1))
  })
})
