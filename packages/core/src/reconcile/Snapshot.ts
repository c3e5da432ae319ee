/**
 * A set as bytes, so that opening it again costs a read and not a pass over its rows. Whoever keeps rows in a log writes
 * a snapshot now and then with the position it reaches, and takes in again what came after it at the next start.
 *
 * It has two parts. The ids, in *pages* of `PAGE_ROWS` in the order of their insertion: a full page stays as it is for as
 * long as the set's index is the same, so the next snapshot does not write it again. And the *state*: everything else, with
 * how many ids of the pages count, and which of them were removed.
 *
 * The layout is this machine's own (words in its byte order), not a wire format: another machine's, another version's or
 * a damaged one is refused, and the set is built from its rows. Checksums are against accidents, not against people.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Cells from "./Cells.ts"
import * as IdIndex from "./IdIndex.ts"
import * as LtHash from "./LtHash.ts"
import * as RangeTree from "./RangeTree.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"
import * as SipHash from "./SipHash.ts"
import * as Sketch from "./Sketch.ts"

const MAGIC = 0x534f5253
const VERSION = 2
/** magic, version, checksum, scale, keyEpoch, key's tag (2), rows, gaps, removed (2), position (2). */
const HEADER_WORDS = 13
const COUNTER_WORDS = 32
/** A page begins with its checksum. */
const PAGE_HEADER_WORDS = 1

/** Ids of a full page. */
export { PAGE_ROWS } from "./IdIndex.ts"

/** Why a snapshot was not taken: it was written elsewhere or otherwise, it is damaged, or its short ids have another key. */
export class SnapshotRefused extends Schema.TaggedError<SnapshotRefused>()("SnapshotRefused", {
  reason: Schema.Literals(["format", "damaged", "other-key"])
}) {
  override get message() {
    return `The snapshot of a reconciliation set was not used (${this.reason}). Nothing is lost: build the set from the ` +
      "rows that it was made of."
  }
}

const halves = (value: number): readonly [number, number] => [value >>> 0, Math.floor(value / 0x1_0000_0000)]
const whole = (low: number, high: number): number => low + high * 0x1_0000_0000

const wordsFor = (scale: number, gaps: number): number =>
  HEADER_WORDS + LtHash.WORDS + COUNTER_WORDS + (Cells.CELL_WORDS + 3) * 2 ** scale + gaps

/** By which a key is known without being written down. */
const tagOf = (key: SipHash.SipKey): Uint32Array => {
  const tag = new Uint32Array(2)
  SipHash.hash(key, new Uint32Array(ShortId.ID_WORDS), 0, tag, 0)
  return tag
}

const checksum = (words: Uint32Array, from: number): number => {
  let sum = 0
  for (let i = from; i < words.length; i++) sum = Math.imul((sum << 5 | sum >>> 27) ^ (words[i] ?? 0), 0x9e3779b1)
  return sum >>> 0
}

/** A checksum of what is kept beside snapshots: 32 bits, against accidents. */
export const checksumOf = (bytes: Uint8Array): number => {
  const words = new Uint32Array(1 + Math.ceil(bytes.length / 4))
  words[0] = bytes.length
  for (let i = 0; i < bytes.length; i++) words[1 + (i >>> 2)] = ((words[1 + (i >>> 2)] ?? 0) << 8) | (bytes[i] ?? 0)
  return checksum(words, 0)
}

/** How many pages a set has; the last one may not be full. */
export const pagesOf = ({ index }: ReconcileSet.ReconcileSet): number => Math.ceil(index.rows / IdIndex.PAGE_ROWS)

/** A page of a set's ids: 40 bytes for each. */
export const page = ({ index }: ReconcileSet.ReconcileSet, number: number): Uint8Array => {
  const rows = IdIndex.wordsOfPage(index, number)
  const words = new Uint32Array(PAGE_HEADER_WORDS + rows.length)
  words.set(rows, PAGE_HEADER_WORDS)
  words[0] = checksum(words, PAGE_HEADER_WORDS)
  return new Uint8Array(words.buffer)
}

/** Everything but the ids, and a position that means something to the caller: 27 kB for a small set, 6 MB for a large one. */
export const state = (set: ReconcileSet.ReconcileSet, position: number): Uint8Array => {
  ReconcileSet.root(set)
  const { index, sketch } = set
  const { scale } = sketch
  const gaps = IdIndex.gapsOf(index)
  const words = new Uint32Array(wordsFor(scale, gaps.length))
  const tag = tagOf(set.key)
  words.set([MAGIC, VERSION, 0, scale, set.keyEpoch, tag[0] ?? 0, tag[1] ?? 0, index.rows, gaps.length])
  words.set([...halves(set.removed), ...halves(position)], 9)
  let at = HEADER_WORDS
  const put = (part: Uint32Array | Int32Array): void => {
    words.set(part, at)
    at += part.length
  }
  put(sketch.sum)
  put(sketch.counters)
  put(sketch.cells)
  put(sketch.tree.counts)
  for (const sum of sketch.tree.sums) {
    words[at++] = sum >>> 0
    words[at++] = Math.floor(sum / 0x1_0000_0000)
  }
  put(gaps)
  words[2] = checksum(words, 3)
  return new Uint8Array(words.buffer)
}

/** A set whose pages are being taken in. */
export interface Opening {
  /** To be used once `finish` says so. */
  readonly set: ReconcileSet.ReconcileSet
  readonly position: number
  /** Pages that it needs, and the one that is next. */
  readonly pages: number
  next: number
  /** Rows that it needs, and which of them are gaps, ascending. */
  readonly rows: number
  readonly gaps: Uint32Array
  /** Gaps so far, and the XOR of the short ids so far. */
  passed: number
  high: number
  low: number
}

const wordsOf = (bytes: Uint8Array): Uint32Array =>
  bytes.byteOffset % 4 === 0
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
    : new Uint32Array(bytes.slice().buffer, 0, bytes.length >>> 2)

const headerOf = (words: Uint32Array) => {
  const at = (i: number): number => words[i] ?? 0
  return {
    magic: at(0),
    version: at(1),
    sum: at(2),
    scale: at(3),
    keyEpoch: at(4),
    tagHigh: at(5),
    tagLow: at(6),
    rows: at(7),
    gaps: at(8),
    removed: whole(at(9), at(10)),
    position: whole(at(11), at(12))
  }
}

const isSized = (words: Uint32Array): boolean => {
  const { gaps, rows, scale } = headerOf(words)
  return scale >= Sketch.SCALE_MIN && scale <= Sketch.SCALE_MAX && gaps <= rows &&
    words.length === wordsFor(scale, gaps)
}

const refusal = (bytes: Uint8Array, words: Uint32Array, options: ReconcileSet.Options): SnapshotRefused | undefined => {
  const { keyEpoch, magic, sum, tagHigh, tagLow, version } = headerOf(words)
  if (bytes.length % 4 !== 0 || words.length < HEADER_WORDS || magic !== MAGIC || version !== VERSION) {
    return new SnapshotRefused({ reason: "format" })
  }
  if (!isSized(words) || checksum(words, 3) !== sum) return new SnapshotRefused({ reason: "damaged" })
  const tag = tagOf(SipHash.keyFrom(options.key))
  const isOurs = keyEpoch === options.keyEpoch && tagHigh === tag[0] && tagLow === tag[1]
  return isOurs ? undefined : new SnapshotRefused({ reason: "other-key" })
}

/** Begins with the state of a set that was made with the same key. Its pages are to be taken in, from the first on. */
export const begin = (
  bytes: Uint8Array,
  options: Omit<ReconcileSet.Options, "expected">
): Result.Result<Opening, SnapshotRefused> => {
  const words = wordsOf(bytes)
  const refused = refusal(bytes, words, options)
  if (refused !== undefined) return Result.fail(refused)
  const { gaps, position, removed, rows, scale } = headerOf(words)
  const count = rows - gaps
  const sketch = Sketch.make(scale)
  let at = HEADER_WORDS
  const take = (part: Uint32Array | Int32Array): void => {
    part.set(words.subarray(at, at + part.length))
    at += part.length
  }
  take(sketch.sum)
  take(sketch.counters)
  take(sketch.cells)
  const leaves = RangeTree.make(scale)
  take(leaves.counts)
  for (let leaf = 0; leaf < leaves.sums.length; leaf++, at += 2) {
    leaves.sums[leaf] = whole(words[at] ?? 0, words[at + 1] ?? 0)
  }
  RangeTree.combine(sketch.tree, leaves)
  sketch.count = count
  return Result.succeed({
    set: { ...ReconcileSet.make({ ...options, expected: count }), sketch, removed, summed: rows },
    position,
    pages: Math.ceil(rows / IdIndex.PAGE_ROWS),
    next: 0,
    rows,
    gaps: words.slice(at),
    passed: 0,
    high: 0,
    low: 0
  })
}

/** Takes the next page in; answers why not. A page may hold ids that came after the state: they do not count. */
export const take = (opening: Opening, bytes: Uint8Array): SnapshotRefused | undefined => {
  const { gaps, next, rows, set: { index } } = opening
  const words = wordsOf(bytes)
  const count = Math.min(IdIndex.PAGE_ROWS, rows - next * IdIndex.PAGE_ROWS)
  const needed = PAGE_HEADER_WORDS + count * IdIndex.ROW_WORDS
  if (bytes.length % 4 !== 0 || words.length < needed || checksum(words, PAGE_HEADER_WORDS) !== words[0]) {
    return new SnapshotRefused({ reason: "damaged" })
  }
  for (let at = PAGE_HEADER_WORDS; at < needed; at += IdIndex.ROW_WORDS) {
    if (gaps[opening.passed] === index.rows) {
      opening.passed++
      IdIndex.restoreGap(index, words, at)
    } else {
      opening.high ^= words[at] ?? 0
      opening.low ^= words[at + 1] ?? 0
      IdIndex.restore(index, words, at)
    }
  }
  opening.next++
  return undefined
}

/** The set, once all pages are in. Its first cell holds every short id, so pages of another state show there. */
export const finish = (opening: Opening): Result.Result<ReconcileSet.ReconcileSet, SnapshotRefused> => {
  const { gaps, high, low, next, pages, passed, set } = opening
  const { cells } = set.sketch
  const isWhole = next === pages && passed === gaps.length && high >>> 0 === cells[0] && low >>> 0 === cells[1]
  return isWhole ? Result.succeed(set) : Result.fail(new SnapshotRefused({ reason: "damaged" }))
}
