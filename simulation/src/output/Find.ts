/** A failure that was found, shrunk as far as it was, with everything that a report says of it. */
import type { Report, Violation } from "../Report.ts"
import type { Scenario } from "../Scenario.ts"
import { type Shrunk, type Size, violationOf } from "../Shrink.ts"
import { text } from "../Trace.ts"
import { excerpt } from "./Excerpt.ts"
import { narrative } from "./Narrative.ts"
import { regressionTest } from "./RegressionTest.ts"

export interface Find {
  readonly simulation: string
  readonly invariant: string
  readonly message: string
  /** The seed that found it, and the strategy that it ran with. */
  readonly seed: string
  readonly strategy: string
  /** How many seeds broke this invariant. */
  readonly seeds: number
  /** What to type to see it again. */
  readonly replay: string
  readonly narrative: string
  /** At most twelve rows of the trace. */
  readonly excerpt: ReadonlyArray<string>
  readonly test: string
  /** The smallest scenario that fails in the same way. */
  readonly scenario: Scenario
  readonly traceHash: string
  readonly shrunk?: {
    readonly before: Size
    readonly after: Size
    readonly runs: number
    readonly finished: boolean
    readonly stable: boolean
  }
}

/** The name of a find's file: `no-acked-loss-0000000000001`. */
export const fileName = ({ invariant, seed }: Pick<Find, "invariant" | "seed">): string =>
  `${invariant.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "")}-${seed}`

/** What to type to see a run again, in the directory of the config file. */
const replayLine = (
  { seed, simulation, strategy }: Scenario,
  invariant: string,
  { bySeed, pinned }: Origin
): string => {
  const what = bySeed ? seed : `${fileName({ invariant, seed })}.json`
  const chosen = bySeed && pinned ? ` --strategy ${strategy}` : ""
  return `npx sotto-sim replay ${what} --simulation ${JSON.stringify(simulation)}${chosen}`
}

/** How a run came about. */
export interface Origin {
  /** How many seeds broke the invariant. */
  readonly seeds: number
  /** Whether the strategy was asked for: then the seed alone would pick another. */
  readonly pinned: boolean
  /** Whether a seed repeats it. What was found while something else was shrunk has only its file. */
  readonly bySeed: boolean
}

const about = (report: Report, violation: Violation, found: Scenario, origin: Origin): Find => ({
  simulation: found.simulation,
  invariant: violation.invariant,
  message: violation.message,
  seed: found.seed,
  strategy: found.strategy,
  seeds: origin.seeds,
  replay: replayLine(found, violation.invariant, origin),
  narrative: narrative(report, violation),
  excerpt: excerpt(report, violation).map(text),
  test: regressionTest(report.scenario, violation.invariant),
  scenario: report.scenario,
  traceHash: report.traceHash
})

/** Of a run that was not shrunk; undefined when nothing is broken. */
export const fromReport = (report: Report, origin: Origin, invariant?: string): Find | undefined => {
  const violation = invariant === undefined ? report.violations[0] : violationOf(report, invariant)
  return violation === undefined ? undefined : about(report, violation, report.scenario, origin)
}

/** Of a run and what it shrank to. */
export const fromShrunk = (found: Scenario, shrunk: Shrunk, origin: Origin): Find | undefined => {
  const violation = violationOf(shrunk.report, shrunk.invariant)
  if (violation === undefined) return undefined
  const { after, before, finished, runs, stable } = shrunk
  return {
    ...about(shrunk.report, violation, found, origin),
    shrunk: { before, after, runs, finished, stable }
  }
}
