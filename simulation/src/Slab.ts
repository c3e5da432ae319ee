/**
 * Bytes for what a simulation copies all the time. V8 asks the system for memory for every array above 64 bytes, which costs
 * ten times what the copy does; here hundreds of them lie in one piece of memory, which lives as long as one of them does.
 */

/** Of one piece of memory. */
const SLAB_BYTES = 65_536
/** What is longer has memory of its own; what is shorter than V8 keeps in its heap costs nothing there. */
const LARGE_BYTES = 8_192
const SMALL_BYTES = 64

let slab = new ArrayBuffer(SLAB_BYTES)
let used = 0

/** So many zeros, which belong to the caller alone. */
export const zeros = (length: number): Uint8Array => {
  if (length <= SMALL_BYTES || length > LARGE_BYTES) return new Uint8Array(length)
  if (used + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES)
    used = 0
  }
  const bytes = new Uint8Array(slab, used, length)
  used += length
  return bytes
}

/** A copy that belongs to the caller alone. */
export const copy = (bytes: Uint8Array): Uint8Array => {
  const { length } = bytes
  if (length <= SMALL_BYTES || length > LARGE_BYTES) return bytes.slice()
  const own = zeros(length)
  own.set(bytes)
  return own
}
