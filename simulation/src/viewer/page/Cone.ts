/**
 * What led to a row. The chain follows causes backwards: who caused it, who caused that. The past is wider: everything
 * that a node on the way had done or heard of before, which is all that can have had a part in it.
 *
 * 1. The row itself is in both, and nothing after it is.
 * 2. The chain is a part of the past.
 * 3. A row of the past is before the row in the order of cause and of its node: nothing outside could have mattered.
 */
import { familyOf } from "./Kind.ts"
import { causeOf, positionOf, rowsUntil, type Run } from "./Run.ts"

export type Cone = Uint8Array

/** The row, its cause, the cause of that, and so on. */
export const chain = (run: Run, at: number): Cone => {
  const cone = new Uint8Array(run.size)
  for (let next = at; next >= 0 && next < run.size; next = run.cause[next] ?? -1) cone[next] = 1
  return cone
}

/** All rows that happened before it: on its node, and on those that it had heard from, up to what it heard. */
export const past = (run: Run, at: number): Cone => {
  const cone = new Uint8Array(run.size)
  /** Of each node, whether everything from here on back belongs to it. */
  const whole = new Uint8Array(run.nodes.length)
  if (at < 0 || at >= run.size) return cone
  cone[at] = 1
  for (let next = at; next >= 0; next--) {
    const node = run.node[next] ?? 0
    if (cone[next] === 0 && whole[node] === 0) continue
    cone[next] = 1
    whole[node] = 1
    const cause = run.cause[next] ?? -1
    if (cause >= 0) cone[cause] = 1
  }
  return cone
}

export const sizeOf = (cone: Cone): number => cone.reduce((sum, one) => sum + one, 0)

export interface Violated {
  readonly row?: number | undefined
  readonly node?: string | undefined
  readonly message: string
  readonly tMicros: number
}

/**
 * Where the story of a violation ends: its row. A check after the fact is caused by nothing; then it is the last row that
 * something caused, up to that moment, of the node that the violation is about, or of the first that it speaks of. What
 * faults note of themselves does not count.
 */
export const focusOf = (run: Run, violation: Violated): number | undefined => {
  const at = positionOf(run, violation.row)
  if (at !== undefined && causeOf(run, at) >= 0) return at
  const index = run.nodes.indexOf(violation.node ?? named(run, violation.message) ?? "")
  const last = Math.min(at ?? run.size - 1, rowsUntil(run, violation.tMicros) - 1)
  return index < 0 ? at : lastCaused(run, index, last) ?? at
}

/** The last row of a node up to a position that something caused, and that no fault notes of itself. */
const lastCaused = (run: Run, node: number, until: number): number | undefined => {
  const counts = run.kinds.map((kind) => familyOf(kind) !== "fault")
  for (let at = until; at >= 0; at--) {
    if (run.node[at] === node && causeOf(run, at) >= 0 && counts[run.kind[at] ?? 0] === true) return at
  }
  return undefined
}

/** The node whose name comes first in a text. */
const named = (run: Run, text: string): string | undefined => {
  const places = run.packed.scenario.nodes.map(({ name }) => ({ name, at: text.search(new RegExp(`\\b${name}\\b`)) }))
  return places.filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at)[0]?.name
}
