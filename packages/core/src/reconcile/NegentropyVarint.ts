/**
 * Numbers of the Negentropy protocol: base 128, most significant digit first, the high bit set on all but the last. Up to
 * 2^53 − 1 and without 32-bit arithmetic, so that milliseconds, and seconds after 2038, are what they are.
 */

/** The digits of a number. */
export const encode = (value: number): ReadonlyArray<number> => {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a number of the protocol`)
  const digits = [value % 0x80]
  for (let left = Math.floor(value / 0x80); left > 0; left = Math.floor(left / 0x80)) {
    digits.unshift(left % 0x80 | 0x80)
  }
  return digits
}

/** A number and where it ends. */
export interface Decoded {
  readonly value: number
  readonly end: number
}

/** The number at `at`; undefined when it is cut short, or above 2^53 − 1. */
export const decode = (bytes: Uint8Array, at: number): Decoded | undefined => {
  let value = 0
  for (let end = at; end < bytes.length; end++) {
    const byte = bytes[end] ?? 0
    value = value * 0x80 + (byte & 0x7f)
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    if (byte < 0x80) return { value, end: end + 1 }
  }
  return undefined
}
