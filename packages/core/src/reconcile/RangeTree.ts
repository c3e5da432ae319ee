/**
 * Counts and sums of short-id ranges (range-based set reconciliation: Meyer, SRDS 2023). Ranges are aligned: those of all
 * short ids with one prefix. Only the leaves are kept; a shorter prefix is the sum of its leaves. Short ids are spread
 * evenly, being a keyed hash, so nothing has to be balanced. Sums of 256 leaves are kept as well: a question about long
 * ranges is as cheap to answer as it is to ask.
 *
 * The sum adds 48 bits of the ids themselves, not of their short ids: two ids that share a short id still differ here. It
 * prunes and proves nothing: whoever writes ids can make sums meet.
 */

const MODULUS = 2 ** 48

/** Ranges of all prefixes of one length, in their order. */
interface Level {
  readonly bits: number
  readonly counts: Uint32Array
  readonly sums: Float64Array
}

/** How many bits shorter the prefixes of the upper level are. */
const UPPER_BITS = 8

/** The leaves; and the level of ranges above them. */
export interface RangeTree extends Level {
  readonly upper: Level
}

/** Count and sum of a range. */
export interface Range {
  readonly count: number
  readonly sum: number
}

const levelOf = (bits: number): Level => ({
  bits,
  counts: new Uint32Array(2 ** bits),
  sums: new Float64Array(2 ** bits)
})

/** An empty tree of 2^bits leaves. */
export const make = (bits: number): RangeTree => ({ ...levelOf(bits), upper: levelOf(bits - UPPER_BITS) })

const sizeOf = ({ counts, sums }: Level): number => counts.byteLength + sums.byteLength

/** Bytes of memory that it takes. */
export const memoryBytes = (tree: RangeTree): number => sizeOf(tree) + sizeOf(tree.upper)

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
  const step = sign === 1 || value === 0 ? value : MODULUS - value
  countAt(tree, high >>> (32 - tree.bits), sign, step)
  countAt(tree.upper, high >>> (32 - tree.upper.bits), sign, step)
}

const countAt = (level: Level, node: number, count: number, sum: number): void => {
  level.counts[node] = (level.counts[node] ?? 0) + count
  level.sums[node] = plus(level.sums[node] ?? 0, sum)
}

/** The range of a prefix of at most `tree.bits` bits. */
export const rangeOf = (tree: RangeTree, bits: number, node: number): Range => {
  const level = bits <= tree.upper.bits ? tree.upper : tree
  const width = 2 ** (level.bits - bits)
  let count = 0
  let sum = 0
  for (let at = node * width, end = at + width; at < end; at++) {
    count += level.counts[at] ?? 0
    sum = plus(sum, level.sums[at] ?? 0)
  }
  return { count, sum }
}

/** Adds the ranges of another tree, which has as many leaves. */
export const combine = (target: RangeTree, other: RangeTree): void => {
  for (const [leaf, count] of other.counts.entries()) {
    const sum = other.sums[leaf] ?? 0
    countAt(target, leaf, count, sum)
    countAt(target.upper, leaf >>> UPPER_BITS, count, sum)
  }
}
