/** Steps of the cursor, states, the wire, words, and the file itself. */
import { assert, describe, it } from "@effect/vitest"
import { readFile } from "node:fs/promises"
import { generate, output } from "../../../tools/viewer.ts"
import type { Fault } from "../../src/Fault.ts"
import { pack } from "../../src/viewer/Packed.ts"
import * as Describe from "../../src/viewer/page/Describe.ts"
import { familyOf } from "../../src/viewer/page/Kind.ts"
import * as State from "../../src/viewer/page/State.ts"
import * as Step from "../../src/viewer/page/Step.ts"
import * as Wire from "../../src/viewer/page/Wire.ts"
import { render } from "../../src/viewer/Render.ts"
import { sampleReport } from "../kit/sampleReport.ts"
import { type Line, reportOf, runOf } from "../kit/sampleRun.ts"

const lines: ReadonlyArray<Line> = [
  [0, "a", "boot"],
  [1, "a", "send", { to: "b", connection: 1, bytes: 10, type: "push" }, 0],
  [2, "b", "log"],
  [3, "a", "log", {}, 1],
  [4, "b", "recv", { from: "a", connection: 1, bytes: 10, type: "push" }, 1],
  [5, "b", "crash"]
]

describe("steps", () => {
  const run = runOf(lines)
  const mask = Uint8Array.from([1, 0, 0, 1, 0, 1])

  it("go by event, over what is hidden, and stay at the ends", () => {
    assert.strictEqual(Step.event(run, undefined, 2, 1), 3)
    assert.strictEqual(Step.event(run, mask, 0, 1), 3)
    assert.strictEqual(Step.event(run, mask, 3, -1), 0)
    assert.strictEqual(Step.event(run, mask, 5, 1), 5)
    assert.strictEqual(Step.event(run, undefined, 0, -1), 0)
  })

  it("go by message and along a node", () => {
    assert.strictEqual(Step.ofFamily(run, undefined, 1, 1, ["message"]), 4)
    assert.strictEqual(Step.ofFamily(run, undefined, 4, -1, ["message"]), 1)
    assert.strictEqual(Step.onNode(run, undefined, 1, 1), 3)
    assert.strictEqual(Step.onNode(run, undefined, 5, -1), 4)
    assert.strictEqual(Step.toNode(run, undefined, 3, run.nodes.indexOf("b")), 2)
    assert.strictEqual(Step.toNode(run, undefined, 3, 99), 3)
  })

  it("go to causes and effects, those elsewhere first", () => {
    assert.strictEqual(Step.cause(run, 4), 1)
    assert.strictEqual(Step.cause(run, 5), 5)
    assert.strictEqual(Step.effect(run, 1), 4)
    assert.strictEqual(Step.effect(run, 0), 1)
    assert.strictEqual(Step.effect(run, 5), 5)
  })

  it("find the closest row that is shown", () => {
    assert.deepStrictEqual([-9, 1, 2, 4, 99].map((at) => Step.nearest(run, mask, at)), [0, 0, 3, 3, 5])
    assert.strictEqual(Step.nearest(runOf([]), undefined, 4), 0)
  })
})

describe("states", () => {
  const states = [
    { row: 1, tMicros: 1, node: "a", state: { cursor: 1, list: [1, 2], deep: { x: "y" }, gone: true } },
    { row: 4, tMicros: 4, node: "a", state: { cursor: 2, list: [1, 2], deep: { x: "y" }, more: null } }
  ]
  const at = State.stateReader(pack(reportOf(lines, { states })))

  it("are the last that the node said by then", () => {
    assert.isUndefined(at("a", 0))
    assert.isUndefined(at("b", 5))
    assert.strictEqual(at("a", 3)?.row, 1)
    assert.strictEqual(at("a", 99)?.row, 4)
  })

  it("say leaf by leaf what changed", () => {
    assert.isTrue(at("a", 1)?.leaves.every(({ change }) => change === "same"))
    assert.deepStrictEqual(at("a", 4)?.leaves, [
      { path: "cursor", value: "2", change: "changed" },
      { path: "list", value: "1, 2", change: "same" },
      { path: "deep.x", value: "y", change: "same" },
      { path: "more", value: "null", change: "new" },
      { path: "gone", value: "true", change: "gone" }
    ])
  })

  it("are any JSON, each as it was told", () => {
    const told = [null, 7, "x", [1], [], {}, { a: 1 }, { b: { c: [null] }, a: 1 }, { a: 1 }, { __proto__: 1 }]
    const states = told.map((state, row) => ({ row: row * 3, tMicros: 0, node: row % 2 === 0 ? "a" : "b", state }))
    const at = State.stateReader(JSON.parse(JSON.stringify(pack(reportOf(lines, { states })))))
    told.forEach((state, row) => {
      const leaves = at(row % 2 === 0 ? "a" : "b", row * 3)?.leaves.filter(({ change }) => change !== "gone")
      assert.deepStrictEqual(leaves?.map(({ path, value }) => [path, value]), [...State.leavesOf(state)])
    })
  })

  it("have a leaf for every kind of value", () => {
    const many = Array.from({ length: 90 }, (_, i) => i)
    const value = { a: {}, b: [], c: [{ d: "x".repeat(99) }, { id: "a:1", clock: 2 }], f: many, g: { h: null }, e: 0 }
    assert.deepStrictEqual([...State.leavesOf(value)], [
      ["a", "{}"],
      ["b", "[]"],
      ["c.0.d", "x".repeat(99)],
      ["c.1", "id a:1 · clock 2"],
      ["f", many.join(", ")],
      ["g.h", "null"],
      ["e", "0"]
    ])
    assert.deepStrictEqual([...State.leavesOf(7)], [["", "7"]])
  })
})

describe("the wire", () => {
  const run = runOf(lines)

  it("shows connection, way, size and type, latest first, and nothing of other nodes", () => {
    assert.deepStrictEqual(Wire.seen(run, "b", 5, 9), [
      { at: 4, connection: "1", way: "in", peer: "a", bytes: 10, type: "push" }
    ])
    assert.deepStrictEqual(Wire.seen(run, "b", 3, 9), [])
    assert.deepStrictEqual(Wire.seen(run, "a", 5, 9).map(({ way }) => way), ["out"])
  })

  it("sums up to the cursor", () => {
    assert.deepStrictEqual(Wire.totals(run, "b", 5), {
      in: { messages: 1, bytes: 10 },
      out: { messages: 0, bytes: 0 },
      connections: 1
    })
    assert.strictEqual(Wire.totals(run, "b", 3).in.messages, 0)
  })
})

describe("kinds", () => {
  it("that nobody knows are read by their names, and are events in the worst case", () => {
    const told = [
      "send",
      "disk.truncate",
      "fault.custom",
      "span.end",
      "relay withholds",
      "toString",
      "violation.late",
      "probe.digest"
    ]
    assert.deepStrictEqual(told.map(familyOf), [
      "message",
      "disk",
      "fault",
      "code",
      "event",
      "event",
      "violation",
      "state"
    ])
  })
})

describe("words", () => {
  it("tell a row", () => {
    assert.strictEqual(Describe.row(runOf(lines), 4), "#4 at 0.000004 s: b recv push · from a · 10 B · on 1")
  })

  it("tell a fault: whom, when, how long, how much", () => {
    const told: ReadonlyArray<readonly [Fault, string]> = [
      [{ kind: "jump", node: "a", atMicros: 1_000_000, micros: -3_600_000_000 }, "a · at 1 s · by −1 h"],
      [
        {
          kind: "partition",
          atMicros: 0,
          durationMicros: 500_000,
          between: { shape: "sets", side: ["a", "b"], direction: "in" }
        },
        "a, b (in only) · at 0 s · for 500 ms"
      ],
      [
        {
          kind: "loss",
          atMicros: 0,
          durationMicros: 1,
          between: { shape: "link", from: "a", to: "b" },
          p: 0.5,
          onConnection: "reset"
        },
        "a → b · at 0 s · for 1 µs · p 0.5 · on connection reset"
      ],
      [
        {
          kind: "crashAt",
          node: "a",
          point: { at: "disk", operation: "sync", phase: "before", k: 1 },
          downMicros: 0,
          disk: { kind: "none" },
          notice: "never"
        },
        "a · before its 2nd disk sync · disk none · notice never"
      ],
      [{ kind: "custom", name: "roll back", atMicros: 5, input: { entries: 2 } }, "at 5 µs · input entries 2"]
    ]
    for (const [fault, words] of told) assert.strictEqual(Describe.fault(fault), words)
    assert.strictEqual(Describe.faultName({ kind: "custom", name: "roll back", atMicros: 5, input: null }), "roll back")
    assert.strictEqual(Describe.faultName({ kind: "pause", node: "a", atMicros: 5, durationMicros: 1 }), "pause")
  })
})

describe("the file", () => {
  it("is made of the page as it is in the tree: `node tools/viewer.ts` writes it anew", async () => {
    assert.strictEqual(await readFile(output, "utf8"), await generate())
  })

  it("is less than 300 KiB without the trace, and loads nothing", () => {
    const html = render(reportOf([]))
    assert.isBelow(Buffer.byteLength(html), 300 * 1024)
    assert.include(html, "default-src 'none'")
    assert.notMatch(html, /(src|href)="(?!data:)|url\((?!data:)|@import|\bfetch\(|XMLHttpRequest|WebSocket/)
  })

  it("is the same for the same report", () => {
    assert.strictEqual(render(sampleReport()), render(sampleReport()))
  })

  it("keeps its shape whatever the report says", () => {
    const evil = "</script><script>alert(1)</script><!--"
    const html = render(reportOf([[0, evil, evil, { [evil]: evil }]]), { title: evil, narrative: evil })
    assert.notInclude(html, "<script>alert")
    assert.strictEqual(html.split("<script").length, 3)
    const json = /id="run">(.*)<\/script>/.exec(html)?.[1] ?? ""
    assert.strictEqual(JSON.parse(json).title, evil)
  })

  it("tells the story line by line, and the line that gives it again", () => {
    const packed = pack(sampleReport(), { narrative: "one\n\n  two \n" })
    assert.deepStrictEqual(packed.narrative, ["one", "two"])
    assert.strictEqual(packed.reproduce, `npx sotto-sim replay ${packed.scenario.seed}`)
  })
})
