#!/usr/bin/env -S node --max-semi-space-size=2
/**
 * The command `sotto`: reads the arguments, runs one command, and turns its end into an exit code (docs/reference/
 * command-line.md). Commands are one file each, beside this one.
 *
 * The small young generation is for `relay`: most of what an idle connection costs beyond its socket is garbage of its
 * handshake that was not collected yet (`npm run bench -- relay`, memory).
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { conflicts } from "./conflicts.ts"
import { devices } from "./devices.ts"
import { doctor } from "./doctor.ts"
import * as Exit from "./Exit.ts"
import { report, reportDefect } from "./Failure.ts"
import { Home, Json, takeJson } from "./Flags.ts"
import { get } from "./get.ts"
import { history } from "./history.ts"
import { init } from "./init.ts"
import { join } from "./join.ts"
import { ls } from "./ls.ts"
import { Output } from "./Output.ts"
import { pair } from "./pair.ts"
import { pull } from "./pull.ts"
import { push } from "./push.ts"
import { put } from "./put.ts"
import { relay } from "./relay.ts"
import { relays } from "./relays.ts"
import { resolve } from "./resolve.ts"
import { rm } from "./rm.ts"
import { serve } from "./serve.ts"
import { status } from "./status.ts"
import { sync } from "./sync.ts"
import { verify } from "./verify.ts"

/** The package's own: one place to change it, for sources and for what was built. */
const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
/** The sources are two folders below it, the one file that ships is one. */
const manifest = new URL(
  import.meta.url.endsWith("/dist/sotto.js") ? "../package.json" : "../../package.json",
  import.meta.url
)
const { version } = Schema.decodeSync(Package)(fs.readFileSync(manifest, "utf8"))

const sotto = Command.make("sotto").pipe(
  Command.withDescription(`Encrypted sync between your devices, through relays that cannot read it.\n\n${Exit.HELP}`),
  Command.withSubcommands([
    init,
    pair,
    join,
    push,
    pull,
    sync,
    serve,
    put,
    get,
    ls,
    rm,
    history,
    conflicts,
    resolve,
    status,
    devices,
    relays,
    doctor,
    verify,
    relay
  ]),
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

const program = Command.runWith(sotto, { version, renderErrors: false })(args).pipe(
  Effect.as(Exit.CODE.ok),
  Effect.catch(report),
  Effect.catchDefect(reportDefect),
  Effect.provide(Layer.mergeAll(Output.layer(json), CliOutput.layerPresenter(presenter), NodeServices.layer)),
  Effect.provideService(Logger.LogToStderr, true)
)

Exit.run(program)
