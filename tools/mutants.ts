/**
 * Writes the table of `docs/internals/mutants.md`: what found which planted bug, and in how many seeds.
 *
 * `node --conditions=@sotto/source tools/mutants.ts [--seeds N] [--jobs J]` runs them all, and keeps each result in
 * `.tmp/report/mutants.jsonl`. The seed that the table names is tried first, so that only what changed takes long; with
 * `--anew` all seeds are, from the first on. With `--kept` it takes those results instead of running anything.
 */
import type { Known, MutantResult } from "@sotto/simulation/mutant/Runner"
import * as Runner from "@sotto/simulation/mutant/Runner"
import { toMarkdown } from "@sotto/simulation/output/MutantTable"
import * as Seed from "@sotto/simulation/Seed"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"

const PAGE = "docs/internals/mutants.md"
const BEGIN = "<!-- table -->"
const END = "<!-- end of table -->"
const KEPT = ".tmp/report/mutants.jsonl"
/** With one of them, a space never comes to be: to find that takes most of a minute, and longer beside other work. */
const SILENT_MILLIS = 600_000
/** Name, simulation, and the number of seeds, which is the number of the seed. */
const ROW = /^\| ([\w-]+)(?: \*)? \| \w+ \| `[^`|]+` \| (\w+) \| \w* \| (\d+) \|$/gm

const { values: { anew, jobs, kept, seeds } } = parseArgs({
  options: {
    seeds: { type: "string" },
    jobs: { type: "string" },
    kept: { type: "boolean" },
    anew: { type: "boolean" }
  }
})

const page = fs.readFileSync(PAGE, "utf8")

/** What the table says. */
const known = new Map(
  [...page.matchAll(ROW)].map(([, name = "", simulation = "", count = ""]): readonly [string, Known] => [
    name,
    { simulation, seed: Seed.toText(BigInt(count)), seeds: Number(count) }
  ])
)

const runAll = async (): Promise<void> => {
  fs.mkdirSync(path.dirname(KEPT), { recursive: true })
  fs.writeFileSync(KEPT, "")
  const options = {
    config: "simulation.config.ts",
    mutants: "scenarios/mutants",
    silentMillis: SILENT_MILLIS,
    ...(anew === true ? {} : { known }),
    ...(seeds === undefined ? {} : { seedsMax: Number(seeds) }),
    ...(jobs === undefined ? {} : { jobs: Number(jobs) })
  }
  for await (const result of Runner.run(options)) {
    fs.appendFileSync(KEPT, `${JSON.stringify(result)}\n`)
    const { by, error, name, seeds: count } = result
    process.stderr.write(`${name}: ${error ?? (by === undefined ? "missed" : `${by} in ${count ?? 0}`)}\n`)
  }
}

if (kept !== true) await runAll()
const results = fs.readFileSync(KEPT, "utf8").split("\n").filter((line) => line !== "")
  .map((line): MutantResult => JSON.parse(line))
const [before = "", rest = ""] = page.split(BEGIN)
const [, after = ""] = rest.split(END)
fs.writeFileSync(PAGE, `${before}${BEGIN}\n\n${toMarkdown(results)}\n\n${END}${after}`)
