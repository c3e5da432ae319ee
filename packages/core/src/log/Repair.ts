/**
 * What comparing with a relay led to, put into the books (protocol.md §2a, §7): what the relay lacks goes into its outbox,
 * and everything below the head that it compared at counts as read.
 *
 * 1. A relay is sent what it lacks and never had. One that deletes what all have is sent only what it was to be offered
 *    anyway: it would keep deleting it.
 * 2. What is to be sent is durable before the cursor moves: an interruption in between leaves it to be compared again.
 * 3. The cursor moves only when as many ids were compared as the head has places that are kept. A relay that hides one, or
 *    says that nothing differs when it does not know, is read place by place, which shows it.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Head } from "@sotto/schema/Head"
import { EnvelopeId, type RelayKey } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { UnknownRelay } from "../ClientError.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Arrival from "./Arrival.ts"
import type { Compared } from "./Conversation.ts"
import type { Ordinal } from "./Cursor.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Gossip from "./Gossip.ts"
import * as Inbox from "./Inbox.ts"
import type { Book, Books, Change, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"

/** Ids whose rows are written in one commit. */
const PAGE_IDS = 512

type NoteFailed = StoreFailed | KeystoreFailed | UnknownRelay

/** Holds a head that came while comparing against the last one, and keeps it; answers what it shows of the relay. */
export const hear = (
  journal: Journal,
  relay: RelayKey,
  head: Head
): Effect.Effect<RelayMisbehaved | undefined, NoteFailed> =>
  journal.update((books) =>
    Effect.map(bookIn(books, relay), (book): Change<RelayMisbehaved | undefined> => {
      const subject = Gossip.subjectOf(books, book)
      if (subject === undefined) return { books, writes: [], value: undefined }
      const checked = Arrival.checkHead(journal.crypto, subject, book.mark, head)
      if (Result.isFailure(checked)) return { ...Misconduct.record(books, checked.failure), value: checked.failure }
      return { ...marked(books, book, { ...book.mark, head }), value: undefined }
    })
  )

/**
 * Notes that this device has everything that the relay had at `head`, and that the relay had nothing of `lacking`. Answers
 * how many entries the relay is sent because of that.
 */
export const note = Effect.fn("Repair.note")(function*(
  journal: Journal,
  relay: RelayKey,
  { count, head, lacking }: Pick<Compared, "lacking" | "count"> & { readonly head: Head }
): Effect.fn.Return<number, NoteFailed> {
  let sent = 0
  for (let at = 0; at < lacking.length; at += PAGE_IDS) {
    const page = lacking.slice(at, at + PAGE_IDS)
    sent += yield* journal.update((books) =>
      Effect.flatMap(bookIn(books, relay), (book) => send(journal, books, book, page))
    )
  }
  yield* journal.update((books) => Effect.map(bookIn(books, relay), (book) => reach(books, book, head, count)))
  return sent
})

const bookIn = ({ bookByHex }: Books, relay: RelayKey): Effect.Effect<Book, UnknownRelay> => {
  const book = bookByHex.get(Bytes.toHex(relay))
  return book === undefined ? Effect.fail(new UnknownRelay()) : Effect.succeed(book)
}

/** Puts accepted entries into the relay's outbox. What is not accepted is nobody's to pass on. */
const send = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  { mark, number, row: { granted } }: Book,
  ids: ReadonlyArray<Uint8Array>
): Effect.fn.Return<Change<number>, StoreFailed> {
  const deletes = granted !== null && granted._tag === "Transit"
  const writes: Array<Write> = []
  const ordinals: Array<Ordinal> = []
  for (const bytes of ids) {
    const id = EnvelopeId.make(bytes)
    const known = yield* Ledger.known.get(journal.store, id)
    if (known?._tag !== "Accepted" || journal.unsent(number).has(known.ordinal)) continue
    if (deletes && (known.ordinal <= mark.offered || known.ordinal > mark.offerUntil)) continue
    if (yield* wasAt(journal, number, known.ordinal)) continue
    ordinals.push(known.ordinal)
    writes.push(Ledger.outbox.put({ relay: number, ordinal: known.ordinal }, id))
  }
  const committed = () => {
    for (const one of ordinals) journal.markUnsent(number, one)
  }
  return { books, writes, value: ordinals.length, committed }
})

/** Whether the relay had the entry once, in this log: then it was pruned there, and would not be taken again. */
const wasAt = Effect.fnUntraced(function*({ store }: Journal, number: Ledger.RelayNumber, ordinal: Ordinal) {
  const places = (yield* Ledger.place.get(store, ordinal)) ?? []
  return places.some(({ relay }) => relay === number) || (yield* Ledger.entry.get(store, ordinal))?.relay === number
})

/** The cursor goes to the head, unless it is there or further, and nothing is left to be offered. */
const reach = (
  books: Books,
  book: Book,
  { body: { chain, lowest, position } }: Head,
  count: number
): Change<undefined> => {
  const { mark } = book
  const next = { ...mark, offered: mark.offerUntil }
  if (position <= mark.cursor || count !== position - (lowest - 1)) return marked(books, book, next)
  const gapped = mark.gapped || lowest > mark.cursor + 1
  return marked(books, book, { ...next, gapped, cursor: position, chain })
}

const marked = (books: Books, book: Book, mark: Ledger.MarkRow): Change<undefined> => ({
  books: Inbox.withMark(books, book, mark),
  writes: [Ledger.mark.put(book.number, mark)],
  value: undefined
})
