import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Cone from "../../src/viewer/page/Cone.ts"
import type { Run } from "../../src/viewer/page/Run.ts"
import { type Line, runOf } from "../kit/sampleRun.ts"

const members = (cone: Cone.Cone) => [...cone].flatMap((one, at) => one === 1 ? [at] : [])

const lines: ReadonlyArray<Line> = [
  [0, "a", "boot"], // 0
  [0, "b", "boot"], // 1
  [1, "a", "send", { to: "b" }, 0], // 2
  [2, "c", "boot"], // 3
  [3, "b", "recv", { from: "a" }, 2], // 4
  [4, "a", "log"], // 5
  [5, "c", "send", { to: "a" }, 3], // 6
  [6, "b", "violation", {}, 4] // 7
]

/** Happens-before, as it is defined: order on a node, cause, and whatever follows from them. */
const before = (run: Run, at: number): ReadonlyArray<number> => {
  const found = new Set([at])
  for (const one of found) {
    if ((run.cause[one] ?? -1) >= 0) found.add(run.cause[one] ?? 0)
    for (let other = 0; other < one; other++) if (run.node[other] === run.node[one]) found.add(other)
  }
  return [...found].sort((a, b) => a - b)
}

const random = fc.array(fc.record({ node: fc.constantFrom("a", "b", "c", "d"), back: fc.nat(8) }), {
  minLength: 1,
  maxLength: 40
})
  .map((drafts) =>
    runOf(
      drafts.map(({ back, node }, at): Line => [at, node, "x", {}, back === 0 || back > at ? undefined : at - back])
    )
  )

describe("the cone", () => {
  const run = runOf(lines)

  it("of causes is the chain of them", () => {
    assert.deepStrictEqual(members(Cone.chain(run, 7)), [0, 2, 4, 7])
    assert.deepStrictEqual(members(Cone.chain(run, 3)), [3])
  })

  it("of the past has what the nodes had done and heard by then, and nothing else", () => {
    assert.deepStrictEqual(members(Cone.past(run, 7)), [0, 1, 2, 4, 7])
  })

  it("of the past is happens-before, in every trace", () => {
    fc.assert(fc.property(random, fc.nat(39), (run, wanted) => {
      const at = wanted % run.size
      assert.deepStrictEqual(members(Cone.past(run, at)), before(run, at))
    }))
  })

  it("of causes lies within the past, in every trace", () => {
    fc.assert(fc.property(random, fc.nat(39), (run, wanted) => {
      const at = wanted % run.size
      const past = Cone.past(run, at)
      assert.isTrue(members(Cone.chain(run, at)).every((one) => past[one] === 1))
    }))
  })

  it("is empty where there is no row", () => {
    assert.strictEqual(Cone.sizeOf(Cone.past(run, 99)), 0)
    assert.strictEqual(Cone.sizeOf(Cone.chain(run, -1)), 0)
  })
})

describe("the focus of a violation", () => {
  it("is its row when something caused that", () => {
    assert.strictEqual(Cone.focusOf(runOf(lines), { row: 7, node: "b", message: "", tMicros: 6 }), 7)
  })

  it("is the last row of its node that something caused, when a check in the end found it", () => {
    const run = runOf([...lines, [9, "a", "violation"]])
    assert.strictEqual(Cone.focusOf(run, { row: 8, node: "b", message: "", tMicros: 9 }), 7)
    assert.strictEqual(Cone.focusOf(run, { row: 8, node: "a", message: "", tMicros: 9 }), 2)
    assert.strictEqual(Cone.focusOf(run, { row: 8, message: "nobody", tMicros: 9 }), 8)
  })

  it("is not what a fault notes of its end", () => {
    const run = runOf([[0, "a", "fault"], [1, "a", "x", {}, 0], [2, "a", "fault.end", {}, 0], [3, "a", "violation"]])
    assert.strictEqual(Cone.focusOf(run, { row: 3, node: "a", message: "", tMicros: 3 }), 1)
  })

  it("is of the first node that the message speaks of, when it is about none", () => {
    const run = runOf([[0, "world", "x"], [1, "client-10", "x", {}, 0], [2, "relay", "x", {}, 0], [
      3,
      "client-1",
      "x",
      {},
      0
    ], [4, "world", "violation"]])
    assert.strictEqual(
      Cone.focusOf(run, { row: 4, message: "client-10 and client-1 differ from relay", tMicros: 4 }),
      3
    )
  })

  it("is nowhere when the rows do not reach that far back", () => {
    assert.isUndefined(Cone.focusOf(runOf(lines), { row: 1_000, message: "", tMicros: 9 }))
  })
})
