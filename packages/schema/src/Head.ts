/** What a relay signs about a route's log (protocol.md §2): position, running chain, lowest retained position, time. */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Position, RelayKey, RouteId, Signature } from "./Id.ts"
import { fixedBytes, uint } from "./Wire.ts"

/**
 * `chain_i = SHA-256(L("chain") chain_{i-1} envelopeId_i)`, all zero before the first. `lowest` is the lowest position
 * still kept (`position + 1` when none is).
 */
export const HeadBody = Schema.Struct({
  relay: RelayKey,
  route: RouteId,
  position: Position,
  chain: fixedBytes(32),
  lowest: Position,
  millis: uint(0xffff_ffff_ffff)
})
export type HeadBody = typeof HeadBody.Type

/** Bytes that a head's signature covers. */
export const headBodyCodec = Codec.make(HeadBody, "HeadBody")

/** Signed with the relay's Ed25519 key over `L("sign/head")` and the encoded body. */
export const Head = Schema.Struct({ body: HeadBody, signature: Signature })
export type Head = typeof Head.Type

/** Bytes of a head. */
export const headCodec = Codec.make(Head, "Head")
