import { assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as fc from "fast-check"
import * as LtHash from "../../src/reconcile/LtHash.ts"
import * as ShortId from "../../src/reconcile/ShortId.ts"
import * as SipHash from "../../src/reconcile/SipHash.ts"
import { key } from "./kit.ts"

const id = fc.uint8Array({ minLength: 32, maxLength: 32 })
const wordsOf = (bytes: Uint8Array): Uint32Array => {
  const words = new Uint32Array(ShortId.ID_WORDS)
  ShortId.toWords(bytes, words, 0)
  return words
}

/** SipHash-2-4 as the paper writes it, on big integers. */
const slowSip = (key: Uint8Array, message: Uint8Array): bigint => {
  const mask = (1n << 64n) - 1n
  const little = (bytes: Uint8Array) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const [k0, k1] = [little(key.subarray(0, 8)), little(key.subarray(8))]
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n
  ]
  const rotate = (x: bigint, n: bigint) => ((x << n) | (x >> (64n - n))) & mask
  const round = () => {
    a = (a + b) & mask
    b = rotate(b, 13n) ^ a
    a = rotate(a, 32n)
    c = (c + d) & mask
    d = rotate(d, 16n) ^ c
    a = (a + d) & mask
    d = rotate(d, 21n) ^ a
    c = (c + b) & mask
    b = rotate(b, 17n) ^ c
    c = rotate(c, 32n)
  }
  const padded = new Uint8Array(Math.floor(message.length / 8) * 8 + 8)
  padded.set(message)
  padded[padded.length - 1] = message.length
  for (let at = 0; at < padded.length; at += 8) {
    const block = little(padded.subarray(at, at + 8))
    d ^= block
    round()
    round()
    a ^= block
  }
  c ^= 0xffn
  for (let i = 0; i < 4; i++) round()
  return a ^ b ^ c ^ d
}

const sip = (key: Uint8Array, message: Uint8Array): bigint => {
  const out = new Uint32Array(2)
  SipHash.hash(SipHash.keyFrom(key), wordsOf(message), 0, out, 0)
  return (BigInt(out[0] ?? 0) << 32n) | BigInt(out[1] ?? 0)
}

describe("SipHash", () => {
  it("is the paper's, for the reference implementation's key and input", () => {
    // The first and the last entry of its `vectors_sip64`: inputs of 0 and of 63 bytes that count up.
    const counting63 = Uint8Array.from({ length: 63 }, (_, i) => i)
    assert.strictEqual(slowSip(key, new Uint8Array(0)), 0x726fdb47dd0e0e31n)
    assert.strictEqual(slowSip(key, counting63), 0x958a324ceb064572n)
    const counting = Uint8Array.from({ length: 32 }, (_, i) => i)
    assert.strictEqual(sip(key, counting), slowSip(key, counting))
  })

  it("agrees with the slow model", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), id, (key, message) => {
        assert.strictEqual(sip(key, message), slowSip(key, message))
      }),
      { numRuns: 500 }
    )
  })

  it("has a key of 16 bytes", () => {
    assert.throws(() => SipHash.keyFrom(new Uint8Array(15)), RangeError)
  })
})

describe("ShortId", () => {
  it("gives an id back", () => {
    fc.assert(fc.property(id, (bytes) => assert.deepStrictEqual(ShortId.fromWords(wordsOf(bytes), 0), bytes)))
    assert.throws(() => wordsOf(new Uint8Array(31)), RangeError)
  })

  it("counts on to the last", () => {
    assert.strictEqual(ShortId.next("00000000ffffffff"), "0000000100000000")
    assert.strictEqual(ShortId.next("00000000000000ff"), "0000000000000100")
    assert.strictEqual(ShortId.next(ShortId.LAST), undefined)
  })
})

/** 1024 numbers by noble's BLAKE3, added one by one. */
const slowSum = (ids: ReadonlyArray<Uint8Array>): Uint8Array => {
  const numbers = new Uint16Array(1024)
  for (const id of ids) {
    const view = new DataView(blake3(id, { dkLen: 2048 }).buffer)
    for (let i = 0; i < 1024; i++) numbers[i] = (numbers[i] ?? 0) + view.getUint16(2 * i, true)
  }
  const out = new DataView(new ArrayBuffer(2048))
  numbers.forEach((number, i) => out.setUint16(2 * i, number, true))
  return new Uint8Array(out.buffer)
}

const sumOf = (ids: ReadonlyArray<Uint8Array>): LtHash.Sum => {
  const sum = LtHash.make()
  for (const id of ids) LtHash.add(sum, wordsOf(id), 0)
  return sum
}

describe("LtHash", () => {
  it("agrees with the slow model", () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 20 }), (ids) => {
        assert.deepStrictEqual(LtHash.toBytes(sumOf(ids)), slowSum(ids))
      }),
      { numRuns: 60 }
    )
  })

  it("takes away what it added, and adds sums", () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 8 }), fc.array(id, { maxLength: 8 }), (a, b) => {
        const both = sumOf([...b, ...a])
        const combined = sumOf(a)
        LtHash.combine(combined, sumOf(b))
        assert.deepStrictEqual(combined, both)
        for (const id of a) LtHash.subtract(both, wordsOf(id), 0)
        assert.deepStrictEqual(both, sumOf(b))
        assert.deepStrictEqual(LtHash.fromBytes(LtHash.toBytes(combined)), combined)
      }),
      { numRuns: 60 }
    )
  })

  it("has a root that depends on sum and count, and proofs and marks that depend on root and nonce", () => {
    const [a, b] = [sumOf([new Uint8Array(32)]), sumOf([])]
    const roots = [LtHash.rootOf(a, 1), LtHash.rootOf(a, 2), LtHash.rootOf(b, 1)]
    const nonces = [new Uint8Array(8), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)]
    const named = (make: (root: Uint8Array, nonce: Uint8Array) => Uint8Array) =>
      roots.flatMap((root) => nonces.map((nonce) => make(root, nonce).join()))
    for (const names of [roots.map((root) => root.join()), named(LtHash.proofOf), named(LtHash.markOf)]) {
      assert.strictEqual(new Set(names).size, names.length)
    }
  })
})
