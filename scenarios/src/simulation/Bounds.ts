/**
 * What Sotto does not promise, taken out of scenarios before they run, and the space that they begin with.
 *
 * 1. Relays are never dead for ever: what a dead device left at a dead relay only, nobody brings to the others.
 * 2. A relay's clock jumps by less than `Limit.clockAheadMillisMax` in all: two devices that saw different heads have
 *    nothing but that clock to tell which came first (`Evidence.witness`).
 */
import { Limit } from "@sotto/schema/Limit"
import type { Fault } from "@sotto/simulation/Fault"
import type { Scenario } from "@sotto/simulation/Scenario"
import type { Simulation } from "@sotto/simulation/Simulation"
import * as Prepared from "../Prepared.ts"

const JUMPS_MICROS_MAX = Limit.clockAheadMillisMax * 1000 / 2

const namesOf = (scenario: Scenario, kind: string): ReadonlyArray<string> =>
  scenario.nodes.filter((node) => node.kind === kind).map(({ name }) => name)

const bound = (scenario: Scenario): Scenario => {
  const relays = namesOf(scenario, "relay")
  const jumps = scenario.faults.filter((fault) => fault.kind === "jump" && relays.includes(fault.node)).length
  const most = Math.floor(JUMPS_MICROS_MAX / Math.max(1, jumps))
  const faults = scenario.faults.map((fault): Fault =>
    fault.kind === "jump" && relays.includes(fault.node)
      ? { ...fault, micros: Math.max(-most, Math.min(most, fault.micros)) }
      : fault
  )
  const { heal } = scenario.phases
  const healed = heal === "all" ? heal : [...new Set([...relays, ...heal])]
  return { ...scenario, faults, phases: { ...scenario.phases, heal: healed } }
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
