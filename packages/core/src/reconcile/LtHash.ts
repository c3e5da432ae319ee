/**
 * LtHash16 (Bellare and Micciancio 1997; Lewi et al., "Securing Update Propagation with Homomorphic Hashing", 2019): each
 * id is stretched to 1024 numbers of 16 bits by BLAKE3's extended output, and a set is the sum of its members, number by
 * number, modulo 2^16. Two different sets with equal sums are a short-vector problem (200 bits and more are claimed), so
 * equal sums are the proof that sets are equal.
 *
 * 1. Order does not matter; removing is the inverse of adding; sums of disjoint sets add.
 * 2. It is a hash of sets: 2^16 copies of one id would cancel, so whoever keeps a sum must not count an id twice.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { u64 } from "@sotto/schema/Bytes"
import { label, Purpose } from "@sotto/schema/Purpose"
import { MARK_BYTES, PROOF_BYTES } from "@sotto/schema/Reconcile"

const NUMBERS = 1024
/** Words of 32 bits of a sum: two numbers in each. */
export const WORDS = NUMBERS / 2
/** Bytes of a sum. */
const SUM_BYTES = NUMBERS * 2

/** A sum: two numbers of 16 bits in each word, the one that comes first in BLAKE3's output in the low half. */
export type Sum = Uint32Array

/** The sum of nothing. */
export const make = (): Sum => new Uint32Array(WORDS)

const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
const BLOCK_WORDS = 16
const ROUNDS = 7
const SCHEDULE_WORDS = BLOCK_WORDS * ROUNDS
/** CHUNK_START, CHUNK_END, ROOT: an input of one block, whose output is wanted. */
const FLAGS = 1 | 2 | 8
const INPUT_BYTES = 32

/** Which word of the message each place of each round takes. */
const ORDER = (() => {
  const order = new Uint8Array(SCHEDULE_WORDS)
  for (let i = 0; i < BLOCK_WORDS; i++) order[i] = i
  for (let i = BLOCK_WORDS; i < SCHEDULE_WORDS; i++) {
    const round = i - i % BLOCK_WORDS
    order[i] = order[round - BLOCK_WORDS + (PERMUTATION[i % BLOCK_WORDS] ?? 0)] ?? 0
  }
  return order
})()

/** Working space of one call: the message words in the order of use, then one block of output. */
const schedule = new Int32Array(SCHEDULE_WORDS)
const block = new Int32Array(BLOCK_WORDS)

const at = (words: Int32Array, i: number): number => words[i] ?? 0

/**
 * One block of BLAKE3's extended output for the message in `schedule` into `block`: the compression function (BLAKE3
 * paper, section 2.2) with the block's number as counter.
 */
const compress = (counter: number): void => {
  const w = schedule
  let a0 = 0x6a09e667, a1 = 0xbb67ae85 | 0, a2 = 0x3c6ef372, a3 = 0xa54ff53a | 0
  let b0 = 0x510e527f, b1 = 0x9b05688c | 0, b2 = 0x1f83d9ab, b3 = 0x5be0cd19
  let c0 = a0, c1 = a1, c2 = a2, c3 = a3
  let d0 = counter, d1 = 0, d2 = INPUT_BYTES, d3 = FLAGS
  let x = 0
  for (let r = 0; r < SCHEDULE_WORDS; r += BLOCK_WORDS) {
    const m0 = at(w, r), m1 = at(w, r + 1), m2 = at(w, r + 2), m3 = at(w, r + 3)
    const m4 = at(w, r + 4), m5 = at(w, r + 5), m6 = at(w, r + 6), m7 = at(w, r + 7)
    const m8 = at(w, r + 8), m9 = at(w, r + 9), m10 = at(w, r + 10), m11 = at(w, r + 11)
    const m12 = at(w, r + 12), m13 = at(w, r + 13), m14 = at(w, r + 14), m15 = at(w, r + 15)
    b0 =
      (a0 = a0 + b0 + m0 | 0, x = d0 ^ a0, d0 = x << 16 | x >>> 16, c0 = c0 + d0 | 0, x = b0 ^ c0, x << 20 | x >>> 12)
    b0 = (a0 = a0 + b0 + m1 | 0, x = d0 ^ a0, d0 = x << 24 | x >>> 8, c0 = c0 + d0 | 0, x = b0 ^ c0, x << 25 | x >>> 7)
    b1 =
      (a1 = a1 + b1 + m2 | 0, x = d1 ^ a1, d1 = x << 16 | x >>> 16, c1 = c1 + d1 | 0, x = b1 ^ c1, x << 20 | x >>> 12)
    b1 = (a1 = a1 + b1 + m3 | 0, x = d1 ^ a1, d1 = x << 24 | x >>> 8, c1 = c1 + d1 | 0, x = b1 ^ c1, x << 25 | x >>> 7)
    b2 =
      (a2 = a2 + b2 + m4 | 0, x = d2 ^ a2, d2 = x << 16 | x >>> 16, c2 = c2 + d2 | 0, x = b2 ^ c2, x << 20 | x >>> 12)
    b2 = (a2 = a2 + b2 + m5 | 0, x = d2 ^ a2, d2 = x << 24 | x >>> 8, c2 = c2 + d2 | 0, x = b2 ^ c2, x << 25 | x >>> 7)
    b3 =
      (a3 = a3 + b3 + m6 | 0, x = d3 ^ a3, d3 = x << 16 | x >>> 16, c3 = c3 + d3 | 0, x = b3 ^ c3, x << 20 | x >>> 12)
    b3 = (a3 = a3 + b3 + m7 | 0, x = d3 ^ a3, d3 = x << 24 | x >>> 8, c3 = c3 + d3 | 0, x = b3 ^ c3, x << 25 | x >>> 7)
    b1 =
      (a0 = a0 + b1 + m8 | 0, x = d3 ^ a0, d3 = x << 16 | x >>> 16, c2 = c2 + d3 | 0, x = b1 ^ c2, x << 20 | x >>> 12)
    b1 = (a0 = a0 + b1 + m9 | 0, x = d3 ^ a0, d3 = x << 24 | x >>> 8, c2 = c2 + d3 | 0, x = b1 ^ c2, x << 25 | x >>> 7)
    b2 =
      (a1 = a1 + b2 + m10 | 0, x = d0 ^ a1, d0 = x << 16 | x >>> 16, c3 = c3 + d0 | 0, x = b2 ^ c3, x << 20 | x >>> 12)
    b2 = (a1 = a1 + b2 + m11 | 0, x = d0 ^ a1, d0 = x << 24 | x >>> 8, c3 = c3 + d0 | 0, x = b2 ^ c3, x << 25 | x >>> 7)
    b3 =
      (a2 = a2 + b3 + m12 | 0, x = d1 ^ a2, d1 = x << 16 | x >>> 16, c0 = c0 + d1 | 0, x = b3 ^ c0, x << 20 | x >>> 12)
    b3 = (a2 = a2 + b3 + m13 | 0, x = d1 ^ a2, d1 = x << 24 | x >>> 8, c0 = c0 + d1 | 0, x = b3 ^ c0, x << 25 | x >>> 7)
    b0 =
      (a3 = a3 + b0 + m14 | 0, x = d2 ^ a3, d2 = x << 16 | x >>> 16, c1 = c1 + d2 | 0, x = b0 ^ c1, x << 20 | x >>> 12)
    b0 = (a3 = a3 + b0 + m15 | 0, x = d2 ^ a3, d2 = x << 24 | x >>> 8, c1 = c1 + d2 | 0, x = b0 ^ c1, x << 25 | x >>> 7)
  }
  const v = block
  v[0] = a0 ^ c0
  v[1] = a1 ^ c1
  v[2] = a2 ^ c2
  v[3] = a3 ^ c3
  v[4] = b0 ^ d0
  v[5] = b1 ^ d1
  v[6] = b2 ^ d2
  v[7] = b3 ^ d3
  v[8] = c0 ^ 0x6a09e667
  v[9] = c1 ^ 0xbb67ae85
  v[10] = c2 ^ 0x3c6ef372
  v[11] = c3 ^ 0xa54ff53a
  v[12] = d0 ^ 0x510e527f
  v[13] = d1 ^ 0x9b05688c
  v[14] = d2 ^ 0x1f83d9ab
  v[15] = d3 ^ 0x5be0cd19
}

/** Adds (`sign` 1) or takes away (−1) the id of eight words at `at`. */
const fold = (sum: Sum, words: Uint32Array, at: number, sign: 1 | -1): void => {
  for (let i = 0; i < SCHEDULE_WORDS; i++) {
    const from = ORDER[i] ?? 0
    schedule[i] = from < 8 ? words[at + from] ?? 0 : 0
  }
  for (let counter = 0; counter < WORDS / BLOCK_WORDS; counter++) {
    compress(counter)
    const start = counter * BLOCK_WORDS
    for (let i = 0; i < BLOCK_WORDS; i++) {
      const before = sum[start + i] ?? 0
      const step = block[i] ?? 0
      // Both halves at once: the low one without its carry, the high one without the low one's.
      sum[start + i] = sign === 1
        ? ((before & 0xffff0000) + (step & 0xffff0000)) | ((before + step) & 0xffff)
        : ((before & 0xffff0000) - (step & 0xffff0000)) | ((before - step) & 0xffff)
    }
  }
}

/** Adds the id of eight words, little endian, that `words` holds from `at` on. */
export const add = (sum: Sum, words: Uint32Array, at: number): void => fold(sum, words, at, 1)

/** Takes away what `add` added. */
export const subtract = (sum: Sum, words: Uint32Array, at: number): void => fold(sum, words, at, -1)

/** `target` plus `other`, number by number: the sum of two disjoint sets. */
export const combine = (target: Sum, other: Sum): void => {
  for (let i = 0; i < WORDS; i++) {
    const [a, b] = [target[i] ?? 0, other[i] ?? 0]
    target[i] = ((a & 0xffff0000) + (b & 0xffff0000)) | ((a + b) & 0xffff)
  }
}

/** The sum's bytes: its 1024 numbers, little endian. */
export const toBytes = (sum: Sum): Uint8Array => {
  const out = new Uint8Array(SUM_BYTES)
  const view = new DataView(out.buffer)
  for (let i = 0; i < WORDS; i++) view.setUint32(4 * i, sum[i] ?? 0, true)
  return out
}

/** The sum of `SUM_BYTES` bytes. */
export const fromBytes = (bytes: Uint8Array): Sum => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SUM_BYTES)
  return Uint32Array.from({ length: WORDS }, (_, i) => view.getUint32(4 * i, true))
}

/** The root of a set: 32 bytes that two sets share only when they are equal. */
export const rootOf = (sum: Sum, count: number): Uint8Array =>
  blake3(label(1, Purpose.setRoot, u64(count), toBytes(sum)))

/**
 * What stands for a root on the wire: 16 bytes under the initiator's nonce of 8. A hash of half the length would let
 * whoever writes ids look for two sets that share it, in 2^64 steps; under a nonce that comes later he cannot begin.
 */
export const proofOf = (root: Uint8Array, nonce: Uint8Array): Uint8Array =>
  blake3(label(1, Purpose.setProof, nonce, root)).slice(0, PROOF_BYTES)

/** The name of a checkpoint in one conversation: 4 bytes, enough to find it; what follows is proven by other means. */
export const markOf = (root: Uint8Array, nonce: Uint8Array): Uint8Array =>
  blake3(label(1, Purpose.setMark, nonce, root)).slice(0, MARK_BYTES)
