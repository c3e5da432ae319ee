/**
 * What happened in a run, row by row, and a running hash of it.
 *
 * 1. The hash covers time, node, kind and payload of every row, in order; never fiber ids, never a path of this machine.
 * 2. The hash does not depend on which rows are kept. The last 5,000 always are; all of them on demand.
 * 3. `cause` is the row that caused this one (send → receive, timer → task, fault → crash): happens-before for free.
 */
import type { Timeline } from "./Timeline.ts"

/** What a row says beyond its kind. Keys in the order in which they were written are part of the hash. */
export type Payload = Readonly<Record<string, string | number | boolean | null>>

export interface Row {
  readonly i: number
  readonly tMicros: number
  readonly node: string
  readonly kind: string
  readonly cause: number | undefined
  readonly payload: Payload | undefined
}

/** Where virtual services write what they did. */
export interface Recorder {
  /** Adds a row and answers its index. Without a `cause`, the row is caused by the recorder's. */
  readonly note: (node: string, kind: string, payload?: Payload, cause?: number) => number
  /** The row that later rows of this synchronous step are caused by; set by deliveries, timers and faults. */
  cause: number | undefined
}

export interface Trace extends Recorder {
  /** How many rows there were. */
  readonly size: number
  /** The running hash, 16 hexadecimal digits. */
  readonly hash: string
  /** The rows that are kept, oldest first: all of them when `full`, else the last `keep`. */
  readonly rows: () => ReadonlyArray<Row>
  /** Shows every row, right when it is added. The answer stops it. Rows do not depend on who sees them. */
  readonly onRow: (see: (row: Row) => void) => () => void
}

export interface TraceOptions {
  readonly timeline: Pick<Timeline, "nowMicros">
  /** Keeps every row. */
  readonly full?: boolean | undefined
  /** How many of the last rows are kept otherwise: 5,000. */
  readonly keep?: number | undefined
}

export const make = (options: TraceOptions): Trace => new Recording(options)

/** The first row in which two traces differ, with what each has there, or undefined when they agree. */
export const divergence = (
  before: ReadonlyArray<Row>,
  after: ReadonlyArray<Row>
): { readonly i: number; readonly before: Row | undefined; readonly after: Row | undefined } | undefined => {
  for (let at = 0; at < Math.max(before.length, after.length); at++) {
    const [left, right] = [before[at], after[at]]
    if (left === undefined || right === undefined || text(left) !== text(right)) {
      return { i: left?.i ?? right?.i ?? at, before: left, after: right }
    }
  }
  return undefined
}

/** One line for a person: `#12 1.500000 n1 send {"to":"n2"} <- 3`. */
export const text = (row: Row): string => {
  const seconds = Math.floor(row.tMicros / 1_000_000)
  const time = `${seconds}.${String(row.tMicros % 1_000_000).padStart(6, "0")}`
  const payload = row.payload === undefined ? "" : ` ${JSON.stringify(row.payload)}`
  return `#${row.i} ${time} ${row.node} ${row.kind}${payload}${row.cause === undefined ? "" : ` <- ${row.cause}`}`
}

class Recording implements Trace {
  cause: number | undefined = undefined
  size = 0
  private readonly timeline: Pick<Timeline, "nowMicros">
  private readonly full: boolean
  private readonly keep: number
  private readonly kept: Array<Row> = []
  /** Hashes of names: node, kind and key texts come again and again. */
  private readonly names = new Map<string, number>()
  private watchers: ReadonlyArray<(row: Row) => void> = []
  private a = 0x6a09e667
  private b = 0xbb67ae85

  constructor(options: TraceOptions) {
    this.timeline = options.timeline
    this.full = options.full ?? false
    this.keep = options.keep ?? 5_000
  }

  get hash(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0")
    return hex(this.a ^ Math.imul(this.b, 0x27d4eb2f)) + hex(this.b ^ (this.a >>> 15))
  }

  rows(): ReadonlyArray<Row> {
    if (this.full || this.size <= this.keep) return this.kept.slice()
    const oldest = this.size % this.keep
    return [...this.kept.slice(oldest), ...this.kept.slice(0, oldest)]
  }

  note(node: string, kind: string, payload?: Payload, cause: number | undefined = this.cause): number {
    const i = this.size++
    const tMicros = this.timeline.nowMicros()
    this.number(tMicros)
    this.mix(this.name(node))
    this.mix(this.name(kind))
    if (payload !== undefined) this.payload(payload)
    const row = { i, tMicros, node, kind, cause, payload }
    if (this.full) this.kept.push(row)
    else this.kept[i % this.keep] = row
    for (const see of this.watchers) see(row)
    return i
  }

  onRow(see: (row: Row) => void): () => void {
    this.watchers = [...this.watchers, see]
    return () => {
      this.watchers = this.watchers.filter((other) => other !== see)
    }
  }

  private payload(payload: Payload): void {
    for (const key in payload) {
      this.mix(this.name(key))
      const value = payload[key]
      if (typeof value === "number") this.number(value)
      else if (typeof value === "string") this.text(value)
      else this.mix(value === true ? 0x7472 : value === false ? 0x6661 : 0x6e75)
    }
  }

  private mix(word: number): void {
    const a = Math.imul(this.a ^ word, 0x9e3779b1)
    this.a = (a << 15) | (a >>> 17)
    const b = Math.imul((this.b + word) | 0, 0x85ebca77)
    this.b = ((b << 13) | (b >>> 19)) ^ this.a
  }

  /** An integer goes in as its 53 bits; anything else as the text of it, which is the same on every engine. */
  private number(value: number): void {
    if (!Number.isSafeInteger(value)) return this.text(String(value))
    this.mix(value | 0)
    this.mix(Math.floor(value / 4294967296))
  }

  private text(value: string): void {
    this.mix(value.length)
    for (let i = 0; i < value.length; i += 2) this.mix(value.charCodeAt(i) | (value.charCodeAt(i + 1) << 16))
  }

  private name(text: string): number {
    const known = this.names.get(text)
    if (known !== undefined) return known
    const hash = hashOf(text)
    this.names.set(text, hash)
    return hash
  }
}

const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    hash ^= hash >>> 15
  }
  return hash
}
