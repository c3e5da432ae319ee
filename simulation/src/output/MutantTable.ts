/** What became of planted bugs, as tables in Markdown: by class, by the invariant that found them, one by one. */
import type { MutantResult } from "../mutant/Runner.ts"

const median = (numbers: ReadonlyArray<number>): number => numbers.toSorted((a, b) => a - b)[numbers.length >>> 1] ?? 0

const summary = (name: string, results: ReadonlyArray<MutantResult>): string => {
  const seeds = results.flatMap((result) => result.seeds ?? [])
  const found = results.filter((result) => result.found).length
  return `| ${name} | ${found} of ${results.length} | ${median(seeds)} | ${Math.max(0, ...seeds)} |`
}

/** One mutant: its name (an asterisk: held out), class, what found it where, and in how many seeds. */
const row = (result: MutantResult): string => {
  const { by, class: kind, error, heldOut, name, seeds = "", simulation = "", strategy = "" } = result
  const how = error ?? (by === undefined ? "**missed**" : `\`${by}\``)
  return `| ${name}${heldOut ? " *" : ""} | ${kind} | ${how.replace(/\s+/g, " ").replaceAll("|", "\\|")} | ` +
    `${simulation} | ${strategy} | ${seeds} |`
}

const byClassAndName = (a: MutantResult, b: MutantResult): number =>
  a.class < b.class ? -1 : a.class > b.class ? 1 : a.name < b.name ? -1 : 1

/** All three tables. */
export const toMarkdown = (unsorted: ReadonlyArray<MutantResult>): string => {
  const results = unsorted.toSorted(byClassAndName)
  const byClass = Map.groupBy(results, (result) => result.class)
  const byInvariant = Map.groupBy(results.filter(({ found }) => found), ({ by = "" }) => by)
  return [
    "| class | found | seeds, median | most |",
    "|---|---|---|---|",
    ...[...byClass].map(([name, some]) => summary(name, some)),
    summary("held out", results.filter(({ heldOut }) => heldOut)),
    summary("**all**", results),
    "",
    "| invariant | mutants that it found first |",
    "|---|---|",
    ...[...byInvariant].sort(([, a], [, b]) => b.length - a.length).map(([name, some]) =>
      `| \`${name}\` | ${some.length} |`
    ),
    "",
    "| mutant | class | found by | simulation | strategy | seeds |",
    "|---|---|---|---|---|---|",
    ...results.map(row)
  ].join("\n")
}
