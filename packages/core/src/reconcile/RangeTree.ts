/**
 * Counts and sums of short-id ranges (range-based set reconciliation: Meyer, SRDS 2023). Ranges are aligned: those of all
 * short ids with one prefix. Only the leaves are kept; a shorter prefix is the sum of its leaves. Short ids are spread
 * evenly, being a keyed hash, so nothing has to be balanced.
 *
 * The sum adds 48 bits of the ids themselves, not of their short ids: two ids that share a short id still differ here. It
 * prunes and proves nothing: whoever writes ids can make sums meet.
 */

const MODULUS = 2 ** 48

/** Leaves in the order of their prefixes. */
export interface RangeTree {
  readonly bits: number
  readonly counts: Uint32Array
  readonly sums: Float64Array
}

/** Count and sum of a range. */
export interface Range {
  readonly count: number
  readonly sum: number
}

/** An empty tree of 2^bits leaves. */
export const make = (bits: number): RangeTree => ({
  bits,
  counts: new Uint32Array(2 ** bits),
  sums: new Float64Array(2 ** bits)
})

/** What an id adds to a sum: its first 48 bits, little endian. */
export const valueOf = (words: Uint32Array, at: number): number =>
  (words[at] ?? 0) + ((words[at + 1] ?? 0) & 0xffff) * 0x1_0000_0000

/** A sum after adding a value or another sum. */
export const plus = (sum: number, value: number): number => {
  const next = sum + value
  return next >= MODULUS ? next - MODULUS : next
}

/** Counts an id in (`sign` 1) or out (−1): the high word of its short id, and its value. */
export const count = (tree: RangeTree, high: number, value: number, sign: 1 | -1): void => {
  const leaf = high >>> (32 - tree.bits)
  tree.counts[leaf] = (tree.counts[leaf] ?? 0) + sign
  tree.sums[leaf] = plus(tree.sums[leaf] ?? 0, sign === 1 || value === 0 ? value : MODULUS - value)
}

/** The range of a prefix of at most `tree.bits` bits. */
export const rangeOf = (tree: RangeTree, bits: number, node: number): Range => {
  const width = 2 ** (tree.bits - bits)
  let [count, sum] = [0, 0]
  for (let leaf = node * width, end = leaf + width; leaf < end; leaf++) {
    count += tree.counts[leaf] ?? 0
    sum = plus(sum, tree.sums[leaf] ?? 0)
  }
  return { count, sum }
}

/** Adds the ranges of another tree, which has as many leaves. */
export const combine = (target: RangeTree, other: RangeTree): void => {
  for (let leaf = 0; leaf < target.counts.length; leaf++) {
    target.counts[leaf] = (target.counts[leaf] ?? 0) + (other.counts[leaf] ?? 0)
    target.sums[leaf] = plus(target.sums[leaf] ?? 0, other.sums[leaf] ?? 0)
  }
}
