/** The same seed, the same run: forward, backward, with and without a trace, here and in another process. */
import { sync } from "@sotto/scenarios/simulation/Sync"
import * as Determinism from "@sotto/simulation/Determinism"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const FIRST = 500_000
const SEEDS = 50

describe("determinism of Sotto", () => {
  it("seeds run the same way forward, backward and without a trace in one process", { timeout: 300_000 }, () => {
    const checks = Determinism.check(sync, { seeds: Array.from({ length: 12 }, (_, k) => BigInt(k + 1)) })
    for (;;) {
      const next = checks.next()
      if (next.done === true) return
      if (next.value.type === "diverged") assert.fail(JSON.stringify(next.value.divergence))
    }
  })

  it(`${SEEDS} seeds hold, and run the same way backward in another process`, { timeout: 300_000 }, async () => {
    const program = `import { sync } from "@sotto/scenarios/simulation/Sync"
      const hashOf = (k) => sync.run(sync.expand(BigInt(${FIRST} + ${SEEDS} - 1 - k))).traceHash
      console.log(JSON.stringify(Array.from({ length: ${SEEDS} }, (_, k) => hashOf(k)).reverse()))`
    const args = ["--conditions=@sotto/source", "--input-type=module", "-e", program]
    const other = promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
    const reports = Array.from({ length: SEEDS }, (_, k) => sync.run(sync.expand(BigInt(FIRST + k)), { trace: true }))
    const failed = reports.find(({ violations }) => violations.length > 0)
    assert.isUndefined(failed, JSON.stringify([failed?.scenario.seed, failed?.violations]))
    assert.deepStrictEqual(JSON.parse((await other).stdout), reports.map(({ traceHash }) => traceHash))
  })
})
