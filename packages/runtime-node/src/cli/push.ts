/** `sotto push`: writes a value, here first, and waits a moment for a relay. */
import { toText } from "@sotto/schema/Text"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Exit from "./Exit.ts"
import { NotStored, toEvent, Told, UsageWrong } from "./Failure.ts"
import { withSotto } from "./Home.ts"
import { emit } from "./Output.ts"
import { hopeful } from "./Wait.ts"
import { deviceText } from "./Words.ts"

const standardInput = Stdio.Stdio.use(({ stdin }) =>
  Effect.map(Stream.runCollect(stdin), (pieces) => new Uint8Array(Buffer.concat(pieces)))
)

/** The bytes to be written: of the argument, of a file, or of standard input. */
const bytesOf = Effect.fnUntraced(function*(text: Option.Option<string>, file: Option.Option<string>) {
  if (Option.isSome(text) === Option.isSome(file)) {
    return yield* new UsageWrong({ detail: "Give either a text, or - for standard input, or --file FILE" })
  }
  if (Option.isSome(file)) return yield* FileSystem.FileSystem.use((fs) => fs.readFile(file.value))
  const given = Option.getOrElse(text, () => "-")
  return given === "-" ? yield* standardInput : new TextEncoder().encode(given)
})

export const push = Command.make(
  "push",
  {
    text: Argument.String("text").pipe(
      Argument.withDescription("What to write; - reads standard input"),
      Argument.optional
    ),
    file: Flag.File("file").pipe(Flag.withDescription("Write the bytes of this file"), Flag.optional),
    collection: Flag.String("collection").pipe(Flag.withDescription("Where it belongs"), Flag.withDefault("")),
    key: Flag.String("key").pipe(
      Flag.withDescription("Which item of the collection it is a version of; without, an item of its own"),
      Flag.withDefault("")
    )
  },
  Effect.fnUntraced(function*({ collection, file, key, text }) {
    const bytes = yield* bytesOf(text, file)
    yield* withSotto(Effect.fnUntraced(function*({ client }) {
      const receipt = yield* client.push(bytes, { collection, key })
      const stored = yield* hopeful(client, receipt.stored)
      yield* emit({
        type: "pushed",
        id: toText("EnvelopeId", receipt.id),
        hash: toText("EntryHash", receipt.hash),
        device: deviceText(receipt.device),
        seq: receipt.seq,
        index: receipt.index,
        collection,
        key,
        stored: Result.isSuccess(stored),
        position: Result.isSuccess(stored) ? stored.success.position : null
      })
      if (Result.isSuccess(stored)) return
      const { message, tag } = stored.failure
      yield* emit(toEvent(new NotStored({ detail: message })))
      const code = Exit.codeOfTag(tag)
      return yield* new Told({ code: code === Exit.CODE.refused ? code : Exit.CODE.offline })
    }))
  })
).pipe(Command.withDescription("Write a value: saved on this device at once, and at the relay when it is in reach"))
