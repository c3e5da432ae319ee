/**
 * A set as bytes, so that opening it again costs a read and not a pass over its rows. Whoever keeps rows in a log writes
 * a snapshot now and then with the position it reaches, and inserts the rows after it again at the next start.
 *
 * The layout is this machine's own (words in its byte order), not a wire format: another machine's, another version's or
 * a damaged one is refused, and the set is built from its rows. The checksum is against accidents, not against people.
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
const VERSION = 1
/** magic, version, checksum, scale, keyEpoch, key's tag (2), count, removed (2), position (2). */
const HEADER_WORDS = 12
const COUNTER_WORDS = 32
const ROW_WORDS = 2 + ShortId.ID_WORDS

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

const wordsFor = (scale: number, count: number): number =>
  HEADER_WORDS + LtHash.WORDS + COUNTER_WORDS + (Cells.CELL_WORDS + 3) * 2 ** scale + ROW_WORDS * count

/** By which a key is known without being written down. */
const tagOf = (key: SipHash.SipKey): Uint32Array => {
  const tag = new Uint32Array(2)
  SipHash.hash(key, new Uint32Array(ShortId.ID_WORDS), 0, tag, 0)
  return tag
}

const checksum = (words: Uint32Array): number => {
  let sum = 0
  for (let i = 3; i < words.length; i++) sum = Math.imul((sum << 5 | sum >>> 27) ^ (words[i] ?? 0), 0x9e3779b1)
  return sum >>> 0
}

/** The set and a position that means something to the caller. 46 bytes for each id of a large set, 40 kB for an empty one. */
export const encode = (set: ReconcileSet.ReconcileSet, position: number): Uint8Array => {
  ReconcileSet.root(set)
  const { index, sketch } = set
  const { count, scale } = sketch
  const words = new Uint32Array(wordsFor(scale, count))
  const tag = tagOf(set.key)
  words.set([MAGIC, VERSION, 0, scale, set.keyEpoch, tag[0] ?? 0, tag[1] ?? 0, count])
  words.set([...halves(set.removed), ...halves(position)], 8)
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
  for (let row = 0; row < index.rows; row++) {
    if (!IdIndex.isLive(index, row)) continue
    words[at] = IdIndex.highOf(index, row)
    words[at + 1] = IdIndex.lowOf(index, row)
    IdIndex.withWords(index, row, (page, start) => {
      for (let i = 0; i < ShortId.ID_WORDS; i++) words[at + 2 + i] = page[start + i] ?? 0
    })
    at += ROW_WORDS
  }
  words[2] = checksum(words)
  return new Uint8Array(words.buffer)
}

/** What a snapshot holds. */
export interface Opened {
  readonly set: ReconcileSet.ReconcileSet
  readonly position: number
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
    count: at(7),
    removed: whole(at(8), at(9)),
    position: whole(at(10), at(11))
  }
}

const refusal = (bytes: Uint8Array, words: Uint32Array, options: ReconcileSet.Options): SnapshotRefused | undefined => {
  const { count, keyEpoch, magic, scale, sum, tagHigh, tagLow, version } = headerOf(words)
  if (bytes.length % 4 !== 0 || words.length < HEADER_WORDS || magic !== MAGIC || version !== VERSION) {
    return new SnapshotRefused({ reason: "format" })
  }
  if (scale < Sketch.SCALE_MIN || scale > Sketch.SCALE_MAX || words.length !== wordsFor(scale, count)) {
    return new SnapshotRefused({ reason: "damaged" })
  }
  if (checksum(words) !== sum) return new SnapshotRefused({ reason: "damaged" })
  const tag = tagOf(SipHash.keyFrom(options.key))
  const isOurs = keyEpoch === options.keyEpoch && tagHigh === tag[0] && tagLow === tag[1]
  return isOurs ? undefined : new SnapshotRefused({ reason: "other-key" })
}

/** The set of a snapshot, made with the same key. 1,000,000 ids take about a fifth of a second. */
export const decode = (
  bytes: Uint8Array,
  options: Omit<ReconcileSet.Options, "expected">
): Result.Result<Opened, SnapshotRefused> => {
  const words = wordsOf(bytes)
  const refused = refusal(bytes, words, options)
  if (refused !== undefined) return Result.fail(refused)
  const { count, position, removed, scale } = headerOf(words)
  const set = ReconcileSet.make({ ...options, expected: count })
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
  for (; at < words.length; at += ROW_WORDS) IdIndex.restore(set.index, words, at)
  sketch.count = count
  return Result.succeed({ set: { ...set, sketch, removed, summed: count }, position })
}
