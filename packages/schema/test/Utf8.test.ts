import { assert, describe, it } from "@effect/vitest"
import * as Codec from "@sotto/schema/Codec"
import * as Utf8 from "@sotto/schema/Utf8"
import { boundedText } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const codec = Codec.make(boundedText(100_000))
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** What the platform's strict decoder makes of bytes. */
const expected = (bytes: Uint8Array) => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

const read = (bytes: Uint8Array) =>
  Result.getOrUndefined(codec.decode(Uint8Array.of(0xda, bytes.length >>> 8, bytes.length, ...bytes)))
/** At least 256 bytes, so that the header above is the shortest. */
const padded = (bytes: Uint8Array) => Uint8Array.of(...bytes, ...new Uint8Array(256).fill(0x2e))

describe("UTF-8", () => {
  it("is the platform's, for every code point", () => {
    const encoder = new TextEncoder()
    for (let point = 0; point <= 0x10_ffff; point += 1 + Math.floor(point / 500)) {
      if (point >= 0xd800 && point <= 0xdfff) continue
      const text = String.fromCodePoint(point)
      assert.deepStrictEqual(Utf8.encode(text), encoder.encode(text))
      assert.strictEqual(Result.getOrThrow(codec.decode(codec.encode(text))), text)
    }
  })

  it("is the platform's at every boundary", () => {
    for (const point of [0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xfeff, 0xffff, 0x1_0000, 0x10_ffff]) {
      const text = String.fromCodePoint(point)
      assert.strictEqual(Result.getOrThrow(codec.decode(codec.encode(text))), text)
    }
  })

  it("refuses what the platform's strict decoder refuses, and nothing else", () => {
    const wild = fc.array(
      fc.constantFrom(0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x9f, 0xa0, 0x90, 0x8f)
    )
    fc.assert(
      fc.property(wild, (units) => {
        const bytes = padded(Uint8Array.from(units))
        assert.strictEqual(read(bytes), expected(bytes))
      }),
      { numRuns: 5000 }
    )
    for (let first = 0x80; first <= 0xff; first++) {
      for (let second = 0; second <= 0xff; second++) {
        const bytes = padded(Uint8Array.of(first, second, 0x80, 0x80))
        assert.strictEqual(read(bytes), expected(bytes))
      }
    }
  })

  it("takes long texts, wide and narrow", () => {
    for (const text of ["a".repeat(90_000), "é".repeat(40_000), "😀".repeat(20_000)]) {
      assert.strictEqual(Result.getOrThrow(codec.decode(codec.encode(text))), text)
    }
  })

  it("throws for a lone surrogate", () => {
    for (const text of ["\ud800", "a\udc00", "\ud800a", "\udc00\ud800"]) {
      assert.throws(() => Utf8.encode(text), RangeError)
    }
  })
})
