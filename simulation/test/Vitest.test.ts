import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe } from "vitest"
import { fromText } from "../src/ScenarioText.ts"
import { assertHolds, it } from "../src/Vitest.ts"
import { planted } from "./kit/planted.ts"

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "simulation-"))
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

const failing = planted({ breaks: (seed) => seed === 3n })

const failureOf = (promise: Promise<void>) => promise.then(() => "", (error: Error) => error.message)

describe("it.sim", () => {
  it.sim("passes when everything holds", planted({ breaks: () => false }), { seeds: 20, folder: false })

  it("is vitest's it in everything else", () => {
    assert.isFunction(it.each)
    assert.isFunction(it.skip)
  })

  it("says what happened and what to type, and leaves the scenario in a folder", async () => {
    const text = await failureOf(assertHolds(failing, { folder }))
    for (const part of ["no-acked-loss: key", "crash of relay-1", "replay 0000000000003", "#0 0.000000"]) {
      assert.include(text, part)
    }
    const file = path.join(folder, "no-acked-loss-0000000000003.json")
    assert.include(text, file)
    const scenario = fromText(fs.readFileSync(file, "utf8"))
    if (typeof scenario === "string") return assert.fail(scenario)
    assert.lengthOf(scenario.faults, 2)
    assert.include(fs.readFileSync(file.replace(".json", ".html"), "utf8"), "planted: no-acked-loss")
    assert.strictEqual(failing.run(scenario).violations[0]?.invariant, "no-acked-loss")
  })

  it("runs as many seeds as it is told, from where it is told", async () => {
    assert.strictEqual(await failureOf(assertHolds(failing, { seeds: 2, folder: false })), "")
    assert.strictEqual(await failureOf(assertHolds(failing, { seeds: 50, first: 4n, folder: false })), "")
    assert.include(await failureOf(assertHolds(failing, { seeds: 1, first: 3n, folder: false })), "no-acked-loss")
  })

  it("fails when a run throws", async () => {
    const run = () => {
      throw new Error("out of eggs")
    }
    assert.include(await failureOf(assertHolds({ ...failing, run })), "out of eggs")
  })
})
