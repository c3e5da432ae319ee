import { assert, describe, it } from "@effect/vitest"
import { Limit } from "@sotto/schema/Limit"
import * as fc from "fast-check"
import * as Padme from "../../src/internal/padme.ts"

describe("Padmé", () => {
  it("gives the published sizes", () => {
    // Computed by hand from the paper's formula: E = ⌊log2 L⌋, S = ⌊log2 E⌋ + 1, zero the last E − S bits, rounding up.
    const table: ReadonlyArray<readonly [number, number]> = [
      [0, 256],
      [1, 256],
      [255, 256],
      [256, 256],
      [257, 272],
      [272, 272],
      [273, 288],
      [511, 512],
      [512, 512],
      [513, 544],
      [1000, 1024],
      [1025, 1088],
      [9000, 9216],
      [65_536, 65_536],
      [65_537, 67_584],
      [1_000_000, 1_015_808],
      [1_032_192, 1_032_192],
      [1_032_193, 1_048_576]
    ]
    for (const [length, padded] of table) assert.strictEqual(Padme.paddedLength(length), padded, `${length}`)
  })

  it("never shrinks, never falls, adds at most 12 %, and padding twice changes nothing", () => {
    fc.assert(fc.property(fc.nat({ max: 2_000_000 }), (length) => {
      const padded = Padme.paddedLength(length)
      assert.isAtLeast(padded, length)
      assert.isAtLeast(Padme.paddedLength(length + 1), padded)
      assert.strictEqual(Padme.paddedLength(padded), padded)
      if (length > Limit.paddingBytesMin) assert.isAtMost(padded, Math.ceil(length * 1.12))
    }))
  })

  it("says how much fits", () => {
    fc.assert(fc.property(fc.integer({ min: Limit.paddingBytesMin, max: 2_000_000 }), (most) => {
      const fits = Padme.unpaddedMax(most)
      assert.isAtMost(Padme.paddedLength(fits), most)
      assert.isAbove(Padme.paddedLength(fits + 1), most)
    }))
    assert.strictEqual(Padme.unpaddedMax(Limit.paddingBytesMin - 1), -1)
  })

  it("accepts its own padding and no other", () => {
    const padded = Padme.pad(new Uint8Array(300).fill(7))
    assert.strictEqual(padded.length, 304)
    assert.isTrue(Padme.isPadding(padded, 300))
    assert.isFalse(Padme.isPadding(padded, 299))
    assert.isFalse(Padme.isPadding(new Uint8Array(320), 300))
    padded[303] = 1
    assert.isFalse(Padme.isPadding(padded, 300))
  })
})
