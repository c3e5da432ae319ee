/**
 * Whether the same seed gives the same run, and if not, where the two part.
 *
 * Each row of a run is kept as 32 bits, so that thousands of runs can be compared row by row with others that come later,
 * in another order or in another process.
 */
import type { Report } from "./Report.ts"
import type * as Seed from "./Seed.ts"
import type { Simulation } from "./Simulation.ts"
import { type Row, text } from "./Trace.ts"

/** What a run is known by. */
export interface Print {
  readonly seed: string
  readonly traceHash: string
  readonly events: number
  /** One number for each row, first to last. */
  readonly rows: ReadonlyArray<number>
}

/** Where two runs of a seed part. */
export interface Divergence {
  readonly seed: string
  /** What was different about the second run. */
  readonly between: string
  /** The first row that differs, or undefined when the rows agree and only the end does not. */
  readonly row: number | undefined
  /** That row as the first and as the second run had it, as far as it is known. */
  readonly before: string | undefined
  readonly after: string | undefined
}

const hashOf = (line: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193)
  return hash | 0
}

const print32 = (row: Row): number => hashOf(text(row))

/** The first place where rows, as text, are not those of a print. */
export const rowsPrint = (print: ReadonlyArray<number>, rows: ReadonlyArray<string>): number | undefined => {
  for (let i = 0; i < Math.max(print.length, rows.length); i++) {
    const row = rows[i]
    if (row === undefined || print[i] !== hashOf(row)) return i
  }
  return undefined
}

export const printOf = (report: Report): Print => ({
  seed: report.scenario.seed,
  traceHash: report.traceHash,
  events: report.events,
  rows: report.rows.map(print32)
})

/** Runs a seed with all its rows. */
export const trace = (simulation: Simulation, seed: Seed.Seed, strategy?: string): Report =>
  simulation.run(simulation.expand(seed, strategy), { trace: true })

/** How a report differs from the print of an earlier run of the same seed, if it does. */
export const compare = (before: Print, after: Report, between: string): Divergence | undefined => {
  const { rows, scenario, traceHash } = after
  if (traceHash === before.traceHash && after.events === before.events) return undefined
  const length = Math.max(rows.length, before.rows.length)
  for (let i = 0; i < length; i++) {
    const row = rows[i]
    const known = before.rows[i]
    if (row !== undefined && known === print32(row)) continue
    return {
      seed: scenario.seed,
      between,
      row: row?.i ?? i,
      before: undefined,
      after: row === undefined ? undefined : text(row)
    }
  }
  return { seed: scenario.seed, between, row: undefined, before: undefined, after: undefined }
}

export interface Options {
  readonly seeds: ReadonlyArray<Seed.Seed>
  readonly strategy?: string | undefined
}

export type Event =
  | { readonly type: "checked"; readonly pass: Pass; readonly seeds: number; readonly of: number }
  | { readonly type: "diverged"; readonly divergence: Divergence }

export type Pass = "forward" | "backward" | "untraced"

/** The row of the first run, run again: it may well be as it was the first time. */
const completed = (
  simulation: Simulation,
  seed: Seed.Seed,
  strategy: string | undefined,
  divergence: Divergence
): Divergence => {
  const { row } = divergence
  const again = row === undefined ? undefined : trace(simulation, seed, strategy).rows.find(({ i }) => i === row)
  const before = again === undefined ? undefined : text(again)
  return before === divergence.after ? divergence : { ...divergence, before }
}

/**
 * Runs all seeds forward, then backward, then without keeping rows. Answers the prints of the forward runs, for another
 * process to be compared with.
 */
export function* check(
  simulation: Simulation,
  { seeds, strategy }: Options
): Generator<Event, ReadonlyArray<Print>, undefined> {
  const prints: Array<Print> = []
  const of = seeds.length
  for (const seed of seeds) {
    prints.push(printOf(trace(simulation, seed, strategy)))
    yield { type: "checked", pass: "forward", seeds: prints.length, of }
  }
  for (let at = of - 1; at >= 0; at--) {
    const [seed, before] = [seeds[at], prints[at]]
    if (seed === undefined || before === undefined) continue
    const divergence = compare(before, trace(simulation, seed, strategy), "forward and backward")
    if (divergence !== undefined) {
      yield { type: "diverged", divergence: completed(simulation, seed, strategy, divergence) }
    }
    yield { type: "checked", pass: "backward", seeds: of - at, of }
  }
  for (const [at, seed] of seeds.entries()) {
    const before = prints[at]
    if (before === undefined) continue
    const report = simulation.run(simulation.expand(seed, strategy))
    const divergence = untraced(before, report)
    if (divergence !== undefined) yield { type: "diverged", divergence }
    yield { type: "checked", pass: "untraced", seeds: at + 1, of }
  }
  return prints
}

/** Without tracing only the last rows are there: they are compared with the last of the print. */
const untraced = (before: Print, after: Report): Divergence | undefined => {
  const [first] = after.rows
  const from = first?.i ?? before.rows.length
  return compare({ ...before, rows: before.rows.slice(from) }, after, "tracing on and off")
}
