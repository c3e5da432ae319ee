/**
 * One chain (protocol.md §4): where it stands, what waits, and how it goes on when more entries of it come in. Plain data
 * in, plain data out; Chain.ts does what needs keys, members and a clock.
 *
 * 1. The head only moves forward, to entries that are signed or stand before a signed one without a gap.
 * 2. Of two entries at one place, the one that was accepted stays; where neither was, the one whose closing entry comes
 *    first by `seq`, then by hash, is taken. The other is a fork.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { DeviceId, EntryHash, Lane, Seq } from "@sotto/schema/Id"
import { boundedArray, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isWaiting, Quarantined, quarantined, type Reason } from "./Quarantine.ts"
import type { OpenedEnvelope } from "./Sealing.ts"

/** Accepted hashes that a chain remembers, so that a copy can be told from a fork. */
const RECENT_MAX = 16

/** A place in a chain. */
export interface Head {
  readonly seq: Seq
  readonly hash: EntryHash
}

/** An entry to be linked, or that waits; `signed`: its own signature was checked and holds. */
interface Linkable {
  readonly opened: OpenedEnvelope
  readonly signed: boolean
}

/** An entry that waits. `reason`: what for; null for a signature; undefined when it was not judged since a restart. */
export interface Held extends Linkable {
  readonly reason: Reason | null | undefined
}

export interface Chain {
  readonly device: DeviceId
  readonly lane: Lane
  /** The last entry that counts. */
  readonly head: Head | undefined
  /** Hashes of the last entries that count, the head's last, without a gap between them. */
  readonly recent: ReadonlyArray<EntryHash>
  readonly held: ReadonlyMap<string, Held>
}

export const begin = (device: DeviceId, lane: Lane): Chain => ({
  device,
  lane,
  head: undefined,
  recent: [],
  held: new Map()
})

/** An entry to be linked, after the checks of its author and signature. `at` is −1 for one that was held before. */
export interface Candidate extends Linkable {
  readonly at: number
  readonly reason: Reason | undefined
}

export interface Linked {
  readonly chain: Chain
  /** In the chain's order; `at` is the place in the page by which all that it took to accept it was there. */
  readonly accepted: ReadonlyArray<{ readonly at: number; readonly opened: OpenedEnvelope }>
  readonly pending: ReadonlyArray<OpenedEnvelope>
  readonly quarantined: ReadonlyArray<{ readonly opened: OpenedEnvelope; readonly error: Quarantined }>
  readonly duplicates: ReadonlyArray<OpenedEnvelope>
}

export interface Rules {
  /** The chain may begin, and go on, above a gap. */
  readonly truncated: boolean
  /** The latest wall time that an entry may name. */
  readonly latestMillis: number
  /** How many entries may wait in this chain. */
  readonly heldMax: number
}

interface Refusal {
  readonly opened: OpenedEnvelope
  readonly error: Quarantined
}

/** The chain after these entries, which include all that it held. */
export const advance = (before: Chain, candidates: ReadonlyArray<Candidate>, rules: Rules): Linked => {
  const { copies, pool, refused } = gather(candidates)
  const { accepted, head, recent } = walk(before, pool, rules)
  const verdicts = judge({ head, recent }, pool, rules)
  const pending: Array<OpenedEnvelope> = []
  const quarantined: Array<Refusal> = [...refused]
  const duplicates: Array<OpenedEnvelope> = [...copies]
  const held = new Map<string, Held>()
  for (const [hex, { at, opened, signed }] of pool) {
    const verdict = verdicts.get(hex) ?? "pending"
    if (verdict === "duplicate") duplicates.push(opened)
    else {
      const isHeld = verdict === "pending" || verdict.waiting
      const reason = waitsFor(verdict)
      if (isHeld && held.size < rules.heldMax) held.set(hex, { opened, signed, reason })
      // What was held before and goes on waiting for the same has been told before.
      if (isHeld && at < 0 && before.held.get(hex)?.reason === reason) continue
      if (verdict === "pending") pending.push(opened)
      else quarantined.push({ opened, error: verdict })
    }
  }
  return { chain: { ...before, head, recent, held }, accepted, pending, quarantined, duplicates }
}

/** What may be linked, by hash; what is refused for good; and copies of what may be linked. */
const gather = (candidates: ReadonlyArray<Candidate>) => {
  const pool = new Map<string, Candidate>()
  const refused: Array<Refusal> = []
  const copies: Array<OpenedEnvelope> = []
  for (const candidate of candidates) {
    const { opened, reason } = candidate
    if (reason !== undefined && !isWaiting(reason)) {
      refused.push({ opened, error: quarantined(reason) })
      continue
    }
    const hex = Bytes.toHex(opened.hash)
    const twin = pool.get(hex)
    // The same entry twice, perhaps once without its signature: the signed one is worth more.
    const isBetter = twin === undefined || (candidate.signed && !twin.signed)
    if (isBetter) pool.set(hex, candidate)
    if (twin !== undefined) copies.push(isBetter ? twin.opened : opened)
  }
  return { pool, refused, copies }
}

interface Place {
  readonly head: Head | undefined
  readonly recent: ReadonlyArray<EntryHash>
}

const continues = (head: Head | undefined, { entry }: OpenedEnvelope): boolean =>
  entry.seq === (head?.seq ?? 0) + 1 &&
  (head === undefined ? Bytes.isZero(entry.prev) : Bytes.equals(entry.prev, head.hash))

/** Whether a chain may come to an entry some time: it stands right after the head and names it, or further on. */
export const mayGoOn = (head: Head | undefined, opened: OpenedEnvelope): boolean =>
  opened.entry.seq > (head?.seq ?? 0) + 1 || continues(head, opened)

/** Moves the head along every signed entry that the chain leads to; takes what is accepted out of `pool`. */
const walk = (before: Chain, pool: Map<string, Candidate>, rules: Rules) => {
  const closers = [...pool.values()].filter(({ reason, signed }) => signed && reason === undefined)
  closers.sort((a, b) => a.opened.entry.seq - b.opened.entry.seq || Bytes.compare(a.opened.hash, b.opened.hash))
  const accepted: Array<{ readonly at: number; readonly opened: OpenedEnvelope }> = []
  const dead = new Set<Candidate>()
  let at = -1
  let { head } = before
  let recent = [...before.recent]
  for (const closer of closers) {
    if (head !== undefined && closer.opened.entry.seq <= head.seq) continue
    const path = pathTo(closer, head, pool, rules, dead)
    const first = path?.[0]
    if (path === undefined || first === undefined) continue
    if (!continues(head, first.opened)) recent = []
    at = Math.max(at, closer.at)
    for (const { opened } of path) {
      accepted.push({ at, opened })
      recent.push(opened.hash)
      pool.delete(Bytes.toHex(opened.hash))
    }
    head = { seq: closer.opened.entry.seq, hash: closer.opened.hash }
  }
  return { head, recent: recent.slice(-RECENT_MAX), accepted }
}

/**
 * The entries from the one after the head up to `closer`; undefined when they do not connect. What leads nowhere is
 * remembered in `dead`: the head only moves on and the pool only shrinks, so it stays so.
 */
const pathTo = (
  closer: Candidate,
  head: Head | undefined,
  pool: ReadonlyMap<string, Candidate>,
  rules: Rules,
  dead: Set<Candidate>
): ReadonlyArray<Candidate> | undefined => {
  const path: Array<Candidate> = []
  let current: Candidate | undefined = closer
  while (current !== undefined && !dead.has(current) && current.opened.entry.hlc.millis <= rules.latestMillis) {
    path.push(current)
    const before = stepBack(current.opened, head, pool, rules)
    if (before === "connected") return path.reverse()
    current = before
  }
  for (const candidate of path) dead.add(candidate)
  return undefined
}

/** The entry before this one, if it is here; "connected" when the chain may go on with this one. */
const stepBack = (
  opened: OpenedEnvelope,
  head: Head | undefined,
  pool: ReadonlyMap<string, Candidate>,
  rules: Rules
): Candidate | "connected" | undefined => {
  if (continues(head, opened)) return "connected"
  if (opened.entry.seq <= (head?.seq ?? 0) + 1) return undefined
  const parent = pool.get(Bytes.toHex(opened.entry.prev))
  if (parent === undefined) return rules.truncated ? "connected" : undefined
  return isParent(parent, opened) ? parent : undefined
}

const isParent = ({ opened, reason }: Candidate, child: OpenedEnvelope): boolean =>
  reason === undefined && opened.entry.seq === child.entry.seq - 1

type Verdict = Quarantined | "pending" | "duplicate"

const waitsFor = (verdict: Quarantined | "pending"): Reason | null => verdict === "pending" ? null : verdict.reason

/** What becomes of what was not accepted, by hash. */
const judge = (place: Place, pool: ReadonlyMap<string, Candidate>, rules: Rules): ReadonlyMap<string, Verdict> => {
  const verdicts = new Map<string, Verdict>()
  const ascending = [...pool].sort(([, a], [, b]) => a.opened.entry.seq - b.opened.entry.seq)
  for (const [hex, candidate] of ascending) {
    const parent = Bytes.toHex(candidate.opened.entry.prev)
    const before = pool.get(parent)
    const isConnected = continues(place.head, candidate.opened) ||
      (verdicts.get(parent) === "pending" && before !== undefined && isParent(before, candidate.opened))
    verdicts.set(hex, verdictOn(place, candidate, before, isConnected, rules))
  }
  return verdicts
}

const verdictOn = (
  place: Place,
  candidate: Candidate,
  parent: Candidate | undefined,
  isConnected: boolean,
  rules: Rules
): Verdict => {
  const { opened: { entry }, reason } = candidate
  if (reason !== undefined) return quarantined(reason)
  const next = (place.head?.seq ?? 0) + 1
  if (entry.seq < next) return verdictBehind(place, candidate)
  if (isConnected) return entry.hlc.millis > rules.latestMillis ? quarantined("clock") : "pending"
  const isBroken = entry.seq === next || (parent !== undefined && parent.opened.entry.seq !== entry.seq - 1)
  return quarantined(isBroken ? "prev" : "gap")
}

/** An entry at a place that the chain has passed: what stands there, or a fork. */
const verdictBehind = ({ head, recent }: Place, { opened, signed }: Candidate): Verdict => {
  const accepted = recent[recent.length - 1 - ((head?.seq ?? 0) - opened.entry.seq)] ?? null
  return accepted !== null && Bytes.equals(accepted, opened.hash)
    ? "duplicate"
    : new Quarantined({ reason: "fork", fork: { accepted, refused: opened.hash, signed } })
}

/** The chain after own entries, which need no check; `hashes` follow its head one by one. */
export const append = (chain: Chain, hashes: ReadonlyArray<EntryHash>): Chain => {
  const hash = hashes.at(-1)
  if (hash === undefined) return chain
  const head = { seq: Seq.make((chain.head?.seq ?? 0) + hashes.length), hash }
  return { ...chain, head, recent: [...chain.recent, ...hashes].slice(-RECENT_MAX) }
}

// -- store -------------------------------------------------------------------------------------------------------------

const Stored = Schema.Struct({
  version: uint(255),
  device: DeviceId,
  lane: Lane,
  seq: uint(),
  recent: boundedArray(EntryHash, RECENT_MAX)
})
const storedCodec = Codec.make(Stored, "Chain")
const STORED_VERSION = 1

/** Where a chain stands, as bytes. What it holds is not in them: waiting envelopes are stored, and fed again. */
export const encode = ({ device, head, lane, recent }: Chain): Uint8Array =>
  storedCodec.encode({ version: STORED_VERSION, device, lane, seq: head?.seq ?? 0, recent })

/** The chain of `encode`; a damaged one is refused. */
export const decode = (bytes: Uint8Array): Result.Result<Chain, Codec.CodecError> => {
  const decoded = storedCodec.decode(bytes)
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { device, lane, recent, seq, version } = decoded.success
  const hash = recent.at(-1)
  if (version !== STORED_VERSION || (seq > 0) !== (hash !== undefined) || recent.length > seq) {
    return Result.fail(new Codec.CodecError({ reason: "out-of-range", offset: 0 }))
  }
  return Result.succeed({
    ...begin(device, lane),
    head: hash === undefined ? undefined : { seq: Seq.make(seq), hash },
    recent
  })
}
