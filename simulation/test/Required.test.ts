/** What a simulation requires stays in every smaller scenario, and so does the way in which its invariant is broken. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { arbitrary } from "../src/Arbitrary.ts"
import * as Corpus from "../src/Corpus.ts"
import * as Invariant from "../src/Invariant.ts"
import * as Node from "../src/Node.ts"
import * as Required from "../src/Required.ts"
import type { Scenario } from "../src/Scenario.ts"
import * as Shrink from "../src/Shrink.ts"
import { candidates, type Position } from "../src/shrink/Candidates.ts"
import * as Simulation from "../src/Simulation.ts"
import { planted } from "./kit/planted.ts"

const seeds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

const required = {
  nodes: { relay: 1, client: 3 },
  phases: ["safety", "heal", "restart"],
  knobs: ["pageItems"]
} as const
const demanding: Simulation.Simulation = { ...planted(), required }

const countOf = ({ nodes }: Scenario, kind: string) => nodes.filter((node) => node.kind === kind).length

/** Whether everything that is required is there, as it was before. */
const assertKept = (scenario: Scenario, before: Scenario): void => {
  assert.isUndefined(Required.lacking(required, scenario))
  assert.isAtLeast(countOf(scenario, "relay"), 1)
  assert.isAtLeast(countOf(scenario, "client"), 3)
  assert.strictEqual(scenario.phases.safetyMicros, before.phases.safetyMicros)
  assert.strictEqual(scenario.phases.coldRestart, before.phases.coldRestart)
  assert.deepStrictEqual(scenario.knobs, before.knobs)
  const left = new Set(scenario.nodes.map(({ name }) => name))
  const { heal } = before.phases
  assert.deepStrictEqual(scenario.phases.heal, heal === "all" ? heal : heal.filter((name) => left.has(name)))
}

describe("what is required", () => {
  it("stays when a failure is shrunk, which gets as small as that allows", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const before = demanding.expand(seed)
        const { after, finished, report, runs } = Shrink.shrink(demanding, demanding.run(before))
        assertKept(report.scenario, before)
        assert.deepStrictEqual(after, { nodes: 4, faults: 2, commands: 2 })
        assert.isAtMost(runs, Shrink.RUNS_MAX)
        assert.isTrue(finished)
      }),
      { numRuns: 30 }
    )
  })

  it("is in every candidate, whichever were taken before it; each is smaller, and they end", () => {
    fc.assert(
      fc.property(seeds, fc.infiniteStream(fc.nat(20)), (seed, skips) => {
        const before = demanding.expand(seed)
        let scenario = before
        let position: Position | undefined
        for (let taken = 0;; taken++) {
          assert.isBelow(taken, 2000)
          const skip = taken < 40 ? skips.next().value ?? 0 : 0
          let next: { readonly scenario: Scenario; readonly position: Position } | undefined
          let k = 0
          for (const step of candidates(scenario, position, required)) {
            assertKept(step.scenario, before)
            assert.notDeepEqual(step.scenario, scenario)
            next = step
            if (k++ === skip) break
          }
          if (next === undefined) break
          ;({ position, scenario } = next)
        }
        assert.deepStrictEqual([scenario.faults, scenario.workload, scenario.nodes.length], [[], [], 4])
      }),
      { numRuns: 10 }
    )
  })

  it("stays where fast-check shrinks", () => {
    const holds = (scenario: Scenario) => Shrink.violationOf(demanding.run(scenario), "no-acked-loss") === undefined
    const details = fc.check(fc.property(arbitrary(demanding), holds), { seed: 7 })
    const [scenario] = details.counterexample ?? []
    if (scenario === undefined) return assert.fail("nothing failed")
    assert.deepStrictEqual([countOf(scenario, "relay"), countOf(scenario, "client")], [1, 3])
    assert.strictEqual(scenario.faults.length, 2)
  })
})

describe("a way to be broken", () => {
  /** The same invariant, said in another way while a node was paused. */
  const told = (way: (scenario: Scenario) => string): Simulation.Simulation => {
    const simulation = planted()
    return {
      ...simulation,
      run: (scenario, options) => {
        const report = simulation.run(scenario, options)
        return { ...report, violations: report.violations.map((one) => ({ ...one, kind: way(scenario) })) }
      }
    }
  }
  const isPaused = ({ faults }: Scenario) => faults.some(({ kind }) => kind === "pause")
  const simulation = told((scenario) => isPaused(scenario) ? "paused" : "awake")

  it("stays the same, whatever else breaks the invariant", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const before = simulation.run(simulation.expand(seed))
        const { after, report, stable } = Shrink.shrink(simulation, before)
        const paused = isPaused(before.scenario)
        assert.strictEqual(Shrink.violationOf(report, "no-acked-loss")?.kind, paused ? "paused" : "awake")
        assert.strictEqual(isPaused(report.scenario), paused)
        assert.strictEqual(after.faults, paused ? 3 : 2)
        assert.isTrue(stable)
      }),
      { examples: [[3n], [5n]] }
    )
  })

  it("that a run has but once is no failure that was confirmed", () => {
    let count = 0
    const fickle = told(() => count++ === 0 ? "first" : "later")
    assert.isFalse(Shrink.shrink(fickle, fickle.run(fickle.expand(3n))).stable)
  })
})

describe("a simulation", () => {
  const idle = Node.make({
    count: [1, 2],
    program: (host: Node.Host<null>) => Effect.andThen(Effect.sync(() => host.ready(null)), Effect.never)
  })
  const make = (wanted: Required.Required) =>
    Simulation.make({
      name: "idle",
      nodes: { idle },
      phases: { safety: "1 second" },
      invariants: [
        Invariant.make("never", (world) => ({
          onPhase: (phase) => phase === "audit" ? world.violated("it ends", undefined, { kind: "end" }) : undefined
        }))
      ],
      required: wanted
    })

  it("draws what it requires, and says what is wrong with what it cannot draw", () => {
    const simulation = make({ nodes: { idle: 1 } })
    for (let seed = 0n; seed < 20n; seed++) {
      assert.isUndefined(Required.lacking({ nodes: { idle: 1 } }, simulation.expand(seed)))
    }
    assert.throws(() => make({ nodes: { busy: 1 } }), /no such kind/)
    assert.throws(() => make({ nodes: { idle: 2 } }), /may draw 1: raise/)
  })

  it("does not run what lacks it: the corpus tells that as an error", () => {
    const simulation = make({ nodes: { idle: 1 } })
    const scenario = { ...simulation.expand(1n), nodes: [] }
    assert.throws(() => simulation.run(scenario), /needs 1 of the nodes "idle", and this one has 0/)
    const { detail, result } = Corpus.verify({ format: 1, expect: "passes", note: "", scenario }, [simulation])
    assert.strictEqual(result, "error")
    assert.include(detail, "add to its nodes")
  })

  it("hands out the way in which an invariant was broken", () => {
    const simulation = make({})
    const [violation] = simulation.run(simulation.expand(1n, "calm")).violations
    assert.deepInclude(violation, { invariant: "never", kind: "end" })
  })
})
