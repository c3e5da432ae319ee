/**
 * Ephemeral messages (protocol.md §4, kind 3): sealed and signed like entries, but in no chain, stored nowhere, and worth
 * something only now. A cursor's place, who is typing, who is there.
 *
 * A relay may drop, delay, repeat and reorder them: whoever shows them keeps, per device, the one with the latest clock.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import * as Envelope from "@sotto/schema/Envelope"
import { Hlc } from "@sotto/schema/Hlc"
import { DeviceId, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedBytes } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"
import { type DeviceIdentity, sign } from "../Device.ts"
import * as Padme from "../internal/padme.ts"
import { LANE_ZERO } from "../space/Keys.ts"
import * as Membership from "../space/Membership.ts"
import { currentEpoch, type SpaceState } from "../space/SpaceState.ts"
import { type Quarantined, quarantined } from "./Quarantine.ts"
import { entryHash, seal as sealEnvelope, signedBytes, unseal } from "./Sealing.ts"

type CryptoService = Crypto["Service"]

/** The longest body: its envelope, padded, stays within `Limit.presenceBytesMax`. */
export const PRESENCE_BODY_BYTES_MAX = 15 * 1024

const unsignedFields = { device: DeviceId, hlc: Hlc, body: boundedBytes(PRESENCE_BODY_BYTES_MAX) }
const Unsigned = Schema.Struct(unsignedFields)
const unsignedCodec = Codec.make(Unsigned, "UnsignedPresence")

/** What one device says of itself. `body` is the app's own bytes. */
export const Presence = Schema.Struct({ ...unsignedFields, signature: Signature })
export type Presence = typeof Presence.Type
const presenceCodec = Codec.make(Presence, "Presence")

/** An ephemeral envelope, to be published. A body above `PRESENCE_BODY_BYTES_MAX` is a bug. */
export const seal = (crypto: CryptoService, state: SpaceState, options: {
  readonly author: DeviceIdentity
  readonly hlc: Hlc
  readonly body: Uint8Array
}): Uint8Array => {
  const { author, body, hlc } = options
  const { keys } = state
  const epoch = currentEpoch(state)
  const headerBytes = Envelope.encodeHeader({
    suite: keys.suite,
    kind: Envelope.KIND.ephemeral,
    epoch: epoch.epoch,
    lane: LANE_ZERO
  })
  const unsigned = { device: author.id, hlc, body }
  const hash = entryHash(crypto, keys, headerBytes, unsignedCodec.encode(unsigned))
  const signature = sign(crypto, author, signedBytes(keys, hash))
  const plaintext = presenceCodec.encode({ ...unsigned, signature })
  return sealEnvelope(crypto, { keys, epoch, headerBytes, plaintext, random32: crypto.random(32) }).bytes
}

/** Opens and checks an ephemeral envelope: by a member, signed, not ahead of the clock. What fails is simply dropped. */
export const open = (
  crypto: CryptoService,
  state: SpaceState,
  options: { readonly bytes: Uint8Array; readonly nowMillis: number }
): Result.Result<Presence, Quarantined> => {
  const unsealed = unseal(crypto, state, [Envelope.KIND.ephemeral], options.bytes)
  if (Result.isFailure(unsealed)) return Result.fail(unsealed.failure)
  const { header, headerBytes, plaintext } = unsealed.success
  const decoded = presenceCodec.decodePrefix(plaintext)
  if (Result.isFailure(decoded) || !Padme.isPadding(plaintext, decoded.success.length)) {
    return Result.fail(quarantined("entry"))
  }
  if (!Bytes.isZero(header.lane)) return Result.fail(quarantined("lane"))
  const { signature, ...unsigned } = decoded.success.value
  const member = Membership.memberOf(state.membership, unsigned.device)
  if (member === undefined) return Result.fail(quarantined("author-unknown"))
  if (member.removed !== null) return Result.fail(quarantined("cutoff"))
  const hash = entryHash(crypto, state.keys, headerBytes, unsignedCodec.encode(unsigned))
  if (!crypto.signature.verify(member.certificate.body.signing, signedBytes(state.keys, hash), signature)) {
    return Result.fail(quarantined("signature"))
  }
  return unsigned.hlc.millis > options.nowMillis + Limit.clockAheadMillisMax
    ? Result.fail(quarantined("clock"))
    : Result.succeed(decoded.success.value)
}
