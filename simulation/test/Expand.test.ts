/** Seeds become scenarios: plain data, the same each time, with everything in them somewhere among some hundred seeds. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Expand from "../src/Expand.ts"
import type { FaultKind } from "../src/Fault.ts"
import * as Node from "../src/Node.ts"
import type { Scenario } from "../src/Scenario.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Notes from "./kit/notes.ts"

const seeds = Array.from({ length: 300 }, (_, k) => BigInt(k))
const seed = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const notes = Notes.simulation()

const kindsOf = (scenario: Scenario): ReadonlySet<FaultKind> => new Set(scenario.faults.map(({ kind }) => kind))

describe("a scenario", () => {
  it("is the same for the same seed, and survives JSON", () => {
    fc.assert(fc.property(seed, fc.constantFrom(undefined, ...Expand.strategies), (value, strategy) => {
      const scenario = notes.expand(value, strategy)
      assert.deepStrictEqual(notes.expand(value, strategy), scenario)
      assert.deepStrictEqual(JSON.parse(JSON.stringify(scenario)), scenario)
      if (strategy !== undefined) assert.strictEqual(scenario.strategy, strategy)
    }))
  })

  it("has its times in the safety phase, its nodes within their counts, its commands in order", () => {
    for (const value of seeds) {
      const { faults, nodes, phases, workload } = notes.expand(value)
      assert.isTrue(nodes.length >= 3 && nodes.length <= 5)
      const names = new Set(nodes.map(({ name }) => name))
      for (const fault of faults) {
        if ("atMicros" in fault) assert.isTrue(fault.atMicros >= 0 && fault.atMicros < phases.safetyMicros)
        if ("node" in fault) assert.isTrue(names.has(fault.node ?? ""))
      }
      for (const [at, command] of workload.entries()) {
        assert.isTrue(names.has(command.node))
        assert.isAtLeast(command.atMicros, workload[at - 1]?.atMicros ?? 0)
      }
      assert.isNotEmpty(workload)
    }
  })

  it("of another strategy is unknown", () => {
    assert.throws(() => notes.expand(1n, "nonsense"), "calm, swarm, storm, offline, pct, inject")
  })
})

describe("the portfolio", () => {
  it("has every strategy, mostly swarm", () => {
    const count = (strategy: string) => seeds.filter((value) => notes.expand(value).strategy === strategy).length
    for (const strategy of Expand.strategies) assert.isAbove(count(strategy), 0, strategy)
    assert.isAbove(count("swarm"), 110)
  })

  it("has every kind of fault in some swarm, and leaves each out of others", () => {
    const swarms = seeds.map((value) => kindsOf(notes.expand(value, "swarm")))
    const kinds: ReadonlyArray<FaultKind> = [
      ...["latency", "loss", "duplication", "reorder", "bandwidth", "blackHole", "partition", "clog"] as const,
      ...["swizzle", "reset", "offline", "crash", "crashAt", "stop", "pause", "lie", "rot", "readError"] as const,
      ...["shortRead", "misdirected", "slowDisk", "full", "restore", "evict", "jump", "drift", "freeze"] as const,
      "error"
    ]
    for (const kind of kinds) {
      const share = swarms.filter((present) => present.has(kind)).length / swarms.length
      assert.isTrue(share > 0.01 && share < 0.65, `${kind}: ${share}`)
    }
  })

  it("corrupts only when asked to, leaves out what it is told to, and destroys in few seeds", () => {
    const without = Notes.simulation(undefined, { faults: { without: ["crash", "clog"], also: ["corruption"] } })
    const kinds = new Set(seeds.flatMap((value) => [...kindsOf(without.expand(value, "storm"))]))
    assert.deepStrictEqual([kinds.has("crash"), kinds.has("clog"), kinds.has("corruption")], [false, false, true])
    const usual = seeds.map((value) => kindsOf(notes.expand(value, "storm")))
    assert.isFalse(usual.some((present) => present.has("corruption")))
    const destroying = usual.filter((present) => present.has("evict") || present.has("rot")).length
    assert.isTrue(destroying > 0.05 * seeds.length && destroying < 0.2 * seeds.length)
  })

  it("keeps calm, offline and pct apart from faults of other kinds", () => {
    for (const value of seeds.slice(0, 50)) {
      assert.isEmpty(notes.expand(value, "calm").faults)
      const pct = notes.expand(value, "pct")
      assert.isEmpty(pct.faults)
      assert.isTrue(pct.nodes.every(({ policy }) => policy.kind === "pct"))
      const offline = notes.expand(value, "offline")
      assert.isTrue(offline.faults.every(({ kind }) => kind === "offline"))
    }
  })

  it("injects one fault at a time, another with the next seed, until every call was tried", () => {
    const single = Simulation.make({
      name: "single",
      nodes: { peer: Node.make({ program: () => Effect.void }) },
      invariants: []
    })
    const faults = Array.from({ length: 240 }, (_, k) => single.expand(BigInt(k), "inject").faults)
    assert.isTrue(faults.every(({ length }) => length === 1))
    const points = new Set(faults.map((all) => JSON.stringify(all)))
    // 48 calls: a send fails, or is crashed at; an operation of the disk fails, or is crashed before or after.
    assert.strictEqual(points.size, 48 * 5)
    assert.deepStrictEqual(single.expand(240n, "inject").faults, faults[0])
  })
})

describe("knobs and custom faults", () => {
  it("are drawn with the rest", () => {
    const simulation = Notes.simulation(undefined, {
      knobs: (draws) => ({ pages: draws.between(1, 9) }),
      faults: {
        custom: [{
          name: "gremlin",
          draw: (draws, { nodes, safetyMicros }) =>
            draws.chance(0.9)
              ? { atMicros: draws.int(safetyMicros), node: draws.pick(nodes()), input: nodes("peer") }
              : undefined,
          apply: () => undefined
        }]
      }
    })
    const swarms = seeds.slice(0, 60).map((value) => simulation.expand(value, "swarm"))
    assert.isAbove(new Set(swarms.map(({ knobs }) => knobs["pages"])).size, 5)
    const cursed = swarms.filter(({ faults }) => faults.some(({ kind }) => kind === "custom"))
    assert.isTrue(cursed.length > 15 && cursed.length < 45)
  })
})
