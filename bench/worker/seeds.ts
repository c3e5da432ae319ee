/**
 * A thread that runs the seeds of one kind again and again: what V8 has learnt and compiled there is of that kind, as in a
 * run of thousands, and of no other.
 */
import type { Scenario } from "@sotto/simulation/Scenario"
import type { Simulation } from "@sotto/simulation/Simulation"
import { parentPort, workerData } from "node:worker_threads"
import * as Notes from "../../simulation/test/kit/notes.ts"

/** Which seeds: of the guide's notes, or of three clients and a relay. */
export interface Kind {
  readonly simulation: "notes" | "sync"
  readonly strategy: "swarm" | "calm"
  readonly crypto?: "fake" | "real"
  readonly items?: boolean
  /** Nothing goes wrong, nobody asks for anything, for an hour. */
  readonly quiet?: boolean
  /** Whether runs go on after they have come to rest and all nodes were stopped, where the seed says so. */
  readonly coldRestart?: boolean
  /** Seeds of a round: enough that it matters little which. */
  readonly seeds: number
}

/** What all seeds of the kind took once. */
export interface Round {
  readonly seeds: number
  readonly cpuMillis: number
  readonly events: number
  readonly simulatedMicros: number
}

/** Of seeds that are run before any is measured: what is compiled on the way is compiled by then. */
const WARM_MILLIS = 24_000
/** Where the seeds of the warm-up begin; those of a round are the first of their kind, always the same. */
const WARM_SEED = 1_000_000n
const QUIET_MICROS = 3_600_000_000

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const simulationOf = async ({ simulation }: Kind): Promise<Simulation> =>
  simulation === "notes" ? Notes.simulation() : (await import("@sotto/scenarios/simulation/Sync")).sync

const quietly = (scenario: Scenario): Scenario => ({
  ...scenario,
  link: {},
  network: {},
  disk: {},
  faults: [],
  workload: [],
  nodes: scenario.nodes.map((plan) => ({
    ...plan,
    policy: { kind: "fifo" },
    preemption: { p: 0, delayMicros: { low: 0, high: 0 } }
  })),
  phases: { ...scenario.phases, safetyMicros: QUIET_MICROS }
})

/** The scenario of a seed, if it is of the kind. */
const scenarioOf = (simulation: Simulation, kind: Kind, seed: bigint): Scenario | undefined => {
  const drawn = simulation.expand(seed, kind.strategy)
  const { knobs, nodes, phases } = drawn
  if (kind.simulation === "sync") {
    const count = (name: string) => nodes.filter((plan) => plan.kind === name).length
    if (count("client") !== 3 || count("relay") !== 1 || knobs["items"] !== (kind.items ?? false)) return undefined
  }
  const scenario = {
    ...drawn,
    knobs: kind.crypto === undefined ? knobs : { ...knobs, crypto: kind.crypto },
    phases: kind.coldRestart === true ? phases : { ...phases, coldRestart: false }
  }
  return kind.quiet === true ? quietly(scenario) : scenario
}

const run = (simulation: Simulation, scenarios: ReadonlyArray<Scenario>): Round => {
  let events = 0
  let simulatedMicros = 0
  const from = cpuMillis()
  for (const scenario of scenarios) {
    const report = simulation.run(scenario)
    events += report.events
    simulatedMicros += report.simulatedMicros
  }
  return { seeds: scenarios.length, cpuMillis: cpuMillis() - from, events, simulatedMicros }
}

/** The scenarios of a kind, from a seed on. */
function* from(simulation: Simulation, kind: Kind, first: bigint): Generator<Scenario, never> {
  for (let seed = first;; seed++) {
    const scenario = scenarioOf(simulation, kind, seed)
    if (scenario !== undefined) yield scenario
  }
}

/** Runs other seeds, unmeasured. */
const warm = (simulation: Simulation, kind: Kind): void => {
  const others = from(simulation, kind, WARM_SEED)
  for (let spent = 0; spent < WARM_MILLIS;) spent += run(simulation, [others.next().value]).cpuMillis
}

const port = parentPort
if (port === null) throw new Error("this module is a thread of a bench")
const kind: Kind = workerData
const simulation = await simulationOf(kind)
const own = from(simulation, kind, 1n)
const scenarios = Array.from({ length: kind.seeds }, () => own.next().value)
warm(simulation, kind)
port.on("message", () => port.postMessage(run(simulation, scenarios)))
port.postMessage("ready")
