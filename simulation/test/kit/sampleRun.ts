/** Runs of the viewer from rows that a test writes down, or from the sample. */
import type { Report } from "../../src/Report.ts"
import type { Payload } from "../../src/Trace.ts"
import { pack } from "../../src/viewer/Packed.ts"
import { type Run, unpack } from "../../src/viewer/page/Run.ts"
import { sampleReport } from "./sampleReport.ts"

/** One row: time, node, kind, and what it says. */
export type Line = readonly [tMicros: number, node: string, kind: string, payload?: Payload, cause?: number | undefined]

export const reportOf = (lines: ReadonlyArray<Line>, more: Partial<Report> = {}): Report => {
  const sample = sampleReport({ rows: 1, violated: false })
  return {
    ...sample,
    states: [],
    simulatedMicros: lines.at(-1)?.[0] ?? 0,
    ...more,
    rows: lines.map(([tMicros, node, kind, payload, cause], i) => ({ i, tMicros, node, kind, payload, cause }))
  }
}

export const runOf = (lines: ReadonlyArray<Line>, more: Partial<Report> = {}): Run =>
  unpack(pack(reportOf(lines, more)))

export const sampleRun = (rows = 600): Run => unpack(pack(sampleReport({ rows })))
