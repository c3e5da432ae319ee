/**
 * The side that asks, as a state machine: a message in, a step out. It ends in agreement or in an error value.
 *
 * ```
 *   begin ─▶ Ask ─▶ (peer) ─▶ receive ─┬─▶ Ask …
 *                                      ├─▶ Agreed                      the roots are equal
 *                                      ├─▶ Found ─▶ envelopes go both ways ─▶ confirm ─┬─▶ Agreed
 *                                      │                                               └─▶ Ask, the next stage
 *                                      └─▶ Failed
 *   stages: sketch (a checkpoint or cells) ─▶ ranges ─▶ exact (id by id)
 * ```
 *
 * 1. `Agreed` is said by roots alone. Everything before is a claim of the peer.
 * 2. A stage that missed something is followed by one that sees more; the last compares every id.
 * 3. What a lying peer costs is bounded: by messages, by differences, and by the cells of an honest sketch.
 *
 * @example
 * let step = Initiator.begin({ replica, nonce: random(8) })
 * while (step._tag === "Ask") step = Initiator.receive(step.initiator, replica, ask(step.message))
 * if (step._tag === "Found") {
 *   // send step.message and the envelopes of step.push; then, with the ids of the envelopes that came:
 *   step = Initiator.confirm(step.initiator, replica, ids)
 * }
 */
import { Limit } from "@sotto/schema/Limit"
import * as Wire from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import type * as Checkpoint from "./Checkpoint.ts"
import * as ExactStage from "./ExactStage.ts"
import * as Found from "./Found.ts"
import * as RangeStage from "./RangeStage.ts"
import { type Reason, ReconcileFailed } from "./ReconcileFailed.ts"
import type * as ReconcileSet from "./ReconcileSet.ts"
import * as SketchStage from "./SketchStage.ts"
import type { Move } from "./Stage.ts"

/** Sketch first, with ranges as its fallback; or ranges alone. */
export type Strategy = "sketch" | "ranges"

type Stage = SketchStage.SketchStage | RangeStage.RangeStage | ExactStage.ExactStage

/** Which stage comes after one that was found wanting: undefined when nothing can see more. */
const fallbackOf = (stage: Stage): Stage["_tag"] | undefined =>
  stage._tag === "Sketch" ? "Range" : stage._tag === "Exact" && stage.isWhole ? undefined : "Exact"

export interface Initiator {
  readonly nonce: Uint8Array
  readonly stage: Stage
  /** What `confirm` holds the envelopes against. */
  readonly found: Found.Found | undefined
  /** Of this side's set, when the stage began. */
  readonly version: number
  readonly messages: number
  readonly restarts: number
  /** The last request. */
  readonly request: Uint8Array
}

/** What is next. */
export type Step =
  /** Send `message`, and give its answer to `receive`. */
  | { readonly _tag: "Ask"; readonly initiator: Initiator; readonly message: Uint8Array }
  /**
   * Send `message` (undefined when nothing is needed) with the envelopes of `push`. When those of `need` have come, give
   * the ids of all that were new to `confirm`.
   */
  | {
    readonly _tag: "Found"
    readonly initiator: Initiator
    readonly message: Uint8Array | undefined
    readonly push: ReadonlyArray<Uint8Array>
    /** Handles (the first 48 bits of short ids) of what only the peer has. */
    readonly need: Float64Array
  }
  /** All that the peer had when it answered is here, and it was given all that it lacked. */
  | { readonly _tag: "Agreed" }
  | { readonly _tag: "Failed"; readonly error: ReconcileFailed }

/** Sets that change while they are compared are compared again, so often. */
const RESTARTS_MAX = 3

export interface Options {
  readonly replica: ReconcileSet.Replica
  /** 8 random bytes, new for each conversation. */
  readonly nonce: Uint8Array
  /** Default: `sketch`. */
  readonly strategy?: Strategy
  /** The last agreement with this peer, of the set that is `replica`. */
  readonly since?: { readonly set: ReconcileSet.ReconcileSet; readonly checkpoint: Checkpoint.Checkpoint }
}

/** Begins a conversation: an `Ask`. */
export const begin = (options: Options): Step => {
  const { nonce, replica, since, strategy = "sketch" } = options
  const context = { replica, nonce }
  const move = strategy === "ranges"
    ? RangeStage.begin(context)
    : since === undefined
    ? SketchStage.begin(context)
    : SketchStage.beginSince(context, since.set, since.checkpoint)
  return follow({ nonce, version: replica.version, messages: 0, restarts: 0 }, move)
}

type Course = Pick<Initiator, "nonce" | "version" | "messages" | "restarts">

const failed = (reason: Reason, request: Uint8Array, received: Uint8Array): Step => ({
  _tag: "Failed",
  error: new ReconcileFailed({ reason, request, received })
})

const NOTHING: Uint8Array = new Uint8Array(0)

/** Turns a stage's move into a step; those that need the context are dealt with before. */
const follow = (
  course: Course,
  move: Move<Stage>,
  before?: Initiator,
  received = NOTHING
): Step => {
  const asked = before === undefined ? NOTHING : before.request
  switch (move._tag) {
    case "Ask":
      return course.messages >= Limit.reconcileMessagesMax
        ? failed("too-many-messages", asked, received)
        : asking(course, move.stage, Wire.encodeRequest(move.request))
    case "Agreed":
      return { _tag: "Agreed" }
    case "Failed":
      return failed(move.reason, asked, received)
    case "Fallback":
    case "Changed":
      return failed("unexpected", asked, received)
    case "Found":
      return before === undefined ? failed("unexpected", asked, received) : finding(before, move.found)
  }
}

const asking = ({ messages, nonce, restarts, version }: Course, stage: Stage, request: Uint8Array): Step => ({
  _tag: "Ask",
  initiator: { nonce, restarts, version, messages: messages + 1, stage, found: undefined, request },
  message: request
})

const finding = (initiator: Initiator, found: Found.Found): Step => {
  const { need, needsAll, push } = found
  const message = need.length === 0
    ? undefined
    : Wire.encodeRequest(needsAll ? { _tag: "WantAll" } : { _tag: "Want", handles: need })
  return { _tag: "Found", initiator: { ...initiator, found }, message, push, need }
}

const stageOf = (tag: Stage["_tag"], context: { replica: ReconcileSet.Replica; nonce: Uint8Array }): Move<Stage> => {
  switch (tag) {
    case "Sketch":
      return SketchStage.begin(context)
    case "Range":
      return RangeStage.begin(context)
    case "Exact":
      return ExactStage.beginWhole(context)
  }
}

/** Begins a stage, with the set of now. */
const enter = (initiator: Initiator, replica: ReconcileSet.Replica, tag: Stage["_tag"], received: Uint8Array): Step =>
  follow(
    { ...initiator, version: replica.version },
    stageOf(tag, { replica, nonce: initiator.nonce }),
    initiator,
    received
  )

const again = (initiator: Initiator, replica: ReconcileSet.Replica, received: Uint8Array): Step =>
  initiator.restarts >= RESTARTS_MAX
    ? failed("changing", initiator.request, received)
    : enter({ ...initiator, restarts: initiator.restarts + 1 }, replica, initiator.stage._tag, received)

/** Takes the peer's answer. */
export const receive = (initiator: Initiator, replica: ReconcileSet.Replica, bytes: Uint8Array): Step => {
  const { nonce, request, stage, version } = initiator
  const decoded = Wire.decodeAnswer(bytes)
  if (Result.isFailure(decoded)) return failed("malformed", request, bytes)
  if (version !== replica.version) return again(initiator, replica, bytes)
  const move = advance(stage, { replica, nonce }, decoded.success)
  if (move._tag === "Changed") return again(initiator, replica, bytes)
  const fallback = fallbackOf(stage)
  return move._tag === "Fallback" && fallback !== undefined
    ? enter(initiator, replica, fallback, bytes)
    : follow(initiator, move, initiator, bytes)
}

const advance = (
  stage: Stage,
  context: { readonly replica: ReconcileSet.Replica; readonly nonce: Uint8Array },
  answer: Wire.Answer
): Move<Stage> => {
  switch (stage._tag) {
    case "Sketch":
      return SketchStage.take(stage, context, answer)
    case "Range":
      return RangeStage.take(stage, context, answer)
    case "Exact":
      return ExactStage.take(stage, context, answer)
  }
}

/**
 * Holds what came against what was found: `Agreed` when this side now has all that the peer had. `received` are the ids
 * of the envelopes that came for `need` and were not here before; `replica` is the set after they were taken in. When
 * something was missed, the next stage looks closer.
 */
export const confirm = (
  initiator: Initiator,
  replica: ReconcileSet.Replica,
  received: ReadonlyArray<Uint8Array>
): Step => {
  const { found, nonce, request, stage } = initiator
  if (found === undefined) return failed("unexpected", request, NOTHING)
  const doubt = Found.doubt(replica, nonce, found, received)
  if (doubt === undefined) return { _tag: "Agreed" }
  const fallback = fallbackOf(stage)
  return doubt === "unasked" || fallback === undefined
    ? failed(doubt, request, NOTHING)
    : enter(initiator, replica, fallback, NOTHING)
}
