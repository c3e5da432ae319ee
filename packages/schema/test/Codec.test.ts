import { assert, describe, it } from "@effect/vitest"
import * as Sotto from "@sotto/schema"
import * as Codec from "@sotto/schema/Codec"
import { Entry, entryCodec } from "@sotto/schema/Entry"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "@sotto/schema/Wire"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { otherNames, otherTypes, wireTypes } from "./kit/wireTypes.ts"

const hex = (text: string) => Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16))
const samples = (schema: Schema.Codec<unknown, unknown>, count: number, seed: number) =>
  Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(schema), { count, seed, size: 6, maxDiscards: 100_000 }))

/** A struct in a struct in a struct. */
const deep = (levels: number): Schema.Codec<unknown, unknown> =>
  levels === 0 ? uint() : Schema.Struct({ a: deep(levels - 1) })

const nested = (levels: number): unknown => levels === 0 ? 0 : { a: nested(levels - 1) }

const isCodec = (value: unknown): value is Codec.Codec<unknown> =>
  typeof value === "object" && value !== null && "decodePrefix" in value

const reasonOf = <A>(result: Result.Result<A, Codec.CodecError>) =>
  Result.isFailure(result) ? `${result.failure.reason}@${result.failure.offset}` : "accepted"

/** Headers that claim more than there is, of every width. */
const LIES = [
  "ddffffffff",
  "dcffff",
  "dbffffffff",
  "daffff",
  "c6ffffffff",
  "c5ffff",
  "cfffffffffffffffff",
  "dfffffffff",
  "c1"
]
  .map(hex)

const splice = (bytes: Uint8Array, at: number, remove: number, insert: Uint8Array) =>
  Uint8Array.of(...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove))

/** Whatever the bytes are: a typed refusal with an offset inside them, or a value whose bytes they are. */
const mustBeSound = (codec: Codec.Codec<unknown>, bytes: Uint8Array) => {
  const result = codec.decode(bytes)
  if (Result.isFailure(result)) {
    assert.instanceOf(result.failure, Codec.CodecError)
    assert.isTrue(result.failure.offset >= 0 && result.failure.offset <= bytes.length)
    return false
  }
  assert.deepStrictEqual(codec.encode(result.success), bytes)
  return true
}

/** Neither written nor read. */
const refuses = (schema: Schema.Top, name: string): void => {
  const codec = Codec.make(schema)
  const refusal = /has no canonical form/
  assert.throws(() => codec.encode(undefined), TypeError, refusal, name)
  assert.throws(() => codec.decode(new Uint8Array(1)), TypeError, refusal, name)
}

describe("every exported schema", () => {
  it("is a wire type or listed as none", () => {
    assert.isAtLeast(wireTypes.length, 50)
    assert.deepStrictEqual(otherTypes.map(([name]) => name).sort(), [...otherNames].sort())
    for (const [name, schema] of otherTypes) refuses(schema, name)
  })
})

describe("every exported codec", () => {
  const codecs = Object.entries(Sotto).flatMap(([module, exports]) =>
    Object.entries(exports).flatMap(([name, value]): ReadonlyArray<readonly [string, Codec.Codec<unknown>]> =>
      isCodec(value) ? [[`${module}.${name}`, value]] : []
    )
  )

  it("is there", () => assert.isAtLeast(codecs.length, 21))

  it.each(codecs)("%s is that of the schema of its name", (name, codec) => {
    const wanted = name.replace(/Codec$/, "").replace(/\.(.)/, (_, first: string) => `.${first.toUpperCase()}`)
    const type = wireTypes.find((known) => known.name === wanted)
    assert.isDefined(type)
    if (type === undefined) return
    for (const value of samples(type.schema, 20, 3)) {
      assert.deepStrictEqual(codec.encode(value), type.codec.encode(value))
    }
  })
})

describe.each(wireTypes)("$name", ({ codec, schema }) => {
  const is = Schema.is(schema)

  it.prop("comes back from its bytes, and its bytes from it", [Arbitrary.schema(schema)], ([value]) => {
    const bytes = codec.encode(value)
    const decoded = Result.getOrThrow(codec.decode(bytes))
    assert.isTrue(is(decoded))
    assert.deepStrictEqual(decoded, value)
    assert.deepStrictEqual(codec.encode(decoded), bytes)
    const prefix = Result.getOrThrow(codec.decodePrefix(Uint8Array.of(...bytes, 0xc0)))
    assert.deepStrictEqual(prefix, { value: decoded, length: bytes.length })
    assert.deepStrictEqual(codec.encodeAfter(3, value).subarray(3), bytes)
  }, { arbitrary: { runs: 40, size: 8, maxDiscards: 100_000 } })

  it("refuses each truncation and each trailing byte", () => {
    for (const value of samples(schema, 6, 1)) {
      const bytes = codec.encode(value)
      for (let length = 0; length < bytes.length; length += 1 + (bytes.length >>> 8)) {
        assert.match(reasonOf(codec.decode(bytes.subarray(0, length))), /^truncated@/)
      }
      assert.strictEqual(reasonOf(codec.decode(Uint8Array.of(...bytes, 0))), `trailing@${bytes.length}`)
    }
  })

  it("accepts no changed bytes that are not the bytes of their value", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), fc.nat(2), fc.uint8Array({ maxLength: 3 }), (seed, at, remove, insert) => {
        for (const value of samples(schema, 1, seed)) {
          const bytes = codec.encode(value)
          mustBeSound(codec, splice(bytes, at % (bytes.length + 1), remove, insert))
        }
      }),
      { numRuns: 60 }
    )
  })

  it("refuses lengths and counts that lie, wherever they stand", () => {
    for (const value of samples(schema, 2, 2)) {
      const bytes = codec.encode(value)
      for (let at = 0; at < bytes.length; at += 1 + (bytes.length >>> 6)) {
        for (const lie of LIES) mustBeSound(codec, splice(bytes, at, 1, lie))
      }
    }
  })

  it("takes random bytes as they come", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void mustBeSound(codec, bytes)), {
      numRuns: 100
    })
  })
})

describe("the form of each kind", () => {
  const cases: ReadonlyArray<readonly [string, Schema.Codec<unknown, unknown>, unknown, string]> = [
    ["uint 0", uint(), 0, "00"],
    ["uint 127", uint(), 127, "7f"],
    ["uint 128", uint(), 128, "cc80"],
    ["uint 255", uint(), 255, "ccff"],
    ["uint 256", uint(), 256, "cd0100"],
    ["uint 65535", uint(), 65_535, "cdffff"],
    ["uint 65536", uint(), 65_536, "ce00010000"],
    ["uint 2^32-1", uint(), 2 ** 32 - 1, "ceffffffff"],
    ["uint 2^32", uint(), 2 ** 32, "cf0000000100000000"],
    ["uint 2^53-1", uint(), 2 ** 53 - 1, "cf001fffffffffffff"],
    ["true", Schema.Boolean, true, "c3"],
    ["false", Schema.Boolean, false, "c2"],
    ["null", Schema.NullOr(uint()), null, "c0"],
    ["not null", Schema.NullOr(uint()), 5, "05"],
    ["text", boundedText(400), "aé€😀", "aa 61 c3a9 e282ac f09f9880"],
    ["text of 31", boundedText(400), "x".repeat(31), `bf ${"78".repeat(31)}`],
    ["text of 32", boundedText(400), "x".repeat(32), `d920 ${"78".repeat(32)}`],
    ["text of 256", boundedText(400), "x".repeat(256), `da0100 ${"78".repeat(256)}`],
    ["bytes", boundedBytes(300), hex("0102"), "c4020102"],
    ["bytes of 256", boundedBytes(300), new Uint8Array(256), `c50100 ${"00".repeat(256)}`],
    ["bytes of 65536", boundedBytes(70_000), new Uint8Array(65_536), `c600010000 ${"00".repeat(65_536)}`],
    ["array", boundedArray(uint(), 20), [1, 2], "920102"],
    ["array of 16", boundedArray(uint(), 20), Array.from({ length: 16 }, () => 0), `dc0010 ${"00".repeat(16)}`],
    ["struct", Schema.Struct({ b: uint(), a: Schema.Boolean }), { b: 1, a: true }, "9201c3"],
    ["literal number", Schema.Literals([1, 2]), 2, "02"],
    ["literal word", Schema.Literals(["read", "write"]), "read", "a472656164"],
    ["tagged", Schema.Union([tagged("A", 1, {}), tagged("B", 200, { x: uint() })]), { _tag: "B", x: 7 }, "92ccc807"],
    ["tagged, empty", Schema.Union([tagged("A", 1, {})]), { _tag: "A" }, "9101"]
  ]
  it.each(cases)("%s", (_name, schema, value, form) => {
    const codec = Codec.make(schema)
    assert.deepStrictEqual(codec.encode(value), hex(form))
    assert.deepStrictEqual(codec.decode(hex(form)), Result.succeed(value))
  })

  it("writes minus zero as zero", () => assert.deepStrictEqual(Codec.make(uint()).encode(-0), hex("00")))
})

describe("what is refused, with its reason and place", () => {
  const op = Schema.Union([tagged("A", 1, { x: uint(300) }), tagged("B", 2, { y: fixedBytes(2) })])
  const pair = Schema.Struct({ n: uint(300), t: boundedText(4) })
  const cases: ReadonlyArray<readonly [string, Schema.Codec<unknown, unknown>, string, string]> = [
    ["nothing", uint(), "", "truncated@0"],
    ["uint not shortest, 8", uint(), "cc7f", "not-canonical@0"],
    ["uint not shortest, 16", uint(), "cd00ff", "not-canonical@0"],
    ["uint not shortest, 32", uint(), "ce0000ffff", "not-canonical@0"],
    ["uint not shortest, 64", uint(), "cf00000000ffffffff", "not-canonical@0"],
    ["signed form of a positive", uint(), "d001", "wrong-type@0"],
    ["uint above 2^53", uint(), "cf0020000000000000", "out-of-range@0"],
    ["uint above its range", uint(300), "cd012d", "out-of-range@0"],
    ["negative", uint(), "ff", "wrong-type@0"],
    ["float", uint(), "cb3ff0000000000000", "wrong-type@0"],
    ["map for struct", pair, "81a16e01", "wrong-type@0"],
    ["extension", uint(), "d40100", "wrong-type@0"],
    ["never used", uint(), "c1", "wrong-type@0"],
    ["text for bytes", boundedBytes(9), "a161", "wrong-type@0"],
    ["bytes for text", boundedText(9), "c40161", "wrong-type@0"],
    ["nil for a number", uint(), "c0", "wrong-type@0"],
    ["number for boolean", Schema.Boolean, "01", "wrong-type@0"],
    ["bin not shortest", boundedBytes(300), "c500020102", "not-canonical@0"],
    ["str not shortest", boundedText(300), "d90161", "not-canonical@0"],
    ["array not shortest", boundedArray(uint(), 20), "dc000101", "not-canonical@0"],
    ["too many items", boundedArray(uint(), 2), "93010101", "too-long@0"],
    ["more items than bytes", boundedArray(fixedBytes(32), 1000), "dc03e8c42000", "truncated@6"],
    ["more items than bytes, before one is read", boundedArray(fixedBytes(32), 1000), "dc03e8c1", "truncated@4"],
    ["uint below its range", Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 9 })), "01", "out-of-range@0"],
    ["text too long", boundedText(4), "a56161616161", "too-long@0"],
    ["text too long in bytes", boundedText(4), "a6e282ace282ac", "too-long@0"],
    ["bytes too long", boundedBytes(1), "c4020102", "too-long@0"],
    ["fixed bytes too short", fixedBytes(2), "c40101", "wrong-length@0"],
    ["overlong utf-8", boundedText(4), "a2c080", "not-utf8@0"],
    ["surrogate in utf-8", boundedText(4), "a3eda080", "not-utf8@0"],
    ["a field more", pair, "930001a0", "wrong-length@0"],
    ["a field less", pair, "9100", "wrong-length@0"],
    ["unknown tag", op, "9203 00", "unknown-tag@1"],
    ["tag not shortest", op, "92cc0100", "not-canonical@1"],
    ["field of a member", op, "9201cd012d", "out-of-range@2"],
    ["member without fields", op, "9101", "wrong-length@0"],
    ["a field more in a member", op, "93010100", "wrong-length@0"],
    ["no member", op, "90", "wrong-length@0"],
    ["unknown number", Schema.Literals([1, 2]), "03", "out-of-range@0"],
    ["unknown word", Schema.Literals(["on", "off"]), "a3616263", "out-of-range@0"]
  ]
  it.each(cases)("%s", (_name, schema, bytes, reason) => {
    assert.strictEqual(reasonOf(Codec.make(schema).decode(hex(bytes))), reason)
  })

  it("says so without the bytes", () => {
    const failure = Codec.make(boundedText(4)).decode(hex("a5 73 65 63 72 65"))
    assert.isTrue(Result.isFailure(failure))
    if (Result.isFailure(failure)) {
      assert.deepStrictEqual(Object.fromEntries(Object.entries(failure.failure)), {
        _tag: "CodecError",
        reason: "too-long",
        offset: 0
      })
      assert.notInclude(failure.failure.message, "secre")
    }
  })

  it.effect("as an Effect too", () =>
    Effect.gen(function*() {
      const codec = Codec.make(uint())
      assert.strictEqual(yield* codec.decodeEffect(hex("05")), 5)
      assert.strictEqual((yield* Effect.flip(codec.decodeEffect(hex("")))).reason, "truncated")
    }))
})

describe("a value outside its type is a bug, named by its place", () => {
  const cases: ReadonlyArray<readonly [string, Schema.Codec<unknown, unknown>, unknown]> = [
    ["range", uint(3), 4],
    ["fraction", uint(3), 0.5],
    ["NaN", uint(3), NaN],
    ["type", uint(3), "1"],
    ["text too long", boundedText(2), "abc"],
    ["text too long in bytes", boundedText(2), "€"],
    ["lone surrogate", boundedText(9), "\ud800"],
    ["surrogates the wrong way round", boundedText(9), "\udc00\ud800"],
    ["bytes too long", boundedBytes(1), new Uint8Array(2)],
    ["bytes too short", fixedBytes(2), new Uint8Array(1)],
    ["not bytes", fixedBytes(2), [1, 2]],
    ["too many items", boundedArray(uint(), 1), [1, 2]],
    ["hole", boundedArray(uint(), 2), Array.from({ length: 1 })],
    ["not an array", boundedArray(uint(), 1), new Set([1])],
    ["not a struct", Schema.Struct({ a: uint() }), null],
    ["field missing", Schema.Struct({ a: uint() }), {}],
    ["unknown member", Schema.Union([tagged("A", 1, {})]), { _tag: "B" }],
    ["literal", Schema.Literals([1, 2]), 3],
    ["word", Schema.Literals(["a"]), "b"],
    ["boolean", Schema.Boolean, 1]
  ]
  it.each(cases)("%s", (_name, schema, value) => {
    assert.throws(() => Codec.make(schema, "Here").encode(value), RangeError, /^Here/)
  })
})

describe("a schema without a canonical form is refused at the first use of its codec", () => {
  const cases: ReadonlyArray<readonly [string, Schema.Top]> = [
    ["float", Schema.Number],
    ["unbounded integer", Schema.Int],
    ["negative integer", Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 1 }))],
    ["negative literal", Schema.Literals([-1, 1])],
    ["too deep", deep(Limit.decodeDepthMax + 1)],
    ["unbounded text", Schema.String],
    ["text bounded in UTF-16 only", Schema.String.check(Schema.isMaxLength(3))],
    ["unbounded bytes", Schema.Uint8Array],
    ["unbounded array", Schema.Array(uint())],
    ["tuple", Schema.Tuple([uint()])],
    ["optional field", Schema.Struct({ a: Schema.optionalKey(uint()) })],
    ["record", Schema.Record(Schema.String, uint())],
    ["union of untagged", Schema.Union([uint(), boundedText(3)])],
    ["mixed literals", Schema.Literals([1, "a"])],
    ["fractional literal", Schema.Literal(0.5)],
    ["tag number twice", Schema.Union([tagged("A", 1, {}), tagged("B", 1, {})])],
    ["tag name twice", Schema.Union([tagged("A", 1, {}), tagged("A", 2, {})])],
    ["null or two others", Schema.NullOr(Schema.Union([uint(), Schema.Boolean]))],
    ["transformation", Schema.NumberFromString],
    ["date", Schema.Date],
    ["class", class A extends Schema.Class<A>("A")({ a: uint() }) {}],
    ["suspended", Schema.suspend(() => uint())],
    ["bigint", Schema.BigInt],
    ["any", Schema.Any],
    ["check that is not known", uint().check(Schema.isMultipleOf(2))],
    ["check on a struct", Schema.Struct({ a: uint() }).check(Schema.makeFilter(() => true))],
    ["__proto__", Schema.Struct({ ["__proto__"]: uint() })]
  ]
  it.each(cases)("%s", (name, schema) => refuses(schema, name))
})

it("a schema of as many levels as there may be is none of them", () => {
  assert.strictEqual(Codec.make(deep(Limit.decodeDepthMax)).encode(nested(Limit.decodeDepthMax)).length, 17)
})

describe("bytes of a decoded value", () => {
  const schema = Schema.Struct({ small: boundedBytes(64), large: boundedBytes(200) })
  const codec = Codec.make(schema)
  const bytes = codec.encode({ small: new Uint8Array(64).fill(1), large: new Uint8Array(65).fill(2) })

  it("are copies up to 64 and views above", () => {
    const { large, small } = Result.getOrThrow(codec.decode(bytes))
    assert.notStrictEqual(small.buffer, bytes.buffer)
    assert.strictEqual(large.buffer, bytes.buffer)
  })

  it("are plain, also from a Buffer, whose slice is no copy", () => {
    const { large, small } = Result.getOrThrow(codec.decode(Buffer.from(bytes)))
    assert.strictEqual(Object.getPrototypeOf(small), Uint8Array.prototype)
    assert.strictEqual(Object.getPrototypeOf(large), Uint8Array.prototype)
    assert.strictEqual(small.buffer.byteLength, 64)
  })
})

describe("types", () => {
  it("are the schema's", () => {
    const decoded: Result.Result<Entry, Codec.CodecError> = entryCodec.decode(new Uint8Array(0))
    assert.isTrue(Result.isFailure(decoded))
    assert.isFalse(Schema.is(Entry)({}))
  })
})
