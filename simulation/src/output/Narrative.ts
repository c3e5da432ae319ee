/** A failing run in one paragraph of plain words, made from its scenario and its trace. */
import type { Report, Violation } from "../Report.ts"
import type { Scenario } from "../Scenario.ts"
import type { Row } from "../Trace.ts"
import { causes } from "./Excerpt.ts"
import * as Words from "./Words.ts"

/** More than this is not told one by one. */
const TOLD_MAX = 12
const CAUSES_MAX = 5

const happenings = ({ faults, workload }: Scenario): ReadonlyArray<string> =>
  [
    ...faults.map((fault) => ({ atMicros: Words.faultMicros(fault), text: Words.fault(fault) })),
    ...workload.map(({ atMicros, input, name, node }) => ({
      atMicros,
      text: `${node} is asked to ${name}${input === null ? "" : ` ${Words.json(input)}`}`
    }))
  ]
    .sort((a, b) => (a.atMicros ?? -1) - (b.atMicros ?? -1))
    .map(({ atMicros, text }) => atMicros === undefined ? text : `at ${Words.time(atMicros)} ${text}`)

const world = ({ nodes }: Scenario): string =>
  `${Words.count(nodes.length, "node")} (${nodes.map(({ name }) => name).join(", ")})`

const told = (scenario: Scenario): string => {
  const all = happenings(scenario)
  if (all.length === 0) return "Nothing goes wrong and nobody asks for anything."
  const shown = all.slice(0, TOLD_MAX)
  const rest = all.length - shown.length
  const text = [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join("; ")
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

const rowWords = ({ kind, node, tMicros }: Row): string => `${node} ${kind} (${Words.time(tMicros)})`

const ledThere = (rows: ReadonlyArray<Row>, violation: Violation): string => {
  const chain = causes(rows, violation)
  if (chain.length < 2) return ""
  const shown = chain.slice(-CAUSES_MAX)
  return ` What led there: ${shown.length < chain.length ? "… → " : ""}${shown.map(rowWords).join(" → ")}.`
}

/** Of each node, what it waits for first. */
const stuckWords = ({ stuck }: Report): string => {
  const byNode = [...Map.groupBy(stuck, ({ node }) => node)]
  const words = byNode.map(([node, [first, ...more]]) =>
    `${node} waits for ${first?.waits ?? ""}${more.length === 0 ? "" : ` and ${more.length} more`}`
  )
  return words.length === 0 ? "" : ` ${words.join("; ")}.`
}

/** Of the first violation, unless another one is meant. */
export const narrative = (report: Report, violation: Violation | undefined = report.violations[0]): string => {
  const { scenario } = report
  if (violation === undefined) {
    return `${world(scenario)}. ${told(scenario)} Everything holds, for ${Words.time(report.simulatedMicros)}.`
  }
  const { invariant, message, node, phase, tMicros } = violation
  const where = node === undefined ? "" : ` at ${node}`
  return `${world(scenario)}. ${told(scenario)} In the ${phase} phase, ${Words.time(tMicros)} after the world began, ` +
    `${invariant} does not hold${where}: ${message}.${ledThere(report.rows, violation)}${stuckWords(report)}`
}
