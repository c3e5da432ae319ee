/**
 * A collection as an app uses it: what its items say, writes on top of what this device shows, and conflicts with a
 * decision. `ClientItems` makes them.
 */
import type { DeviceId } from "@sotto/schema/Id"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { FormFailed, NoConflict } from "../ClientError.ts"
import { type Collection, show, type Shown, type View } from "../item/Collection.ts"
import type { Conflict, Remote, UnknownHead } from "../item/Conflict.ts"
import type * as History from "../item/History.ts"
import { deviceOf, type Operation, type OpId } from "../item/Item.ts"
import type * as Listing from "../item/Listing.ts"
import type { Reason } from "../item/Merge.ts"
import type { MergeFailed } from "../item/merge/Strategy.ts"
import type { FeedFailed } from "../log/ItemFeed.ts"
import type { PushFailed, Receipt } from "../log/Outbox.ts"

/** Why an item was not written. */
export type ItemWriteFailed = PushFailed | FormFailed

/** Why an item could not be read. */
export type ItemReadFailed = FeedFailed

/** A version of an item. */
export interface ItemVersion<A> {
  /** Names it among the item's versions: the hash of its entry, as hex. */
  readonly id: OpId
  readonly device: DeviceId
  /** When it was written, by its author's clock. */
  readonly millis: number
  readonly shown: Shown<A>
}

/** An item of a list. */
export interface ItemLine<A> {
  readonly key: string
  /** Undefined for what is no value of the collection's form, and for content: `shown` says which. */
  readonly value: A | undefined
  readonly shown: Shown<A>
  /** Who wrote the last version, and when. */
  readonly device: DeviceId
  readonly millis: number
  readonly isConflict: boolean
}

/** A version in an item's history. */
export interface PastVersion<A> extends ItemVersion<A> {
  /** Versions that it superseded. */
  readonly parents: ReadonlyArray<OpId>
  /** Nothing supersedes it. */
  readonly isHead: boolean
}

/** An item for a person to decide about. */
export interface ItemConflict<A> {
  readonly key: string
  readonly reason: Reason
  /** What this device shows meanwhile. */
  readonly local: ItemVersion<A>
  /** The others, and what each began with, if that is known. */
  readonly remotes: ReadonlyArray<ItemVersion<A> & { readonly base: Shown<A> | undefined }>
  /** The heads as they were: a decision supersedes these, and nothing that came later. */
  readonly source: Conflict
}

/** What is to become of an item in conflict: a new value, one of its versions, or nothing. */
export type Decision<A> =
  | { readonly value: A }
  | { readonly head: OpId }
  | { readonly delete: true }

export interface ConflictPage<A> {
  readonly conflicts: ReadonlyArray<ItemConflict<A>>
  /** The key to go on after; absent at the end. */
  readonly next?: string
}

export type ResolveFailed = ItemWriteFailed | NoConflict | UnknownHead | MergeFailed

export interface ItemCollection<in out A> {
  readonly name: string
  /** Writes a value on top of what this device shows. It can be read when this answers. An empty key is an `add`. */
  readonly put: (key: string, value: A) => Effect.Effect<Receipt, ItemWriteFailed>
  /**
   * Writes a value as an item of its own. Answers its key, which is made of its entry's hash: another one should this
   * device be restored from an older copy, and write what no relay has once more.
   */
  readonly add: (value: A) => Effect.Effect<Receipt & { readonly key: string }, ItemWriteFailed>
  /** What the item comes to on this device: merged if need be; undefined when there is none. */
  readonly get: (key: string) => Effect.Effect<A | undefined, ItemReadFailed | FormFailed>
  /** All that can be said of an item now. */
  readonly view: (key: string) => Effect.Effect<View<A>, ItemReadFailed>
  /** Deletes what this device shows; answers nothing when there is nothing. */
  readonly delete: (key: string) => Effect.Effect<Receipt | undefined, ItemWriteFailed>
  readonly list: (page?: Listing.Page) => Effect.Effect<ReadonlyArray<ItemLine<A>>, ItemReadFailed>
  /** What `list` answers now, and again whenever that may have changed. */
  readonly watch: (page?: Listing.Page) => Stream.Stream<ReadonlyArray<ItemLine<A>>, ItemReadFailed>
  /** Versions of an item, the latest first: 100 unless given. */
  readonly history: (key: string, limit?: number) => Effect.Effect<ReadonlyArray<PastVersion<A>>, ItemReadFailed>
  readonly conflicts: {
    /** A page of what a person has to decide, by key. */
    readonly list: (
      page?: { readonly after?: string; readonly limit?: number }
    ) => Effect.Effect<ConflictPage<A>, ItemReadFailed>
    readonly inspect: (key: string) => Effect.Effect<ItemConflict<A> | undefined, ItemReadFailed>
    /** The first page now, and again whenever the collection changed. */
    readonly watch: Stream.Stream<ConflictPage<A>, ItemReadFailed>
    /**
     * Ends a conflict, on all devices. With a key it is about the versions that are here now, with a conflict about
     * those that it had.
     */
    readonly resolve: (
      which: string | ItemConflict<A>,
      decision: Decision<A> | ((conflict: ItemConflict<A>) => Decision<A>)
    ) => Effect.Effect<Receipt, ResolveFailed>
  }
}

const versionOf = <A>(form: Collection<A>["form"], { action, author, hlc, id }: Operation): ItemVersion<A> => ({
  id,
  device: deviceOf(author),
  millis: hlc.millis,
  shown: show(form, action)
})

/** A listed item for the app. */
export const toLine = <A>({ conflict, key, latest, shown }: Listing.Listed<A>): ItemLine<A> => ({
  key,
  value: shown._tag === "Value" ? shown.value : undefined,
  shown,
  device: deviceOf(latest.author),
  millis: latest.hlc.millis,
  isConflict: conflict !== undefined
})

/** A version of the past for the app. */
export const toPast = <A>({ isHead, shown, version }: History.Past<A>): PastVersion<A> => ({
  id: version.id,
  device: deviceOf(version.author),
  millis: version.hlc.millis,
  shown,
  parents: version.parents,
  isHead
})

/** A conflict for the app. */
export const toConflict = <A>({ form }: Collection<A>, source: Conflict): ItemConflict<A> => ({
  key: source.key,
  reason: source.reason,
  local: versionOf(form, source.local),
  remotes: source.remotes.map(({ base, version }: Remote) => ({
    ...versionOf(form, version),
    base: base === undefined ? undefined : show(form, base)
  })),
  source
})
