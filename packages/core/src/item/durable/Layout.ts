/**
 * Where the rows of a durable item store lie in a device's `Store`: tables above those of the ledger.
 *
 * | table | key | row |
 * |---|---|---|
 * | layout | | version of this layout; the key of all other rows, sealed by the keystore as `items` |
 * | state | | how far the log was read, and where the tree begins |
 * | entry | keyed hash of an entry's name | the entry while it waits; then one byte: applied, or gone |
 * | op | keyed hash of an item's name and an operation's | the operation, and how many supersede it |
 * | item | keyed hash of an item's name | its head; names of its heads, if it has several |
 * | node | number | a node of the tree (`Tree`), in which all that has an order stands (`Order`) |
 *
 * 1. Every row but the layout, and that one byte, is sealed, under its own table and key: none can stand for another one.
 * 2. What is here can be made from the log again. So another version, and a row that does not open or read, are `ItemsDamaged`:
 *    everything is dropped and built anew, rather than guessed at.
 */
import * as Codec from "@sotto/schema/Codec"
import { boundedBytes, uint } from "@sotto/schema/Wire"
import * as Schema from "effect/Schema"

/** First bytes of keys. A number, once given, keeps its meaning. */
export const TABLE = { layout: 32, state: 33, entry: 34, op: 35, item: 36, node: 37 } as const
export type Table = (typeof TABLE)[keyof typeof TABLE]

/** The bytes that are the item store's: from the first one, included, to the second, not included. */
export const FIRST = Uint8Array.of(TABLE.layout)
export const END = Uint8Array.of(48)

/** The version of this layout. */
export const VERSION = 1

/** The key of the row of a table that has one. */
export const singleKey = (table: Table): Uint8Array => Uint8Array.of(table)

export const layoutCodec = Codec.make(
  Schema.Struct({ version: uint(255), sealedKey: boundedBytes(1024) }),
  "ItemLayoutRow"
)

const State = Schema.Struct({
  /** How far whoever brings entries is. */
  mark: uint(),
  /** The node at which the tree begins; 0 while it is empty. */
  root: uint(),
  /** The last number that a node was given. */
  nodes: uint()
})
export type State = typeof State.Type

export const stateCodec = Codec.make(State, "ItemStateRow")

/** Nothing yet. */
export const EMPTY_STATE: State = { mark: 0, root: 0, nodes: 0 }

/** Rows of items do not read. They are dropped, and built again from the log. */
export class ItemsDamaged extends Schema.TaggedError<ItemsDamaged>()("ItemsDamaged", { detail: Schema.String }) {
  override get message() {
    return `What this device keeps of items does not read (${this.detail}). No entry is lost, and there is nothing to do: ` +
      "items are built again from its log, by itself."
  }
}
