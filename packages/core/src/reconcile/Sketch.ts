/**
 * What a replica keeps of its set beside the ids: the sum behind its root, the counters of the estimator, the first cells,
 * and a leaf of the range tree for each cell. All of it is linear: one id is added or taken away in one step, order does
 * not matter, and the sketches of disjoint sets add up to the sketch of their union.
 *
 * `scale` is the binary logarithm of the number of cells and leaves. It grows with the set, so that a small lane costs
 * 27 kB and a million ids cost 6 MB: a fourth as many cells as ids, or more, show a difference of a sixth of them.
 */
import { Limit } from "@sotto/schema/Limit"
import * as Cells from "./Cells.ts"
import * as Estimator from "./Estimator.ts"
import * as IdIndex from "./IdIndex.ts"
import * as LtHash from "./LtHash.ts"
import * as RangeTree from "./RangeTree.ts"

/** The smallest number of cells: 2^10. */
export const SCALE_MIN = 10
/** The largest. */
export const SCALE_MAX = Math.log2(Limit.reconcileCellsMax)
/** Ids for each cell, before there are four times as many cells. */
const IDS_PER_CELL = 4
/** How much the scale grows at once. */
export const SCALE_STEP = 2

export interface Sketch {
  scale: number
  count: number
  readonly sum: LtHash.Sum
  readonly counters: Int32Array
  cells: Cells.Cells
  tree: RangeTree.RangeTree
}

/** The sketch of nothing. */
export const make = (scale = SCALE_MIN): Sketch => ({
  scale,
  count: 0,
  sum: LtHash.make(),
  counters: Estimator.make(),
  cells: Cells.make(2 ** scale),
  tree: RangeTree.make(scale)
})

/** The scale that suits so many ids. */
export const scaleFor = (count: number): number => {
  let scale = SCALE_MIN
  while (scale < SCALE_MAX && count > IDS_PER_CELL << scale) scale += SCALE_STEP
  return scale
}

/** Whether there are too few cells for what is counted. */
export const isOutgrown = ({ count, scale }: Sketch): boolean => count > IDS_PER_CELL << scale && scale < SCALE_MAX

/** Bytes of memory that it takes. */
export const memoryBytes = ({ cells, counters, sum, tree }: Sketch): number =>
  cells.byteLength + counters.byteLength + sum.byteLength + RangeTree.memoryBytes(tree)

/** Counts an id in (`sign` 1) or out (−1), but for the sum behind the root. */
export const count = (sketch: Sketch, high: number, low: number, value: number, sign: 1 | -1): void => {
  sketch.count += sign
  Estimator.count(sketch.counters, high, low, sign)
  Cells.toggle(sketch.cells, high, low)
  RangeTree.count(sketch.tree, high, value, sign)
}

/** Cells and leaves of a larger scale, of the ids in `index`: what is there stays, what is new is filled. */
const enlarged = (sketch: Sketch, index: IdIndex.IdIndex, scale: number): Pick<Sketch, "cells" | "tree"> => {
  const cells = Cells.make(2 ** scale)
  const tree = RangeTree.make(scale)
  cells.set(sketch.cells)
  const from = Cells.countOf(sketch.cells)
  IdIndex.forEach(index, (row) => {
    const high = IdIndex.highOf(index, row)
    Cells.toggle(cells, high, IdIndex.lowOf(index, row), from)
    RangeTree.count(tree, high, IdIndex.withWords(index, row, RangeTree.valueOf), 1)
  })
  return { cells, tree }
}

/** Enlarges a sketch whose ids are in `index`. Costs a pass over them; they are four times as many before the next. */
export const enlarge = (sketch: Sketch, index: IdIndex.IdIndex, scale: number): void => {
  const { cells, tree } = enlarged(sketch, index, scale)
  sketch.scale = scale
  sketch.cells = cells
  sketch.tree = tree
}

/** Adds the sketch of a disjoint set, whose ids are in `index`, to one of at least its scale. */
export const combine = (target: Sketch, other: Sketch, index: IdIndex.IdIndex): void => {
  const { cells, tree } = other.scale < target.scale ? enlarged(other, index, target.scale) : other
  target.count += other.count
  LtHash.combine(target.sum, other.sum)
  for (const [i, counter] of other.counters.entries()) target.counters[i] = (target.counters[i] ?? 0) + counter
  Cells.combine(target.cells, cells)
  RangeTree.combine(target.tree, tree)
}
