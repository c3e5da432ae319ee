/**
 * Looks for the first seed whose run breaks an invariant, or throws. Works in the process that it is called in.
 */
import * as Seed from "../Seed.ts"
import type { Simulation } from "../Simulation.ts"

/** Where to look: `count` seeds from `first` on, of one simulation or of each. */
export interface Wanted {
  readonly simulation?: string
  readonly strategy?: string
  /** A seed's text. */
  readonly first: string
  readonly count: number
}

/** A run that broke an invariant. */
export interface Found {
  readonly simulation: string
  readonly strategy: string
  readonly seed: string
  /** How many seeds it took, this one included. */
  readonly seeds: number
  /** The invariant. */
  readonly by: string
  readonly message: string
}

/** The simulations that are meant; throws when there is none of that name. */
const select = (simulations: ReadonlyArray<Simulation>, name: string | undefined): ReadonlyArray<Simulation> => {
  const selected = name === undefined ? simulations : simulations.filter((simulation) => simulation.name === name)
  if (selected.length === 0) throw new Error(`the config has no simulation${name === undefined ? "" : ` ${name}`}`)
  return selected
}

/** `pause` is called between seeds: to tell how far it is, and to let messages go out. */
export const search = async (
  simulations: ReadonlyArray<Simulation>,
  { count, first, simulation: name, strategy }: Wanted,
  pause: (seeds: number) => Promise<void>
): Promise<Found | undefined> => {
  const from = Seed.fromText(first)
  if (from === undefined) throw new Error(`not a seed: ${first}`)
  const selected = select(simulations, name)
  for (let seeds = 1; seeds <= count; seeds++) {
    const seed = from + BigInt(seeds - 1)
    for (const simulation of selected) {
      const broken = run(simulation, seed, strategy)
      if (broken !== undefined) return { simulation: simulation.name, seed: Seed.toText(seed), seeds, ...broken }
    }
    await pause(seeds)
  }
  return undefined
}

/** What a run that throws instead of reporting is listed under. */
const THROWN = "run-reports"

const run = (
  simulation: Simulation,
  seed: Seed.Seed,
  strategy: string | undefined
): Pick<Found, "strategy" | "by" | "message"> | undefined => {
  try {
    const { scenario, violations: [violation] } = simulation.run(simulation.expand(seed, strategy))
    if (violation === undefined) return undefined
    return { strategy: scenario.strategy, by: violation.invariant, message: violation.message }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { strategy: strategy ?? "", by: THROWN, message: `${simulation.name} threw: ${message}` }
  }
}
