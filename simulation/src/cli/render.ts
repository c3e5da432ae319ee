/** What a person reads of an exploration. */
import type { Find } from "../output/Find.ts"
import type { Summary } from "../output/Summary.ts"
import * as Words from "../output/Words.ts"
import type { Progress } from "../Progress.ts"
import type { Attempt } from "../Shrink.ts"

const grouped = (n: number): string => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",")

const perSecond = (n: number, millis: number): string => {
  const rate = n * 1000 / Math.max(1, millis)
  return rate < 100 ? rate.toFixed(1) : grouped(rate)
}

/** One line: how far, how fast, what was found, how long still. */
export const progressLine = (name: string, progress: Progress): string => {
  const { elapsedMillis, etaMillis, events, fails, of, seeds, simulatedMicros, situations } = progress
  return [
    name,
    `${grouped(seeds)}${of === undefined ? "" : `/${grouped(of)}`} seeds`,
    `${perSecond(seeds, elapsedMillis)} seeds/s`,
    `${perSecond(events, elapsedMillis)} events/s`,
    `${Words.time(simulatedMicros)} simulated`,
    `${grouped(fails)} failed`,
    `${grouped(situations)} situations`,
    ...(etaMillis === undefined ? [] : [`${Words.time(Math.round(etaMillis) * 1000)} to go`])
  ].join("  ")
}

export const shrinkingLine = (invariant: string, { pass, runs, size }: Attempt): string =>
  `shrinking ${invariant}: ${Words.count(size.faults, "fault")}, ${Words.count(size.commands, "command")}, ` +
  `${Words.count(size.nodes, "node")} after ${Words.count(runs, "run")} (${pass})`

export const findText = (find: Find, files: ReadonlyArray<string>): string => {
  const { excerpt, invariant, message, narrative, replay, shrunk } = find
  return [
    `${invariant} is broken: ${message}`,
    ``,
    narrative,
    ``,
    ...excerpt.map((row) => `  ${row}`),
    ``,
    ...(shrunk === undefined ? [] : [
      `Shrunk from ${Words.count(shrunk.before.faults, "fault")} and ${
        Words.count(shrunk.before.commands, "command")
      } ` +
      `to ${shrunk.after.faults} and ${shrunk.after.commands} in ${Words.count(shrunk.runs, "run")}` +
      `${shrunk.finished ? "" : " (there is more to try)"}${shrunk.stable ? "" : "; run again, it differs"}.`
    ]),
    `Again: ${replay}`,
    ...(files.length === 0 ? [] : [`Left in ${Words.all(files)}`]),
    ``
  ].join("\n")
}

export const summaryText = ({ error, finds, ok, progress, simulation }: Summary): string => {
  const { elapsedMillis, events, lossExpected, seeds, simulatedMicros, situations } = progress
  const result = ok
    ? "everything holds"
    : error === null
    ? `${Words.count(finds.length, "invariant is broken", "invariants are broken")}: ` +
      Words.all(
        finds.map(({ invariant, seeds: by }) =>
          `${invariant} (${by === 0 ? "seen while shrinking" : Words.count(by, "seed")})`
        )
      )
    : `the harness failed: ${error}`
  return `${simulation}: ${result}. ${grouped(seeds)} ${seeds === 1 ? "seed" : "seeds"} in ${
    Words.time(Math.round(elapsedMillis) * 1000)
  } ` +
    `(${perSecond(seeds, elapsedMillis)}/s, ${perSecond(events, elapsedMillis)} events/s), ` +
    `${Words.time(simulatedMicros)} simulated, ${grouped(situations)} ${
      situations === 1 ? "situation" : "situations"
    }` +
    `${lossExpected === 0 ? "" : `, ${grouped(lossExpected)} with losses that were to be expected`}.`
}
