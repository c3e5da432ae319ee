/**
 * Who belongs to a space, folded from its membership log (protocol.md §9). A pure function of a set of operations and
 * what each of them knew: two devices that hold the same operations have the same roster, whatever came first.
 *
 * 1. Adds and removals are unions. A removed device stays removed; a device that returns comes with a new key.
 * 2. Of statements about one thing, the later in the causal order holds. Between concurrent ones, the lower role, and
 *    for labels and keys the later clock, then the higher hash.
 * 3. What a removed device did that its remover did not know of is void, and so is what rests on it. Removals are not:
 *    two that removed each other are both out.
 * 4. What the recovery key signed voids every other operation that did not know of it and that it did not know of.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Certificate } from "@sotto/schema/Device"
import type { DeviceId, EntryHash, Lane } from "@sotto/schema/Id"
import { type MemberAction, ROLE, type Role } from "@sotto/schema/Space"
import { isBefore, isConcurrent, type OpRecord } from "./OpGraph.ts"

/** Where a removed device's entries in one lane end: the last one that its remover had seen. */
export interface LaneEnd {
  readonly seq: number
  readonly hash: EntryHash
}

/** A device that is or was a member. */
export interface Member {
  readonly id: DeviceId
  readonly certificate: Certificate
  readonly role: Role
  readonly label: string
  /** X-Wing public key to which the next epoch is wrapped. */
  readonly wrapping: Uint8Array
  /** Null while it is a member. Lanes that are not in it end before their first entry. */
  readonly removed: ReadonlyMap<string, LaneEnd> | null
}

/** An operation that opened an epoch. */
export interface Opening {
  readonly record: OpRecord
  readonly commit: Uint8Array
  readonly removedCount: number
}

export interface Roster {
  readonly memberByHex: ReadonlyMap<string, Member>
  /** Who opened each epoch above the first; more than one when it happened concurrently. The first one holds. */
  readonly openingsByEpoch: ReadonlyMap<number, ReadonlyArray<Opening>>
  readonly epoch: number
  readonly grantsByHex: ReadonlyMap<string, ReadonlyArray<Grant>>
  /** Operations without effect, by hash. */
  readonly voided: ReadonlySet<string>
}

/** A role given; `record` is null for the genesis. */
export interface Grant {
  readonly record: OpRecord | null
  readonly role: Role
  readonly epoch: number
}

/** What is known before the first operation. */
export interface Founding {
  readonly creator: Member
  readonly creatorHex: string
  /** Hex of the name under which the recovery key signs. */
  readonly recoveryHex: string
}

/** Whether an operation may be done by its author, as the roster of its past stands. */
export type Authorise = (roster: Roster, record: Pick<OpRecord, "op" | "author" | "subject">) => boolean

/** The roster of a set of operations that holds the past of each of them, in an order in which the past comes first. */
export const fold = (founding: Founding, records: ReadonlyArray<OpRecord>, authorise: Authorise): Roster => {
  const voided = directlyVoid(founding, records)
  if (voided.size > 0) {
    for (const record of records) {
      if (voided.has(record.hex) || record.op.body.action._tag === "Rekey" || record.author === founding.recoveryHex) {
        continue
      }
      const past = records.filter((before) => isBefore(before, record) && !voided.has(before.hex))
      if (!authorise(resolve(founding, past, voided), record)) voided.add(record.hex)
    }
  }
  const standing = voided.size === 0 ? records : records.filter(({ hex }) => !voided.has(hex))
  return resolve(founding, standing, voided)
}

const directlyVoid = ({ recoveryHex }: Founding, records: ReadonlyArray<OpRecord>): Set<string> => {
  const voided = new Set<string>()
  const recoveries = records.filter(({ author }) => author === recoveryHex)
  for (const record of records) {
    const isOverridden = record.author !== recoveryHex && recoveries.some((other) => isConcurrent(other, record))
    if (isOverridden) voided.add(record.hex)
  }
  for (const rekey of records) {
    const { action } = rekey.op.body
    if (action._tag !== "Rekey" || action.removed.length === 0 || voided.has(rekey.hex)) continue
    const removed = new Set(action.removed.map(Bytes.toHex))
    for (const other of records) {
      const isRemoval = other.op.body.action._tag === "Rekey"
      if (!isRemoval && removed.has(other.author) && !isBefore(other, rekey)) voided.add(other.hex)
    }
  }
  return voided
}

/** A statement about one thing of one device. */
interface Claim<A> {
  readonly record: OpRecord | null
  readonly millis: number
  readonly value: A
}

const isOverruled = (claim: { readonly record: OpRecord | null }, by: { readonly record: OpRecord | null }): boolean =>
  by.record !== null && (claim.record === null || isBefore(claim.record, by.record))

/** The claims that no other one knew of. */
const latest = <C extends { readonly record: OpRecord | null }>(claims: ReadonlyArray<C>): ReadonlyArray<C> =>
  claims.length < 2 ? claims : claims.filter((claim) => !claims.some((other) => isOverruled(claim, other)))

/** The later of two claims that did not know of each other: by their clocks, then by their hashes. */
const later = <A>(a: Claim<A>, b: Claim<A>): Claim<A> => {
  if (a.millis !== b.millis) return a.millis > b.millis ? a : b
  return (a.record?.hex ?? "") > (b.record?.hex ?? "") ? a : b
}

const choose = <A>(claims: ReadonlyArray<Claim<A>>, otherwise: A): A => {
  const [first, ...others] = latest(claims)
  return first === undefined ? otherwise : others.reduce(later, first).value
}

/** Everything said about one device. */
interface Claims {
  readonly certificates: Array<Claim<Certificate>>
  readonly labels: Array<Claim<string>>
  readonly wrappings: Array<Claim<Uint8Array>>
  readonly grants: Array<Grant>
}

const noClaims = (): Claims => ({ certificates: [], labels: [], wrappings: [], grants: [] })

const claimCertificate = (claims: Claims, record: OpRecord | null, certificate: Certificate): void => {
  const millis = certificate.body.createdMillis
  claims.certificates.push({ record, millis, value: certificate })
  claims.labels.push({ record, millis, value: certificate.body.label })
  claims.wrappings.push({ record, millis, value: certificate.body.wrapping })
}

const claimAbout = (claims: Claims, record: OpRecord, action: MemberAction): void => {
  const { createdMillis: millis, epoch } = record.op.body
  if (action._tag === "Relabel") claims.labels.push({ record, millis, value: action.label })
  if (action._tag === "AddMember") claimCertificate(claims, record, action.certificate)
  if (action._tag === "AddMember" || action._tag === "SetRole") claims.grants.push({ record, role: action.role, epoch })
}

const collect = (founding: Founding, records: ReadonlyArray<OpRecord>): ReadonlyMap<string, Claims> => {
  const claimsByHex = new Map<string, Claims>()
  const of = (hex: string): Claims => {
    const known = claimsByHex.get(hex)
    if (known !== undefined) return known
    const fresh = noClaims()
    claimsByHex.set(hex, fresh)
    return fresh
  }
  const creator = of(founding.creatorHex)
  claimCertificate(creator, null, founding.creator.certificate)
  creator.grants.push({ record: null, role: ROLE.owner, epoch: 1 })
  for (const record of records) {
    const { action, createdMillis: millis } = record.op.body
    if (action._tag === "Rekey") of(record.author).wrappings.push({ record, millis, value: action.wrapping })
    else if (record.subject !== undefined) claimAbout(of(record.subject), record, action)
  }
  return claimsByHex
}

/** Ends of the lanes of every removed device. Removers that saw different things vouch for what each of them saw. */
const collectRemovals = (records: ReadonlyArray<OpRecord>): ReadonlyMap<string, ReadonlyMap<string, LaneEnd>> => {
  const endsByHex = new Map<string, Map<string, LaneEnd>>()
  for (const { op: { body: { action } } } of records) {
    if (action._tag !== "Rekey") continue
    for (const device of action.removed) {
      const hex = Bytes.toHex(device)
      if (!endsByHex.has(hex)) endsByHex.set(hex, new Map())
    }
    for (const { device, hash, lane, seq } of action.cutoffs) {
      const ends = endsByHex.get(Bytes.toHex(device))
      if (ends === undefined) continue
      const key = laneKey(lane)
      const known = ends.get(key)
      if (
        known === undefined || seq > known.seq || (seq === known.seq && Bytes.compare(hash, known.hash) < 0)
      ) ends.set(key, { seq, hash })
    }
  }
  return endsByHex
}

/** The key under which maps keep a lane. */
export const laneKey = (lane: Lane): string => Bytes.toHex(lane)

const collectOpenings = (records: ReadonlyArray<OpRecord>, recoveryHex: string) => {
  const openingsByEpoch = new Map<number, Array<Opening>>()
  for (const record of records) {
    const { action } = record.op.body
    if (action._tag !== "Rekey") continue
    const openings = openingsByEpoch.get(action.epoch) ?? []
    openings.push({ record, commit: action.commit, removedCount: action.removed.length })
    openingsByEpoch.set(action.epoch, openings)
  }
  const byRecovery = ({ record }: Opening) => record.author === recoveryHex ? 0 : 1
  for (const openings of openingsByEpoch.values()) {
    openings.sort((a, b) =>
      byRecovery(a) - byRecovery(b) || b.removedCount - a.removedCount || (a.record.hex < b.record.hex ? -1 : 1)
    )
  }
  return openingsByEpoch
}

const resolve = (founding: Founding, records: ReadonlyArray<OpRecord>, voided: ReadonlySet<string>): Roster => {
  const removals = collectRemovals(records)
  const memberByHex = new Map<string, Member>()
  const grantsByHex = new Map<string, ReadonlyArray<Grant>>()
  for (const [hex, claims] of collect(founding, records)) {
    const first = claims.certificates[0]
    if (first === undefined) continue
    const roles = latest(claims.grants).map(({ role }) => role)
    grantsByHex.set(hex, claims.grants)
    memberByHex.set(hex, {
      id: first.record?.subjectId ?? founding.creator.id,
      certificate: choose(claims.certificates, first.value),
      role: roles.reduce((lowest, role) => role < lowest ? role : lowest, ROLE.owner),
      label: choose(claims.labels, first.value.body.label),
      wrapping: choose(claims.wrappings, first.value.body.wrapping),
      removed: removals.get(hex) ?? null
    })
  }
  const openingsByEpoch = collectOpenings(records, founding.recoveryHex)
  return {
    memberByHex,
    openingsByEpoch,
    grantsByHex,
    epoch: Math.max(1, ...openingsByEpoch.keys()),
    voided
  }
}

/**
 * Whether what a device wrote in an epoch counts, as far as its role decides it. A role given during an epoch counts for
 * all of it, one taken away ends with it: entries do not say which operations their author knew of, so every device
 * must come to the same answer whatever it heard of first.
 */
export const mayWrite = (roster: Roster, hex: string, epoch: number): boolean => {
  const grants = roster.grantsByHex.get(hex) ?? []
  const opening = roster.openingsByEpoch.get(epoch)?.[0]?.record
  const isTaken = (grant: Grant) =>
    opening !== undefined &&
    grants.some((later) =>
      later.record !== null && later.role < ROLE.write && isOverruled(grant, later) && isBefore(later.record, opening)
    )
  return grants.some((grant) => grant.role >= ROLE.write && grant.epoch <= epoch && !isTaken(grant))
}
