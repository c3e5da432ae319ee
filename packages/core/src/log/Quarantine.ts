/**
 * Why an envelope was not accepted (protocol.md §4): a closed list of reasons with stable names, for a person who looks
 * at this device. Nothing of it goes to the network, where every failure to open looks the same.
 *
 * Some reasons heal: a key, a member or the missing entries may still come, or time may pass. Those are `waiting`, and
 * every device that has seen the same comes to the same answer. The others are final.
 */
import { EntryHash } from "@sotto/schema/Id"
import * as Schema from "effect/Schema"

/** The reasons in the order in which they are checked. */
const REASONS = [
  "version",
  "suite",
  "kind",
  "flags",
  "epoch",
  "size",
  "epoch-unknown",
  "commitment",
  "tag",
  "entry",
  "lane",
  "author-unknown",
  "author-role",
  "cutoff",
  "signature",
  "fork",
  "prev",
  "gap",
  "clock"
] as const

export const Reason = Schema.Literals(REASONS)
export type Reason = typeof Reason.Type

const WAITING: ReadonlySet<Reason> = new Set<Reason>(["epoch-unknown", "author-unknown", "author-role", "gap", "clock"])

const WHAT: Record<Reason, string> = {
  size: "it is too short or too long for an envelope",
  version: "it belongs to another version of the protocol",
  suite: "it belongs to another suite than this space",
  kind: "it is of a kind that does not belong here",
  flags: "it has flags that this version does not know",
  epoch: "it names no epoch",
  "epoch-unknown": "this device does not have the key of its epoch yet",
  commitment: "it was not sealed with this space's key of its epoch",
  tag: "it was changed after it was sealed",
  entry: "what it holds is not a well-formed entry",
  lane: "its lane is not that of its operations",
  "author-unknown": "its author is not known as a member of this space",
  "author-role": "its author may not write in this space",
  cutoff: "its author was removed before it",
  signature: "its signature is not its author's",
  fork: "its author already said something else at the same place",
  prev: "it does not continue what its author said before",
  gap: "entries of its author before it are missing",
  clock: "it is dated more than ten minutes ahead of this device's clock"
}

/** Two entries of one device at one place: what a fork is proven with. `signed`: the second one is signed, too. */
const ForkEvidence = Schema.Struct({
  /** What was accepted there; null when it is further back than this device remembers. */
  accepted: Schema.NullOr(EntryHash),
  refused: EntryHash,
  signed: Schema.Boolean
})
type ForkEvidence = typeof ForkEvidence.Type

/** An envelope that was not accepted, and why. Listed for diagnosis; never sent anywhere. */
export class Quarantined extends Schema.TaggedError<Quarantined>()("Quarantined", {
  reason: Reason,
  fork: Schema.NullOr(ForkEvidence)
}) {
  /** Whether it may still be accepted, by itself, when something else arrives or time passes. */
  get waiting(): boolean {
    return WAITING.has(this.reason)
  }
  override get message() {
    const next = this.waiting
      ? "It is kept and taken up as soon as that is settled."
      : "It is kept apart and changes nothing; what you have stays as it is."
    return `An envelope was set aside: ${WHAT[this.reason]}. ${next}`
  }
}

/** Whether a reason may heal. */
export const isWaiting = (reason: Reason): boolean => WAITING.has(reason)

// Failures without evidence carry nothing of their own: one value for each reason.
const plain = new Map<Reason, Quarantined>(REASONS.map((reason) => [reason, new Quarantined({ reason, fork: null })]))

/** The failure for a reason that needs no evidence. */
export const quarantined = (reason: Reason): Quarantined => plain.get(reason) ?? new Quarantined({ reason, fork: null })
