/**
 * SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, INDOCRYPT 2012) of a 32-byte input, on halves of 32 bits.
 * A keyed hash for short inputs: who does not know the key cannot make two ids meet.
 */

/** A key of 128 bits, as four words, little endian. */
export type SipKey = readonly [number, number, number, number]

/** Carry out of bit 31 of `a + b = sum`, in integers. */
const carry = (a: number, b: number, sum: number): number => ((a & b) | ((a | b) & ~sum)) >>> 31

const BLOCKS = 5
const COMPRESSION_ROUNDS = 2 * BLOCKS
const ROUNDS = COMPRESSION_ROUNDS + 4

/** A word of the input; then its length (32) in the top byte of the last block; then nothing. */
const wordOf = (words: Uint32Array, at: number, i: number): number =>
  i < 8 ? words[at + i] ?? 0 : i === 9 ? 0x20000000 : 0

/** Hashes the 32 bytes that `words` holds from `at` on (eight words, little endian) into `out`: high word, low word. */
export const hash = (key: SipKey, words: Uint32Array, at: number, out: Uint32Array, outAt: number): void => {
  const [k0, k1, k2, k3] = key
  let a = k0 ^ 0x70736575, ah = k1 ^ 0x736f6d65
  let b = k2 ^ 0x6e646f6d, bh = k3 ^ 0x646f7261
  let c = k0 ^ 0x6e657261, ch = k1 ^ 0x6c796765
  let d = k2 ^ 0x79746573, dh = k3 ^ 0x74656462
  let m = 0, mh = 0, t = 0
  for (let round = 0; round < ROUNDS; round++) {
    if ((round & 1) === 0) {
      a ^= m
      ah ^= mh
      const block = round >>> 1
      m = wordOf(words, at, 2 * block)
      mh = wordOf(words, at, 2 * block + 1)
      if (round === COMPRESSION_ROUNDS) c ^= 0xff
      d ^= m
      dh ^= mh
    }
    a = (t = a + b | 0, ah = ah + bh + carry(a, b, t) | 0, t)
    c = (t = c + d | 0, ch = ch + dh + carry(c, d, t) | 0, t)
    b = (t = (b << 13 | bh >>> 19) ^ a, bh = (bh << 13 | b >>> 19) ^ ah, t)
    d = (t = (d << 16 | dh >>> 16) ^ c, dh = (dh << 16 | d >>> 16) ^ ch, t)
    ah = (t = a, a = ah, t)
    c = (t = c + b | 0, ch = ch + bh + carry(c, b, t) | 0, t)
    a = (t = a + d | 0, ah = ah + dh + carry(a, d, t) | 0, t)
    b = (t = (b << 17 | bh >>> 15) ^ c, bh = (bh << 17 | b >>> 15) ^ ch, t)
    d = (t = (d << 21 | dh >>> 11) ^ a, dh = (dh << 21 | d >>> 11) ^ ah, t)
    ch = (t = c, c = ch, t)
  }
  out[outAt] = ah ^ bh ^ ch ^ dh
  out[outAt + 1] = a ^ b ^ c ^ d
}

/** The key of 16 bytes. */
export const keyFrom = (bytes: Uint8Array): SipKey => {
  if (bytes.length !== 16) throw new RangeError(`a SipHash key has 16 bytes, not ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)]
}
