/**
 * Where entries stand at relays, as it becomes known: by an acknowledgement, or by seeing them in a log. What was noted of
 * a relay that is not in use any more, or that was taken up anew under another number, is swept away in the background.
 */
import type { Position } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { KeystoreFailed } from "../Keystore.ts"
import type { StoreFailed, Write } from "../Store.ts"
import type { Ordinal } from "./Cursor.ts"
import { type Book, type Books, type Journal, numbersOf } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import type { RelayNumber } from "./Ledger.ts"

/** An entry and its position at a relay. */
export interface Known {
  readonly ordinal: Ordinal
  readonly position: Position
  /** The relay that brought it, when that is known already. */
  readonly from?: RelayNumber
}

/** The rows that note a place, and take the entry out of the relay's outbox. None when nothing of it is new. */
export const learn = Effect.fnUntraced(function*(
  { store, unsent }: Pick<Journal, "store" | "unsent">,
  books: Books,
  { number }: Book,
  { from, ordinal, position }: Known
): Effect.fn.Return<ReadonlyArray<Write>, StoreFailed> {
  const places = (yield* Ledger.place.get(store, ordinal)) ?? []
  const writes: Array<Write> = unsent(number).has(ordinal) ? [Ledger.outbox.remove({ relay: number, ordinal })] : []
  if (places.some(({ relay }) => relay === number)) return writes
  if ((from ?? (yield* Ledger.entry.get(store, ordinal))?.relay) === number) return writes
  const current = numbersOf(books)
  const kept = places.filter(({ relay }) => current.has(relay))
  writes.push(Ledger.place.put(ordinal, [...kept, { relay: number, position }]))
  return writes
})

/** To be done once those rows are durable: the entry is sent, and whoever waits for it hears where it is. */
export const learned = (
  { markSent, stored }: Pick<Journal, "markSent" | "stored">,
  { number, relay }: Book,
  { ordinal, position }: Known
): void => {
  markSent(number, ordinal)
  stored(ordinal, number, { relay, position })
}

const SWEEP_ROWS = 512

/** Deletes what is noted under numbers that no relay has, in small commits. */
export const sweep = Effect.fnUntraced(function*(
  journal: Pick<Journal, "books" | "store" | "update">
): Effect.fn.Return<void, StoreFailed | KeystoreFailed> {
  const books = journal.books()
  const { meta } = books
  const current = numbersOf(books)
  for (let number = 1; number <= meta.relays; number++) {
    if (current.has(number)) continue
    const within = Ledger.withinRelay(Ledger.RelayNumber.make(number))
    while (true) {
      const rows = yield* Ledger.placed.scan(journal.store, { within, limit: SWEEP_ROWS })
      if (rows.length === 0) break
      const writes = rows.map(({ key }) => Ledger.placed.remove(key))
      yield* journal.update((books) => Effect.succeed({ books, writes, value: undefined }))
    }
  }
})
