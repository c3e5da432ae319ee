/** The few functions over byte strings that everything shares. Platform-free and allocation-conscious. */
import * as Encoding from "effect/encoding/Hex"

/** No bytes. Never written to: it has none. */
export const EMPTY = new Uint8Array(0)

/**
 * The same bytes, not copied, as a plain `Uint8Array`: a subclass such as Node's `Buffer` has its own idea of what
 * `slice` and equality are.
 */
export const plain = (bytes: Uint8Array): Uint8Array =>
  Object.getPrototypeOf(bytes) === Uint8Array.prototype
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** All parts, one after the other, in a fresh array. */
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Plain equality (not constant time: use `Crypto.equal` where a secret is compared). */
export const equals = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Order by bytes, then by length; negative when `a` comes first. */
export const compare = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Whether every byte is zero; so is no byte. */
export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** What engines of 2026 do themselves, several times faster. */
interface Hexed {
  readonly length: number
  readonly toHex?: () => string
}

/** Lower-case hex: the key under which maps keep an identifier. */
export const toHex = (bytes: Uint8Array): string => {
  const hexed: Hexed = bytes
  return hexed.toHex === undefined ? Encoding.encode(bytes) : hexed.toHex()
}

/** Four bytes, big endian. */
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)

/** Eight bytes, big endian, of an integer up to 2^53 − 1. */
export const u64 = (value: number): Uint8Array => concat(u32(Math.floor(value / 0x1_0000_0000)), u32(value >>> 0))
