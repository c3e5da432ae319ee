/** The few rows of a trace that say most about a violation: what caused it, and what came right before. */
import type { Report, Violation } from "../Report.ts"
import type { Row } from "../Trace.ts"

const ROWS_MAX = 12

/** The row of a violation, or else the last one that was written before it. */
const rowOf = (rows: ReadonlyArray<Row>, violation: Violation): Row | undefined => {
  const { row, tMicros } = violation
  const exact = row === undefined ? undefined : rows.find(({ i }) => i === row)
  return exact ?? rows.findLast((other) => other.tMicros <= tMicros)
}

/** What led to a row, the row itself last: each was caused by the one before it. */
export const causes = (rows: ReadonlyArray<Row>, violation: Violation): ReadonlyArray<Row> => {
  const byNumber = new Map(rows.map((row) => [row.i, row]))
  const chain: Array<Row> = []
  let row = rowOf(rows, violation)
  while (row !== undefined) {
    chain.unshift(row)
    row = row.cause === undefined || row.cause >= row.i ? undefined : byNumber.get(row.cause)
  }
  return chain
}

/** At most twelve rows in order: the causes, half of them at most, then what came before at the same node, then anywhere. */
export const excerpt = (report: Report, violation: Violation): ReadonlyArray<Row> => {
  const { rows } = report
  const last = rowOf(rows, violation)
  if (last === undefined) return []
  const before = rows.filter(({ i }) => i <= last.i).toReversed()
  const node = violation.node ?? last.node
  const chosen = new Set<Row>(causes(rows, violation).slice(-ROWS_MAX / 2))
  for (const row of [...before.filter((other) => other.node === node), ...before]) {
    if (chosen.size >= ROWS_MAX) break
    chosen.add(row)
  }
  return [...chosen].sort((a, b) => a.i - b.i)
}
