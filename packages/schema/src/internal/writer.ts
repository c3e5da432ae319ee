/**
 * Writes canonical MessagePack (protocol.md §5a) into an array of exactly the size that the `…Size` functions below
 * gave before. Shortest forms only. It does not check values: whoever measures them does.
 */
import * as Utf8 from "./utf8.ts"

/** Bytes of a non-negative integer. */
export const uintSize = (value: number): number =>
  value < 0x80 ? 1 : value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffff_ffff ? 5 : 9

/** Bytes of a byte string of `length` bytes, its header included. */
export const binSize = (length: number): number => (length <= 0xff ? 2 : length <= 0xffff ? 3 : 5) + length

/** Bytes of a text of `length` UTF-8 bytes, its header included. */
export const textSize = (length: number): number =>
  (length < 32 ? 1 : length <= 0xff ? 2 : length <= 0xffff ? 3 : 5) + length

/** Bytes of the header of an array of `count` items. */
export const countSize = (count: number): number => count < 16 ? 1 : count <= 0xffff ? 3 : 5

export class Writer {
  readonly bytes: Uint8Array
  at: number

  constructor(sizeBytes: number, at = 0) {
    this.bytes = new Uint8Array(sizeBytes)
    this.at = at
  }

  byte(value: number): void {
    this.bytes[this.at++] = value
  }

  u16(value: number): void {
    this.bytes[this.at++] = value >>> 8
    this.bytes[this.at++] = value
  }

  u32(value: number): void {
    this.bytes[this.at++] = value >>> 24
    this.bytes[this.at++] = value >>> 16
    this.bytes[this.at++] = value >>> 8
    this.bytes[this.at++] = value
  }

  /** A non-negative safe integer. Minus zero is written as zero. */
  uint(value: number): void {
    if (value < 0x80) this.byte(value)
    else if (value <= 0xff) {
      this.byte(0xcc)
      this.byte(value)
    } else if (value <= 0xffff) {
      this.byte(0xcd)
      this.u16(value)
    } else if (value <= 0xffff_ffff) {
      this.byte(0xce)
      this.u32(value)
    } else {
      this.byte(0xcf)
      this.u32(Math.floor(value / 0x1_0000_0000))
      this.u32(value % 0x1_0000_0000)
    }
  }

  bin(value: Uint8Array): void {
    const length = value.length
    if (length <= 0xff) {
      this.byte(0xc4)
      this.byte(length)
    } else if (length <= 0xffff) {
      this.byte(0xc5)
      this.u16(length)
    } else {
      this.byte(0xc6)
      this.u32(length)
    }
    this.bytes.set(value, this.at)
    this.at += length
  }

  /** Well-formed text whose UTF-8 form takes `length` bytes. */
  text(value: string, length: number): void {
    if (length < 32) this.byte(0xa0 | length)
    else if (length <= 0xff) {
      this.byte(0xd9)
      this.byte(length)
    } else if (length <= 0xffff) {
      this.byte(0xda)
      this.u16(length)
    } else {
      this.byte(0xdb)
      this.u32(length)
    }
    this.at = Utf8.write(value, this.bytes, this.at)
  }

  array(count: number): void {
    if (count < 16) this.byte(0x90 | count)
    else if (count <= 0xffff) {
      this.byte(0xdc)
      this.u16(count)
    } else {
      this.byte(0xdd)
      this.u32(count)
    }
  }
}
