/**
 * Rateless cells (Yang, Gilad and Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024), without counts: cell
 * i holds the XOR of the short ids that fall into it, and of their checks. Each falls into cell 0 and then into ever
 * fewer: into cell i with probability 1/(1 + i/2). The XOR of two replicas' cells holds only what they differ in, and
 * about 1.36 cells for each such id are enough to read it (`Peel`); any prefix of the cells serves, so one set of cells
 * serves every peer and every difference.
 *
 * The walk of a short id through the cells comes from a generator with 64 bits of state: with 32, two ids out of
 * 100,000 would share one and never come apart.
 */
import { CELL_BYTES } from "@sotto/schema/Reconcile"
import * as ShortId from "./ShortId.ts"

/** Words of a cell: high and low half of the short ids, then their checks. */
export const CELL_WORDS = 3

/** Cells in a row, `CELL_WORDS` words each. */
export type Cells = Uint32Array

/** Cells in which nothing is. */
export const make = (count: number): Cells => new Uint32Array(count * CELL_WORDS)

/** How many there are. */
export const countOf = (cells: Cells): number => cells.length / CELL_WORDS

/** The next cell after `cell`, by 32 random bits. Only operations that every engine rounds alike. */
const after = (cell: number, random: number): number =>
  cell + Math.ceil((cell + 1.5) * (1 / Math.sqrt((random + 0.5) / 0x1_0000_0000) - 1))

/** Puts a short id and its check into one cell, or takes them out. */
export const toggleOne = (cells: Cells, cell: number, high: number, low: number, check: number): void => {
  const at = cell * CELL_WORDS
  cells[at] = (cells[at] ?? 0) ^ high
  cells[at + 1] = (cells[at + 1] ?? 0) ^ low
  cells[at + 2] = (cells[at + 2] ?? 0) ^ check
}

/**
 * The cells below `end` that a short id falls into, ascending, written into `walk` from its beginning; answers how many.
 * The generator is xoroshiro64** (Blackman and Vigna 2018), its state the short id.
 */
export const walkOf = (walk: Array<number>, high: number, low: number, end: number): number => {
  let s0 = high | 0
  // All zeros is the one state that the generator cannot leave.
  let s1 = (high | low) === 0 ? 1 : low | 0
  let steps = 0
  for (let cell = 0; cell < end;) {
    walk[steps++] = cell
    const product = Math.imul(s0, 0x9e3779bb)
    cell = after(cell, Math.imul(product << 5 | product >>> 27, 5) >>> 0)
    s1 ^= s0
    s0 = (s0 << 26 | s0 >>> 6) ^ s1 ^ (s1 << 9)
    s1 = s1 << 13 | s1 >>> 19
  }
  return steps
}

/** Puts a short id into the cells from `from` on, or takes it out: the same thing. */
export const toggle = (cells: Cells, high: number, low: number, from = 0): void => {
  const end = countOf(cells)
  const check = ShortId.checkOf(high, low)
  // `walkOf` once more, without its list: half of what an insertion costs is spent here.
  let s0 = high | 0
  let s1 = (high | low) === 0 ? 1 : low | 0
  for (let cell = 0; cell < end;) {
    if (cell >= from) toggleOne(cells, cell, high, low, check)
    const product = Math.imul(s0, 0x9e3779bb)
    cell = after(cell, Math.imul(product << 5 | product >>> 27, 5) >>> 0)
    s1 ^= s0
    s0 = (s0 << 26 | s0 >>> 6) ^ s1 ^ (s1 << 9)
    s1 = s1 << 13 | s1 >>> 19
  }
}

/** `target` XOR `other`, up to the shorter of them: what they hold together, or what they differ in. */
export const combine = (target: Cells, other: Cells): void => {
  const end = Math.min(target.length, other.length)
  for (let i = 0; i < end; i++) target[i] = (target[i] ?? 0) ^ (other[i] ?? 0)
}

/** The bytes of `count` cells from `from` on. */
export const toBytes = (cells: Cells, from: number, count: number): Uint8Array => {
  const out = new Uint8Array(count * CELL_BYTES)
  const view = new DataView(out.buffer)
  for (let i = 0, at = from * CELL_WORDS, to = 0; i < count; i++, at += CELL_WORDS, to += CELL_BYTES) {
    const check = cells[at + 2] ?? 0
    view.setUint32(to, cells[at] ?? 0)
    view.setUint32(to + 4, cells[at + 1] ?? 0)
    view.setUint16(to + 8, check >>> 8)
    view.setUint8(to + 10, check & 0xff)
  }
  return out
}

/** The cells of `toBytes`. */
export const fromBytes = (bytes: Uint8Array): Cells => {
  const count = Math.floor(bytes.length / CELL_BYTES)
  const cells = make(count)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let i = 0, at = 0, from = 0; i < count; i++, at += CELL_WORDS, from += CELL_BYTES) {
    cells[at] = view.getUint32(from)
    cells[at + 1] = view.getUint32(from + 4)
    cells[at + 2] = view.getUint16(from + 8) << 8 | view.getUint8(from + 10)
  }
  return cells
}
