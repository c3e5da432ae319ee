/** The messages of reconciliation: one form each, bounded before anything is allocated, and as they were frozen. */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import type { CodecError } from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import * as Reconcile from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { Reader } from "../src/internal/reader.ts"
import * as Rice from "../src/internal/rice.ts"

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const sorted = (maximum: number, maxLength = 40) =>
  fc.array(fc.nat({ max: maximum }), { maxLength }).map((values) => Float64Array.from(values).sort())
const unique = (maximum: number) => sorted(maximum).map((values) => Float64Array.from(new Set(values)))
const wide = fc.array(fc.tuple(fc.nat(0xffff), fc.nat(0x7fff_ffff)), { maxLength: 40 }).map((pairs) =>
  Float64Array.from(pairs, ([high, low]) => high * 0x1_0000_0000 + 2 * low).sort()
)
const hex = bytesOf(8).map(Bytes.toHex)
const [nonce, proof] = [bytesOf(8), bytesOf(16)]
const ids = fc.array(bytesOf(32), { maxLength: 5 })
const count = fc.oneof(fc.nat(300), fc.maxSafeNat())

const counters = fc.nat(5000).chain((count) =>
  fc.record({
    count: fc.constant(count),
    counters: fc.array(fc.nat(count), { minLength: 32, maxLength: 32 }).map((values) =>
      Int32Array.from(values, (value) => 2 * value - count)
    )
  })
)
const nodes = fc.nat(32).chain((bits) => fc.record({ bits: fc.constant(bits), nodes: unique(2 ** bits - 1) }))

const request: fc.Arbitrary<Reconcile.Request> = fc.oneof(
  fc.tuple(nonce, proof, count, counters).map(([nonce, proof, keyEpoch, rest]) => ({
    _tag: "Hello" as const,
    nonce,
    proof,
    keyEpoch,
    ...rest
  })),
  fc.record({ _tag: fc.constant("Since" as const), nonce, mark: bytesOf(4) }),
  fc.record({ _tag: fc.constant("More" as const), nonce, from: count, count }),
  fc.record({ _tag: fc.constant("Want" as const), handles: wide }),
  fc.constant({ _tag: "WantAll" as const }),
  fc.tuple(nonce, nodes, fc.nat(8)).map(([nonce, { bits, nodes }, step]) => ({
    _tag: "Probe" as const,
    nonce,
    bits,
    nodes,
    step: Math.min(step, 32 - bits)
  })),
  fc.tuple(nonce, nodes).map(([nonce, rest]) => ({ _tag: "Ask" as const, nonce, ...rest })),
  fc.record({ _tag: fc.constant("Exact" as const), nonce, from: hex, through: hex, ids }),
  fc.record({ _tag: fc.constant("Check" as const), nonce, proof })
)

const sums = fc.array(fc.tuple(fc.nat(300), fc.nat(0x7fff_ffff)), { maxLength: 80 }).map((children) => ({
  counts: Float64Array.from(children, ([count]) => count),
  sums: Float64Array.from(children, ([count, sum]) => count === 0 ? 0 : sum * 0x1_0000)
}))

const answer: fc.Arbitrary<Reconcile.Answer> = fc.oneof(
  fc.constant({ _tag: "Same" as const }),
  fc.constant({ _tag: "Differ" as const }),
  fc.record({ _tag: fc.constant("OtherKey" as const), keyEpoch: count }),
  fc.record({ _tag: fc.constant("Coarse" as const), proof, count }),
  fc.record({ _tag: fc.constantFrom("Tail" as const, "List" as const), proof, handles: wide }),
  fc.record({
    _tag: fc.constant("Cells" as const),
    proof,
    from: count,
    cells: fc.nat(20).chain((cells) => bytesOf(11 * cells))
  }),
  fc.tuple(proof, sums).map(([proof, rest]) => ({ _tag: "Sums" as const, proof, ...rest })),
  fc.tuple(
    proof,
    fc.nat(32).chain((bits) =>
      fc.record({
        bits: fc.constant(bits),
        lists: fc.array(sorted(2 ** Math.min(48 - bits, 31) - 1), { maxLength: 4 })
      })
    )
  ).map(([proof, rest]) => ({ _tag: "Lists" as const, proof, ...rest })),
  fc.record({ _tag: fc.constant("Difference" as const), proof, through: hex, missing: unique(0xffff), ids })
)

interface Side {
  readonly side: string
  /** Bytes of messages of all kinds. */
  readonly message: fc.Arbitrary<Uint8Array>
  /** Why bytes are refused; undefined when they are taken. */
  readonly refusal: (bytes: Uint8Array) => string | undefined
  /** Read and written again; undefined when they are refused. */
  readonly again: (bytes: Uint8Array) => Uint8Array | undefined
}

const sideOf = <A>(
  side: string,
  arb: fc.Arbitrary<A>,
  encode: (value: A) => Uint8Array,
  decode: (bytes: Uint8Array) => Result.Result<A, CodecError>
): Side => ({
  side,
  message: arb.map(encode),
  refusal: (bytes) => {
    const decoded = decode(bytes)
    return Result.isFailure(decoded) ? decoded.failure.reason : undefined
  },
  again: (bytes) => {
    const decoded = decode(bytes)
    return Result.isSuccess(decoded) ? encode(decoded.success) : undefined
  }
})

const requests = sideOf("request", request, Reconcile.encodeRequest, Reconcile.decodeRequest)
const answers = sideOf("answer", answer, Reconcile.encodeAnswer, Reconcile.decodeAnswer)

it("a request is read as it was written", () => {
  fc.assert(
    fc.property(request, (value) => {
      assert.deepStrictEqual(Result.getOrThrow(Reconcile.decodeRequest(Reconcile.encodeRequest(value))), value)
    }),
    { numRuns: 1000 }
  )
})

it("an answer is read as it was written", () => {
  fc.assert(
    fc.property(answer, (value) => {
      assert.deepStrictEqual(Result.getOrThrow(Reconcile.decodeAnswer(Reconcile.encodeAnswer(value))), value)
    }),
    { numRuns: 1000 }
  )
})

describe.each([requests, answers])("the reader of a $side", ({ again, message, refusal }) => {
  it("takes one form only: whatever it takes is written the same", () => {
    let taken = 0
    fc.assert(
      fc.property(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), (bytes, changes) => {
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const back = again(bytes)
        if (back === undefined) return
        taken++
        assert.deepStrictEqual(back, bytes)
      }),
      { numRuns: 3000 }
    )
    assert.isAbove(taken, 500)
  })

  it("refuses every message that is cut or goes on", () => {
    fc.assert(
      fc.property(message, fc.nat(), (bytes, at) => {
        assert.isDefined(refusal(bytes.subarray(0, at % bytes.length)))
        assert.strictEqual(refusal(Bytes.concat(bytes, Uint8Array.of(at & 0xff))), "trailing")
      }),
      { numRuns: 1000 }
    )
  })

  it("never throws", () => {
    fc.assert(
      fc.property(fc.nat(0x50), fc.uint8Array({ maxLength: 300 }), (tag, rest) => {
        refusal(Bytes.concat(Uint8Array.of(tag), rest))
      }),
      { numRuns: 5000 }
    )
  })

  it("refuses what no message may be", () => {
    assert.strictEqual(refusal(new Uint8Array(0)), "truncated")
    assert.strictEqual(refusal(Uint8Array.of(0x7f)), "unknown-tag")
    assert.strictEqual(refusal(new Uint8Array(Limit.reconcileBytesMax + 1)), "too-long")
  })
})

describe("lengths that lie", () => {
  const bytes = (length: number, byte: number): ReadonlyArray<number> => Array.from({ length }, () => byte)
  const zeros = (length: number) => bytes(length, 0)

  it.each(
    [
      ["a list of 2^53 handles", requests, [4, ...bytes(7, 0xff), 0x0f], "truncated"],
      ["a list of 100 handles in one byte", requests, [4, 100, 0], "truncated"],
      ["a count beyond 2^53", requests, [4, ...bytes(9, 0xff), 1], "out-of-range"],
      ["a count of ten bytes", requests, [4, ...bytes(10, 0x80), 1], "out-of-range"],
      ["a count with a zero at its end", requests, [4, 0x80, 0], "not-canonical"],
      ["ids that are not there", requests, [8, ...zeros(24), 2, ...zeros(63)], "truncated"],
      ["a prefix of 33 bits", requests, [7, ...zeros(8), 33, 0], "out-of-range"],
      ["a step of 9 bits", requests, [6, ...zeros(8), 0, 9, 0], "out-of-range"],
      ["a step beyond 32 bits", requests, [6, ...zeros(8), 30, 3, 0], "out-of-range"],
      ["a node that stands twice", requests, [7, ...zeros(8), 4, 2, 0], "not-canonical"],
      ["cells that are not there", answers, [0x47, ...zeros(16), 0, 2, ...zeros(21)], "truncated"],
      ["a sum that is not there", answers, [0x48, ...zeros(16), 1, 5, 0], "truncated"],
      ["more lists than bytes", answers, [0x49, ...zeros(16), 10, 100, 0], "truncated"]
    ] as const
  )("%s", (_, { refusal }, bytes, reason) => {
    assert.strictEqual(refusal(Uint8Array.from(bytes)), reason)
  })

  it("counters beyond what the set can have", () => {
    const hello = (counter: number) =>
      Reconcile.encodeRequest({
        _tag: "Hello",
        nonce: new Uint8Array(8),
        keyEpoch: 1,
        count: 3,
        proof: new Uint8Array(16),
        counters: new Int32Array(32).fill(counter)
      })
    assert.isUndefined(requests.refusal(hello(3)))
    assert.isUndefined(requests.refusal(hello(-3)))
    assert.strictEqual(requests.refusal(hello(5)), "out-of-range")
    assert.strictEqual(requests.refusal(hello(-5)), "out-of-range")
  })
})

describe("writing", () => {
  it("takes values outside their type for the bugs they are", () => {
    const short = new Uint8Array(7)
    assert.throws(() => Reconcile.encodeRequest({ _tag: "Check", nonce: short, proof: new Uint8Array(16) }), RangeError)
    assert.throws(() => Reconcile.encodeRequest({ _tag: "Want", handles: Float64Array.of(2, 1) }), RangeError)
    assert.throws(() => Reconcile.encodeRequest({ _tag: "Want", handles: Float64Array.of(2 ** 48) }), RangeError)
    assert.throws(() => Reconcile.encodeAnswer({ _tag: "OtherKey", keyEpoch: -1 }), RangeError)
  })
})

describe("Rice", () => {
  const decode = (bytes: Uint8Array, count: number, width: number) => Rice.decodeSorted(new Reader(bytes), count, width)

  it.each([
    [0, []],
    [48, []],
    [0, [0]],
    [1, [0, 1]],
    [1, [0, 0, 0, 1, 1]],
    [48, [0]],
    [48, [2 ** 48 - 1]],
    [48, [0, 2 ** 48 - 1]],
    [48, [2 ** 48 - 1, 2 ** 48 - 1]],
    [32, [1, 2, 3, 2 ** 31, 2 ** 32 - 1]],
    [5, [31, 31, 31]]
  ])("codes %d-bit numbers %j", (width, values) => {
    const bytes = Rice.encodeSorted(Float64Array.from(values), width)
    assert.deepStrictEqual(Array.from(decode(bytes, values.length, width)), values)
  })

  it("takes about 1.5 bits more than the numbers' spacing", () => {
    const step = 2 ** 48 / 1000
    const values = Float64Array.from({ length: 1000 }, (_, i) => Math.floor((i + Math.sin(i) / 2 + 0.5) * step))
    const bitsEach = Rice.encodeSorted(values.sort(), 48).length * 8 / 1000
    assert.isBelow(bitsEach, Math.log2(step) + 2)
  })

  it("refuses padding that is not zero, and numbers beyond their width", () => {
    const bytes = Rice.encodeSorted(Float64Array.of(5), 4)
    assert.throws(() => decode(bytes.map((byte) => byte | 1), 1, 4))
    // Two gaps of 15 each: every one fits, their sum does not.
    assert.throws(() => decode(Rice.encode([15, 15], Rice.parameterOf(4, 2)), 2, 4))
  })

  it("knows the length of numbers", () => {
    assert.deepStrictEqual([0, 1, 255, 256, 2 ** 32, 2 ** 53 - 1].map(Rice.bitLength), [0, 1, 8, 9, 33, 53])
  })
})

describe("frozen", () => {
  const counting = (length: number, from = 0) => Uint8Array.from({ length }, (_, i) => from + i)
  const nonce = counting(8)
  const proof = counting(16, 16)
  const handles = Float64Array.of(1, 2 ** 40, 2 ** 48 - 1)

  it.each<readonly [Reconcile.Request, string]>([
    [
      {
        _tag: "Hello",
        nonce,
        keyEpoch: 3,
        count: 100,
        proof,
        counters: Int32Array.from({ length: 32 }, (_, i) => 2 * (i - 16))
      },
      "0100010203040506070364101112131415161718191a1b1c1d1e1ffeff9fdfe7efe7df9ef9de6e590a2b1ae3af1ebe3ebf1fafe3fa"
    ],
    [{ _tag: "Since", nonce, mark: counting(4) }, "02000102030405060700010203"],
    [{ _tag: "More", nonce, from: 200, count: 60 }, "030001020304050607c8013c"],
    [{ _tag: "Want", handles }, "040300000000000203ffffffffffbeffffffffff"],
    [{ _tag: "WantAll" }, "05"],
    [{ _tag: "Probe", nonce, bits: 4, step: 6, nodes: Float64Array.of(1, 15) }, "0600010203040506070406023d00"],
    [{ _tag: "Ask", nonce, bits: 10, nodes: Float64Array.of(0, 1000) }, "0700010203040506070a02007740"],
    [
      { _tag: "Exact", nonce, from: "0000000000000001", through: "ffffffffffffffff", ids: [counting(32, 64)] },
      "0800010203040506070000000000000001ffffffffffffffff01404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
    ],
    [{ _tag: "Check", nonce, proof }, "090001020304050607101112131415161718191a1b1c1d1e1f"]
  ])("request %#", (value, form) => {
    assert.strictEqual(Bytes.toHex(Reconcile.encodeRequest(value)), form)
  })

  it.each<readonly [Reconcile.Answer, string]>([
    [{ _tag: "Same" }, "41"],
    [{ _tag: "Differ" }, "42"],
    [{ _tag: "OtherKey", keyEpoch: 300 }, "43ac02"],
    [{ _tag: "Coarse", proof, count: 1_000_000 }, "44101112131415161718191a1b1c1d1e1fc0843d"],
    [{ _tag: "Tail", proof, handles }, "45101112131415161718191a1b1c1d1e1f0300000000000203ffffffffffbeffffffffff"],
    [{ _tag: "List", proof, handles: Float64Array.of() }, "46101112131415161718191a1b1c1d1e1f00"],
    [
      { _tag: "Cells", proof, from: 3, cells: counting(22) },
      "47101112131415161718191a1b1c1d1e1f0302000102030405060708090a0b0c0d0e0f101112131415"
    ],
    [
      { _tag: "Sums", proof, counts: Float64Array.of(0, 5), sums: Float64Array.of(0, 2 ** 47) },
      "48101112131415161718191a1b1c1d1e1f020005800000000000"
    ],
    [
      { _tag: "Lists", proof, bits: 12, lists: [Float64Array.of(), Float64Array.of(7, 2 ** 35)] },
      "49101112131415161718191a1b1c1d1e1f0c02000200000000f7fffffff2"
    ],
    [
      {
        _tag: "Difference",
        proof,
        through: "00000000000000ff",
        missing: Float64Array.of(0, 2),
        ids: [counting(32, 96)]
      },
      "4a101112131415161718191a1b1c1d1e1f00000000000000ff020000000801606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
    ]
  ])("answer %#", (value, form) => {
    assert.strictEqual(Bytes.toHex(Reconcile.encodeAnswer(value)), form)
  })
})
