/** A scenario without one of its nodes. Faults are opaque: what they name is found by its text, at any depth. */
import type { Scenario } from "../Scenario.ts"
import { list } from "./Pass.ts"

type Fault = Scenario["faults"][number]

/** Whether a name stands somewhere else than in a list. */
const stands = (value: unknown, name: string): boolean =>
  value === name || (typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).some((field) => stands(field, name)))

/** Whether a list became empty that was not. */
const emptied = (value: unknown, name: string): boolean =>
  Array.isArray(value)
    ? value.length > 0 && value.every((item) => item === name) || value.some((item) => emptied(item, name))
    : typeof value === "object" && value !== null && Object.values(value).some((field) => emptied(field, name))

/** The fault when a node is not there: without its name in lists, or no fault at all when it is about that node. */
const faultWithout = (fault: Fault, name: string): ReadonlyArray<Fault> => {
  if (stands(fault, name) || emptied(fault, name)) return []
  const plain: Fault = JSON.parse(
    JSON.stringify(fault),
    (_key, value: unknown) => Array.isArray(value) ? value.filter((item) => item !== name) : value
  )
  return [plain]
}

const without = (scenario: Scenario, name: string): Scenario => {
  const { heal } = scenario.phases
  const { tapes } = scenario
  return {
    ...scenario,
    nodes: scenario.nodes.filter((node) => node.name !== name),
    faults: scenario.faults.flatMap((fault) => faultWithout(fault, name)),
    workload: scenario.workload.filter((command) => command.node !== name),
    phases: { ...scenario.phases, heal: heal === "all" ? heal : heal.filter((node) => node !== name) },
    ...(tapes === undefined
      ? {}
      : { tapes: Object.fromEntries(Object.entries(tapes).filter(([life]) => life.split("#")[0] !== name)) })
  }
}

/** Drops nodes, with what they do and what is done to them alone. One is left. */
export const nodes = list("nodes", {
  get: (scenario) => scenario.nodes,
  set: (scenario, left) => {
    if (left.length === 0) return undefined
    const gone = scenario.nodes.filter((node) => !left.includes(node))
    return gone.reduce((smaller, { name }) => without(smaller, name), scenario)
  }
})
