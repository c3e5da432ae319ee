/** What a command is about: a seed, or a file with a scenario or an entry of a corpus. */
import * as fs from "node:fs"
import * as Corpus from "../Corpus.ts"
import type { Report } from "../Report.ts"
import * as Required from "../Required.ts"
import type { Scenario } from "../Scenario.ts"
import * as ScenarioText from "../ScenarioText.ts"
import * as Seed from "../Seed.ts"
import type { RunOptions, Simulation } from "../Simulation.ts"
import { chosen, type Config } from "./Config.ts"
import { HarnessFailed, why } from "./Exit.ts"

export interface Subject {
  readonly simulation: Simulation
  readonly scenario: Scenario
}

export const seedOf = (text: string): Seed.Seed => {
  const seed = Seed.fromText(text)
  if (seed !== undefined) return seed
  throw new HarnessFailed({ detail: `${text} is no seed: 13 symbols, a number, 0x…, or a commit of 40 digits` })
}

const scenarioOf = (file: string): Scenario => {
  const text = fs.readFileSync(file, "utf8")
  const scenario = ScenarioText.fromText(text)
  if (typeof scenario !== "string") return scenario
  const entry = Corpus.fromText(text)
  if (typeof entry !== "string") return entry.scenario
  throw new HarnessFailed({ detail: `${file} is no scenario: ${scenario}` })
}

export interface Choice {
  readonly simulation: string | undefined
  readonly strategy: string | undefined
}

/** Seeds have neither. */
const isPath = (text: string): boolean => /[./\\]/.test(text)

/** Of several simulations, a seed means the first one unless one is named. */
export const subjectOf = (config: Config, text: string, { simulation, strategy }: Choice): Subject => {
  const found = fs.statSync(text, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new HarnessFailed({ detail: `${text} is a folder: name a file in it` })
  if (found === undefined && isPath(text)) throw new HarnessFailed({ detail: `there is no file ${text}` })
  if (found !== undefined) {
    const scenario = scenarioOf(text)
    for (const found of chosen(config, scenario.simulation)) {
      const missing = Required.lacking(found.required ?? {}, scenario)
      if (missing !== undefined) throw new HarnessFailed({ detail: `${text}: ${missing}` })
      return { simulation: found, scenario }
    }
  }
  const seed = seedOf(text)
  for (const found of chosen(config, simulation)) return { simulation: found, scenario: expand(found, seed, strategy) }
  throw new HarnessFailed({ detail: "there is no simulation" })
}

/** Throws when the simulation has no such strategy. */
export const checkStrategy = ({ name, strategies }: Simulation, strategy: string | undefined): void => {
  if (strategy === undefined || strategies.includes(strategy)) return
  throw new HarnessFailed({ detail: `${name} has no strategy ${strategy}; there is ${strategies.join(", ")}` })
}

export const expand = (simulation: Simulation, seed: Seed.Seed, strategy: string | undefined): Scenario => {
  checkStrategy(simulation, strategy)
  return simulation.expand(seed, strategy)
}

/** Runs it; what throws is a failure of the harness. */
export const run = ({ scenario, simulation }: Subject, options?: RunOptions): Report => {
  try {
    return simulation.run(scenario, options)
  } catch (error) {
    throw new HarnessFailed({ detail: `${simulation.name} threw at ${scenario.seed}: ${why(error)}` })
  }
}
