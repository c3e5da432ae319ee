/**
 * The side that is asked: each request gets one answer, from the state that is kept anyway. What a conversation leaves
 * behind is a number and what was listed last, so a relay holds thousands of them.
 *
 * 1. Work and bytes of an answer are bounded by what was asked for, and by `Limit.reconcileBytesMax`.
 * 2. A request that is malformed, or one too many, ends the conversation with an error value; nothing is thrown.
 * 3. Only `Same` says that the sets are equal, and it says so by the roots.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Wire from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import * as Cells from "./Cells.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as Estimator from "./Estimator.ts"
import * as IdIndex from "./IdIndex.ts"
import * as LtHash from "./LtHash.ts"
import * as Ordered from "./Ordered.ts"
import { ReconcileFailed } from "./ReconcileFailed.ts"
import * as ReconcileSet from "./ReconcileSet.ts"
import * as ShortId from "./ShortId.ts"

type Of<Tag extends Wire.Request["_tag"]> = Extract<Wire.Request, { _tag: Tag }>

/** What a responder remembers between two requests. */
export interface Responder {
  readonly messages: number
  /** What the last answer listed, for `WantAll`. */
  readonly listed: ReadonlyArray<Rows> | undefined
}

/** Rows of one index, from `first` to before `end`: rows are only added, so this stays true. */
interface Rows {
  readonly index: IdIndex.IdIndex
  readonly first: number
  readonly end: number
}

/** The beginning of a conversation. */
export const begin: Responder = { messages: 0, listed: undefined }

/** What a request led to. */
export interface Answered {
  readonly responder: Responder
  /** The answer's bytes; undefined after a `Want`, whose answer are the envelopes. */
  readonly message: Uint8Array | undefined
  /** Ids whose envelopes the initiator lacks and wants. */
  readonly send: ReadonlyArray<Uint8Array>
  /** Whether the initiator's root was this one: now is the time to take a checkpoint. */
  readonly agreed: boolean
}

/** Where a conversation takes place. */
export interface Context {
  readonly replica: ReconcileSet.Replica
  /** For checkpoints, which only a single set has. */
  readonly since?: {
    readonly set: ReconcileSet.ReconcileSet
    readonly checkpoints: ReadonlyArray<Checkpoint.Checkpoint>
  }
}

/** Bytes of an answer beside its lists: tag, proof, counts. */
const ENVELOPE_BYTES = 64

/** Answers one request. */
export const respond = (
  responder: Responder,
  context: Context,
  bytes: Uint8Array
): Result.Result<Answered, ReconcileFailed> => {
  const failed = (reason: ReconcileFailed["reason"]) =>
    Result.fail(new ReconcileFailed({ reason, request: new Uint8Array(0), received: bytes }))
  const messages = responder.messages + 1
  if (messages > Limit.reconcileMessagesMax) return failed("too-many-messages")
  const decoded = Wire.decodeRequest(bytes)
  if (Result.isFailure(decoded)) return failed("malformed")
  const request = decoded.success
  if (request._tag === "Want") {
    return Result.succeed(sending(messages, ReconcileSet.idsOf(context.replica, request.handles)))
  }
  if (request._tag === "WantAll") {
    return responder.listed === undefined
      ? failed("unexpected")
      : Result.succeed(sending(messages, responder.listed.flatMap(idsIn)))
  }
  const answer = answerTo(request, context)
  if (answer === undefined) return failed("inconsistent")
  return Result.succeed({
    responder: { messages, listed: listedBy(answer, context) },
    message: Wire.encodeAnswer(answer),
    send: [],
    agreed: answer._tag === "Same"
  })
}

const sending = (messages: number, send: ReadonlyArray<Uint8Array>): Answered => ({
  responder: { messages, listed: undefined },
  message: undefined,
  send,
  agreed: false
})

const idsIn = ({ end, first, index }: Rows): ReadonlyArray<Uint8Array> => {
  const found: Array<Uint8Array> = []
  for (let row = first; row < end; row++) if (IdIndex.isLive(index, row)) found.push(IdIndex.idOf(index, row))
  return found
}

/** The rows that an answer lists: the last ones of a set, or all. */
const listedBy = (answer: Wire.Answer, { replica, since }: Context): ReadonlyArray<Rows> | undefined => {
  if (answer._tag === "List") return replica.indexes.map((index) => ({ index, first: 0, end: index.rows }))
  if (answer._tag !== "Tail" || since === undefined) return undefined
  const { index } = since.set
  return [{ index, first: index.rows - answer.handles.length, end: index.rows }]
}

/** The answer; undefined for a request that contradicts itself. */
const answerTo = (
  request: Exclude<Wire.Request, { _tag: "Want" | "WantAll" }>,
  context: Context
): Wire.Answer | undefined => {
  const { replica } = context
  const root = ReconcileSet.rootOf(replica)
  const proof = LtHash.proofOf(root, request.nonce)
  switch (request._tag) {
    case "Hello":
      return hello(request, replica, proof)
    case "Check":
      return Bytes.equals(proof, request.proof) ? { _tag: "Same" } : { _tag: "Differ" }
    case "Since":
      return since(request, context, proof)
    case "More":
      return cells(replica, proof, request.from, request.count)
    case "Probe":
      return probe(request, replica, proof)
    case "Ask":
      return ask(request, replica, proof)
    case "Exact":
      return exact(request, replica, proof)
  }
}

const hello = (request: Of<"Hello">, replica: ReconcileSet.Replica, proof: Uint8Array): Wire.Answer => {
  const { sketch } = replica
  if (request.keyEpoch !== replica.keyEpoch) return { _tag: "OtherKey", keyEpoch: replica.keyEpoch }
  if (request.count === sketch.count && Bytes.equals(proof, request.proof)) return { _tag: "Same" }
  const difference = Estimator.estimate(request.counters, sketch.counters, request.count - sketch.count)
  const wanted = cellsFor(difference)
  const isSketched = wanted <= Cells.countOf(sketch.cells)
  const listBytes = listBytesOf(sketch.count)
  const room = Limit.reconcileBytesMax - ENVELOPE_BYTES
  // Of a set that differs in a sixth or more, ranges would list nearly everything too, and name the ranges besides.
  if (listBytes <= (isSketched ? Math.min(wanted * Wire.CELL_BYTES, room) : room)) {
    return { _tag: "List", proof, handles: ReconcileSet.handlesBelow(replica, 0, 0) }
  }
  return isSketched ? cells(replica, proof, 0, wanted) : { _tag: "Coarse", proof, count: sketch.count }
}

/**
 * Cells that will most likely show an estimated difference: the mean need (1.35 a difference, more for few), on top of an
 * estimate raised by a part of its own error. For few differences a second message costs more than a few cells.
 */
const cellsFor = (estimate: number): number => {
  const difference = Math.max(1, estimate)
  const raised = difference * (difference < 300 ? 1.4 : 1.12)
  return Math.ceil(raised * (1.35 + 1.1 / Math.sqrt(raised + 3)) + 6)
}

/** Bytes of a list of so many handles, about. */
const listBytesOf = (count: number): number => count * (Wire.HANDLE_BITS - Math.log2(count + 1) + 1.6) / 8

const cells = (replica: ReconcileSet.Replica, proof: Uint8Array, from: number, count: number): Wire.Answer => {
  const kept = Cells.countOf(replica.sketch.cells)
  const room = Math.floor((Limit.reconcileBytesMax - ENVELOPE_BYTES) / Wire.CELL_BYTES)
  const first = Math.min(from, kept)
  const answered = Math.min(count, kept - first, room)
  return { _tag: "Cells", proof, from: first, cells: Cells.toBytes(replica.sketch.cells, first, answered) }
}

const since = (request: Of<"Since">, { since }: Context, proof: Uint8Array): Wire.Answer => {
  const checkpoint = since?.checkpoints.find(({ root }) =>
    Bytes.equals(LtHash.markOf(root, request.nonce), request.mark)
  )
  if (since === undefined || checkpoint === undefined) return { _tag: "Differ" }
  const handles = Checkpoint.handlesSince(since.set, checkpoint)
  return handles === undefined || listBytesOf(handles.length) > Limit.reconcileBytesMax - ENVELOPE_BYTES
    ? { _tag: "Differ" }
    : { _tag: "Tail", proof, handles }
}

/** Bytes of one child in `Sums`, at most: a count and a sum. */
const CHILD_BYTES = 14

const probe = (request: Of<"Probe">, replica: ReconcileSet.Replica, proof: Uint8Array): Wire.Answer => {
  const { bits, nodes, step } = request
  const children = 2 ** step
  const room = Math.floor((Limit.reconcileBytesMax - ENVELOPE_BYTES) / (CHILD_BYTES * children))
  const answered = nodes.subarray(0, room)
  const counts = new Float64Array(answered.length * children)
  const sums = new Float64Array(counts.length)
  for (const [i, node] of answered.entries()) {
    for (let child = 0; child < children; child++) {
      const range = ReconcileSet.rangeOf(replica, bits + step, node * children + child)
      counts[i * children + child] = range.count
      sums[i * children + child] = range.sum
    }
  }
  return { _tag: "Sums", proof, counts, sums }
}

const ask = (request: Of<"Ask">, replica: ReconcileSet.Replica, proof: Uint8Array): Wire.Answer => {
  const { bits, nodes } = request
  const lists: Array<Float64Array> = []
  let room = Limit.reconcileBytesMax - ENVELOPE_BYTES
  for (const node of nodes) {
    // Counted before anything is read, so that a question too large costs nothing.
    const { count } = ReconcileSet.rangeOf(replica, bits, node)
    room -= 4 + Math.ceil(count * (Wire.HANDLE_BITS - bits + 2) / 8)
    if (room < 0) break
    const base = node * 2 ** (Wire.HANDLE_BITS - bits)
    lists.push(ReconcileSet.handlesBelow(replica, bits, node).map((handle) => handle - base))
  }
  return { _tag: "Lists", proof, bits, lists }
}

/** Ids that one `Exact` or `Difference` carries: half of a message. */
export const EXACT_IDS_MAX = Math.floor(Limit.reconcileBytesMax / 2 / Wire.ID_BYTES)

const exact = (
  request: Of<"Exact">,
  replica: ReconcileSet.Replica,
  proof: Uint8Array
): Wire.Answer | undefined => {
  const { from, ids, through } = request
  const named = ids.map((id): Ordered.Named => ({ short: ShortId.toHex(...ReconcileSet.shortOf(replica, id)), id }))
  const inOrder = named.every((one, i) => {
    const before = named[i - 1]
    return one.short >= from && one.short <= through && (before === undefined || Ordered.compare(before, one) < 0)
  })
  if (from > through || !inOrder) return undefined
  const theirs = new Set(named.map(({ id }) => id.join()))
  const extra = Ordered.stretch(replica, from, through, EXACT_IDS_MAX, ({ id }) => !theirs.has(id.join()))
  if (extra === undefined) return undefined
  const missing = named.flatMap((one, place) =>
    one.short <= extra.through && !ReconcileSet.has(replica, one.id) ? [place] : []
  )
  return {
    _tag: "Difference",
    proof,
    through: extra.through,
    missing: Float64Array.from(missing),
    ids: extra.ids.map(({ id }) => id)
  }
}
