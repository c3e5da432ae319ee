/** `sotto-sim run`: many seeds, or one. */
import * as Command from "effect/cli/Command"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Event, explore, type Options } from "../Explore.ts"
import { type Summary, toJunit, toMarkdown } from "../output/Summary.ts"
import { RUNS_MAX } from "../Shrink.ts"
import type { Simulation } from "../Simulation.ts"
import { chosen } from "./Config.ts"
import { CODE } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { verifyAll } from "./Kept.ts"
import * as Pool from "./Pool.ts"
import { findText, progressLine, shrinkingLine, summaryText } from "./render.ts"
import { FOLDER, save } from "./Save.ts"
import { checkStrategy, expand, run as runSubject, seedOf } from "./Subject.ts"
import { type Bench, drive, work } from "./Work.ts"

const SEEDS = 1000

interface Input {
  readonly seeds: number | undefined
  readonly seed: string | undefined
  readonly first: string | undefined
  readonly time: string | undefined
  readonly jobs: number | undefined
  readonly simulation: string | undefined
  readonly strategy: string | undefined
  readonly folder: string | undefined
  readonly budget: number | undefined
  readonly junit: string | undefined
  readonly markdown: string | undefined
}

/** With a time and no number of seeds, time decides. */
const optionsOf = ({ budget, first, seeds, strategy, time }: Input): Options => {
  const millis = Flags.timeOf(time)
  return {
    first: first === undefined ? undefined : seedOf(first),
    seeds: seeds ?? (millis === undefined ? SEEDS : undefined),
    millis,
    strategy,
    shrink: { runsMax: budget ?? RUNS_MAX },
    nowMillis: () => performance.now()
  }
}

/** One seed: what became of it; the last line is one JSON object. */
const one = (simulation: Simulation, text: string, { strategy }: Input, { screen }: Bench): number => {
  const scenario = expand(simulation, seedOf(text), strategy)
  const report = runSubject({ simulation, scenario })
  for (const { invariant, message, node, phase } of report.violations) {
    screen.say(`${invariant} is broken in the ${phase} phase${node === undefined ? "" : ` at ${node}`}: ${message}`)
  }
  for (const reason of report.lossExpected) screen.say(`losses are to be expected: ${reason}`)
  screen.both({
    simulation: simulation.name,
    seed: scenario.seed,
    strategy: scenario.strategy,
    events: report.events,
    simulatedMicros: report.simulatedMicros,
    traceHash: report.traceHash,
    ok: report.ok,
    violations: report.violations.map(({ invariant, message }) => ({ invariant, message }))
  })
  return report.ok ? CODE.ok : CODE.violation
}

const many = async (simulation: Simulation, input: Input, { config, screen }: Bench): Promise<Summary> => {
  checkStrategy(simulation, input.strategy)
  const options = optionsOf(input)
  const on = ({ progress, step }: Event): void => {
    if (step.type === "ran") screen.progress(progressLine(simulation.name, progress))
    if (step.type === "shrinking") screen.progress(shrinkingLine(step.invariant, step.attempt))
    if (step.type === "found") screen.progress("")
  }
  const { jobs = 1 } = input
  if (jobs === 1) return drive(explore(simulation, options), on)
  const runsMax = input.budget ?? RUNS_MAX
  const { summary } = await Pool.explore(simulation.name, { ...options, config: config.file, jobs, runsMax }, on)
  return summary
}

const write = (file: string | undefined, text: string): void => {
  if (file === undefined) return
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true })
  fs.writeFileSync(file, text)
}

const all = async (input: Input, bench: Bench): Promise<number> => {
  const { config, screen } = bench
  const summaries: Array<Summary> = []
  const simulations = chosen(config, input.simulation)
  const kept = await verifyAll(bench, { simulations })
  if (kept.files > 0) screen.say(`${kept.asExpected} of ${kept.files} scenarios of the corpus are as expected`)
  for (const simulation of simulations) {
    const summary = await many(simulation, input, bench)
    summaries.push(summary)
    screen.progress("")
    for (const find of summary.finds) {
      const files = save(input.folder ?? FOLDER, simulation, find)
      screen.say(findText(find, files))
      screen.data({ type: "found", files, ...find })
    }
    screen.say(summaryText(summary))
    screen.data({
      type: "summary",
      ...summary,
      finds: summary.finds.map(({ invariant, seed, seeds }) => ({ invariant, seed, seeds }))
    })
  }
  write(input.junit, toJunit(summaries))
  write(input.markdown, toMarkdown(summaries))
  if (kept.errors > 0 || summaries.some(({ error }) => error !== null)) return CODE.harness
  return kept.asExpected === kept.files && summaries.every(({ ok }) => ok) ? CODE.ok : CODE.violation
}

export const run = Command.make("run", {
  seeds: Flags.seeds,
  seed: Flags.seed,
  first: Flags.first,
  time: Flags.time,
  jobs: Flags.jobs,
  simulation: Flags.simulation,
  strategy: Flags.strategy,
  folder: Flags.folder,
  budget: Flags.budget,
  junit: Flags.junit,
  markdown: Flags.markdown
}, (input) =>
  work(async (bench) => {
    const { seed } = input
    if (seed === undefined) return all(input, bench)
    for (const simulation of chosen(bench.config, input.simulation)) return one(simulation, seed, input, bench)
    return CODE.harness
  })).pipe(
    Command.withDescription(
      "Run the corpus, then many seeds (1,000, or what --seeds or --time say), or one seed; shrink what fails"
    )
  )
