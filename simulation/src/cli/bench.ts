/** `sotto-sim bench`: how fast the simulations of the config are, per second of processor time. */
import * as Command from "effect/cli/Command"
import { seedsOf } from "../Explore.ts"
import * as Words from "../output/Words.ts"
import type { Simulation } from "../Simulation.ts"
import { chosen } from "./Config.ts"
import { CODE } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { expand, run } from "./Subject.ts"
import { type Bench, breathe, work } from "./Work.ts"

const WARM_MILLIS = 1_000
const MILLIS = 5_000

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

interface Figure {
  readonly seeds: number
  readonly seedsPerSecond: number
  readonly eventsPerSecond: number
  readonly timesRealTime: number
}

const measure = async (simulation: Simulation, strategy: string | undefined, millis: number): Promise<Figure> => {
  let seeds = 0
  let events = 0
  let simulatedMicros = 0
  const startMillis = cpuMillis()
  let spent = 0
  for (const seed of seedsOf()) {
    const report = run({ simulation, scenario: expand(simulation, seed, strategy) })
    seeds++
    events += report.events
    simulatedMicros += report.simulatedMicros
    await breathe()
    spent = cpuMillis() - startMillis
    if (spent >= millis) break
  }
  const seconds = spent / 1000
  return {
    seeds,
    seedsPerSecond: seeds / seconds,
    eventsPerSecond: Math.round(events / seconds),
    timesRealTime: Math.round(simulatedMicros / 1e6 / seconds)
  }
}

const one = async (simulation: Simulation, strategy: string | undefined, millis: number, { screen }: Bench) => {
  await measure(simulation, strategy, Math.min(WARM_MILLIS, millis))
  const figure = await measure(simulation, strategy, millis)
  screen.say(
    `${simulation.name} ${strategy ?? "(portfolio)"}: ${figure.seedsPerSecond.toFixed(1)} seeds/s, ` +
      `${figure.eventsPerSecond} events/s, ${figure.timesRealTime} × real time ` +
      `(${Words.count(figure.seeds, "seed")}, per second of processor time)`
  )
  screen.data({ type: "bench", simulation: simulation.name, strategy: strategy ?? null, ...figure })
}

export const bench = Command.make("bench", {
  simulation: Flags.simulation,
  strategy: Flags.strategy,
  time: Flags.named("time", "Processor time for each simulation; 5s unless given")
}, (input) =>
  work(async (bench) => {
    const millis = Flags.timeOf(input.time) ?? MILLIS
    for (const simulation of chosen(bench.config, input.simulation)) {
      await one(simulation, input.strategy, millis, bench)
    }
    return CODE.ok
  })).pipe(Command.withDescription("Measure seeds, events and virtual time per second of processor time"))
