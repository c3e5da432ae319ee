/**
 * Nearest common ancestors of heads (protocol.md §5): what a three-way merge takes for the base.
 *
 * A common ancestor is nearest when none of the others comes after it. After merges that crossed there are several; all
 * of them are given, in the order of their names, and the strategy decides what it makes of that: no virtual base is
 * computed. History may end early: behind operations that were pruned or that never came there is nothing, and no more
 * than `STEPS_MAX` operations are looked at. Then there may be no base, on all devices that hold the same history alike.
 *
 * The way down is by the clock, newest first, as every author's clock is ahead of what it knew. One that lies makes the
 * way longer or the base an older one, and nothing else.
 */
import * as Effect from "effect/Effect"
import { compareIds, compareTimes, type ItemRef, type Operation, type OpId } from "./Item.ts"
import type { ItemStore, OpRow } from "./ItemStore.ts"

/** Operations of one item by name, the heads among them: as much of its history as a merge needs. */
export type History = ReadonlyMap<OpId, Operation>

/** Operations of an item's history that a search for a base looks at. */
const STEPS_MAX = 1024

/** An operation on the way down. */
interface Step {
  readonly op: Operation
  /** Which heads it was reached from, as bits. */
  from: bigint
  /** It is behind one that was reached from all heads. */
  behind: boolean
}

/** Reads an item's history from its heads down to where their ways have met. */
export const history = Effect.fnUntraced(function*<E>(
  store: ItemStore<E>,
  item: ItemRef,
  heads: ReadonlyArray<Operation>
): Effect.fn.Return<History, E> {
  const descent = new Descent(heads)
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const step = descent.next()
    if (step === undefined) break
    const unread = descent.unread(step)
    if (unread.length > 0) descent.read(yield* store.ops(unread.map((id) => ({ item, id }))))
    descent.pass(step)
  }
  return descent.history()
})

/** A way down from some heads. Owned by `history`. */
class Descent {
  readonly #everyHead: bigint
  readonly #stepById: Map<OpId, Step>
  readonly #open: Queue

  constructor(heads: ReadonlyArray<Operation>) {
    this.#everyHead = (1n << BigInt(heads.length)) - 1n
    this.#stepById = new Map(heads.map((op, at) => [op.id, { op, from: 1n << BigInt(at), behind: false }]))
    this.#open = new Queue([...this.#stepById.values()])
  }

  /** The next step, unless none would lead to anything. */
  next(): Step | undefined {
    return this.#open.isWorthwhile() ? this.#open.take() : undefined
  }

  unread({ op }: Step): ReadonlyArray<OpId> {
    return op.parents.filter((id) => !this.#stepById.has(id))
  }

  /** Takes rows in. One that is not there was pruned, or never came. */
  read(rows: ReadonlyArray<OpRow | undefined>): void {
    for (const op of rows.map((row) => row?.op)) {
      if (op !== undefined && op !== null) this.#stepById.set(op.id, { op, from: 0n, behind: false })
    }
  }

  /** Hands on to an operation's parents what is known of it. */
  pass(step: Step): void {
    const behind = step.behind || step.from === this.#everyHead
    for (const id of step.op.parents) {
      const parent = this.#stepById.get(id)
      if (parent === undefined) continue
      const from = parent.from | step.from
      if (from === parent.from && (parent.behind || !behind)) continue
      parent.from = from
      parent.behind ||= behind
      this.#open.put(parent)
    }
  }

  history(): History {
    return new Map([...this.#stepById].map(([id, { op }]) => [id, op]))
  }
}

/** Steps to take, newest first. */
class Queue {
  /** Ascending. */
  readonly #steps: Array<Step>

  constructor(steps: Array<Step>) {
    this.#steps = steps.sort((a, b) => compareTimes(a.op, b.op))
  }

  /** Whether a step is left that is not behind a common ancestor. */
  isWorthwhile(): boolean {
    return this.#steps.length > 1 && this.#steps.some(({ behind }) => !behind)
  }

  take(): Step | undefined {
    return this.#steps.pop()
  }

  put(step: Step): void {
    if (this.#steps.includes(step)) return
    let at = this.#steps.length
    while (at > 0 && compareTimes((this.#steps[at - 1] ?? step).op, step.op) > 0) at--
    this.#steps.splice(at, 0, step)
  }
}

/** Some operations and all that is known to come before them. */
export type Past = ReadonlySet<OpId>

/** Some operations and all that comes before them, as far as the history goes. */
export const pastOf = (history: History, from: ReadonlyArray<OpId>): Past => addPast(history, new Set(), from)

/** Adds to a past that the caller owns. Answers it. */
export const addPast = (history: History, past: Set<OpId>, from: ReadonlyArray<OpId>): Past => {
  const open = [...from]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const op = past.has(id) ? undefined : history.get(id)
    if (op === undefined) continue
    past.add(id)
    open.push(...op.parents)
  }
  return past
}

/**
 * The nearest operations that two pasts have in common, ascending by name. None when they have nothing in common, or
 * history does not say.
 */
export const nearest = (history: History, left: Past, right: Past): ReadonlyArray<Operation> => {
  const common = [...right].flatMap((id) => {
    const op = left.has(id) ? history.get(id) : undefined
    return op === undefined ? [] : [op]
  })
  const behind = pastOf(history, common.flatMap(({ parents }) => parents))
  return common.filter(({ id }) => !behind.has(id)).sort((a, b) => compareIds(a.id, b.id))
}
