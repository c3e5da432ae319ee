/**
 * Items (protocol.md §1, §5): everything said about one (collection, key), as operations that name the ones before them.
 * The operations that none supersedes are the item's heads.
 *
 * 1. An operation is named by the hash of its entry, never by its envelope: sealing an entry again changes no name. An
 *    entry speaks of an item once, so within an item this name is enough.
 * 2. An operation with an empty key is an append: an item of its own, whose key is made of its entry's hash and its place
 *    there. What is to change it later names that key. Parents of an append mean nothing.
 * 3. Heads that say the same, byte for byte, are one: devices that merge alike at the same time are done.
 *
 * Names are hex text here: they are keys of maps, and an app may keep and compare them.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { contentRefCodec } from "@sotto/schema/Content"
import { Action, type Entry } from "@sotto/schema/Entry"
import * as Hlc from "@sotto/schema/Hlc"
import { DeviceId, EntryHash } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Brand from "effect/Brand"
import * as Schema from "effect/Schema"
import { fromHex } from "../internal/hex.ts"

/** Names an operation of an item: the hash of its entry, 64 digits of lower-case hex. */
export type OpId = Brand.Branded<string, "OpId">
export const OpId = Brand.nominal<OpId>()

/** A device as the author of operations: its id, 64 digits of lower-case hex. */
export type Author = Brand.Branded<string, "Author">
export const Author = Brand.nominal<Author>()

/** The name under which a device's operations go. */
export const authorOf = (device: DeviceId): Author => Author(Bytes.toHex(device))

/** The device that an author is. */
export const deviceOf = (author: Author): DeviceId => DeviceId.make(fromHex(author))

/** The name of an entry's operations. */
export const idOf = (hash: EntryHash): OpId => OpId(Bytes.toHex(hash))

/** The hash that an operation's name stands for: what goes into the entry that supersedes it. */
export const hashOf = (id: OpId): EntryHash => EntryHash.make(fromHex(id))

/** Names an item. */
export interface ItemRef {
  readonly collection: string
  readonly key: string
}

/** What an operation does to its item: every action but those on the space's members. */
export const ItemAction = Schema.Union([Action.members[0], Action.members[1], Action.members[2]])
export type ItemAction = typeof ItemAction.Type

/** Puts a value of at most `Limit.inlineValueBytesMax` bytes. */
export const put = (value: Uint8Array): ItemAction => ({ _tag: "Put", value })

/** Deletes: leaves a tombstone. */
export const DELETE: ItemAction = { _tag: "Delete" }

/** An operation on an item, as it stands in an entry. Also what an app is given to be pushed. */
export interface ItemOp extends ItemRef {
  /** The heads that it supersedes. */
  readonly parents: ReadonlyArray<OpId>
  readonly action: ItemAction
}

/** An accepted entry: its operations apply together or not at all. */
export interface ItemEntry {
  readonly id: OpId
  readonly author: Author
  readonly hlc: Hlc.Hlc
  readonly ops: ReadonlyArray<ItemOp>
}

/** An operation in its item's history. */
export interface Operation {
  readonly id: OpId
  readonly author: Author
  readonly hlc: Hlc.Hlc
  readonly parents: ReadonlyArray<OpId>
  readonly action: ItemAction
  /** How many resolutions of heads that were resolutions themselves lead here; 0 for everything else (`Graph`). */
  readonly generation: number
}

/** What none of an item's operations supersedes. */
export type Heads = readonly [Operation, ...ReadonlyArray<Operation>]

/** Operations as heads; undefined when there are none. */
export const toHeads = (ops: ReadonlyArray<Operation>): Heads | undefined => {
  const [first, ...others] = ops
  return first === undefined ? undefined : [first, ...others]
}

/** The key of the item that an append is: its entry, and its place among the entry's operations, counted from 0. */
export const appendKey = (entry: OpId, place: number): string => `${entry}.${place}`

/** An accepted entry as the graph takes it. Membership operations are left out: they concern no item. */
export const fromEntry = (hash: EntryHash, { device, hlc, ops }: Pick<Entry, "device" | "hlc" | "ops">): ItemEntry => {
  const id = idOf(hash)
  return {
    id,
    author: authorOf(device),
    hlc,
    ops: ops.flatMap(({ action, collection, key, parents }, place): ReadonlyArray<ItemOp> => {
      if (action._tag === "Control") return []
      return key === ""
        ? [{ collection, key: appendKey(id, place), parents: [], action }]
        : [{ collection, key, parents: parents.map((parent) => OpId(Bytes.toHex(parent))), action }]
    })
  }
}

/** Something for each item, found by its collection and its key. */
export class ByItem<A> {
  /** Not by one text made of both: to make and hash that would cost more than all the rest. */
  readonly #byKey = new Map<string, Map<string, A>>()

  get({ collection, key }: ItemRef): A | undefined {
    return this.#byKey.get(collection)?.get(key)
  }

  set({ collection, key }: ItemRef, value: A): void {
    const keys = this.#byKey.get(collection)
    if (keys === undefined) this.#byKey.set(collection, new Map([[key, value]]))
    else keys.set(key, value)
  }

  delete({ collection, key }: ItemRef): void {
    this.#byKey.get(collection)?.delete(key)
  }

  values(): ReadonlyArray<A> {
    return [...this.#byKey.values()].flatMap((keys) => [...keys.values()])
  }
}

/** An item's name as one text. */
export const nameOf = ({ collection, key }: ItemRef): string => `${collection.length}:${collection}${key}`

/** Order of keys: by their UTF-8 bytes, as every store has it. Negative when `a` comes first. */
export const compareKeys = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** Surrogates, which stand for what is beyond the first plane, come before the end of that plane in UTF-16 alone. */
const rank = (unit: number): number => unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit

/** Order of text of ASCII alone. */
const compareText = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

/** Order of names of operations: that of the bytes which they stand for. */
export const compareIds = (a: OpId, b: OpId): number => compareText(a, b)

/** Order of operations by their clocks, and by name where these agree: the same on every device. */
export const compareTimes = (a: Operation, b: Operation): number => Hlc.compare(a.hlc, b.hlc) || compareIds(a.id, b.id)

/** The latest of some operations. */
export const latestOf = (heads: Heads): Operation =>
  heads.reduce((latest, head) => compareTimes(head, latest) > 0 ? head : latest)

/** What this device shows of heads that nobody has merged: its own last word, or the last there is. */
export const localOf = (heads: Heads, self: Author): Operation =>
  latestOf(toHeads(heads.filter(({ author }) => author === self)) ?? heads)

/** Whether two operations say the same, byte for byte. */
export const isAlike = (a: ItemAction, b: ItemAction): boolean => {
  if (a._tag === "Put") return b._tag === "Put" && Bytes.equals(a.value, b.value)
  if (a._tag === "Delete") return b._tag === "Delete"
  return b._tag === "PutContent" && Bytes.equals(contentRefCodec.encode(a.content), contentRefCodec.encode(b.content))
}

/** Whether some of these heads say something else than the others: the item is contested. */
export const isContested = (heads: ReadonlyArray<Operation>): boolean => {
  const [first] = heads
  return first !== undefined && heads.some(({ action }) => !isAlike(first.action, action))
}

/**
 * The operation that puts `action` in the place of `heads`, to be pushed. One operation names at most
 * `Limit.parentsMax` heads, the first by name: the others stay until the next.
 */
export const supersede = (item: ItemRef, heads: ReadonlyArray<OpId>, action: ItemAction): ItemOp => ({
  collection: item.collection,
  key: item.key,
  parents: heads.toSorted(compareIds).slice(0, Limit.parentsMax),
  action
})
