/**
 * What the item graph asks of a local database: five tables, read in batches, written in one commit. A store in memory is
 * in MemoryItemStore.ts, one that keeps its rows on the device in DurableItemStore.ts.
 *
 * | table | key | holds |
 * |---|---|---|
 * | entry | name of an entry | applied, waiting for others, or known never to come |
 * | op | item, name of an operation | the operation, and how many supersede it; heads are those with none |
 * | waiting | name of an entry that is missing, name of one that waits for it | nothing more |
 * | contested | item | nothing more: its heads differ |
 * | mark | | how far whoever brings entries is: a number of theirs |
 *
 * 1. `commit` is all or nothing, and durable when it answers.
 * 2. `heads`, `scan` and `contested` give items in the order of `Item.compareKeys`; heads of an item in that of their names.
 * 3. Reads see every commit that answered before they began.
 * 4. What a read gives does not change with later commits, and nobody writes into it.
 */
import type * as Effect from "effect/Effect"
import type { ItemEntry, ItemRef, Operation, OpId } from "./Item.ts"

/** What became of an entry. */
export type EntryRow =
  | { readonly _tag: "Applied" }
  /** `missing`: parents that are not there yet; none left: it is to be applied next. `gone`: nobody waits for it. */
  | {
    readonly _tag: "Waiting"
    readonly entry: ItemEntry
    readonly missing: ReadonlyArray<OpId>
    readonly gone: boolean
  }
  /** It will not come, or was taken back: others do not wait for it. */
  | { readonly _tag: "Gone" }

/** An operation and the number of applied operations that name it. `op` null: it is gone, but others name it. */
export interface OpRow {
  readonly op: Operation | null
  readonly children: number
}

/** Names an operation of an item. */
export interface OpRef {
  readonly item: ItemRef
  readonly id: OpId
}

/** An item that has heads. */
export interface ItemHeads extends ItemRef {
  readonly heads: ReadonlyArray<Operation>
}

/** A change of one row; `row` undefined removes it. */
export type ItemWrite =
  | { readonly table: "entry"; readonly id: OpId; readonly row: EntryRow | undefined }
  | { readonly table: "op"; readonly item: ItemRef; readonly id: OpId; readonly row: OpRow | undefined }
  | { readonly table: "waiting"; readonly missing: OpId; readonly id: OpId; readonly row: true | undefined }
  | { readonly table: "contested"; readonly item: ItemRef; readonly row: true | undefined }
  | { readonly table: "mark"; readonly row: number }

/** A stretch of a collection: keys that begin with `prefix`, behind `after` in the order that is asked for. */
export interface KeyRange {
  readonly collection: string
  readonly prefix: string
  readonly after?: string
  readonly reverse?: boolean
  /** Items, not heads. */
  readonly limit: number
}

/** `E` is what the storage may fail with. */
export interface ItemStore<out E> {
  readonly entries: (ids: ReadonlyArray<OpId>) => Effect.Effect<ReadonlyArray<EntryRow | undefined>, E>
  readonly ops: (refs: ReadonlyArray<OpRef>) => Effect.Effect<ReadonlyArray<OpRow | undefined>, E>
  readonly heads: (items: ReadonlyArray<ItemRef>) => Effect.Effect<ReadonlyArray<ReadonlyArray<Operation>>, E>
  /** For each missing entry, the entries that wait for it. */
  readonly waitingFor: (missing: ReadonlyArray<OpId>) => Effect.Effect<ReadonlyArray<ReadonlyArray<OpId>>, E>
  /** A page of the entries that wait, in the order of their names. */
  readonly waiting: (
    page: { readonly after?: OpId; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<ItemEntryWaiting>, E>
  /** A page of items that have heads. */
  readonly scan: (range: KeyRange) => Effect.Effect<ReadonlyArray<ItemHeads>, E>
  /** A page of keys of items whose heads differ. */
  readonly contested: (range: Omit<KeyRange, "reverse">) => Effect.Effect<ReadonlyArray<string>, E>
  /** The row of the table `mark`; 0 before there is one. */
  readonly mark: Effect.Effect<number, E>
  readonly commit: (writes: ReadonlyArray<ItemWrite>) => Effect.Effect<void, E>
}

/** An entry that waits, and for what. */
export interface ItemEntryWaiting {
  readonly entry: ItemEntry
  readonly missing: ReadonlyArray<OpId>
}
