/**
 * Reads the arguments, runs one command, and turns its end into an exit code (docs/reference/command-line.md). Commands
 * are one file each, beside this one.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as Exit from "./Exit.ts"
import { report, reportDefect } from "./Failure.ts"
import { Home, Json, takeJson } from "./Flags.ts"
import { Output } from "./Output.ts"

/** The package's own: one place to change it, for sources and for what was built. */
const Package = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const { args, json } = takeJson(process.argv.slice(2))

/** Every command, in the order of the help. One that is not run is not loaded: all of them take longer than the longest. */
const COMMANDS = {
  init: async () => (await import("./init.ts")).init,
  pair: async () => (await import("./pair.ts")).pair,
  join: async () => (await import("./join.ts")).join,
  push: async () => (await import("./push.ts")).push,
  pull: async () => (await import("./pull.ts")).pull,
  sync: async () => (await import("./sync.ts")).sync,
  serve: async () => (await import("./serve.ts")).serve,
  put: async () => (await import("./put.ts")).put,
  get: async () => (await import("./get.ts")).get,
  ls: async () => (await import("./ls.ts")).ls,
  rm: async () => (await import("./rm.ts")).rm,
  history: async () => (await import("./history.ts")).history,
  conflicts: async () => (await import("./conflicts.ts")).conflicts,
  resolve: async () => (await import("./resolve.ts")).resolve,
  status: async () => (await import("./status.ts")).status,
  devices: async () => (await import("./devices.ts")).devices,
  relays: async () => (await import("./relays.ts")).relays,
  doctor: async () => (await import("./doctor.ts")).doctor,
  verify: async () => (await import("./verify.ts")).verify,
  relay: async () => (await import("./relay.ts")).relay
}

const isCommand = (word: string | undefined): word is keyof typeof COMMANDS =>
  word !== undefined && Object.hasOwn(COMMANDS, word)

/** The command that the arguments begin with; all of them for help, and for whatever else is to be understood first. */
const [asked] = args
const commands = await Promise.all(
  isCommand(asked) ? [COMMANDS[asked]()] : Object.values(COMMANDS).map((load) => load())
)

const sotto = Command.make("sotto").pipe(
  Command.withDescription(`Encrypted sync between your devices, through relays that cannot read it.\n\n${Exit.HELP}`),
  Command.withSubcommands(commands),
  Command.withGlobalFlags([Json, Home])
)

/** With `--json` a wrong command line is an error like any other: no page of help between the lines. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    json && event._tag !== "Version" && !(event._tag === "Help" && event.reason === "Requested")
      ? Effect.void
      : CliOutput.defaultPresenter.present(event)
}

/** Runs this process' command line. `manifest` is the package's. */
export const run = (manifest: URL): void => {
  const { version } = Schema.decodeSync(Package)(fs.readFileSync(manifest, "utf8"))
  Exit.run(
    Command.runWith(sotto, { version, renderErrors: false })(args).pipe(
      Effect.as(Exit.CODE.ok),
      Effect.catch(report),
      Effect.catchDefect(reportDefect),
      Effect.provide(Layer.mergeAll(Output.layer(json), CliOutput.layerPresenter(presenter), NodeServices.layer)),
      Effect.provideService(Logger.LogToStderr, true)
    )
  )
}
