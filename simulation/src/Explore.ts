/**
 * Runs many seeds of a simulation, and makes each new kind of failure as small as it gets.
 *
 * 1. Of each invariant, the first failing seed is shrunk; the others are counted.
 * 2. What a shrinking run breaks on the way is a find of its own, unless it is known already.
 * 3. It is a generator of values: whoever drives it decides when to stop, what to show, and what time it is.
 *
 * ```
 * seed ──▶ Explorer ──▶ step ──▶ Gathering ──▶ event, summary
 *          (one per thread)      (one)
 * ```
 */
import * as Result from "effect/Result"
import { type Find, fromReport, fromShrunk } from "./output/Find.ts"
import type { Summary } from "./output/Summary.ts"
import { type Budget, type Outcome, outcomeOf, type Progress, Tally } from "./Progress.ts"
import type { Report } from "./Report.ts"
import * as Seed from "./Seed.ts"
import * as Shrink from "./Shrink.ts"
import type { Simulation } from "./Simulation.ts"

/** How seeds are run. */
export interface Manner {
  /** Unless given, each seed picks its own. */
  readonly strategy?: string | undefined
  /** `false`: failing runs stay as they are. */
  readonly shrink?: Shrink.Options | false | undefined
  /** Milliseconds that have gone by, for budgets of time and for speeds. */
  readonly nowMillis?: (() => number) | undefined
}

export interface Options extends Manner, Budget {
  /** The first seed; those after it follow. 1 unless given. */
  readonly first?: Seed.Seed | undefined
  /** Stop once so many different invariants are broken. */
  readonly findsMax?: number | undefined
}

/** What an explorer does. Plain data: it crosses threads. */
export type Step =
  | { readonly type: "ran"; readonly outcome: Outcome }
  | { readonly type: "shrinking"; readonly invariant: string; readonly attempt: Shrink.Attempt }
  | { readonly type: "found"; readonly find: Find }
  /** The harness gave up: a run threw. */
  | { readonly type: "threw"; readonly error: string }

export interface Event {
  readonly step: Step
  readonly progress: Progress
}

/** The seeds of an exploration, in order; for ever when there is no number of them. */
export function* seedsOf(first: Seed.Seed = 1n, count = Infinity): Generator<Seed.Seed, void, undefined> {
  for (let i = 0; i < count; i++) yield BigInt.asUintN(64, first + BigInt(i))
}

export function* explore(simulation: Simulation, options: Options = {}): Generator<Event, Summary, undefined> {
  const { first, seeds } = options
  const explorer = new Explorer(simulation, options)
  const gathering = new Gathering(simulation.name, options)
  for (const seed of seedsOf(first, seeds)) {
    if (gathering.isOver()) break
    for (const step of explorer.run(seed)) yield gathering.take(step)
  }
  return gathering.summary()
}

/** Runs seeds, one after the other, and shrinks what is new to it. */
export class Explorer {
  private readonly simulation: Simulation
  private readonly manner: Manner
  private readonly situations = new Set<string>()
  private readonly invariants = new Set<string>()

  constructor(simulation: Simulation, manner: Manner) {
    this.simulation = simulation
    this.manner = manner
  }

  *run(seed: Seed.Seed): Generator<Step, void, undefined> {
    const report = runSeed(this.simulation, seed, this.manner.strategy)
    if (typeof report === "string") return yield { type: "threw", error: report }
    yield { type: "ran", outcome: outcomeOf(report, this.situations) }
    const waiting = [report]
    for (let failing = waiting.shift(); failing !== undefined; failing = waiting.shift()) {
      for (const { invariant } of failing.violations) {
        if (this.invariants.has(invariant)) continue
        this.invariants.add(invariant)
        waiting.push(...yield* this.find(failing, invariant, report))
      }
    }
  }

  /** Answers the runs that broke something else on the way. */
  private *find(
    failing: Report,
    invariant: string,
    first: Report
  ): Generator<Step, ReadonlyArray<Report>, undefined> {
    const origin = { seeds: 1, pinned: this.manner.strategy !== undefined, bySeed: failing === first }
    const shrunk = yield* this.shrink(failing, invariant)
    const find = shrunk === undefined
      ? fromReport(failing, origin, invariant)
      : fromShrunk(first.scenario, shrunk, origin)
    if (find !== undefined) yield { type: "found", find }
    return shrunk?.others ?? []
  }

  private *shrink(failing: Report, invariant: string): Generator<Step, Shrink.Shrunk | undefined, undefined> {
    const { nowMillis, shrink = {} } = this.manner
    if (shrink === false) return undefined
    const attempts = Shrink.steps(this.simulation, failing, {
      ...shrink,
      invariant,
      ...(nowMillis === undefined ? {} : { nowMillis })
    })
    for (;;) {
      const next = attempts.next()
      if (next.done === true) return next.value
      yield { type: "shrinking", invariant, attempt: next.value }
    }
  }
}

/** The report of a seed, or how the harness failed at it. */
const runSeed = (simulation: Simulation, seed: Seed.Seed, strategy?: string): Report | string => {
  const run = (trace: boolean) => Result.try(() => simulation.run(simulation.expand(seed, strategy), { trace }))
  return Result.getOrElse(run(false), () =>
    // Once more, with the place where it was thrown.
    Result.getOrElse(run(true), (cause) => {
      const why = cause instanceof Error ? cause.stack ?? cause.message : String(cause)
      return `${simulation.name} threw at seed ${Seed.toText(seed)}: ${why}`
    }))
}

/** Adds up what explorers of one simulation do. */
export class Gathering {
  readonly tally = new Tally()
  private readonly simulation: string
  private readonly options: Options
  private readonly finds = new Map<string, Find>()
  private readonly nowMillis: () => number
  private readonly startMillis: number
  private error: string | null = null

  constructor(simulation: string, options: Options) {
    this.simulation = simulation
    this.options = options
    this.nowMillis = options.nowMillis ?? (() => 0)
    this.startMillis = this.nowMillis()
  }

  take(step: Step): Event {
    if (step.type === "ran") this.tally.add(step.outcome)
    if (step.type === "threw") this.error ??= step.error
    if (step.type === "found") {
      const known = this.finds.get(step.find.invariant)
      // Of two explorers that found the same, the earlier seed counts. Texts of seeds sort as seeds do.
      if (known === undefined || step.find.seed < known.seed) this.finds.set(step.find.invariant, step.find)
    }
    return { step, progress: this.progress() }
  }

  /** The time is over, or enough was found, or the harness failed. */
  isOver(): boolean {
    const { findsMax = Infinity, millis = Infinity } = this.options
    return this.error !== null || this.finds.size >= findsMax || this.nowMillis() - this.startMillis >= millis
  }

  progress(): Progress {
    return this.tally.progress(this.nowMillis() - this.startMillis, this.options)
  }

  summary(): Summary {
    const seedsBy = this.tally.failsByInvariant
    const finds = [...this.finds.values()].map((find) => ({ ...find, seeds: seedsBy.get(find.invariant) ?? 0 }))
    return {
      simulation: this.simulation,
      ok: this.error === null && finds.length === 0,
      error: this.error,
      progress: this.progress(),
      finds
    }
  }
}
