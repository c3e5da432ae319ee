/** Mutants of a program of two files, written into a folder of their own, and everything that can be wrong with one. */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Mutant from "../../src/mutant/Mutant.ts"
import * as Runner from "../../src/mutant/Runner.ts"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-mutant-"))

const sum = `export const sum = (items: ReadonlyArray<number>): number => {
  let total = 0
  for (let i = 0; i < items.length; i++) total += items[i] ?? 0
  return total
}
`

const halve = `import { sum } from "./sum.ts"
export const mean = (items: ReadonlyArray<number>): number => items.length === 0 ? 0 : sum(items) / items.length
export const spare = 0
`

/** Draws three small numbers from the seed; seed 5 fails by itself when the file says so. */
const config = (broken: boolean) =>
  `import { mean } from "./halve.ts"
const simulation = (name: string) => ({
  name,
  strategies: ["plain"],
  expand: (seed: bigint, strategy = "plain") => ({ format: 1, simulation: name, seed: String(seed), strategy }),
  run: (scenario: { readonly seed: string, readonly strategy: string }) => {
    const seed = Number(scenario.seed)
    if (scenario.strategy === "throw") throw new Error("a bug of the simulation")
    if (scenario.strategy === "hang" && seed === 2) for (;;);
    const items = [seed % 2, seed % 3, seed % 4]
    const expected = (items[0] + items[1] + items[2]) / 3
    const wrong = mean(items) !== expected || (${broken} && seed === 5)
    return { scenario, violations: wrong ? [{ invariant: "mean", message: "it is " + mean(items) }] : [] }
  }
})
export const simulations = [simulation("one"), simulation("two")]
`

const off = {
  name: "last-left-out",
  class: "cursors",
  file: "sum.ts",
  find: "i < items.length",
  replace: "i < items.length - 1",
  invariant: "mean"
}

const write = (file: string, text: string) => {
  fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
  fs.writeFileSync(path.join(root, file), text)
}
const plant = (folder: string, ...mutants: ReadonlyArray<Record<string, unknown>>) => {
  fs.rmSync(path.join(root, folder), { recursive: true, force: true })
  mutants.forEach((mutant, i) => write(`${folder}/${i}.json`, JSON.stringify(mutant)))
  return path.join(root, folder)
}
const run = async (options: Partial<Runner.RunOptions>) => {
  const results: Array<Runner.MutantResult> = []
  for await (
    const result of Runner.run({
      config: "config.ts",
      directory: root,
      conditions: [],
      jobs: 2,
      seedsMax: 20,
      ...options
    })
  ) results.push(result)
  return results
}
const only = async (mutant: Record<string, unknown>, options: Partial<Runner.RunOptions> = {}) => {
  const [result, ...others] = await run({ mutants: plant("one", mutant), ...options })
  assert.deepStrictEqual(others, [])
  return result
}

beforeAll(() => {
  write("package.json", JSON.stringify({ type: "module" }))
  write("sum.ts", sum)
  write("halve.ts", halve)
  write("config.ts", config(false))
  write("broken.ts", config(true))
})
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

describe("a planted bug", () => {
  it("is found at the first seed that shows it, and the source stays as it is", async () => {
    const result = await only(off)
    assert.deepInclude(result, {
      name: "last-left-out",
      class: "cursors",
      heldOut: false,
      found: true,
      by: "mean",
      expected: ["mean"],
      simulation: "one",
      strategy: "plain",
      seed: "0000000000001",
      seeds: 1,
      falseAlarms: []
    })
    assert.isAbove(result?.cpuMillis ?? 0, 0)
    assert.strictEqual(fs.readFileSync(path.join(root, "sum.ts"), "utf8"), sum)
  })

  it("counts the seeds that it survives", async () => {
    const result = await only({ ...off, find: "items[i] ?? 0", replace: "(items[i] ?? 0) % 3" })
    assert.deepInclude(result, { found: true, seed: "0000000000003", seeds: 3 })
  })

  it("that changes nothing is missed after all seeds", async () => {
    const result = await only({ ...off, find: "let total = 0", replace: "let total = 1 - 1" })
    assert.deepInclude(result, { found: false, falseAlarms: [] })
    assert.notProperty(result, "error")
  })

  it("runs in the simulation and with the strategy that it names", async () => {
    assert.deepInclude(await only({ ...off, simulation: "two", strategy: "odd" }), {
      simulation: "two",
      strategy: "odd"
    })
    assert.include((await only({ ...off, simulation: "three" }))?.error, "no simulation three")
  })

  it("is not found by a seed at which the unmutated code fails as well", async () => {
    const late = { ...off, find: "return total", replace: "return items[2] === 3 && items[1] === 1 ? 0 : total" }
    assert.deepInclude(await only(late, { config: "broken.ts" }), {
      found: true,
      seeds: 7,
      falseAlarms: ["0000000000005"]
    })
    assert.deepInclude(await only(late, { config: "broken.ts", seedsMax: 6 }), {
      found: false,
      falseAlarms: ["0000000000005"]
    })
    assert.deepInclude(await only(late), { found: true, seeds: 7, falseAlarms: [] })
  })

  it("is found by a run that throws, unless that throws without it too", async () => {
    const throws = { ...off, find: "return total", replace: "throw new Error(\"no sum\")" }
    assert.deepInclude(await only(throws), { found: true, by: "run-reports", message: "one threw: no sum", seeds: 1 })
    assert.deepInclude(await only({ ...off, strategy: "throw" }, { seedsMax: 2 }), {
      found: false,
      falseAlarms: ["0000000000001", "0000000000002"]
    })
  })

  it("is looked for with the seed that found it before, then with all", async () => {
    const known = (seed: string, simulation = "one") => ({
      known: new Map([["last-left-out", { simulation, seed, seeds: 7 }]])
    })
    const again = await only(off, known("0000000000007", "two"))
    assert.deepInclude(again, { found: true, simulation: "two", seed: "0000000000007", seeds: 7, falseAlarms: [] })
    // At the fourth seed the mutant does no harm, and at the fifth of the broken config the code fails without it.
    assert.deepInclude(await only(off, known("0000000000004")), { seed: "0000000000001", seeds: 1 })
    assert.deepInclude(await only(off, { ...known("0000000000005"), config: "broken.ts" }), { seeds: 1 })
    assert.deepInclude(await only({ ...off, simulation: "one" }, known("0000000000007", "two")), {
      simulation: "one",
      seeds: 1
    })
  })

  it("is one of many, picked by name or class, from two folders", async () => {
    const mutants = plant("many", off, { ...off, name: "b", class: "order", invariant: ["mean", "sum"], heldOut: true })
    const from = plant("further", { ...off, name: "c" })
    assert.sameMembers((await run({ mutants, from })).map(({ name }) => name), ["last-left-out", "b", "c"])
    assert.deepStrictEqual((await run({ mutants, from, only: ["order"] })).map(({ name }) => name), ["b"])
    const [picked] = await run({ mutants, from, only: ["b"] })
    assert.deepInclude(picked, { heldOut: true, expected: ["mean", "sum"] })
  })
})

describe("what is no mutant", () => {
  it.each([
    ["text that is not there", { find: "i <= items.length" }, /^sum\.ts: the text is not there any more: "i <= items/],
    ["text that is there twice", { find: "total" }, /^sum\.ts: the text stands there more than once: "total"/],
    ["a replacement that is the same", { replace: off.find }, /^sum\.ts: the replacement is the text itself/],
    ["a file that is not there", { file: "gone.ts" }, /^gone\.ts: there is no such file/],
    ["a patch that does not parse", { replace: "i < < items.length" }, /^sum\.ts patched: it does not load: ./],
    ["a module that nothing loads", { file: "unused.ts", find: "1", replace: "2" }, /nothing that the config imports/],
    [
      "a patch that throws when it is loaded",
      { find: "export const sum", replace: "nobody()\nexport const sum" },
      /nobody/
    ]
  ])("%s", async (_, change, error) => {
    write("unused.ts", "export const unused = 1\n")
    const result = await only({ ...off, ...change })
    assert.deepInclude(result, { name: off.name, found: false })
    assert.match(result?.error ?? "", error)
  })

  it("a run that does not end", async () => {
    const quiet = { ...off, file: "halve.ts", find: "spare = 0", replace: "spare = 1", strategy: "hang" }
    assert.match((await only(quiet, { silentMillis: 1500 }))?.error ?? "", /said nothing for 1500 ms/)
  })

  it("a config that is none", async () => {
    assert.match((await only(off, { config: "nowhere.ts" }))?.error ?? "", /nowhere/)
    assert.match(
      (await only({ ...off, find: "let total = 0", replace: "let total = -0" }, { config: "sum.ts" }))?.error ?? "",
      /exports no simulations/
    )
  })

  it("JSON that does not read, lacks a field, or names one mutant twice", async () => {
    const folder = plant("bad", { ...off, find: undefined }, off, off)
    write("bad/9.json", "{")
    const results = await run({ mutants: folder })
    assert.sameMembers(results.map(({ error = "", name }) => `${name}: ${error.split(":")[0]}`), [
      "0: not a mutant",
      "9: not a mutant",
      "last-left-out: another mutant has this name",
      "last-left-out: "
    ])
  })
})

describe("apply", () => {
  it("replaces the one place", () => {
    const [entry] = Mutant.parse("x", JSON.stringify(off))
    if (entry === undefined || !("mutant" in entry)) throw new Error("no mutant")
    const patched = Mutant.apply(entry.mutant, sum)
    assert.strictEqual(Result.getOrThrow(patched), sum.replace("i < items.length", "i < items.length - 1"))
  })

  it("takes an array of mutants from one file", () => {
    assert.deepStrictEqual(Mutant.parse("x", JSON.stringify([off, { ...off, name: "b" }])).map(({ name }) => name), [
      off.name,
      "b"
    ])
  })
})
