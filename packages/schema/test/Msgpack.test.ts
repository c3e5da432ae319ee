import { assert, describe, it } from "@effect/vitest"
import type { CodecError } from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import * as Msgpack from "@sotto/schema/Msgpack"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const hex = (text: string) => Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16))
const reasonOf = (result: Result.Result<Msgpack.Value, CodecError>) =>
  Result.isFailure(result) ? `${result.failure.reason}@${result.failure.offset}` : "accepted"

const text = fc.string({ unit: "binary" })
const key = text.filter((name) => name !== "__proto__")
const { value } = fc.letrec<{ value: Msgpack.Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 300 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    text,
    fc.uint8Array({ maxLength: 80 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true })
  )
}))
const depthOf = (found: Msgpack.Value): number =>
  typeof found === "object" && found !== null && !(found instanceof Uint8Array)
    ? 1 + Math.max(0, ...Object.values(found).map((inner: Msgpack.Value) => depthOf(inner)))
    : 0

describe("Msgpack", () => {
  it("brings each value back, and its bytes from it", () => {
    fc.assert(fc.property(value.filter((found) => depthOf(found) <= Limit.decodeDepthMax), (before) => {
      const bytes = Msgpack.encode(before)
      const after = Result.getOrThrow(Msgpack.decode(bytes))
      assert.deepStrictEqual(after, before)
      assert.deepStrictEqual(Msgpack.encode(after), bytes)
    }))
  })

  it("accepts no other bytes for a value", () => {
    const change = fc.tuple(fc.nat(), fc.nat(2), fc.uint8Array({ maxLength: 3 }))
    fc.assert(
      fc.property(value, change, (before, [at, remove, insert]) => {
        const bytes = Msgpack.encode(before)
        const place = at % (bytes.length + 1)
        const changed = Uint8Array.of(...bytes.subarray(0, place), ...insert, ...bytes.subarray(place + remove))
        const after = Msgpack.decode(changed)
        if (Result.isSuccess(after)) assert.deepStrictEqual(Msgpack.encode(after.success), changed)
      }),
      { numRuns: 1000 }
    )
  })

  it("takes random bytes as they come", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
        const result = Msgpack.decode(bytes)
        if (Result.isSuccess(result)) assert.deepStrictEqual(Msgpack.encode(result.success), bytes)
      }),
      { numRuns: 2000 }
    )
  })

  it("gives the same bytes whatever the order of the keys", () => {
    assert.deepStrictEqual(Msgpack.encode({ b: 1, a: 2 }), hex("82 a161 02 a162 01"))
    assert.deepStrictEqual(Msgpack.encode({ a: 2, b: 1 }), Msgpack.encode({ b: 1, a: 2 }))
    assert.deepStrictEqual(Msgpack.encode({ 10: 1, 9: 2 }), hex("82 a23130 01 a139 02"))
  })

  it("orders keys by their UTF-8 bytes, not by UTF-16 units", () => {
    fc.assert(fc.property(text, text, (a, b) => {
      const expected = Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"))
      assert.strictEqual(Math.sign(Msgpack.compareText(a, b)), expected)
    }))
    assert.isBelow(Msgpack.compareText("\uffff", "😀"), 0)
  })

  it("leaves out what is undefined, as JSON does", () => {
    assert.deepStrictEqual(Msgpack.encode({ a: undefined, b: 1 }), Msgpack.encode({ b: 1 }))
  })

  it("leaves room before the value", () => {
    assert.deepStrictEqual(Msgpack.encode(7, 2), hex("000007"))
  })

  const forms: ReadonlyArray<readonly [Msgpack.Value, string]> = [
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32_769, "d2ffff7fff"],
    [-2_147_483_649, "d3ffffffff7fffffff"],
    [-(2 ** 53 - 1), "d3ffe0000000000001"],
    [1.5, "cb3ff8000000000000"],
    [-0, "cb8000000000000000"],
    [2 ** 53, "cb4340000000000000"],
    [{}, "80"],
    [[], "90"]
  ]
  it.each(forms)("%s is %s", (before, bytes) => {
    assert.deepStrictEqual(Msgpack.encode(before), hex(bytes))
    assert.deepStrictEqual(Msgpack.decode(hex(bytes)), Result.succeed(before))
  })

  const refused: ReadonlyArray<readonly [string, string, string]> = [
    ["nothing", "", "truncated@0"],
    ["trailing", "c0c0", "trailing@1"],
    ["keys not sorted", "82a16201a16102", "not-canonical@4"],
    ["key twice", "82a16101a16102", "not-canonical@4"],
    ["__proto__", "81a95f5f70726f746f5f5f80", "forbidden-key@1"],
    ["key that is no text", "810100", "wrong-type@1"],
    ["float of an integer", "cb3ff0000000000000", "not-canonical@0"],
    ["NaN", "cb7ff8000000000000", "out-of-range@0"],
    ["infinity", "cb7ff0000000000000", "out-of-range@0"],
    ["float32", "ca3fc00000", "wrong-type@0"],
    ["extension", "d40100", "wrong-type@0"],
    ["never used", "c1", "wrong-type@0"],
    ["negative not shortest", "d0ff", "not-canonical@0"],
    ["integer below −2^53", "d3ffe0000000000000", "out-of-range@0"],
    ["array of 2^32 − 1", "ddffffffff", "truncated@5"],
    ["map of 2^32 − 1", "dfffffffff", "truncated@5"],
    ["text of 2^32 − 1", "dbffffffff", "truncated@5"],
    ["bytes of 2^32 − 1", "c6ffffffff", "truncated@5"]
  ]
  it.each(refused)(
    "refuses %s",
    (_name, bytes, reason) => assert.strictEqual(reasonOf(Msgpack.decode(hex(bytes))), reason)
  )

  it("holds its budgets", () => {
    const nested = (depth: number) => Uint8Array.of(...new Uint8Array(depth).fill(0x91), 0x90)
    assert.strictEqual(reasonOf(Msgpack.decode(nested(Limit.decodeDepthMax - 1))), "accepted")
    assert.strictEqual(reasonOf(Msgpack.decode(nested(Limit.decodeDepthMax))), `too-deep@${Limit.decodeDepthMax}`)
    const items = (count: number) => Uint8Array.of(0xdc, count >>> 8, count, ...new Uint8Array(count))
    assert.strictEqual(reasonOf(Msgpack.decode(items(Limit.controlItemsMax + 1))), "too-large@0")
    assert.strictEqual(reasonOf(Msgpack.decode(new Uint8Array(Limit.controlBytesMax + 1))), "too-large@0")
    const three = { bytesMax: 100, depthMax: 2, itemsMax: 3 }
    assert.strictEqual(reasonOf(Msgpack.decode(hex("92 91 01 00"), three)), "accepted")
    assert.strictEqual(reasonOf(Msgpack.decode(hex("92 91 01 91 00"), three)), "too-large@3")
  })

  it("does not count depth along siblings", () => {
    const wide = Array.from({ length: 100 }, () => [[1], { a: [2] }])
    assert.deepStrictEqual(Msgpack.decode(Msgpack.encode(wide)), Result.succeed(wide))
  })

  const cycle: Array<unknown> = []
  cycle.push(cycle)
  const bugs: ReadonlyArray<readonly [string, unknown]> = [
    ["undefined", undefined],
    ["undefined in an array", [undefined]],
    ["bigint", 1n],
    ["NaN", NaN],
    ["infinity", Infinity],
    ["function", () => 1],
    ["symbol", Symbol.iterator],
    ["date", new Date(0)],
    ["map", new Map()],
    ["float array", new Float64Array(1)],
    ["lone surrogate", "\ud800"],
    ["lone surrogate in a key", { "\ud800": 1 }],
    ["__proto__", JSON.parse(`{"__proto__":1}`)],
    ["cycle", cycle]
  ]
  it.each(bugs)("throws for %s", (_name, bug) => assert.throws(() => Msgpack.encode(bug), RangeError))
})
