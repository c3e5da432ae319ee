import { assert, describe, it } from "vitest"
import type { MutantResult } from "../../src/mutant/Runner.ts"
import { toMarkdown } from "../../src/output/MutantTable.ts"

const result = (name: string, change: Partial<MutantResult> = {}): MutantResult => ({
  name,
  class: "order",
  heldOut: false,
  found: true,
  expected: ["kept"],
  by: "kept",
  simulation: "one",
  strategy: "swarm",
  seeds: 3,
  falseAlarms: [],
  cpuMillis: 1,
  ...change
})

const missed: MutantResult = {
  name: "c",
  class: "order",
  heldOut: false,
  found: false,
  expected: ["kept"],
  falseAlarms: [],
  cpuMillis: 1
}

describe("the tables of planted bugs", () => {
  it("count classes and invariants, and list all by class and name", () => {
    const tables = toMarkdown([
      result("b", { heldOut: true, seeds: 9 }),
      result("a", { seeds: 1, by: "shown once" }),
      result("z", { class: "cursors" }),
      missed
    ])
    assert.strictEqual(
      tables,
      `| class | found | seeds, median | most |
|---|---|---|---|
| cursors | 1 of 1 | 3 | 3 |
| order | 2 of 3 | 9 | 9 |
| held out | 1 of 1 | 9 | 9 |
| **all** | 3 of 4 | 3 | 9 |

| invariant | mutants that it found first |
|---|---|
| \`kept\` | 2 |
| \`shown once\` | 1 |

| mutant | class | found by | simulation | strategy | seeds |
|---|---|---|---|---|---|
| z | cursors | \`kept\` | one | swarm | 3 |
| a | order | \`shown once\` | one | swarm | 1 |
| b * | order | \`kept\` | one | swarm | 9 |
| c | order | **missed** |  |  |  |`
    )
  })

  it("hold what went wrong on one line", () => {
    const broken = toMarkdown([result("a", { found: false, error: "it does not\nload: a | b" })])
    assert.include(broken, "| a | order | it does not load: a \\| b | one | swarm | 3 |")
  })
})
