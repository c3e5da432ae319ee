import { runAll } from "@sotto/scenarios/simulation/CrashPoints"
import { assert, it } from "vitest"

it("one push and one pull lose nothing that was answered, wherever a process dies", { timeout: 300_000 }, () => {
  const reports = runAll()
  assert.isAbove(reports.length, 150)
  for (const { scenario, violations } of reports) {
    assert.deepStrictEqual(violations, [], JSON.stringify(scenario.faults))
  }
})
