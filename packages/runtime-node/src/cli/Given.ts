/** The bytes that a command is given to write: as its argument, in a file, or on standard input. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { UsageWrong } from "./Failure.ts"

const standardInput = Stdio.Stdio.use(({ stdin }) =>
  Effect.map(Stream.runCollect(stdin), (pieces) => new Uint8Array(Buffer.concat(pieces)))
)

/** The argument, by the name that its help has. */
export const textNamed = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("What to write; - reads standard input"),
    Argument.optional
  )

export const fileFlag = Flag.File("file").pipe(Flag.withDescription("Write the bytes of this file"), Flag.optional)

/** The bytes to be written. */
export const bytesOf = Effect.fnUntraced(function*(text: Option.Option<string>, file: Option.Option<string>) {
  if (Option.isSome(text) === Option.isSome(file)) {
    return yield* new UsageWrong({ detail: "Give either a text, or - for standard input, or --file FILE" })
  }
  if (Option.isSome(file)) return yield* FileSystem.FileSystem.use((fs) => fs.readFile(file.value))
  const given = Option.getOrElse(text, () => "-")
  return given === "-" ? yield* standardInput : new TextEncoder().encode(given)
})
