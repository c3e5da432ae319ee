/** Entries and their operations: what is inside an envelope (protocol.md §4). */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { ContentRef } from "./Content.ts"
import { Head } from "./Head.ts"
import { Hlc } from "./Hlc.ts"
import { DeviceId, EntryHash, Seq, Signature } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { MemberOp } from "./Space.ts"
import { boundedArray, boundedBytes, boundedText, tagged } from "./Wire.ts"

/** What an operation does to its item. */
export const Action = Schema.Union([
  tagged("Put", 1, { value: boundedBytes(Limit.inlineValueBytesMax) }),
  tagged("PutContent", 2, { content: ContentRef }),
  tagged("Delete", 3, {}),
  tagged("Control", 4, { op: MemberOp })
])
export type Action = typeof Action.Type

/**
 * One operation on the item (collection, key). `parents` are the entries of the heads that it supersedes, by their hash:
 * sealing an entry again, under another envelope id, breaks no reference. An empty key with no parents is an append: an
 * item of its own, named by its entry and its place there.
 */
export const Op = Schema.Struct({
  collection: boundedText(Limit.collectionBytesMax),
  key: boundedText(Limit.keyBytesMax),
  parents: boundedArray(EntryHash, Limit.parentsMax),
  action: Action
})
export type Op = typeof Op.Type

const unsignedFields = {
  device: DeviceId,
  seq: Seq,
  /** Hash of the device's previous entry in this lane; all zero for the first. */
  prev: EntryHash,
  hlc: Hlc,
  /** The last head that this device saw from a relay: gossip against forks and rollbacks. */
  lastHead: Schema.NullOr(Head),
  ops: boundedArray(Op, Limit.opsMax)
}

/** An entry without its signature: what `EntryHash` and the signature cover. */
export const UnsignedEntry = Schema.Struct(unsignedFields)
export type UnsignedEntry = typeof UnsignedEntry.Type

/** Bytes that an entry's hash and signature cover. */
export const unsignedEntryCodec = Codec.make(UnsignedEntry, "UnsignedEntry")

/** A statement by one device. Without a signature it counts once a later entry, chained to it, carries one. */
export const Entry = Schema.Struct({ ...unsignedFields, signature: Schema.NullOr(Signature) })
export type Entry = typeof Entry.Type

/** Bytes of an entry: the plaintext of an envelope, before its padding. */
export const entryCodec = Codec.make(Entry, "Entry")
