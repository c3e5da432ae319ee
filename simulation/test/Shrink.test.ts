import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Scenario } from "../src/Scenario.ts"
import * as Shrink from "../src/Shrink.ts"
import { candidates } from "../src/shrink/Candidates.ts"
import { nodes } from "../src/shrink/Nodes.ts"
import type { Simulation } from "../src/Simulation.ts"
import { planted } from "./kit/planted.ts"

const simulation = planted()

const failing = (seed: bigint, of: Simulation = simulation) => of.run(of.expand(seed))

const kinds = ({ faults }: Scenario) => faults.map((fault) => fault.kind === "custom" ? fault.name : fault.kind).sort()

describe("shrinking", () => {
  it("ends with the two faults and the two commands that matter, in at most 200 runs", () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (seed) => {
      const before = failing(seed)
      const shrunk = Shrink.shrink(simulation, before)
      const { scenario } = shrunk.report
      assert.strictEqual(shrunk.invariant, "no-acked-loss")
      assert.deepStrictEqual(kinds(scenario), ["crash", "fog"])
      assert.deepStrictEqual(scenario.workload.map(({ name, node }) => `${node} ${name}`), [
        "client-1 write",
        "client-2 read"
      ])
      assert.isAtMost(shrunk.runs, Shrink.RUNS_MAX)
      assert.isTrue(shrunk.finished)
      assert.isTrue(shrunk.stable)
    }))
  })

  it("leaves an ordinary world: no laws, no knobs, plain nodes, no tape", () => {
    const { report: { scenario } } = Shrink.shrink(simulation, failing(5n))
    assert.deepStrictEqual(
      [scenario.link, scenario.network, scenario.disk, scenario.knobs, scenario.tapes],
      [{}, {}, {}, {}, undefined]
    )
    for (const node of scenario.nodes) {
      assert.deepStrictEqual(node.policy, { kind: "fifo" })
      assert.strictEqual(node.preemption.p, 0)
      assert.deepStrictEqual(node.clock, { skewMicros: 0, driftPpm: 0 })
    }
    assert.strictEqual(scenario.phases.heal, "all")
    assert.isFalse(scenario.phases.coldRestart)
  })

  it("makes it short, and keeps the time that the world has to come to rest", () => {
    const before = failing(5n)
    const { report: { scenario } } = Shrink.shrink(simulation, before)
    assert.isBelow(scenario.phases.safetyMicros, 1_000_000)
    assert.strictEqual(scenario.phases.livenessMicros, before.scenario.phases.livenessMicros)
  })

  it("takes no other failure for this one, and hands it out", () => {
    const { others, report } = Shrink.shrink(simulation, failing(9n))
    assert.strictEqual(report.violations[0]?.invariant, "no-acked-loss")
    assert.deepStrictEqual(
      others.map(({ violations }) => violations.map(({ invariant }) => invariant).includes("slip")),
      [
        true
      ]
    )
  })

  it("shrinks to the invariant that was asked for", () => {
    const [other] = Shrink.shrink(simulation, failing(9n)).others
    if (other === undefined) return assert.fail("no other find")
    const { after, report } = Shrink.shrink(simulation, other, { invariant: "slip" })
    assert.deepStrictEqual(after, { nodes: 1, faults: 0, commands: 1 })
    assert.deepStrictEqual(report.violations.map(({ invariant }) => invariant), ["slip"])
  })

  it("keeps to its budget of runs, and of time", () => {
    let runs = 0
    const counted = { ...simulation, run: (scenario: Scenario) => (runs++, simulation.run(scenario)) }
    const few = Shrink.shrink(counted, failing(3n), { runsMax: 12 })
    assert.strictEqual(few.runs, 12)
    assert.strictEqual(runs, 12)
    assert.isFalse(few.finished)
    const late = Shrink.shrink(simulation, failing(3n), { nowMillis: () => runs++, millisMax: 5 })
    assert.isBelow(late.runs, 12)
  })

  it("leaves what can not be run without alone", () => {
    const picky: Simulation = {
      ...simulation,
      run: (scenario) => {
        if (scenario.knobs["pageItems"] === undefined) throw new Error("no page size")
        if (!scenario.nodes.some(({ name }) => name === "client-3")) throw new Error("no third client")
        return simulation.run(scenario)
      }
    }
    const { after, report: { scenario } } = Shrink.shrink(picky, failing(3n, picky))
    assert.deepStrictEqual(after, { nodes: scenario.nodes.length, faults: 2, commands: 2 })
    assert.deepStrictEqual(Object.keys(scenario.knobs), ["pageItems"])
    assert.include(scenario.nodes.map(({ name }) => name), "client-3")
  })

  it("says when the result is not the same twice", () => {
    let count = 0
    const leaky = planted({ leak: () => count++ })
    assert.isFalse(Shrink.shrink(leaky, failing(3n, leaky)).stable)
  })

  it("writes down what a schedule did by chance, and takes it away but for what matters", () => {
    const racing = planted({ race: true })
    const seed = Array.from({ length: 20 }, (_, i) => BigInt(i)).find((candidate) => !failing(candidate, racing).ok)
    if (seed === undefined) return assert.fail("no seed fails")
    const shrunk = Shrink.shrink(racing, failing(seed, racing))
    const { scenario } = shrunk.report
    assert.deepStrictEqual(scenario.tapes, { "client-1": { picks: [[3, 1]], asides: [] } })
    assert.isTrue(scenario.nodes.every(({ policy }) => policy.kind === "fifo"))
    assert.deepStrictEqual([shrunk.after.faults, shrunk.after.commands], [2, 2])
    assert.isTrue(shrunk.finished)
    assert.isAtMost(shrunk.runs, Shrink.RUNS_MAX)
  })

  it("tells each attempt", () => {
    const attempts = [...Shrink.steps(simulation, failing(3n))]
    assert.deepStrictEqual(attempts.map(({ runs }) => runs), attempts.map((_, i) => i + 1))
    assert.deepStrictEqual(attempts.at(-1)?.size.faults, 2)
    const names = new Set(attempts.filter(({ taken }) => taken).map(({ pass }) => pass))
    for (const name of ["cut", "faults", "workload", "nodes", "neutral", "tapes", "times"]) {
      assert.include([...names], name)
    }
  })
})

describe("candidates", () => {
  it("go on behind the one that was taken, and end", () => {
    let current: { scenario: Scenario; position?: Parameters<typeof candidates>[1] } = {
      scenario: simulation.expand(4n)
    }
    let taken = 0
    for (;;) {
      const [step] = candidates(current.scenario, current.position)
      if (step === undefined) break
      current = step
      taken++
      assert.isBelow(taken, 500)
    }
    const { faults, nodes: left, workload } = current.scenario
    assert.deepStrictEqual([faults.length, workload.length, left.length], [0, 0, 1])
  })

  it("drop a node with all that is about it, whatever kind of fault that is", () => {
    const scenario = simulation.expand(4n)
    const fault = { kind: "custom", name: "fog", atMicros: 1, input: { at: ["client-4", "client-3"] } } as const
    const about = { kind: "custom", name: "fog", atMicros: 1, input: { deep: { of: "client-4" } } } as const
    const alone = { kind: "custom", name: "fog", atMicros: 1, input: [["client-4"]] } as const
    const [, , , , , last] = [...nodes.from({ ...scenario, faults: [fault, about, alone] }, { size: 1, at: 0 })]
    const [, , , , fifth] = [...nodes.from({ ...scenario, faults: [fault, about, alone] }, { size: 1, at: 0 })]
    assert.isUndefined(last)
    assert.deepStrictEqual(fifth?.scenario.faults, [{ ...fault, input: { at: ["client-3"] } }])
    assert.notInclude(JSON.stringify(fifth?.scenario), "client-4")
  })
})
