/**
 * `sotto-sim check-determinism`: the same seeds forward, backward, without tracing, and in a second process. Where two
 * runs of a seed differ, the first row that does is named.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { spawn } from "node:child_process"
import * as readline from "node:readline"
import { fileURLToPath } from "node:url"
import { check, type Divergence, type Print, rowsPrint, trace } from "../Determinism.ts"
import { seedsOf } from "../Explore.ts"
import * as Words from "../output/Words.ts"
import type { Seed } from "../Seed.ts"
import type { Simulation } from "../Simulation.ts"
import { text } from "../Trace.ts"
import { chosen, type Config } from "./Config.ts"
import { CODE, HarnessFailed } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import { seedOf } from "./Subject.ts"
import { type Bench, breathe, drive, work } from "./Work.ts"

const SEEDS = 300

interface Input {
  readonly seeds: number | undefined
  readonly first: string | undefined
  readonly simulation: string | undefined
  readonly strategy: string | undefined
}

/** What another process says of a seed; its rows when they are asked for. */
interface Said {
  readonly seed: string
  readonly traceHash: string
  readonly events: number
  readonly rows?: ReadonlyArray<string>
}

const argument = (name: string, value: string | number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [`--${name}`, String(value)]

/** Runs the same seeds in another process, which tells what it saw, line by line. */
const elsewhere = (config: Config, simulation: Simulation, input: Input, rows: boolean, on: (said: Said) => void) =>
  new Promise<void>((resolve, reject) => {
    const main = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js", import.meta.url))
    const args = [
      ...process.execArgv,
      main,
      "check-determinism",
      rows ? "--rows" : "--hashes",
      "--config",
      config.file,
      "--simulation",
      simulation.name,
      ...argument("seeds", input.seeds),
      ...argument("first", input.first),
      ...argument("strategy", input.strategy)
    ]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    readline.createInterface(child.stdout).on("line", (line) => on(JSON.parse(line)))
    child.on("error", reject)
    child.on(
      "close",
      (code) =>
        code === 0
          ? resolve()
          : reject(new HarnessFailed({ detail: `the second process ended with ${code ?? "a signal"}` }))
    )
  })

/** Where the trace of a seed in another process parts from the print of it here. */
const parted = async (config: Config, simulation: Simulation, input: Input, print: Print): Promise<Divergence> => {
  const between = "two processes"
  let divergence: Divergence = { seed: print.seed, between, row: undefined, before: undefined, after: undefined }
  await elsewhere(config, simulation, { ...input, first: print.seed, seeds: 1 }, true, ({ rows = [] }) => {
    const row = rowsPrint(print.rows, rows)
    if (row === undefined) return
    const here = trace(simulation, seedOf(print.seed), input.strategy).rows[row]
    divergence = { ...divergence, row, before: here === undefined ? undefined : text(here), after: rows[row] }
  })
  return divergence
}

const secondProcess = async (
  config: Config,
  simulation: Simulation,
  input: Input,
  prints: ReadonlyArray<Print>
): Promise<ReadonlyArray<Divergence>> => {
  const bySeed = new Map(prints.map((print) => [print.seed, print]))
  const different: Array<Print> = []
  let said = 0
  await elsewhere(config, simulation, input, false, ({ events, seed, traceHash }) => {
    const print = bySeed.get(seed)
    said++
    if (print !== undefined && (print.traceHash !== traceHash || print.events !== events)) different.push(print)
  })
  if (said !== prints.length) {
    throw new HarnessFailed({ detail: `the second process told of ${said} seeds, not of ${prints.length}` })
  }
  const found: Array<Divergence> = []
  for (const print of different.slice(0, TOLD_MAX)) found.push(await parted(config, simulation, input, print))
  return found
}

const TOLD_MAX = 10

const tell = ({ after, before, between, row, seed }: Divergence): string =>
  [
    `seed ${seed} is not the same (${between}); ${
      row === undefined ? "all rows agree, what came of them does not" : `the first row that differs is #${row}`
    }`,
    ...(before === undefined ? [] : [`  before: ${before}`]),
    ...(after === undefined ? [] : [`  after:  ${after}`])
  ].join("\n")

const one = async (simulation: Simulation, input: Input, seeds: ReadonlyArray<Seed>, { config, screen }: Bench) => {
  const found: Array<Divergence> = []
  const prints = await drive(check(simulation, { seeds, strategy: input.strategy }), (event) => {
    if (event.type === "diverged") found.push(event.divergence)
    else screen.progress(`${simulation.name}  ${event.pass}  ${event.seeds}/${event.of} seeds`)
  })
  found.push(...await secondProcess(config, simulation, input, prints))
  screen.progress("")
  for (const divergence of found.slice(0, TOLD_MAX)) screen.say(tell(divergence))
  const different = new Set(found.map(({ seed }) => seed)).size
  const traces = new Set(prints.map(({ traceHash }) => traceHash)).size
  screen.say(
    `${simulation.name}: ${Words.count(seeds.length, "seed")} forward, backward, untraced and in a second process: ` +
      `${different === 0 ? "each is the same" : `${different} are not the same`}; ${traces} different traces.`
  )
  screen.data({
    type: "determinism",
    simulation: simulation.name,
    seeds: seeds.length,
    same: seeds.length - different,
    traces,
    divergences: found.slice(0, TOLD_MAX)
  })
  return different === 0
}

/** What the second process does. */
const hashes = async (simulation: Simulation, input: Input, seeds: ReadonlyArray<Seed>, rows: boolean) => {
  for (const seed of seeds) {
    const report = trace(simulation, seed, input.strategy)
    const said: Said = {
      seed: report.scenario.seed,
      traceHash: report.traceHash,
      events: report.events,
      ...(rows ? { rows: report.rows.map(text) } : {})
    }
    process.stdout.write(`${JSON.stringify(said)}\n`)
    await breathe()
  }
}

const hidden = (name: string) => Flag.Boolean(name).pipe(Flag.withHidden, Flag.withDefault(false))

export const checkDeterminism = Command.make("check-determinism", {
  seeds: Flags.counted("seeds", "How many seeds; 300 unless given"),
  first: Flags.first,
  simulation: Flags.simulation,
  strategy: Flags.strategy,
  hashes: hidden("hashes"),
  rows: hidden("rows")
}, (input) =>
  work(async (bench) => {
    const count = input.seeds ?? SEEDS
    const seeds = [...seedsOf(input.first === undefined ? undefined : seedOf(input.first), count)]
    const simulations = chosen(bench.config, input.simulation)
    let same = true
    for (const simulation of simulations) {
      if (input.hashes || input.rows) await hashes(simulation, input, seeds, input.rows)
      else same = await one(simulation, { ...input, seeds: count }, seeds, bench) && same
    }
    return same ? CODE.ok : CODE.harness
  })).pipe(Command.withDescription("See whether the same seed gives the same run, and where not, name the first row"))
