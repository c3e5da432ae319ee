/** The planted bugs of Sotto: each applies to the code as it is, and what it makes still parses. */
import * as Mutant from "@sotto/simulation/mutant/Mutant"
import * as Runner from "@sotto/simulation/mutant/Runner"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { assert, describe, it } from "vitest"

const entries = Mutant.readFolder("scenarios/mutants")
const mutants = entries.flatMap((entry) => "mutant" in entry ? [entry.mutant] : [])

/** Ways to be wrong. Of each there are two mutants at least. */
const CLASSES = [
  "byzantine",
  "causality",
  "concurrency",
  "crypto",
  "cursors",
  "durability",
  "idempotence",
  "liveness",
  "order",
  "protocol",
  "relay"
]

/** A mutant in the table: name (an asterisk: held out), class, what found it, and how many seeds it took. */
const ROW = /^\| ([\w-]+)(?: \*)? \| (\w+) \| `([^`|]+)` \| \w+ \| \w* \| (\d+) \|$/gm
/** What is run here is found by the first seeds. */
const QUICK_SEEDS = 3

describe("scenarios/mutants", () => {
  it("are mutants, enough of them, of every class, a third of them held out", () => {
    assert.deepStrictEqual(entries.filter((entry) => "error" in entry), [])
    assert.isAtLeast(mutants.length, 44)
    assert.deepStrictEqual([...new Set(mutants.map((mutant) => mutant.class))].sort(), CLASSES)
    for (const name of CLASSES) assert.isAtLeast(mutants.filter((mutant) => mutant.class === name).length, 2, name)
    assert.isAtLeast(mutants.filter(({ heldOut }) => heldOut).length, mutants.length / 4)
  })

  it.each(mutants)("$name applies, and parses", (mutant) => {
    assert.match(mutant.file, /^packages\/(core|schema)\/src\//)
    const patched = Mutant.patched(mutant, ".")
    if (Result.isFailure(patched)) throw new Error(patched.failure)
    stripTypeScriptTypes(patched.success)
  })
})

/** Rows of the table in the docs, which `tools/mutants.ts` wrote. */
const table = [...fs.readFileSync("docs/internals/mutants.md", "utf8").matchAll(ROW)]
  .map(([, name = "", kind = "", by = "", seeds = ""]) => ({ name, kind, by, seeds: Number(seeds) }))

describe("docs/internals/mutants.md", () => {
  it("has a row for each mutant, and each was found", () => {
    assert.sameMembers(table.map(({ name }) => name), mutants.map(({ name }) => name))
  })
})

describe("planted bugs that few seeds find", () => {
  it("one of each class", { timeout: 300_000 }, async () => {
    // A space that never comes to be takes its time to be given up.
    const quick = table.filter(({ by, seeds }) => seeds <= QUICK_SEEDS && by !== "run-reports")
    const picked = CLASSES.flatMap((name) => quick.filter(({ kind }) => kind === name).slice(0, 1))
    assert.isAtLeast(picked.length, CLASSES.length)
    const results: Array<Runner.MutantResult> = []
    const options = { config: "simulation.config.ts", mutants: "scenarios/mutants", conditions: ["@sotto/source"] }
    const only = picked.map(({ name }) => name)
    for await (const result of Runner.run({ ...options, only, seedsMax: 10 * QUICK_SEEDS, jobs: 1 })) {
      results.push(result)
    }
    assert.strictEqual(results.length, picked.length)
    assert.deepStrictEqual(results.filter(({ falseAlarms, found }) => !found || falseAlarms.length > 0), [])
  })
})
