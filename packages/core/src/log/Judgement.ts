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
import type { EntropyUnavailable } from "../Crypto.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ClientEvent } from "../Status.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Chain from "./Chain.ts"
import * as ChainLink from "./ChainLink.ts"
import { Ordinal } from "./Cursor.ts"
import * as Cutoff from "./Cutoff.ts"
import * as Directory from "./Directory.ts"
import type { Aside, Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as MemberLog from "./MemberLog.ts"
import { isWaiting, type Reason } from "./Quarantine.ts"
import * as Restore from "./Restore.ts"
import * as Sealing from "./Sealing.ts"

/** An envelope to be judged, and where it came from; `relay` and `position` are 0 when another device gave it. */
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
  /** Everything that could be opened, accepted or not. */
  readonly opened: ReadonlyArray<Sealing.OpenedEnvelope>
  readonly events: ReadonlyArray<ClientEvent>
  /** Done once the rows are durable. */
  readonly committed: () => void
}

export interface Matter {
  readonly candidates: ReadonlyArray<Candidate>
  /** Ordinals of entries that came with them and are known: a relay has these. */
  readonly seen: ReadonlySet<number>
  /** Chains begin, and go on, above gaps. */
  readonly truncated: boolean
  /** Whether to look at everything that waits, also where nothing new came. */
  readonly everything: boolean
}

/** Judges what came, and whatever waits for it. */
export const judge = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  { candidates, everything, seen, truncated }: Matter
): Effect.fn.Return<Judged, StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable> {
  const nowMillis = yield* Clock.currentTimeMillis
  const hearing = new Hearing(journal, books, nowMillis)
  const forgotten = yield* stored(journal, books, ({ held, reason }) => !held && reason !== "epoch-unknown")
  let fresh: ReadonlyArray<Candidate> = [...forgotten, ...candidates]
  let again = everything
  while (true) {
    const context = { crypto: journal.crypto, state: hearing.known.state, nowMillis, truncated }
    const from = hearing.accepted.length
    const page = fresh.flatMap((candidate) => hearing.open(candidate))
    const rewound = yield* Restore.rewind(journal, books, hearing.known.state, hearing.chains, { page, seen })
    hearing.chains = rewound.chains
    hearing.takenBack.push(...rewound.takenBack)
    for (const key of rewound.changed) hearing.changed.add(key)
    for (const { id } of rewound.undecided) hearing.aside(id, null, false)
    const decided = page.filter((opened) => !rewound.undecided.has(opened))
    if (decided.length > 0) hearing.take(yield* Chain.feed(context, hearing.chains, decided))
    if (again) hearing.take(yield* Chain.feed(context, hearing.chains, []))
    if (!hearing.learn(from)) break
    yield* hearing.cut()
    again = true
    const sealed = yield* stored(journal, books, ({ held, reason }) => !held && reason === "epoch-unknown")
    fresh = [...sealed, ...hearing.unopened()]
  }
  return yield* record(journal, books, hearing)
})

/**
 * Takes back what stands after the cut-offs that this device has just signed itself: what it accepted while it looked
 * where the chains of a member end, and what it left out on purpose.
 */
export const cut = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books
): Effect.fn.Return<Judged, StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable> {
  const hearing = new Hearing(journal, books, yield* Clock.currentTimeMillis)
  yield* hearing.cut()
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
  readonly books: Books
  readonly nowMillis: number
  readonly candidateByHex = new Map<string, Candidate>()
  readonly asideByHex = new Map<string, Aside>()
  /** Copies of entries that are there under another name. */
  readonly copies = new Set<string>()
  readonly accepted: Array<Sealing.OpenedEnvelope> = []
  readonly opened: Array<Sealing.OpenedEnvelope> = []
  readonly changed = new Set<string>()
  readonly takenBack: Array<Restore.TakenBack> = []
  readonly retracted: Array<Cutoff.Retraction> = []
  chains: Chain.Chains
  known: MemberLog.Known

  constructor(journal: Journal, books: Books, nowMillis: number) {
    this.journal = journal
    this.books = books
    this.nowMillis = nowMillis
    this.chains = books.chains
    this.known = books
  }

  /** The entry of an envelope; what does not open is set aside. */
  open(candidate: Candidate): ReadonlyArray<Sealing.OpenedEnvelope> {
    const hex = Bytes.toHex(candidate.id)
    this.candidateByHex.set(hex, candidate)
    const opened = Sealing.open(this.journal.crypto, this.known.state, candidate.envelope)
    if (Result.isSuccess(opened)) {
      this.opened.push(opened.success)
      return [opened.success]
    }
    this.aside(candidate.id, opened.failure.reason, false)
    return []
  }

  /** Candidates whose key was not there. */
  unopened(): ReadonlyArray<Candidate> {
    return [...this.candidateByHex].flatMap(([hex, candidate]) =>
      this.asideByHex.get(hex)?.reason === "epoch-unknown" ? [candidate] : []
    )
  }

  aside(id: EnvelopeId, reason: Reason | null, held: boolean): void {
    const hex = Bytes.toHex(id)
    const sizeBytes = this.candidateByHex.get(hex)?.envelope.length ?? this.books.waitingByHex.get(hex)?.sizeBytes ?? 0
    this.asideByHex.set(hex, { id, reason, held, sizeBytes })
  }

  take({ accepted, chains, changed, duplicates, pending, quarantined }: Chain.Outcome): void {
    this.chains = chains
    for (const key of changed) this.changed.add(key)
    for (const opened of accepted) {
      this.accepted.push(opened)
      this.asideByHex.delete(Bytes.toHex(opened.id))
    }
    for (const { id } of pending) this.aside(id, null, true)
    for (const { error, opened: { id } } of quarantined) this.aside(id, error.reason, error.waiting)
    for (const { id } of duplicates) {
      this.asideByHex.delete(Bytes.toHex(id))
      this.copies.add(Bytes.toHex(id))
    }
  }

  /** Takes back what stands after the cut-offs that the members have now. */
  cut(): Effect.Effect<void, StoreFailed> {
    const { state } = this.known
    const after = this.accepted.filter((opened) => Cutoff.isAfter(state, this.journal.identity.id, opened))
    return Effect.map(
      Cutoff.retract(this.journal, state, this.chains, after.length),
      ({ chains, changed, entries }) => {
        this.chains = chains
        for (const key of changed) this.changed.add(key)
        this.retracted.push(...entries)
        for (const opened of after) {
          this.accepted.splice(this.accepted.indexOf(opened), 1)
          this.aside(opened.id, "cutoff", false)
        }
      }
    )
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

/** The rows of a judgement on their way. Owned by `record`. */
class Record {
  readonly journal: Journal
  readonly before: Books
  readonly hearing: Hearing
  readonly writes: Array<Write> = []
  readonly events: Array<ClientEvent> = []
  readonly refused: Array<EnvelopeId> = []
  readonly unsent: Array<Ordinal> = []
  readonly waitingByHex: Map<string, Aside>
  chains: Chain.Chains
  hlc: Hlc.Hlc
  ordinal: Ordinal

  constructor(journal: Journal, before: Books, hearing: Hearing) {
    this.journal = journal
    this.before = before
    this.hearing = hearing
    this.waitingByHex = new Map(before.waitingByHex)
    this.chains = hearing.chains
    this.hlc = before.meta.hlc
    this.ordinal = before.meta.ordinal
  }

  /** An envelope of this judgement: it came just now, or was waiting. */
  rowOf(id: EnvelopeId): Effect.Effect<Candidate, StoreFailed> {
    const candidate = this.hearing.candidateByHex.get(Bytes.toHex(id))
    if (candidate !== undefined) return Effect.succeed(candidate)
    return Effect.flatMap(
      Ledger.waiting.get(this.journal.store, id),
      (row) => row === undefined ? Effect.die("an envelope that is in no row") : Effect.succeed({ ...row, id })
    )
  }

  takeOut(id: EnvelopeId): void {
    if (this.waitingByHex.delete(Bytes.toHex(id))) this.writes.push(Ledger.waiting.remove(id))
  }

  accept({ entry, id }: Sealing.OpenedEnvelope, { envelope, position, relay }: Candidate): void {
    this.ordinal = Ordinal.make(this.ordinal + 1)
    this.hlc = Hlc.max(this.hlc, entry.hlc)
    this.writes.push(Ledger.entry.put(this.ordinal, { relay, position, envelope }))
    this.writes.push(Ledger.known.put(id, { _tag: "Accepted", ordinal: this.ordinal }))
    this.takeOut(id)
    if (relay === 0) this.passOn(id)
  }

  /** What no relay brought is sent to all of them. */
  passOn(id: EnvelopeId): void {
    for (const { number } of this.before.bookByHex.values()) {
      this.writes.push(Ledger.outbox.put({ relay: number, ordinal: this.ordinal }, id))
    }
    this.unsent.push(this.ordinal)
  }

  /**
   * What is not accepted and was not waiting already; what was keeps its row, and is known by what it waits for now. One
   * that was told of stays among those until it is accepted, also where nothing but a signature is missing.
   */
  newlyAside(): ReadonlyArray<Aside> {
    return [...this.hearing.asideByHex].flatMap(([hex, aside]) => {
      const before = this.before.waitingByHex.get(hex)
      if (before === undefined || (aside.reason !== null && !isWaiting(aside.reason))) return [aside]
      if (before.reason === null && aside.reason !== null) return [aside]
      this.waitingByHex.set(hex, { ...aside, reason: aside.reason ?? before.reason })
      return []
    })
  }

  /** What is not accepted is kept, with its reason, and told of the first time. */
  setAside(aside: Aside, { envelope, position, relay }: Candidate): void {
    const { id, reason } = aside
    const sizeBytes = envelope.length
    const row = { reason, relay, position, sinceMillis: this.hearing.nowMillis, sizeBytes, envelope }
    if (reason === null || isWaiting(reason)) {
      this.waitingByHex.set(Bytes.toHex(id), aside)
      this.writes.push(Ledger.waiting.put(id, row), Ledger.known.put(id, { _tag: "Waiting" }))
    } else {
      this.takeOut(id)
      this.refused.push(id)
      const kept = sizeBytes > REFUSED_BYTES_MAX ? { ...row, envelope: Bytes.EMPTY } : row
      this.writes.push(Ledger.refused.put(id, kept), Ledger.known.put(id, { _tag: "Refused" }))
    }
    if (reason !== null) this.events.push({ _tag: "Quarantined", id, reason, waiting: isWaiting(reason) })
  }

  /** Takes an entry out of the log. */
  retract({ id, ordinal, row }: Cutoff.Retraction): void {
    const { envelope, position, relay } = row
    this.writes.push(Ledger.entry.remove(ordinal), Ledger.place.remove(ordinal), Ledger.withdrawn.put(ordinal, row))
    this.setAside({ id, reason: "cutoff", held: false, sizeBytes: envelope.length }, { id, envelope, position, relay })
  }

  /** Copies of what is there: nothing of them is kept. */
  dropCopies(): void {
    for (const hex of this.hearing.copies) {
      const aside = this.waitingByHex.get(hex)
      if (aside === undefined) continue
      this.takeOut(aside.id)
      this.writes.push(Ledger.known.remove(aside.id))
    }
  }

  writeChains(): void {
    for (const key of this.hearing.changed) {
      const chain = this.chains.chainByKey.get(key)
      if (chain !== undefined) this.writes.push(Ledger.chain.put(chain, ChainLink.encode(chain)))
    }
  }

  /** Of the refused envelopes, the newest are kept. */
  evict(): ReadonlyArray<EnvelopeId> {
    const all = [...this.before.refused, ...this.refused]
    const over = Math.max(0, all.length - Limit.quarantineEntriesMax)
    for (const id of all.slice(0, over)) this.writes.push(Ledger.refused.remove(id), Ledger.known.remove(id))
    return over === 0 ? all : all.slice(over)
  }
}

/** An envelope above this is not kept once it is refused. */
const REFUSED_BYTES_MAX = 16 * 1024

const isCrowded = (waitingByHex: ReadonlyMap<string, Aside>): boolean => {
  let sizeBytes = 0
  for (const aside of waitingByHex.values()) sizeBytes += aside.sizeBytes
  return waitingByHex.size > Limit.quarantineEntriesMax || sizeBytes > Limit.quarantineBytesMax
}

const record = Effect.fnUntraced(function*(
  journal: Journal,
  before: Books,
  hearing: Hearing
): Effect.fn.Return<Judged, StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable> {
  const { accepted, known, takenBack } = hearing
  const record = new Record(journal, before, hearing)
  record.writes.push(...MemberLog.deferredWrites(journal.crypto, before, known))
  record.events.push(...MemberLog.eventsOf(before.state, known.state))
  const isHealed = ({ id }: Sealing.OpenedEnvelope) =>
    typeof before.waitingByHex.get(Bytes.toHex(id))?.reason === "string"
  for (const opened of accepted) record.accept(opened, yield* record.rowOf(opened.id))
  record.dropCopies()
  for (const retraction of hearing.retracted) record.retract(retraction)
  for (const aside of record.newlyAside()) record.setAside(aside, yield* record.rowOf(aside.id))
  const { waitingByHex } = record
  if (isCrowded(waitingByHex) && waitingByHex.size > before.waitingByHex.size) {
    return yield* new QuarantineFull({ waiting: before.waitingByHex.size })
  }
  const healed = accepted.filter(isHealed).length
  if (healed > 0) record.events.push({ _tag: "Healed", count: healed })
  const adopted = accepted.filter(({ entry }) => Bytes.equals(entry.device, journal.identity.id)).length
  if (adopted > 0) record.events.push({ _tag: "Restored", adopted, reissued: takenBack.length })
  if (hearing.retracted.length > 0) {
    record.events.push({ _tag: "Retracted", ids: hearing.retracted.map(({ id }) => id) })
  }
  const reissued = yield* Restore.reissue(journal, before, known.state, record, takenBack)
  record.chains = reissued.chains
  record.writeChains()
  record.writes.push(...reissued.writes)
  if (known.state !== before.state) record.writes.push(yield* Directory.stateWrite(journal, known.state))
  const meta = { ...before.meta, ordinal: reissued.ordinal, hlc: reissued.hlc }
  if (accepted.length > 0 || takenBack.length > 0) record.writes.push(Ledger.meta.put("", meta))
  const { deferred, state } = known
  const refused = record.evict()
  const books: Books = { ...before, state, deferred, meta, chains: reissued.chains, waitingByHex, refused }
  const { events, writes } = record
  const withdrawn = [...hearing.retracted, ...takenBack].map(({ ordinal }) => ordinal)
  const committed = () => {
    for (const { number } of before.bookByHex.values()) for (const one of record.unsent) journal.markUnsent(number, one)
    reissued.committed()
    journal.withdrawals.tell(withdrawn)
  }
  return { books, writes, accepted, opened: hearing.opened, events, committed }
})
