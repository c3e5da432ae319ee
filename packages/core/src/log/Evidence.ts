/**
 * What a relay signed, held against itself (protocol.md §2): a rollback is seen from a device's own memory, a fork from
 * another member's entry, an envelope left out from the running chain over those that came.
 *
 * Evidence names the signed heads, so that whoever has the relay's keys can check it without trusting who shows it;
 * `isProven` says for which reasons that is all it takes.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Head, headBodyCodec } from "@sotto/schema/Head"
import { type EnvelopeId, Position, RelayKey, RouteId, type SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import { boundedArray, fixedBytes } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"

type CryptoService = Crypto["Service"]

/**
 * `signature`: a head that the relay's key did not sign. `route`: it speaks of another relay or route. `inconsistent`: it
 * contradicts itself. `regress`: the log went back. `fork`: two histories at one position. `chain`: what was delivered is
 * not what the head counts. `order`: positions that do not ascend.
 */
const Reason = Schema.Literals(["signature", "route", "inconsistent", "regress", "fork", "chain", "order"])

export const Evidence = Schema.Struct({
  reason: Reason,
  relay: RelayKey,
  route: RouteId,
  /** The heads that show it; the earlier seen one first. */
  heads: boundedArray(Head, 2),
  /** This device's own count, where that is what disagrees. */
  own: Schema.NullOr(Schema.Struct({ position: Position, chain: fixedBytes(32) }))
})
export type Evidence = typeof Evidence.Type

/** Bytes of evidence, to be stored or shown to others. */
export const evidenceCodec = Codec.make(Evidence, "Evidence")

/** A relay said something that an honest one never says. */
export class RelayMisbehaved extends Schema.TaggedError<RelayMisbehaved>()("RelayMisbehaved", { evidence: Evidence }) {
  override get message() {
    return `The relay contradicted itself (${this.evidence.reason}). Your data is safe on this device, and what the relay ` +
      "holds stays unreadable to it; use another relay and keep the evidence. A relay restored from a backup looks the same."
  }
}

/** Where this device's own count of a relay's log stands. The chain before the first envelope is all zero. */
export interface Running {
  readonly position: Position
  readonly chain: Uint8Array
}

export const runningStart: Running = { position: Position.make(0), chain: new Uint8Array(32) }

/** The count after these envelopes, in the order of the log. */
export const advance = (crypto: CryptoService, running: Running, ids: ReadonlyArray<EnvelopeId>): Running => {
  let { chain } = running
  for (const id of ids) chain = crypto.sha256(Proof.chainLink(chain, id))
  return { position: Position.make(running.position + ids.length), chain }
}

/** The relay and route that a head has to speak of. */
export interface Subject {
  readonly relay: RelayKey
  readonly route: RouteId
  /** The relay's signing key, out of the keys that `relay` is the hash of. */
  readonly signing: SigningKey
}

const misbehaved = (
  { relay, route }: Subject,
  reason: Evidence["reason"],
  heads: ReadonlyArray<Head>,
  own: Evidence["own"] = null
) => Result.fail(new RelayMisbehaved({ evidence: { reason, relay, route, heads, own } }))

/** Whether the relay's key signed a head. */
export const isSigned = (crypto: CryptoService, signing: SigningKey, head: Head): boolean =>
  crypto.signature.verify(signing, Proof.head(headBodyCodec.encode(head.body)), head.signature)

/** A head by itself: of this relay and route, signed, not contradicting itself. */
export const verifyHead = (
  crypto: CryptoService,
  subject: Subject,
  head: Head
): Result.Result<Head, RelayMisbehaved> => {
  const { chain, lowest, position, relay, route } = head.body
  if (!Bytes.equals(relay, subject.relay) || !Bytes.equals(route, subject.route)) {
    return misbehaved(subject, "route", [head])
  }
  if (!isSigned(crypto, subject.signing, head)) return misbehaved(subject, "signature", [head])
  const isSound = lowest >= 1 && lowest <= position + 1 && (position > 0 || Bytes.isZero(chain))
  return isSound ? Result.succeed(head) : misbehaved(subject, "inconsistent", [head])
}

/**
 * A head that came over a connection, against the last one that did, and against this device's own count. Positions
 * that this device has not reached are not checked here: check again when it has.
 */
export const check = (crypto: CryptoService, subject: Subject, options: {
  readonly previous: Head | null
  readonly next: Head
  readonly running: Running | null
}): Result.Result<Head, RelayMisbehaved> => {
  const { next, previous, running } = options
  const verified = verifyHead(crypto, subject, next)
  if (Result.isFailure(verified)) return verified
  const { chain, lowest, position } = next.body
  if (previous !== null) {
    if (isFork(previous, next)) return misbehaved(subject, "fork", [previous, next])
    if (position < previous.body.position || lowest < previous.body.lowest) {
      return misbehaved(subject, "regress", [previous, next])
    }
  }
  return running !== null && running.position === position && !Bytes.equals(running.chain, chain)
    ? misbehaved(subject, "chain", [next], running)
    : verified
}

/**
 * A head that another member saw, out of its entry, against one that this device saw. Seen by two, they have no order
 * but the relay's own clock: only a difference beyond what a clock may jump counts.
 */
export const witness = (crypto: CryptoService, subject: Subject, options: {
  readonly mine: Head
  readonly theirs: Head
}): Result.Result<Head, RelayMisbehaved> => {
  const { mine, theirs } = options
  const verified = verifyHead(crypto, subject, theirs)
  // A head that the relay did not sign says something about the member who showed it, and nothing about the relay.
  if (Result.isFailure(verified)) return Result.succeed(mine)
  if (isFork(mine, theirs)) return misbehaved(subject, "fork", [mine, theirs])
  const [earlier, later] = mine.body.millis <= theirs.body.millis ? [mine, theirs] : [theirs, mine]
  return isRegress(earlier, later) ? misbehaved(subject, "regress", [earlier, later]) : verified
}

const isFork = (a: Head, b: Head): boolean =>
  a.body.position === b.body.position && !Bytes.equals(a.body.chain, b.body.chain)

const isRegress = (earlier: Head, later: Head): boolean =>
  later.body.millis - earlier.body.millis > Limit.clockAheadMillisMax &&
  (later.body.position < earlier.body.position || later.body.lowest < earlier.body.lowest)

/** Delivered positions have to ascend from the cursor on, and not to go beyond a head that came with them. */
export const checkOrder = (subject: Subject, options: {
  readonly after: Position
  readonly positions: ReadonlyArray<Position>
  readonly head: Head | null
}): Result.Result<void, RelayMisbehaved> => {
  const { after, head, positions } = options
  const heads = head === null ? [] : [head]
  let last: number = after
  for (const position of positions) {
    if (position <= last) return misbehaved(subject, "order", heads)
    last = position
  }
  return head !== null && last > Math.max(after, head.body.position)
    ? misbehaved(subject, "order", heads)
    : Result.succeed(undefined)
}

/** Whether evidence convinces someone who was not there: its heads are signed and contradict each other by themselves. */
export const isProven = (crypto: CryptoService, signing: SigningKey, evidence: Evidence): boolean => {
  const { heads, reason, relay, route } = evidence
  const belong = heads.every(({ body }) => Bytes.equals(body.relay, relay) && Bytes.equals(body.route, route))
  if (!belong || !heads.every((head) => isSigned(crypto, signing, head))) return false
  const [first, second] = heads
  if (first === undefined) return false
  if (reason === "inconsistent") {
    const { chain, lowest, position } = first.body
    return lowest < 1 || lowest > position + 1 || (position === 0 && !Bytes.isZero(chain))
  }
  if (second === undefined) return false
  return reason === "fork" ? isFork(first, second) : reason === "regress" && isRegress(first, second)
}
