/**
 * What two devices of a space say to each other directly (protocol.md §2a, §8): messages on the data plane of a channel
 * that showed each side whose keys the other has. Both sides may send every frame; requests are numbered by who asks.
 */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Refusal } from "./Frame.ts"
import { Limit } from "./Limit.ts"
import { boundedArray, boundedBytes, tagged, uint } from "./Wire.ts"

const request = uint(0xffff_ffff)
const envelopes = boundedArray(boundedBytes(Limit.envelopeBytesMax), Limit.pushEnvelopesMax)

export const PeerFrame = Schema.Union([
  /** One message of a reconciliation (`Reconcile`). `keyEpoch` begins one, with short ids of that epoch's key. */
  tagged("Reconcile", 1, {
    request,
    keyEpoch: Schema.NullOr(uint(0xffff_ffff)),
    message: boundedBytes(Limit.reconcileBytesMax)
  }),
  tagged("Reconciled", 2, { request, message: boundedBytes(Limit.reconcileBytesMax) }),
  /** What was asked for with `Want` or `WantAll`, in as many frames as it takes; the last has no `more`. */
  tagged("Envelopes", 3, { request, envelopes, more: Schema.Boolean }),
  /** Envelopes that the other side may not have. One offer at a time. */
  tagged("Offer", 4, { request, envelopes }),
  /** What was offered is durable here. */
  tagged("Taken", 5, { request }),
  tagged("Ping", 6, { request }),
  tagged("Pong", 7, { request }),
  /** A request was refused; `request` is 0 when it concerns the whole connection. */
  tagged("Refused", 8, { request, refusal: Refusal })
])
export type PeerFrame = typeof PeerFrame.Type

/** Bytes of a peer's frame, without the plane's byte. */
export const peerFrameCodec = Codec.make(PeerFrame, "PeerFrame")
