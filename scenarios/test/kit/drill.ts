/**
 * Scenarios by hand: devices that write at known times at relays with known links, and what goes wrong on the way.
 */
import * as Canary from "@sotto/simulation/Canary"
import type { Between, Fault } from "@sotto/simulation/Fault"
import type { LinkLaw } from "@sotto/simulation/Link"
import type { Report } from "@sotto/simulation/Report"
import type { Command, Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import type { Simulation } from "@sotto/simulation/Simulation"

const MILLI = 1000
const SECOND = 1_000_000

export interface Drill {
  /** 0 to 3; 1 unless given. */
  readonly relays?: number
  /** 2 to 5; 2 unless given. */
  readonly clients?: number
  /** How long things go wrong: 8 unless given. */
  readonly seconds?: number
  readonly link?: Partial<LinkLaw>
  readonly faults?: ReadonlyArray<Fault>
  /** Who writes, from when to when, and how often; all, all the time, twice a second unless given. */
  readonly writes?: ReadonlyArray<Writes>
  /** What is asked besides that. */
  readonly also?: ReadonlyArray<Command>
  readonly heal?: ReadonlyArray<string>
}

export interface Writes {
  readonly client: number
  readonly fromMillis?: number
  readonly untilMillis?: number
  readonly everyMillis?: number
}

export const ms = (millis: number) => ({ kind: "constant", micros: millis * MILLI }) as const
export const between = (low: number, high: number) =>
  ({ kind: "uniform", lowMicros: low * MILLI, highMicros: high * MILLI }) as const
export const at = (fromMillis: number, millis: number) => ({
  atMicros: fromMillis * MILLI,
  durationMicros: millis * MILLI
})

export const both = (one: string, other: string): Between => ({
  shape: "sets",
  side: [one],
  other: [other],
  direction: "both"
})
export const alone = (node: string): Between => ({ shape: "isolate", node, direction: "both" })
export const everywhere: Between = { shape: "everywhere" }

export const crash = (
  node: string,
  atMillis: number,
  downMillis: number,
  notice: "reset" | "never" = "reset"
): Fault => ({
  kind: "crash",
  node,
  atMicros: atMillis * MILLI,
  downMicros: downMillis * MILLI,
  disk: { kind: "none" },
  notice
})

export const ask = (atMillis: number, node: string, name: string, input: Command["input"] = null): Command => ({
  atMicros: atMillis * MILLI,
  node,
  name,
  input
})

/** What a client is told to write. */
const pushes = (writes: ReadonlyArray<Writes>, seconds: number): ReadonlyArray<Command> =>
  writes.flatMap(({ client, everyMillis = 500, fromMillis = 0, untilMillis = seconds * 1000 }) =>
    Array.from({ length: Math.ceil((untilMillis - fromMillis) / everyMillis) }, (_, k) => {
      const canary = Canary.draw(Seed.draws(BigInt(client), `drill ${fromMillis}`, k))
      return ask(fromMillis + k * everyMillis, `client-${client}`, "push", ["a", `item ${canary}`, `${canary}#${k}`])
    })
  )

/** A scenario of a simulation of relays and clients. */
const scenarioOf = (simulation: Simulation, drill: Drill, seed: bigint): Scenario => {
  const { also = [], clients = 2, faults = [], heal = "all", link = {}, relays = 1, seconds = 8 } = drill
  const base = simulation.expand(seed, "calm")
  const plan = base.nodes.find(({ kind }) => kind === "client")
  if (plan === undefined) throw new Error(`no client in ${simulation.name}`)
  const named = (kind: string, count: number) =>
    Array.from({ length: count }, (_, k) => ({ ...plan, kind, name: `${kind}-${k + 1}` }))
  const writes = drill.writes ?? Array.from({ length: clients }, (_, k) => ({ client: k + 1 }))
  return {
    ...base,
    strategy: "drill",
    nodes: [...named("relay", relays), ...named("client", clients)],
    link,
    disk: {},
    faults,
    workload: [...pushes(writes, seconds), ...also].toSorted((a, b) => a.atMicros - b.atMicros),
    phases: { safetyMicros: seconds * SECOND, livenessMicros: 240 * SECOND, heal, coldRestart: seed % 2n === 0n }
  }
}

/** What came of a drill: what broke, or why it proves nothing. */
export const run = (simulation: Simulation, drill: Drill, seed: bigint): ReadonlyArray<string> => {
  const scenario = scenarioOf(simulation, drill, seed)
  const report = simulation.run(scenario, { trace: true })
  return [
    ...report.violations.map(({ invariant, message }) => `${invariant}: ${message}`),
    ...missing(scenario, report)
  ]
}

/** A drill in which a fault never came, or little was written, proves nothing. */
const missing = ({ faults, workload }: Scenario, { rows }: Report): ReadonlyArray<string> => {
  const count = (name: string) => rows.filter(({ kind }) => kind === name).length
  const asked = workload.filter(({ name }) => name === "push").length
  const came = new Set(
    rows.flatMap(({ kind, payload }) => kind === "fault" ? [JSON.stringify(payload?.["fault"])] : [])
  )
  const absent = faults.flatMap((fault, k) => came.has(String(k)) ? [] : [`fault ${k} (${fault.kind}) never came`])
  return 2 * count("observe.pushed") >= asked ? absent : [...absent, `${count("observe.pushed")} of ${asked} written`]
}
