/**
 * The flags that every command takes. A secret is never one of them: what stands on a command line is seen by every user
 * of the machine (`ps`) and kept in the shell's history.
 */
import { Limit } from "@sotto/schema/Limit"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"
import * as os from "node:os"
import * as path from "node:path"

/** Read by `main` from the arguments themselves, so that an error in them is told in JSON, too. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("One JSON object per line on standard output, errors included"),
    Flag.withDefault(false)
  )
})

/** The directory of one device. */
export const Home = GlobalFlag.Setting("home")({
  flag: Flag.Directory("home").pipe(
    Flag.withDescription("This device's directory (SOTTO_HOME; default ~/.sotto)"),
    Flag.withFallbackConfig(Config.String("SOTTO_HOME")),
    Flag.withDefault(path.join(os.homedir(), ".sotto"))
  )
})

const isLabel = (text: string): boolean =>
  text !== "" && text.isWellFormed() && Utf8.encode(text).length <= Limit.labelBytesMax

/** A port to listen on. */
export const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))

/** What people call a device. */
export const Label = Schema.String.check(
  Schema.makeFilter((text) => isLabel(text) || `a name of 1 to ${Limit.labelBytesMax} bytes`)
)

/**
 * The arguments without `--json`, and whether it was there. It is taken out before the others are read: a flag without a
 * value would otherwise take a `y` or `true` behind it, which may be what is to be pushed.
 */
export const takeJson = (args: ReadonlyArray<string>) => {
  const end = args.indexOf("--")
  const flags = end < 0 ? args : args.slice(0, end)
  const rest = end < 0 ? [] : args.slice(end)
  return { json: flags.includes("--json"), args: [...flags.filter((arg) => arg !== "--json"), ...rest] }
}
