import { assert, describe, it } from "vitest"
import * as Known from "../../src/mutant/Known.ts"

describe("what an earlier run said", () => {
  const found = { type: "mutant", name: "a", found: true, simulation: "one", seed: "0000000000007", seeds: 7 }
  const text = (...lines: ReadonlyArray<object>) => lines.map((line) => JSON.stringify(line)).join("\n")

  it("is the seeds of the mutants that were found, the last word on each", () => {
    const later = { ...found, seed: "0000000000003", seeds: 3 }
    const lines = text(found, { ...found, name: "b", found: false }, { type: "mutants", found: [found] }, later)
    assert.deepStrictEqual(
      Known.fromText(`${lines}\n\n`),
      new Map([["a", { simulation: "one", seed: "0000000000003", seeds: 3 }]])
    )
    assert.deepStrictEqual(Known.fromText(""), new Map())
  })

  it("is told from what it is not, by its line", () => {
    assert.strictEqual(Known.fromText(`${text(found)}\nfound   a`), "line 2 is none of `sotto-sim mutants --json`")
    assert.strictEqual(Known.fromText(text({ ...found, seed: 7 })), "line 1 is none of `sotto-sim mutants --json`")
  })
})
