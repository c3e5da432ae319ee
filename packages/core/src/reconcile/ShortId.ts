/**
 * Short ids: SipHash-2-4 of an envelope's id under a key that the members of a space and their relays share, 64 bits in
 * two words. Sets are compared by them; ids themselves stay where they are. Nothing rests on the key's secrecy: it keeps
 * strangers from making short ids meet, and when two do, the roots differ.
 */
import { ID_BYTES } from "@sotto/schema/Reconcile"

/** Words of 32 bits in an id. */
export const ID_WORDS = ID_BYTES / 4

/** Writes the id into `words` from `at` on, little endian. An id of another length is a bug. */
export const toWords = (id: Uint8Array, words: Uint32Array, at: number): void => {
  if (id.length !== ID_BYTES) throw new RangeError(`an id has ${ID_BYTES} bytes, not ${id.length}`)
  for (let i = 0, from = 0; i < ID_WORDS; i++, from += 4) {
    words[at + i] = (id[from] ?? 0) | ((id[from + 1] ?? 0) << 8) | ((id[from + 2] ?? 0) << 16) |
      ((id[from + 3] ?? 0) << 24)
  }
}

/** The id that `words` holds from `at` on. */
export const fromWords = (words: Uint32Array, at: number): Uint8Array => {
  const id = new Uint8Array(ID_BYTES)
  for (let i = 0, to = 0; i < ID_WORDS; i++) {
    const word = words[at + i] ?? 0
    id[to++] = word
    id[to++] = word >>> 8
    id[to++] = word >>> 16
    id[to++] = word >>> 24
  }
  return id
}

/** Bits of a handle. */
export { HANDLE_BITS } from "@sotto/schema/Reconcile"

/** The first 48 bits of a short id, as a number. */
export const handleOf = (high: number, low: number): number => (high >>> 0) * 0x1_0000 + (low >>> 16)

/** A short id in 16 hexadecimal digits: their order is the order of short ids. */
export const toHex = (high: number, low: number): string =>
  (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0")

/** The last of all short ids. */
export const LAST = "ffffffffffffffff"

/** The short id after this one; undefined after the last. */
export const next = (hex: string): string | undefined => {
  const high = Number.parseInt(hex.slice(0, 8), 16)
  const low = Number.parseInt(hex.slice(8), 16)
  if (low < 0xffff_ffff) return toHex(high, low + 1)
  return high < 0xffff_ffff ? toHex(high + 1, 0) : undefined
}

/** Mixes a short id into 32 bits (the finaliser of MurmurHash3, twice): it must not be linear under XOR. */
const mix = (high: number, low: number, seed: number): number => {
  let hash = high ^ seed
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash ^= hash >>> 16
  hash = (Math.imul(hash, 5) + 0xe6546b64) ^ low
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** By which a cell that holds one short id is known: 24 bits. */
export const checkOf = (high: number, low: number): number => mix(high, low, 0x2545f491) >>> 8

/** 32 signs, one for each counter of the estimator. */
export const signsOf = (high: number, low: number): number => mix(high, low, 0x9e3779b9)
