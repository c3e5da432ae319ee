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

/** Code units per call of `fromCharCode`: arguments lie on the stack. */
const CHUNK_UNITS = 4096

/** The text in `bytes[start, end)`, or undefined when that is not UTF-8. */
export const read = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0xff) >= 0x80) return readWide(bytes, start, end)
  if (end - start < 24) {
    let text = ""
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0)
    return text
  }
  let text = ""
  for (let i = start; i < end; i += CHUNK_UNITS) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(end, i + CHUNK_UNITS)))
  }
  return text
}

const readWide = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  let text = ""
  let units: Array<number> = []
  let i = start
  while (i < end) {
    const first = bytes[i] ?? 0
    const width = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
    if (width === 0 || i + width > end) return undefined
    let point = width === 1 ? first : first & (0x7f >>> width)
    for (let k = 1; k < width; k++) {
      const next = bytes[i + k] ?? 0
      if ((next & 0xc0) !== 0x80) return undefined
      point = (point << 6) | (next & 0x3f)
    }
    if (width === 3 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) return undefined
    if (width === 4 && (point < 0x1_0000 || point > 0x10_ffff)) return undefined
    if (point < 0x1_0000) units.push(point)
    else units.push(0xd800 | ((point - 0x1_0000) >>> 10), 0xdc00 | ((point - 0x1_0000) & 0x3ff))
    if (units.length >= CHUNK_UNITS) {
      text += String.fromCharCode(...units)
      units = []
    }
    i += width
  }
  return text + String.fromCharCode(...units)
}
