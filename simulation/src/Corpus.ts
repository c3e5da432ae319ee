/**
 * Failures that are kept: scenarios, each with what is expected of its run from now on. They are run first and for ever.
 *
 * A scenario outlives the code that it was found in. When its run throws, that is told as such: a corpus that can no
 * longer be run holds nothing.
 */
import type { Scenario } from "./Scenario.ts"
import { isScenario, pretty } from "./ScenarioText.ts"
import { violationOf } from "./Shrink.ts"
import type { Simulation } from "./Simulation.ts"

/** `passes` once it is mended; until then, the invariant that it breaks. */
export type Expectation = "passes" | { readonly invariant: string }

export interface Entry {
  readonly format: 1
  readonly expect: Expectation
  /** What was found, in words. */
  readonly note: string
  readonly scenario: Scenario
}

export const toText = (entry: Entry): string => `${pretty(entry)}\n`

const isExpectation = (value: unknown): value is Expectation =>
  value === "passes" ||
  (typeof value === "object" && value !== null && "invariant" in value && typeof value.invariant === "string")

const entryOf = (value: unknown): Entry | string => {
  if (typeof value !== "object" || value === null || !("scenario" in value)) return "there is no scenario in it"
  const { scenario } = value
  if (!isScenario(scenario)) return "its scenario is not as it should be"
  const expect = "expect" in value ? value.expect : undefined
  if (!isExpectation(expect)) return `it expects neither "passes" nor an invariant`
  return { format: 1, expect, note: "note" in value && typeof value.note === "string" ? value.note : "", scenario }
}

/** The entry that a file holds, or what is wrong with it. */
export const fromText = (text: string): Entry | string => {
  try {
    return entryOf(JSON.parse(text))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What a run of an entry came to. */
export interface Verdict {
  readonly result: "as-expected" | "broken" | "mended" | "error"
  /** The invariants that it broke. */
  readonly invariants: ReadonlyArray<string>
  readonly detail: string
}

/** Runs an entry. `mended`: it was expected to fail, and passes now; its expectation should say so. */
export const verify = (entry: Entry, simulations: ReadonlyArray<Simulation>): Verdict => {
  const { expect, scenario } = entry
  const simulation = simulations.find(({ name }) => name === scenario.simulation)
  if (simulation === undefined) {
    return { result: "error", invariants: [], detail: `there is no simulation ${scenario.simulation}` }
  }
  try {
    const report = simulation.run(scenario)
    const invariants = report.violations.map(({ invariant }) => invariant)
    const [first] = report.violations
    if (expect === "passes") {
      return first === undefined
        ? { result: "as-expected", invariants, detail: "passes" }
        : { result: "broken", invariants, detail: `${first.invariant}: ${first.message}` }
    }
    const violation = violationOf(report, expect.invariant)
    if (violation !== undefined) {
      return { result: "as-expected", invariants, detail: `breaks ${expect.invariant}: ${violation.message}` }
    }
    return first === undefined
      ? { result: "mended", invariants, detail: `no longer breaks ${expect.invariant}` }
      : { result: "broken", invariants, detail: `${first.invariant} instead of ${expect.invariant}: ${first.message}` }
  } catch (error) {
    return { result: "error", invariants: [], detail: error instanceof Error ? error.message : String(error) }
  }
}
