import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Corpus from "../src/Corpus.ts"
import * as ScenarioText from "../src/ScenarioText.ts"
import { planted } from "./kit/planted.ts"

const simulation = planted()
const sound = planted({ breaks: () => false })
const scenario = simulation.expand(5n)
const entry: Corpus.Entry = { format: 1, expect: { invariant: "no-acked-loss" }, note: "lost", scenario }

describe("a scenario as text", () => {
  it("comes back as it was", () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
      const one = simulation.expand(seed)
      assert.deepStrictEqual(ScenarioText.fromText(ScenarioText.toText(one)), one)
    }))
  })

  it("is JSON that fits on lines", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      assert.deepStrictEqual(JSON.parse(ScenarioText.pretty(value)), JSON.parse(JSON.stringify(value)))
    }))
  })

  it("is told from what is none, with the fields that are wrong", () => {
    const wrong = (field: string, value: unknown) =>
      ScenarioText.fromText(JSON.stringify({ ...scenario, [field]: value }))
    for (
      const [field, value] of [
        ["format", 2],
        ["simulation", 1],
        ["seed", "!"],
        ["nodes", [{ name: "a" }]],
        ["link", []],
        ["faults", [{ at: 1 }]],
        ["workload", [{ atMicros: 0.5, node: "a", name: "b" }]],
        ["phases", {}],
        ["tapes", 1]
      ] as const
    ) {
      assert.include(wrong(field, value), field)
    }
    assert.isString(ScenarioText.fromText("{"))
    assert.isString(ScenarioText.fromText("[]"))
    assert.isFalse(ScenarioText.isScenario(undefined))
  })
})

describe("a corpus", () => {
  it("keeps an entry as a file", () => {
    assert.deepStrictEqual(Corpus.fromText(Corpus.toText(entry)), entry)
    assert.isString(Corpus.fromText("{}"))
    assert.isString(Corpus.fromText("nothing"))
    assert.isString(Corpus.fromText(JSON.stringify({ ...entry, expect: "fails" })))
    assert.isString(Corpus.fromText(JSON.stringify({ ...entry, scenario: { ...scenario, faults: 1 } })))
  })

  it("finds what is as expected, broken, mended or can not be run", () => {
    const result = (expect: Corpus.Expectation, of = simulation, run = scenario) =>
      Corpus.verify({ ...entry, expect, scenario: run }, [of]).result
    assert.strictEqual(result({ invariant: "no-acked-loss" }), "as-expected")
    assert.strictEqual(result({ invariant: "other" }), "broken")
    assert.strictEqual(result("passes"), "broken")
    assert.strictEqual(result("passes", sound, sound.expand(5n)), "as-expected")
    assert.strictEqual(result({ invariant: "no-acked-loss" }, sound, sound.expand(5n)), "mended")
    assert.strictEqual(result("passes", { ...sound, name: "renamed" }), "error")
    const throws = () => {
      throw new Error("gone")
    }
    assert.strictEqual(result("passes", { ...sound, run: throws }), "error")
  })
})
