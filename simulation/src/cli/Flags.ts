/** Flags that several commands take. */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { HarnessFailed } from "./Exit.ts"

/** Read by `main` from the arguments themselves, so that an error in them is told in JSON, too. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("One JSON object per line on standard output, errors included"),
    Flag.withDefault(false)
  )
})

export const Config = GlobalFlag.Setting("config")({
  flag: Flag.String("config").pipe(
    Flag.withDescription("The config file; simulation.config.ts of the working directory unless given"),
    Flag.map(Option.some),
    Flag.withDefault(Option.none<string>())
  )
})

const text = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(description),
    Flag.map((value): string | undefined => value),
    Flag.withDefault(undefined)
  )

const number = (name: string, description: string) =>
  Flag.Int(name).pipe(
    Flag.withDescription(description),
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
    Flag.map((value): number | undefined => value),
    Flag.withDefault(undefined)
  )

const MILLIS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of `500ms`, `10s`, `5m`, `1h`; of a bare number, seconds. */
const millisOf = (duration: string): number | undefined => {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(duration.trim()) ?? []
  const factor = MILLIS[unit]
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor
}

/** The same, where something else than a time is an error. */
export const timeOf = (duration: string | undefined): number | undefined => {
  const millis = duration === undefined ? undefined : millisOf(duration)
  if (duration === undefined || millis !== undefined) return millis
  throw new HarnessFailed({ detail: `${duration} is no time: 500ms, 30s, 10m, 2h` })
}

export const seeds = number("seeds", "How many seeds")
export const seed = text("seed", "One seed: 13 symbols, a number, 0x…, or a commit")
export const first = text("first", "The first seed; 1 unless given")
export const time = text("time", "How long: 30s, 10m, 2h")
export const jobs = number("jobs", "Threads; 1 unless given")
export const simulation = text("simulation", "One simulation of the config, by its name")
export const strategy = text("strategy", "How scenarios are drawn; unless given, each seed picks its own")
export const folder = text("folder", "Where failing scenarios go; .tmp/simulation unless given")
export const budget = number("budget", "Runs that shrinking may take; 200 unless given")
export const junit = text("junit", "Write a report for build servers (JUnit XML) to this file")
export const markdown = text("markdown", "Write a report for pull requests (Markdown) to this file")
export const named = text
export const counted = number
