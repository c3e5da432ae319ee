/**
 * The relay's control plane (protocol.md §5a, §6): one RPC group, spoken as MessagePack inside the channel. The data
 * plane (push, deliver, presence) is in `Frame`.
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Head } from "./Head.ts"
import { AckTag, EnvelopeId, Epoch, MailboxId, Position, RouteId, Signature, SigningKey } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { RelayError } from "./RelayError.ts"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "./Wire.ts"

/**
 * A relay's public keys. `RelayKey` = SHA-256(L("relay-key") signing x25519 mlKem); the address carries that hash, and
 * the keys themselves come first on a connection, checked against it.
 */
export const RelayKeys = Schema.Struct({ signing: SigningKey, x25519: fixedBytes(32), mlKem: fixedBytes(1184) })
export type RelayKeys = typeof RelayKeys.Type

/** Bytes of a relay's public keys. */
export const relayKeysCodec = Codec.make(RelayKeys, "RelayKeys")

/** How long a relay keeps what it accepted. `Transit`: until all active devices acknowledged, or the time is over. */
export const Ttl = Schema.Union([
  tagged("Default", 1, {}),
  tagged("Millis", 2, { millis: uint() }),
  tagged("Never", 3, {})
])
export type Ttl = typeof Ttl.Type

/** How a relay keeps a route: for a while, until pruned, or until told to delete. */
export const Retention = Schema.Union([
  tagged("Transit", 1, { ttl: Ttl }),
  tagged("Durable", 2, {}),
  tagged("Vault", 3, {})
])
export type Retention = typeof Retention.Type

/** What a capability may do: read (subscribe, ack), write (push, publish, prune), admin (open, setEpoch). */
export const Capability = Schema.Literals(["read", "write", "admin"])
export type Capability = typeof Capability.Type

/** Public keys of an epoch at one relay. The relay learns nothing else about who may do what. */
export const CapabilityKeys = Schema.Struct({
  write: SigningKey,
  read: SigningKey,
  admin: SigningKey,
  recovery: SigningKey
})
export type CapabilityKeys = typeof CapabilityKeys.Type

/** Limits that this relay grants, so that a client can cut its batches to fit. */
export const GrantedLimits = Schema.Struct({
  envelopeBytesMax: uint(),
  pageEnvelopesMax: uint(),
  pageBytesMax: uint(),
  quotaBytes: uint(),
  usedBytes: uint(),
  pushEnvelopesMax: uint()
})
export type GrantedLimits = typeof GrantedLimits.Type

/** Answer to `Attach`: what holds for this route on this connection. */
export const Attached = Schema.Struct({
  /** Number of this route on this connection; frames carry it instead of the route id. */
  handle: uint(0xffff),
  head: Head,
  retention: Retention,
  epoch: Epoch,
  limits: GrantedLimits
})
export type Attached = typeof Attached.Type

/**
 * Open a new route. `proof` is by the admin capability (`Proof.open`);
 * `token` is for relays that admit by token. Opening a route that is there with the same keys is not an error.
 */
export const Open = Rpc.make("Open", {
  payload: {
    route: RouteId,
    epoch: Epoch,
    keys: CapabilityKeys,
    retention: Retention,
    token: Schema.NullOr(boundedText(256)),
    proof: Signature
  },
  success: Head,
  error: RelayError
})

/**
 * Bind a route to this connection. `proofs` (`Proof.attach`) are signatures over the handshake hash, route, epoch and
 * capability, one for each capability that is claimed. The handshake hash is fresh on each connection, so none can be
 * replayed.
 *
 * An epoch that has ended can still be attached with its read capability: for a device that was away while the epoch
 * changed and must find its new key in the log. Such a handle is read only, sees what was written before the epoch's
 * end and not more, and its subscription closes with `EpochChanged`. `Attached.epoch` is then above the one asked for.
 */
export const Attach = Rpc.make("Attach", {
  payload: {
    route: RouteId,
    epoch: Epoch,
    proofs: boundedArray(Schema.Struct({ capability: Capability, signature: Signature }), 3)
  },
  success: Attached,
  error: RelayError
})

/** Let go of a route on this connection. */
export const Detach = Rpc.make("Detach", { payload: { handle: uint(0xffff) }, error: RelayError })

/**
 * New capability keys: compare-and-set on the epoch before it (`epoch` = `before` + 1) and its `opHash`, signed
 * (`Proof.setEpoch`) by the admin capability of `before`. Signed by the recovery key, it wins over any state.
 */
export const SetEpoch = Rpc.make("SetEpoch", {
  payload: {
    route: RouteId,
    before: Epoch,
    epoch: Epoch,
    opHash: fixedBytes(32),
    previousOpHash: fixedBytes(32),
    keys: CapabilityKeys,
    by: Schema.Literals(["admin", "recovery"]),
    signature: Signature
  },
  success: Head,
  error: RelayError
})

/** "The device behind this tag has everything up to here." Monotone: a lower position changes nothing. */
export const Ack = Rpc.make("Ack", {
  payload: { handle: uint(0xffff), tag: AckTag, position: Position },
  success: Position,
  error: RelayError
})

/**
 * A writer (a handle attached with the write capability) names superseded envelopes that all have acknowledged. Answers
 * how many were there.
 */
export const Prune = Rpc.make("Prune", {
  payload: { handle: uint(0xffff), ids: boundedArray(EnvelopeId, 1000) },
  success: uint(),
  error: RelayError
})

/**
 * Names one side of a mailbox: 16 random bytes that its device draws once. The same side may join again, from another
 * connection, and goes on where it was; any other value counts as another side.
 */
export const MailboxSide = fixedBytes(16).pipe(Schema.brand("MailboxSide"))
export type MailboxSide = typeof MailboxSide.Type

/** Create a mailbox and take its first side. `Unavailable{exists}` when the id is taken: draw another. */
export const MailboxCreate = Rpc.make("MailboxCreate", {
  payload: { id: MailboxId, side: MailboxSide, ttlMillis: uint(Limit.mailboxMillisMax) },
  error: RelayError
})

/**
 * Take the second side, or (either side, after its connection broke) take up its own again. A third side gets
 * `Unavailable{crowded}` and closes the mailbox for all.
 */
export const MailboxJoin = Rpc.make("MailboxJoin", { payload: { id: MailboxId, side: MailboxSide }, error: RelayError })

/** Leave a message for the other side. The mailbox holds 32 messages and 64 KiB in all, both directions together. */
export const MailboxSend = Rpc.make("MailboxSend", {
  payload: { id: MailboxId, message: boundedBytes(Limit.mailboxBytesMax) },
  error: RelayError
})

/** The next messages from the other side, from number `after` on (0 = from the first); waits up to `waitMillis`. */
export const MailboxReceive = Rpc.make("MailboxReceive", {
  payload: { id: MailboxId, after: uint(Limit.mailboxMessagesMax), waitMillis: uint(60_000) },
  success: Schema.Struct({ messages: boundedArray(boundedBytes(Limit.mailboxBytesMax), Limit.mailboxMessagesMax) }),
  error: RelayError
})

/** Burn it. */
export const MailboxClose = Rpc.make("MailboxClose", { payload: { id: MailboxId }, error: RelayError })

/** What a relay says about itself to anybody: version, time (for clock checks), whether it admits new routes. */
export const About = Rpc.make("About", {
  success: Schema.Struct({
    version: uint(255),
    millis: uint(),
    admission: Schema.Literals(["open", "token", "closed"]),
    software: boundedText(64)
  }),
  error: RelayError
})

/** The whole control plane. */
export class RelayRpcs extends RpcGroup.make(
  About,
  Open,
  Attach,
  Detach,
  SetEpoch,
  Ack,
  Prune,
  MailboxCreate,
  MailboxJoin,
  MailboxSend,
  MailboxReceive,
  MailboxClose
) {}
