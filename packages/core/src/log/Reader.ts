/**
 * Accepted entries, read back (protocol.md §7): in this device's own order, for collections and apps, or in a relay's. An
 * entry is opened when it is read; at rest it stays in its envelope.
 *
 * A stream of entries is one loop, "the page after where this one stands": so nothing is left out and nothing comes twice
 * between what was there and what comes, however slow the reader is.
 *
 * Storage may show rows before it says that it has them. What the books do not know of yet is left for the next look: its
 * keys may have come with it.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type { Hlc } from "@sotto/schema/Hlc"
import type { DeviceId, EntryHash, EnvelopeId, Position, RelayKey, Seq } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { UnknownRelay } from "../ClientError.ts"
import * as Signal from "../internal/signal.ts"
import { StoreFailed } from "../Store.ts"
import { type Cursor, Ordinal } from "./Cursor.ts"
import type { Book, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import { isWaiting, type Reason } from "./Quarantine.ts"
import * as Sealing from "./Sealing.ts"

/** An accepted entry. */
export interface ReceivedEntry {
  readonly ordinal: Ordinal
  /** Where a relay keeps it: the first of this client's relays that does. Absent while it is only here. */
  readonly position?: Cursor
  readonly id: EnvelopeId
  /** The entry's name, which stays the same when somebody seals it again: operations name their parents by it. */
  readonly hash: EntryHash
  readonly device: DeviceId
  readonly seq: Seq
  readonly hlc: Hlc
  readonly ops: ReadonlyArray<Op>
  /** Written by this device. */
  readonly own: boolean
}

/** An envelope that was set aside. */
export interface QuarantinedEnvelope {
  readonly id: EnvelopeId
  readonly reason: Reason
  readonly waiting: boolean
  /** Where it came from, while that relay is in use. */
  readonly position?: Cursor
  readonly sinceMillis: number
  readonly sizeBytes: number
}

/** A page of entries has to fit memory also when all are as large as they may be. */
const PAGE_ROWS = 64

const START = Ordinal.make(0)

/** Entries after `after`: those that are here, then, if `live`, those that come. */
export const entries = (
  journal: Journal,
  { after = START, live = false }: { readonly after?: Ordinal; readonly live?: boolean } = {}
): Stream.Stream<ReceivedEntry, StoreFailed> =>
  Stream.paginate(after, (from) => {
    const there = live
      ? Signal.until(journal.changed, () => journal.books().meta.ordinal > from ? true : undefined)
      : Effect.void
    return Effect.map(Effect.andThen(there, page(journal, from)), ({ entries, last, more }) => {
      const next = live || more ? Option.some(last) : Option.none<Ordinal>()
      return [entries, next] as const
    })
  })

/** A page of entries after `after`; everything up to `last` was looked at. */
export const page = Effect.fnUntraced(function*(journal: Journal, after: Ordinal) {
  const newest = journal.books().meta.ordinal
  const found = yield* Ledger.entry.scan(journal.store, { after, limit: PAGE_ROWS })
  const rows = found.filter(({ key }) => key <= newest)
  const last = rows.at(-1)?.key
  const more = rows.length === PAGE_ROWS
  const places = last === undefined
    ? new Map<number, ReadonlyArray<Ledger.Place>>()
    : yield* placesBetween(journal, after, last)
  const entries: Array<ReceivedEntry> = []
  for (const { key, row } of rows) entries.push(yield* toEntry(journal, key, row, places.get(key) ?? []))
  // Ordinals may be left out, but not behind one that is there.
  return {
    entries,
    last: more && last !== undefined ? last : Ordinal.make(Math.max(newest, last ?? after)),
    more
  }
})

const placesBetween = Effect.fnUntraced(function*({ store }: Journal, after: Ordinal, last: Ordinal) {
  const rows = yield* Ledger.place.scan(store, { after, limit: PAGE_ROWS })
  return new Map<number, ReadonlyArray<Ledger.Place>>(
    rows.flatMap(({ key, row }) => key <= last ? [[key, row] as const] : [])
  )
})

/** An entry out of its envelope. One that was accepted and does not open any more was damaged at rest. */
export const toEntry = (
  journal: Journal,
  ordinal: Ordinal,
  { envelope, position, relay }: Ledger.EntryRow,
  places: ReadonlyArray<Ledger.Place> = []
): Effect.Effect<ReceivedEntry, StoreFailed> => {
  const { bookByHex, state } = journal.books()
  const opened = Sealing.open(journal.crypto, state, envelope)
  if (Result.isFailure(opened)) {
    const detail = `entry ${ordinal}: ${opened.failure.reason}`
    return Effect.fail(new StoreFailed({ reason: "corrupt", operation: "read an entry", detail }))
  }
  const { entry: { device, hlc, ops, seq }, hash, id } = opened.success
  const at = cursorOf([...bookByHex.values()], [{ relay, position }, ...places])
  return Effect.succeed({
    ordinal,
    id,
    hash,
    device,
    seq,
    hlc,
    ops,
    own: Bytes.equals(device, journal.identity.id),
    ...(at === undefined ? {} : { position: at })
  })
}

/** The first of these places that is of a relay in use. */
const cursorOf = (books: ReadonlyArray<Book>, places: ReadonlyArray<Ledger.Place>): Cursor | undefined => {
  for (const { position, relay: number } of places) {
    const book = books.find((one) => one.number === number)
    if (book !== undefined) return { relay: book.relay, position }
  }
  return undefined
}

/** A page of a relay's log, as far as it was received. What is not accepted is left out. */
export const log = Effect.fn("Reader.log")(function*(
  journal: Journal,
  options: { readonly relay?: RelayKey; readonly after?: Cursor; readonly limit?: number }
): Effect.fn.Return<ReadonlyArray<ReceivedEntry>, StoreFailed | UnknownRelay> {
  const { after, limit = Limit.pageEnvelopesMax, relay } = options
  const book = bookFor(journal, relay, after)
  if (book === undefined) return yield* new UnknownRelay()
  const found: Array<ReceivedEntry> = []
  let at = after?.position
  let more = true
  while (more && found.length < limit) {
    const page = yield* readLog(journal, book, at, Math.min(PAGE_ROWS, limit))
    found.push(...page.entries)
    at = page.last
    more = page.more
  }
  return found.slice(0, limit)
})

/** The relay that is meant: of the cursor, which must not be of another one, or the first. */
const bookFor = (journal: Journal, relay: RelayKey | undefined, after: Cursor | undefined): Book | undefined => {
  const { bookByHex } = journal.books()
  const wanted = after?.relay ?? relay
  if (wanted === undefined) return [...bookByHex.values()][0]
  return relay !== undefined && !Bytes.equals(relay, wanted) ? undefined : bookByHex.get(Bytes.toHex(wanted))
}

const readLog = Effect.fnUntraced(function*(
  journal: Journal,
  { number }: Book,
  after: Position | undefined,
  limit: number
) {
  const newest = journal.books().meta.ordinal
  const rows = yield* Ledger.placed.scan(journal.store, {
    within: Ledger.withinRelay(number),
    limit,
    ...(after === undefined ? {} : { after: { relay: number, position: after } })
  })
  const entries: Array<ReceivedEntry> = []
  for (const { key: place, row } of rows) {
    const known = yield* Ledger.known.get(journal.store, row.id)
    const entry = known?._tag === "Accepted" ? yield* Ledger.entry.get(journal.store, known.ordinal) : undefined
    if (known?._tag !== "Accepted" || entry === undefined || known.ordinal > newest) continue
    entries.push(yield* toEntry(journal, known.ordinal, { ...entry, ...place }, []))
  }
  return { entries, last: rows.at(-1)?.key.position ?? after, more: rows.length === limit }
})

/** What is set aside, waiting and refused. Entries in their place that wait for a signature are not among it. */
export const quarantine = (journal: Journal): Effect.Effect<ReadonlyArray<QuarantinedEnvelope>, StoreFailed> =>
  Effect.suspend(() => {
    const { bookByHex, refused, waitingByHex } = journal.books()
    const books = [...bookByHex.values()]
    const ids = [...[...waitingByHex.values()].filter(({ reason }) => reason !== null).map(({ id }) => id), ...refused]
    const waiting = new Set<Uint8Array>([...waitingByHex.values()].map(({ id }) => id))
    return Effect.map(
      Effect.forEach(ids, (id) => (waiting.has(id) ? Ledger.waiting : Ledger.refused).get(journal.store, id)),
      (rows) =>
        rows.flatMap((row, at): ReadonlyArray<QuarantinedEnvelope> => {
          const id = ids[at]
          const reason = id === undefined ? undefined : waitingByHex.get(Bytes.toHex(id))?.reason ?? row?.reason
          if (row === undefined || id === undefined || reason === undefined || reason === null) return []
          const position = cursorOf(books, [row])
          return [{
            id,
            reason,
            waiting: isWaiting(reason),
            sinceMillis: row.sinceMillis,
            sizeBytes: row.sizeBytes,
            ...(position === undefined ? {} : { position })
          }]
        })
    )
  })
