/**
 * The command `sotto-sim`: reads the arguments, runs one command, and turns its end into an exit code
 * (docs/reference/simulator.md). Commands are one file each, beside this one.
 */
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFileSync } from "node:fs"
import { bench } from "./bench.ts"
import { checkDeterminism } from "./checkDeterminism.ts"
import { corpus } from "./corpus.ts"
import { coverage } from "./coverage.ts"
import { CODE, HarnessFailed, HELP, Told } from "./Exit.ts"
import { Config, Json } from "./Flags.ts"
import { mutants } from "./mutants.ts"
import * as Platform from "./Platform.ts"
import { replay } from "./replay.ts"
import { run } from "./run.ts"
import { shrink } from "./shrink.ts"

const versionOf = (text: string): string => /"version": "([^"]+)"/.exec(text)?.[1] ?? "0.0.0"
const version = versionOf(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))

const sottoSim = Command.make("sotto-sim").pipe(
  Command.withDescription(`A deterministic world for distributed programs: one seed decides everything.\n\n${HELP}`),
  Command.withSubcommands([run, replay, shrink, mutants, checkDeterminism, coverage, corpus, bench]),
  Command.withGlobalFlags([Json, Config])
)

/** With `--json` a wrong command line is an error like any other: no page of help between the lines. */
const presenterOf = (json: boolean): CliOutput.Presenter => ({
  present: (event) =>
    json && event._tag !== "Version" && !(event._tag === "Help" && event.reason === "Requested")
      ? Effect.void
      : CliOutput.defaultPresenter.present(event)
})

const fail = (json: boolean, message: string): number => {
  if (json) process.stdout.write(`${JSON.stringify({ type: "error", message })}\n`)
  else process.stderr.write(`${message}\n`)
  return CODE.harness
}

const codeOf = (json: boolean, error: CliError.CliError | HarnessFailed | Told): number => {
  if (error instanceof Told) return error.code
  if (error instanceof HarnessFailed || error._tag !== "ShowHelp") return fail(json, error.message)
  for (const inner of error.errors) fail(json, inner.message)
  return error.errors.length === 0 ? CODE.ok : CODE.harness
}

/** Runs the command; answers its exit code. */
export const main = (args: ReadonlyArray<string>): Promise<number> => {
  const json = args.includes("--json")
  return Command.runWith(sottoSim, { version, renderErrors: false })(args).pipe(
    Effect.as<number>(CODE.ok),
    Effect.catch((error) => Effect.sync(() => codeOf(json, error))),
    Effect.catchDefect((defect) =>
      Effect.sync(() => fail(json, defect instanceof Error ? defect.stack ?? defect.message : String(defect)))
    ),
    Effect.provide(Layer.mergeAll(CliOutput.layerPresenter(presenterOf(json)), Platform.layer)),
    Effect.runPromise
  )
}
