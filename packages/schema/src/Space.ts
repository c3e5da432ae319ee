/** Genesis, policy and membership log of a space (protocol.md §2, §3, §9). */
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { Certificate } from "./Device.ts"
import { DeviceId, EntryHash, Epoch, Lane, Signature, SigningKey } from "./Id.ts"
import { Limit } from "./Limit.ts"
import { Suite } from "./Suite.ts"
import { boundedArray, boundedBytes, boundedText, fixedBytes, tagged, uint } from "./Wire.ts"

/** Roles, weakest first: `carry` moves envelopes unread, `admin` changes membership, `owner` cannot be removed by one. */
export const Role = Schema.Literals([0, 1, 2, 3, 4])
export type Role = typeof Role.Type
/** Roles by name. */
export const ROLE = { carry: 0, read: 1, write: 2, admin: 3, owner: 4 } as const satisfies Record<string, Role>

/** `0` visible: an envelope shows a keyed hash of its collection. `1` hidden: always zero. */
export const LanePolicy = Schema.Literals([0, 1])
/** `0` none, `1` full: whether a new member may read what was written before it came. */
export const HistoryPolicy = Schema.Literals([0, 1])

/** What a space decided once, for all its members. */
export const SpacePolicy = Schema.Struct({ lanes: LanePolicy, history: HistoryPolicy })
export type SpacePolicy = typeof SpacePolicy.Type

/** What a genesis says, before its signature. */
export const GenesisBody = Schema.Struct({
  suite: Suite,
  creator: Certificate,
  /** Ed25519 key of the recovery words: it may override every membership operation. */
  recovery: SigningKey,
  policy: SpacePolicy,
  random: fixedBytes(32)
})
export type GenesisBody = typeof GenesisBody.Type

/** Bytes that a genesis' signature covers, by their SHA-256. */
export const genesisBodyCodec = Codec.make(GenesisBody, "GenesisBody")

/** The first statement of a space, signed by its creator. `spaceId` is its hash, so a space names itself. */
export const Genesis = Schema.Struct({ body: GenesisBody, signature: Signature })
export type Genesis = typeof Genesis.Type

/** Bytes of a genesis: what a space id is the hash of. */
export const genesisCodec = Codec.make(Genesis, "Genesis")

/** An X-Wing wrap of an epoch key: KEM ciphertext, then the sealed key. */
export const KeyWrap = Schema.Struct({ tag: fixedBytes(16), ciphertext: fixedBytes(1120), sealed: boundedBytes(128) })
export type KeyWrap = typeof KeyWrap.Type

/** From here on a removed device's entries in this lane are refused. */
export const Cutoff = Schema.Struct({ device: DeviceId, lane: Lane, seq: uint(), hash: EntryHash })
export type Cutoff = typeof Cutoff.Type

/** What a membership operation does. */
export const MemberAction = Schema.Union([
  tagged("AddMember", 1, { certificate: Certificate, role: Role }),
  tagged("SetRole", 2, { device: DeviceId, role: Role }),
  tagged("Rekey", 3, {
    removed: boundedArray(DeviceId, Limit.membersMax),
    cutoffs: boundedArray(Cutoff, Limit.membersMax),
    epoch: Epoch,
    commit: fixedBytes(32),
    wrapping: fixedBytes(1216),
    wraps: boundedArray(KeyWrap, Limit.membersMax)
  }),
  tagged("Relabel", 4, { device: DeviceId, label: boundedText(Limit.labelBytesMax) })
])
export type MemberAction = typeof MemberAction.Type

/** One operation of the membership log, before its signature. `parents` are hashes of the operations it knew of. */
export const MemberOpBody = Schema.Struct({
  author: DeviceId,
  parents: boundedArray(EntryHash, 16),
  epoch: Epoch,
  createdMillis: uint(0xffff_ffff_ffff),
  action: MemberAction
})
export type MemberOpBody = typeof MemberOpBody.Type

/** Bytes that a membership operation's signature covers, by their SHA-256. */
export const memberOpBodyCodec = Codec.make(MemberOpBody, "MemberOpBody")

/** Signed by its author over `L("sign/member-op")`, the space id and the SHA-256 of the encoded body. */
export const MemberOp = Schema.Struct({ body: MemberOpBody, signature: Signature })
export type MemberOp = typeof MemberOp.Type

/** Bytes of a membership operation. */
export const memberOpCodec = Codec.make(MemberOp, "MemberOp")

/** A generation's secret, as it travels in a welcome and lies sealed on a device. */
export const EpochSecret = Schema.Struct({ epoch: Epoch, key: fixedBytes(32) })
export type EpochSecret = typeof EpochSecret.Type
