/** Rows and faults in words: one short line each. */
import { duration, moment } from "./Axis.ts"
import type { FaultPlan } from "./Band.ts"
import { lasts } from "./Band.ts"
import { kindOf, nodeOf, type Payload, type Run, timeOf } from "./Run.ts"

/** `#12 at 1.500000 s: client-1 send hello to relay, 120 bytes`. */
export const row = (run: Run, at: number): string =>
  `#${run.first + at} at ${moment(timeOf(run, at))} s: ${nodeOf(run, at)} ${kindOf(run, at)} ${brief(run.payload(at))}`
    .trim()

/** The payload of a row in a few words. */
export const brief = (payload: Payload): string => {
  const { bytes, connection, from, to, type, ...rest } = payload
  const words = [
    type === undefined ? "" : String(type),
    to === undefined ? "" : `to ${String(to)}`,
    from === undefined ? "" : `from ${String(from)}`,
    bytes === undefined ? "" : `${String(bytes)} B`,
    ...Object.entries(rest).map(([key, value]) => `${key} ${String(value)}`),
    connection === undefined ? "" : `on ${String(connection)}`
  ]
  return words.filter((word) => word !== "").join(" · ")
}

/** Names of faults that are better said than spelt. */
const names: { readonly [kind: string]: string } = {
  blackHole: "black hole",
  crashAt: "crash",
  readError: "read errors",
  shortRead: "short reads",
  slowDisk: "slow disk",
  full: "full disk",
  lie: "lying sync",
  rot: "bit rot",
  evict: "eviction",
  restore: "restore of a backup",
  jump: "clock jump",
  drift: "clock drift",
  freeze: "frozen clock",
  misdirected: "misdirected writes"
}

export const faultName = (fault: FaultPlan): string =>
  fault.kind === "custom" ? fault.name : names[fault.kind] ?? fault.kind

/** What is said of a fault in a place of its own. */
const said = new Set(["atMicros", "between", "downMicros", "durationMicros", "kind", "name", "node", "nodes", "point"])

/** What a fault says beyond its name: where, when, how long, how much. */
export const fault = (plan: FaultPlan): string => {
  const { atMicros, between, node, nodes, point } = entries(plan)
  const when = typeof atMicros === "number" ? `at ${duration(atMicros)}` : ""
  const words = [
    plain(node),
    nodes === undefined ? "" : inWords(nodes),
    between === undefined ? "" : inWords(between),
    point === undefined ? when : aimed(point),
    lasts(plan) > 0 ? `for ${duration(lasts(plan))}` : "",
    ...Object.entries(plan).filter(([key]) => !said.has(key)).map(([key, value]) => quantity(key, value))
  ]
  return words.filter((word) => word !== "").join(" · ")
}

/** The point that a fault waits for. */
const aimed = (point: unknown): string => {
  const { at, k, operation, phase, ...rest } = entries(point)
  const what = [at, operation, ...Object.values(rest)].map(plain).filter((word) => word !== "" && word !== "any")
  return `${phase === "after" ? "after" : phase === "before" ? "before" : "at"} its ${ordinal(Number(k) + 1)} ${
    what.join(" ")
  }`
}

const ordinal = (n: number): string => {
  const tail = n % 100 >= 11 && n % 100 <= 13 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th"
  return `${n}${tail}`
}

const spaced = (key: string): string =>
  key.replace(/Micros$/, "").replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)

const inWords = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(inWords).join(", ")
  if (typeof value !== "object" || value === null) return plain(value)
  const { direction, from, kind, node, other, shape, side, to, ...rest } = entries(value)
  if (shape === "link") return `${plain(from)} → ${plain(to)}`
  const words = [
    shape === "sets" ? "" : plain(shape ?? kind),
    plain(node),
    side === undefined ? "" : inWords(side),
    other === undefined ? "" : `| ${inWords(other)}`,
    direction === "in" || direction === "out" ? `(${direction} only)` : "",
    ...Object.entries(rest).map(([key, inner]) => quantity(key, inner))
  ]
  return words.filter((word) => word !== "").join(" ")
}

/** A value by its name; what counts microseconds as a time. */
const quantity = (key: string, value: unknown): string => {
  if (key === "micros") return typeof value === "number" ? `by ${duration(value)}` : ""
  const isTime = key.endsWith("Micros") && typeof value === "number"
  return `${spaced(key)} ${isTime ? duration(value) : inWords(value)}`
}

const plain = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : ""

const entries = (value: unknown): { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}
