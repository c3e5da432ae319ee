import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Payload, Row } from "../../src/Trace.ts"
import { pack, packRows } from "../../src/viewer/Packed.ts"
import * as Run from "../../src/viewer/page/Run.ts"
import { sampleReport } from "../kit/sampleReport.ts"
import { reportOf } from "../kit/sampleRun.ts"

const value = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string(),
  fc.boolean(),
  fc.constant(null)
)

interface Draft {
  readonly wait: number
  readonly node: string
  readonly kind: string
  readonly back: number | undefined
  readonly payload: Payload | undefined
}

const row: fc.Arbitrary<Draft> = fc.record({
  wait: fc.nat(1_000_000),
  node: fc.constantFrom("a", "b", "world"),
  kind: fc.string({ maxLength: 4 }),
  back: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  payload: fc.option(fc.dictionary(fc.constantFrom("to", "bytes", "k", "__x"), value), { nil: undefined })
})

const rowsFrom = (first: number, drafts: ReadonlyArray<Draft>): ReadonlyArray<Row> => {
  let tMicros = 0
  return drafts.map(({ back, kind, node, payload, wait }, at) => {
    tMicros += wait
    const cause = back === undefined || first + at - back < 0 ? undefined : first + at - back
    return { i: first + at, tMicros, node, kind, cause, payload }
  })
}

describe("packed rows", () => {
  it("are unpacked as they were, whatever they say", () => {
    fc.assert(fc.property(fc.nat(10_000), fc.array(row, { maxLength: 40 }), (first, drafts) => {
      const rows = rowsFrom(first, drafts)
      const packed = { ...pack(reportOf([])), rows: packRows(rows) }
      const run = Run.unpack(JSON.parse(JSON.stringify(packed)))
      assert.strictEqual(run.size, rows.length)
      rows.forEach(({ cause, kind, node, payload, tMicros }, at) => {
        assert.deepStrictEqual([Run.timeOf(run, at), Run.nodeOf(run, at), Run.kindOf(run, at)], [tMicros, node, kind])
        assert.deepStrictEqual(
          Object.entries(run.payload(at)),
          Object.entries(JSON.parse(JSON.stringify(payload ?? {})))
        )
        const known = cause === undefined
          ? Run.NONE
          : cause < (rows[0]?.i ?? 0)
          ? Run.BEFORE
          : cause - (rows[0]?.i ?? 0)
        assert.strictEqual(Run.causeOf(run, at), known)
      })
    }))
  })

  it("say infinite numbers as text, since JSON has none", () => {
    const run = Run.unpack(pack(reportOf([[0, "a", "x", { p: Infinity, q: Number.NaN }]])))
    assert.deepStrictEqual(run.payload(0), { p: "Infinity", q: "NaN" })
  })

  it("take less than 40 bytes a row", () => {
    const { length } = JSON.stringify(packRows(sampleReport({ rows: 5_000 }).rows))
    assert.isBelow(length / 5_000, 40)
  })

  it("find rows by number and by time", () => {
    const run = Run.unpack(pack(reportOf([[5, "a", "x"], [5, "b", "x"], [9, "a", "x"]])))
    assert.deepStrictEqual([4, 5, 8, 9, 10].map((micros) => Run.rowsUntil(run, micros)), [0, 2, 2, 3, 3])
    assert.deepStrictEqual([Run.positionOf(run, 2), Run.positionOf(run, 3), Run.positionOf(run, undefined)], [
      2,
      undefined,
      undefined
    ])
  })

  it("tell what a row caused", () => {
    const run = Run.unpack(
      pack(reportOf([[0, "a", "x"], [1, "b", "y", {}, 0], [2, "a", "z", {}, 1], [3, "a", "z", {}, 0]]))
    )
    assert.deepStrictEqual(Run.effectsOf(run, 0), [1, 3])
    assert.deepStrictEqual(Run.effectsOf(run, 0, 1), [1])
  })
})
