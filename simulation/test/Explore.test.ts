import { assert, describe, it } from "vitest"
import * as Explore from "../src/Explore.ts"
import type { Summary } from "../src/output/Summary.ts"
import type { Simulation } from "../src/Simulation.ts"
import { planted } from "./kit/planted.ts"

const drive = (simulation: Simulation, options: Explore.Options) => {
  const generator = Explore.explore(simulation, options)
  const events: Array<Explore.Event> = []
  for (;;) {
    const next = generator.next()
    if (next.done === true) return { events, summary: next.value }
    events.push(next.value)
  }
}

const fifth = planted({ breaks: (seed) => seed % 5n === 0n })
const named = ({ finds }: Summary) => finds.map(({ invariant, seed, seeds }) => ({ invariant, seed, seeds }))

describe("exploring", () => {
  it("shrinks the first failing seed of an invariant, and counts the others", () => {
    const { events, summary } = drive(fifth, { seeds: 23 })
    assert.isFalse(summary.ok)
    const [loss] = summary.finds
    assert.deepInclude(loss, { invariant: "no-acked-loss", seed: "0000000000005", seeds: 4, strategy: "swarm" })
    assert.strictEqual(loss?.scenario.faults.length, 2)
    assert.isTrue(loss?.shrunk?.finished)
    assert.strictEqual(events.filter(({ step }) => step.type === "ran").length, 23)
    assert.deepInclude(summary.progress, { seeds: 23, of: 23, fails: 4, simulatedMicros: 23 * 20_000_000 })
    assert.strictEqual(loss?.replay, `npx sotto-sim replay 0000000000005 --simulation "planted"`)
  })

  it("files what a shrinking run broke on the way, with its scenario for a replay", () => {
    const { summary } = drive(fifth, { seeds: 23 })
    assert.deepStrictEqual(named(summary)[1], { invariant: "slip", seed: "0000000000005", seeds: 0 })
    assert.include(summary.finds[1]?.replay ?? "", "replay slip-0000000000005.json")
    assert.deepStrictEqual(summary.finds[1]?.scenario.faults, [])
  })

  it("says that everything holds when it does", () => {
    const { summary } = drive(planted({ breaks: () => false }), { seeds: 10 })
    assert.deepInclude(summary, { ok: true, error: null, finds: [] })
  })

  it("stops at its number of finds, and at its time", () => {
    assert.strictEqual(drive(fifth, { findsMax: 1 }).summary.progress.seeds, 5)
    let millis = 0
    const timed = drive(fifth, { millis: 50, nowMillis: () => millis++, shrink: false })
    assert.isAbove(timed.summary.progress.seeds, 5)
    assert.isBelow(timed.summary.progress.seeds, 50)
    assert.isUndefined(timed.summary.progress.of)
  })

  it("keeps a failing run as it is when it shall not shrink", () => {
    const { summary } = drive(fifth, { seeds: 5, shrink: false, strategy: "swarm" })
    assert.strictEqual(summary.finds[0]?.scenario.faults.length, 30)
    assert.isUndefined(summary.finds[0]?.shrunk)
    assert.include(summary.finds[0]?.replay ?? "", "--strategy swarm")
  })

  it("gives up when a run throws, and names the seed", () => {
    const throwing: Simulation = {
      ...fifth,
      run: (scenario) => {
        if (scenario.seed.endsWith("3")) throw new Error("out of eggs")
        return fifth.run(scenario)
      }
    }
    const { summary } = drive(throwing, { seeds: 10 })
    assert.isFalse(summary.ok)
    assert.include(summary.error ?? "", "0000000000003")
    assert.include(summary.error ?? "", "out of eggs")
    assert.strictEqual(summary.progress.seeds, 2)
  })

  it("tells how long it still takes, by seeds or by time, whichever ends first", () => {
    let millis = 0
    const { events } = drive(fifth, { seeds: 10, nowMillis: () => (millis += 5), shrink: false })
    const progress = events.filter(({ step }) => step.type === "ran").map((event) => event.progress)
    for (const { elapsedMillis, etaMillis, seeds } of progress) {
      assert.approximately(etaMillis ?? -1, (10 - seeds) * elapsedMillis / seeds, 1e-6)
    }
    const short = drive(fifth, { seeds: 1000, millis: 100, nowMillis: () => (millis += 5), shrink: false }).events
    for (const { progress: { elapsedMillis, etaMillis } } of short) {
      assert.isAtMost(etaMillis ?? Infinity, Math.max(0, 100 - elapsedMillis))
    }
  })

  it("counts a situation once, and says which strategy reached it first", () => {
    const gathering = new Explore.Gathering("planted", {})
    const explorer = new Explore.Explorer(fifth, { shrink: false })
    for (const seed of Explore.seedsOf(1n, 20)) for (const step of explorer.run(seed)) gathering.take(step)
    assert.deepStrictEqual([...gathering.tally.situations].sort(), [
      "fault.crash",
      "fault.custom",
      "fault.jump",
      "fault.partition",
      "fault.pause"
    ])
    assert.deepStrictEqual([...gathering.tally.strategies], [["swarm", { runs: 20, fails: 4, situations: 5 }]])
    assert.strictEqual(gathering.progress().newSituations, 0)
  })

  it("takes the earlier seed when two threads found the same", () => {
    const gathering = new Explore.Gathering("planted", {})
    const steps = (seed: bigint) => [...new Explore.Explorer(fifth, { shrink: false }).run(seed)]
    for (const step of [...steps(10n), ...steps(5n), ...steps(15n)]) gathering.take(step)
    assert.deepStrictEqual(named(gathering.summary()), [{
      invariant: "no-acked-loss",
      seed: "0000000000005",
      seeds: 3
    }])
  })

  it("begins where it is told, and goes round at the end of all seeds", () => {
    assert.deepStrictEqual([...Explore.seedsOf(2n ** 64n - 1n, 3)], [2n ** 64n - 1n, 0n, 1n])
    assert.deepStrictEqual([...Explore.seedsOf(undefined, 2)], [1n, 2n])
  })
})
