/** Simulations of a few lines, run once with given faults and commands. */
import type { Fault } from "../../src/Fault.ts"
import type { Invariant } from "../../src/Invariant.ts"
import type * as Node from "../../src/Node.ts"
import type { Report } from "../../src/Report.ts"
import type { Command, Scenario } from "../../src/Scenario.ts"
import * as Simulation from "../../src/Simulation.ts"

export interface Options extends Partial<Omit<Simulation.Definition, "nodes" | "invariants">> {
  readonly nodes: { readonly [kind: string]: Node.Kind }
  readonly invariants?: ReadonlyArray<Invariant>
  readonly commands?: ReadonlyArray<Command>
  readonly scheduled?: ReadonlyArray<Fault>
  readonly seed?: bigint
  readonly edit?: (scenario: Scenario) => Scenario
  readonly run?: Simulation.RunOptions
}

/** Five quiet seconds, and what was asked for. */
export const tiny = (options: Options): Report => {
  const { commands = [], edit = (scenario) => scenario, invariants = [], run, scheduled = [], seed = 1n, ...rest } =
    options
  const simulation = Simulation.make({
    name: "tiny",
    phases: { safety: "5 seconds", liveness: "10 seconds" },
    ...rest,
    invariants
  })
  const calm = simulation.expand(seed, "calm")
  const phases = { ...calm.phases, heal: "all", coldRestart: false } as const
  return simulation.run(edit({ ...calm, faults: scheduled, workload: commands, phases }), {
    trace: true,
    states: true,
    ...run
  })
}

/** The names of the invariants that did not hold. */
export const broken = (report: Report) => [...new Set(report.violations.map(({ invariant }) => invariant))]
