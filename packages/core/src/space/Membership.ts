/**
 * The membership log of a space (protocol.md §9): who may say what, and what follows from it.
 *
 * 1. The state is immutable and a function of the operations alone: applied in any order that puts an operation after
 *    those it names, they give the same roster.
 * 2. An operation is accepted or refused by what its author knew, so every device decides alike.
 * 3. Applying an operation twice changes nothing.
 *
 * Roster.ts folds, OpGraph.ts orders, Authority.ts has the rules; `Rekey` operations are built and opened in Rekey.ts.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type DeviceId, EntryHash, Epoch, type Lane, Signature, type SigningKey, type SpaceId } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import {
  type Genesis,
  type MemberAction,
  type MemberOp,
  type MemberOpBody,
  memberOpBodyCodec,
  memberOpCodec,
  ROLE,
  type Role
} from "@sotto/schema/Space"
import type { Suite } from "@sotto/schema/Suite"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto, KeyPair } from "../Crypto.ts"
import { type DeviceIdentity, deviceIdOf, sign, verifyCertificate } from "../Device.ts"
import * as Authority from "./Authority.ts"
import * as OpGraph from "./OpGraph.ts"
import * as Roster from "./Roster.ts"

type CryptoService = Crypto["Service"]

/** What a space's membership log comes to. */
export interface Membership {
  readonly suite: Suite
  readonly spaceId: SpaceId
  readonly genesis: Genesis
  readonly founding: Roster.Founding
  readonly graph: OpGraph.OpGraph
  readonly roster: Roster.Roster
}

/** Why an operation was refused. `parents-unknown` heals when the operations that it names arrive. */
export class MembershipRefused extends Schema.TaggedError<MembershipRefused>()("MembershipRefused", {
  reason: Authority.Reason
}) {
  /** Whether it may be accepted later. */
  get waiting(): boolean {
    return this.reason === "parents-unknown"
  }
  override get message() {
    return `A change of the space's members was refused (${this.reason}). The members stay as they were; ` +
      "fetch what is new in the space, and try again if it is still meant."
  }
}

const refuse = (reason: MembershipRefused["reason"]) => Result.fail(new MembershipRefused({ reason }))

/** The membership of a space at its genesis, which was verified before. */
export const create = (crypto: CryptoService, genesis: Genesis, spaceId: SpaceId): Membership => {
  const { creator, recovery, suite } = genesis.body
  const id = deviceIdOf(crypto, suite, creator.body.signing)
  const founding: Roster.Founding = {
    creator: {
      id,
      certificate: creator,
      role: ROLE.owner,
      label: creator.body.label,
      wrapping: creator.body.wrapping,
      removed: null
    },
    creatorHex: Bytes.toHex(id),
    recoveryHex: Bytes.toHex(deviceIdOf(crypto, suite, recovery))
  }
  const graph = OpGraph.empty
  return {
    suite,
    spaceId,
    genesis,
    founding,
    graph,
    roster: Roster.fold(founding, graph.records, Authority.isAuthorised)
  }
}

/** What names an operation, and what its children name as parent. */
export const opHash = (crypto: CryptoService, suite: Suite, spaceId: SpaceId, op: MemberOp): EntryHash =>
  EntryHash.make(crypto.sha256(label(suite, Purpose.memberOp, spaceId, crypto.sha256(memberOpCodec.encode(op)))))

/** One hash for all that the log holds: equal exactly when two devices hold the same operations. */
export const logHead = (crypto: CryptoService, { graph, spaceId, suite }: Membership): EntryHash => {
  const heads = graph.heads.map(({ hash }) => hash)
  const fields = [spaceId, Bytes.u32(heads.length), crypto.sha256(Bytes.concat(...heads))]
  return EntryHash.make(crypto.sha256(label(suite, Purpose.memberOp, ...fields)))
}

/** The log, each operation after those that it names. */
export const log = (membership: Membership): ReadonlyArray<MemberOp> => membership.graph.records.map(({ op }) => op)

/** A member, or a device that was one. */
export const memberOf = (membership: Membership, device: DeviceId): Roster.Member | undefined =>
  membership.roster.memberByHex.get(Bytes.toHex(device))

/** The devices that are members now, ascending by their id. */
export const members = (membership: Membership): ReadonlyArray<Roster.Member> =>
  [...membership.roster.memberByHex.values()].filter(({ removed }) => removed === null)
    .sort((a, b) => Bytes.compare(a.id, b.id))

/** Whether a device is a member now, and has at least this role. */
export const hasRole = (membership: Membership, device: DeviceId, role: Role): boolean => {
  const member = memberOf(membership, device)
  return member !== undefined && member.removed === null && member.role >= role
}

/** Where a removed device's entries in a lane end; undefined while it is a member or was none. */
export const cutoffOf = (membership: Membership, device: DeviceId, lane: Lane): Roster.LaneEnd | undefined => {
  const removed = memberOf(membership, device)?.removed
  if (removed === undefined || removed === null) return undefined
  return removed.get(Roster.laneKey(lane)) ?? { seq: 0, hash: NO_HASH }
}

const NO_HASH = EntryHash.make(new Uint8Array(32))

/** Whether two devices opened the same epoch, each without the other: someone must open the next one. */
export const isContested = ({ roster }: Membership): boolean =>
  (roster.openingsByEpoch.get(roster.epoch)?.length ?? 0) > 1

// -- applying ----------------------------------------------------------------------------------------------------------

/** The membership with one more operation; the same one when it was there already. */
export const apply = (
  crypto: CryptoService,
  membership: Membership,
  op: MemberOp
): Result.Result<Membership, MembershipRefused> => {
  const { founding, graph, spaceId, suite } = membership
  const hash = opHash(crypto, suite, spaceId, op)
  if (graph.recordByHex.has(Bytes.toHex(hash))) return Result.succeed(membership)
  const past = OpGraph.pastOf(graph, op.body.parents)
  if (past === undefined) return refuse("parents-unknown")
  const roster = OpGraph.isWhole(graph, past)
    ? membership.roster
    : Roster.fold(founding, OpGraph.recordsIn(graph, past), Authority.isAuthorised)
  const subjectId = subjectOf(crypto, suite, op.body.action)
  const operation = {
    hash,
    op,
    past,
    author: Bytes.toHex(op.body.author),
    subjectId,
    subject: subjectId === undefined ? undefined : Bytes.toHex(subjectId)
  }
  const reason = signatureReason(crypto, membership, roster, op) ?? Authority.reasonAgainst(roster, founding, operation)
  if (reason !== undefined) return refuse(reason)
  const next = OpGraph.add(graph, operation)
  return Result.succeed({
    ...membership,
    graph: next.graph,
    roster: Roster.fold(founding, next.graph.records, Authority.isAuthorised)
  })
}

/** Applies a log in its order; stops at the first operation that is refused. */
export const applyAll = (
  crypto: CryptoService,
  membership: Membership,
  ops: ReadonlyArray<MemberOp>
): Result.Result<Membership, MembershipRefused> => {
  let state = membership
  for (const op of ops) {
    const next = apply(crypto, state, op)
    if (Result.isFailure(next)) return next
    state = next.success
  }
  return Result.succeed(state)
}

const subjectOf = (crypto: CryptoService, suite: Suite, action: MemberAction): DeviceId | undefined => {
  switch (action._tag) {
    case "AddMember":
      return deviceIdOf(crypto, suite, action.certificate.body.signing)
    case "SetRole":
    case "Relabel":
      return action.device
    case "Rekey":
      return undefined
  }
}

const signedBytes = (crypto: CryptoService, suite: Suite, spaceId: SpaceId, body: MemberOpBody): Uint8Array =>
  label(suite, Purpose.signMemberOp, spaceId, crypto.sha256(memberOpBodyCodec.encode(body)))

const signingKeyOf = (membership: Membership, roster: Roster.Roster, author: string): SigningKey | undefined =>
  author === membership.founding.recoveryHex
    ? membership.genesis.body.recovery
    : roster.memberByHex.get(author)?.certificate.body.signing

const signatureReason = (
  crypto: CryptoService,
  membership: Membership,
  roster: Roster.Roster,
  { body, signature }: MemberOp
): MembershipRefused["reason"] | undefined => {
  const { spaceId, suite } = membership
  const key = signingKeyOf(membership, roster, Bytes.toHex(body.author))
  if (key === undefined) return "author-unknown"
  if (!crypto.signature.verify(key, signedBytes(crypto, suite, spaceId, body), signature)) return "signature"
  if (body.action._tag !== "AddMember") return undefined
  const { certificate } = body.action
  return certificate.body.suite === suite && verifyCertificate(crypto, certificate) ? undefined : "certificate"
}

// -- building ----------------------------------------------------------------------------------------------------------

/** Who signs an operation: a device, or the recovery key. */
export interface Signer {
  readonly id: DeviceId
  readonly sign: (message: Uint8Array) => Signature
}

export const deviceSigner = (crypto: CryptoService, identity: DeviceIdentity): Signer => ({
  id: identity.id,
  sign: (message) => sign(crypto, identity, message)
})

/** Signs with the recovery key, whose operations override all others. */
export const recoverySigner = (crypto: CryptoService, suite: Suite, key: KeyPair, publicKey: SigningKey): Signer => ({
  id: deviceIdOf(crypto, suite, publicKey),
  sign: (message) => Signature.make(crypto.signature.sign(key.secretKey, message))
})

/** An operation that continues all that this device knows, signed. Apply it before it is sent: that checks it. */
export const build = (
  crypto: CryptoService,
  { graph, roster, spaceId, suite }: Membership,
  signer: Signer,
  options: { readonly action: MemberAction; readonly nowMillis: number }
): MemberOp => {
  const body: MemberOpBody = {
    author: signer.id,
    parents: graph.heads.slice(0, 16).map(({ hash }) => hash),
    epoch: Epoch.make(roster.epoch),
    createdMillis: options.nowMillis,
    action: options.action
  }
  return { body, signature: signer.sign(signedBytes(crypto, suite, spaceId, body)) }
}

/** Adds a device, whose certificate the author has checked with whoever holds it. */
export const addMember = (crypto: CryptoService, membership: Membership, author: DeviceIdentity, options: {
  readonly certificate: MemberAddition["certificate"]
  readonly role: Role
  readonly nowMillis: number
}): MemberOp => {
  const action: MemberAddition = { _tag: "AddMember", certificate: options.certificate, role: options.role }
  return build(crypto, membership, deviceSigner(crypto, author), { action, nowMillis: options.nowMillis })
}

type MemberAddition = Extract<MemberAction, { readonly _tag: "AddMember" }>
