/** A scenario that is over sooner: durations and times are halved as often as that goes, then rounded. */
import type { Command, Scenario } from "../Scenario.ts"
import { type Change, changes } from "./Pass.ts"

type Fault = Scenario["faults"][number]

/** Shorter than this, nothing is halved: it would not be easier to read. */
const SHORT_MICROS = 1_000
const ROUND_MICROS: ReadonlyArray<number> = [1_000_000, 100_000, 10_000, 1_000]

const half = (micros: number): number => micros <= SHORT_MICROS ? micros : Math.floor(micros / 2)

/** The fields of a fault, of any kind, that are times; the time at which it happens comes last. */
const timesOf = (fault: Fault): ReadonlyArray<string> =>
  Object.entries(fault).filter(([name, value]) => name.endsWith("Micros") && typeof value === "number")
    .map(([name]) => name)
    .sort((a, b) => Number(a === "atMicros") - Number(b === "atMicros"))

const timeOf = (item: Fault | Command, field: string): number => {
  const [, micros] = Object.entries(item).find(([name]) => name === field) ?? []
  return typeof micros === "number" ? micros : 0
}

const replace = <A>(items: ReadonlyArray<A>, at: number, item: A): ReadonlyArray<A> =>
  items.map((other, i) => i === at ? item : other)

const faultTime = (at: number, field: string, shorten: (micros: number) => number): Change => (scenario) => {
  const fault = scenario.faults[at]
  if (fault === undefined) return undefined
  const before = timeOf(fault, field)
  const after = shorten(before)
  if (after === before) return undefined
  return { ...scenario, faults: replace(scenario.faults, at, { ...fault, [field]: after }) }
}

const commandTime = (at: number, shorten: (micros: number) => number): Change => (scenario) => {
  const command = scenario.workload[at]
  if (command === undefined) return undefined
  const atMicros = shorten(command.atMicros)
  if (atMicros === command.atMicros) return undefined
  return { ...scenario, workload: replace(scenario.workload, at, { ...command, atMicros }) }
}

/** As late as anything in the scenario is planned to happen or to end. */
const endMicros = (scenario: Scenario): number =>
  Math.max(
    0,
    ...scenario.workload.map((command) => command.atMicros),
    ...scenario.faults.map((fault) => timesOf(fault).reduce((sum, field) => sum + Math.max(0, timeOf(fault, field)), 0))
  )

const safety = (shorten: (scenario: Scenario) => number): Change => (scenario) => {
  const safetyMicros = shorten(scenario)
  if (safetyMicros >= scenario.phases.safetyMicros) return undefined
  return { ...scenario, phases: { ...scenario.phases, safetyMicros } }
}

/** Everything twice as early and half as long. What the world needs to come to rest stays as it is. */
const allHalved: Change = (scenario) => {
  const faults = scenario.faults.map((fault) =>
    timesOf(fault).reduce<Fault>((shorter, field) => ({ ...shorter, [field]: half(timeOf(shorter, field)) }), fault)
  )
  const workload = scenario.workload.map((command) => ({ ...command, atMicros: half(command.atMicros) }))
  const safetyMicros = half(scenario.phases.safetyMicros)
  const next = { ...scenario, faults, workload, phases: { ...scenario.phases, safetyMicros } }
  return JSON.stringify(next) === JSON.stringify(scenario) ? undefined : next
}

const floorTo = (micros: number) => (time: number): number => time - time % micros

/** `liveness` is never shortened: a world that has no time to come to rest breaks what was never the matter. */
export const times = changes("times", (scenario) => {
  const each = (shorten: (micros: number) => number): ReadonlyArray<Change> => [
    ...scenario.faults.flatMap((fault, at) => timesOf(fault).map((field) => faultTime(at, field, shorten))),
    ...scenario.workload.map((_, at) => commandTime(at, shorten))
  ]
  return [
    safety((current) => endMicros(current) + SHORT_MICROS),
    allHalved,
    safety((current) => half(current.phases.safetyMicros)),
    ...each(half),
    ...ROUND_MICROS.flatMap((micros) => each(floorTo(micros)))
  ]
})
