/**
 * A seed becomes a scenario.
 *
 * - `calm`: latency only. What a test over a quiet network sees.
 * - `swarm`: each kind of fault is wholly off in half of the seeds; parameters are drawn over orders of magnitude.
 * - `storm`: nearly everything at once.
 * - `offline`: calm, and nodes that have no network for hours.
 * - `pct`: calm, and few preemptions at places that find orders which need so few.
 * - `inject`: calm, and one call of a service fails, or is crashed at: consecutive seeds try one after the other.
 *
 * 1. All draws are named by subject, so a kind of fault that is left out does not move the others.
 */
import * as Duration from "effect/Duration"
import * as Canary from "./Canary.ts"
import type { Fault } from "./Fault.ts"
import * as FaultDraw from "./FaultDraw.ts"
import type { LinkLaw } from "./Link.ts"
import type { NetworkLaw } from "./Network.ts"
import type { Command, Json, NodePlan, Phases, Scenario } from "./Scenario.ts"
import type * as Scheduler from "./Scheduler.ts"
import * as Seed from "./Seed.ts"
import type { Definition } from "./Simulation.ts"
import type * as Workload from "./Workload.ts"

export const strategies = ["calm", "swarm", "storm", "offline", "pct", "inject"] as const

export type Strategy = typeof strategies[number]

/** Out of a hundred seeds. */
const portfolio: ReadonlyArray<readonly [share: number, strategy: Strategy]> = [
  [52, "swarm"],
  [22, "storm"],
  [10, "pct"],
  [8, "inject"],
  [5, "calm"],
  [3, "offline"]
]

/** What the parts of an expansion know together. */
export interface Plan {
  readonly definition: Definition
  readonly seed: Seed.Seed
  readonly strategy: Strategy
  readonly draws: (subject: string, counter?: number) => Seed.Draws
  readonly nodes: ReadonlyArray<NodePlan>
  readonly knobs: { readonly [name: string]: Json }
  readonly safetyMicros: number
}

export const expand = (definition: Definition, seed: Seed.Seed, named?: string): Scenario => {
  const source = Seed.source(seed)
  const draws: Plan["draws"] = (subject, counter) => source(`expand/${subject}`, counter)
  const strategy = strategyOf(draws("strategy"), named)
  const nodes = nodesOf(definition, strategy, draws)
  const knobs = definition.knobs?.(draws("knobs")) ?? {}
  const safetyMicros = micros(definition.phases?.safety ?? "20 seconds")
  const plan: Plan = { definition, seed, strategy, draws, nodes, knobs, safetyMicros }
  const faults = FaultDraw.draw(plan)
  const endMicros = strategy === "offline" ? Math.max(safetyMicros, ...faults.map(endOf)) : safetyMicros
  return {
    format: 1,
    simulation: definition.name,
    seed: Seed.toText(seed),
    strategy,
    nodes,
    network: { ...networkOf(plan), ...definition.network },
    link: { ...linkOf(plan), ...definition.link },
    disk: { ...diskOf(plan), ...definition.disk },
    knobs,
    faults,
    workload: workloadOf(plan, endMicros),
    phases: phasesOf(plan, endMicros)
  }
}

const micros = (duration: Duration.Input): number => Math.round(Duration.toMillis(duration) * 1000)

const endOf = (fault: Fault): number =>
  "atMicros" in fault ? fault.atMicros + ("durationMicros" in fault ? fault.durationMicros ?? 0 : 0) + 1_000_000 : 0

const strategyOf = (draws: Seed.Draws, named: string | undefined): Strategy => {
  if (named !== undefined) {
    const known = strategies.find((strategy) => strategy === named)
    if (known === undefined) throw new RangeError(`no strategy is called ${named}: ${strategies.join(", ")}`)
    return known
  }
  let left = draws.int(100)
  for (const [share, strategy] of portfolio) {
    left -= share
    if (left < 0) return strategy
  }
  return "swarm"
}

const nodesOf = (definition: Definition, strategy: Strategy, draws: Plan["draws"]): ReadonlyArray<NodePlan> => {
  const policy = policyOf(draws("policy"), strategy)
  const preemption = preemptionOf(draws("preemption"), strategy)
  return Object.entries(definition.nodes).flatMap(([kind, { count: [low, high] }]) =>
    Array.from({ length: draws(`count/${kind}`).between(low, high) }, (_, k) => {
      const name = high === 1 ? kind : `${kind}-${k + 1}`
      return { name, kind, policy, preemption, clock: clockOf(draws(`clock/${name}`), strategy) }
    })
  )
}

const isRough = (strategy: Strategy): boolean => strategy === "swarm" || strategy === "storm"

const policyOf = (draws: Seed.Draws, strategy: Strategy): Scheduler.Policy => {
  const pct = {
    kind: "pct",
    depth: draws.between(2, 4),
    operations: Math.round(draws.logUniform(500, 50_000))
  } as const
  const usual = draws.pick<Scheduler.Policy>([{ kind: "fifo" }, { kind: "random" }])
  if (strategy === "pct") return pct
  return isRough(strategy) ? usual : { kind: "fifo" }
}

const preemptionOf = (draws: Seed.Draws, strategy: Strategy): NodePlan["preemption"] => {
  const on = draws.chance(0.5)
  const p = draws.logUniform(0.001, 0.1)
  const high = Math.round(draws.logUniform(100, 500_000))
  if (strategy === "pct") return { p: 0, delayMicros: { low: 1, high } }
  if (!on || !isRough(strategy)) return { p: 0, delayMicros: { low: 0, high: 0 } }
  return { p, delayMicros: { low: 1, high } }
}

const clockOf = (draws: Seed.Draws, strategy: Strategy): NodePlan["clock"] => {
  const on = draws.chance(0.5)
  const sign = draws.chance(0.5) ? 1 : -1
  const skewMicros = sign * Math.round(draws.logUniform(1_000, 600_000_000))
  const driftPpm = draws.between(-500, 500)
  return on && isRough(strategy) ? { skewMicros, driftPpm } : { skewMicros: 0, driftPpm: 0 }
}

const networkOf = ({ draws, strategy }: Plan): Partial<NetworkLaw> => {
  const from = draws("network")
  const silence = from.chance(0.25)
  const giveUpMicros = Math.round(from.logUniform(5_000_000, 60_000_000))
  const connectTimeoutMicros = Math.round(from.logUniform(1_000_000, 10_000_000))
  if (!isRough(strategy)) return {}
  return { absent: silence ? "silence" : "refuse", giveUpMicros, connectTimeoutMicros }
}

const linkOf = ({ draws, strategy }: Plan): Partial<LinkLaw> => {
  const from = draws("link")
  const meanMicros = Math.round(from.logUniform(500, 100_000))
  const latency = { kind: "exponential", minimumMicros: Math.ceil(meanMicros / 5), meanMicros } as const
  if (!isRough(strategy)) return { latency }
  const law: { -readonly [key in keyof LinkLaw]?: LinkLaw[key] } = { latency }
  for (const knob of ["loss", "duplication", "reorder"] as const) {
    const own = draws(`link/${knob}`)
    const on = own.chance(strategy === "storm" ? 0.9 : 0.5)
    const p = own.logUniform(0.001, 0.3)
    if (on) law[knob] = p
  }
  return law
}

const diskOf = ({ draws, strategy }: Plan): Scenario["disk"] => {
  const from = draws("disk")
  const on = from.chance(0.7)
  const meanMicros = Math.round(from.logUniform(200, 30_000))
  const append = from.chance(0.5)
  const latency = { kind: "exponential", minimumMicros: Math.ceil(meanMicros / 4), meanMicros } as const
  if (!on || strategy === "calm") return {}
  return { latency: append ? { sync: latency, append: latency } : { sync: latency } }
}

const workloadOf = (plan: Plan, endMicros: number): ReadonlyArray<Command> => {
  const { definition, draws, nodes } = plan
  const { commandsMax = 200, perSecond: [low, high] = [0.5, 5] } = definition.workload ?? {}
  const asked = nodes.filter(({ kind }) => Object.keys(definition.nodes[kind]?.commands ?? {}).length > 0)
  if (asked.length === 0) return []
  const rate = draws("workload").logUniform(low, high)
  const count = Math.min(commandsMax, Math.max(1, Math.round(rate * plan.safetyMicros / 1_000_000)))
  const times = Array.from({ length: count }, (_, k) => draws("workload/time", k).int(endMicros)).sort((a, b) => a - b)
  const commands: Array<Command> = []
  times.forEach((atMicros, k) => {
    const from = draws("workload/command", k)
    const node = from.pick(asked)
    const kinds = definition.nodes[node.kind]?.commands ?? {}
    const name = pickWeighted(from, kinds)
    const situation: Workload.Situation = {
      node: node.name,
      k,
      canary: Canary.draw(draws("canary", k)),
      nodes: (kind) => nodes.filter((other) => other.kind === kind).map((other) => other.name),
      earlier: commands,
      knobs: plan.knobs
    }
    const input = kinds[name]?.draw(draws("workload/input", k), situation) ?? null
    commands.push({ atMicros, node: node.name, name, input })
  })
  return commands
}

const pickWeighted = (draws: Seed.Draws, kinds: { readonly [name: string]: { readonly weight: number } }): string => {
  const names = Object.keys(kinds)
  let total = 0
  for (const name of names) total += kinds[name]?.weight ?? 0
  let left = draws.unit() * total
  for (const name of names) {
    left -= kinds[name]?.weight ?? 0
    if (left < 0) return name
  }
  return draws.pick(names)
}

const phasesOf = (plan: Plan, endMicros: number): Phases => {
  const { definition, draws, nodes, strategy } = plan
  const from = draws("phases")
  const onlyCore = from.chance(0.25)
  const coldRestart = from.chance(0.3)
  const core = nodes.filter(({ kind }, at) => isNeeded(nodes, kind, at) || from.chance(0.6)).map(({ name }) => name)
  return {
    safetyMicros: endMicros,
    livenessMicros: micros(definition.phases?.liveness ?? "60 seconds"),
    heal: onlyCore && isRough(strategy) && core.length < nodes.length ? core : "all",
    coldRestart
  }
}

/** One of each kind stays alive: the first. */
const isNeeded = (nodes: ReadonlyArray<NodePlan>, kind: string, at: number): boolean =>
  nodes.findIndex((other) => other.kind === kind) === at
