/**
 * Where rows lie from left to right, in units of the axis, from 0 to its length.
 *
 * 1. The place never goes back: a later row is at the same place or further right.
 * 2. `time` is true to the clock. `order` gives every row one unit. `even` shortens silence: a wait takes the root of
 *    its length, so that a burst and the hour after it fit into one picture.
 */
import { type Run, timeOf } from "./Run.ts"

export type Scale = "even" | "time" | "order"
export const scales: ReadonlyArray<Scale> = ["even", "time", "order"]

export interface Axis {
  readonly scale: Scale
  readonly length: number
  /** Place of each row. */
  readonly place: Float64Array
  readonly placeOfTime: (micros: number) => number
  readonly timeOfPlace: (place: number) => number
}

export const axisOf = (run: Run, scale: Scale): Axis => {
  const end = endOf(run)
  const place = places(run, scale)
  const last = run.size === 0 ? 0 : place[run.size - 1] ?? 0
  const tail = scale === "time" ? end : last + gap(scale, end - (run.size === 0 ? 0 : timeOf(run, run.size - 1))) + 1
  const length = Math.max(tail, 1)
  const knots = { place, time: run.time, size: run.size, length, end }
  return {
    scale,
    length,
    place,
    placeOfTime: (micros) => scale === "time" ? micros : between(knots, "time", "place", micros),
    timeOfPlace: (at) => scale === "time" ? at : between(knots, "place", "time", at)
  }
}

/** When the run ended: its last row, or later. */
export const endOf = (run: Run): number =>
  Math.max(run.packed.simulatedMicros, run.size === 0 ? 0 : timeOf(run, run.size - 1), 1)

const places = (run: Run, scale: Scale): Float64Array => {
  if (scale === "time") return run.time
  const place = new Float64Array(run.size)
  let now = 0
  for (let at = 0; at < run.size; at++) {
    const wait = at === 0 ? Math.min(timeOf(run, 0), 1_000) : timeOf(run, at) - timeOf(run, at - 1)
    now += gap(scale, wait)
    place[at] = now
  }
  return place
}

/** How far apart two rows are that are so many microseconds apart. */
const gap = (scale: Scale, micros: number): number => {
  if (scale === "order") return micros > 0 ? 1 : 0.5
  return micros <= 0 ? 0.15 : 0.3 + Math.sqrt(micros / 1_000)
}

interface Knots {
  readonly place: Float64Array
  readonly time: Float64Array
  readonly size: number
  readonly length: number
  readonly end: number
}

/** A straight line between the rows around it; the run's beginning and end close the two open sides. */
const between = (knots: Knots, from: "time" | "place", to: "time" | "place", value: number): number => {
  const source = knots[from]
  let [low, high] = [0, knots.size]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((source[middle] ?? 0) <= value) low = middle + 1
    else high = middle
  }
  const left = knot(knots, from, low - 1)
  const right = knot(knots, from, low)
  const share = right > left ? Math.min(1, Math.max(0, (value - left) / (right - left))) : 0
  const target = knot(knots, to, low - 1)
  return target + share * (knot(knots, to, low) - target)
}

/** A row's place or time; before the first is the beginning, after the last the end. */
const knot = (knots: Knots, which: "time" | "place", at: number): number => {
  const end = which === "time" ? knots.end : knots.length
  return at < 0 ? 0 : knots[which][at] ?? end
}

/** Places of the marks of a ruler: round times, at least so far apart. */
export const ticks = (
  axis: Axis,
  window: { readonly from: number; readonly to: number },
  room: { readonly width: number; readonly apart: number }
): ReadonlyArray<{ readonly place: number; readonly micros: number }> => {
  const perPixel = (window.to - window.from) / room.width
  const out: Array<{ place: number; micros: number }> = []
  if (!(perPixel > 0)) return out
  const first = axis.timeOfPlace(window.from)
  const span = axis.timeOfPlace(window.to) - first
  const step = roundStep(span / Math.max(1, room.width / room.apart))
  let last = Number.NEGATIVE_INFINITY
  for (let n = 0, micros = Math.ceil(first / step) * step; micros <= first + span && n < 2_000; n++, micros += step) {
    const place = axis.placeOfTime(micros)
    if ((place - last) / perPixel < room.apart) continue
    last = place
    out.push({ place, micros })
  }
  return out
}

/** 1, 2 or 5 times a power of ten, from ten milliseconds downwards and upwards. */
const roundStep = (atLeast: number): number => {
  let power = 1
  while (power * 10 <= atLeast) power *= 10
  const factor = [1, 2, 5, 10].find((one) => one * power >= atLeast) ?? 10
  return factor * power
}

/** `1.204 s`, `3 min 20 s`, `2 d 4 h`: as much as a person needs at this size. */
export const duration = (micros: number): string => {
  if (micros < 0) return `−${duration(-micros)}`
  if (micros === 0) return "0 s"
  if (micros < 1_000) return `${Math.round(micros)} µs`
  if (micros < 1_000_000) return `${trim(micros / 1_000)} ms`
  if (micros < 120_000_000) return `${trim(micros / 1_000_000)} s`
  const seconds = Math.round(micros / 1_000_000)
  if (seconds < 3_600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s")
  const minutes = Math.round(seconds / 60)
  if (minutes < 2_880) return two(Math.floor(minutes / 60), "h", minutes % 60, "min")
  return two(Math.floor(minutes / 1_440), "d", Math.round(minutes % 1_440 / 60), "h")
}

const two = (large: number, unit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`

const trim = (value: number): string => value.toFixed(value < 10 ? 3 : value < 100 ? 2 : 1).replace(/\.?0+$/, "")

/** A moment to the microsecond: `12.000345`. */
export const moment = (micros: number): string => {
  const seconds = Math.floor(micros / 1_000_000)
  return `${seconds}.${String(Math.floor(micros % 1_000_000)).padStart(6, "0")}`
}
