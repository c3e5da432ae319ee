import { assert, describe, it } from "vitest"
import * as Determinism from "../src/Determinism.ts"
import type { Simulation } from "../src/Simulation.ts"
import { text } from "../src/Trace.ts"
import { planted } from "./kit/planted.ts"

const check = (simulation: Simulation, seeds = 5) => {
  const events = Determinism.check(simulation, { seeds: Array.from({ length: seeds }, (_, i) => BigInt(i)) })
  const divergences: Array<Determinism.Divergence> = []
  const passes = new Set<string>()
  for (;;) {
    const next = events.next()
    if (next.done === true) return { divergences, passes: [...passes], prints: next.value }
    if (next.value.type === "diverged") divergences.push(next.value.divergence)
    else passes.add(next.value.pass)
  }
}

describe("checking determinism", () => {
  it("finds nothing where there is nothing, and tells different seeds apart", () => {
    const { divergences, passes, prints } = check(planted())
    assert.deepStrictEqual(divergences, [])
    assert.deepStrictEqual(passes, ["forward", "backward", "untraced"])
    assert.lengthOf(new Set(prints.map(({ traceHash }) => traceHash)), 5)
  })

  it("names the first row of a leak, as it was before and as it is now", () => {
    let rows = 0
    // The 200th row of the whole check and those after it see something that a run should not.
    const leaky = planted({ leak: () => ++rows >= 500 ? 1 : 0 })
    const { divergences } = check(leaky)
    const [first] = divergences
    assert.strictEqual(first?.between, "forward and backward")
    assert.isNumber(first?.row)
    assert.include(first?.after ?? "", `{"drift":1}`)
    assert.match(first?.after ?? "", new RegExp(`^#${first?.row ?? "?"} `))
  })

  it("sees what tracing changes", () => {
    let traced = false
    const base = planted({ leak: () => traced ? 1 : 0 })
    const nosy: Simulation = {
      ...base,
      run: (scenario, options) => {
        traced = options?.trace === true
        return base.run(scenario, options)
      }
    }
    const { divergences } = check(nosy, 2)
    assert.deepStrictEqual(divergences.map(({ between, row }) => [between, row]), [
      ["tracing on and off", 0],
      ["tracing on and off", 0]
    ])
  })

  it("finds where the rows of another process part", () => {
    const simulation = planted()
    const report = Determinism.trace(simulation, 3n)
    const print = Determinism.printOf(report)
    const rows = report.rows.map(text)
    assert.isUndefined(Determinism.rowsPrint(print.rows, rows))
    assert.strictEqual(Determinism.rowsPrint(print.rows, rows.with(7, "other")), 7)
    assert.strictEqual(Determinism.rowsPrint(print.rows, rows.slice(0, 9)), 9)
    assert.strictEqual(Determinism.rowsPrint(print.rows, [...rows, "more"]), rows.length)
  })

  it("says so when all rows agree and the end does not", () => {
    const report = Determinism.trace(planted(), 3n)
    const print = Determinism.printOf(report)
    assert.isUndefined(Determinism.compare(print, report, "x"))
    assert.deepInclude(Determinism.compare(print, { ...report, events: 1 }, "x"), { row: undefined, between: "x" })
  })
})
