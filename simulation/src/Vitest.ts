/**
 * Simulations as tests: `it.sim("converges", simulation, { seeds: 200 })`.
 *
 * A test runs its seeds. The first that breaks an invariant is shrunk; the failure says what happened, in words, and what
 * to type to see it again. The scenario, and its picture, are left in a folder.
 */
import * as vitest from "vitest"
import { explore } from "./Explore.ts"
import type { Find } from "./output/Find.ts"
import type { Summary } from "./output/Summary.ts"
import type { Seed } from "./Seed.ts"
import type * as Shrink from "./Shrink.ts"
import type { Simulation } from "./Simulation.ts"

export interface Options {
  /** How many: 50. */
  readonly seeds?: number
  readonly first?: Seed
  /** Unless given, each seed picks its own. */
  readonly strategy?: string
  readonly shrink?: Shrink.Options | false
  /** Where failing scenarios go: `.tmp/simulation`. `false`: nowhere. */
  readonly folder?: string | false
  /** Milliseconds that the test may take: vitest's own limit. */
  readonly timeout?: number
}

const SEEDS = 50
/** As the command has it (`cli/Save.ts`). */
const FOLDER = ".tmp/simulation"

/** What a failing test says. */
const failureText = ({ excerpt, invariant, message, narrative, replay, seed, test }: Find, files: string): string =>
  [
    `${invariant}: ${message}`,
    ``,
    narrative,
    ``,
    ...excerpt.map((row) => `  ${row}`),
    ``,
    `Seed ${seed}. Again: ${replay}`,
    ...(files === "" ? [] : [files]),
    `As a test:`,
    ``,
    test
  ].join("\n")

const summaryOf = (simulation: Simulation, options: Options): Summary => {
  const { first, seeds = SEEDS, shrink, strategy } = options
  const events = explore(simulation, { first, seeds, shrink, strategy, findsMax: 1 })
  for (;;) {
    const next = events.next()
    if (next.done === true) return next.value
  }
}

/** What `it.sim` runs: rejects with the first failure, shrunk and told. */
export const assertHolds = async (simulation: Simulation, options: Options = {}): Promise<void> => {
  const { folder = FOLDER } = options
  const { error, finds } = summaryOf(simulation, options)
  if (error !== null) throw new Error(error)
  const [find] = finds
  if (find === undefined) return
  const files = folder === false ? [] : (await import("./cli/Save.ts")).save(folder, simulation, find)
  throw new Error(failureText(find, files.length === 0 ? "" : `Left in ${files.join(" and ")}`))
}

const sim = (name: string, simulation: Simulation, options: Options = {}): void =>
  vitest.it(name, () => assertHolds(simulation, options), options.timeout)

/** Vitest's `it`, with `it.sim`. */
export const it: vitest.TestAPI & { readonly sim: typeof sim } = Object.assign(vitest.it.extend({}), { sim })
