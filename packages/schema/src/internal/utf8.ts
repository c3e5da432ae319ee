/**
 * Strict UTF-8 without a platform's `TextEncoder`: no replacement characters, no overlong forms, no surrogates, on
 * either side. ASCII, which nearly all names and keys are, takes a short path.
 */

/** Bytes that `text` takes in UTF-8, or −1 when it holds a lone surrogate and so has no UTF-8 form. */
export const byteLength = (text: string): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) length += 1
    else if (unit < 0xd800 || unit > 0xdfff) length += 2
    else {
      if (unit > 0xdbff || (text.charCodeAt(i + 1) & 0xfc00) !== 0xdc00) return -1
      length += 2 // two units, four bytes
      i++
    }
  }
  return length
}

/** Writes well-formed `text` at `at` and answers where it ends. `byteLength` was asked before: there is room. */
export const write = (text: string, out: Uint8Array, at: number): number => {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) out[at++] = unit
    else if (unit < 0x800) {
      out[at++] = 0xc0 | (unit >>> 6)
      out[at++] = 0x80 | (unit & 0x3f)
    } else if (unit < 0xd800 || unit > 0xdfff) {
      out[at++] = 0xe0 | (unit >>> 12)
      out[at++] = 0x80 | ((unit >>> 6) & 0x3f)
      out[at++] = 0x80 | (unit & 0x3f)
    } else {
      const point = 0x1_0000 + ((unit & 0x3ff) << 10) + (text.charCodeAt(++i) & 0x3ff)
      out[at++] = 0xf0 | (point >>> 18)
      out[at++] = 0x80 | ((point >>> 12) & 0x3f)
      out[at++] = 0x80 | ((point >>> 6) & 0x3f)
      out[at++] = 0x80 | (point & 0x3f)
    }
  }
  return at
}

/** Code units per call of `fromCharCode`: its arguments lie on the stack. */
const CHUNK_UNITS = 4096

/** Up to here ASCII is put together eight at a time: measured fastest, as a call with an array costs 100 ns at least. */
const SHORT_BYTES_MAX = 128

const fromUnits = (units: ArrayLike<number>): string => Reflect.apply(String.fromCharCode, undefined, units)

const readShort = (bytes: Uint8Array, start: number, end: number): string => {
  let text = ""
  let i = start
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(
      bytes[i] ?? 0,
      bytes[i + 1] ?? 0,
      bytes[i + 2] ?? 0,
      bytes[i + 3] ?? 0,
      bytes[i + 4] ?? 0,
      bytes[i + 5] ?? 0,
      bytes[i + 6] ?? 0,
      bytes[i + 7] ?? 0
    )
  }
  for (; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0)
  return text
}

/** The text in `bytes[start, end)`, or undefined when that is not UTF-8. */
export const read = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0xff) >= 0x80) return readWide(bytes, start, end)
  if (end - start <= SHORT_BYTES_MAX) return readShort(bytes, start, end)
  let text = ""
  for (let i = start; i < end; i += CHUNK_UNITS) text += fromUnits(bytes.subarray(i, Math.min(end, i + CHUNK_UNITS)))
  return text
}

/** How many bytes a sequence has that begins with `first`; 0 when none may. */
const widthOf = (first: number): number =>
  first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0

/** The smallest code point that needs so many bytes. */
const LEAST = [0, 0, 0x80, 0x800, 0x1_0000]

/** The code point of `width` bytes at `at`, or −1 when they are not its only form. */
const pointAt = (bytes: Uint8Array, at: number, width: number): number => {
  const first = bytes[at] ?? 0
  let point = width === 1 ? first : first & (0x7f >>> width)
  for (let i = at + 1; i < at + width; i++) {
    const next = bytes[i] ?? 0
    if ((next & 0xc0) !== 0x80) return -1
    point = (point << 6) | (next & 0x3f)
  }
  const surrogate = point >= 0xd800 && point <= 0xdfff
  return point < (LEAST[width] ?? 0) || point > 0x10_ffff || surrogate ? -1 : point
}

const readWide = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  let text = ""
  let units: Array<number> = []
  let at = start
  while (at < end) {
    const width = widthOf(bytes[at] ?? 0)
    const point = width === 0 || at + width > end ? -1 : pointAt(bytes, at, width)
    if (point < 0) return undefined
    if (point < 0x1_0000) units.push(point)
    else units.push(0xd800 | ((point - 0x1_0000) >>> 10), 0xdc00 | ((point - 0x1_0000) & 0x3ff))
    if (units.length >= CHUNK_UNITS) {
      text += fromUnits(units)
      units = []
    }
    at += width
  }
  return text + fromUnits(units)
}
