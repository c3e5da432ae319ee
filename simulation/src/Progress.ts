/** How far an exploration is, as values. */
import type { Report } from "./Report.ts"

/** What is kept of one run. Plain data: it crosses threads. */
export interface Outcome {
  readonly seed: string
  readonly strategy: string
  readonly invariants: ReadonlyArray<string>
  readonly events: number
  readonly simulatedMicros: number
  readonly traceHash: string
  /** Nothing could be required of this run: what was lost could not survive. */
  readonly lossExpected: boolean
  readonly marks: Report["marks"]
  /** Those that whoever made this outcome had not seen before. */
  readonly situations: ReadonlyArray<string>
}

export interface Progress {
  /** Seeds that were run, of how many; undefined when time decides. */
  readonly seeds: number
  readonly of: number | undefined
  readonly elapsedMillis: number
  readonly events: number
  readonly simulatedMicros: number
  readonly fails: number
  readonly lossExpected: number
  /** Different situations reached, and how many of them in the last run. */
  readonly situations: number
  readonly newSituations: number
  /** Milliseconds until it is done, as far as one can tell. */
  readonly etaMillis: number | undefined
}

export interface Budget {
  readonly seeds?: number | undefined
  readonly millis?: number | undefined
}

/** Adds outcomes up. */
export class Tally {
  readonly marks = new Map<string, number>()
  /** All that were reached. */
  readonly situations = new Set<string>()
  readonly failsByInvariant = new Map<string, number>()
  /** Outcomes by strategy: how many ran, how many failed, how many situations they were first to reach. */
  readonly strategies = new Map<string, { runs: number; fails: number; situations: number }>()
  private seeds = 0
  private events = 0
  private simulatedMicros = 0
  private fails = 0
  private lossExpected = 0
  private newSituations = 0

  add(outcome: Outcome): void {
    const { events, invariants, marks, simulatedMicros, situations } = outcome
    this.seeds++
    this.events += events
    this.simulatedMicros += simulatedMicros
    if (invariants.length > 0) this.fails++
    if (outcome.lossExpected) this.lossExpected++
    for (const invariant of invariants) increase(this.failsByInvariant, invariant, 1)
    for (const [mark, count] of Object.entries(marks)) increase(this.marks, mark, count)
    const before = this.situations.size
    for (const situation of situations) this.situations.add(situation)
    this.newSituations = this.situations.size - before
    const strategy = this.strategies.get(outcome.strategy) ?? { runs: 0, fails: 0, situations: 0 }
    strategy.runs++
    if (invariants.length > 0) strategy.fails++
    strategy.situations += this.newSituations
    this.strategies.set(outcome.strategy, strategy)
  }

  progress(elapsedMillis: number, { millis, seeds }: Budget): Progress {
    const bySeeds = seeds === undefined || this.seeds === 0
      ? undefined
      : Math.max(0, (seeds - this.seeds) * elapsedMillis / this.seeds)
    const byTime = millis === undefined ? undefined : Math.max(0, millis - elapsedMillis)
    return {
      seeds: this.seeds,
      of: seeds,
      elapsedMillis,
      events: this.events,
      simulatedMicros: this.simulatedMicros,
      fails: this.fails,
      lossExpected: this.lossExpected,
      situations: this.situations.size,
      newSituations: this.newSituations,
      etaMillis: bySeeds === undefined ? byTime : byTime === undefined ? bySeeds : Math.min(bySeeds, byTime)
    }
  }
}

const increase = (counts: Map<string, number>, name: string, by: number): void => {
  counts.set(name, (counts.get(name) ?? 0) + by)
}

/** What is kept of a run; `seen` are the situations that are known, and learns those of this one. */
export const outcomeOf = (report: Report, seen: Set<string>): Outcome => {
  const situations = report.situations.filter((situation) => !seen.has(situation))
  for (const situation of situations) seen.add(situation)
  return {
    seed: report.scenario.seed,
    strategy: report.scenario.strategy,
    invariants: [...new Set(report.violations.map(({ invariant }) => invariant))],
    events: report.events,
    simulatedMicros: report.simulatedMicros,
    traceHash: report.traceHash,
    lossExpected: report.lossExpected.length > 0,
    marks: report.marks,
    situations
  }
}
