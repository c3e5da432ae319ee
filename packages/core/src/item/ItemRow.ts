/**
 * Rows of an `ItemStore` as bytes, for one that keeps them: canonical MessagePack, as everything else that a device keeps.
 * Values of the app stand in them in the open; a store that keeps them seals them.
 *
 * An operation that is its item's only head is in the row of the item, and in none of its own: most items are one row.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Hlc } from "@sotto/schema/Hlc"
import { DeviceId, EntryHash } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedBytes, boundedText, tagged, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { authorOf, deviceOf, hashOf, idOf, ItemAction, type ItemEntry, type Operation, type OpId } from "./Item.ts"
import type { EntryRow, OpRow } from "./ItemStore.ts"

/** The key of an item, which an append's is too. */
const itemKeyBytesMax = Math.max(Limit.keyBytesMax, 80)

const HASH_BYTES = 32
/** Names of two million heads. */
const HEADS_BYTES_MAX = 64 * 1024 * 1024

const parents = boundedArray(EntryHash, Limit.parentsMax)

const ItemOpRow = Schema.Struct({
  collection: boundedText(Limit.collectionBytesMax),
  key: boundedText(itemKeyBytesMax),
  parents,
  action: ItemAction
})

const ItemEntryRow = Schema.Struct({
  id: EntryHash,
  author: DeviceId,
  hlc: Hlc,
  ops: boundedArray(ItemOpRow, Limit.opsMax)
})

const EntryRowWire = Schema.Union([
  tagged("Applied", 1, {}),
  tagged("Waiting", 2, {
    entry: ItemEntryRow,
    missing: boundedArray(EntryHash, Limit.opsMax * Limit.parentsMax),
    gone: Schema.Boolean
  }),
  tagged("Gone", 3, {})
])

const OperationRow = Schema.Struct({
  id: EntryHash,
  author: DeviceId,
  hlc: Hlc,
  parents,
  action: ItemAction,
  generation: uint()
})

const OpRowWire = Schema.Struct({ op: Schema.NullOr(OperationRow), children: uint() })

/** The head of an item that has one, or the names of its heads, one after the other. */
const HeadsRowWire = Schema.Union([
  tagged("One", 1, { op: OperationRow }),
  tagged("Several", 2, { ids: boundedBytes(HEADS_BYTES_MAX) })
])

const entryRowCodec = Codec.make(EntryRowWire, "EntryRow")
const opRowCodec = Codec.make(OpRowWire, "OpRow")
const headsRowCodec = Codec.make(HeadsRowWire, "ItemHeadsRow")

const entryToWire = ({ author, hlc, id, ops }: ItemEntry): typeof ItemEntryRow.Type => ({
  id: hashOf(id),
  author: deviceOf(author),
  hlc,
  ops: ops.map((op) => ({ ...op, parents: op.parents.map(hashOf) }))
})

const entryFromWire = ({ author, hlc, id, ops }: typeof ItemEntryRow.Type): ItemEntry => ({
  id: idOf(id),
  author: authorOf(author),
  hlc,
  ops: ops.map((op) => ({ ...op, parents: op.parents.map(idOf) }))
})

const operationToWire = ({ author, id, parents, ...op }: Operation): typeof OperationRow.Type => ({
  ...op,
  id: hashOf(id),
  author: deviceOf(author),
  parents: parents.map(hashOf)
})

const operationFromWire = ({ author, id, parents, ...op }: typeof OperationRow.Type): Operation => ({
  ...op,
  id: idOf(id),
  author: authorOf(author),
  parents: parents.map(idOf)
})

/** The bytes of a row of the table `entry`. */
export const encodeEntry = (row: EntryRow): Uint8Array =>
  entryRowCodec.encode(
    row._tag === "Waiting"
      ? { ...row, entry: entryToWire(row.entry), missing: row.missing.map(hashOf) }
      : row
  )

/** A row of the table `entry`. What does not read was damaged at rest. */
export const decodeEntry = (bytes: Uint8Array): Result.Result<EntryRow, Codec.CodecError> =>
  Result.map(
    entryRowCodec.decode(bytes),
    (row): EntryRow =>
      row._tag === "Waiting" ? { ...row, entry: entryFromWire(row.entry), missing: row.missing.map(idOf) } : row
  )

/** The bytes of a row of the table `op`. */
export const encodeOp = ({ children, op }: OpRow): Uint8Array =>
  opRowCodec.encode({ children, op: op === null ? null : operationToWire(op) })

/** A row of the table `op`. What does not read was damaged at rest. */
export const decodeOp = (bytes: Uint8Array): Result.Result<OpRow, Codec.CodecError> =>
  Result.map(opRowCodec.decode(bytes), ({ children, op }): OpRow => ({
    children,
    op: op === null ? null : operationFromWire(op)
  }))

/** The heads of an item: the operation that is the only one, or the names of some, ascending. */
export type HeadsRow =
  | { readonly _tag: "One"; readonly op: Operation }
  | { readonly _tag: "Several"; readonly ids: ReadonlyArray<OpId> }

/** The bytes of the heads of an item. */
export const encodeHeads = (row: HeadsRow): Uint8Array =>
  headsRowCodec.encode(
    row._tag === "One"
      ? { _tag: "One", op: operationToWire(row.op) }
      : { _tag: "Several", ids: Bytes.concat(...row.ids.map(hashOf)) }
  )

/** The heads of an item. What does not read was damaged at rest. */
export const decodeHeads = (bytes: Uint8Array): Result.Result<HeadsRow, Codec.CodecError> =>
  Result.map(headsRowCodec.decode(bytes), (row): HeadsRow => {
    if (row._tag === "One") return { _tag: "One", op: operationFromWire(row.op) }
    const ids = Array.from(
      { length: Math.floor(row.ids.length / HASH_BYTES) },
      (_, at) => idOf(EntryHash.make(row.ids.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)))
    )
    return { _tag: "Several", ids }
  })
