/** `sotto rm`: deletes an item, as this device shows it. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { collectionArgument, keyArgument, NoItem, withItems } from "./Items.ts"
import { tellWritten } from "./Written.ts"

export const rm = Command.make(
  "rm",
  { collection: collectionArgument, key: keyArgument },
  ({ collection, key }) =>
    withItems(Effect.fnUntraced(function*({ client }) {
      const receipt = yield* client.items.collection(collection).delete(key)
      if (receipt === undefined) return yield* new NoItem()
      yield* tellWritten(client, receipt, { collection, key })
    }))
).pipe(Command.withDescription("Delete an item"))
