/** The same seed, the same run: forward, backward, without a trace, and in another process. */
import { sync } from "@sotto/scenarios/simulation/Sync"
import * as Determinism from "@sotto/simulation/Determinism"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const SEEDS = 40

describe("determinism of Sotto", () => {
  it(`${SEEDS} seeds run the same way forward, backward and without a trace`, { timeout: 300_000 }, () => {
    const checks = Determinism.check(sync, { seeds: Array.from({ length: SEEDS }, (_, k) => BigInt(k + 1)) })
    for (;;) {
      const next = checks.next()
      if (next.done === true) return
      if (next.value.type === "diverged") assert.fail(JSON.stringify(next.value.divergence))
    }
  })

  it("and in another process", { timeout: 300_000 }, async () => {
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    const program = `import { sync } from "@sotto/scenarios/simulation/Sync"
      const hashOf = (seed) => sync.run(sync.expand(BigInt(seed))).traceHash
      console.log(JSON.stringify(${JSON.stringify(seeds)}.map(hashOf)))`
    const args = ["--conditions=@sotto/source", "--input-type=module", "-e", program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
    assert.deepStrictEqual(JSON.parse(stdout), seeds.map((seed) => sync.run(sync.expand(BigInt(seed))).traceHash))
  })
})
