/**
 * One chain of entries per (device, lane), and the rule that a signature closes a batch (protocol.md §4): an entry
 * counts once it, or a later entry chained to it by `prev`, carries its author's valid signature.
 *
 * ```
 * page of opened envelopes ── prepare ──▶ signatures to check ── results ──▶ settle ──▶ accepted, pending, quarantined
 * ```
 *
 * 1. Chains are immutable: a page that could not be stored leaves no trace in them.
 * 2. What is accepted continues what was accepted before, entry by entry, in the order of `seq`.
 * 3. Every entry that comes in comes out under exactly one heading. What waits is kept (up to a bound) and accepted by a
 *    later page; whoever stores waiting envelopes may feed them again at any time, also after a restart.
 * 4. Checks: author, role, cut-off, signature, place in the chain, clock, in this order.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId, EntryHash, Lane } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import type { Crypto, Signed } from "../Crypto.ts"
import * as Membership from "../space/Membership.ts"
import { mayWrite } from "../space/Roster.ts"
import type { SpaceState } from "../space/SpaceState.ts"
import * as ChainLink from "./ChainLink.ts"
import type { Quarantined, Reason } from "./Quarantine.ts"
import { type OpenedEnvelope, signedBytes } from "./Sealing.ts"

type CryptoService = Crypto["Service"]

/** All chains of a space, by (device, lane). */
export interface Chains {
  readonly chainByKey: ReadonlyMap<string, ChainLink.Chain>
  /** Entries that wait, in all chains together. */
  readonly heldCount: number
}

export const empty: Chains = { chainByKey: new Map(), heldCount: 0 }

/** The key under which a chain is kept. */
export const keyOf = (device: DeviceId, lane: Lane): string => Bytes.toHex(device) + Bytes.toHex(lane)

/** The last entry that counts; undefined when none does. */
export const headOf = (chains: Chains, device: DeviceId, lane: Lane): ChainLink.Head | undefined =>
  chains.chainByKey.get(keyOf(device, lane))?.head

/** An entry that was set aside. `error.waiting` says whether it may still be accepted. */
export interface SetAside {
  readonly opened: OpenedEnvelope
  readonly error: Quarantined
}

/** What became of a page. */
export interface Outcome {
  readonly chains: Chains
  /** Entries that count from now on, those of a chain in its order. Some may have been held since an earlier page. */
  readonly accepted: ReadonlyArray<OpenedEnvelope>
  /** Entries of this page that continue their chain, and wait for a signature; and held ones that do now. */
  readonly pending: ReadonlyArray<OpenedEnvelope>
  /** Entries of this page that wait for something else or were refused, and held ones that do or were now. */
  readonly quarantined: ReadonlyArray<SetAside>
  /** Entries that were there already, perhaps in another envelope. */
  readonly duplicates: ReadonlyArray<OpenedEnvelope>
  /** Keys of the chains whose head moved: what a store has to write. */
  readonly changed: ReadonlyArray<string>
}

/** What a page is judged by. */
export interface Context {
  readonly crypto: CryptoService
  readonly state: SpaceState
  readonly nowMillis: number
  /** Envelopes before or between these were pruned, so the caller knows: a chain may begin, and go on, above a gap. */
  readonly truncated?: boolean
}

/** A page between the two halves. `checks` are the signatures to check, in the order that `settle` wants the answers. */
export interface Prepared {
  readonly context: Context
  readonly chains: Chains
  readonly checks: ReadonlyArray<Signed>
  readonly workByKey: ReadonlyMap<string, ReadonlyArray<Work>>
}

interface Work {
  readonly opened: OpenedEnvelope
  /** Its place in the page; −1 for one that was held. */
  readonly at: number
  readonly reason: Reason | undefined
  /** Place of its signature in `checks`; −1 when there is none to check. */
  readonly check: number
  readonly signed: boolean
}

/** First half: everything up to the signatures, for a page and for what its chains hold. */
export const prepare = (context: Context, chains: Chains, page: ReadonlyArray<OpenedEnvelope>): Prepared => {
  const checks: Array<Signed> = []
  const workByKey = new Map<string, Array<Work>>()
  const add = (key: string, opened: OpenedEnvelope, at: number, signed: boolean): void => {
    const reason = authorReason(context.state, opened)
    const { signature } = opened.entry
    const isOpen = reason === undefined && signature !== null && !signed
    const work: Work = { opened, at, reason, check: isOpen ? checks.length : -1, signed }
    const author = Membership.memberOf(context.state.membership, opened.entry.device)
    if (isOpen && author !== undefined) {
      const publicKey = author.certificate.body.signing
      checks.push({ publicKey, message: signedBytes(context.state.keys, opened.hash), signature })
    }
    const list = workByKey.get(key)
    if (list === undefined) workByKey.set(key, [work])
    else list.push(work)
  }
  const keys = page.map(({ entry, header }) => keyOf(entry.device, header.lane))
  for (const key of page.length === 0 ? chains.chainByKey.keys() : new Set(keys)) {
    for (const held of chains.chainByKey.get(key)?.held.values() ?? []) add(key, held.opened, -1, held.signed)
  }
  page.forEach((opened, at) => add(keys[at] ?? "", opened, at, false))
  return { context, chains, checks, workByKey }
}

/** Second half: `results` says for each of `checks` whether the signature holds. */
const settle = (prepared: Prepared, results: ReadonlyArray<boolean>): Outcome => {
  const { chains, context, workByKey } = prepared
  const chainByKey = new Map(chains.chainByKey)
  const released: Array<{ readonly at: number; readonly opened: OpenedEnvelope }> = []
  const out = {
    pending: new Array<OpenedEnvelope>(),
    quarantined: new Array<SetAside>(),
    duplicates: new Array<OpenedEnvelope>()
  }
  const changed: Array<string> = []
  let { heldCount } = chains
  for (const [key, works] of workByKey) {
    const [first] = works
    if (first === undefined) continue
    const before = chains.chainByKey.get(key) ?? ChainLink.begin(first.opened.entry.device, first.opened.header.lane)
    const candidates: Array<ChainLink.Candidate> = []
    for (const { at, check, opened, reason, signed } of works) {
      const isForged = check >= 0 && results[check] !== true
      candidates.push({
        opened,
        at,
        signed: signed || (check >= 0 && !isForged),
        reason: reason ?? (isForged ? "signature" : undefined)
      })
    }
    const room = Limit.quarantineEntriesMax - (heldCount - before.held.size)
    const link = ChainLink.advance(before, candidates, {
      truncated: context.truncated === true,
      latestMillis: context.nowMillis + Limit.clockAheadMillisMax,
      heldMax: room
    })
    heldCount += link.chain.held.size - before.held.size
    chainByKey.set(key, link.chain)
    if (link.chain.head !== before.head) changed.push(key)
    released.push(...link.accepted)
    out.pending.push(...link.pending)
    out.quarantined.push(...link.quarantined)
    out.duplicates.push(...link.duplicates)
  }
  released.sort((a, b) => a.at - b.at)
  return { chains: { chainByKey, heldCount }, accepted: released.map(({ opened }) => opened), changed, ...out }
}

/** Both halves, all signatures checked in one go. An empty page looks again at everything that is held. */
export const feed = Effect.fnUntraced(function*(
  context: Context,
  chains: Chains,
  page: ReadonlyArray<OpenedEnvelope>
): Effect.fn.Return<Outcome> {
  const prepared = prepare(context, chains, page)
  const results = prepared.checks.length === 0 ? [] : yield* context.crypto.signature.verifyMany(prepared.checks)
  return settle(prepared, results)
})

/** Author, role and cut-off. */
const authorReason = ({ membership }: SpaceState, { entry, hash, header }: OpenedEnvelope): Reason | undefined => {
  const hex = Bytes.toHex(entry.device)
  const member = membership.roster.memberByHex.get(hex)
  if (member === undefined) return "author-unknown"
  if (!mayWrite(membership.roster, hex, header.epoch)) return "author-role"
  const end = Membership.cutoffOf(membership, entry.device, header.lane)
  if (end === undefined || entry.seq < end.seq) return undefined
  return entry.seq === end.seq && Bytes.equals(hash, end.hash) ? undefined : "cutoff"
}

/** Own entries as `Batch` made them: accepted without a check, so that the chain continues from them. */
export const extend = (chains: Chains, device: DeviceId, lane: Lane, hashes: ReadonlyArray<EntryHash>): Chains => {
  const key = keyOf(device, lane)
  const before = chains.chainByKey.get(key) ?? ChainLink.begin(device, lane)
  return { ...chains, chainByKey: new Map(chains.chainByKey).set(key, ChainLink.append(before, hashes)) }
}

/**
 * Puts opened envelopes that waited before a restart back into their chains, without judging them: the next `feed`, of a
 * page or of nothing, looks at them again. Those above `Limit.quarantineEntriesMax` are left out.
 */
export const hold = (chains: Chains, waiting: ReadonlyArray<OpenedEnvelope>): Chains => {
  const chainByKey = new Map(chains.chainByKey)
  let { heldCount } = chains
  for (const opened of waiting) {
    if (heldCount >= Limit.quarantineEntriesMax) break
    const key = keyOf(opened.entry.device, opened.header.lane)
    const before = chainByKey.get(key) ?? ChainLink.begin(opened.entry.device, opened.header.lane)
    const hex = Bytes.toHex(opened.hash)
    if (before.held.has(hex)) continue
    chainByKey.set(key, {
      ...before,
      held: new Map(before.held).set(hex, { opened, signed: false, reason: undefined })
    })
    heldCount++
  }
  return { chainByKey, heldCount }
}

/** A chain whose accepted entries go on after its author's cut-off: the removal became known too late. */
export interface Overrun {
  readonly device: DeviceId
  readonly lane: Lane
  /** The last sequence number that counts. */
  readonly lastSeq: number
}

/** The chains that `membership` cuts off below their heads. What they hold after that has to be taken back. */
export const overruns = (chains: Chains, membership: Membership.Membership): ReadonlyArray<Overrun> => {
  const found: Array<Overrun> = []
  for (const { device, head, lane } of chains.chainByKey.values()) {
    const end = Membership.cutoffOf(membership, device, lane)
    if (head !== undefined && end !== undefined && head.seq > end.seq) found.push({ device, lane, lastSeq: end.seq })
  }
  return found
}

/** Chains from what a store kept of each (`ChainLink.encode`). */
export const fromStored = (stored: ReadonlyArray<ChainLink.Chain>): Chains => ({
  chainByKey: new Map(stored.map((chain) => [keyOf(chain.device, chain.lane), chain])),
  heldCount: stored.reduce((count, { held }) => count + held.size, 0)
})
