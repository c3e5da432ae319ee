/**
 * What every command of a device begins with: its directory opened, and its space running. A command that finds nothing
 * there says so, and makes nothing.
 */
import { KeystoreFailed } from "@sotto/core/Keystore"
import * as Sotto from "@sotto/core/Sotto"
import * as Prompt from "effect/cli/Prompt"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as NodeDevice from "../NodeDevice.ts"
import { Home } from "./Flags.ts"
import { spread } from "./Wait.ts"

/** There is no device in the directory, or it is in no space. */
export class NotSetUp extends Schema.TaggedError<NotSetUp>()("NotSetUp", { directory: Schema.String }) {
  override get message() {
    return `There is no device in ${this.directory}. Set one up with \`sotto init --relay ADDRESS\`, or let another ` +
      "device of yours show a code (`sotto pair`) and run `sotto join CODE`."
  }
}

/** What people call this device, unless they say: the machine's name, as far as a label goes. */
export const hostLabel = (): string => os.hostname().slice(0, 64) || "device"

const text = (name: string) => Effect.map(Effect.orDie(Config.option(Config.String(name))), Option.getOrUndefined)

/** The passphrase of the key file, if it has one: from the environment or a file, never from the command line. */
const passphrase = Effect.gen(function*() {
  const given = yield* text("SOTTO_PASSPHRASE")
  const file = yield* text("SOTTO_PASSPHRASE_FILE")
  if (given !== undefined || file === undefined) return given
  const refused = (reason: "exposed" | "unreadable" | "passphraseNeeded") => () =>
    new KeystoreFailed({ reason, detail: `SOTTO_PASSPHRASE_FILE, ${file}` })
  const disk = yield* FileSystem.FileSystem
  const { mode, type } = yield* Effect.mapError(disk.stat(file), refused("unreadable"))
  // A pipe is opened for one reader; a file is for everybody whom its mode lets.
  if (type === "File" && process.platform !== "win32" && (mode & 0o077) !== 0) return yield* refused("exposed")()
  const read = (yield* Effect.mapError(disk.readFileString(file), refused("unreadable"))).replace(/\r?\n$/, "")
  return read === "" ? yield* refused("passphraseNeeded")() : read
})

/** Asks on a terminal; elsewhere there is nobody to ask. */
const askPassphrase = Effect.gen(function*() {
  const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
  const missing = Effect.fail(new KeystoreFailed({ reason: "passphraseNeeded", detail: "SOTTO_PASSPHRASE" }))
  if (!canPrompt) return yield* missing
  return yield* Effect.catchTag(Prompt.run(Prompt.Password({ message: "Passphrase" })), "QuitError", () => missing)
})

/** Everything that a device stands on, in the directory of `--home`. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const given = yield* passphrase
  const prompting = yield* Effect.context<Prompt.Environment>()
  return NodeDevice.layer({
    directory: yield* Home,
    askPassphrase: Effect.provideContext(askPassphrase, prompting),
    ...given === undefined ? {} : { passphrase: Redacted.make(given) }
  })
}))

/** Whether something of a device is in a directory. */
export const isThere = (directory: string): boolean => fs.existsSync(path.join(directory, "sotto.db"))

/** Fails unless something of a device is in the directory of `--home`. */
const required: Effect.Effect<string, NotSetUp, typeof Home.Identifier> = Effect.gen(function*() {
  const directory = yield* Home
  return isThere(directory) ? directory : yield* new NotSetUp({ directory })
})

/** The running space of a directory that was opened. */
const running = Effect.gen(function*() {
  const directory = yield* Home
  return yield* Effect.catchTag(Sotto.open, "WrongDirectory", () => Effect.fail(new NotSetUp({ directory })))
})

/** Does something with the directory of `--home`, whose space does not run. */
export const withDirectory = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.andThen(required, Effect.provide(use, layer))

/** Runs something with the device of `--home`; its space goes to sleep afterwards, after a last try to send. */
export const withSotto = <A, E, R>(use: (sotto: Sotto.Sotto["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(running, (sotto) => Effect.tap(use(sotto), spread(sotto.client))).pipe(
    (used) => Effect.andThen(required, Effect.provide(Effect.scoped(used), layer))
  )
