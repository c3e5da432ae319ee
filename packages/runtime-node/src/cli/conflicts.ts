/** `sotto conflicts`: items that devices changed at the same time, for a person to decide about. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { collectionArgument, collectionsOf, conflictLine, withItems } from "./Items.ts"
import { Output } from "./Output.ts"

export const conflicts = Command.make(
  "conflicts",
  { collection: Argument.optional(collectionArgument) },
  ({ collection }) =>
    withItems(Effect.fnUntraced(function*({ client }) {
      const output = yield* Output
      const names = Option.isSome(collection) ? [collection.value] : yield* collectionsOf(client)
      for (const name of names) {
        const { list } = client.items.collection(name).conflicts
        let page = yield* list()
        yield* output.emitAll(page.conflicts.map((conflict) => conflictLine(name, conflict)))
        while (page.next !== undefined) {
          page = yield* list({ after: page.next })
          yield* output.emitAll(page.conflicts.map((conflict) => conflictLine(name, conflict)))
        }
      }
    }))
).pipe(Command.withDescription("List items that were changed at the same time"))
