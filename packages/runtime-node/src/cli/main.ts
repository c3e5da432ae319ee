#!/usr/bin/env node
/**
 * The command `sotto`: reads the arguments, runs one command, and turns its end into an exit code (docs/reference/
 * command-line.md). Commands are one file each, beside this one.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { devices } from "./devices.ts"
import { doctor } from "./doctor.ts"
import * as Exit from "./Exit.ts"
import { report, reportDefect } from "./Failure.ts"
import { Home, Json, takeJson } from "./Flags.ts"
import { init } from "./init.ts"
import { join } from "./join.ts"
import { Output } from "./Output.ts"
import { pair } from "./pair.ts"
import { pull } from "./pull.ts"
import { push } from "./push.ts"
import { relay } from "./relay.ts"
import { status } from "./status.ts"

const VERSION = "0.1.0"

const sotto = Command.make("sotto").pipe(
  Command.withDescription(`Encrypted sync between your devices, through relays that cannot read it.\n\n${Exit.HELP}`),
  Command.withSubcommands([init, pair, join, push, pull, status, devices, doctor, relay]),
  Command.withGlobalFlags([Json, Home])
)

const { args, json } = takeJson(process.argv.slice(2))

/** With `--json` a wrong command line is an error like any other: no page of help between the lines. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    json && event._tag !== "Version" && !(event._tag === "Help" && event.reason === "Requested")
      ? Effect.void
      : CliOutput.defaultPresenter.present(event)
}

const program = Command.runWith(sotto, { version: VERSION, renderErrors: false })(args).pipe(
  Effect.as(Exit.CODE.ok),
  Effect.catch(report),
  Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : reportDefect(cause)),
  Effect.provide(Output.layer(json)),
  Effect.provide(CliOutput.layerPresenter(presenter)),
  Effect.provide(NodeServices.layer),
  Effect.provideService(Logger.LogToStderr, true)
)

Exit.run(program)
