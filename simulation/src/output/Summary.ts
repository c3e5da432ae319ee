/** What an exploration came to: as data, as Markdown for a pull request, and as JUnit XML for a build server. */
import type { Progress } from "../Progress.ts"
import type { Find } from "./Find.ts"
import * as Words from "./Words.ts"

/** Of one simulation. */
export interface Summary {
  readonly simulation: string
  readonly ok: boolean
  /** Why the harness itself gave up: a run that threw. */
  readonly error: string | null
  readonly progress: Progress
  readonly finds: ReadonlyArray<Find>
}

const bold = (text: string): string => `**${text}**`

const speed = ({ elapsedMillis, events, seeds, simulatedMicros }: Progress): string => {
  const seconds = Math.max(1, elapsedMillis) / 1000
  return `${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(events / seconds)} events/s, ` +
    `${Words.time(simulatedMicros)} simulated (${Math.round(simulatedMicros / 1e6 / seconds)} × real time)`
}

const findMarkdown = (find: Find): ReadonlyArray<string> => [
  `### ${find.invariant}`,
  ``,
  find.message,
  ``,
  find.narrative,
  ``,
  ...(find.shrunk === undefined ? [] : [
    `${bold("Shrunk")} from ${Words.count(find.shrunk.before.faults, "fault")} and ` +
    `${Words.count(find.shrunk.before.commands, "command")} to ${Words.count(find.shrunk.after.faults, "fault")} and ` +
    `${Words.count(find.shrunk.after.commands, "command")} in ${Words.count(find.shrunk.runs, "run")}` +
    `${find.shrunk.stable ? "." : "; running it again gave another trace."}`,
    ``
  ]),
  `${bold("Again:")} \`${find.replay}\``,
  ``,
  "```text",
  ...find.excerpt,
  "```",
  ``,
  `<details><summary>As a test</summary>`,
  ``,
  "```ts",
  find.test.trimEnd(),
  "```",
  ``,
  `</details>`,
  ``
]

export const toMarkdown = (summaries: ReadonlyArray<Summary>): string =>
  summaries.flatMap(({ error, finds, ok, progress, simulation }) => [
    `## ${simulation}: ${ok ? "everything holds" : error === null ? Words.count(finds.length, "find") : "gave up"}`,
    ``,
    `${Words.count(progress.seeds, "seed")}, ${Words.count(progress.fails, "failing seed")}; ${speed(progress)}; ` +
    `${Words.count(progress.situations, "situation")}.`,
    ``,
    ...(error === null ? [] : ["```text", error, "```", ``]),
    ...finds.flatMap(findMarkdown)
  ]).join("\n")

/** Whether XML 1.0 can hold a character: no control characters but tab and ends of lines, no half of a pair. */
const isXml = (character: string): boolean => {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd
  return code < 0xd800 || code > 0xdfff && code < 0xfffe || code > 0xffff
}

const xml = (text: string): string =>
  Array.from(text).filter(isXml).join("")
    .replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;")

const suite = ({ error, finds, progress, simulation }: Summary): ReadonlyArray<string> => {
  const name = xml(simulation)
  const tests = Math.max(1, finds.length + (error === null ? 0 : 1))
  const failing = finds.map((find) =>
    `    <testcase classname="${name}" name="${xml(find.invariant)}"><failure message="${xml(find.message)}">` +
    xml([find.narrative, find.replay, ...find.excerpt].join("\n")) + `</failure></testcase>`
  )
  const broken = error === null
    ? []
    : [`    <testcase classname="${name}" name="harness"><error message="${xml(error)}"/></testcase>`]
  const passing = failing.length + broken.length > 0
    ? []
    : [`    <testcase classname="${name}" name="${xml(Words.count(progress.seeds, "seed"))}"/>`]
  return [
    `  <testsuite name="${name}" tests="${tests}" failures="${finds.length}" errors="${broken.length}" ` +
    `time="${(progress.elapsedMillis / 1000).toFixed(3)}">`,
    ...failing,
    ...broken,
    ...passing,
    `  </testsuite>`
  ]
}

export const toJunit = (summaries: ReadonlyArray<Summary>): string =>
  [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites>`,
    ...summaries.flatMap(suite),
    `</testsuites>`,
    ``
  ].join("\n")
