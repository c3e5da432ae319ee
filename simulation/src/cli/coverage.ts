/** `sotto-sim coverage`: what a number of seeds gets to see. */
import * as Command from "effect/cli/Command"
import { type Event, Explorer, Gathering, seedsOf } from "../Explore.ts"
import * as Words from "../output/Words.ts"
import type { Simulation } from "../Simulation.ts"
import { chosen } from "./Config.ts"
import { CODE } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { progressLine } from "./render.ts"
import { checkStrategy, seedOf } from "./Subject.ts"
import { type Bench, drive, work } from "./Work.ts"

const SEEDS = 300
const CURVE = new Set([1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000])

interface Input {
  readonly seeds: number | undefined
  readonly first: string | undefined
  readonly strategy: string | undefined
}

function* explored(simulation: Simulation, input: Input, gathering: Gathering): Generator<Event, void, undefined> {
  const explorer = new Explorer(simulation, { strategy: input.strategy, shrink: false })
  for (const seed of seedsOf(input.first === undefined ? undefined : seedOf(input.first), input.seeds ?? SEEDS)) {
    for (const step of explorer.run(seed)) yield gathering.take(step)
  }
}

const one = async (simulation: Simulation, input: Input, { screen }: Bench): Promise<number> => {
  checkStrategy(simulation, input.strategy)
  const gathering = new Gathering(simulation.name, { seeds: input.seeds ?? SEEDS, nowMillis: () => performance.now() })
  const curve: Array<readonly [seeds: number, situations: number]> = []
  await drive(explored(simulation, input, gathering), ({ progress, step }) => {
    if (step.type !== "ran") return
    if (CURVE.has(progress.seeds)) curve.push([progress.seeds, progress.situations])
    screen.progress(progressLine(simulation.name, progress))
  })
  screen.progress("")
  const { error, progress } = gathering.summary()
  const { failsByInvariant, marks, situations, strategies } = gathering.tally
  const sorted = [...situations].sort()
  screen.say(
    `${simulation.name}: ${Words.count(sorted.length, "situation")} after ${Words.count(progress.seeds, "seed")}`
  )
  for (const [seeds, reached] of curve) screen.say(`  after ${Words.count(seeds, "seed")}: ${reached}`)
  for (const [name, { fails, runs, situations: first }] of strategies) {
    screen.say(
      `  ${name}: ${Words.count(runs, "run")}, ${fails} failed, first to reach ${Words.count(first, "situation")}`
    )
  }
  for (const [mark, count] of [...marks].sort(([a], [b]) => a < b ? -1 : 1)) {
    screen.say(`  ${mark}: ${Words.count(count, "time")}`)
  }
  for (const [invariant, count] of failsByInvariant) {
    screen.say(`  ${invariant} is broken by ${Words.count(count, "seed")}`)
  }
  screen.data({
    type: "coverage",
    simulation: simulation.name,
    seeds: progress.seeds,
    curve,
    strategies: Object.fromEntries(strategies),
    marks: Object.fromEntries(marks),
    situations: sorted,
    fails: Object.fromEntries(failsByInvariant),
    error
  })
  if (error !== null) screen.aside(error)
  return error === null ? CODE.ok : CODE.harness
}

export const coverage = Command.make("coverage", {
  seeds: Flags.counted("seeds", "How many seeds; 300 unless given"),
  first: Flags.first,
  simulation: Flags.simulation,
  strategy: Flags.strategy
}, (input) =>
  work(async (bench) => {
    const codes: Array<number> = []
    for (const simulation of chosen(bench.config, input.simulation)) codes.push(await one(simulation, input, bench))
    return Math.max(...codes)
  })).pipe(Command.withDescription("Count the situations and marks that seeds reach, by strategy"))
