import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { label, Purpose } from "@sotto/schema/Purpose"
import type { Suite } from "@sotto/schema/Suite"
import * as fc from "fast-check"

const purposes: ReadonlyArray<Purpose> = Object.values(Purpose)
const fields = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 4 })
const input = fc.tuple(fc.constantFrom<Suite>(1, 2), fc.constantFrom(...purposes), fields)

describe("Purpose", () => {
  it("stands once each, in plain ASCII without the terminator", () => {
    assert.strictEqual(new Set(purposes).size, purposes.length)
    for (const purpose of purposes) assert.match(purpose, /^[a-z][a-z/-]*$/)
  })

  it("has no label that begins another", () => {
    const labels = purposes.map((purpose) => label(1, purpose))
    for (const a of labels) {
      for (const b of labels) {
        if (a !== b) assert.isFalse(Bytes.equals(a, b.subarray(0, a.length)))
      }
    }
  })

  it("is laid out as its drawing says", () => {
    assert.deepStrictEqual(
      label(2, Purpose.encrypt, Uint8Array.of(9), new Uint8Array(0)),
      Uint8Array.of(0x73, 0x6f, 0x74, 0x74, 0x6f, 0x31, 0, 2, 0x65, 0x6e, 0x63, 0, 0, 1, 9, 0, 0)
    )
  })

  it("never gives two inputs the same bytes, nor one input's bytes at the front of another's by moving a boundary", () => {
    fc.assert(
      fc.property(input, input, ([suiteA, purposeA, a], [suiteB, purposeB, b]) => {
        const same = suiteA === suiteB && purposeA === purposeB && a.length === b.length &&
          a.every((field, i) => Bytes.equals(field, b[i] ?? Uint8Array.of(1)))
        assert.strictEqual(Bytes.equals(label(suiteA, purposeA, ...a), label(suiteB, purposeB, ...b)), same)
      }),
      { numRuns: 2000 }
    )
    const [x, y] = [Uint8Array.of(1, 2), Uint8Array.of(3)]
    assert.notDeepEqual(label(1, "enc", x, y), label(1, "enc", Uint8Array.of(1), Uint8Array.of(2, 3)))
    assert.notDeepEqual(label(1, "enc", x, y), label(1, "enc", Bytes.concat(x, y)))
    assert.notDeepEqual(label(1, "enc"), label(1, "enc", Bytes.EMPTY))
  })

  it("can be read back: the fields follow from the bytes alone", () => {
    fc.assert(fc.property(input, ([suite, purpose, before]) => {
      const bytes = label(suite, purpose, ...before)
      assert.strictEqual(bytes[7], suite)
      const end = bytes.indexOf(0, 8)
      assert.strictEqual(String.fromCharCode(...bytes.subarray(8, end)), purpose)
      const after: Array<Uint8Array> = []
      for (let at = end + 1; at < bytes.length;) {
        const length = (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
        after.push(bytes.slice(at + 2, at + 2 + length))
        at += 2 + length
      }
      assert.deepStrictEqual(after, before)
    }))
  })

  it("keeps its bytes, whatever is made after it and written to", () => {
    const some = fc.array(fc.tuple(input, fc.nat(2000)), { minLength: 1, maxLength: 60 })
    fc.assert(fc.property(some, (inputs) => {
      const make = ([[suite, purpose, fields], length]: (typeof inputs)[number]) =>
        label(suite, purpose, ...fields, new Uint8Array(length).fill(7))
      const labels = inputs.map(make)
      for (const one of inputs) make(one).fill(0xff)
      assert.deepStrictEqual(labels, inputs.map(make))
    }))
  })

  it("takes fields of up to 65,535 bytes", () => {
    assert.strictEqual(label(1, "enc", new Uint8Array(0xffff)).length, 12 + 2 + 0xffff)
    assert.throws(() => label(1, "enc", new Uint8Array(0x1_0000)), RangeError)
  })
})
