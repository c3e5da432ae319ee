/**
 * What the relay asks of storage (protocol.md §6; architecture.md §5). One contract, several Layers (memory, SQLite;
 * PostgreSQL later), checked by one conformance suite.
 *
 * Invariants that every Layer keeps:
 * 1. Positions of a route are 1, 2, 3, … in the order of commit, never reused; the high-water mark outlives the rows.
 * 2. `append` is durable when it answers, and one transaction: row, position, bytes used, chain. The same envelope id
 *    again gets its old position and changes nothing, also after its row was deleted (until a sweep forgets it).
 * 3. Many concurrent `append`s may share one transaction and one sync to disk; each succeeds or fails for itself. Each
 *    answers with the route as the whole transaction left it, so that one signed head serves them all.
 * 4. `lowest` never falls; `position` and `chain` never go back.
 * 5. `chain` starts at 32 zero bytes; each new envelope makes it SHA-256(`Proof.chainLink(chain, id)`).
 * 6. An interrupted `append` may or may not have happened, wholly; nothing of it is seen before it is durable.
 * 7. Of the positions up to `position`, each has its row or had it: those that had it are `removed`. None gets it back, so
 *    as long as `removed` is the same, no row went.
 */
import type { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import type { CapabilityKeys, Retention } from "@sotto/schema/Relay"
import type { QuotaExceeded, UnknownRoute } from "@sotto/schema/RelayError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Write } from "../Store.ts"
import type { RelayCopy } from "./RelayCopy.ts"

/** Storage failed under the relay: it answers `Overloaded` to clients and says this in its own log. */
export class RelayStoreFailed extends Schema.TaggedError<RelayStoreFailed>()("RelayStoreFailed", {
  reason: Schema.Literals(["full", "corrupt", "locked", "permission", "foreign", "version", "unavailable"]),
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    const next = {
      full:
        "Nothing that was acknowledged is affected. Free space, or give the relay a larger disk: it goes on by itself.",
      corrupt: "What was acknowledged may be damaged here; devices keep what they have, and send it again. " +
        "Stop the relay, copy its directory away, and put a backup in its place.",
      locked: "Nothing was changed there. Stop the other process that uses the directory, or name another one.",
      permission: "Nothing was changed there. Check the owner and mode of the directory.",
      foreign: "Nothing was changed there: name another directory.",
      version: "Nothing was changed there: start that release, or a newer one.",
      unavailable: "Nothing that was acknowledged is affected. It is tried again; if it stays, look at the detail."
    }[this.reason]
    return `The relay's storage failed in ${this.operation} (${this.reason}: ${this.detail}). ${next}`
  }
}

/** An epoch that ended: who could read then may still read what was there at its end. */
export interface PastEpoch {
  readonly epoch: Epoch
  readonly read: SigningKey
  /** The route's position and chain when the epoch ended, and when that was. */
  readonly position: Position
  readonly chain: Uint8Array
  readonly millis: number
}

/** A route as stored. */
export interface RouteState {
  readonly route: RouteId
  readonly epoch: Epoch
  readonly keys: CapabilityKeys
  readonly retention: Retention
  readonly position: Position
  readonly chain: Uint8Array
  readonly lowest: Position
  readonly usedBytes: number
  readonly quotaBytes: number
  /** Hash of the operation that made this epoch; 32 zero bytes for the first. */
  readonly opHash: Uint8Array
  /** Ended epochs, the latest last, at most `Limit.pastEpochsMax` (the oldest go). */
  readonly past: ReadonlyArray<PastEpoch>
}

/** An envelope to append. The relay has parsed its header and computed its id already. */
export interface Incoming {
  readonly id: EnvelopeId
  readonly lane: Lane
  readonly bytes: Uint8Array
}

/** Where it stands, and whether it was there before. */
export interface Stored {
  readonly position: Position
  readonly duplicate: boolean
}

export interface Appended {
  readonly stored: ReadonlyArray<Stored>
  /** The route after the transaction that holds this append (at or after the append's own positions). */
  readonly position: Position
  readonly chain: Uint8Array
  readonly lowest: Position
}

export interface StoredEnvelope {
  readonly position: Position
  readonly bytes: Uint8Array
}

/** `more` says that rows that match follow. The rest is the route at the moment of the read. */
interface Read {
  readonly more: boolean
  readonly position: Position
  readonly chain: Uint8Array
  readonly lowest: Position
}

export interface Page extends Read {
  readonly envelopes: ReadonlyArray<StoredEnvelope>
}

/** The id of an envelope that is kept, and its place. */
export interface StoredId {
  readonly position: Position
  readonly id: EnvelopeId
}

export interface IdPage extends Read {
  readonly ids: ReadonlyArray<StoredId>
  /** Rows of the route that were deleted so far: it only grows. Lanes do not matter here. */
  readonly removed: number
}

/** Rows from one position to another, both included, and how many of them there once were. */
export interface CountedRange {
  readonly from: Position
  readonly to: Position
  readonly count: number
}

/** Of each range that has fewer rows now, the positions of those that it has. */
export interface Places {
  readonly places: ReadonlyArray<ReadonlyArray<Position> | undefined>
  readonly removed: number
}

export class RelayStore extends Context.Service<RelayStore, {
  /** Opens a route, or answers the one that is there (the caller compares). */
  readonly open: (route: {
    readonly route: RouteId
    readonly epoch: Epoch
    readonly keys: CapabilityKeys
    readonly retention: Retention
    readonly quotaBytes: number
  }) => Effect.Effect<RouteState, RelayStoreFailed>
  readonly route: (route: RouteId) => Effect.Effect<RouteState, UnknownRoute | RelayStoreFailed>
  /** `expiresMillis` is what retention says for these rows; `undefined` for never. All or nothing. */
  readonly append: (append: {
    readonly route: RouteId
    readonly envelopes: ReadonlyArray<Incoming>
    readonly nowMillis: number
    readonly expiresMillis: number | undefined
  }) => Effect.Effect<Appended, UnknownRoute | QuotaExceeded | RelayStoreFailed>
  /** Rows after `after`, by position, at most `limit` and at most `bytesMax` bytes (but one at least). No lanes = all. */
  readonly read: (page: {
    readonly route: RouteId
    readonly after: Position
    readonly lanes: ReadonlyArray<Lane>
    readonly limit: number
    readonly bytesMax: number
  }) => Effect.Effect<Page, UnknownRoute | RelayStoreFailed>
  /** The rows at these positions (ascending), those that are there, at most `bytesMax` bytes (but one at least). */
  readonly readAt: (page: {
    readonly route: RouteId
    readonly positions: ReadonlyArray<Position>
    readonly bytesMax: number
  }) => Effect.Effect<Page, UnknownRoute | RelayStoreFailed>
  /** Ids of rows after `after`, by position, at most `limit`. No lanes = all. */
  readonly ids: (page: {
    readonly route: RouteId
    readonly after: Position
    readonly lanes: ReadonlyArray<Lane>
    readonly limit: number
  }) => Effect.Effect<IdPage, UnknownRoute | RelayStoreFailed>
  /** What is left of rows that were there, in one moment. No lanes = all. */
  readonly places: (asked: {
    readonly route: RouteId
    readonly lanes: ReadonlyArray<Lane>
    readonly ranges: ReadonlyArray<CountedRange>
  }) => Effect.Effect<Places, UnknownRoute | RelayStoreFailed>
  /**
   * Compare-and-set on the route's epoch (`before`) and `opHash` (`previousOpHash`); `false` when another one came
   * first. `force` sets it whatever is there. The epoch that ends is kept in `past` (those at or above the new epoch are
   * dropped from it). Ack tags stay: an old epoch's tag holds deletion back until it is no longer active, since nobody
   * here can tell a removed device from one that has not come back yet.
   */
  readonly setEpoch: (change: {
    readonly route: RouteId
    readonly before: Epoch
    readonly epoch: Epoch
    readonly keys: CapabilityKeys
    readonly previousOpHash: Uint8Array
    readonly opHash: Uint8Array
    readonly force: boolean
    readonly nowMillis: number
  }) => Effect.Effect<boolean, UnknownRoute | RelayStoreFailed>
  /** Raises the tag's mark, to the route's position at most; answers the mark. A tag beyond `Limit.ackTagsMax` replaces the least recently seen. */
  readonly ack: (ack: {
    readonly route: RouteId
    readonly tag: AckTag
    readonly position: Position
    readonly nowMillis: number
  }) => Effect.Effect<Position, UnknownRoute | RelayStoreFailed>
  /**
   * Lets these rows go at `expiresMillis` (an earlier expiry stays): at once when that is not after `nowMillis`. Answers
   * how many of them were there. `lowest` moves when they were the oldest.
   */
  readonly prune: (prune: {
    readonly route: RouteId
    readonly ids: ReadonlyArray<EnvelopeId>
    readonly nowMillis: number
    readonly expiresMillis: number
  }) => Effect.Effect<number, UnknownRoute | RelayStoreFailed>
  /**
   * Deletes what retention allows, at most `limit` of each kind a call, the lowest positions of a route first: what all tags seen at or after `activeSinceMillis` have
   * acknowledged (transit routes with at least one such tag), and what expired at or before `nowMillis`. Forgets the ids
   * of deleted rows that were appended before `knownSinceMillis`. Answers how many of each; all 0 = done. A row that is
   * both counts as acknowledged.
   */
  readonly sweep: (sweep: {
    readonly nowMillis: number
    readonly activeSinceMillis: number
    readonly knownSinceMillis: number
    readonly limit: number
  }) => Effect.Effect<
    { readonly acknowledged: number; readonly expired: number; readonly forgotten: number },
    RelayStoreFailed
  >
  /** Totals for metrics. */
  readonly totals: Effect.Effect<
    { readonly routes: number; readonly envelopes: number; readonly bytes: number },
    RelayStoreFailed
  >
  /** What a standby reads and writes. */
  readonly copy: RelayCopy
  /** Rows that the relay keeps of a route beside its log, and can do without: a standby does not copy them. */
  readonly aside: {
    readonly get: (row: {
      readonly route: RouteId
      readonly key: Uint8Array
    }) => Effect.Effect<Uint8Array | undefined, UnknownRoute | RelayStoreFailed>
    /** Keys after `after`, or the first ones, in the order of their bytes, at most `limit`. */
    readonly keys: (page: {
      readonly route: RouteId
      readonly after: Uint8Array | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<Uint8Array>, UnknownRoute | RelayStoreFailed>
    /** All or nothing, durable when it answers. Of two writes to one key, the later one counts. */
    readonly write: (write: {
      readonly route: RouteId
      readonly writes: ReadonlyArray<Write>
    }) => Effect.Effect<void, UnknownRoute | RelayStoreFailed>
  }
  /** Named secrets of the relay itself (its key). A name is written once: the first value stays, `set` answers it. */
  readonly secret: {
    readonly get: (name: string) => Effect.Effect<Uint8Array | undefined, RelayStoreFailed>
    readonly set: (name: string, value: Uint8Array) => Effect.Effect<Uint8Array, RelayStoreFailed>
  }
}>()("@sotto/core/RelayStore") {}
