/**
 * What a relay's standby asks, and what it is answered (protocol.md §6): messages that begin with the byte 02, then one
 * of these, as canonical MessagePack. A standby is another process with the same relay key; nobody else is answered.
 *
 * 1. The standby asks; each request has one answer with its number. Nothing is answered before `Prove`.
 * 2. A row of a log goes one way only: first it has its envelope, then only its id, then nothing; an expiry is set once
 *    and only falls. So two copies of which one is older agree about a range exactly when its `RowSum`s are equal.
 * 3. A route's `RouteRecord` comes with the last rows of its log, of the same moment.
 */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Refusal } from "./Frame.ts"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, Signature, SigningKey } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { CapabilityKeys, Retention } from "./Relay.ts"
import { boundedArray, boundedBytes, fixedBytes, tagged, uint } from "./Wire.ts"

/** Positions that one request for rows may span. */
export const SPAN = 256
/** Ranges of one `Measure`. */
export const RANGES_MAX = 64
/** Routes of one `RoutePage`, and of one `Changed`. */
export const ROUTES_MAX = 500

const request = uint(0xffff_ffff)

/** Positions from `from` to `to`, both included. */
export const PositionRange = Schema.Struct({ from: Position, to: Position })
export type PositionRange = typeof PositionRange.Type

/**
 * Of the rows in a range: how many have their envelope, how many of those expire, the sums of the upper bits (from 2^20
 * on) and of the 20 lower bits of when, and how many have only their id.
 */
export const RowSum = Schema.Struct({
  kept: uint(),
  expiring: uint(),
  expiryHigh: uint(),
  expiryLow: uint(),
  gone: uint()
})
export type RowSum = typeof RowSum.Type

const expiresMillis = Schema.NullOr(uint())

/** A row of a log: with its envelope, with one that the standby said it has, or with its id alone. */
export const CopiedRow = Schema.Union([
  tagged("Kept", 1, {
    position: Position,
    id: EnvelopeId,
    lane: Lane,
    appendedMillis: uint(),
    expiresMillis,
    envelope: boundedBytes(Limit.envelopeBytesMax)
  }),
  tagged("Known", 2, { position: Position, id: EnvelopeId, expiresMillis }),
  tagged("Gone", 3, { position: Position, id: EnvelopeId, appendedMillis: uint() })
])
export type CopiedRow = typeof CopiedRow.Type

/** Everything about a route but its rows. */
export const RouteRecord = Schema.Struct({
  epoch: Epoch,
  keys: CapabilityKeys,
  retention: Retention,
  quotaBytes: uint(),
  opHash: fixedBytes(32),
  past: boundedArray(
    Schema.Struct({ epoch: Epoch, read: SigningKey, position: Position, chain: fixedBytes(32), millis: uint() }),
    Limit.pastEpochsMax
  ),
  position: Position,
  chain: fixedBytes(32),
  lowest: Position,
  tags: boundedArray(Schema.Struct({ tag: AckTag, mark: Position, seenMillis: uint() }), Limit.ackTagsMax)
})
export type RouteRecord = typeof RouteRecord.Type

/** Standby to relay. */
export const StandbyRequest = Schema.Union([
  /** A signature (`Proof.standby`) by the relay's own key. */
  tagged("Prove", 1, { request, signature: Signature }),
  /** Routes after this one in the order of their ids; `null` for the first. An empty page is the end. */
  tagged("Routes", 2, { request, after: Schema.NullOr(RouteId) }),
  tagged("Measure", 3, { request, route: RouteId, ranges: boundedArray(PositionRange, RANGES_MAX) }),
  /**
   * Rows from `from` on, `SPAN` positions at most. Bit i of `have` (of byte i/8, the lowest first) says that the standby has the envelope at
   * `from` + i: it comes as `Known`.
   */
  tagged("Rows", 4, { request, route: RouteId, from: Position, have: fixedBytes(SPAN / 8) }),
  /** What changed since the last answer; waits until something does, or until it is asked again. */
  tagged("Changes", 5, { request })
])
export type StandbyRequest = typeof StandbyRequest.Type

/** Relay to standby. */
export const StandbyAnswer = Schema.Union([
  tagged("Proved", 1, { request }),
  tagged("RoutePage", 2, {
    request,
    routes: boundedArray(Schema.Struct({ route: RouteId, position: Position }), ROUTES_MAX)
  }),
  tagged("Measured", 3, { request, sums: boundedArray(RowSum, RANGES_MAX) }),
  /**
   * What is there up to position `through`: where no row is, none is known any more. `record` when that is the log's end
   * and it fits. `position` is the log's end in any case; the rest is what a route is opened with.
   */
  tagged("RowPage", 4, {
    request,
    epoch: Epoch,
    keys: CapabilityKeys,
    retention: Retention,
    quotaBytes: uint(),
    position: Position,
    through: Position,
    rows: boundedArray(CopiedRow, SPAN),
    record: Schema.NullOr(RouteRecord)
  }),
  /** `rows`: something else changed than the end of the log. `lost`: there were too many to remember; compare anew. */
  tagged("Changed", 5, {
    request,
    changes: boundedArray(
      Schema.Struct({ route: RouteId, position: Position, rows: Schema.Boolean }),
      ROUTES_MAX
    ),
    lost: Schema.Boolean
  }),
  tagged("Refused", 6, { request, refusal: Refusal })
])
export type StandbyAnswer = typeof StandbyAnswer.Type

/** Bytes of what a standby sends, without the plane's byte. */
export const standbyRequestCodec = Codec.make(StandbyRequest, "StandbyRequest")

/** Bytes of what it is answered, without the plane's byte. */
export const standbyAnswerCodec = Codec.make(StandbyAnswer, "StandbyAnswer")
