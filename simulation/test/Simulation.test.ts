/** The sample protocol: right, it passes; with a line wrong, it is found; and every run repeats itself. */
import { assert, describe, it } from "vitest"
import * as Seed from "../src/Seed.ts"
import type { Simulation } from "../src/Simulation.ts"
import * as Notes from "./kit/notes.ts"

const SEEDS = Array.from({ length: 300 }, (_, i) => BigInt(i))

const firstFailure = (simulation: Simulation, within: number) => {
  for (const seed of SEEDS.slice(0, within)) {
    const report = simulation.run(simulation.expand(seed))
    if (!report.ok) return report
  }
  return undefined
}

describe("the notes, as they should be", () => {
  it("pass 300 seeds, which run the same forward and backward, with a trace and without", () => {
    const simulation = Notes.simulation()
    const run = (seed: bigint, trace = false) => simulation.run(simulation.expand(seed), { trace, states: trace })
    const forward = SEEDS.map((seed) => {
      const report = run(seed)
      assert.deepStrictEqual(report.violations, [], Seed.toText(seed))
      return report.traceHash
    })
    const backward = SEEDS.toReversed().map((seed) => run(seed).traceHash)
    assert.deepStrictEqual(backward.toReversed(), forward)
    assert.strictEqual(new Set(forward).size, SEEDS.length)
    const traced = SEEDS.slice(0, 40).map((seed) => run(seed, true))
    assert.deepStrictEqual(traced.map(({ traceHash }) => traceHash), forward.slice(0, 40))
    assert.isTrue(traced.every(({ rows, states }) => rows.length > 0 && states.length > 0))
  }, 120_000)

  it("run the same when the scenario has been through JSON", () => {
    const simulation = Notes.simulation()
    const scenario = simulation.expand(5n)
    assert.strictEqual(
      simulation.run(JSON.parse(JSON.stringify(scenario))).traceHash,
      simulation.run(scenario).traceHash
    )
  })

  it("run the same by the tape alone", () => {
    const simulation = Notes.simulation()
    for (const seed of [3n, 4n, 11n]) {
      const scenario = simulation.expand(seed, "storm")
      const report = simulation.run(scenario, { record: true })
      assert.isDefined(report.tapes)
      const replayed = simulation.run({ ...scenario, tapes: report.tapes ?? {} })
      assert.strictEqual(replayed.traceHash, report.traceHash)
    }
  })
})

describe("the notes, with a line wrong", () => {
  /** The invariant that sees it first, and after how many seeds it must have. */
  const expected: { readonly [bug in Notes.Bug]: readonly [seeds: number, invariants: ReadonlyArray<string>] } = {
    "answers before the sync": [20, ["read your writes", "no acked loss", "at most once"]],
    "sends before the sync": [60, ["no sequence reuse", "convergence", "at most once"]],
    "applies twice": [5, ["at most once"]],
    "counts what it has by the highest number": [5, ["no acked loss", "convergence"]],
    "lets whoever comes last win a tie": [30, ["model agreement", "convergence"]],
    "forgets its clock in a restart": [200, ["read your writes"]],
    "orders by the wall clock": [20, ["read your writes"]],
    "stops to gossip after a failure": [60, ["convergence"]],
    "numbers two writes alike": [20, ["at most once", "no sequence reuse"]],
    "sends one kind of message open": [3, ["no plaintext"]],
    "forgets the last record in recovery": [5, ["convergence", "no acked loss"]],
    "answers every message": [10, ["bounded messages", "quiescence"]],
    "uses a nonce again after a restart": [10, ["no nonce reuse"]],
    "leaves a connection open": [3, ["no defect"]]
  }

  for (const bug of Notes.bugs) {
    const [within, invariants] = expected[bug]
    it(`${bug}: found within ${within} seeds`, () => {
      const simulation = Notes.simulation(bug)
      const found = firstFailure(simulation, within)
      assert.isDefined(found)
      assert.include(invariants, found?.violations[0]?.invariant)
    }, 60_000)
  }
})
