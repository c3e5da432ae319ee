import * as fc from "fast-check"
import { assert, it } from "vitest"
import * as ByteText from "../src/ByteText.ts"

it("has a unit for each byte, in their order, whatever the length", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const text = ByteText.of(bytes)
    assert.deepStrictEqual(Array.from(text, (unit) => unit.charCodeAt(0)), Array.from(bytes))
  }))
})
