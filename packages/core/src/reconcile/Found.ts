/**
 * What a conversation found: the ids that only one side has. It is a claim until the roots agree: the peer's root has to
 * be the one of this side's set at that moment, less what the peer lacks, plus what came from it. Sums of ids add, so
 * that needs no further message, and it says of exactly the moment that the peer spoke of whether nothing was missed.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as IdIndex from "./IdIndex.ts"
import * as LtHash from "./LtHash.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"

export interface Found {
  /** Ids that the peer lacks. */
  readonly push: ReadonlyArray<Uint8Array>
  /** Handles of ids that only the peer has, sorted. */
  readonly need: Float64Array
  /** Whether `need` is all that the peer's last message listed. */
  readonly needsAll: boolean
  /** The peer's proof of its root. */
  readonly proof: Uint8Array
  /** The sum and the count of this side's set when this was found. */
  readonly sum: LtHash.Sum
  readonly count: number
}

/** What two sorted lists do not share; one that stands k times in one of them and l times in the other, |k − l| times. */
export const difference = (
  mine: Float64Array,
  theirs: Float64Array
): { readonly push: ReadonlyArray<number>; readonly need: ReadonlyArray<number> } => {
  const [push, need]: [Array<number>, Array<number>] = [[], []]
  let [i, j] = [0, 0]
  while (i < mine.length || j < theirs.length) {
    const a = mine[i] ?? Number.POSITIVE_INFINITY
    const b = theirs[j] ?? Number.POSITIVE_INFINITY
    if (a <= b) i++
    if (b <= a) j++
    if (a < b) push.push(a)
    if (b < a) need.push(b)
  }
  return { push, need }
}

/** What was found, with this side's state of now. */
export const make = (
  replica: ReconcileSet.Replica,
  proof: Uint8Array,
  found: Pick<Found, "push" | "need" | "needsAll">
): Found => ({ ...found, proof, sum: ReconcileSet.sumOf(replica).slice(), count: replica.sketch.count })

/** What was found by comparing lists of handles. */
export const fromLists = (
  replica: ReconcileSet.Replica,
  proof: Uint8Array,
  lists: { readonly mine: Float64Array; readonly theirs: Float64Array }
): Found => {
  const { need, push } = difference(lists.mine, lists.theirs)
  return make(replica, proof, {
    push: ReconcileSet.idsOf(replica, push),
    need: Float64Array.from(need),
    needsAll: need.length > 0 && need.length === lists.theirs.length
  })
}

/** Appends the ids of rows that were not taken before. */
const take = (
  index: IdIndex.IdIndex,
  rows: ReadonlyArray<number>,
  taken: Set<number> | undefined,
  ids: Array<Uint8Array>
): void => {
  for (const row of rows) {
    if (taken?.has(row) === true) continue
    taken?.add(row)
    ids.push(IdIndex.idOf(index, row))
  }
}

/** What was found by short ids: pairs of words of which each side has some. */
export const fromShortIds = (
  replica: ReconcileSet.Replica,
  proof: Uint8Array,
  shortIds: Uint32Array
): Found => {
  const push: Array<Uint8Array> = []
  const need = new Float64Array(shortIds.length / 2)
  const rows: Array<number> = []
  // By row, so that what garbage shows twice is taken once.
  const taken = replica.indexes.map(() => new Set<number>())
  let needed = 0
  for (let i = 0; i < shortIds.length; i += 2) {
    const high = shortIds[i] ?? 0
    const low = shortIds[i + 1] ?? 0
    let isMine = false
    for (const [number, index] of replica.indexes.entries()) {
      rows.length = 0
      IdIndex.findRows(index, high, low, rows)
      isMine ||= rows.length > 0
      take(index, rows, taken[number], push)
    }
    if (!isMine) need[needed++] = ShortId.handleOf(high, low)
  }
  const sorted = need.subarray(0, needed).sort()
  return make(replica, proof, { push, need: sorted.filter((handle, i) => handle !== sorted[i - 1]), needsAll: false })
}

/** Why what came does not show that the sets are equal now. */
export type Doubt = "unasked" | "root-mismatch"

/**
 * Whether, now that `received` came, both sides hold the same: undefined when they do. `received` are the ids of the
 * envelopes that came for `need` and were new here.
 */
export const doubt = (
  replica: ReconcileSet.Replica,
  nonce: Uint8Array,
  found: Found,
  received: ReadonlyArray<Uint8Array>
): Doubt | undefined => {
  const needed = new Set(found.need)
  const sum = found.sum.slice()
  const words = new Uint32Array(ShortId.ID_WORDS)
  const seen = new Set<string>()
  for (const id of received) {
    const key = id.join()
    if (seen.has(key)) continue
    seen.add(key)
    if (!needed.has(ShortId.handleOf(...ReconcileSet.shortOf(replica, id)))) return "unasked"
    ShortId.toWords(id, words, 0)
    LtHash.add(sum, words, 0)
  }
  for (const id of found.push) {
    ShortId.toWords(id, words, 0)
    LtHash.subtract(sum, words, 0)
  }
  const root = LtHash.rootOf(sum, found.count + seen.size - found.push.length)
  return Bytes.equals(LtHash.proofOf(root, nonce), found.proof) ? undefined : "root-mismatch"
}
