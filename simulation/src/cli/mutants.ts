/** `sotto-sim mutants`: whether bugs that were planted on purpose are found. */
import * as Command from "effect/cli/Command"
import * as fs from "node:fs"
import * as path from "node:path"
import { fromText } from "../mutant/Known.ts"
import { type Known, type MutantResult, run, type RunOptions } from "../mutant/Runner.ts"
import { toMarkdown } from "../output/MutantTable.ts"
import * as Words from "../output/Words.ts"
import type { Config } from "./Config.ts"
import { CODE, HarnessFailed } from "./Exit.ts"
import * as Flags from "./Flags.ts"
import type { Screen } from "./Screen.ts"
import { seedOf } from "./Subject.ts"
import { work } from "./Work.ts"

interface Input {
  readonly from: string | undefined
  readonly only: string | undefined
  readonly seeds: number | undefined
  readonly first: string | undefined
  readonly jobs: number | undefined
  readonly known: string | undefined
  readonly markdown: string | undefined
}

const line = ({ by, cpuMillis, error, falseAlarms, found, name, seed, seeds }: MutantResult): string => {
  if (error !== undefined) return `error   ${name}: ${error}`
  const alarms = falseAlarms.length === 0
    ? ""
    : `, ${Words.count(falseAlarms.length, "seed")} of the unmutated code failed as well`
  const cpu = `${(cpuMillis / 1000).toFixed(1)} s`
  return found
    ? `found   ${name}: by ${by ?? "?"} in ${Words.count(seeds ?? 0, "seed")} (${seed ?? "?"}), ${cpu}${alarms}`
    : `missed  ${name}: ${cpu}${alarms}`
}

export const mutants = Command.make("mutants", {
  from: Flags.named("from", "Another folder of mutants (JSON files), beside the config's"),
  only: Flags.named("only", "Names or classes, separated by commas"),
  seeds: Flags.counted("seeds", "Seeds that a mutant may survive before it counts as missed; 2000 unless given"),
  first: Flags.first,
  jobs: Flags.counted("jobs", "Processes at a time; as many as there are processors unless given"),
  known: Flags.named(
    "known",
    "What an earlier run said with --json: the seeds that found mutants then are tried first"
  ),
  markdown: Flags.named("markdown", "Write the result as tables (Markdown) to this file")
}, (input) =>
  work(async ({ config, screen }) => {
    const results: Array<MutantResult> = []
    for await (const result of run(optionsOf(config, input))) {
      results.push(result)
      screen.say(line(result))
      screen.data({ type: "mutant", ...result })
    }
    if (input.markdown !== undefined) {
      fs.mkdirSync(path.dirname(path.resolve(input.markdown)), { recursive: true })
      fs.writeFileSync(input.markdown, `${toMarkdown(results)}\n`)
    }
    return conclude(results, screen)
  })).pipe(Command.withDescription("Plant bugs one by one, and see in how many seeds each is found"))

const knownIn = (file: string): ReadonlyMap<string, Known> => {
  if (!fs.existsSync(file)) throw new HarnessFailed({ detail: `there is no ${file}` })
  const known = fromText(fs.readFileSync(file, "utf8"))
  if (typeof known === "string") throw new HarnessFailed({ detail: `${file}: ${known}` })
  return known
}

const optionsOf = (config: Config, { first, from, jobs, known, only, seeds }: Input): RunOptions => {
  const own = config.mutants !== undefined && fs.existsSync(config.mutants) ? config.mutants : undefined
  if (own === undefined && from === undefined) {
    throw new HarnessFailed({ detail: `${config.file} names no folder of \`mutants\`, and there is no --from` })
  }
  return {
    config: config.file,
    directory: path.dirname(config.file),
    ...(own === undefined ? {} : { mutants: own }),
    ...(from === undefined ? {} : { from: path.resolve(from) }),
    ...(only === undefined ? {} : { only: only.split(",").map((name) => name.trim()) }),
    ...(seeds === undefined ? {} : { seedsMax: seeds }),
    ...(first === undefined ? {} : { first: seedOf(first) }),
    ...(jobs === undefined ? {} : { jobs }),
    ...(known === undefined ? {} : { known: knownIn(known) })
  }
}

const conclude = (unsorted: ReadonlyArray<MutantResult>, screen: Screen): number => {
  const results = unsorted.toSorted((a, b) => a.name < b.name ? -1 : 1)
  const errors = results.filter(({ error }) => error !== undefined)
  const found = results.filter((result) => result.found)
  const missed = results.filter((result) => !result.found && result.error === undefined)
  screen.say(
    `${found.length} of ${results.length} found, ${missed.length} missed, ${Words.count(errors.length, "error")}`
  )
  screen.data({ type: "mutants", found, missed, errors })
  if (errors.length > 0 || results.length === 0) return CODE.harness
  return missed.length === 0 ? CODE.ok : CODE.violation
}
