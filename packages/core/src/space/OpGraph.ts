/**
 * The membership log as a graph (protocol.md §9): every operation names the ones that its author knew of. What an
 * operation may do is decided by that past alone, never by when it arrived, so that every device decides the same.
 *
 * A record's `past` is the set of all operations before it, as bits over their places in this graph. Places differ from
 * device to device; the sets that they stand for do not.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId, EntryHash } from "@sotto/schema/Id"
import type { MemberOp } from "@sotto/schema/Space"

/** One operation and what came before it. */
export interface OpRecord {
  readonly place: number
  readonly hash: EntryHash
  readonly hex: string
  readonly op: MemberOp
  /** Hex of the device that signed it, and of the one that it is about, if it is about one. */
  readonly author: string
  readonly subject: string | undefined
  readonly subjectId: DeviceId | undefined
  readonly past: Uint32Array
}

/** Operations in an order in which each comes after its past. */
export interface OpGraph {
  readonly records: ReadonlyArray<OpRecord>
  readonly recordByHex: ReadonlyMap<string, OpRecord>
  /** Operations that no other names, ascending by hash. */
  readonly heads: ReadonlyArray<OpRecord>
}

export const empty: OpGraph = { records: [], recordByHex: new Map(), heads: [] }

const has = (set: Uint32Array, place: number): boolean => ((set[place >>> 5] ?? 0) & (1 << (place & 31))) !== 0

/** Whether `earlier` was known to the author of `later`. */
export const isBefore = (earlier: OpRecord, later: OpRecord): boolean => has(later.past, earlier.place)

/** Whether neither author knew of the other's operation. */
export const isConcurrent = (a: OpRecord, b: OpRecord): boolean => a !== b && !isBefore(a, b) && !isBefore(b, a)

/** The past of an operation with these parents; undefined when one of them is not known yet. */
export const pastOf = (graph: OpGraph, parents: ReadonlyArray<EntryHash>): Uint32Array | undefined => {
  const past = new Uint32Array((graph.records.length + 31) >>> 5)
  for (const parent of parents) {
    const record = graph.recordByHex.get(Bytes.toHex(parent))
    if (record === undefined) return undefined
    for (let i = 0; i < record.past.length; i++) past[i] = (past[i] ?? 0) | (record.past[i] ?? 0)
    past[record.place >>> 5] = (past[record.place >>> 5] ?? 0) | (1 << (record.place & 31))
  }
  return past
}

/** The records of a past, in order. */
export const recordsIn = (graph: OpGraph, past: Uint32Array): ReadonlyArray<OpRecord> =>
  graph.records.filter((record) => has(past, record.place))

/** Whether a past holds everything that the graph holds: the operation continues the log without a fork. */
export const isWhole = (graph: OpGraph, past: Uint32Array): boolean =>
  graph.heads.every((head) => has(past, head.place))

/** The graph with one more operation, whose parents are all in it. */
export const add = (
  graph: OpGraph,
  operation: Omit<OpRecord, "place" | "hex">
): { readonly graph: OpGraph; readonly record: OpRecord } => {
  const record: OpRecord = { ...operation, hex: Bytes.toHex(operation.hash), place: graph.records.length }
  const heads = graph.heads.filter((head) => !has(record.past, head.place))
  heads.push(record)
  heads.sort((a, b) => a.hex < b.hex ? -1 : 1)
  return {
    record,
    graph: {
      records: [...graph.records, record],
      recordByHex: new Map(graph.recordByHex).set(record.hex, record),
      heads
    }
  }
}
