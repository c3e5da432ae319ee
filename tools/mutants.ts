/**
 * Writes the table of `docs/internals/mutants.md`: what found which planted bug, and in how many seeds.
 *
 * `node --conditions=@sotto/source tools/mutants.ts [--seeds N] [--jobs J]` runs them all, which takes minutes, and keeps
 * each result in `.tmp/report/mutants.jsonl`. With `--kept` it takes those results instead of running anything.
 */
import type { MutantResult } from "@sotto/simulation/mutant/Runner"
import * as Runner from "@sotto/simulation/mutant/Runner"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"

const PAGE = "docs/internals/mutants.md"
const BEGIN = "<!-- table -->"
const END = "<!-- end of table -->"
const KEPT = ".tmp/report/mutants.jsonl"

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

const { values: { jobs, kept, seeds } } = parseArgs({
  options: { seeds: { type: "string" }, jobs: { type: "string" }, kept: { type: "boolean" } }
})

const runAll = async (): Promise<void> => {
  fs.mkdirSync(path.dirname(KEPT), { recursive: true })
  fs.writeFileSync(KEPT, "")
  const options = {
    config: "simulation.config.ts",
    mutants: "scenarios/mutants",
    ...(seeds === undefined ? {} : { seedsMax: Number(seeds) }),
    ...(jobs === undefined ? {} : { jobs: Number(jobs) })
  }
  for await (const result of Runner.run(options)) {
    fs.appendFileSync(KEPT, `${JSON.stringify(result)}\n`)
    process.stderr.write(`${row(result)}\n`)
  }
}

if (kept !== true) await runAll()
const results = fs.readFileSync(KEPT, "utf8").split("\n").filter((line) => line !== "")
  .map((line): MutantResult => JSON.parse(line))
const sorted = results.toSorted((a, b) => a.class < b.class ? -1 : a.class > b.class ? 1 : a.name < b.name ? -1 : 1)
const page = fs.readFileSync(PAGE, "utf8")
const [before = "", rest = ""] = page.split(BEGIN)
const [, after = ""] = rest.split(END)
fs.writeFileSync(PAGE, `${before}${BEGIN}\n\n${table(sorted)}\n\n${END}${after}`)
