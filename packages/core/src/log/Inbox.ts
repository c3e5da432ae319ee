/**
 * What comes from relays (protocol.md §4, §7): a page of placed envelopes becomes accepted entries, in one commit with the
 * chains that they move, the members and keys that they change, what is set aside, the cursor and the head.
 *
 * ```
 * page ── Arrival: places, running chain, head ── known already? ── Sealing.open ── Chain.feed ── membership ─┐
 *                                                                      ▲ new keys, new members: look again ◀──┘
 * ```
 *
 * 1. The cursor never runs ahead of the data: both are in one commit.
 * 2. An envelope is either an entry with an ordinal, or waiting, or refused with its reason; it is never skipped.
 * 3. An envelope that is known changes nothing but where it is known to stand.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Placed } from "@sotto/schema/Frame"
import { Position, type RelayKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type QuarantineFull, UnknownRelay } from "../ClientError.ts"
import type { EntropyUnavailable } from "../Crypto.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { ClientEvent } from "../Status.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Arrival from "./Arrival.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Gossip from "./Gossip.ts"
import type { Book, Books, Change, Journal } from "./Journal.ts"
import * as Judgement from "./Judgement.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"
import * as Places from "./Places.ts"
import { envelopeId } from "./Sealing.ts"

/** What a page came to. */
export interface Taken {
  /** Entries that were accepted, those that had waited included. */
  readonly accepted: number
  /** The relay of the page is among them when the page shows it. */
  readonly caught: ReadonlyArray<RelayMisbehaved>
}

/** Takes a page of a relay's log in. When this answers, everything of it is durable. */
export const accept = (journal: Journal, relay: RelayKey, page: Page) =>
  journal.update((books) => acceptPage(journal, books, relay, page))

/** A page of a relay's log. */
interface Page extends Arrival.Page {
  /** No other relay may still bring what is missing here: chains go on above gaps. */
  readonly last: boolean
}

const acceptPage = Effect.fnUntraced(function*(journal: Journal, books: Books, relay: RelayKey, page: Page) {
  const book = books.bookByHex.get(Bytes.toHex(relay))
  const subject = book === undefined ? undefined : Gossip.subjectOf(books, book)
  if (book === undefined || subject === undefined) return yield* new UnknownRelay()
  const arrival = Arrival.take(journal.crypto, subject, book.mark, page)
  if (Result.isFailure(arrival)) return misbehaved(books, arrival.failure)
  return yield* acceptArrival(journal, books, book, arrival.success, page.last)
})

/**
 * Takes envelopes in that a relay gave because they were missing here, wherever they stand in its log: they say nothing of
 * what lies between them.
 */
export const acceptFound = (
  journal: Journal,
  relay: RelayKey,
  found: { readonly placed: ReadonlyArray<Placed>; readonly last: boolean }
) =>
  journal.update(Effect.fnUntraced(function*(books: Books) {
    const book = books.bookByHex.get(Bytes.toHex(relay))
    if (book === undefined) return yield* new UnknownRelay()
    const arrived = found.placed.map(({ envelope, position }) => ({
      id: envelopeId(journal.crypto, envelope),
      position,
      envelope
    }))
    const ids = arrived.map(({ id }) => id)
    const change = yield* acceptArrival(journal, books, book, { ...NOTHING, arrived }, found.last)
    return { ...change, value: { ...change.value, ids } }
  }))

/** Takes envelopes in that another device gave, and has them sent to the relays. */
export const acceptGiven = (journal: Journal, envelopes: ReadonlyArray<Uint8Array>) =>
  journal.update(Effect.fnUntraced(function*(books: Books) {
    const arrived = envelopes.map((envelope) => ({
      id: envelopeId(journal.crypto, envelope),
      position: NOWHERE,
      envelope
    }))
    const ids = arrived.map(({ id }) => id)
    const change = yield* acceptArrival(journal, books, undefined, { ...NOTHING, arrived }, false)
    return { ...change, value: { ...change.value, ids } }
  }))

const NOWHERE = Position.make(0)

/**
 * Looks again at everything that waits: after a start, because time has passed, or because no relay is left that could
 * bring what is missing (`last`).
 */
export const reconsider = (journal: Journal, last: boolean) =>
  journal.update((books: Books) => acceptArrival(journal, books, undefined, NOTHING, last))

const NO_RELAY = Ledger.RelayNumber.make(0)
const NOTHING = { arrived: [], placed: [], missing: [] }

const misbehaved = (books: Books, error: RelayMisbehaved): Change<Taken> => ({
  ...Misconduct.record(books, error),
  value: { accepted: 0, caught: [error] }
})

type Arrived = Omit<Arrival.Arrival, "mark"> & { readonly mark?: Ledger.MarkRow }

const acceptArrival = Effect.fnUntraced(function*(
  journal: Journal,
  before: Books,
  book: Book | undefined,
  arrival: Arrived,
  last: boolean
): Effect.fn.Return<Change<Taken>, StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable> {
  const { candidates, seen, writes } = yield* sort(journal, before, book, arrival.arrived)
  const gapped = arrival.mark?.gapped ?? [...before.bookByHex.values()].some(({ mark }) => mark.gapped)
  const judged = yield* Judgement.judge(journal, before, {
    candidates,
    seen: new Set(seen.map(({ ordinal }) => ordinal)),
    truncated: last && gapped,
    everything: book === undefined && arrival.arrived.length === 0
  })
  const marked = book === undefined || arrival.mark === undefined
    ? { books: judged.books, writes: [] }
    : mark(judged.books, book, arrival, arrival.mark)
  const heard = yield* Gossip.hear(journal, marked.books, judged.opened, (other, position) => {
    const at = other.number === book?.number ? arrival.arrived.findIndex((one) => one.position === position) : -1
    return arrival.placed[at]?.chain
  })
  const gaps = arrival.missing.flatMap((missing): ReadonlyArray<ClientEvent> =>
    book === undefined ? [] : [{ _tag: "Gap", relay: book.relay, ...missing }]
  )
  return {
    books: heard.books,
    writes: [...writes, ...judged.writes, ...marked.writes, ...heard.writes],
    value: { accepted: judged.accepted.length, caught: heard.caught },
    events: [...gaps, ...judged.events],
    committed: () => {
      judged.committed()
      if (book !== undefined) { for (const known of seen) Places.learned(journal, book, known) }
    }
  }
})

/** What of a page is new, and the places of what is not. */
const sort = Effect.fnUntraced(function*(
  journal: Journal,
  before: Books,
  book: Book | undefined,
  arrived: ReadonlyArray<Arrival.Arrived>
) {
  // An envelope that is named twice in one page is one envelope.
  const candidateByHex = new Map<string, Judgement.Candidate>()
  const seen: Array<Places.Known> = []
  const writes: Array<Write> = []
  for (const { envelope, id, position } of arrived) {
    const known = yield* Ledger.known.get(journal.store, id)
    if (known?._tag === "Waiting" || known?._tag === "Refused") continue
    if (known === undefined) {
      candidateByHex.set(Bytes.toHex(id), { id, envelope, relay: book?.number ?? NO_RELAY, position })
    } else if (book !== undefined) {
      seen.push({ ordinal: known.ordinal, position })
      writes.push(...(yield* Places.learn(journal, before, book, { ordinal: known.ordinal, position })))
    }
  }
  return { candidates: [...candidateByHex.values()], seen, writes }
})

/** The relay's mark after a page, and what stands at its places. */
const mark = (books: Books, book: Book, { arrived, placed }: Arrived, mark: Ledger.MarkRow) => ({
  books: withMark(books, book, mark),
  writes: [
    Ledger.mark.put(book.number, mark),
    ...placed.flatMap((row, at) => {
      const position = arrived[at]?.position
      return position === undefined ? [] : [Ledger.placed.put({ relay: book.number, position }, row)]
    })
  ]
})

/** The books with a relay's mark moved on. */
export const withMark = (books: Books, book: Book, mark: Ledger.MarkRow): Books => ({
  ...books,
  bookByHex: new Map(books.bookByHex).set(Bytes.toHex(book.relay), { ...book, mark })
})
