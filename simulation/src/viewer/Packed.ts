/**
 * A run as the viewer's file carries it: rows as columns, each text once.
 *
 * 1. A row of the trace costs about 20 bytes, and 100,000 of them are parsed in a blink: numbers only, no object a row.
 * 2. `page/Run.ts` is the other side: what it unpacks equals what was packed.
 * 3. Values of a payload lie in one flat list. The shape of a row says which keys they have and what each number means.
 */
import type { Report, Violation } from "../Report.ts"
import type { Scenario } from "../Scenario.ts"
import type { Payload, Row } from "../Trace.ts"

/** `n` a number, `s` the index of a text, `b` 0 or 1, `z` null. */
export type ValueType = "n" | "s" | "b" | "z"

/** The keys of a payload in their order, each with the type of its value. */
export type Shape = ReadonlyArray<readonly [key: string, type: ValueType]>

export interface PackedRows {
  /** Index of the first row that is here: a ring of the last rows begins later than 0. */
  readonly first: number
  readonly texts: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly shapes: ReadonlyArray<Shape>
  /** Microseconds since the row before. */
  readonly time: ReadonlyArray<number>
  readonly node: ReadonlyArray<number>
  readonly kind: ReadonlyArray<number>
  /** How many rows back the cause lies; 0 for none. */
  readonly cause: ReadonlyArray<number>
  /** Shape of the payload and 1; 0 for no payload. */
  readonly shape: ReadonlyArray<number>
  readonly values: ReadonlyArray<number>
}

/** What probes told, value by value: most values of a state are as they were, and each is here once. */
export interface PackedStates {
  /** JSON of each value. */
  readonly texts: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<string>
  /** Keys of a state in their order, or null: the state is one value, and no object. */
  readonly shapes: ReadonlyArray<ReadonlyArray<string> | null>
  /** How many rows behind the state before. */
  readonly row: ReadonlyArray<number>
  readonly node: ReadonlyArray<number>
  readonly shape: ReadonlyArray<number>
  readonly values: ReadonlyArray<number>
}

export interface Packed {
  readonly format: 1
  readonly title: string
  /** Paragraphs that tell what happened. */
  readonly narrative: ReadonlyArray<string>
  /** The line that gives the same run again. */
  readonly reproduce: string
  readonly scenario: Scenario
  readonly shrunk: Scenario | undefined
  readonly ok: boolean
  readonly violations: ReadonlyArray<Violation>
  readonly events: number
  readonly simulatedMicros: number
  readonly traceHash: string
  readonly lossExpected: ReadonlyArray<string>
  readonly marks: { readonly [name: string]: number }
  readonly situations: number
  readonly stuck: ReadonlyArray<{ readonly node: string; readonly waits: string }>
  readonly rows: PackedRows
  readonly states: PackedStates
}

export interface PackOptions {
  readonly title?: string | undefined
  readonly narrative?: string | undefined
  readonly shrunk?: Scenario | undefined
  readonly reproduce?: string | undefined
}

export const pack = (report: Report, options: PackOptions = {}): Packed => ({
  format: 1,
  title: options.title ?? report.scenario.simulation,
  narrative: (options.narrative ?? "").split(/\n+/).map((line) => line.trim()).filter((line) => line !== ""),
  reproduce: options.reproduce ?? `npx sotto-sim replay ${report.scenario.seed}`,
  scenario: report.scenario,
  shrunk: options.shrunk,
  ok: report.ok,
  violations: report.violations,
  events: report.events,
  simulatedMicros: report.simulatedMicros,
  traceHash: report.traceHash,
  lossExpected: report.lossExpected,
  marks: report.marks,
  situations: report.situations.length,
  stuck: report.stuck,
  rows: packRows(report.rows),
  states: packStates(report.states)
})

/** What is nobody's row is the world's. */
const WORLD = "world"

export const packRows = (rows: ReadonlyArray<Row>): PackedRows => {
  const texts = new Numbering()
  const nodes = new Numbering()
  const kinds = new Numbering()
  const shapes = new Numbering()
  const columns = { time: [0], node: [0], kind: [0], cause: [0], shape: [0] }
  for (const column of Object.values(columns)) column.length = 0
  const values: Array<number> = []
  let before = 0
  for (const row of rows) {
    columns.time.push(row.tMicros - before)
    before = row.tMicros
    columns.node.push(nodes.of(row.node === "" ? WORLD : row.node))
    columns.kind.push(kinds.of(row.kind))
    columns.cause.push(row.cause === undefined ? 0 : row.i - row.cause)
    columns.shape.push(row.payload === undefined ? 0 : 1 + shapes.of(JSON.stringify(shapeOf(row.payload))))
    if (row.payload !== undefined) { for (const key in row.payload) values.push(number(row.payload[key], texts)) }
  }
  return {
    first: rows[0]?.i ?? 0,
    texts: texts.names,
    nodes: nodes.names,
    kinds: kinds.names,
    shapes: shapes.names.map((shape): Shape => JSON.parse(shape)),
    ...columns,
    values
  }
}

const packStates = (states: Report["states"]): PackedStates => {
  const texts = new Numbering()
  const nodes = new Numbering()
  const shapes = new Numbering()
  const columns = { row: [0], node: [0], shape: [0], values: [0] }
  for (const column of Object.values(columns)) column.length = 0
  let before = 0
  for (const { node, row, state } of states) {
    columns.row.push(row - before)
    before = row
    columns.node.push(nodes.of(node))
    const isObject = typeof state === "object" && state !== null && !Array.isArray(state)
    columns.shape.push(shapes.of(JSON.stringify(isObject ? Object.keys(state) : null)))
    for (const value of isObject ? Object.values(state) : [state]) columns.values.push(texts.of(JSON.stringify(value)))
  }
  return {
    texts: texts.names,
    nodes: nodes.names,
    shapes: shapes.names.map((shape): ReadonlyArray<string> | null => JSON.parse(shape)),
    ...columns
  }
}

const shapeOf = (payload: Payload): Shape =>
  Object.entries(payload).map(([key, value]) => [key, typeOf(value)] as const)

const typeOf = (value: Payload[string]): ValueType => {
  if (typeof value === "boolean") return "b"
  if (typeof value === "string") return "s"
  if (value === null) return "z"
  return Number.isFinite(value) ? "n" : "s"
}

const number = (value: Payload[string] | undefined, texts: Numbering): number => {
  switch (typeOf(value ?? null)) {
    case "n":
      return Number(value)
    case "b":
      return value === true ? 1 : 0
    case "s":
      return texts.of(String(value))
    case "z":
      return 0
  }
}

/** Gives each text a number, in the order in which they come. */
class Numbering {
  readonly names: Array<string> = []
  private readonly numbers = new Map<string, number>()

  of(name: string): number {
    const known = this.numbers.get(name)
    if (known !== undefined) return known
    const next = this.names.length
    this.numbers.set(name, next)
    this.names.push(name)
    return next
  }
}
