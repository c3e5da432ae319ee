/**
 * From an open line to an attached route (protocol.md §6): shows what this device may do, and opens the route where it is
 * this device's to open.
 *
 * 1. A relay that knew the route and does not know it any more was reset: everything that is here is offered to it again.
 * 2. An epoch that is over at the relay is attached for reading alone, to find the key of the next one in the log.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { RelayKey, Signature, SigningKey } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import type { Attached } from "@sotto/schema/Relay"
import { DeviceRevoked, type RelayError, Unauthorized, UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CallError } from "../channel/Control.ts"
import type { Line } from "../channel/Dial.ts"
import { UnknownRelay } from "../ClientError.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import type { EpochKeys } from "../space/Keys.ts"
import { memberOf } from "../space/Membership.ts"
import { currentEpoch, type SpaceState } from "../space/SpaceState.ts"
import type { ClientEvent } from "../Status.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Arrival from "./Arrival.ts"
import { Ordinal } from "./Cursor.ts"
import * as Directory from "./Directory.ts"
import type { RelayMisbehaved } from "./Evidence.ts"
import * as Gossip from "./Gossip.ts"
import type { Book, Books, Change, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Misconduct from "./Misconduct.ts"

/** A route that is attached. `epoch`: the keys that it was attached with. */
export interface Attachment {
  readonly attached: Attached
  readonly epoch: EpochKeys
  /** Whether entries can be pushed: the relay is in this epoch, and not beyond it. Those of later ones have to wait. */
  readonly writable: boolean
}

export type AttachFailed = RelayError | CallError | RelayMisbehaved | UnknownRelay | StoreFailed | KeystoreFailed

/** How long a relay that this device's own epoch is unknown to is asked for older ones. */
const EPOCHS_TRIED_MAX = 8

/** Attaches the space's route at a relay, and takes note of what the relay says of it. */
export const attach = Effect.fn("Attach.attach")(function*(
  journal: Journal,
  relay: RelayKey,
  line: Line
): Effect.fn.Return<Attachment, AttachFailed> {
  yield* noteKeys(journal, relay, line)
  const tried = yield* Effect.result(attachNewest(journal, relay, line))
  if (Result.isSuccess(tried)) return yield* note(journal, relay, tried.success)
  if (!(tried.failure instanceof UnknownRoute)) return yield* tried.failure
  const book = yield* bookOf(journal, relay)
  // Without a head it was started over with already, and only the opening did not come about.
  if (book.row.granted !== null && book.mark.head !== null) {
    const reset: ClientEvent = { _tag: "RelayReset", relay, lastPosition: book.mark.head.body.position }
    yield* startOver(journal, relay, [reset])
  }
  yield* open(journal, relay, line, book)
  return yield* note(journal, relay, yield* attachNewest(journal, relay, line))
})

const bookIn = (books: Books, relay: RelayKey): Effect.Effect<Book, UnknownRelay> => {
  const book = books.bookByHex.get(Bytes.toHex(relay))
  return book === undefined ? Effect.fail(new UnknownRelay()) : Effect.succeed(book)
}

const bookOf = (journal: Journal, relay: RelayKey) => Effect.suspend(() => bookIn(journal.books(), relay))

/** Changes what is kept of one relay. */
export const withBook = (books: Books, book: Book): Books => ({
  ...books,
  bookByHex: new Map(books.bookByHex).set(Bytes.toHex(book.relay), book)
})

/** Keeps the keys that the relay showed: they spare their bytes the next time, and heads are checked with them. */
const noteKeys = (journal: Journal, relay: RelayKey, line: Line) =>
  journal.update((books) =>
    Effect.map(bookIn(books, relay), (book) => {
      if (book.row.keys !== null) return { books, writes: [], value: undefined }
      const row = { ...book.row, keys: line.relayKeys }
      return {
        books: withBook(books, { ...book, row }),
        writes: [Ledger.relay.put(book.number, row)],
        value: undefined
      }
    })
  )

// -- epochs ------------------------------------------------------------------------------------------------------------

interface Tried {
  readonly attached: Attached
  readonly epoch: EpochKeys
}

/** With the newest epoch that both sides know. */
const attachNewest = Effect.fnUntraced(function*(
  journal: Journal,
  relay: RelayKey,
  line: Line
): Effect.fn.Return<Tried, RelayError | CallError> {
  const { state } = journal.books()
  const newest = currentEpoch(state).epoch
  let refused: Unauthorized | undefined
  for (let number = newest; number > 0 && newest - number < EPOCHS_TRIED_MAX; number--) {
    const epoch = state.epochs.get(number)
    if (epoch === undefined) continue
    const tried = yield* Effect.result(line.control.Attach(claim(journal, state, relay, line, epoch)))
    if (Result.isSuccess(tried)) return { attached: tried.success, epoch }
    if (!(tried.failure instanceof Unauthorized)) return yield* tried.failure
    refused ??= tried.failure
  }
  const own = memberOf(state.membership, journal.identity.id)
  if (own !== undefined && own.removed !== null) return yield* new DeviceRevoked()
  return yield* refused ?? new Unauthorized({ detail: "no key of any epoch" })
})

const claim = (
  { crypto }: Journal,
  { keys }: SpaceState,
  relay: RelayKey,
  { handshakeHash }: Line,
  { epoch, readCapability, writeCapability }: EpochKeys
) => {
  const route = keys.routeId(relay)
  const proof = (capability: "read" | "write", secretKey: Uint8Array) => ({
    capability,
    signature: Signature.make(
      crypto.signature.sign(secretKey, Proof.attach({ handshakeHash, route, epoch, capability }))
    )
  })
  const proofs = [
    proof("read", readCapability(relay).secretKey),
    proof("write", writeCapability(relay).secretKey)
  ]
  return { route, epoch, proofs }
}

// -- opening -----------------------------------------------------------------------------------------------------------

/** Opens the route: at its first relay by who created the space, at one that was reset by any administrator. */
const open = Effect.fnUntraced(function*(
  { books, crypto }: Journal,
  relay: RelayKey,
  { control, handshakeHash }: Line,
  { row }: Book
): Effect.fn.Return<void, RelayError | CallError> {
  const { state } = books()
  const epoch = currentEpoch(state)
  const { admin } = state
  const mayOpen = row.open !== null || row.granted !== null
  if (!mayOpen || admin === undefined || admin.epoch !== epoch.epoch) return yield* new UnknownRoute()
  const route = state.keys.routeId(relay)
  const adminKeys = admin.capability(relay)
  // Without the recovery words at hand, the key that overrides is one of the administrators' own. It is derived for
  // this relay too, so that two relays that compare notes find nothing in common.
  const recovery = row.open?.recovery ?? admin.capability(RelayKey.make(crypto.sha256(relay))).publicKey
  const keys = {
    write: SigningKey.make(epoch.writeCapability(relay).publicKey),
    read: SigningKey.make(epoch.readCapability(relay).publicKey),
    admin: SigningKey.make(adminKeys.publicKey),
    recovery: SigningKey.make(recovery)
  }
  const proof = Proof.open({ handshakeHash, route, epoch: epoch.epoch, keys })
  yield* control.Open({
    route,
    epoch: epoch.epoch,
    keys,
    retention: row.granted ?? row.open?.retention ?? Directory.RETENTION_DEFAULT,
    token: row.open?.token ?? null,
    proof: Signature.make(crypto.signature.sign(adminKeys.secretKey, proof))
  })
})

/** Takes a relay's rows away. Places that were noted under its number mean nothing any more. */
export const forget = ({ unsent }: Journal, { number }: Book): ReadonlyArray<Write> => [
  Ledger.relay.remove(number),
  Ledger.mark.remove(number),
  Ledger.witness.remove(number),
  ...[...unsent(number)].map((ordinal) => Ledger.outbox.remove({ relay: number, ordinal: Ordinal.make(ordinal) }))
]

/**
 * Forgets how far this device was with a relay, and offers it everything that is here. The relay gets a new number, so
 * that every place that was noted of its former log is void. What it granted stays: its route may have to be opened anew.
 */
export const startOver = (journal: Journal, relay: RelayKey, events: ReadonlyArray<ClientEvent> = []) =>
  journal.update((books) =>
    Effect.map(bookIn(books, relay), (book) => {
      const number = Ledger.RelayNumber.make(books.meta.relays + 1)
      const meta = { ...books.meta, relays: number }
      const row = { ...book.row, misbehaved: 0 }
      const mark = Directory.freshMark(books.meta.ordinal)
      return {
        books: { ...withBook(books, { ...book, number, row, mark }), meta },
        writes: [Ledger.meta.put("", meta), ...forget(journal, book), ...Directory.relayWrites(number, row, mark)],
        value: number,
        events
      }
    })
  )

// -- what the relay says -----------------------------------------------------------------------------------------------

/** Holds the head that the relay begins with against the last one, and keeps it. */
const note = Effect.fnUntraced(function*(
  journal: Journal,
  relay: RelayKey,
  { attached, epoch }: Tried
): Effect.fn.Return<Attachment, AttachFailed> {
  const caught = yield* journal.update((books) =>
    Effect.flatMap(bookIn(books, relay), (book): Effect.Effect<Change<RelayMisbehaved | undefined>, StoreFailed> => {
      const subject = Gossip.subjectOf(books, book)
      if (subject === undefined) return Effect.succeed({ books, writes: [], value: undefined })
      const checked = Arrival.checkHead(journal.crypto, subject, book.mark, attached.head)
      if (Result.isFailure(checked)) {
        return Effect.succeed({ ...Misconduct.record(books, checked.failure), value: checked.failure })
      }
      const row = { ...book.row, granted: attached.retention }
      const mark = { ...book.mark, head: attached.head }
      return Effect.map(Gossip.remember(journal, book, attached.head), (remembered) => ({
        books: withBook(books, { ...book, row, mark }),
        writes: [...Directory.relayWrites(book.number, row, mark), ...remembered],
        value: undefined
      }))
    })
  )
  if (caught !== undefined) return yield* caught
  return { attached, epoch, writable: attached.epoch === epoch.epoch }
})
