/**
 * The control plane's messages (protocol.md §5a): messages that begin with the byte 00, then one of these, as canonical
 * MessagePack. Calls and their answers are those of `Relay.RelayRpcs`; `payload` and `value` hold the canonical bytes of
 * the call's payload and success, and are empty for a call that has none. A refusal is the same as on the data plane.
 */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Refusal } from "./Frame.ts"
import { Limit } from "./Limit.ts"
import { boundedBytes, boundedText, tagged, uint } from "./Wire.ts"

/** What lies inside, with room for the rest of the message. */
const body = boundedBytes(Limit.controlBytesMax - 64)

/** Drawn by the client, 1, 2, 3, … for each connection; none stands for two open calls. */
const id = uint(0xffff_ffff)

/** Client to relay. */
export const CallRequest = Schema.Union([
  /** `method` is the name in `RelayRpcs`. */
  tagged("Call", 1, { id, method: boundedText(32), payload: body }),
  /** The client no longer waits: no answer is sent. For a call that is not open it means nothing. */
  tagged("Cancel", 2, { id })
])
export type CallRequest = typeof CallRequest.Type

/** Relay to client, once for each call that was not cancelled. */
export const CallResponse = Schema.Union([
  tagged("Answer", 1, { id, value: body }),
  tagged("Refused", 2, { id, refusal: Refusal }),
  /** The relay failed inside. Its operator finds why in its log; nothing of it goes over the wire. */
  tagged("Failed", 3, { id })
])
export type CallResponse = typeof CallResponse.Type

/** Bytes of what a client sends. */
export const callRequestCodec = Codec.make(CallRequest, "CallRequest")

/** Bytes of what a relay sends. */
export const callResponseCodec = Codec.make(CallResponse, "CallResponse")
