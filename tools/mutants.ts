/**
 * Runs every planted bug and writes the table of `docs/internals/mutants.md`: what found which, and in how many seeds.
 *
 * `node --conditions=@sotto/source tools/mutants.ts [--seeds N] [--jobs J]`. It takes minutes.
 */
import type { MutantResult } from "@sotto/simulation/mutant/Runner"
import * as Runner from "@sotto/simulation/mutant/Runner"
import * as fs from "node:fs"
import { parseArgs } from "node:util"

const PAGE = "docs/internals/mutants.md"
const BEGIN = "<!-- table -->"
const END = "<!-- end of table -->"

const median = (numbers: ReadonlyArray<number>): number => numbers.toSorted((a, b) => a - b)[numbers.length >>> 1] ?? 0

const seedsOf = (results: ReadonlyArray<MutantResult>): ReadonlyArray<number> =>
  results.flatMap(({ seeds }) => seeds ?? [])

const summary = (name: string, results: ReadonlyArray<MutantResult>): string => {
  const seeds = seedsOf(results)
  const found = results.filter((result) => result.found).length
  return `| ${name} | ${found} of ${results.length} | ${median(seeds)} | ${Math.max(0, ...seeds)} |`
}

const row = ({ by, class: kind, error, heldOut, name, seeds, simulation, strategy }: MutantResult): string => {
  const how = error ?? (by === undefined ? "**missed**" : `\`${by}\``)
  return `| ${name}${heldOut ? " *" : ""} | ${kind} | ${how} | ${simulation ?? ""} | ${strategy ?? ""} | ${
    seeds ?? ""
  } |`
}

const table = (results: ReadonlyArray<MutantResult>): string => {
  const byClass = Map.groupBy(results, (result) => result.class)
  const byInvariant = Map.groupBy(results.filter(({ found }) => found), ({ by = "" }) => by)
  return [
    "| class | found | seeds, median | most |",
    "|---|---|---|---|",
    ...[...byClass].map(([name, some]) => summary(name, some)),
    summary("held out", results.filter(({ heldOut }) => heldOut)),
    summary("**all**", results),
    "",
    "| invariant | mutants that it found first |",
    "|---|---|",
    ...[...byInvariant].sort(([, a], [, b]) => b.length - a.length).map(([name, some]) =>
      `| \`${name}\` | ${some.length} |`
    ),
    "",
    "| mutant | class | found by | simulation | strategy | seeds |",
    "|---|---|---|---|---|---|",
    ...results.map(row)
  ].join("\n")
}

const { values: { jobs, seeds } } = parseArgs({ options: { seeds: { type: "string" }, jobs: { type: "string" } } })
const results: Array<MutantResult> = []
for await (
  const result of Runner.run({
    config: "simulation.config.ts",
    mutants: "scenarios/mutants",
    ...(seeds === undefined ? {} : { seedsMax: Number(seeds) }),
    ...(jobs === undefined ? {} : { jobs: Number(jobs) })
  })
) {
  results.push(result)
  process.stderr.write(`${row(result)}\n`)
}
const sorted = results.toSorted((a, b) => a.class < b.class ? -1 : a.class > b.class ? 1 : a.name < b.name ? -1 : 1)
const page = fs.readFileSync(PAGE, "utf8")
const [before = "", rest = ""] = page.split(BEGIN)
const [, after = ""] = rest.split(END)
fs.writeFileSync(PAGE, `${before}${BEGIN}\n\n${table(sorted)}\n\n${END}${after}`)
