/**
 * Ids of a route as a set that is reconciled, and where each of them stands in the log.
 *
 * 1. Ids come in the order of their positions, which is that of the set's rows. A position never gets another id.
 * 2. What was deleted leaves the set in place, found by comparing numbers: as many rows in a range of positions as there
 *    were is the same rows.
 */
import type { Position } from "@sotto/schema/Id"
import * as IdIndex from "../reconcile/IdIndex.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import type { CountedRange, IdPage, Places } from "./RelayStore.ts"

/** A set as far as it was read. */
export interface PlacedSet {
  readonly set: ReconcileSet.ReconcileSet
  /** The position of each row of the set's index, also of those whose id is gone. */
  positions: Array<Position>
  /** Everything up to here was looked at. */
  through: Position
  /** What the route had deleted when nothing of it was in the set. */
  removed: number
}

/** Bytes for each position: an array of numbers, and room for it to grow. */
const POSITION_BYTES = 12

/** Bytes of memory that it takes. */
export const memoryBytes = ({ positions, set }: Pick<PlacedSet, "set" | "positions">): number =>
  ReconcileSet.memoryBytes(set) + positions.length * POSITION_BYTES

/** Takes in a page of what comes after it, as of a moment when the route had deleted what it had when this was read. */
export const add = (placed: PlacedSet, page: IdPage): void => {
  for (const { id, position } of page.ids) {
    // An id that was deleted, forgotten and stored again has one row, so each comes once.
    if (ReconcileSet.insert(placed.set, id)) placed.positions.push(position)
  }
  placed.through = page.more ? page.ids.at(-1)?.position ?? placed.through : page.position
}

/** Whether it is all that a route had at some moment, of all lanes: then the numbers fit. */
export const isExact = ({ removed, set, through }: PlacedSet): boolean => ReconcileSet.count(set) === through - removed

/** The positions of the ids that are in the set, ascending. */
export const positionsOf = (
  { positions, set }: Pick<PlacedSet, "set" | "positions">,
  ids: ReadonlyArray<Uint8Array>
): ReadonlyArray<Position> => ids.flatMap((id) => positions[ReconcileSet.rowOf(set, id)] ?? []).sort((a, b) => a - b)

// -- what went ---------------------------------------------------------------------------------------------------------

/** The first row whose position is above `after`. */
const rowAfter = (positions: ReadonlyArray<Position>, after: number): number => {
  let [low, high] = [0, positions.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((positions[middle] ?? 0) <= after) low = middle + 1
    else high = middle
  }
  return low
}

/** Rows of one range. */
const RANGE_ROWS = 1024

const liveIn = ({ set: { index } }: PlacedSet, from: number, to: number): number => {
  if (index.count === index.rows) return to - from
  let count = 0
  for (let row = from; row < to; row++) if (IdIndex.isLive(index, row)) count++
  return count
}

/** The first ranges above a position, at most `limit`, with how many ids are in each; none when there are none. */
export const rangesAfter = (placed: PlacedSet, after: number, limit: number): ReadonlyArray<CountedRange> => {
  const { positions } = placed
  const ranges: Array<CountedRange> = []
  for (let row = rowAfter(positions, after); row < positions.length && ranges.length < limit; row += RANGE_ROWS) {
    const end = Math.min(positions.length, row + RANGE_ROWS)
    const [from, to] = [positions[row], positions[end - 1]]
    if (from !== undefined && to !== undefined) ranges.push({ from, to, count: liveIn(placed, row, end) })
  }
  return ranges
}

/** Takes out what is not there any more in these ranges; answers how many ids that were. */
export const keepOnly = (
  placed: PlacedSet,
  ranges: ReadonlyArray<CountedRange>,
  { places }: Pick<Places, "places">
): number => {
  const gone: Array<Uint8Array> = []
  for (const [i, { from, to }] of ranges.entries()) {
    const left = places[i]
    if (left === undefined) continue
    const isThere = new Set(left)
    const { positions, set: { index } } = placed
    for (let row = rowAfter(positions, from - 1); row < positions.length; row++) {
      const position = positions[row]
      if (position === undefined || position > to) break
      if (!isThere.has(position) && IdIndex.isLive(index, row)) gone.push(IdIndex.idOf(index, row))
    }
  }
  for (const id of gone) remove(placed, id)
  return gone.length
}

const remove = (placed: PlacedSet, id: Uint8Array): void => {
  const { index } = placed.set
  ReconcileSet.remove(placed.set, id)
  // The index was closed up: what is left of it stands in the same order.
  if (placed.set.index !== index) placed.positions = placed.positions.filter((_, row) => IdIndex.isLive(index, row))
}
