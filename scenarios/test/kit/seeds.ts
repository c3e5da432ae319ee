/** Runs a range of seeds of a simulation; the first that breaks an invariant fails, and says how to see it again. */
import type { Simulation } from "@sotto/simulation/Simulation"

export const runSeeds = (simulation: Simulation, first: number, count: number): void => {
  for (let seed = first; seed < first + count; seed++) {
    const { scenario, violations } = simulation.run(simulation.expand(BigInt(seed)))
    const [violation] = violations
    if (violation === undefined) continue
    throw new Error(
      `${simulation.name}, seed ${seed} (${scenario.strategy}): ${violation.invariant}: ${violation.message}\n` +
        `npm run sotto-sim -- replay ${scenario.seed} --simulation ${simulation.name} --view`
    )
  }
}
