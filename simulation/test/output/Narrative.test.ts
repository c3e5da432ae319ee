import { assert, describe, it } from "vitest"
import * as Explore from "../../src/Explore.ts"
import { causes, excerpt } from "../../src/output/Excerpt.ts"
import { narrative } from "../../src/output/Narrative.ts"
import { regressionTest } from "../../src/output/RegressionTest.ts"
import { toJunit, toMarkdown } from "../../src/output/Summary.ts"
import * as Words from "../../src/output/Words.ts"
import type { Report } from "../../src/Report.ts"
import * as Shrink from "../../src/Shrink.ts"
import type { Row } from "../../src/Trace.ts"
import { planted } from "../kit/planted.ts"

const simulation = planted()
const { report } = Shrink.shrink(simulation, simulation.run(simulation.expand(5n)))

const rows = (...causing: ReadonlyArray<number | undefined>): ReadonlyArray<Row> =>
  causing.map((cause, i) => ({
    i,
    tMicros: i * 1000,
    node: i % 2 === 0 ? "a" : "b",
    kind: `k${i}`,
    cause,
    payload: undefined
  }))

const withRows = (traced: ReadonlyArray<Row>, row: number, node?: string): Report => ({
  ...report,
  rows: traced,
  violations: [{
    invariant: "x",
    message: "m",
    row,
    tMicros: 0,
    phase: "safety",
    ...(node === undefined ? {} : { node })
  }]
})

describe("words", () => {
  it("say times as people do", () => {
    const said = [0, 12, 1_500, 250_000, 1_250_000, 90_000_000, 180_000_000, 9_000_000_000, 345_600_000_000]
    assert.deepStrictEqual(said.map(Words.time), [
      "0 s",
      "12 µs",
      "1.5 ms",
      "250 ms",
      "1.25 s",
      "90 s",
      "3 min",
      "2.5 h",
      "4 days"
    ])
    assert.strictEqual(Words.time(-60_000_000), "-60 s")
  })

  it("say what a fault does, whatever kind it is", () => {
    assert.strictEqual(
      Words.fault({
        kind: "crash",
        atMicros: 1,
        node: "relay-1",
        downMicros: 500_000,
        disk: { kind: "none" },
        notice: "never"
      }),
      "crash of relay-1 (down 500 ms, disk none, notice never)"
    )
    assert.strictEqual(
      Words.fault({
        kind: "partition",
        atMicros: 1,
        durationMicros: 2_000_000,
        between: { shape: "sets", side: ["a", "b"], direction: "in" }
      }),
      "partition (for 2 s, shape sets, side a b, direction in)"
    )
    assert.strictEqual(
      Words.fault({ kind: "custom", name: "fog", atMicros: 1, node: "a", input: { dense: true } }),
      "fog of a (dense true)"
    )
  })
})

describe("the narrative", () => {
  it("tells who, what goes wrong when, what is asked, and what does not hold", () => {
    const text = narrative(report)
    assert.match(text, /^3 nodes \(relay-1, client-1, client-2\)\. /)
    for (
      const part of [
        "fog",
        "crash of relay-1",
        `client-1 is asked to write {"key":777}`,
        "no-acked-loss",
        "safety phase"
      ]
    ) {
      assert.include(text, part)
    }
    assert.isBelow(text.indexOf("is asked to write"), text.indexOf("crash of relay-1"))
    assert.notInclude(text, "\n")
  })

  it("is short when much happens", () => {
    assert.include(narrative(simulation.run(simulation.expand(5n))), "58 more")
  })

  it("says that everything holds when it does", () => {
    const sound = planted({ breaks: () => false })
    assert.include(narrative(sound.run(sound.expand(5n))), "Everything holds")
  })

  it("names what led there, by causes", () => {
    const text = narrative(withRows(rows(undefined, 0, undefined, 1, 3), 4))
    assert.include(text, "What led there: a k0 (0 s) → b k1 (1 ms) → b k3 (3 ms) → a k4 (4 ms).")
  })

  it("says what nodes wait for", () => {
    assert.include(narrative({ ...report, stuck: [{ node: "client-1", waits: "op 3" }] }), "client-1 waits for op 3.")
    const stuck = ["op 3", "op 4", "op 5"].map((waits) => ({ node: "client-1", waits }))
    const text = narrative({ ...report, stuck: [...stuck, { node: "client-2", waits: "op 3" }] })
    assert.include(text, " client-1 waits for op 3 and 2 more; client-2 waits for op 3.")
  })

  it("calls a crash that is aimed at a point by its name", () => {
    const point = { at: "send", k: 3 } as const
    const crash = {
      kind: "crashAt",
      node: "relay-1",
      point,
      downMicros: 0,
      disk: { kind: "none" },
      notice: "reset"
    } as const
    assert.include(
      narrative({ ...report, scenario: { ...report.scenario, faults: [crash] } }),
      "Crash of relay-1 (at send, k 3, down 0 s, disk none, notice reset)"
    )
  })
})

describe("the excerpt", () => {
  it("has the causes, then what came before at the same node, in order and twelve at most", () => {
    const traced = rows(...Array.from({ length: 100 }, (_, i) => i === 90 ? 5 : i === 5 ? 2 : undefined))
    const few = excerpt(withRows(traced, 90, "b"), {
      invariant: "x",
      message: "",
      row: 90,
      node: "b",
      tMicros: 0,
      phase: "audit"
    })
    assert.lengthOf(few, 12)
    assert.deepStrictEqual(few.map(({ i }) => i), few.map(({ i }) => i).toSorted((a, b) => a - b))
    for (const i of [2, 5, 90]) assert.include(few.map((row) => row.i), i)
    assert.isTrue(few.every(({ i, node }) => node === "b" || [2, 90].includes(i)))
    assert.isTrue(few.every(({ i }) => i <= 90))
  })

  it("does not go round in circles, nor fall over rows that were not kept", () => {
    const violation = { invariant: "x", message: "", row: 2, tMicros: 0, phase: "audit" } as const
    assert.lengthOf(causes(rows(2, 0, 5), violation), 1)
    assert.deepStrictEqual(excerpt({ ...report, rows: [] }, violation), [])
  })
})

describe("the test to paste", () => {
  it("holds the scenario, whole", () => {
    const text = regressionTest(report.scenario, "no-acked-loss")
    const [, literal = ""] = /const scenario: Scenario = ([\s\S]*?)\n {2}const simulation/.exec(text) ?? []
    assert.deepStrictEqual(JSON.parse(literal), report.scenario)
    assert.include(text, `it("planted: no-acked-loss holds (${report.scenario.seed})"`)
  })
})

describe("reports", () => {
  const summaryOf = (breaks: boolean) => {
    const events = Explore.explore(planted({ breaks: () => breaks }), { seeds: 3 })
    for (;;) {
      const next = events.next()
      if (next.done === true) return next.value
    }
  }

  it("in Markdown have the line that repeats it, the narrative and the rows", () => {
    const [find] = summaryOf(true).finds
    const text = toMarkdown([summaryOf(true), summaryOf(false)])
    for (const part of [find?.replay, find?.narrative, find?.excerpt.join("\n"), find?.test.trimEnd()]) {
      assert.include(text, part ?? "nothing")
    }
    assert.include(text, "## planted: everything holds")
  })

  it("in XML are well formed whatever a message holds", () => {
    const summary = summaryOf(true)
    const odd = summary.finds.map((find) => ({ ...find, message: `<a & "b">\u0000\u001b[31m` }))
    const text = toJunit([{ ...summary, finds: odd }, { ...summary, finds: [], error: "a < b" }, summaryOf(false)])
    assert.include(text, `message="&lt;a &amp; &quot;b&quot;&gt;[31m"`)
    assert.include(text, `<error message="a &lt; b"/>`)
    assert.notInclude(text, "\u0000")
    assert.notInclude(text, "\u001b")
    const opened = [...text.matchAll(/<(\w+)[^>]*?(\/?)>/g)].filter(([, , selfClosed]) => selfClosed === "").length
    assert.strictEqual(opened, [...text.matchAll(/<\/\w+>/g)].length)
  })
})
