/**
 * The data plane (protocol.md §5a): messages that begin with the byte 01, then one of these, as canonical MessagePack.
 * `handle` is what `Attach` answered. Flow control is by credit in bytes of envelopes: a subscriber grants, a relay
 * spends, nothing waits for an acknowledgement per page.
 */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Head } from "./Head.ts"
import { Lane, Position } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "./Wire.ts"

const handle = uint(0xffff)
const request = uint(0xffff_ffff)
const envelope = boundedBytes(1024 * 1024)

/** A stored envelope and its place. */
export const Placed = Schema.Struct({ position: Position, envelope })
export type Placed = typeof Placed.Type

/** A refusal as it stands in a frame: the number and JSON-free fields of a `RelayError`. */
export const Refusal = Schema.Struct({
  number: uint(9999),
  detail: boundedText(256),
  /** retryAfterMillis, sizeBytes or usedBytes, by number; 0 otherwise. */
  a: uint(),
  /** maxBytes or quotaBytes, by number; 0 otherwise. */
  b: uint()
})
export type Refusal = typeof Refusal.Type

/** Bytes of a refusal alone. */
export const refusalCodec = Codec.make(Refusal, "Refusal")

/** Client to relay. */
export const ClientFrame = Schema.Union([
  /**
   * Authorised by the handle: its route was attached with the write capability, by a signature over this channel's
   * handshake hash, and only that side of the channel can send here. A signature per push would show nothing more.
   */
  tagged("Push", 1, { handle, request, envelopes: boundedArray(envelope, Limit.pushEnvelopesMax) }),
  /**
   * Backlog after `after`, then live. `lanes` empty = all. One subscription per handle: a new one replaces it. A page
   * is sent while any credit is left, so credit may be overdrawn by one page (`Limit.pageBytesMax`).
   */
  tagged("Subscribe", 2, {
    handle,
    request,
    after: Position,
    lanes: boundedArray(Lane, 256),
    creditBytes: uint(0xffff_ffff)
  }),
  tagged("Unsubscribe", 3, { handle }),
  /** More bytes may come. */
  tagged("Credit", 4, { handle, bytes: uint(0xffff_ffff) }),
  /** An ephemeral envelope to whoever is connected. */
  tagged("Publish", 5, { handle, envelope: boundedBytes(Limit.presenceBytesMax) }),
  tagged("Ping", 6, { request }),
  /** Ask for a page without subscribing. */
  tagged("Pull", 7, { handle, request, after: Position, limit: uint(Limit.pageEnvelopesMax) }),
  /**
   * One message of a reconciliation (`Reconcile`) over the ids that the route holds. `begin` starts a conversation, and
   * ends the one before it on this handle; null goes on with it. Answered by `Reconciled`; what asks for envelopes
   * (`Want`, `WantAll`), by `Page`s of them, in the order of their positions, the last of which has no `more`.
   */
  tagged("Reconcile", 8, {
    handle,
    request,
    begin: Schema.NullOr(Schema.Struct({
      /** KDF(NR, "short-id", `keyEpoch`): the same for all members. */
      key: fixedBytes(16),
      keyEpoch: uint(0xffff_ffff),
      /** Empty = all. */
      lanes: boundedArray(Lane, 256)
    })),
    message: boundedBytes(Limit.reconcileBytesMax)
  })
])
export type ClientFrame = typeof ClientFrame.Type

/** Bytes of a client's frame, without the plane's byte (`encodeAfter(1, …)` leaves room for it). */
export const clientFrameCodec = Codec.make(ClientFrame, "ClientFrame")

/** Relay to client. */
export const RelayFrame = Schema.Union([
  /** Durable: a position for each envelope of the push, in its order, and the head after it. */
  tagged("Pushed", 1, { handle, request, positions: boundedArray(Position, Limit.pushEnvelopesMax), head: Head }),
  /** A page of a subscription. `head` comes with the last page of the backlog and at least with every live delivery. */
  tagged("Deliver", 2, {
    handle,
    placed: boundedArray(Placed, Limit.pageEnvelopesMax),
    head: Schema.NullOr(Head)
  }),
  /** Answer to a `Pull`. `more`: another page waits. */
  tagged("Page", 3, {
    handle,
    request,
    placed: boundedArray(Placed, Limit.pageEnvelopesMax),
    more: Schema.Boolean,
    head: Head
  }),
  tagged("Presence", 4, { handle, envelope: boundedBytes(Limit.presenceBytesMax) }),
  tagged("Pong", 5, { request }),
  /** The request was refused. `request` is 0 when it concerns the whole handle or connection. */
  tagged("Refused", 6, { handle, request, refusal: Refusal }),
  /** The relay is about to go: nothing more is accepted, everything acknowledged is kept. */
  tagged("GoAway", 7, { retryAfterMillis: uint(86_400_000) }),
  /** The route moved to another epoch: attach again with its keys. */
  tagged("EpochChanged", 8, { handle, epoch: uint(0xffff_ffff) }),
  /** Answer to a `Reconcile`: of what was there at `head`, no more and no less. */
  tagged("Reconciled", 9, { handle, request, message: boundedBytes(Limit.reconcileBytesMax), head: Head })
])
export type RelayFrame = typeof RelayFrame.Type

/** Bytes of a relay's frame, without the plane's byte. */
export const relayFrameCodec = Codec.make(RelayFrame, "RelayFrame")

/** First byte of every message of a channel. */
export const PLANE = { control: 0, data: 1, standby: 2 } as const
