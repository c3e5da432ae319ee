/** What a client's entries say, as text: for tests that compare what devices hold. */
import type { Client, ReceivedEntry } from "@sotto/core/Client"
import type { ClientEvent } from "@sotto/core/Status"
import type { StoreFailed } from "@sotto/core/Store"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

export const bytes = (text: string): Uint8Array => Utf8.encode(text)

const textOf = (value: Uint8Array): string => String.fromCharCode(...value)

/** The values that entries put, in their order. */
export const valuesOf = (entries: ReadonlyArray<ReceivedEntry>): ReadonlyArray<string> =>
  entries.flatMap(({ ops }) => ops.flatMap(({ action }) => action._tag === "Put" ? [textOf(action.value)] : []))

/** All entries of a client. */
export const entries = (client: Client["Service"]): Effect.Effect<ReadonlyArray<ReceivedEntry>, StoreFailed> =>
  Stream.runCollect(client.entries())

/** All values of a client, in its order. */
export const values = (client: Client["Service"]): Effect.Effect<ReadonlyArray<string>, StoreFailed> =>
  Effect.map(entries(client), valuesOf)

/** All values of a client, in an order that all devices share. */
export const sorted = (client: Client["Service"]): Effect.Effect<ReadonlyArray<string>, StoreFailed> =>
  Effect.map(values(client), (all) => [...all].sort())

export const push = (client: Client["Service"], text: string, collection = "") =>
  client.push(bytes(text), { collection })

/** So many entries in one flush, each a write of one item that follows the one before: only the last is signed. */
export const pushChained = (client: Client["Service"], text: string, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, i) => `${text} ${i}`),
    (value) => client.push(bytes(value), { collection: "chained", key: text }),
    { concurrency: "unbounded" }
  )

/** Places of entries, as plain numbers. */
export const positionsOf = (entries: ReadonlyArray<ReceivedEntry>): ReadonlyArray<number | undefined> =>
  entries.map(({ position }) => position?.position)

/** Gaps that were told of: from, to, and whether what is missing expired. */
export const gapsOf = (
  events: ReadonlyArray<ClientEvent>
): ReadonlyArray<readonly [from: number, to: number, expired: boolean]> =>
  events.flatMap((event) => event._tag === "Gap" ? [[event.from, event.to, event.expired] as const] : [])
