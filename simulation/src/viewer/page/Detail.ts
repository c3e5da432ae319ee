/**
 * Levels of detail: what is drawn of a run when there are more rows than pixels.
 *
 * 1. How much is drawn depends on the size of the picture and the number of lanes, never on the number of rows.
 * 2. From near, every row is a mark and every message a line. From far, rows of a lane that share a column are one bar,
 *    and messages that share both columns, lanes, type and fate are one line.
 * 3. Nothing is hidden: a column with a row has a bar, however few there are.
 */
import { type Axis } from "./Axis.ts"
import type { Frame } from "./Frame.ts"
import type { Messages } from "./Message.ts"
import type { Run } from "./Run.ts"

/** Pixels for one column of bars. */
export const COLUMN = 3
/** No more marks than that are drawn one by one. */
export const MARKS_MAX = 1_600
/** No more lines than that are drawn one by one. */
export const LINES_MAX = 2_400
/** No more lines than that are drawn when some stand for many. */
export const LINES_DENSE_MAX = 6_000

export interface Scene {
  readonly run: Run
  readonly axis: Axis
  readonly frame: Frame
  readonly width: number
  /** Rows that are shown, or undefined: all. */
  readonly mask: Uint8Array | undefined
  /** Lane by index of the node. */
  readonly laneByNode: Int32Array
  readonly lanes: number
}

export interface Slice {
  readonly from: number
  readonly to: number
}

/** The rows of a frame: from a position to before a position. */
const sliceOf = (axis: Axis, frame: Frame): Slice => ({
  from: firstAt(axis.place, frame.from),
  to: firstAt(axis.place, frame.to + Number.EPSILON * Math.max(1, Math.abs(frame.to)))
})

const firstAt = (place: Float64Array, wanted: number): number => {
  let [low, high] = [0, place.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((place[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

export const x = (scene: Scene, place: number): number =>
  (place - scene.frame.from) / (scene.frame.to - scene.frame.from) * scene.width

/** The positions of rows to draw one by one, or undefined when there are too many of them. */
export const marks = (scene: Scene): ReadonlyArray<number> | undefined => {
  const { from, to } = sliceOf(scene.axis, scene.frame)
  const out: Array<number> = []
  for (let at = from; at < to; at++) {
    if (scene.mask !== undefined && scene.mask[at] === 0) continue
    if (out.length === MARKS_MAX) return undefined
    out.push(at)
  }
  return out
}

export interface Bars {
  readonly columns: number
  /** Rows in a column of a lane: lane * columns + column. */
  readonly counts: Uint32Array
  readonly most: number
}

export const bars = (scene: Scene): Bars => {
  const columns = Math.max(1, Math.ceil(scene.width / COLUMN))
  const counts = new Uint32Array(columns * scene.lanes)
  const { from, to } = sliceOf(scene.axis, scene.frame)
  const scale = columns / (scene.frame.to - scene.frame.from)
  let most = 1
  for (let at = from; at < to; at++) {
    if (scene.mask !== undefined && scene.mask[at] === 0) continue
    const column = Math.min(columns - 1, Math.floor(((scene.axis.place[at] ?? 0) - scene.frame.from) * scale))
    const cell = (scene.laneByNode[scene.run.node[at] ?? 0] ?? 0) * columns + column
    const count = (counts[cell] ?? 0) + 1
    counts[cell] = count
    if (count > most) most = count
  }
  return { columns, counts, most }
}

/** One line of the picture: a message, or so many that look the same. */
export interface Line {
  readonly message: number
  readonly x0: number
  readonly x1: number
  readonly count: number
}

/** The lines to draw. `dense` when some stand for many. */
export const lines = (
  scene: Scene,
  messages: Messages
): { readonly lines: ReadonlyArray<Line>; readonly dense: boolean } => {
  const near = visible(scene, messages, LINES_MAX)
  if (near !== undefined) return { lines: near, dense: false }
  let column = COLUMN
  for (;;) {
    const grouped = group(scene, messages, column)
    if (grouped.length <= LINES_DENSE_MAX || column > scene.width) {
      return { lines: grouped.slice(0, LINES_DENSE_MAX), dense: true }
    }
    column *= Math.max(2, Math.ceil(grouped.length / LINES_DENSE_MAX))
  }
}

const visible = (scene: Scene, messages: Messages, max: number): ReadonlyArray<Line> | undefined => {
  const out: Array<Line> = []
  for (let message = 0; message < messages.size; message++) {
    const line = lineOf(scene, messages, message)
    if (line === undefined) continue
    if (out.length === max) return undefined
    out.push(line)
  }
  return out
}

const lineOf = (scene: Scene, messages: Messages, message: number): Line | undefined => {
  const { axis, frame, mask } = scene
  const sent = messages.sent[message] ?? 0
  const end = messages.end[message] ?? 0
  const p0 = axis.place[sent] ?? 0
  const p1 = axis.place[end] ?? 0
  if (p1 < frame.from || p0 > frame.to) return undefined
  if (mask !== undefined && (mask[sent] === 0 || mask[end] === 0)) return undefined
  return { message, x0: x(scene, p0), x1: x(scene, p1), count: 1 }
}

const centre = (at: number, column: number): number => (Math.floor(at / column) + 0.5) * column

/** One line for all messages that would be drawn over each other. */
const group = (scene: Scene, messages: Messages, column: number): ReadonlyArray<Line> => {
  const byKey = new Map<number, { message: number; x0: number; x1: number; count: number }>()
  const columns = Math.ceil(scene.width / column) + 3
  const lanes = scene.lanes
  const place = (at: number) => Math.min(columns - 1, Math.max(0, Math.floor(at / column) + 1))
  for (let message = 0; message < messages.size; message++) {
    const line = lineOf(scene, messages, message)
    if (line === undefined) continue
    const pair = (messages.from[message] ?? 0) * lanes + (messages.to[message] ?? 0)
    const look = Math.min(7, messages.type[message] ?? 0) * 3 + (messages.fate[message] ?? 0)
    const key = ((pair * 24 + look) * columns + place(line.x0)) * columns + place(line.x1)
    const known = byKey.get(key)
    if (known === undefined) byKey.set(key, { ...line, x0: centre(line.x0, column), x1: centre(line.x1, column) })
    else known.count++
  }
  return [...byKey.values()]
}

/**
 * The shown row that is meant by a point: on its lane, the closest one within a reach in pixels. From far, any row of
 * the column is meant as well as another; the closest is taken.
 */
export const pick = (scene: Scene, lane: number, atX: number, reach: number): number | undefined => {
  const perPixel = (scene.frame.to - scene.frame.from) / scene.width
  const wanted = scene.frame.from + atX * perPixel
  const { from, to } = sliceOf(scene.axis, { from: wanted - reach * perPixel, to: wanted + reach * perPixel })
  let best: number | undefined
  let distance = Number.POSITIVE_INFINITY
  for (let at = from; at < to; at++) {
    if (scene.laneByNode[scene.run.node[at] ?? 0] !== lane || (scene.mask !== undefined && scene.mask[at] === 0)) {
      continue
    }
    const off = Math.abs((scene.axis.place[at] ?? 0) - wanted)
    if (off >= distance) continue
    distance = off
    best = at
  }
  return best
}
