/** Scenarios as text: one JSON object, for files and for people who edit it. */
import type { Scenario } from "./Scenario.ts"
import * as Seed from "./Seed.ts"

const LINE_CHARS = 100

interface Parts {
  readonly open: string
  readonly close: string
  readonly items: ReadonlyArray<readonly [label: string, item: unknown]>
}

const partsOf = (value: object): Parts =>
  Array.isArray(value)
    ? { open: "[", close: "]", items: value.map((item: unknown) => ["", item] as const) }
    : {
      open: "{",
      close: "}",
      items: Object.entries(value).filter(([, item]) => item !== undefined)
        .map(([name, item]) => [`${JSON.stringify(name)}: `, item] as const)
    }

const flat = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const { close, items, open } = partsOf(value)
  const pad = open === "{" && items.length > 0 ? " " : ""
  return `${open}${pad}${items.map(([label, item]) => `${label}${flat(item)}`).join(", ")}${pad}${close}`
}

/** JSON for people: what fits on a line stands on one. */
export const pretty = (value: unknown, indent = ""): string => {
  const line = flat(value)
  if (indent.length + line.length <= LINE_CHARS || typeof value !== "object" || value === null) return line
  const { close, items, open } = partsOf(value)
  const inner = `${indent}  `
  return `${open}\n${
    items.map(([label, item]) => `${inner}${label}${pretty(item, inner)}`).join(",\n")
  }\n${indent}${close}`
}

export const toText = (scenario: Scenario): string => `${pretty(scenario)}\n`

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isListOf = (value: unknown, is: (item: Readonly<Record<string, unknown>>) => boolean): boolean =>
  Array.isArray(value) && value.every((item) => isRecord(item) && is(item))

const isTime = (value: unknown): boolean => Number.isSafeInteger(value)

const isHeal = (value: unknown): boolean =>
  value === "all" || Array.isArray(value) && value.every((name) => typeof name === "string")

/** What is wrong with a value that should be a scenario, by field, or undefined when it is one. */
const fault = (value: unknown): string | undefined => {
  if (!isRecord(value)) return "it is no object"
  const { faults, nodes, phases, seed, workload } = value
  const wrong = [
    [value["format"] === 1, "format (it should be 1)"],
    [typeof value["simulation"] === "string", "simulation"],
    [typeof seed === "string" && Seed.fromText(seed) !== undefined, "seed"],
    [typeof value["strategy"] === "string", "strategy"],
    [
      isListOf(
        nodes,
        (node) =>
          typeof node["name"] === "string" && typeof node["kind"] === "string" && isRecord(node["policy"]) &&
          isRecord(node["preemption"]) && isRecord(node["clock"])
      ),
      "nodes"
    ],
    ...["network", "link", "disk", "knobs"].map((name) => [isRecord(value[name]), name] as const),
    [isListOf(faults, (item) => typeof item["kind"] === "string"), "faults"],
    [
      isListOf(
        workload,
        (command) =>
          isTime(command["atMicros"]) && typeof command["node"] === "string" && typeof command["name"] === "string"
      ),
      "workload"
    ],
    [
      isRecord(phases) && isTime(phases["safetyMicros"]) && isTime(phases["livenessMicros"]) && isHeal(phases["heal"]),
      "phases"
    ],
    [value["tapes"] === undefined || isRecord(value["tapes"]), "tapes"]
  ] as const
  const names = wrong.flatMap(([right, name]) => right ? [] : [name])
  return names.length === 0 ? undefined : `not as it should be: ${names.join(", ")}`
}

/** Whether a value has the shape of a scenario. A run of one whose faults or knobs make no sense throws. */
export const isScenario = (value: unknown): value is Scenario => fault(value) === undefined

/** The scenario that a text is, or what is wrong with it. */
export const fromText = (text: string): Scenario | string => {
  try {
    const value: unknown = JSON.parse(text)
    return isScenario(value) ? value : fault(value) ?? "it is no scenario"
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
