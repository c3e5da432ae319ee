/** `sotto get`: what an item says on this device. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { collectionArgument, itemLine, keyArgument, NoItem, withItems } from "./Items.ts"
import { emit } from "./Output.ts"

export const get = Command.make(
  "get",
  { collection: collectionArgument, key: keyArgument },
  ({ collection, key }) =>
    withItems(Effect.fnUntraced(function*({ client }) {
      const [line] = yield* client.items.collection(collection).list({ prefix: key, limit: 1 })
      // One that was deleted here and edited elsewhere is in the list, and shows nothing.
      if (line === undefined || line.key !== key || line.shown._tag === "Absent") return yield* new NoItem()
      yield* emit({ ...itemLine(collection, line), type: "value" })
    }))
).pipe(Command.withDescription("Print an item's value"))
