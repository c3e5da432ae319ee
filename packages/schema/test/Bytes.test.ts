import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import * as fc from "fast-check"

const bytes = fc.uint8Array({ maxLength: 6 })

describe("Bytes", () => {
  it("concat puts all parts one after the other, in a fresh array", () => {
    fc.assert(fc.property(fc.array(bytes), (parts) => {
      assert.deepStrictEqual(Bytes.concat(...parts), Uint8Array.from(parts.flatMap((part) => [...part])))
    }))
    const one = Uint8Array.of(1)
    assert.notStrictEqual(Bytes.concat(one), one)
  })

  it("equals and compare agree with Buffer's", () => {
    fc.assert(fc.property(bytes, bytes, (a, b) => {
      assert.strictEqual(Math.sign(Bytes.compare(a, b)), Buffer.compare(a, b))
      assert.strictEqual(Bytes.equals(a, b), Buffer.compare(a, b) === 0)
      assert.isTrue(Bytes.equals(a, a.slice()))
    }))
  })

  it("u32 and u64 are big endian", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => {
      const view = new DataView(Bytes.u64(value).buffer)
      assert.strictEqual(view.getBigUint64(0), BigInt(value))
      assert.strictEqual(new DataView(Bytes.u32(value % 2 ** 32).buffer).getUint32(0), value % 2 ** 32)
    }))
  })

  it("toHex: the engine's own and the one for engines without are the same", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const without = Object.defineProperty(bytes.slice(), "toHex", { value: undefined })
      const expected = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
      assert.strictEqual(Bytes.toHex(bytes), expected)
      assert.strictEqual(Bytes.toHex(without), expected)
    }))
  })

  it("isZero, toHex and plain", () => {
    assert.isTrue(Bytes.isZero(new Uint8Array(3)))
    assert.isFalse(Bytes.isZero(Uint8Array.of(0, 1)))
    assert.strictEqual(Bytes.toHex(Uint8Array.of(0, 0xab)), "00ab")
    const buffer = Buffer.from([1, 2, 3]).subarray(1)
    assert.strictEqual(Object.getPrototypeOf(Bytes.plain(buffer)), Uint8Array.prototype)
    assert.deepStrictEqual(Bytes.plain(buffer), Uint8Array.of(2, 3))
    const already = Uint8Array.of(1)
    assert.strictEqual(Bytes.plain(already), already)
  })
})
