/**
 * A run in the page: the columns of the trace as typed arrays, payloads made only for rows that somebody looks at.
 *
 * 1. `at` is a position in what is here, 0 to size - 1; the number that people see is `first + at`.
 * 2. A cause that lies before the first row is `BEFORE`, no cause at all is `NONE`. Every other cause is before its row.
 */
import type { Packed, PackedRows, ValueType } from "../Packed.ts"

export type Value = string | number | boolean | null
export type Payload = { readonly [key: string]: Value }

/** A row without a cause. */
export const NONE = -1
/** A row whose cause is not here any more. */
export const BEFORE = -2

export interface Run {
  readonly packed: Packed
  readonly size: number
  readonly first: number
  readonly nodes: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly time: Float64Array
  readonly node: Uint16Array
  readonly kind: Uint16Array
  readonly cause: Int32Array
  readonly payload: (at: number) => Payload
  /** One value of a payload, without the rest of it. */
  readonly value: (at: number, key: string) => Value | undefined
}

export const unpack = (packed: Packed): Run => {
  const { rows } = packed
  const size = rows.time.length
  const time = new Float64Array(size)
  const cause = new Int32Array(size)
  const offset = new Uint32Array(size)
  let now = 0
  let next = 0
  for (let at = 0; at < size; at++) {
    now += rows.time[at] ?? 0
    time[at] = now
    const back = rows.cause[at] ?? 0
    cause[at] = back === 0 ? NONE : back < 0 || back > at ? BEFORE : at - back
    offset[at] = next
    next += rows.shapes[(rows.shape[at] ?? 0) - 1]?.length ?? 0
  }
  return {
    packed,
    size,
    first: rows.first,
    nodes: rows.nodes,
    kinds: rows.kinds,
    time,
    node: Uint16Array.from(rows.node),
    kind: Uint16Array.from(rows.kind),
    cause,
    payload: (at) => payload(rows, offset, at),
    value: (at, key) => value(rows, offset, at, key)
  }
}

export const nodeOf = (run: Run, at: number): string => run.nodes[run.node[at] ?? 0] ?? ""
export const kindOf = (run: Run, at: number): string => run.kinds[run.kind[at] ?? 0] ?? ""
export const timeOf = (run: Run, at: number): number => run.time[at] ?? 0
export const causeOf = (run: Run, at: number): number => run.cause[at] ?? NONE

/** The position of a row by its number, or undefined when it is not here. */
export const positionOf = (run: Run, row: number | undefined): number | undefined => {
  if (row === undefined) return undefined
  const at = row - run.first
  return at >= 0 && at < run.size ? at : undefined
}

/** How many rows are before a time, or at it: the position behind the last of them. */
export const rowsUntil = (run: Run, micros: number): number => {
  let [low, high] = [0, run.size]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (timeOf(run, middle) <= micros) low = middle + 1
    else high = middle
  }
  return low
}

/** The rows that a row caused, in their order, at most so many. */
export const effectsOf = (run: Run, at: number, limit = 50): ReadonlyArray<number> => {
  const effects: Array<number> = []
  for (let next = at + 1; next < run.size && effects.length < limit; next++) {
    if (run.cause[next] === at) effects.push(next)
  }
  return effects
}

const shapeAt = (rows: PackedRows, at: number) => rows.shapes[(rows.shape[at] ?? 0) - 1] ?? []

const payload = (rows: PackedRows, offset: Uint32Array, at: number): Payload => {
  const out: { [key: string]: Value } = {}
  let next = offset[at] ?? 0
  for (const [key, type] of shapeAt(rows, at)) out[key] = decode(rows, type, next++)
  return out
}

const value = (rows: PackedRows, offset: Uint32Array, at: number, wanted: string): Value | undefined => {
  let next = offset[at] ?? 0
  for (const [key, type] of shapeAt(rows, at)) {
    if (key === wanted) return decode(rows, type, next)
    next++
  }
  return undefined
}

const decode = (rows: PackedRows, type: ValueType, place: number): Value => {
  const number = rows.values[place] ?? 0
  switch (type) {
    case "n":
      return number
    case "s":
      return rows.texts[number] ?? ""
    case "b":
      return number === 1
    case "z":
      return null
  }
}
