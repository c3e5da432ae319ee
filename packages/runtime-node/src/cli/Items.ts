/**
 * What the commands for items have in common. Values are bytes here, and every conflict is a person's: the command knows
 * no app's form and no app's merge.
 */
import type { Client } from "@sotto/core/Client"
import type { ItemConflict, ItemLine, ItemVersion, PastVersion } from "@sotto/core/collection/ItemCollection"
import { hashOf, type OpId } from "@sotto/core/item/Item"
import type * as Sotto from "@sotto/core/Sotto"
import { toText } from "@sotto/schema/Text"
import * as Argument from "effect/cli/Argument"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ConflictLine, ItemEvent, Version, VersionLine } from "./Event.ts"
import { withSotto } from "./Home.ts"
import { emit } from "./Output.ts"
import { settled } from "./Wait.ts"
import { deviceText, iso, valueText } from "./Words.ts"

type Service = Client["Service"]
type Bytes = Uint8Array

/** There is nothing under this key. */
export class NoItem extends Schema.TaggedError<NoItem>()("NoItem", {}) {
  override get message() {
    return "There is no such item on this device, or it was deleted. Nothing was changed; `sotto ls` shows what there is."
  }
}

export const collectionArgument = Argument.String("collection").pipe(
  Argument.withDescription("Which collection; at most 128 bytes")
)

const NonEmpty = Schema.String.check(Schema.makeFilter((text) => text !== "" || "a key that is not empty"))

export const keyArgument = Argument.String("key").pipe(
  Argument.withDescription("Which item of it; at most 512 bytes"),
  Argument.withSchema(NonEmpty)
)

/** Runs something with the device, as up to date as a relay in reach makes it: less is less, and said. */
export const withItems = <A, E, R>(use: (sotto: Sotto.Sotto["Service"]) => Effect.Effect<A, E, R>) =>
  withSotto(Effect.fnUntraced(function*(sotto) {
    const fresh = yield* settled(sotto.client)
    if (Result.isFailure(fresh)) {
      yield* emit({ type: "notice", message: `As far as this device knows: ${fresh.failure.message}` })
    }
    return yield* use(sotto)
  }))

/** Names of collections that something was written to, in order. */
export const collectionsOf = (client: Service) =>
  Effect.map(
    Stream.runFold(client.entries(), () => new Set<string>(), (names, { ops }) => {
      for (const { action, collection } of ops) if (action._tag !== "Control") names.add(collection)
      return names
    }),
    (names) => [...names].sort((a, b) => a < b ? -1 : 1)
  )

const ACTIONS = { Absent: "delete", Value: "put", Content: "content", Unreadable: "put" } as const

const said = (shown: ItemVersion<Bytes>["shown"]): Pick<ItemEvent, "action" | "value"> => ({
  action: ACTIONS[shown._tag],
  value: shown._tag === "Value" ? valueText(shown.value) : null
})

const idText = (id: OpId): string => toText("EntryHash", hashOf(id))

/** An item of a list. */
export const itemLine = (collection: string, line: ItemLine<Bytes>): ItemEvent => ({
  type: "item",
  collection,
  key: line.key,
  ...said(line.shown),
  device: deviceText(line.device),
  time: iso(line.millis),
  conflict: line.isConflict
})

const versionOf = ({ device, id, millis, shown }: ItemVersion<Bytes>): Version => ({
  id: idText(id),
  device: deviceText(device),
  time: iso(millis),
  ...said(shown)
})

/** A version in an item's history. */
export const versionLine = (collection: string, key: string, past: PastVersion<Bytes>): VersionLine => ({
  type: "version",
  collection,
  key,
  ...versionOf(past),
  head: past.isHead,
  parents: past.parents.map(idText)
})

/** A conflict, this device's version first. */
export const conflictLine = (
  collection: string,
  { key, local, reason, remotes }: ItemConflict<Bytes>
): ConflictLine => ({
  type: "conflict",
  collection,
  key,
  reason: reason._tag.toLowerCase(),
  versions: [local, ...remotes].map(versionOf)
})
