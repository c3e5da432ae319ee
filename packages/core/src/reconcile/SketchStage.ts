/**
 * The first stage: a checkpoint, or a greeting with counters, and then cells until they can be read. Most conversations
 * take one request and one answer here.
 *
 * Cells arrive in order, so what was received stays useful; when they cannot be read, how many of them are empty tells how
 * many more are needed. When that is more than the peer keeps, or reading failed often enough, ranges take over.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Wire from "@sotto/schema/Reconcile"
import * as Cells from "./Cells.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as Found from "./Found.ts"
import * as LtHash from "./LtHash.ts"
import * as Peel from "./Peel.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import { type Context, type Move } from "./Stage.ts"

export interface SketchStage {
  readonly _tag: "Sketch"
  /** What was asked last. */
  readonly asked: "Since" | "Hello" | "More"
  /** The handles since the checkpoint, while it is asked for. */
  readonly tail: Float64Array | undefined
  /** The peer's cells so far, and its proof. */
  readonly cells: Cells.Cells
  readonly proof: Uint8Array | undefined
  /** How often reading failed. */
  readonly failures: number
}

const FAILURES_MAX = 5

const stageFor = (asked: SketchStage["asked"]): SketchStage => ({
  _tag: "Sketch",
  asked,
  tail: undefined,
  cells: Cells.make(0),
  proof: undefined,
  failures: 0
})

/** Begins with the greeting. */
export const begin = ({ nonce, replica }: Context): Move<SketchStage> => {
  const proof = LtHash.proofOf(ReconcileSet.rootOf(replica), nonce)
  const { count, counters } = replica.sketch
  return {
    _tag: "Ask",
    stage: stageFor("Hello"),
    request: { _tag: "Hello", keyEpoch: replica.keyEpoch, nonce, count, proof, counters: counters.slice() }
  }
}

/** Begins with what came since a checkpoint; with the greeting when it holds no longer. */
export const beginSince = (
  context: Context,
  set: ReconcileSet.ReconcileSet,
  checkpoint: Checkpoint.Checkpoint
): Move<SketchStage> => {
  const tail = Checkpoint.handlesSince(set, checkpoint)
  if (tail === undefined) return begin(context)
  const mark = LtHash.markOf(checkpoint.root, context.nonce)
  return {
    _tag: "Ask",
    stage: { ...stageFor("Since"), tail },
    request: { _tag: "Since", nonce: context.nonce, mark }
  }
}

/** Takes an answer. */
export const take = (stage: SketchStage, context: Context, answer: Wire.Answer): Move<SketchStage> => {
  const { replica } = context
  if (stage.asked === "Since") {
    if (answer._tag === "Differ") return begin(context)
    return answer._tag === "Tail" && stage.tail !== undefined
      ? compared(context, answer.proof, stage.tail, answer.handles)
      : { _tag: "Failed", reason: "unexpected" }
  }
  if (answer._tag === "Cells") return cells(stage, context, answer)
  if (stage.asked === "More") return { _tag: "Failed", reason: "unexpected" }
  if (answer._tag === "Same") return { _tag: "Agreed" }
  if (answer._tag === "OtherKey") return { _tag: "Failed", reason: "other-key" }
  if (answer._tag === "Coarse") return { _tag: "Fallback" }
  return answer._tag === "List"
    ? compared(context, answer.proof, ReconcileSet.handlesBelow(replica, 0, 0), answer.handles)
    : { _tag: "Failed", reason: "unexpected" }
}

const compared = (
  { replica }: Context,
  proof: Uint8Array,
  mine: Float64Array,
  theirs: Float64Array
): Move<SketchStage> => {
  const found = Found.fromLists(replica, proof, { mine, theirs })
  return found.push.length + found.need.length > Limit.reconcileDifferencesMax
    ? { _tag: "Failed", reason: "too-many-differences" }
    : { _tag: "Found", found }
}

const cells = (
  stage: SketchStage,
  context: Context,
  answer: Extract<Wire.Answer, { _tag: "Cells" }>
): Move<SketchStage> => {
  const before = stage.proof
  if (before !== undefined && !Bytes.equals(before, answer.proof)) return { _tag: "Changed" }
  const count = answer.cells.length / Wire.CELL_BYTES
  const end = answer.from + count
  if (answer.from !== Cells.countOf(stage.cells) || end > Limit.reconcileCellsMax) {
    return { _tag: "Failed", reason: "inconsistent" }
  }
  // The peer keeps no more cells than it sent.
  if (count === 0) return { _tag: "Fallback" }
  const all = Cells.make(end)
  all.set(stage.cells)
  all.set(Cells.fromBytes(answer.cells), stage.cells.length)
  return read({ ...stage, cells: all, proof: answer.proof }, context, answer.proof)
}

const read = (stage: SketchStage, context: Context, proof: Uint8Array): Move<SketchStage> => {
  const { replica } = context
  const received = Cells.countOf(stage.cells)
  const mine = replica.sketch.cells
  if (received > Cells.countOf(mine)) return { _tag: "Fallback" }
  const difference = stage.cells.slice()
  for (let i = 0; i < difference.length; i++) {
    // Only 24 bits of a check travel, and no more are kept.
    difference[i] = (difference[i] ?? 0) ^ (mine[i] ?? 0)
  }
  const estimate = Peel.estimate(difference)
  // Reading is tried only when it can succeed.
  if (estimate === undefined || received > 1.2 * estimate) {
    const { complete, shortIds } = Peel.peel(difference)
    if (complete && shortIds.length > 0) {
      return { _tag: "Found", found: Found.fromShortIds(replica, proof, shortIds) }
    }
  }
  const failures = stage.failures + 1
  const wanted = Math.ceil(Math.max(1.05 * received + 4, estimate === undefined ? 2 * received : 1.4 * estimate + 8))
  if (failures > FAILURES_MAX || wanted > Math.min(Limit.reconcileCellsMax, Cells.countOf(mine))) {
    return { _tag: "Fallback" }
  }
  return {
    _tag: "Ask",
    stage: { ...stage, asked: "More", failures },
    request: { _tag: "More", nonce: context.nonce, from: received, count: wanted - received }
  }
}
