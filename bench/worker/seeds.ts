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
/** A round takes about so long. */
const ROUND_MILLIS = 4_000
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
  const { knobs, nodes } = drawn
  if (kind.simulation === "sync") {
    const count = (name: string) => nodes.filter((plan) => plan.kind === name).length
    if (count("client") !== 3 || count("relay") !== 1 || knobs["items"] !== (kind.items ?? false)) return undefined
  }
  const scenario = kind.crypto === undefined ? drawn : { ...drawn, knobs: { ...knobs, crypto: kind.crypto } }
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

/** Runs other seeds first, unmeasured, then finds those of a round. */
const gather = (simulation: Simulation, kind: Kind): ReadonlyArray<Scenario> => {
  let seed = 1n
  const draw = (): Scenario => scenarioOf(simulation, kind, seed++) ?? draw()
  for (let spent = 0; spent < WARM_MILLIS;) spent += run(simulation, [draw()]).cpuMillis
  const scenarios: Array<Scenario> = []
  for (let spent = 0; spent < ROUND_MILLIS;) {
    const scenario = draw()
    scenarios.push(scenario)
    spent += run(simulation, [scenario]).cpuMillis
  }
  return scenarios
}

const port = parentPort
if (port === null) throw new Error("this module is a thread of a bench")
const kind: Kind = workerData
const simulation = await simulationOf(kind)
const scenarios = gather(simulation, kind)
port.on("message", () => port.postMessage(run(simulation, scenarios)))
port.postMessage("ready")
