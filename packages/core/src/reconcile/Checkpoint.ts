/**
 * The moment at which two replicas last agreed, kept for each peer: what came since is the whole difference in the usual
 * case, and a list of it is far smaller than a sketch. It holds until an id is removed; then the next conversation falls
 * back to the sketch, and ends with a new checkpoint.
 */
import * as Codec from "@sotto/schema/Codec"
import { fixedBytes, uint } from "@sotto/schema/Wire"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as IdIndex from "./IdIndex.ts"
import * as ReconcileSet from "./ReconcileSet.ts"

const Stored = Schema.Struct({
  version: Schema.Literal(1),
  root: fixedBytes(32),
  count: uint(),
  removed: uint(),
  /** Whatever the caller counts by: the place in its log up to which the set went. */
  position: uint()
})

export type Checkpoint = typeof Stored.Type

const codec = Codec.make(Stored, "Checkpoint")

/** The checkpoint of this moment: taken by both sides when they know that their roots are equal. */
export const take = (set: ReconcileSet.ReconcileSet, position: number): Checkpoint => ({
  version: 1,
  root: ReconcileSet.root(set),
  count: ReconcileSet.count(set),
  removed: set.removed,
  position
})

/** The rows of the ids that came since; undefined when the checkpoint no longer holds. */
const rowsSince = (
  set: ReconcileSet.ReconcileSet,
  checkpoint: Checkpoint
): { readonly first: number; readonly end: number } | undefined => {
  const tail = ReconcileSet.count(set) - checkpoint.count
  // Nothing was removed since, so what came since are the last rows, without a gap.
  return checkpoint.removed !== set.removed || tail < 0
    ? undefined
    : { first: set.index.rows - tail, end: set.index.rows }
}

/** The handles of what came since, sorted; undefined when the checkpoint no longer holds. */
export const handlesSince = (set: ReconcileSet.ReconcileSet, checkpoint: Checkpoint): Float64Array | undefined => {
  const rows = rowsSince(set, checkpoint)
  if (rows === undefined) return undefined
  return Float64Array.from(
    { length: rows.end - rows.first },
    (_, i) => IdIndex.handleOf(set.index, rows.first + i)
  ).sort()
}

/** Its bytes, to be kept: 40 to 60. */
export const encode = (checkpoint: Checkpoint): Uint8Array => codec.encode(checkpoint)

/** The checkpoint of `encode`; damaged bytes are refused. */
export const decode = (bytes: Uint8Array): Result.Result<Checkpoint, Codec.CodecError> => codec.decode(bytes)
