/**
 * Reads the difference of two replicas out of the XOR of their cells: a cell that holds one short id shows it by its
 * check; taken out of the other cells of its walk it leaves more such cells, until all are empty.
 *
 * Cells come from the peer, so nothing about them is believed: work is bounded by their number, and what was read
 * counts only once the roots agree.
 */
import * as Cells from "./Cells.ts"
import * as ShortId from "./ShortId.ts"

/** What was read: pairs of words, high and low. */
export interface Peeled {
  /** Whether every cell came out empty. */
  readonly complete: boolean
  readonly shortIds: Uint32Array
}

/** Whether the cell seems to hold exactly one short id: its check fits. Its walk has to come by here besides. */
const seemsPure = (cells: Cells.Cells, at: number): boolean => {
  const high = cells[at] ?? 0
  const low = cells[at + 1] ?? 0
  const check = cells[at + 2] ?? 0
  return (high | low | check) !== 0 && ShortId.checkOf(high, low) === check
}

const isEmpty = (cells: Cells.Cells): boolean => {
  for (let i = 0; i < cells.length; i++) if (cells[i] !== 0) return false
  return true
}

const walk: Array<number> = []

/** Whether the first `steps` cells of the walk have this one among them. */
const passes = (steps: number, cell: number): boolean => {
  for (let step = 0; step < steps; step++) if (walk[step] === cell) return true
  return false
}

/**
 * Takes the short id that a cell seems to hold out of all cells of its walk, and puts those that seem to be pure then on
 * top of `waiting`; false, with nothing changed, when the walk does not come by the cell.
 */
const takeOut = (cells: Cells.Cells, cell: number, waiting: Array<number>): boolean => {
  const at = cell * Cells.CELL_WORDS
  const high = cells[at] ?? 0
  const low = cells[at + 1] ?? 0
  const check = cells[at + 2] ?? 0
  const steps = Cells.walkOf(walk, high, low, Cells.countOf(cells))
  if (!passes(steps, cell)) return false
  for (let step = 0; step < steps; step++) {
    const next = walk[step] ?? 0
    Cells.toggleOne(cells, next, high, low, check)
    if (seemsPure(cells, next * Cells.CELL_WORDS)) waiting.push(next)
  }
  return true
}

/**
 * Reads what `cells` hold, and leaves in them what could not be read. At most one short id for each cell is taken, so
 * garbage costs no more than an honest sketch.
 */
export const peel = (cells: Cells.Cells): Peeled => {
  const count = Cells.countOf(cells)
  const found = new Uint32Array(2 * count)
  let taken = 0
  // Late cells are hit rarely, so most that are pure from the start are there. Those that become pure are put on top.
  const waiting: Array<number> = []
  for (let cell = 0; cell < count; cell++) if (seemsPure(cells, cell * Cells.CELL_WORDS)) waiting.push(cell)
  for (let cell = waiting.pop(); cell !== undefined && taken < count; cell = waiting.pop()) {
    const at = cell * Cells.CELL_WORDS
    const high = cells[at] ?? 0
    const low = cells[at + 1] ?? 0
    if (!seemsPure(cells, at) || !takeOut(cells, cell, waiting)) continue
    found[2 * taken] = high
    found[2 * taken + 1] = low
    taken++
  }
  return { complete: isEmpty(cells), shortIds: found.subarray(0, 2 * taken) }
}

/**
 * How many short ids the cells hold, from how many of the later ones are empty: cell i is empty with probability
 * exp(−2d/i), about. Used when reading failed, to ask for the right number of further cells. `undefined` when too few
 * are empty to tell.
 */
export const estimate = (cells: Cells.Cells): number | undefined => {
  const count = Cells.countOf(cells)
  const from = count >>> 1
  let empty = 0
  for (let cell = from; cell < count; cell++) {
    const at = cell * Cells.CELL_WORDS
    if (((cells[at] ?? 0) | (cells[at + 1] ?? 0) | (cells[at + 2] ?? 0)) === 0) empty++
  }
  if (empty === 0) return undefined
  // By halving: the expected number of empty cells falls as d grows.
  let [low, high] = [0, 16 * count]
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2
    let expected = 0
    const stride = Math.max(1, (count - from) >>> 6)
    for (let cell = from; cell < count; cell += stride) expected += (1 - 1 / (1 + cell / 2)) ** middle
    if (expected * stride > empty) low = middle
    else high = middle
  }
  return high
}
