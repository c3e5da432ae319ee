import * as Slab from "@sotto/simulation/Slab"
import * as fc from "fast-check"
import { expect, it } from "vitest"

const lengths = fc.array(fc.oneof(fc.nat(200), fc.nat(20_000)), { maxLength: 60 })

it("gives zeros, however much of others' memory was written to", () => {
  fc.assert(fc.property(lengths, (all) => {
    for (const length of all) {
      const bytes = Slab.zeros(length)
      expect(bytes.length).toBe(length)
      expect(bytes.every((byte) => byte === 0)).toBe(true)
      bytes.fill(0xff)
    }
  }))
})

it("gives copies that no other one changes", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 20 }), (all) => {
    const copies = all.map(Slab.copy)
    const before = all.map((bytes) => Array.from(bytes))
    for (const bytes of all) bytes.fill(1)
    expect(copies.map((bytes) => Array.from(bytes))).toEqual(before)
  }))
})
