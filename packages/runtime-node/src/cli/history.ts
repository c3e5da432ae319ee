/** `sotto history`: what was written to an item. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { collectionArgument, keyArgument, versionLine, withItems } from "./Items.ts"
import { Output } from "./Output.ts"

export const history = Command.make(
  "history",
  {
    collection: collectionArgument,
    key: keyArgument,
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("At most so many versions"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
      Flag.withDefault(100)
    )
  },
  ({ collection, key, limit }) =>
    withItems(Effect.fnUntraced(function*({ client }) {
      const output = yield* Output
      const past = yield* client.items.collection(collection).history(key, limit)
      yield* output.emitAll(past.map((version) => versionLine(collection, key, version)))
    }))
).pipe(Command.withDescription("List the versions of an item, the latest first"))
