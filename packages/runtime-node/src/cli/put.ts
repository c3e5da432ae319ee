/** `sotto put`: writes an item, on top of what this device shows of it. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { bytesOf, fileFlag, textNamed } from "./Given.ts"
import { collectionArgument, keyArgument, withItems } from "./Items.ts"
import { tellWritten } from "./Written.ts"

export const put = Command.make(
  "put",
  { collection: collectionArgument, key: keyArgument, value: textNamed("value"), file: fileFlag },
  Effect.fnUntraced(function*({ collection, file, key, value }) {
    const bytes = yield* bytesOf(value, file)
    yield* withItems(Effect.fnUntraced(function*({ client }) {
      const receipt = yield* client.items.collection(collection).put(key, bytes)
      yield* tellWritten(client, receipt, { collection, key })
    }))
  })
).pipe(Command.withDescription("Write an item of a collection, by its key"))
