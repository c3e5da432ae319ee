/**
 * Makes a failing scenario as small as it gets, and still failing in the same way.
 *
 * 1. Only the same invariant counts, broken in the same way where it tells ways apart (`Violation.kind`). Another one that
 *    a candidate breaks is kept as a find of its own. What the simulation requires stays (`Required.ts`).
 * 2. A result was run, twice, with the same trace; `stable` says when it was not.
 * 3. It ends: by its budget of runs or of time, or when no candidate is left (`finished`).
 *
 * Faults are opaque: data with a kind and times (`shrink/`).
 */
import type { Report, Violation } from "./Report.ts"
import * as Required from "./Required.ts"
import type { Scenario } from "./Scenario.ts"
import { candidates, type Position, start, type Step } from "./shrink/Candidates.ts"
import { cut } from "./shrink/Cut.ts"
import { plainSchedules } from "./shrink/Neutral.ts"
import type { Simulation } from "./Simulation.ts"

export interface Options {
  /** The invariant that has to break: the first that the report names. */
  readonly invariant?: string
  /** 200. */
  readonly runsMax?: number
  /** With `nowMillis`, how long to go on. */
  readonly millisMax?: number
  readonly nowMillis?: () => number
}

/** How much there is in a scenario. */
export interface Size {
  readonly nodes: number
  readonly faults: number
  readonly commands: number
}

export interface Shrunk {
  readonly invariant: string
  /** The run of the smallest scenario. */
  readonly report: Report
  readonly before: Size
  readonly after: Size
  /** Runs that it took, the two that confirm it included. */
  readonly runs: number
  /** Nothing that is left to try is smaller and fails. */
  readonly finished: boolean
  /** Running the result again gave the same trace. */
  readonly stable: boolean
  /** Runs that broke other invariants, the first of each. */
  readonly others: ReadonlyArray<Report>
}

/** One candidate that was run. */
export interface Attempt {
  readonly runs: number
  readonly pass: string
  readonly taken: boolean
  /** The smallest so far. */
  readonly size: Size
}

export const RUNS_MAX = 200

const sizeOf = ({ faults, nodes, workload }: Scenario): Size => ({
  nodes: nodes.length,
  faults: faults.length,
  commands: workload.length
})

/** The violation of an invariant, if it was violated. */
export const violationOf = (report: Report, invariant: string): Violation | undefined =>
  report.violations.find((violation) => violation.invariant === invariant)

/** Shrinks at once. Dies when the report has no violation. */
export const shrink = (simulation: Simulation, failing: Report, options: Options = {}): Shrunk => {
  const attempts = steps(simulation, failing, options)
  for (;;) {
    const next = attempts.next()
    if (next.done === true) return next.value
  }
}

/** Shrinks candidate by candidate, for those who show progress or have other things to do in between. */
export function* steps(
  simulation: Simulation,
  failing: Report,
  options: Options = {}
): Generator<Attempt, Shrunk, undefined> {
  const invariant = options.invariant ?? failing.violations[0]?.invariant
  if (invariant === undefined) throw new Error("a run without a violation can not be shrunk")
  const search = new Search(simulation, failing, invariant, options)
  yield* search.attempts()
  return search.result()
}

/** Runs that confirm the result are kept back from the budget. */
const CONFIRMING_RUNS = 1
const RECORDING_RUNS = 2

class Search {
  private readonly simulation: Simulation
  private readonly invariant: string
  private readonly required: Required.Required
  /** How the invariant is broken. */
  private readonly kind: string | undefined
  private readonly runsMax: number
  private readonly before: Size
  private readonly tried = new Set<string>()
  private readonly others = new Map<string, Report>()
  private readonly late: () => boolean
  private best: Report
  private runs = 0
  private hasRecorded = false
  private finished = false

  constructor(simulation: Simulation, failing: Report, invariant: string, options: Options) {
    const { millisMax = Infinity, nowMillis = () => 0, runsMax = RUNS_MAX } = options
    const startMillis = nowMillis()
    this.simulation = simulation
    this.invariant = invariant
    this.required = simulation.required ?? {}
    this.kind = violationOf(failing, invariant)?.kind
    this.runsMax = runsMax - CONFIRMING_RUNS
    this.before = sizeOf(failing.scenario)
    this.best = failing
    this.late = () => nowMillis() - startMillis > millisMax
    this.tried.add(JSON.stringify(failing.scenario))
    for (const { invariant: other } of failing.violations) if (other !== invariant) this.others.set(other, failing)
  }

  *attempts(): Generator<Attempt, void, undefined> {
    yield* this.cutOff()
    for (;;) {
      let position: Position | undefined = start
      while (position !== undefined) position = (yield* this.firstThatFails(position))?.position
      if (!this.finished || !(yield* this.recorded())) return
      this.finished = false
    }
  }

  result(): Shrunk {
    const again = this.simulation.run(this.best.scenario)
    return {
      invariant: this.invariant,
      report: this.best,
      before: this.before,
      after: sizeOf(this.best.scenario),
      runs: this.runs + CONFIRMING_RUNS,
      finished: this.finished,
      stable: again.traceHash === this.best.traceHash && this.violationIn(again) !== undefined,
      others: [...this.others.values()]
    }
  }

  private *cutOff(): Generator<Attempt, void, undefined> {
    const { scenario } = this.best
    const violation = this.violationIn(this.best)
    const shorter = violation === undefined ? undefined : cut(scenario, violation)
    const kept = shorter === undefined ? undefined : Required.keep(this.required, scenario, shorter)
    if (kept !== undefined && this.isNew(kept)) yield this.attempt(kept, "cut")
  }

  private *firstThatFails(position: Position): Generator<Attempt, Step | undefined, undefined> {
    for (const step of candidates(this.best.scenario, position, this.required)) {
      if (!this.isNew(step.scenario)) continue
      if (this.runs >= this.runsMax || this.late()) return undefined
      const attempt = this.attempt(step.scenario, step.pass)
      yield attempt
      if (attempt.taken) return step
    }
    this.finished = true
    return undefined
  }

  /** Once: what schedules did by chance is written down, so that it can be taken away choice by choice. */
  private *recorded(): Generator<Attempt, boolean, undefined> {
    if (this.hasRecorded || this.runs + RECORDING_RUNS > this.runsMax) return false
    this.hasRecorded = true
    const { scenario } = this.best
    const plain = plainSchedules(scenario)
    if (plain === undefined) return false
    this.runs++
    const { tapes } = this.simulation.run(scenario, { record: true })
    if (tapes === undefined) return false
    const attempt = this.attempt({ ...plain, tapes }, "record")
    yield attempt
    return attempt.taken
  }

  private attempt(scenario: Scenario, pass: string): Attempt {
    this.runs++
    const report = this.run(scenario)
    const taken = report !== undefined && this.violationIn(report) !== undefined
    if (taken) this.best = report
    return { runs: this.runs, pass, taken, size: sizeOf(this.best.scenario) }
  }

  /** The failure that it is about. */
  private violationIn(report: Report): Violation | undefined {
    return report.violations.find(({ invariant, kind }) => invariant === this.invariant && kind === this.kind)
  }

  /** A scenario that can not be run (it misses a node or a knob that its author needs) is no candidate. */
  private run(scenario: Scenario): Report | undefined {
    try {
      const report = this.simulation.run(scenario)
      for (const { invariant } of report.violations) {
        if (invariant !== this.invariant && !this.others.has(invariant)) this.others.set(invariant, report)
      }
      return report
    } catch {
      return undefined
    }
  }

  private isNew(scenario: Scenario): boolean {
    const text = JSON.stringify(scenario)
    if (this.tried.has(text)) return false
    this.tried.add(text)
    return true
  }
}
