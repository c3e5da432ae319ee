/**
 * What the signatures between a device and a relay cover (protocol.md §6), once for both sides. Each begins with
 * `L(purpose)`; the handshake hash binds it to one connection, so that a recorded one is worth nothing on another.
 *
 * These are of the relay's suite, not of a space's: `SUITE_DEFAULT`.
 */
import { u32 } from "./Bytes.ts"
import type { Epoch, RouteId } from "./Id.ts"
import { label, Purpose } from "./Purpose.ts"
import type { Capability, CapabilityKeys } from "./Relay.ts"
import { SUITE_DEFAULT } from "./Suite.ts"

const CAPABILITY = { read: ascii("read"), write: ascii("write"), admin: ascii("admin") }

function ascii(text: Capability): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** `Open.proof`, by the admin capability: L("sign/open") handshakeHash route u32(epoch) write read admin recovery. */
export const open = (opened: {
  readonly handshakeHash: Uint8Array
  readonly route: RouteId
  readonly epoch: Epoch
  readonly keys: CapabilityKeys
}): Uint8Array =>
  label(
    SUITE_DEFAULT,
    Purpose.signOpen,
    opened.handshakeHash,
    opened.route,
    u32(opened.epoch),
    opened.keys.write,
    opened.keys.read,
    opened.keys.admin,
    opened.keys.recovery
  )

/** One of `Attach.proofs`, by the capability that it names: L("sign/attach") handshakeHash route u32(epoch) name. */
export const attach = (attached: {
  readonly handshakeHash: Uint8Array
  readonly route: RouteId
  readonly epoch: Epoch
  readonly capability: Capability
}): Uint8Array =>
  label(
    SUITE_DEFAULT,
    Purpose.signAttach,
    attached.handshakeHash,
    attached.route,
    u32(attached.epoch),
    CAPABILITY[attached.capability]
  )

/**
 * `SetEpoch.signature`, by the admin capability of `before` or the recovery key: L("sign/epoch") handshakeHash route
 * u32(before) u32(epoch) opHash previousOpHash write read admin recovery.
 */
export const setEpoch = (change: {
  readonly handshakeHash: Uint8Array
  readonly route: RouteId
  readonly before: Epoch
  readonly epoch: Epoch
  readonly opHash: Uint8Array
  readonly previousOpHash: Uint8Array
  readonly keys: CapabilityKeys
}): Uint8Array =>
  label(
    SUITE_DEFAULT,
    Purpose.signEpoch,
    change.handshakeHash,
    change.route,
    u32(change.before),
    u32(change.epoch),
    change.opHash,
    change.previousOpHash,
    change.keys.write,
    change.keys.read,
    change.keys.admin,
    change.keys.recovery
  )

/** What a standby shows to the relay that it follows, by the key that both have: L("sign/standby") handshakeHash. */
export const standby = (handshakeHash: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.signStandby, handshakeHash)

/** A head's signature, by the relay's key: L("sign/head") and the encoded `HeadBody`. */
export const head = (encodedBody: Uint8Array): Uint8Array => label(SUITE_DEFAULT, Purpose.signHead, encodedBody)

/** What the next link of a log's running chain hashes: L("chain") chain id. The chain before the first is all zero. */
export const chainLink = (chain: Uint8Array, id: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.chain, chain, id)
