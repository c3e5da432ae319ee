/** A test to paste: the scenario as it is, and what has to hold once the program is mended. */
import type { Scenario } from "../Scenario.ts"
import { pretty } from "../ScenarioText.ts"

export const regressionTest = (scenario: Scenario, invariant: string): string => {
  const indented = pretty(scenario).split("\n").join("\n  ")
  return [
    `import type { Scenario } from "@sotto/simulation/Scenario"`,
    `import { assert, it } from "vitest"`,
    `import { simulations } from "./simulation.config.ts"`,
    ``,
    `it(${JSON.stringify(`${scenario.simulation}: ${invariant} holds (${scenario.seed})`)}, () => {`,
    `  const scenario: Scenario = ${indented}`,
    `  const simulation = simulations.find(({ name }) => name === scenario.simulation)`,
    `  assert.deepStrictEqual(simulation?.run(scenario).violations, [])`,
    `})`,
    ``
  ].join("\n")
}
