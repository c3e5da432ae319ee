/** The shrinker on a protocol that runs: bugs of the notes, each found by a seed and told in a few lines. */
import { assert, describe, it } from "vitest"
import { narrative } from "../src/output/Narrative.ts"
import type { Report } from "../src/Report.ts"
import * as Shrink from "../src/Shrink.ts"
import type { Simulation } from "../src/Simulation.ts"
import { type Bug, simulation } from "./kit/notes.ts"

const SEEDS_MAX = 100n

/** The first failing run with many faults. */
const failing = (of: Simulation): Report => {
  for (let seed = 1n; seed <= SEEDS_MAX; seed++) {
    const scenario = of.expand(seed)
    if (scenario.faults.length < 15) continue
    const report = of.run(scenario)
    if (!report.ok) return report
  }
  return assert.fail("no seed fails")
}

const BUGS: ReadonlyArray<Bug> = ["applies twice", "stops to gossip after a failure", "numbers two writes alike"]

describe("a bug of the notes", () => {
  for (const bug of BUGS) {
    it(`(${bug}) shrinks to two faults at most, and still breaks the same invariant`, { timeout: 120_000 }, () => {
      const notes = simulation(bug)
      const { after, before, invariant, report, runs, stable } = Shrink.shrink(notes, failing(notes))
      assert.isAtLeast(before.faults, 15)
      assert.isAtMost(after.faults, 2)
      assert.isAtMost(after.nodes, 3)
      assert.isAtMost(runs, Shrink.RUNS_MAX)
      assert.isTrue(stable)
      const again = notes.run(report.scenario)
      assert.isDefined(Shrink.violationOf(again, invariant))
      assert.include(narrative(report), invariant)
    })
  }
})
