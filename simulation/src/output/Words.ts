/** Times, faults and counts in plain words. */
import type { Json, Scenario } from "../Scenario.ts"

type Fault = Scenario["faults"][number]

const trimmed = (value: number, digits: number): string => String(Number(value.toFixed(digits)))

/** A time as people say it: `0 s`, `120 ms`, `1.25 s`, `3 min`, `2.5 h`, `4 days`. */
export const time = (micros: number): string => {
  const size = Math.abs(micros)
  if (size === 0) return "0 s"
  if (size < 1_000) return `${micros} µs`
  if (size < 1_000_000) return `${trimmed(micros / 1_000, 3)} ms`
  if (size < 120_000_000) return `${trimmed(micros / 1_000_000, 3)} s`
  if (size < 7_200_000_000) return `${trimmed(micros / 60_000_000, 1)} min`
  if (size < 172_800_000_000) return `${trimmed(micros / 3_600_000_000, 1)} h`
  return `${trimmed(micros / 86_400_000_000, 1)} days`
}

/** `3 faults`, `1 fault`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

/** `a`, `a and b`, `a, b and c`. */
export const all = (items: ReadonlyArray<string>): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1] ?? ""}`

/** `crashAt` → `crash at`, `downMicros` → `down`. */
const spaced = (name: string): string =>
  name.replace(/Micros$/, "").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const detail = (name: string, value: unknown): string => {
  if (typeof value === "number" && name.endsWith("Micros")) return `${spaced(name)} ${time(value)}`
  if (Array.isArray(value)) return `${spaced(name)} ${value.map(String).join(" ")}`
  if (isRecord(value)) {
    const fields = Object.entries(value)
    return fields.map(([field, inner]) => detail(field === "kind" ? name : field, inner)).join(", ")
  }
  return `${spaced(name)} ${String(value)}`
}

const TOLD_APART = new Set(["kind", "name", "node", "atMicros"])

/** `a crash of relay-1 (down 500 ms, disk none)`. Faults of any kind: what they carry is named by its fields. */
export const fault = (item: Fault): string => {
  // What it is aimed at is among what it carries.
  const name = item.kind === "custom" ? item.name : item.kind === "crashAt" ? "crash" : spaced(item.kind)
  const node = "node" in item && item.node !== undefined ? ` of ${item.node}` : ""
  const rest = Object.entries(item).filter(([field]) => !TOLD_APART.has(field))
    .map(([field, value]) => field === "durationMicros" ? `for ${time(Number(value))}` : detail(field, value))
    .filter((text) => text !== "")
  return `${name}${node}${rest.length === 0 ? "" : ` (${rest.join(", ")})`}`
}

/** When a fault comes, or undefined when it waits for a point in what a node does. */
export const faultMicros = (item: Fault): number | undefined => "atMicros" in item ? item.atMicros : undefined

const LONG_CHARS = 80

/** JSON on one line, not too long. */
export const json = (value: Json): string => {
  const text = JSON.stringify(value)
  return text.length > LONG_CHARS ? `${text.slice(0, LONG_CHARS)}…` : text
}
