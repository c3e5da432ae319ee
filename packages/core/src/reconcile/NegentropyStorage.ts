/**
 * The items of the Negentropy protocol: ids of 32 bytes with a time, in the order of time and then id, and the sums over
 * their ranges. A sum of all before it stands at each 64th item, so a fingerprint costs some hundred additions however
 * long its range is. It is made from a set as that is at one moment, and does not follow it.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Bytes from "@sotto/schema/Bytes"
import { ID_BYTES } from "@sotto/schema/Reconcile"
import * as Varint from "./NegentropyVarint.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"

/** Bytes of a fingerprint. */
export const FINGERPRINT_BYTES = 16

/** An item. Times are whole numbers from 0 to 2^53 − 1, in any unit that both sides use. */
export interface Item {
  readonly time: number
  readonly id: Uint8Array
}

/** A place between items: before all items of at least this time and, among those of this time, at least this prefix. */
export interface Bound {
  /** `Infinity`: after everything. */
  readonly time: number
  readonly prefix: Uint8Array
}

const WORDS = ShortId.ID_WORDS
const BLOCK = 64

export interface NegentropyStorage {
  readonly count: number
  readonly times: Float64Array
  /** The ids' words, little endian, one after the other. */
  readonly words: Uint32Array
  /** The sum, modulo 2^256, of all ids before each block. */
  readonly sums: Uint32Array
}

/** `sum` plus (`sign` 1) or minus (−1) the 256-bit number that `words` holds at `at`. */
const accumulate = (sum: Uint32Array, to: number, words: Uint32Array, at: number, sign: 1 | -1): void => {
  let carry = 0
  for (let i = 0; i < WORDS; i++) {
    const value = (sum[to + i] ?? 0) + sign * (words[at + i] ?? 0) + carry
    sum[to + i] = value
    carry = Math.floor(value / 0x1_0000_0000)
  }
}

/** The first 48 bits of an id, by which most pairs are told apart. */
const leadOf = (id: Uint8Array): number => {
  let lead = 0
  for (let i = 0; i < 6; i++) lead = lead * 0x100 + (id[i] ?? 0)
  return lead
}

/** The items in order. An item that stands twice is a bug of the caller; it is left out once. */
export const make = (items: Iterable<Item>): NegentropyStorage => {
  const all = Array.from(items, ({ id, time }) => {
    if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`${time} is not a time of the protocol`)
    return { time, id, lead: leadOf(id) }
  })
  all.sort((a, b) => a.time - b.time || a.lead - b.lead || Bytes.compare(a.id, b.id))
  const unique = all.filter(({ id, time }, i) => {
    const before = all[i - 1]
    return before === undefined || before.time !== time || !Bytes.equals(before.id, id)
  })
  const count = unique.length
  const words = new Uint32Array(count * WORDS)
  const sums = new Uint32Array((Math.floor(count / BLOCK) + 1) * WORDS)
  const sum = new Uint32Array(WORDS)
  for (const [i, { id }] of unique.entries()) {
    ShortId.toWords(id, words, i * WORDS)
    accumulate(sum, 0, words, i * WORDS, 1)
    if ((i + 1) % BLOCK === 0) sums.set(sum, (i + 1) / BLOCK * WORDS)
  }
  return { count, times: Float64Array.from(unique, ({ time }) => time), words, sums }
}

/** The ids of a set, each with the time that `timeOf` gives it: 0 when it is left out. */
export const fromSet = (set: ReconcileSet.ReconcileSet, timeOf: (id: Uint8Array) => number = () => 0) =>
  make(Array.from(ReconcileSet.ids(set), (id) => ({ time: timeOf(id), id })))

/** The id of an item. */
export const idAt = ({ words }: NegentropyStorage, i: number): Uint8Array => ShortId.fromWords(words, i * WORDS)

/** The time of an item. */
export const timeAt = ({ times }: NegentropyStorage, i: number): number => times[i] ?? Number.POSITIVE_INFINITY

const isBefore = (storage: NegentropyStorage, i: number, { prefix, time }: Bound): boolean => {
  const own = timeAt(storage, i)
  if (own !== time) return own < time
  const id = idAt(storage, i)
  for (const [at, byte] of prefix.entries()) if (id[at] !== byte) return (id[at] ?? 0) < byte
  return false
}

/** The first item from `from` on that does not lie before a bound. */
export const find = (storage: NegentropyStorage, from: number, bound: Bound): number => {
  let [low, high] = [from, storage.count]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(storage, middle, bound)) low = middle + 1
    else high = middle
  }
  return low
}

/** The shortest bound between an item and the one before it. */
export const boundAt = (storage: NegentropyStorage, i: number): Bound => {
  const time = timeAt(storage, i)
  if (time !== timeAt(storage, i - 1)) return { time, prefix: new Uint8Array(0) }
  const [before, id] = [idAt(storage, i - 1), idAt(storage, i)]
  let shared = 0
  while (shared < ID_BYTES && before[shared] === id[shared]) shared++
  return { time, prefix: id.subarray(0, shared + 1) }
}

const addPrefix = (storage: NegentropyStorage, sum: Uint32Array, end: number, sign: 1 | -1): void => {
  const block = Math.floor(end / BLOCK)
  accumulate(sum, 0, storage.sums, block * WORDS, sign)
  for (let i = block * BLOCK; i < end; i++) accumulate(sum, 0, storage.words, i * WORDS, sign)
}

/** What stands for the items from `from` to before `to`: a hash of their sum, modulo 2^256, and their number. */
export const fingerprint = (storage: NegentropyStorage, from: number, to: number): Uint8Array => {
  const sum = new Uint32Array(WORDS)
  addPrefix(storage, sum, to, 1)
  addPrefix(storage, sum, from, -1)
  const count = Uint8Array.from(Varint.encode(to - from))
  return sha256(Bytes.concat(ShortId.fromWords(sum, 0), count)).slice(0, FINGERPRINT_BYTES)
}
