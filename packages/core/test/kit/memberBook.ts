/** A space with seven more devices, and short hands for what may be said about its members. */
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch, SigningKey } from "@sotto/schema/Id"
import { type MemberAction, type MemberOp, ROLE, type Role } from "@sotto/schema/Space"
import * as Result from "effect/Result"
import * as Device from "../../src/Device.ts"
import { wrapCount } from "../../src/space/Authority.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Roster from "../../src/space/Roster.ts"
import { type CryptoService, expectFailure, expectSuccess, makeSpace, NOW } from "./seededSpace.ts"

/** Signatures are checked again and again in these tests: each is worked out once. */
const remembering = (crypto: CryptoService): CryptoService => {
  const known = new Map<string, boolean>()
  const verify: CryptoService["signature"]["verify"] = (publicKey, message, signature) => {
    const key = Bytes.toHex(crypto.sha256(Bytes.concat(publicKey, signature, message)))
    const result = known.get(key) ?? crypto.signature.verify(publicKey, message, signature)
    known.set(key, result)
    return result
  }
  return { ...crypto, signature: { ...crypto.signature, verify } }
}

export const space = makeSpace("membership")
export const crypto = remembering(space.crypto)
export const start = space.state.membership
export const owner = space.identity
const device = (place: number) => Device.generate({ crypto, label: `device ${place}`, nowMillis: NOW + place })
export const phone = device(0)
export const laptop = device(1)
export const tablet = device(2)
export const watch = device(3)
export const car = device(4)
export const devices = [phone, laptop, tablet, watch, car, device(5), device(6)]

const recoveryPair = space.recovery.signing(space.state.genesis.body.random)
export const recovery = Membership.recoverySigner(crypto, 1, recoveryPair, SigningKey.make(recoveryPair.publicKey))

export type State = Membership.Membership

export const act = (
  state: State,
  author: Device.DeviceIdentity | Membership.Signer,
  action: MemberAction,
  nowMillis = NOW
): MemberOp =>
  Membership.build(crypto, state, "certificate" in author ? Membership.deviceSigner(crypto, author) : author, {
    action,
    nowMillis
  })

export const add = (device: Device.DeviceIdentity, role: Role = ROLE.write): MemberAction => ({
  _tag: "AddMember",
  certificate: device.certificate,
  role
})

export const setRole = (device: Device.DeviceIdentity, role: Role): MemberAction => ({
  _tag: "SetRole",
  device: device.id,
  role
})
export const relabel = (device: Device.DeviceIdentity, label: string): MemberAction => ({
  _tag: "Relabel",
  device: device.id,
  label
})

/** The shape of a Rekey; what its wraps hold is the business of Rekey.test.ts. */
export const rekey = (
  state: State,
  removed: ReadonlyArray<Device.DeviceIdentity>,
  more: Partial<Extract<MemberAction, { _tag: "Rekey" }>> = {}
): MemberAction => {
  const gone = new Set(removed.map(({ id }) => Bytes.toHex(id)))
  const remaining = Membership.members(state).filter(({ id }) => !gone.has(Bytes.toHex(id))).length
  return {
    _tag: "Rekey",
    removed: removed.map(({ id }) => id),
    cutoffs: [],
    epoch: Epoch.make(state.roster.epoch + 1),
    commit: new Uint8Array(32),
    wrapping: new Uint8Array(1216),
    wraps: Array.from({ length: wrapCount(remaining) }, () => ({
      tag: new Uint8Array(16),
      ciphertext: new Uint8Array(1120),
      sealed: new Uint8Array(48)
    })),
    ...more
  }
}

export const apply = (state: State, ...ops: ReadonlyArray<MemberOp>): State =>
  expectSuccess(Membership.applyAll(crypto, state, ops))
export const refusal = (state: State, op: MemberOp) => expectFailure(Membership.apply(crypto, state, op)).reason

export const run = (
  state: State,
  author: Device.DeviceIdentity | Membership.Signer,
  action: MemberAction | ((state: State) => MemberAction)
): State => apply(state, act(state, author, typeof action === "function" ? action(state) : action))

export const roleOf = (state: State, device: Device.DeviceIdentity) => {
  const member = Membership.memberOf(state, device.id)
  return member === undefined ? "none" : member.removed === null ? member.role : "removed"
}

/** All that a state says, without the order in which it came together. */
export const view = (state: State) => ({
  members: [...state.roster.memberByHex].sort(([a], [b]) => a < b ? -1 : 1).map(([hex, member]) => ({
    hex,
    role: member.role,
    label: member.label,
    wrapping: Bytes.toHex(member.wrapping),
    certificate: Bytes.toHex(member.certificate.signature),
    removed: member.removed === null
      ? null
      : [...member.removed].map(([lane, { hash, seq }]) => `${lane} ${seq} ${Bytes.toHex(hash)}`).sort()
  })),
  epoch: state.roster.epoch,
  openings: [...state.roster.openingsByEpoch].sort(([a], [b]) => a - b).map(([epoch, openings]) => [
    epoch,
    ...openings.map(({ record }) => record.hex)
  ]),
  voided: [...state.roster.voided].sort(),
  heads: state.graph.heads.map(({ hex }) => hex),
  logHead: Bytes.toHex(Membership.logHead(crypto, state)),
  mayWrite: devices.map(({ id }) => [1, 2, 3].map((epoch) => Roster.mayWrite(state.roster, Bytes.toHex(id), epoch)))
})

/** Applies operations in the given order, going round again for those whose parents come later. */
export const applyInAnyOrder = (ops: ReadonlyArray<MemberOp>): State => {
  let state = start
  let waiting = ops
  while (waiting.length > 0) {
    const later: Array<MemberOp> = []
    for (const op of waiting) {
      const next = Membership.apply(crypto, state, op)
      if (Result.isSuccess(next)) state = next.success
      else if (next.failure.waiting) later.push(op)
      else throw next.failure
    }
    if (later.length === waiting.length) throw new Error("operations without their parents")
    waiting = later
  }
  return state
}
