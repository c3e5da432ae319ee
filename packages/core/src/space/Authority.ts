/**
 * The rules of membership (protocol.md §9): what an operation may do, as the roster stands that its author knew.
 *
 * 1. Owners and administrators change members; ranks are compared, so that nobody rises above, or pulls down, a higher.
 * 2. A device speaks for itself: its label and its certificate are its own business, at the role that it has.
 * 3. A removed device does not come back, and does nothing more.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import { type MemberAction, ROLE, type Role } from "@sotto/schema/Space"
import * as Schema from "effect/Schema"
import type { OpRecord } from "./OpGraph.ts"
import type { Authorise, Founding, Member, Roster } from "./Roster.ts"

/** Why an operation is refused. Only `parents-unknown` heals. */
export const Reason = Schema.Literals([
  "parents-unknown",
  "author-unknown",
  "signature",
  "certificate",
  "epoch",
  "not-authorised",
  "removed",
  "target-unknown",
  "rekey",
  "full"
])
export type Reason = typeof Reason.Type

type Operation = Pick<OpRecord, "op" | "author" | "subject">
type Action<Tag extends MemberAction["_tag"]> = Extract<MemberAction, { readonly _tag: Tag }>

/** Whether the author's role allows it. */
export const isAuthorised: Authorise = (roster, operation) => rankReason(roster, operation) === undefined

/** What stands against an operation whose signature holds; undefined when nothing does. The recovery key has no rank. */
export const reasonAgainst = (
  roster: Roster,
  { recoveryHex }: Founding,
  operation: Operation
): Reason | undefined => {
  if (operation.op.body.epoch !== roster.epoch) return "epoch"
  return targetReason(roster, operation) ??
    (operation.author === recoveryHex ? undefined : rankReason(roster, operation))
}

const subjectOf = ({ memberByHex }: Roster, { subject }: Operation): Member | undefined =>
  subject === undefined ? undefined : memberByHex.get(subject)

const targetReason = (roster: Roster, operation: Operation): Reason | undefined => {
  const { action } = operation.op.body
  if (action._tag === "Rekey") return rekeyReason(roster, action)
  const subject = subjectOf(roster, operation)
  if (subject !== undefined) return subject.removed === null ? undefined : "removed"
  if (action._tag !== "AddMember") return "target-unknown"
  return activeCount(roster, NOBODY) < Limit.membersMax ? undefined : "full"
}

const NOBODY: ReadonlySet<string> = new Set()

const activeCount = ({ memberByHex }: Roster, without: ReadonlySet<string>): number => {
  let count = 0
  for (const [hex, { removed }] of memberByHex) if (removed === null && !without.has(hex)) count++
  return count
}

/** The number of wraps for so many devices: a power of two, so that it tells little. */
export const wrapCount = (devices: number): number => {
  let count = 4
  while (count < devices) count *= 2
  return count
}

const rekeyReason = (roster: Roster, action: Action<"Rekey">): Reason | undefined => {
  if (action.epoch !== roster.epoch + 1) return "epoch"
  const removed = new Set(action.removed.map(Bytes.toHex))
  for (const hex of removed) if (!roster.memberByHex.has(hex)) return "target-unknown"
  const remaining = activeCount(roster, removed)
  const isSound = removed.size === action.removed.length &&
    action.cutoffs.every(({ device }) => removed.has(Bytes.toHex(device))) &&
    remaining > 0 && action.wraps.length === wrapCount(remaining)
  return isSound ? undefined : "rekey"
}

const rankReason = (roster: Roster, operation: Operation): Reason | undefined => {
  const author = roster.memberByHex.get(operation.author)
  if (author === undefined) return "author-unknown"
  if (author.removed !== null) return "removed"
  return isWithinRank(roster, operation, author) ? undefined : "not-authorised"
}

const isWithinRank = (roster: Roster, operation: Operation, author: Member): boolean => {
  const { action } = operation.op.body
  const isSelf = operation.subject === operation.author
  switch (action._tag) {
    case "Relabel":
      return isSelf
    case "AddMember":
      // A device may renew its own certificate.
      return (isSelf && action.role === author.role) || mayGive(author, action.role, subjectOf(roster, operation))
    case "SetRole":
      return mayGive(author, action.role, subjectOf(roster, operation))
    case "Rekey":
      return author.role >= ROLE.admin && action.removed.every((device) => {
        const hex = Bytes.toHex(device)
        return hex !== operation.author && mayRemove(author, roster.memberByHex.get(hex))
      })
  }
}

const mayGive = (author: Member, role: Role, to: Member | undefined): boolean =>
  author.role >= ROLE.admin && role <= author.role && (to?.role ?? ROLE.carry) <= author.role

/** An owner removes everyone, an administrator everyone but owners. */
const mayRemove = (author: Member, member: Member | undefined): boolean =>
  author.role === ROLE.owner || (member?.role ?? ROLE.carry) < ROLE.owner
