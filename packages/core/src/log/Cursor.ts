/**
 * Places in a log (protocol.md §2). A relay's positions mean nothing at another relay, so a position never leaves this
 * device's books without the relay's key: what takes a place takes a `Cursor`, and places of two relays have no order.
 *
 * An `Ordinal` counts what this device accepted, its own entries included, in the order in which it did: the one order
 * that exists without any relay.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Position, RelayKey } from "@sotto/schema/Id"
import { uint } from "@sotto/schema/Wire"
import * as Schema from "effect/Schema"

/** A place in this device's order of acceptance: 1, 2, 3, …; 0 is "before the first". */
export const Ordinal = uint().pipe(Schema.brand("Ordinal"))
export type Ordinal = typeof Ordinal.Type

/** A place in one relay's log of this space. */
export const Cursor = Schema.Struct({ relay: RelayKey, position: Position })
export type Cursor = typeof Cursor.Type

/** Before everything that the relay has. */
export const start = (relay: RelayKey): Cursor => ({ relay, position: Position.make(0) })

/** Negative when `a` is earlier than `b`; undefined for places of two relays, which have no order. */
export const compare = (a: Cursor, b: Cursor): number | undefined =>
  Bytes.equals(a.relay, b.relay) ? a.position - b.position : undefined
