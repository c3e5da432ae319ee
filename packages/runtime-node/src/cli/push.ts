/** `sotto push`: writes a value, here first, and waits a moment for a relay. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { bytesOf, fileFlag, textNamed } from "./Given.ts"
import { withSotto } from "./Home.ts"
import { tellWritten } from "./Written.ts"

export const push = Command.make(
  "push",
  {
    text: textNamed("text"),
    file: fileFlag,
    collection: Flag.String("collection").pipe(Flag.withDescription("Where it belongs"), Flag.withDefault("")),
    key: Flag.String("key").pipe(
      Flag.withDescription("Which item of the collection it is a version of; without, an item of its own"),
      Flag.withDefault("")
    )
  },
  Effect.fnUntraced(function*({ collection, file, key, text }) {
    const bytes = yield* bytesOf(text, file)
    yield* withSotto(Effect.fnUntraced(function*({ client }) {
      yield* tellWritten(client, yield* client.push(bytes, { collection, key }), { collection, key })
    }))
  })
).pipe(Command.withDescription("Write a value: saved on this device at once, and at the relay when it is in reach"))
