/**
 * Which envelopes count (protocol.md §4): opens them, links them to their authors' chains, applies the membership
 * operations in them, and works out the rows that this leaves behind. As long as operations bring new members or keys,
 * everything that waits is looked at again.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Hlc from "@sotto/schema/Hlc"
import type { EnvelopeId, Position } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { QuarantineFull } from "../ClientError.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ClientEvent } from "../Status.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Chain from "./Chain.ts"
import * as ChainLink from "./ChainLink.ts"
import { Ordinal } from "./Cursor.ts"
import * as Directory from "./Directory.ts"
import type { Aside, Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as MemberLog from "./MemberLog.ts"
import { isWaiting } from "./Quarantine.ts"
import * as Sealing from "./Sealing.ts"

/** An envelope to be judged, and where it came from. */
export interface Candidate {
  readonly id: EnvelopeId
  readonly envelope: Uint8Array
  readonly relay: Ledger.RelayNumber
  readonly position: Position
}

export interface Judged {
  readonly books: Books
  readonly writes: ReadonlyArray<Write>
  readonly accepted: ReadonlyArray<Sealing.OpenedEnvelope>
  readonly events: ReadonlyArray<ClientEvent>
}

export interface Matter {
  readonly candidates: ReadonlyArray<Candidate>
  /** Chains begin, and go on, above gaps. */
  readonly truncated: boolean
  /** Whether to look at everything that waits, also where nothing new came. */
  readonly everything: boolean
}

/** Judges what came, and whatever waits for it. */
export const judge = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  { candidates, everything, truncated }: Matter
): Effect.fn.Return<Judged, StoreFailed | KeystoreFailed | QuarantineFull> {
  const nowMillis = yield* Clock.currentTimeMillis
  const hearing = new Hearing(journal, books, nowMillis)
  const forgotten = yield* stored(journal, books, ({ held, reason }) => !held && reason !== "epoch-unknown")
  let fresh: ReadonlyArray<Candidate> = [...forgotten, ...candidates]
  let again = everything
  while (true) {
    const context = { crypto: journal.crypto, state: hearing.known.state, nowMillis, truncated }
    const from = hearing.accepted.length
    const page = fresh.flatMap((candidate) => hearing.open(candidate))
    if (page.length > 0) hearing.take(yield* Chain.feed(context, hearing.chains, page))
    if (again) hearing.take(yield* Chain.feed(context, hearing.chains, []))
    if (!hearing.learn(from)) break
    again = true
    const sealed = yield* stored(journal, books, ({ held, reason }) => !held && reason === "epoch-unknown")
    fresh = [...sealed, ...hearing.unopened()]
  }
  return yield* record(journal, books, hearing)
})

/** Waiting envelopes out of the store. */
const stored = Effect.fnUntraced(function*(
  { store }: Journal,
  { waitingByHex }: Books,
  wanted: (aside: Aside) => boolean
): Effect.fn.Return<ReadonlyArray<Candidate>, StoreFailed> {
  const found: Array<Candidate> = []
  for (const aside of waitingByHex.values()) {
    if (!wanted(aside)) continue
    const row = yield* Ledger.waiting.get(store, aside.id)
    if (row !== undefined) found.push({ ...row, id: aside.id })
  }
  return found
})

/** One judgement under way. Owned by `judge`. */
class Hearing {
  readonly journal: Journal
  readonly nowMillis: number
  readonly candidateByHex = new Map<string, Candidate>()
  readonly asideByHex = new Map<string, Aside>()
  /** Copies of entries that are there under another name. */
  readonly copies = new Set<string>()
  readonly accepted: Array<Sealing.OpenedEnvelope> = []
  readonly changed = new Set<string>()
  chains: Chain.Chains
  known: MemberLog.Known

  constructor(journal: Journal, books: Books, nowMillis: number) {
    this.journal = journal
    this.nowMillis = nowMillis
    this.chains = books.chains
    this.known = books
  }

  /** The entry of an envelope; what does not open is set aside. */
  open(candidate: Candidate): ReadonlyArray<Sealing.OpenedEnvelope> {
    const hex = Bytes.toHex(candidate.id)
    this.candidateByHex.set(hex, candidate)
    const opened = Sealing.open(this.journal.crypto, this.known.state, candidate.envelope)
    if (Result.isSuccess(opened)) return [opened.success]
    this.asideByHex.set(hex, { id: candidate.id, reason: opened.failure.reason, held: false })
    return []
  }

  /** Candidates whose key was not there. */
  unopened(): ReadonlyArray<Candidate> {
    return [...this.candidateByHex].flatMap(([hex, candidate]) =>
      this.asideByHex.get(hex)?.reason === "epoch-unknown" ? [candidate] : []
    )
  }

  take({ accepted, chains, changed, duplicates, pending, quarantined }: Chain.Outcome): void {
    this.chains = chains
    for (const key of changed) this.changed.add(key)
    for (const opened of accepted) {
      this.accepted.push(opened)
      this.asideByHex.delete(Bytes.toHex(opened.id))
    }
    for (const { id } of pending) this.asideByHex.set(Bytes.toHex(id), { id, reason: null, held: true })
    for (const { error, opened: { id } } of quarantined) {
      this.asideByHex.set(Bytes.toHex(id), { id, reason: error.reason, held: error.waiting })
    }
    for (const { id } of duplicates) {
      this.asideByHex.delete(Bytes.toHex(id))
      this.copies.add(Bytes.toHex(id))
    }
  }

  /** Applies what entries accepted since `from` say about members; whether that changed anything. */
  learn(from: number): boolean {
    const { crypto, identity } = this.journal
    const { state } = this.known
    this.known = MemberLog.applyOps(crypto, identity, this.known, MemberLog.opsOf(this.accepted.slice(from)))
    return this.known.state !== state
  }
}

// -- rows --------------------------------------------------------------------------------------------------------------

const record = Effect.fnUntraced(function*(
  journal: Journal,
  before: Books,
  hearing: Hearing
): Effect.fn.Return<Judged, StoreFailed | KeystoreFailed | QuarantineFull> {
  const { accepted, chains, known, nowMillis } = hearing
  const writes: Array<Write> = [...MemberLog.deferredWrites(journal.crypto, before, known)]
  const waitingByHex = new Map(before.waitingByHex)
  const rowOf = Effect.fnUntraced(function*(hex: string, id: EnvelopeId): Effect.fn.Return<Candidate, StoreFailed> {
    const candidate = hearing.candidateByHex.get(hex) ?? (yield* Ledger.waiting.get(journal.store, id))
    return candidate === undefined ? yield* Effect.die("an envelope that is in no row") : { ...candidate, id }
  })
  const take = (hex: string, id: EnvelopeId) => {
    if (waitingByHex.delete(hex)) writes.push(Ledger.waiting.remove(id))
  }
  let { hlc, ordinal } = before.meta
  let healed = 0
  let adopted = 0
  for (const { entry, id } of accepted) {
    const hex = Bytes.toHex(id)
    const { envelope, position, relay } = yield* rowOf(hex, id)
    ordinal = Ordinal.make(ordinal + 1)
    hlc = Hlc.max(hlc, entry.hlc)
    writes.push(Ledger.entry.put(ordinal, { relay, position, envelope }))
    writes.push(Ledger.known.put(id, { _tag: "Accepted", ordinal }))
    if (typeof waitingByHex.get(hex)?.reason === "string") healed++
    if (Bytes.equals(entry.device, journal.identity.id)) adopted++
    take(hex, id)
  }
  for (const hex of hearing.copies) {
    const aside = waitingByHex.get(hex)
    if (aside === undefined) continue
    take(hex, aside.id)
    writes.push(Ledger.known.remove(aside.id))
  }
  const events: Array<ClientEvent> = [...MemberLog.eventsOf(before.state, known.state)]
  if (healed > 0) events.push({ _tag: "Healed", count: healed })
  if (adopted > 0) events.push({ _tag: "Restored", adopted, reissued: 0 })
  const refused: Array<EnvelopeId> = []
  for (const [hex, aside] of hearing.asideByHex) {
    const { id, reason } = aside
    const earlier = before.waitingByHex.get(hex)
    if (reason === null || isWaiting(reason)) {
      waitingByHex.set(hex, aside)
      if (earlier !== undefined) continue
      const { envelope, position, relay } = yield* rowOf(hex, id)
      writes.push(Ledger.waiting.put(id, { reason, relay, position, sinceMillis: nowMillis, envelope }))
      writes.push(Ledger.known.put(id, { _tag: "Waiting" }))
      if (reason !== null) events.push({ _tag: "Quarantined", id, reason, waiting: true })
    } else {
      const { envelope, position, relay } = yield* rowOf(hex, id)
      take(hex, id)
      writes.push(Ledger.refused.put(id, { reason, relay, position, sinceMillis: nowMillis, envelope }))
      writes.push(Ledger.known.put(id, { _tag: "Refused" }))
      refused.push(id)
      events.push({ _tag: "Quarantined", id, reason, waiting: false })
    }
  }
  if (waitingByHex.size > Limit.quarantineEntriesMax && waitingByHex.size > before.waitingByHex.size) {
    return yield* new QuarantineFull({ waiting: before.waitingByHex.size })
  }
  for (const key of hearing.changed) {
    const chain = chains.chainByKey.get(key)
    if (chain !== undefined) writes.push(Ledger.chain.put(chain, ChainLink.encode(chain)))
  }
  if (known.state !== before.state) writes.push(yield* Directory.stateWrite(journal, known.state))
  const meta = { ...before.meta, ordinal, hlc }
  if (accepted.length > 0) writes.push(Ledger.meta.put("", meta))
  const kept = evict([...before.refused, ...refused], writes)
  const books: Books = {
    ...before,
    state: known.state,
    deferred: known.deferred,
    meta,
    chains,
    waitingByHex,
    refused: kept
  }
  return { books, writes, accepted, events }
})

/** Of the refused envelopes, the newest are kept. */
const evict = (refused: ReadonlyArray<EnvelopeId>, writes: Array<Write>): ReadonlyArray<EnvelopeId> => {
  const over = Math.max(0, refused.length - Limit.quarantineEntriesMax)
  for (const id of refused.slice(0, over)) writes.push(Ledger.refused.remove(id), Ledger.known.remove(id))
  return over === 0 ? refused : refused.slice(over)
}
