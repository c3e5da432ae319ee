/** Messages of pairing (protocol.md §8), as they lie in a mailbox, and what the QR or URL carries. */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Certificate } from "./Device.ts"
import { DeviceId, EntryHash, MailboxId, RelayKey, Signature } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { EpochSecret, Genesis, MemberOp } from "./Space.ts"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "./Wire.ts"

/** A relay as a device remembers it: URL (`ws://` or `wss://`) and pinned key. */
export const RelayAddress = Schema.Struct({ url: boundedText(Limit.relayUrlBytesMax), key: RelayKey })
export type RelayAddress = typeof RelayAddress.Type

/** Bytes of a relay's address. */
export const relayAddressCodec = Codec.make(RelayAddress, "RelayAddress")

/** Outer messages. `new` is the device that joins, `existing` the one that shows the code. */
export const MailboxMessage = Schema.Union([
  /** existing, when the mailbox is made: version and its nonce. */
  tagged("Offer", 1, { version: uint(255), nonce: fixedBytes(16), expiresMillis: uint() }),
  /** new → existing, short code only: nonce and CPace element. */
  tagged("CpaceA", 2, { nonce: fixedBytes(16), element: fixedBytes(32) }),
  tagged("CpaceB", 3, { element: fixedBytes(32) }),
  /** Confirmation tags: `new` first, `existing` only after checking it. */
  tagged("ConfirmA", 4, { tag: fixedBytes(64) }),
  tagged("ConfirmB", 5, { tag: fixedBytes(64) }),
  tagged("NoiseA", 6, { message: boundedBytes(4096) }),
  tagged("NoiseB", 7, { message: boundedBytes(4096) }),
  /** A sealed `PairingMessage` under the Noise transport keys. */
  tagged("Sealed", 8, { message: boundedBytes(Limit.mailboxBytesMax) }),
  /** Burned or cancelled by the other side; the reason is for people. */
  tagged("Abort", 9, { reason: boundedText(64) })
])
export type MailboxMessage = typeof MailboxMessage.Type

/** Bytes of an outer message, as they lie in a mailbox. */
export const mailboxMessageCodec = Codec.make(MailboxMessage, "MailboxMessage")

/** A welcome: everything that a new device needs, before its signature. */
export const WelcomeBody = Schema.Struct({
  genesis: Genesis,
  log: boundedArray(MemberOp, Limit.membersMax),
  spaceRoot: fixedBytes(32),
  epochs: boundedArray(EpochSecret, 256),
  admin: Schema.NullOr(fixedBytes(32)),
  relays: boundedArray(RelayAddress, 16),
  logHead: EntryHash
})
export type WelcomeBody = typeof WelcomeBody.Type

/** Bytes that a welcome's signature covers, by their SHA-256. */
export const welcomeBodyCodec = Codec.make(WelcomeBody, "WelcomeBody")

/** Inner messages, sealed by the handshake. Signatures are over its hash, so none can be moved to another run. */
export const PairingMessage = Schema.Union([
  /** new → existing: signed over L("sign/join") handshakeHash SHA-256(certificate). */
  tagged("Join", 1, { certificate: Certificate, signature: Signature }),
  /** existing → new: signed over L("sign/welcome") handshakeHash logHead SHA-256(body), by the device named. */
  tagged("Welcome", 2, { device: DeviceId, body: WelcomeBody, signature: Signature }),
  /** new → existing: signed over L("sign/joined") handshakeHash logHead. */
  tagged("Joined", 3, { signature: Signature }),
  tagged("Declined", 4, { reason: boundedText(64) })
])
export type PairingMessage = typeof PairingMessage.Type

/** Bytes of an inner message, before they are sealed. */
export const pairingMessageCodec = Codec.make(PairingMessage, "PairingMessage")

/** What a pairing URL or QR carries: `sotto://pair?r=URL&k=RELAYKEY&m=MAILBOX&e=EXPIRY#SECRET` (Ticket.ts). */
export const PairingTicket = Schema.Struct({
  relay: RelayAddress,
  mailbox: MailboxId,
  expiresMillis: uint(),
  secret: fixedBytes(32)
})
export type PairingTicket = typeof PairingTicket.Type
