/**
 * Membership operations as they come out of accepted control entries (protocol.md §9). An operation names those that its
 * author knew of; one that comes before them waits, also across restarts, and is applied right after them.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { MemberOp } from "@sotto/schema/Space"
import * as Result from "effect/Result"
import type { Crypto } from "../Crypto.ts"
import type { DeviceIdentity } from "../Device.ts"
import * as Membership from "../space/Membership.ts"
import * as Rekey from "../space/Rekey.ts"
import * as SpaceState from "../space/SpaceState.ts"
import type { ClientEvent } from "../Status.ts"
import type { Write } from "../Store.ts"
import * as Ledger from "./Ledger.ts"
import type { OpenedEnvelope } from "./Sealing.ts"

type CryptoService = Crypto["Service"]

/** What a device knows of the space, and the operations that wait for others. */
export interface Known {
  readonly state: SpaceState.SpaceState
  readonly deferred: ReadonlyArray<MemberOp>
}

/** The operations of these entries, in their order. */
export const opsOf = (entries: ReadonlyArray<OpenedEnvelope>): ReadonlyArray<MemberOp> =>
  entries.flatMap(({ entry }) => entry.ops.flatMap(({ action }) => action._tag === "Control" ? [action.op] : []))

/**
 * Applies operations, then again those that waited, until nothing more can be. What is refused for good has no effect: its
 * entry stays in the log, as it does everywhere else.
 */
export const applyOps = (
  crypto: CryptoService,
  identity: DeviceIdentity,
  before: Known,
  ops: ReadonlyArray<MemberOp>
): Known => {
  let { state } = before
  let left: ReadonlyArray<MemberOp> = [...before.deferred, ...ops]
  while (true) {
    const waiting: Array<MemberOp> = []
    let progressed = false
    for (const op of left) {
      const next = SpaceState.applyOp(crypto, state, op)
      if (Result.isSuccess(next)) {
        progressed ||= next.success !== state
        state = next.success
      } else if (next.failure.waiting) waiting.push(op)
    }
    left = waiting
    if (!progressed || left.length === 0) return { state: openEpochs(crypto, identity, state), deferred: left }
  }
}

/** The state with the keys of every epoch that was wrapped to this device. */
export const openEpochs = (
  crypto: CryptoService,
  identity: DeviceIdentity,
  before: SpaceState.SpaceState
): SpaceState.SpaceState => {
  let state = before
  const epochs = [...before.membership.roster.openingsByEpoch].sort(([a], [b]) => a - b)
  for (const [epoch, openings] of epochs) {
    for (const { commit, record } of openings) {
      if (SpaceState.allEpochs(state, epoch).some((keys) => Bytes.equals(keys.commit, commit))) continue
      const unwrapped = Rekey.unwrap(crypto, state, {
        op: record.op,
        device: identity.id,
        wrapping: [identity.wrapping]
      })
      if (unwrapped === undefined) continue
      state = SpaceState.withEpoch(crypto, state, unwrapped.secret, unwrapped.adminSeed) ?? state
    }
  }
  return state
}

/** The rows that make `after` of `before`, but for the state itself. */
export const deferredWrites = (crypto: CryptoService, before: Known, after: Known): ReadonlyArray<Write> => {
  const { spaceId, membership: { suite } } = after.state
  const hashOf = (op: MemberOp) => Membership.opHash(crypto, suite, spaceId, op)
  const kept = new Set(after.deferred)
  const had = new Set(before.deferred)
  return [
    ...before.deferred.filter((op) => !kept.has(op)).map((op) => Ledger.deferred.remove(hashOf(op))),
    ...after.deferred.filter((op) => !had.has(op)).map((op) => Ledger.deferred.put(hashOf(op), op))
  ]
}

/** What a change of the state means to people. */
export const eventsOf = (before: SpaceState.SpaceState, after: SpaceState.SpaceState): ReadonlyArray<ClientEvent> => {
  if (before === after) return []
  const events: Array<ClientEvent> = []
  for (const [hex, member] of after.membership.roster.memberByHex) {
    const known = before.membership.roster.memberByHex.get(hex)
    const was = known !== undefined && known.removed === null
    const is = member.removed === null
    if (is && !was) events.push({ _tag: "MemberAdded", device: member.id, label: member.label })
    if (was && !is) events.push({ _tag: "MemberRemoved", device: member.id })
  }
  for (const epoch of after.epochs.values()) {
    const known = before.epochs.get(epoch.epoch)
    if (known === undefined || !Bytes.equals(known.commit, epoch.commit)) {
      events.push({ _tag: "EpochOpened", epoch: epoch.epoch })
    }
  }
  return events
}
