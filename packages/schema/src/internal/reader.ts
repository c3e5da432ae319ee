/**
 * Reads canonical MessagePack (protocol.md §5a). Every length is held against its bound and against what is left of the
 * input before anything is allocated. A refusal is thrown as the one `REFUSED`, without a stack, and caught by the
 * codec that owns the reader: `reason` and `offset` then say what was wrong and where.
 */
import { plain } from "../Bytes.ts"
import * as Utf8 from "./utf8.ts"

/** Why bytes were refused. */
export const REASONS = [
  "truncated",
  "trailing",
  "not-canonical",
  "wrong-type",
  "wrong-length",
  "out-of-range",
  "too-long",
  "unknown-tag",
  "not-utf8"
] as const
export type Reason = (typeof REASONS)[number]

/** What `Reader.fail` throws. */
export const REFUSED: Error = new Error("refused: the reader holds the reason")

/** Up to here a byte string is copied; above, it is a view of the input (see `Codec.decode`). */
const COPY_BYTES_MAX = 64

export class Reader {
  readonly bytes: Uint8Array
  at = 0
  reason: Reason = "truncated"
  offset = 0

  constructor(bytes: Uint8Array) {
    this.bytes = plain(bytes)
  }

  fail(reason: Reason, offset: number): never {
    this.reason = reason
    this.offset = offset
    throw REFUSED
  }

  /** Bytes not yet read. */
  left(): number {
    return this.bytes.length - this.at
  }

  byte(): number {
    const value = this.bytes[this.at]
    if (value === undefined) return this.fail("truncated", this.at)
    this.at++
    return value
  }

  /** The next byte, left in its place. */
  peek(): number {
    const value = this.bytes[this.at]
    return value === undefined ? this.fail("truncated", this.at) : value
  }

  private u16(): number {
    if (this.left() < 2) this.fail("truncated", this.bytes.length)
    const value = ((this.bytes[this.at] ?? 0) << 8) | (this.bytes[this.at + 1] ?? 0)
    this.at += 2
    return value
  }

  private u32(): number {
    if (this.left() < 4) this.fail("truncated", this.bytes.length)
    const { at, bytes } = this
    this.at += 4
    return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>> 0
  }

  private shortest(value: number, minimum: number, offset: number): number {
    return value < minimum ? this.fail("not-canonical", offset) : value
  }

  /** A non-negative safe integer in its shortest form. */
  uint(): number {
    const offset = this.at
    const first = this.byte()
    if (first < 0x80) return first
    if (first === 0xcc) return this.shortest(this.byte(), 0x80, offset)
    if (first === 0xcd) return this.shortest(this.u16(), 0x100, offset)
    if (first === 0xce) return this.shortest(this.u32(), 0x1_0000, offset)
    if (first !== 0xcf) return this.fail("wrong-type", offset)
    const high = this.u32()
    const low = this.u32()
    if (high === 0) this.fail("not-canonical", offset)
    return high > 0x1f_ffff ? this.fail("out-of-range", offset) : high * 0x1_0000_0000 + low
  }

  /** A byte string of at least `minimum` and at most `maximum` bytes. */
  bin(minimum: number, maximum: number): Uint8Array {
    const offset = this.at
    const first = this.byte()
    const length = first === 0xc4
      ? this.byte()
      : first === 0xc5
      ? this.shortest(this.u16(), 0x100, offset)
      : first === 0xc6
      ? this.shortest(this.u32(), 0x1_0000, offset)
      : this.fail("wrong-type", offset)
    if (length < minimum || length > maximum) this.fail(minimum === maximum ? "wrong-length" : "too-long", offset)
    if (length > this.left()) this.fail("truncated", this.bytes.length)
    const start = this.at
    this.at += length
    return length <= COPY_BYTES_MAX ? this.bytes.slice(start, this.at) : this.bytes.subarray(start, this.at)
  }

  /** A text of at most `maximum` UTF-8 bytes. */
  text(maximum: number): string {
    const offset = this.at
    const first = this.byte()
    const length = first >= 0xa0 && first < 0xc0
      ? first & 0x1f
      : first === 0xd9
      ? this.shortest(this.byte(), 32, offset)
      : first === 0xda
      ? this.shortest(this.u16(), 0x100, offset)
      : first === 0xdb
      ? this.shortest(this.u32(), 0x1_0000, offset)
      : this.fail("wrong-type", offset)
    if (length > maximum) this.fail("too-long", offset)
    if (length > this.left()) this.fail("truncated", this.bytes.length)
    const start = this.at
    this.at += length
    const text = Utf8.read(this.bytes, start, this.at)
    return text === undefined ? this.fail("not-utf8", offset) : text
  }

  /** How many items the array has that begins here. Each takes `leastBytes` or more, so no count can lie by much. */
  array(maximum: number, leastBytes: number): number {
    const offset = this.at
    const first = this.byte()
    const count = (first & 0xf0) === 0x90
      ? first & 0x0f
      : first === 0xdc
      ? this.shortest(this.u16(), 16, offset)
      : first === 0xdd
      ? this.shortest(this.u32(), 0x1_0000, offset)
      : this.fail("wrong-type", offset)
    if (count > maximum) this.fail("too-long", offset)
    if (count * leastBytes > this.left()) this.fail("truncated", this.bytes.length)
    return count
  }
}
