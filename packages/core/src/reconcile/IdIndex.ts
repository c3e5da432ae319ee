/**
 * The ids of a set, found by their short ids, in the order of their insertion, and by ranges of short ids. 40 bytes for
 * each id and 4 for each slot of a hash table that is at most three quarters full.
 *
 * A short id's home in the table is its first bits. They are spread evenly, being a keyed hash, so the table needs no
 * other hash, and a range of short ids is a run of slots: one structure serves both (Peterson's linear probing).
 *
 * 1. Rows are only added. A removed id leaves a row that nothing points to, until `compact` closes the gaps.
 * 2. Several ids may share a short id; the same id is there once.
 */
import * as ShortId from "./ShortId.ts"

/** A row: high and low word of the short id, then the id's eight words. */
export const ROW_WORDS = 2 + ShortId.ID_WORDS
const PAGE_BITS = 10
/** Rows of one page. */
export const PAGE_ROWS = 1 << PAGE_BITS
const SLOTS_MIN_BITS = 6

/** A slot holds row + 1 in its low bits (0: empty), and above them five bits of the short id, which spare most looks at rows. */
const ENTRY_BITS = 27
const ENTRY_MASK = 2 ** ENTRY_BITS - 1

/** The most rows, removed ones included. */
const ROWS_MAX = ENTRY_MASK - 1

export interface IdIndex {
  readonly pages: Array<Uint32Array>
  slots: Uint32Array
  slotBits: number
  /** Rows in use, with those of removed ids. */
  rows: number
  /** Ids that are there. */
  count: number
}

/** No ids, with room for `expected`. */
export const make = (expected = 0): IdIndex => {
  let slotBits = SLOTS_MIN_BITS
  while (expected > 0.75 * 2 ** slotBits) slotBits++
  return { pages: [], slots: new Uint32Array(2 ** slotBits), slotBits, rows: 0, count: 0 }
}

/** Bytes of memory that it takes. */
export const memoryBytes = ({ pages, slots }: IdIndex): number =>
  slots.byteLength + pages.length * PAGE_ROWS * ROW_WORDS * Uint32Array.BYTES_PER_ELEMENT

const EMPTY_PAGE = new Uint32Array(0)
const pageOf = (index: IdIndex, row: number): Uint32Array => index.pages[row >>> PAGE_BITS] ?? EMPTY_PAGE
const startOf = (row: number): number => (row & (PAGE_ROWS - 1)) * ROW_WORDS

/** High word of the short id in a row. */
export const highOf = (index: IdIndex, row: number): number => pageOf(index, row)[startOf(row)] ?? 0
/** Low word of the short id in a row. */
export const lowOf = (index: IdIndex, row: number): number => pageOf(index, row)[startOf(row) + 1] ?? 0
/** The handle of a row. */
export const handleOf = (index: IdIndex, row: number): number => ShortId.handleOf(highOf(index, row), lowOf(index, row))
/** The id of a row. */
export const idOf = (index: IdIndex, row: number): Uint8Array => ShortId.fromWords(pageOf(index, row), startOf(row) + 2)

/** The words of a row's id: `use` gets the page and where they begin, without a copy. */
export const withWords = <A>(index: IdIndex, row: number, use: (words: Uint32Array, at: number) => A): A =>
  use(pageOf(index, row), startOf(row) + 2)

const homeOf = (index: IdIndex, high: number): number => high >>> (32 - index.slotBits)

const entryOf = (row: number, low: number): number => (row + 1 | low & ~ENTRY_MASK) >>> 0
const rowAt = (entry: number): number => (entry & ENTRY_MASK) - 1

const isId = (index: IdIndex, row: number, words: Uint32Array): boolean => {
  const page = pageOf(index, row)
  const start = startOf(row) + 2
  for (let i = 0; i < ShortId.ID_WORDS; i++) if (page[start + i] !== words[i]) return false
  return true
}

const isShort = (index: IdIndex, entry: number, high: number, low: number): boolean =>
  ((entry ^ low) & ~ENTRY_MASK) === 0 && highOf(index, rowAt(entry)) === high &&
  lowOf(index, rowAt(entry)) === low

/** The slot of an id, or −1. */
const slotOf = (index: IdIndex, high: number, low: number, words: Uint32Array): number => {
  const mask = index.slots.length - 1
  for (let slot = homeOf(index, high);; slot = (slot + 1) & mask) {
    const entry = index.slots[slot] ?? 0
    if (entry === 0) return -1
    if (isShort(index, entry, high, low) && isId(index, rowAt(entry), words)) return slot
  }
}

/** Whether the id is there. */
export const has = (index: IdIndex, high: number, low: number, words: Uint32Array): boolean =>
  slotOf(index, high, low, words) >= 0

/** The row of the id, or −1. */
export const rowOf = (index: IdIndex, high: number, low: number, words: Uint32Array): number =>
  rowAt(index.slots[slotOf(index, high, low, words)] ?? 0)

/** Appends the rows with this short id to `found`: seldom more than one. */
export const findRows = (index: IdIndex, high: number, low: number, found: Array<number>): void => {
  const mask = index.slots.length - 1
  for (let slot = homeOf(index, high);; slot = (slot + 1) & mask) {
    const entry = index.slots[slot] ?? 0
    if (entry === 0) return
    if (isShort(index, entry, high, low)) found.push(rowAt(entry))
  }
}

/** Appends the rows with this handle to `found`. */
export const findRowsOfHandle = (index: IdIndex, handle: number, found: Array<number>): void => {
  const mask = index.slots.length - 1
  const high = Math.floor(handle / 0x1_0000)
  const low = handle % 0x1_0000 << 16
  for (let slot = homeOf(index, high);; slot = (slot + 1) & mask) {
    const entry = index.slots[slot] ?? 0
    if (entry === 0) return
    if (((entry ^ low) & ~ENTRY_MASK) === 0 && handleOf(index, rowAt(entry)) === handle) found.push(rowAt(entry))
  }
}

/**
 * Calls `use` with every row whose short id begins with `node`, a prefix of `bits` bits (48 for a handle), in no order.
 * Looks at the slots of that range and few more.
 */
export const forRange = (index: IdIndex, bits: number, node: number, use: (row: number) => void): void => {
  const { slotBits, slots } = index
  const mask = slots.length - 1
  const shift = bits - slotBits
  const first = shift > 0 ? Math.floor(node / 2 ** shift) : node * 2 ** -shift
  const last = shift > 0 ? first : first + 2 ** -shift - 1
  const divisor = 2 ** (ShortId.HANDLE_BITS - bits)
  // The table is never full: an empty slot ends what was pushed beyond the range.
  for (let step = 0; step < slots.length; step++) {
    const row = rowAt(slots[(first + step) & mask] ?? 0)
    if (row < 0) {
      if (first + step >= last) return
    } else if (Math.floor(handleOf(index, row) / divisor) === node) use(row)
  }
}

/** Calls `use` with every row that is there, in no order. */
export const forEach = (index: IdIndex, use: (row: number) => void): void => {
  for (const entry of index.slots) if (entry > 0) use(rowAt(entry))
}

const place = (index: IdIndex, entry: number, high: number): void => {
  const mask = index.slots.length - 1
  let slot = homeOf(index, high)
  while (index.slots[slot] !== 0) slot = (slot + 1) & mask
  index.slots[slot] = entry
}

const grow = (index: IdIndex): void => {
  const before = index.slots
  index.slotBits++
  index.slots = new Uint32Array(2 ** index.slotBits)
  for (const entry of before) if (entry > 0) place(index, entry, highOf(index, rowAt(entry)))
}

/** Writes a new row, to which nothing points yet. */
const append = (index: IdIndex, high: number, low: number, words: Uint32Array, at: number): number => {
  if (index.rows > ROWS_MAX) throw new RangeError(`a set holds at most ${ROWS_MAX} ids`)
  const row = index.rows++
  if (row >>> PAGE_BITS >= index.pages.length) index.pages.push(new Uint32Array(PAGE_ROWS * ROW_WORDS))
  const page = pageOf(index, row)
  const start = startOf(row)
  page[start] = high
  page[start + 1] = low
  for (let i = 0; i < ShortId.ID_WORDS; i++) page[start + 2 + i] = words[at + i] ?? 0
  return row
}

/** Adds an id that is not there, and answers its row. */
export const add = (index: IdIndex, high: number, low: number, words: Uint32Array, at = 0): number => {
  if (index.count + 1 > 0.75 * index.slots.length) grow(index)
  const row = append(index, high, low, words, at)
  place(index, entryOf(row, low), high)
  index.count++
  return row
}

/** Adds the row that `words` hold from `at` on: short id, then id. */
export const restore = (index: IdIndex, words: Uint32Array, at: number): number =>
  add(index, words[at] ?? 0, words[at + 1] ?? 0, words, at + 2)

/** Adds such a row as that of a removed id. */
export const restoreGap = (index: IdIndex, words: Uint32Array, at: number): number =>
  append(index, words[at] ?? 0, words[at + 1] ?? 0, words, at + 2)

/** The rows of a page that are in use, one after the other: short id, then id. Not a copy. */
export const wordsOfPage = (index: IdIndex, page: number): Uint32Array => {
  const rows = Math.min(PAGE_ROWS, index.rows - page * PAGE_ROWS)
  return pageOf(index, page * PAGE_ROWS).subarray(0, Math.max(0, rows) * ROW_WORDS)
}

/** The rows of removed ids, ascending. */
export const gapsOf = (index: IdIndex): Uint32Array => {
  const gaps = new Uint32Array(index.rows - index.count)
  if (gaps.length === 0) return gaps
  const isThere = new Uint8Array(index.rows)
  forEach(index, (row) => {
    isThere[row] = 1
  })
  let found = 0
  for (let row = 0; row < index.rows; row++) if (isThere[row] === 0) gaps[found++] = row
  return gaps
}

/** Takes an id out and answers the row that it had, or −1. */
export const remove = (index: IdIndex, high: number, low: number, words: Uint32Array): number => {
  const { slots } = index
  const mask = slots.length - 1
  let hole = slotOf(index, high, low, words)
  if (hole < 0) return -1
  const removed = rowAt(slots[hole] ?? 0)
  // Whatever was pushed over the hole moves back (Knuth, volume 3, algorithm 6.4R), so that no search ends early.
  for (let slot = (hole + 1) & mask;; slot = (slot + 1) & mask) {
    const entry = slots[slot] ?? 0
    if (entry === 0) break
    const home = homeOf(index, highOf(index, rowAt(entry)))
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue
    slots[hole] = entry
    hole = slot
  }
  slots[hole] = 0
  index.count--
  return removed
}

/** Whether a row's id is still there. */
export const isLive = (index: IdIndex, row: number): boolean => {
  const mask = index.slots.length - 1
  for (let slot = homeOf(index, highOf(index, row));; slot = (slot + 1) & mask) {
    const entry = index.slots[slot] ?? 0
    if (entry === 0) return false
    if (rowAt(entry) === row) return true
  }
}

/** The same ids in the same order, without the rows of removed ones. */
export const compacted = (index: IdIndex): IdIndex => {
  const next = make(index.count)
  for (let row = 0; row < index.rows; row++) {
    if (!isLive(index, row)) continue
    withWords(index, row, (words, at) => add(next, highOf(index, row), lowOf(index, row), words, at))
  }
  return next
}
