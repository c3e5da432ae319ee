/** What ends a conversation: a closed list of reasons, and the two messages that show it. */
import * as Schema from "effect/Schema"

/** Why. The first six say that the peer does not keep to the protocol, the others that this attempt leads nowhere. */
export const REASONS = [
  /** The bytes are no message of the protocol. */
  "malformed",
  /** A message that is no answer to what was asked, or a request that nothing led to. */
  "unexpected",
  /** Counts, sums, places or ranges that contradict what the peer said before, or what was asked. */
  "inconsistent",
  /** Ids came that were not asked for. */
  "unasked",
  /** Everything was compared, and the peer's root is still another one. */
  "root-mismatch",
  /** More messages than a reconciliation may take. */
  "too-many-messages",
  /** More differences than one reconciliation takes: begin again after these. */
  "too-many-differences",
  /** The sets changed again and again while they were compared: begin again. */
  "changing",
  /** Short ids are made with another key on the other side. */
  "other-key"
] as const
export type Reason = (typeof REASONS)[number]

/** A conversation that ended without agreement. Nothing was changed by it; what was received and checked stays. */
export class ReconcileFailed extends Schema.TaggedError<ReconcileFailed>()("ReconcileFailed", {
  reason: Schema.Literals(REASONS),
  /** What was sent last; empty on the responder's side. */
  request: Schema.Uint8Array,
  /** What came, as it came. */
  received: Schema.Uint8Array
}) {
  override get message() {
    return `Comparing with the other side ended (${this.reason}). Nothing was lost or changed. Try again; if it ends so ` +
      "again, ask another peer or relay."
  }

  /** Whether an honest peer could not have done this. */
  get isMisconduct(): boolean {
    return REASONS.indexOf(this.reason) < REASONS.indexOf("too-many-messages")
  }
}
