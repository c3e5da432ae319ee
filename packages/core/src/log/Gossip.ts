/**
 * Heads that members put into their entries (protocol.md §2), held against what this device saw itself: how a relay that
 * shows two histories to two members is caught.
 *
 * The running chain covers everything before it, so of each page only the highest head that an author saw is looked at.
 * A head that this device has not reached yet is kept as a witness, and looked at again when it has. So is one that the
 * relay signed for this device itself, when another connection begins with a later one: what was signed on the former may
 * have been of another history, which only the entries below it show.
 *
 * What counts is the relay's signature, so entries that are not accepted are heard as well: a relay that hides an entry
 * from this device makes those after it wait.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Head } from "@sotto/schema/Head"
import type { Position } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { StoreFailed, Write } from "../Store.ts"
import * as Evidence from "./Evidence.ts"
import type { Book, Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"
import type { OpenedEnvelope } from "./Sealing.ts"

/** How a relay's heads are to be read: undefined until it has shown its keys. */
export const subjectOf = ({ state }: Books, { relay, row }: Book): Evidence.Subject | undefined =>
  row.keys === null ? undefined : { relay, route: state.keys.routeId(relay), signing: row.keys.signing }

/** What follows from the heads in these entries. */
export interface Heard extends Misconduct.Recorded {
  readonly caught: ReadonlyArray<Evidence.RelayMisbehaved>
}

/**
 * Looks at the heads in entries that just came. `chainAt` knows the places of the page that brought them, which
 * are not in the store yet.
 */
export const hear = Effect.fnUntraced(function*(
  journal: Pick<Journal, "crypto" | "identity" | "store">,
  before: Books,
  entries: ReadonlyArray<OpenedEnvelope>,
  chainAt: ChainAt
): Effect.fn.Return<Heard, StoreFailed> {
  const writes: Array<Write> = []
  const caught: Array<Evidence.RelayMisbehaved> = []
  let books = before
  for (const book of before.bookByHex.values()) {
    const subject = subjectOf(books, book)
    if (subject === undefined || book.row.misbehaved !== 0) continue
    const witnesses = (yield* Ledger.witness.get(journal.store, book.number)) ?? []
    const heard = highestByAuthor(subject, journal.identity.id, entries)
    if (witnesses.length + heard.length === 0) continue
    const verdict = yield* weigh(journal, subject, book, [...witnesses, ...heard], chainAt)
    if (verdict.caught !== undefined) {
      caught.push(verdict.caught)
      const recorded = Misconduct.record(books, verdict.caught)
      books = recorded.books
      writes.push(...recorded.writes)
    }
    writes.push(...witnessWrites(book, witnesses, verdict.ahead))
  }
  return { books, writes, caught }
})

/** Keeps what the relay signed last, for when its place is reached: another connection begins, with this head. */
export const remember = (
  { store }: Pick<Journal, "store">,
  { mark: { cursor, head }, number }: Pick<Book, "mark" | "number">,
  next: Head
): Effect.Effect<ReadonlyArray<Write>, StoreFailed> =>
  head === null || head.body.position <= cursor || head.body.position >= next.body.position
    ? Effect.succeed([])
    : Effect.map(
      Ledger.witness.get(store, number),
      (before = []) => witnessWrites({ number }, before, [...before, head])
    )

/** The lowest are reached first; the highest says how far the relay must go. */
const witnessWrites = (
  { number }: Pick<Book, "number">,
  before: ReadonlyArray<Head>,
  after: ReadonlyArray<Head>
): ReadonlyArray<Write> => {
  const sorted = after
    .filter((head, at) => after.findIndex((one) => isSame(one, head)) === at)
    .toSorted((a, b) => a.body.position - b.body.position)
  const kept = sorted.length <= Ledger.WITNESSES_MAX
    ? sorted
    : [...sorted.slice(0, Ledger.WITNESSES_MAX - 1), ...sorted.slice(-1)]
  const isKept = kept.length === before.length && kept.every((head, at) => head === before[at])
  if (isKept) return []
  return [kept.length === 0 ? Ledger.witness.remove(number) : Ledger.witness.put(number, kept)]
}

/** A head of the same history up to the same place says nothing more. */
const isSame = (a: Head, b: Head): boolean =>
  a.body.position === b.body.position && Bytes.equals(a.body.chain, b.body.chain)

/** The chain at a place of the page that is being taken; undefined for another place. */
export type ChainAt = (book: Book, position: Position) => Uint8Array | null | undefined

/** Holds heads against what this device knows. `ahead`: those that it has not reached. */
const weigh = Effect.fnUntraced(function*(
  { crypto, store }: Pick<Journal, "crypto" | "store">,
  subject: Evidence.Subject,
  book: Book,
  heads: ReadonlyArray<Head>,
  chainAt: ChainAt
) {
  const ahead: Array<Head> = []
  for (const theirs of heads) {
    const isAhead = theirs.body.position > book.mark.cursor
    const verdict = isAhead
      ? compareAhead(crypto, subject, book, theirs)
      : yield* compareReached({ crypto, store }, subject, book, theirs, chainAt)
    if (Result.isFailure(verdict)) return { caught: verdict.failure, ahead }
    if (isAhead && Evidence.isSigned(crypto, subject.signing, theirs)) ahead.push(theirs)
  }
  return { caught: undefined, ahead }
})

const highestByAuthor = (
  { relay, route }: Evidence.Subject,
  own: Uint8Array,
  entries: ReadonlyArray<OpenedEnvelope>
): ReadonlyArray<Head> => {
  const headByAuthor = new Map<string, Head>()
  for (const { entry } of entries) {
    const head = entry.lastHead
    if (head === null || Bytes.equals(entry.device, own)) continue
    if (!Bytes.equals(head.body.relay, relay) || !Bytes.equals(head.body.route, route)) continue
    const author = Bytes.toHex(entry.device)
    const known = headByAuthor.get(author)
    if (known === undefined || head.body.position > known.body.position) headByAuthor.set(author, head)
  }
  return [...headByAuthor.values()]
}

type Verdict = Result.Result<unknown, Evidence.RelayMisbehaved>

const compareAhead = (
  crypto: Journal["crypto"],
  subject: Evidence.Subject,
  { mark }: Book,
  theirs: Head
): Verdict =>
  mark.head === null ? Result.succeed(undefined) : Evidence.witness(crypto, subject, { mine: mark.head, theirs })

/** This device knows the chain at the place that the head speaks of, unless a gap lay there. */
const compareReached = Effect.fnUntraced(function*(
  { crypto, store }: Pick<Journal, "crypto" | "store">,
  subject: Evidence.Subject,
  book: Book,
  theirs: Head,
  chainAt: ChainAt
): Effect.fn.Return<Verdict, StoreFailed> {
  const { position } = theirs.body
  const { head } = book.mark
  if (head !== null && head.body.position === position) {
    return Evidence.witness(crypto, subject, { mine: head, theirs })
  }
  const fresh = chainAt(book, position)
  const chain = fresh === undefined
    ? (yield* Ledger.placed.get(store, { relay: book.number, position }))?.chain
    : fresh
  if (chain === undefined || chain === null || Bytes.equals(chain, theirs.body.chain)) return Result.succeed(undefined)
  // A head that the relay did not sign says something about the member who showed it, and nothing about the relay.
  if (!Evidence.isSigned(crypto, subject.signing, theirs)) return Result.succeed(undefined)
  return Evidence.check(crypto, subject, { previous: null, next: theirs, running: { position, chain } })
})
