/**
 * The set of envelope ids of one lane of a space, as reconciliation sees it (protocol.md §2a), kept up to date as ids
 * come and go: one insertion or removal touches everything once, and no message ever needs a pass over the set.
 *
 * 1. The same ids give the same state, whatever their order and whatever was there in between.
 * 2. It changes in place: whoever has to keep a moment of it keeps a snapshot.
 *
 * @example
 * const set = ReconcileSet.make({ key, keyEpoch: 1 })
 * ReconcileSet.insert(set, envelopeId) // true: it was not there
 * ReconcileSet.root(set) // 32 bytes: equal when the sets are
 */
import * as IdIndex from "./IdIndex.ts"
import * as LtHash from "./LtHash.ts"
import * as RangeTree from "./RangeTree.ts"
import * as ShortId from "./ShortId.ts"
import * as SipHash from "./SipHash.ts"
import * as Sketch from "./Sketch.ts"

/** What a conversation reads: one set, or several as one (`Union`). */
export interface Replica {
  readonly key: SipHash.SipKey
  /** Which key of the space short ids are made with; both sides must use the same. */
  readonly keyEpoch: number
  readonly sketch: Sketch.Sketch
  readonly indexes: ReadonlyArray<IdIndex.IdIndex>
  /** Grows with every change. */
  readonly version: number
}

export interface ReconcileSet extends Replica {
  index: IdIndex.IdIndex
  indexes: ReadonlyArray<IdIndex.IdIndex>
  version: number
  /** Ids removed so far: a checkpoint holds as long as it stays. */
  removed: number
  /** Rows whose ids are in the sum behind the root; those after them are added when the root is asked for. */
  summed: number
  /** Whether each id is summed as it comes. */
  readonly sumNow: boolean
}

export interface Options {
  /** 16 bytes: KDF(NR, "short-id", key epoch). */
  readonly key: Uint8Array
  readonly keyEpoch: number
  /**
   * Leave the sum behind the root (nine tenths of an insertion) for later: for the next `root`, or for `sumSome` when
   * there is time. Default: no.
   */
  readonly sumLater?: boolean
  /** How many ids will come, where that is known: spares growing. */
  readonly expected?: number
}

/** An empty set. A key that has not 16 bytes is a bug. */
export const make = (options: Options): ReconcileSet => {
  const { expected = 0, key, keyEpoch, sumLater = false } = options
  const index = IdIndex.make(expected)
  return {
    key: SipHash.keyFrom(key),
    keyEpoch,
    sketch: Sketch.make(Sketch.scaleFor(expected)),
    index,
    indexes: [index],
    version: 0,
    removed: 0,
    summed: 0,
    sumNow: !sumLater
  }
}

const words = new Uint32Array(ShortId.ID_WORDS)
const short = new Uint32Array(2)

/** The id's words and short id, in the two arrays above. */
const read = (set: Replica, id: Uint8Array): void => {
  ShortId.toWords(id, words, 0)
  SipHash.hash(set.key, words, 0, short, 0)
}

/** The short id of an id in this replica: high and low word. */
export const shortOf = (replica: Replica, id: Uint8Array): readonly [number, number] => {
  read(replica, id)
  return [short[0] ?? 0, short[1] ?? 0]
}

/** Whether the id (32 bytes) is there. */
export const has = (replica: Replica, id: Uint8Array): boolean => {
  const [high, low] = shortOf(replica, id)
  return replica.indexes.some((index) => IdIndex.has(index, high, low, words))
}

/** Where the id stands in the order of insertion, from 0, as long as none was removed; −1 when it is not there. */
export const rowOf = (set: ReconcileSet, id: Uint8Array): number => {
  const [high, low] = shortOf(set, id)
  return IdIndex.rowOf(set.index, high, low, words)
}

/** Bytes of memory that the set takes. */
export const memoryBytes = ({ index, sketch }: ReconcileSet): number =>
  IdIndex.memoryBytes(index) + Sketch.memoryBytes(sketch)

/** Adds an id of 32 bytes; false when it was there. About 6 µs, 1 µs with `sumLater`. */
export const insert = (set: ReconcileSet, id: Uint8Array): boolean => {
  read(set, id)
  const high = short[0] ?? 0
  const low = short[1] ?? 0
  if (IdIndex.has(set.index, high, low, words)) return false
  const row = IdIndex.add(set.index, high, low, words)
  Sketch.count(set.sketch, high, low, RangeTree.valueOf(words, 0), 1)
  if (set.sumNow && set.summed === row) {
    LtHash.add(set.sketch.sum, words, 0)
    set.summed++
  }
  if (Sketch.isOutgrown(set.sketch)) Sketch.enlarge(set.sketch, set.index, set.sketch.scale + Sketch.SCALE_STEP)
  set.version++
  return true
}

/** Rows that may be gaps before they are closed. */
const GAPS_MIN = 4096

/** Takes an id of 32 bytes out; false when it was not there. */
export const remove = (set: ReconcileSet, id: Uint8Array): boolean => {
  read(set, id)
  const high = short[0] ?? 0
  const low = short[1] ?? 0
  const row = IdIndex.remove(set.index, high, low, words)
  if (row < 0) return false
  Sketch.count(set.sketch, high, low, RangeTree.valueOf(words, 0), -1)
  if (row < set.summed) LtHash.subtract(set.sketch.sum, words, 0)
  set.removed++
  set.version++
  if (set.index.rows > 2 * set.index.count + GAPS_MIN) compact(set)
  return true
}

const compact = (set: ReconcileSet): void => {
  sumSome(set, Number.POSITIVE_INFINITY)
  set.index = IdIndex.compacted(set.index)
  set.indexes = [set.index]
  set.summed = set.index.rows
}

/** Sums at most `rowsMax` ids that `sumLater` left; answers whether any are left. 4 to 5 µs each. */
export const sumSome = (set: ReconcileSet, rowsMax: number): boolean => {
  const end = Math.min(set.index.rows, set.summed + rowsMax)
  for (; set.summed < end; set.summed++) {
    if (!IdIndex.isLive(set.index, set.summed)) continue
    IdIndex.withWords(set.index, set.summed, (page, at) => LtHash.add(set.sketch.sum, page, at))
  }
  return set.summed < set.index.rows
}

/** The root, 32 bytes, after summing what `sumLater` left. Two sets with equal roots are equal. */
export const root = (set: ReconcileSet): Uint8Array => rootOf(set)

const isSet = (replica: Replica): replica is ReconcileSet => "summed" in replica

/** The sum behind the root of any replica, with what `sumLater` left. It goes on changing with the set. */
export const sumOf = (replica: Replica): LtHash.Sum => {
  if (isSet(replica)) sumSome(replica, Number.POSITIVE_INFINITY)
  return replica.sketch.sum
}

/** The root of any replica. */
export const rootOf = (replica: Replica): Uint8Array => LtHash.rootOf(sumOf(replica), replica.sketch.count)

/** How many ids there are. */
export const count = (replica: Replica): number => replica.sketch.count

/** The ids, in the order of their insertion. */
export const ids = function*(set: ReconcileSet): IterableIterator<Uint8Array> {
  const { index } = set
  for (let row = 0; row < index.rows; row++) if (IdIndex.isLive(index, row)) yield IdIndex.idOf(index, row)
}

/** The ids whose short ids begin with a prefix of `bits` bits. */
export const idsBelow = (replica: Replica, bits: number, node: number): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  for (const index of replica.indexes) {
    IdIndex.forRange(index, bits, node, (row) => found.push(IdIndex.idOf(index, row)))
  }
  return found
}

/** The ids with these handles, which are sorted, each once. */
export const idsOf = (replica: Replica, handles: Iterable<number>): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  const rows: Array<number> = []
  let before = -1
  for (const handle of handles) {
    if (handle === before) continue
    before = handle
    for (const index of replica.indexes) {
      rows.length = 0
      IdIndex.findRowsOfHandle(index, handle, rows)
      for (const row of rows) found.push(IdIndex.idOf(index, row))
    }
  }
  return found
}

/** The handles of the ids below a prefix, sorted. */
export const handlesBelow = (replica: Replica, bits: number, node: number): Float64Array => {
  const found: Array<number> = []
  for (const index of replica.indexes) {
    IdIndex.forRange(index, bits, node, (row) => found.push(IdIndex.handleOf(index, row)))
  }
  return Float64Array.from(found).sort()
}

/** Count and sum of the ids below a prefix. */
export const rangeOf = (replica: Replica, bits: number, node: number): RangeTree.Range => {
  const { tree } = replica.sketch
  if (bits <= tree.bits) return RangeTree.rangeOf(tree, bits, node)
  let [count, sum] = [0, 0]
  for (const index of replica.indexes) {
    IdIndex.forRange(index, bits, node, (row) => {
      count++
      sum = RangeTree.plus(sum, IdIndex.withWords(index, row, RangeTree.valueOf))
    })
  }
  return { count, sum }
}
