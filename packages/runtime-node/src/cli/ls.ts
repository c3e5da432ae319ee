/** `sotto ls`: the items of a collection, or of all. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { collectionArgument, collectionsOf, itemLine, withItems } from "./Items.ts"
import { Output } from "./Output.ts"

export const ls = Command.make(
  "ls",
  {
    collection: Argument.optional(collectionArgument),
    prefix: Flag.String("prefix").pipe(
      Flag.withDescription("Only items whose key begins so"),
      Flag.withDefault("")
    )
  },
  ({ collection, prefix }) =>
    withItems(Effect.fnUntraced(function*({ client }) {
      const output = yield* Output
      const names = Option.isSome(collection) ? [collection.value] : yield* collectionsOf(client)
      for (const name of names) {
        const lines = yield* client.items.collection(name).list({ prefix })
        yield* output.emitAll(lines.map((line) => itemLine(name, line)))
      }
    }))
).pipe(Command.withDescription("List the items of a collection, or of all"))
