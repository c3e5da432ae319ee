/**
 * Everything simpler that a scenario could be, most promising first: without faults, without commands, without nodes,
 * in an ordinary world, with a plain schedule, in less time. After a round that got somewhere there is another one. What
 * the simulation requires stays in all of them.
 *
 * Pure and lazy: the first candidate that still fails is taken, and its position says how to go on from it.
 */
import * as Required from "../Required.ts"
import type { Scenario } from "../Scenario.ts"
import { neutral } from "./Neutral.ts"
import { nodes } from "./Nodes.ts"
import { type Cursor, list, type Pass } from "./Pass.ts"
import { tapes } from "./Tapes.ts"
import { times } from "./Times.ts"

/** How far the search is. */
export interface Position {
  /** The name of the pass; one that is no longer there is over. */
  readonly pass: string
  readonly cursor: Cursor | undefined
  /** Whether this round took anything. */
  readonly taken: boolean
}

export interface Step {
  readonly scenario: Scenario
  readonly pass: string
  /** Where to go on when this candidate is taken. */
  readonly position: Position
}

const faults = list("faults", {
  get: (scenario) => scenario.faults,
  set: (scenario, left) => ({ ...scenario, faults: left })
})

const workload = list("workload", {
  get: (scenario) => scenario.workload,
  set: (scenario, left) => ({ ...scenario, workload: left })
})

export const start: Position = { pass: faults.name, cursor: undefined, taken: false }

const passesOf = (scenario: Scenario): ReadonlyArray<Pass> => [
  faults,
  workload,
  nodes,
  neutral,
  ...tapes(scenario),
  times
]

/** The candidates of one round, from a position on. */
function* round(
  scenario: Scenario,
  { cursor, pass }: Position,
  required: Required.Required
): Generator<Step> {
  const passes = passesOf(scenario)
  // The pass of a tape that is gone: what comes after all tapes is next.
  const found = passes.findIndex(({ name }) => name === pass)
  const first = found < 0 ? passes.length - 1 : found
  for (const [i, { from, name }] of passes.entries()) {
    if (i < first) continue
    for (const candidate of from(scenario, i === found ? cursor : undefined)) {
      const smaller = Required.keep(required, scenario, candidate.scenario)
      if (smaller === undefined) continue
      yield {
        scenario: smaller,
        pass: name,
        position: { pass: name, cursor: candidate.cursor, taken: true }
      }
    }
  }
}

/** What to try instead of a scenario that fails, from a position on. Ends when there is nothing left to try. */
export function* candidates(
  scenario: Scenario,
  position: Position = start,
  required: Required.Required = {}
): Generator<Step> {
  yield* round(scenario, position, required)
  if (position.taken) yield* round(scenario, start, required)
}
