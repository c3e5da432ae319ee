/**
 * What this device sends to one relay (protocol.md §7): first what the relay is offered because it is new or was reset,
 * then the outbox, in the order of the ordinals and so in the order of each of this device's chains.
 *
 * 1. One push is on its way at a time. Order is kept also when one is refused and sent again, and what is written
 *    meanwhile goes together in the next.
 * 2. An entry leaves the outbox in the commit that notes its position. What was sent and not acknowledged is sent again:
 *    the relay knows it by its id.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Envelope from "@sotto/schema/Envelope"
import type { Head } from "@sotto/schema/Head"
import { type Epoch, Position, type RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { GrantedLimits } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { UnknownRelay } from "../ClientError.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Arrival from "./Arrival.ts"
import { Ordinal } from "./Cursor.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Gossip from "./Gossip.ts"
import type { Book, Books, Change, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"
import * as Places from "./Places.ts"
import { envelopeId } from "./Sealing.ts"

/** An entry to be sent. */
export interface Item {
  readonly ordinal: Ordinal
  readonly envelope: Uint8Array
  /** The relay that brought it; 0 for one written here. */
  readonly from: Ledger.RelayNumber
}

/** Entries that fit one push. `offer`: they are offered, up to `through`; otherwise they are of the outbox. */
export interface Load {
  readonly number: Ledger.RelayNumber
  readonly items: ReadonlyArray<Item>
  readonly offer: Ordinal | null
  /** An entry that does not fit what the relay grants; it is left out. */
  readonly tooLarge: ReadonlyArray<Item>
}

/** Bytes of a push frame beside its envelopes, and of each envelope's own length. */
const FRAME_BYTES = 32
const ENVELOPE_FRAME_BYTES = 5
/** Rows that are looked at together: they hold envelopes, of which a push may hold one. */
const SCAN_ROWS = 16

/** How many entries a relay still has to be sent. */
export const pendingOf = (journal: Journal, { mark, number }: Book): number =>
  journal.unsent(number).size + Math.max(0, mark.offerUntil - mark.offered)

/** What a relay takes on this connection. */
export interface Grant {
  readonly limits: GrantedLimits
  /** The epoch that it is in: entries of later ones wait, and what comes after them. */
  readonly epoch: Epoch
  /** Ordinals that were refused for good on this connection. */
  readonly skipped: ReadonlySet<number>
}

/** The next entries for a relay; undefined when there are none. */
export const next = (journal: Journal, book: Book, grant: Grant): Effect.Effect<Load | undefined, StoreFailed> =>
  book.mark.offered < book.mark.offerUntil ? nextOffered(journal, book, grant) : nextOfOutbox(journal, book, grant)

const nextOffered = Effect.fnUntraced(function*({ store }: Journal, { mark, number }: Book, grant: Grant) {
  const load = new Loading(number, grant)
  let after = mark.offered
  while (after < mark.offerUntil && !load.full) {
    const rows = yield* Ledger.entry.scan(store, { after, limit: SCAN_ROWS })
    const offered = rows.filter(({ key }) => key <= mark.offerUntil)
    const taken = offered.findIndex(({ key: ordinal, row }) =>
      !load.add({ ordinal, envelope: row.envelope, from: row.relay })
    )
    if (taken >= 0) after = offered[taken - 1]?.key ?? after
    else after = offered.length < SCAN_ROWS ? mark.offerUntil : offered.at(-1)?.key ?? mark.offerUntil
  }
  return after === mark.offered ? undefined : load.take(after)
})

/** The journal knows which entries are unsent, in their order: nothing is read but those that are sent. */
const nextOfOutbox = Effect.fnUntraced(function*({ store, unsent }: Journal, { number }: Book, grant: Grant) {
  const load = new Loading(number, grant)
  for (const unsentOrdinal of unsent(number)) {
    if (grant.skipped.has(unsentOrdinal)) continue
    const ordinal = Ordinal.make(unsentOrdinal)
    const entry = yield* Ledger.entry.get(store, ordinal)
    if (entry !== undefined && !load.add({ ordinal, envelope: entry.envelope, from: entry.relay })) break
  }
  return load.isEmpty ? undefined : load.take(null)
})

/** The epoch in an envelope's header. What is accepted has one. */
const epochOf = (envelope: Uint8Array): number => {
  const parsed = Envelope.parse(envelope)
  return Result.isSuccess(parsed) ? parsed.success.header.epoch : 0
}

/** One push being filled. */
class Loading {
  readonly number: Ledger.RelayNumber
  readonly grant: Grant
  readonly items: Array<Item> = []
  readonly tooLarge: Array<Item> = []
  sizeBytes = FRAME_BYTES
  full = false

  constructor(number: Ledger.RelayNumber, grant: Grant) {
    this.number = number
    this.grant = grant
  }

  get isEmpty(): boolean {
    return this.items.length === 0 && this.tooLarge.length === 0
  }

  /** Whether it was taken up, or noted as too large; otherwise the push is full. */
  add(item: Item): boolean {
    const { limits } = this.grant
    const { length } = item.envelope
    if (epochOf(item.envelope) > this.grant.epoch) {
      this.full = true
      return false
    }
    if (length > limits.envelopeBytesMax) {
      this.tooLarge.push(item)
      return true
    }
    const sizeBytes = this.sizeBytes + length + ENVELOPE_FRAME_BYTES
    const countMax = Math.min(limits.pushEnvelopesMax, Limit.pushEnvelopesMax)
    this.full = sizeBytes > Limit.messageBytesMax || this.items.length >= countMax
    if (this.full) return false
    this.items.push(item)
    this.sizeBytes = sizeBytes
    return true
  }

  take(offer: Ordinal | null): Load {
    return { number: this.number, items: this.items, offer, tooLarge: this.tooLarge }
  }
}

/** A relay's answer to a push. */
export interface Answer {
  readonly positions: ReadonlyArray<Position>
  readonly head: Head
}

/**
 * The relay's answer to a push, noted in one commit; null when nothing of the load could be sent. Answers the relay's
 * misconduct when its answer shows it.
 */
export const acknowledged = (
  journal: Journal,
  relay: RelayKey,
  load: Load,
  answer: Answer | null
): Effect.Effect<RelayMisbehaved | undefined, StoreFailed | KeystoreFailed | UnknownRelay> =>
  journal.update((books): Effect.Effect<Change<RelayMisbehaved | undefined>, StoreFailed | UnknownRelay> => {
    const book = books.bookByHex.get(Bytes.toHex(relay))
    const subject = book === undefined ? undefined : Gossip.subjectOf(books, book)
    // A relay that started over meanwhile has another number: what the answer says is void.
    if (book === undefined || subject === undefined || book.number !== load.number) {
      return Effect.fail(new UnknownRelay())
    }
    if (answer === null) return Effect.succeed(moved(journal, books, book, load, book.mark))
    const checked = Arrival.checkHead(journal.crypto, subject, book.mark, answer.head)
    return Result.isFailure(checked)
      ? Effect.succeed({ ...Misconduct.record(books, checked.failure), value: checked.failure })
      : noteAnswer(journal, books, book, load, answer)
  })

const noteAnswer = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  book: Book,
  load: Load,
  { head, positions }: Answer
): Effect.fn.Return<Change<undefined>, StoreFailed> {
  const known: Array<Places.Known> = []
  const writes: Array<Write> = []
  let stored: number = book.mark.stored
  for (const [at, { from, ordinal }] of load.items.entries()) {
    const position = positions[at]
    if (position === undefined) continue
    const place = { ordinal, position, from }
    known.push(place)
    writes.push(...(yield* Places.learn(journal, books, book, place)))
    stored = Math.max(stored, position)
  }
  const change = moved(journal, books, book, load, { ...book.mark, head, stored: Position.make(stored) })
  const committed = () => {
    change.committed()
    for (const place of known) Places.learned(journal, book, place)
  }
  return { ...change, writes: [...writes, ...change.writes], committed }
})

/**
 * The books with the relay's mark, and what it was offered, moved on. What it was offered and is too large for it goes
 * into its outbox: the relay does not have it, and may grant more another time.
 */
const moved = (
  { crypto, markUnsent }: Journal,
  books: Books,
  book: Book,
  { offer, tooLarge }: Load,
  before: Ledger.MarkRow
) => {
  const mark = { ...before, offered: offer ?? before.offered }
  const left = offer === null ? [] : tooLarge
  return {
    books: { ...books, bookByHex: new Map(books.bookByHex).set(Bytes.toHex(book.relay), { ...book, mark }) },
    writes: [
      Ledger.mark.put(book.number, mark),
      ...left.map(({ envelope, ordinal }) =>
        Ledger.outbox.put({ relay: book.number, ordinal }, envelopeId(crypto, envelope))
      )
    ],
    value: undefined,
    committed: () => {
      for (const { ordinal } of left) markUnsent(book.number, ordinal)
    }
  }
}
