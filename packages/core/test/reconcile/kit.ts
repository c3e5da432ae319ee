/** Sets from seeds, and conversations between two of them, counted. */
import { assert } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import type * as Checkpoint from "../../src/reconcile/Checkpoint.ts"
import * as Initiator from "../../src/reconcile/Initiator.ts"
import type { Reason, ReconcileFailed } from "../../src/reconcile/ReconcileFailed.ts"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as Responder from "../../src/reconcile/Responder.ts"

/** Numbers below 2^32 from a seed (splitmix32). */
export const random = (seed: number): () => number => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
}

/** `count` ids from a seed. */
export const idsFrom = (seed: number, count: number): ReadonlyArray<Uint8Array> => {
  const next = random(seed)
  return Array.from({ length: count }, () => {
    const words = Uint32Array.from({ length: 8 }, next)
    return new Uint8Array(words.buffer)
  })
}

export const key = Uint8Array.from({ length: 16 }, (_, i) => i)
export const nonce = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1)

export const setOf = (ids: Iterable<Uint8Array>, options: Partial<ReconcileSet.Options> = {}) => {
  const set = ReconcileSet.make({ key, keyEpoch: 1, ...options })
  for (const id of ids) ReconcileSet.insert(set, id)
  return set
}

/** Two sets that share `shared` ids and differ in `different`, split evenly. */
export const pairOf = (seed: number, shared: number, different: number) => {
  const both = idsFrom(seed, shared)
  const mine = idsFrom(seed + 1_000_003, Math.ceil(different / 2))
  const theirs = idsFrom(seed + 2_000_003, Math.floor(different / 2))
  return { a: setOf([...both, ...mine]), b: setOf([...both, ...theirs]), both, mine, theirs }
}

export const hexes = (ids: Iterable<Uint8Array>): ReadonlyArray<string> => Array.from(ids, Bytes.toHex).sort()

/** A conversation, as it was counted. */
export interface Talk {
  readonly outcome: "Agreed" | Reason
  readonly error: ReconcileFailed | undefined
  /** Requests that had an answer. */
  readonly roundTrips: number
  /** Bytes of all messages, both ways. */
  readonly bytes: number
  readonly pushed: ReadonlyArray<Uint8Array>
  readonly received: ReadonlyArray<Uint8Array>
  /** Tags of the messages, by their first byte. */
  readonly tags: ReadonlyArray<number>
}

export interface TalkOptions {
  readonly strategy?: Initiator.Strategy
  readonly checkpoints?: { readonly mine: Checkpoint.Checkpoint; readonly theirs: Checkpoint.Checkpoint }
  /** What reaches the initiator instead of an answer. */
  readonly twist?: (answer: Uint8Array, request: Uint8Array) => Uint8Array
  /** Before each answer. */
  readonly meanwhile?: (round: number) => void
}

/** The responder's side of a conversation, and what has been said. */
class Line {
  bytes = 0
  readonly tags: Array<number> = []
  private responder = Responder.begin
  private readonly context: Responder.Context

  constructor(context: Responder.Context) {
    this.context = context
  }

  count(message: Uint8Array): void {
    this.bytes += message.length
    this.tags.push(message[0] ?? 0)
  }

  answer(message: Uint8Array): Responder.Answered {
    this.count(message)
    const answered = Result.getOrThrow(Responder.respond(this.responder, this.context, message))
    this.responder = answered.responder
    return answered
  }

  ask(message: Uint8Array): Uint8Array {
    const answer = this.answer(message).message
    if (answer === undefined) throw new Error("a question without an answer")
    return answer
  }

  /** What the responder sends for the last request, if there is one. */
  send(message: Uint8Array | undefined): ReadonlyArray<Uint8Array> {
    return message === undefined ? [] : this.answer(message).send
  }
}

const begin = (a: ReconcileSet.ReconcileSet, { checkpoints, strategy = "sketch" }: TalkOptions): Initiator.Step => {
  const since = checkpoints === undefined ? {} : { since: { set: a, checkpoint: checkpoints.mine } }
  return Initiator.begin({ replica: a, nonce, strategy, ...since })
}

const lineTo = (b: ReconcileSet.ReconcileSet, { checkpoints }: TalkOptions): Line =>
  new Line(
    checkpoints === undefined
      ? { replica: b }
      : { replica: b, since: { set: b, checkpoints: [checkpoints.theirs] } }
  )

/** Runs a conversation to its end; ids stand for envelopes, and both sets take in what they get. */
export const talk = (a: ReconcileSet.ReconcileSet, b: ReconcileSet.ReconcileSet, options: TalkOptions = {}): Talk => {
  const { meanwhile = () => {}, twist = (answer) => answer } = options
  const line = lineTo(b, options)
  let roundTrips = 0
  const [pushed, received]: [Array<Uint8Array>, Array<Uint8Array>] = [[], []]
  let step = begin(a, options)
  for (;;) {
    if (step._tag === "Ask") {
      meanwhile(roundTrips)
      const twisted = twist(line.ask(step.message), step.message)
      line.count(twisted)
      roundTrips++
      step = Initiator.receive(step.initiator, a, twisted)
    } else if (step._tag === "Found") {
      const fresh = line.send(step.message).filter((id) => ReconcileSet.insert(a, id))
      for (const id of step.push) ReconcileSet.insert(b, id)
      pushed.push(...step.push)
      received.push(...fresh)
      step = Initiator.confirm(step.initiator, a, fresh)
    } else {
      const error = step._tag === "Failed" ? step.error : undefined
      return {
        outcome: error?.reason ?? "Agreed",
        error,
        roundTrips,
        bytes: line.bytes,
        pushed,
        received,
        tags: line.tags
      }
    }
  }
}

/** What a conversation finds, before anything changes: ids for the peer, and ids from it. */
export const find = (a: ReconcileSet.ReconcileSet, b: ReconcileSet.ReconcileSet, options: TalkOptions = {}) => {
  const line = lineTo(b, options)
  let step = begin(a, options)
  while (step._tag === "Ask") {
    step = Initiator.receive(step.initiator, a, line.ask(step.message))
  }
  if (step._tag === "Failed") throw step.error
  if (step._tag === "Agreed") return { push: [], need: [] }
  return { push: hexes(step.push), need: hexes(line.send(step.message)) }
}

/** What must be equal when sets are. */
export const stateOf = (replica: ReconcileSet.Replica) => ({
  root: Bytes.toHex(ReconcileSet.rootOf(replica)),
  counters: replica.sketch.counters,
  cells: replica.sketch.cells,
  tree: replica.sketch.tree,
  count: replica.sketch.count
})

/** Insertions and removals among 40 ids. */
export const changes = fc.array(fc.tuple(fc.nat(39), fc.boolean()), { maxLength: 200 })
export const pool = idsFrom(1, 40)
export const poolId = (i: number): Uint8Array => pool[i] ?? new Uint8Array(32)

/** Applies changes to a set, and to a model of it. */
export const apply = (
  set: ReconcileSet.ReconcileSet,
  list: ReadonlyArray<readonly [number, boolean]>,
  model = new Set<number>()
) => {
  for (const [i, isInsert] of list) {
    const expected = isInsert ? !model.has(i) : model.has(i)
    assert.strictEqual((isInsert ? ReconcileSet.insert : ReconcileSet.remove)(set, poolId(i)), expected)
    if (isInsert) model.add(i)
    else model.delete(i)
  }
  return model
}
