/** A scenario whose world is an ordinary one: laws without faults, first-in-first-out, clocks that are right. */
import type { NodePlan } from "../Scenario.ts"
import { type Change, changes } from "./Pass.ts"

const isPlain = (node: NodePlan, aspect: Aspect): boolean => {
  if (aspect === "policy") return node.policy.kind === "fifo"
  if (aspect === "preemption") return node.preemption.p === 0
  return node.clock.skewMicros === 0 && node.clock.driftPpm === 0
}

type Aspect = "policy" | "preemption" | "clock"
const ASPECTS: ReadonlyArray<Aspect> = ["policy", "preemption", "clock"]

const plain = (node: NodePlan, aspect: Aspect): NodePlan => {
  if (aspect === "policy") return { ...node, policy: { kind: "fifo" } }
  if (aspect === "preemption") return { ...node, preemption: { p: 0, delayMicros: { low: 0, high: 0 } } }
  return { ...node, clock: { skewMicros: 0, driftPpm: 0 } }
}

const nodesPlain = (aspects: ReadonlyArray<Aspect>, name?: string): Change => (scenario) => {
  const chosen = (node: NodePlan) => name === undefined || node.name === name
  const untouched = (node: NodePlan) => !chosen(node) || aspects.every((aspect) => isPlain(node, aspect))
  if (scenario.nodes.every(untouched)) return undefined
  return { ...scenario, nodes: scenario.nodes.map((node) => chosen(node) ? aspects.reduce(plain, node) : node) }
}

/** The scenario with nothing left to chance in any schedule, or undefined when that is so already. */
export const plainSchedules: Change = nodesPlain(["policy", "preemption"])

/** What is not named in a law is as it usually is: a smaller object is a plainer world. */
const LAWS = ["link", "network", "disk", "knobs"] as const
type Law = (typeof LAWS)[number]

const lawGone = (law: Law): Change => (scenario) =>
  Object.keys(scenario[law]).length === 0 ? undefined : { ...scenario, [law]: {} }

const fieldGone = (law: Law, field: string): Change => (scenario) => ({
  ...scenario,
  [law]: Object.fromEntries(Object.entries(scenario[law]).filter(([name]) => name !== field))
})

const healAll: Change = (scenario) =>
  scenario.phases.heal === "all" ? undefined : { ...scenario, phases: { ...scenario.phases, heal: "all" } }

const noColdRestart: Change = (scenario) =>
  scenario.phases.coldRestart ? { ...scenario, phases: { ...scenario.phases, coldRestart: false } } : undefined

const together = (...all: ReadonlyArray<Change>): Change => (scenario) => {
  const simpler = all.reduce((current, change) => change(current) ?? current, scenario)
  return simpler === scenario ? undefined : simpler
}

/** Everything at once, then law by law and aspect by aspect, then field by field and node by node. */
export const neutral = changes("neutral", (scenario) => [
  together(...LAWS.map(lawGone), nodesPlain(ASPECTS), healAll, noColdRestart),
  together(...LAWS.filter((law) => law !== "knobs").map(lawGone), nodesPlain(ASPECTS)),
  nodesPlain(ASPECTS),
  ...ASPECTS.map((aspect) => nodesPlain([aspect])),
  healAll,
  noColdRestart,
  ...LAWS.map(lawGone),
  ...ASPECTS.flatMap((aspect) => scenario.nodes.map(({ name }) => nodesPlain([aspect], name))),
  ...LAWS.flatMap((law) => Object.keys(scenario[law]).map((field) => fieldGone(law, field)))
])
