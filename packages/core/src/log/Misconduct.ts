/**
 * What a relay was caught with, kept (protocol.md §2): the evidence gets a number of its own and the relay's row names it,
 * so that its connection stays down, also after a restart, until a person decides otherwise.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Store, StoreFailed, type Write } from "../Store.ts"
import { evidenceCodec, RelayMisbehaved } from "./Evidence.ts"
import { type Book, type Books, scanAll } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"

export interface Recorded {
  readonly books: Books
  readonly writes: ReadonlyArray<Write>
}

/** The books with the evidence in them. A relay that was caught before stays with its first evidence. */
export const record = (books: Books, { evidence }: RelayMisbehaved): Recorded => {
  const hex = Bytes.toHex(evidence.relay)
  const book = books.bookByHex.get(hex)
  if (book === undefined || book.row.misbehaved !== 0) return { books, writes: [] }
  const number = books.meta.evidence + 1
  const meta = { ...books.meta, evidence: number }
  const caught: Book = { ...book, row: { ...book.row, misbehaved: number } }
  return {
    books: { ...books, meta, bookByHex: new Map(books.bookByHex).set(hex, caught) },
    writes: [
      Ledger.meta.put("", meta),
      Ledger.relay.put(book.number, caught.row),
      Ledger.evidence.put(number, evidenceCodec.encode(evidence))
    ]
  }
}

const decode = (bytes: Uint8Array): Effect.Effect<RelayMisbehaved, StoreFailed> => {
  const evidence = evidenceCodec.decode(bytes)
  return Result.isSuccess(evidence)
    ? Effect.succeed(new RelayMisbehaved({ evidence: evidence.success }))
    : Effect.fail(new StoreFailed({ reason: "corrupt", operation: "read evidence", detail: evidence.failure.reason }))
}

/** Evidence by its number. */
export const read = (
  store: Store["Service"],
  number: number
): Effect.Effect<RelayMisbehaved | undefined, StoreFailed> =>
  Effect.flatMap(Ledger.evidence.get(store, number), (bytes) => bytes === undefined ? Effect.undefined : decode(bytes))

/** All evidence that is kept, oldest first. */
export const readAll = (store: Store["Service"]): Effect.Effect<ReadonlyArray<RelayMisbehaved>, StoreFailed> =>
  Effect.flatMap(scanAll(store, Ledger.evidence), (rows) => Effect.forEach(rows, ({ row }) => decode(row)))
