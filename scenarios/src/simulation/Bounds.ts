/**
 * What Sotto does not promise, taken out of scenarios before they run, and the space that they begin with.
 *
 * 1. Relays are never dead for ever: what a dead device left at a dead relay only, nobody brings to the others.
 * 2. Clocks differ by less than `Limit.clockAheadMillisMax`: an entry that is further ahead of a device waits there until
 *    its clock has come so far. And two devices that saw different heads of a relay have nothing but that relay's clock
 *    to tell which came first (`Evidence.witness`).
 */
import { Limit } from "@sotto/schema/Limit"
import type { Fault } from "@sotto/simulation/Fault"
import type { NodePlan, Scenario } from "@sotto/simulation/Scenario"
import type { Simulation } from "@sotto/simulation/Simulation"
import * as Prepared from "../Prepared.ts"

const AHEAD_MICROS_MAX = Limit.clockAheadMillisMax * 1000
const SKEW_MICROS_MAX = AHEAD_MICROS_MAX / 6
/** Of all jumps of one node together. */
const JUMPS_MICROS_MAX = AHEAD_MICROS_MAX / 6

const clamp = (value: number, most: number): number => Math.max(-most, Math.min(most, value))

const withClock = (plan: NodePlan): NodePlan => ({
  ...plan,
  clock: { ...plan.clock, skewMicros: clamp(plan.clock.skewMicros, SKEW_MICROS_MAX) }
})

const bound = (scenario: Scenario): Scenario => {
  const jumps = (node: string) => scenario.faults.filter((fault) => fault.kind === "jump" && fault.node === node).length
  const faults = scenario.faults.map((fault): Fault =>
    fault.kind === "jump"
      ? { ...fault, micros: clamp(fault.micros, Math.floor(JUMPS_MICROS_MAX / jumps(fault.node))) }
      : fault
  )
  const relays = scenario.nodes.flatMap(({ kind, name }) => kind === "relay" ? [name] : [])
  const { heal } = scenario.phases
  const healed = heal === "all" ? heal : [...new Set([...relays, ...heal])]
  return {
    ...scenario,
    nodes: scenario.nodes.map(withClock),
    faults,
    phases: { ...scenario.phases, heal: healed }
  }
}

/** A simulation whose seeds stay within that, over a prepared space. */
export const within = (simulation: Simulation): Simulation => ({
  ...simulation,
  expand: (seed, strategy) => bound(simulation.expand(seed, strategy)),
  run: (scenario, options) => {
    Prepared.forScenario(scenario)
    return simulation.run(scenario, options)
  }
})
