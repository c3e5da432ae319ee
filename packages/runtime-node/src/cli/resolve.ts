/** `sotto resolve`: decides about a conflict, for all devices. */
import type { Decision } from "@sotto/core/collection/ItemCollection"
import { idOf } from "@sotto/core/item/Item"
import { fromText } from "@sotto/schema/Text"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageWrong } from "./Failure.ts"
import { collectionArgument, keyArgument, withItems } from "./Items.ts"
import { tellWritten } from "./Written.ts"

interface Given {
  readonly value: Option.Option<string>
  readonly head: Option.Option<string>
  readonly delete: boolean
}

const decisionOf = Effect.fnUntraced(function*(given: Given) {
  const count = [Option.isSome(given.value), Option.isSome(given.head), given.delete].filter(Boolean).length
  if (count !== 1) return yield* new UsageWrong({ detail: "Give one of --value VALUE, --head ID and --delete" })
  const decision: Decision<Uint8Array> = Option.isSome(given.value)
    ? { value: new TextEncoder().encode(given.value.value) }
    : Option.isSome(given.head)
    ? { head: idOf(yield* Effect.fromResult(fromText("EntryHash", given.head.value))) }
    : { delete: true }
  return decision
})

export const resolve = Command.make(
  "resolve",
  {
    collection: collectionArgument,
    key: keyArgument,
    value: Flag.String("value").pipe(Flag.withDescription("It is to say this"), Flag.optional),
    head: Flag.String("head").pipe(Flag.withDescription("It is to say what this version says"), Flag.optional),
    delete: Flag.Boolean("delete").pipe(Flag.withDescription("It is to be deleted"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function*({ collection, key, ...given }) {
    const decision = yield* decisionOf(given)
    yield* withItems(Effect.fnUntraced(function*({ client }) {
      const receipt = yield* client.items.collection(collection).conflicts.resolve(key, decision)
      yield* tellWritten(client, receipt, { collection, key })
    }))
  })
).pipe(Command.withDescription("Decide about an item in conflict"))
