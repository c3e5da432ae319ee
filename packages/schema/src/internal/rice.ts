/**
 * Golomb-Rice coding (Rice, "Some Practical Universal Noiseless Coding Techniques", 1979): a number is its quotient by
 * 2^k in unary (ones, then a zero), then its k low bits, most significant bit first. A sorted list is coded as its gaps.
 *
 * 1. One form for each list: k follows from what both sides know, and the bits after the last number are zero.
 * 2. Nothing is allocated for a count before it fits the bits that are left: a number takes at least k + 1.
 */
import type { Reader } from "./reader.ts"

/** Bits that the binary form of `value` takes; 0 for 0. Up to 2^53 − 1. */
export const bitLength = (value: number): number =>
  value < 0x1_0000_0000 ? 32 - Math.clz32(value) : 64 - Math.clz32(Math.floor(value / 0x1_0000_0000))

/** The k that suits `count` numbers spread evenly over `width` bits. */
export const parameterOf = (width: number, count: number): number => Math.max(0, width - bitLength(count))

/** Bits of the coded numbers. */
const sizeBits = (values: ReadonlyArray<number> | Float64Array, k: number): number => {
  const divisor = 2 ** k
  let bits = 0
  for (const value of values) bits += Math.floor(value / divisor) + 1 + k
  return bits
}

/** Writes bits, most significant first, into bytes that are zero. */
class BitWriter {
  readonly bytes: Uint8Array
  private at = 0

  constructor(sizeBits: number) {
    this.bytes = new Uint8Array((sizeBits + 7) >>> 3)
  }

  private put(value: number, width: number): void {
    let left = width
    while (left > 0) {
      const room = 8 - (this.at & 7)
      const take = Math.min(room, left)
      left -= take
      const part = Math.floor(value / 2 ** left) % 2 ** take
      const index = this.at >>> 3
      this.bytes[index] = (this.bytes[index] ?? 0) | (part << (room - take))
      this.at += take
    }
  }

  rice(value: number, k: number): void {
    const divisor = 2 ** k
    for (let quotient = Math.floor(value / divisor); quotient > 0; quotient--) this.put(1, 1)
    this.put(0, 1)
    this.put(value % divisor, k)
  }
}

/** The coded numbers, padded with zero bits to whole bytes. */
export const encode = (values: ReadonlyArray<number> | Float64Array, k: number): Uint8Array => {
  const writer = new BitWriter(sizeBits(values, k))
  for (const value of values) writer.rice(value, k)
  return writer.bytes
}

const bitAt = (bytes: Uint8Array, at: number): number => (bytes[at >>> 3] ?? 0) >>> (7 - (at & 7)) & 1

/** `width` bits from `from` on, as a number. */
const bitsAt = (bytes: Uint8Array, from: number, width: number): number => {
  let value = 0
  for (let at = from, end = from + width; at < end;) {
    const room = 8 - (at & 7)
    const take = Math.min(room, end - at)
    value = value * 2 ** take + (((bytes[at >>> 3] ?? 0) >>> (room - take)) & ((1 << take) - 1))
    at += take
  }
  return value
}

/** Reads `count` numbers, each at most `maximum`, and the padding after them; moves the reader behind it. */
export const decode = (reader: Reader, count: number, k: number, maximum: number): Float64Array => {
  const { bytes } = reader
  const start = reader.at
  const end = bytes.length * 8
  if (count * (k + 1) > reader.left() * 8) reader.fail("truncated", bytes.length)
  const quotientMax = Math.floor(maximum / 2 ** k)
  const values = new Float64Array(count)
  let at = start * 8
  for (let i = 0; i < count; i++) {
    const first = at
    while (at < end && bitAt(bytes, at) === 1) at++
    const quotient = at - first
    if (quotient > quotientMax) reader.fail("out-of-range", start)
    at++
    if (at + k > end) reader.fail("truncated", bytes.length)
    const value = quotient * 2 ** k + bitsAt(bytes, at, k)
    at += k
    values[i] = value <= maximum ? value : reader.fail("out-of-range", start)
  }
  if (bitsAt(bytes, at, (8 - (at & 7)) & 7) !== 0) reader.fail("not-canonical", at >>> 3)
  reader.at = (at + 7) >>> 3
  return values
}

/** A sorted list of numbers below 2^width, as its gaps. */
export const encodeSorted = (values: Float64Array, width: number): Uint8Array => {
  const gaps = new Float64Array(values.length)
  let before = 0
  for (const [i, value] of values.entries()) {
    if (!(value >= before && value < 2 ** width)) throw new RangeError("a list to be coded is not sorted or too wide")
    gaps[i] = value - before
    before = value
  }
  return encode(gaps, parameterOf(width, values.length))
}

/** The list of `encodeSorted`. A gap of zero is a number that stands twice. */
export const decodeSorted = (reader: Reader, count: number, width: number): Float64Array => {
  const start = reader.at
  const values = decode(reader, count, parameterOf(width, count), 2 ** width - 1)
  let sum = 0
  for (const [i, gap] of values.entries()) {
    sum += gap
    values[i] = sum < 2 ** width ? sum : reader.fail("out-of-range", start)
  }
  return values
}
