/**
 * A device's books of one space in memory, and the one way to change them: `update` works out the next books and the rows
 * that make them durable, commits the rows, and only then shows the new books to anyone.
 *
 * 1. Changes come one after the other, so each sees what the one before it made durable.
 * 2. The rows of a change are one commit. A crash keeps all of it or nothing: a sequence number is never given twice.
 * 3. A commit that failed may have been made all the same. The books are then read again from the store before anything
 *    else happens, rather than guessed at; and where its rows are there, all that was to follow from it does, once.
 * 4. What an app is told of a change is told by whoever makes it durable: here, whoever asked for it and whatever became
 *    of them.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { EnvelopeId, RelayKey } from "@sotto/schema/Id"
import type { MemberOp } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Crypto } from "../Crypto.ts"
import type { DeviceIdentity } from "../Device.ts"
import * as Signal from "../internal/signal.ts"
import * as Sliding from "../internal/sliding.ts"
import type { Keystore, KeystoreFailed } from "../Keystore.ts"
import type { SpaceState } from "../space/SpaceState.ts"
import type { ClientEvent } from "../Status.ts"
import { type Store, StoreFailed, type Write } from "../Store.ts"
import * as Chain from "./Chain.ts"
import * as ChainLink from "./ChainLink.ts"
import * as Coverage from "./Coverage.ts"
import type { Ordinal } from "./Cursor.ts"
import * as Directory from "./Directory.ts"
import * as Doubt from "./Doubt.ts"
import { IdSet } from "./IdSet.ts"
import * as IdSnapshot from "./IdSnapshot.ts"
import * as Ledger from "./Ledger.ts"
import type { Reason } from "./Quarantine.ts"
import type { Quorum } from "./Quorum.ts"
import * as Receipts from "./Receipts.ts"
import * as Undecided from "./Undecided.ts"
import * as Withdrawals from "./Withdrawals.ts"

/** What is kept of one relay. */
export interface Book {
  readonly number: Ledger.RelayNumber
  readonly relay: RelayKey
  readonly row: Ledger.RelayRow
  readonly mark: Ledger.MarkRow
}

/** An envelope that is not accepted. */
export interface Aside {
  readonly id: EnvelopeId
  readonly reason: Reason | null
  /** Whether its chain holds it, opened. The others wait for a key, or were waiting when the books were read. */
  readonly held: boolean
  readonly sizeBytes: number
}

/** Everything that a change is worked out from. Immutable. */
export interface Books {
  readonly state: SpaceState
  readonly meta: Ledger.MetaRow
  readonly chains: Chain.Chains
  readonly bookByHex: ReadonlyMap<string, Book>
  readonly waitingByHex: ReadonlyMap<string, Aside>
  /** Refused envelopes that are kept, oldest first. */
  readonly refused: ReadonlyArray<EnvelopeId>
  readonly deferred: ReadonlyArray<MemberOp>
}

/** A change: the books after it, the rows that make it durable, and what it answers. */
export interface Change<A> {
  readonly books: Books
  readonly writes: ReadonlyArray<Write>
  readonly value: A
  /** What there is to tell the app of it once the rows are durable. */
  readonly events?: ReadonlyArray<ClientEvent>
  /** Done once the rows are durable, before anybody else sees the books. Must not throw, nor mind what was read anew. */
  readonly committed?: () => void
}

export interface Journal extends Receipts.Receipts, Pick<Coverage.Coverage, "unsent" | "lackedBy"> {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly keystore: Keystore["Service"]
  readonly identity: DeviceIdentity
  /** How many relays must have an entry. */
  readonly quorum: Quorum
  /** The books as they were last known to be durable. */
  readonly books: () => Books
  /** Raised after every change. */
  readonly changed: Signal.Signal
  /** What happens, for the app. A reader that falls behind loses the oldest. */
  readonly events: PubSub.PubSub<ClientEvent>
  readonly update: <A, E>(
    change: (books: Books) => Effect.Effect<Change<A>, E>
  ) => Effect.Effect<A, E | StoreFailed | KeystoreFailed>
  /** To be called by `committed` alone. */
  readonly markUnsent: (relay: Ledger.RelayNumber, ordinal: Ordinal) => void
  readonly markSent: (relay: Ledger.RelayNumber, ordinal: Ordinal) => void
  /** What this device knows, as a set to be reconciled. */
  readonly ids: IdSet
  /** Tells who keeps what came of entries that some left the log. `tell` is for `committed` alone. */
  readonly withdrawals: Withdrawals.Withdrawals
  /** Items that wait for a person's decision. */
  readonly undecided: Undecided.Undecided
}

export interface Options {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly keystore: Keystore["Service"]
  readonly identity: DeviceIdentity
  /** 1 unless given. */
  readonly quorum?: Quorum
  /** How many ids are worth a snapshot; a few thousand unless given. */
  readonly savedIdsMin?: number
}

/** Events that a slow reader may fall behind. */
const EVENTS_MAX = 1024

/** Opens the books of a directory that has a space. */
export const open = Effect.fn("Journal.open")(function*(options: Options) {
  const { crypto, identity, keystore, quorum = 1, store } = options
  const permit = yield* Semaphore.make(1)
  const changed = Signal.make()
  const events = yield* Sliding.make<ClientEvent>(EVENTS_MAX)
  let loaded = yield* load(options)
  /** What was to be committed last, while storage has not said that it is: the books are to be read again. */
  let doubtful: Change<unknown> | undefined
  const receipts = Receipts.make(quorum)
  receipts.inUse(numbersOf(loaded.books))

  const follow = following(receipts, events)
  const reload = Effect.uninterruptible(Effect.gen(function*() {
    const made = doubtful !== undefined && (yield* Doubt.isMade(store, doubtful.writes)) ? doubtful : undefined
    const before = loaded.books
    loaded = yield* load(options)
    doubtful = undefined
    journal.ids.drop(loaded.ids)
    receipts.inUse(numbersOf(loaded.books))
    if (made !== undefined) yield* follow(before, loaded, made)
    journal.withdrawals.tell("unknown")
  }))

  /** What failed may be durable all the same: then it is shown, and sent. Where even that can not be read, later. */
  const lookAgain = Effect.ignore(Effect.andThen(reload, Effect.sync(changed.raise)))

  const commit = Effect.fnUntraced(function*<A>(change: Change<A>): Effect.fn.Return<A, StoreFailed> {
    doubtful = change
    const changes = journal.ids.changesIn(change.writes)
    const row = journal.ids.rowFor(changes)
    if (change.writes.length > 0) yield* store.commit(row === undefined ? change.writes : [...change.writes, row])
    doubtful = undefined
    const before = loaded.books
    loaded = { ...loaded, books: change.books }
    journal.ids.follow(changes, row)
    yield* follow(before, loaded, change)
    changed.raise()
    return change.value
  })

  const journal: Journal = {
    ...receipts,
    crypto,
    store,
    keystore,
    identity,
    quorum,
    changed,
    events,
    ids: new IdSet(loaded.ids, options.savedIdsMin),
    withdrawals: Withdrawals.make(),
    undecided: Undecided.make(changed),
    books: () => loaded.books,
    unsent: (relay) => loaded.coverage.unsent(relay),
    lackedBy: (atLeast, offers) => loaded.coverage.lackedBy(atLeast, offers),
    update: (change) =>
      Effect.suspend(() => doubtful === undefined ? Effect.void : reload).pipe(
        Effect.andThen(Effect.suspend(() => change(loaded.books))),
        Effect.flatMap((made) => Effect.uninterruptible(Effect.tapError(commit(made), () => lookAgain))),
        (change) => permit.withPermit(change)
      ),
    markUnsent: (relay, ordinal) => loaded.coverage.markUnsent(relay, ordinal),
    markSent: (relay, ordinal) => loaded.coverage.markSent(relay, ordinal)
  }
  return journal
})

/** What follows from a change whose rows are durable, once the books are those after it. */
const following =
  (receipts: Receipts.Receipts, events: PubSub.PubSub<ClientEvent>) =>
  (before: Books, { books, coverage }: Loaded, change: Pick<Change<unknown>, "committed" | "events">) => {
    if (relaysDiffer(before, books)) {
      const numbers = numbersOf(books)
      coverage.keep(numbers)
      receipts.inUse(numbers)
    }
    change.committed?.()
    for (const passed of passedBetween(before, books, coverage)) receipts.offered(passed)
    return PubSub.publishAll(events, change.events ?? [])
  }

/** Numbers of the relays in use. */
export const numbersOf = ({ bookByHex }: Books): ReadonlySet<number> =>
  new Set([...bookByHex.values()].map(({ number }) => number))

/** Where relays have come to be offered less: what one does not lack it has, also when it was never sent it. */
const passedBetween = (before: Books, after: Books, coverage: Coverage.Coverage): ReadonlyArray<Receipts.Passed> => {
  if (before.bookByHex === after.bookByHex) return []
  return [...after.bookByHex].flatMap(([hex, { mark, number, relay }]) => {
    const was = before.bookByHex.get(hex)
    if (was === undefined || was.number !== number || was.mark.offered >= mark.offered) return []
    const lacking = coverage.unsent(number)
    return [{
      relay: number,
      after: was.mark.offered,
      through: mark.offered,
      at: { relay, position: mark.head?.body.position ?? mark.cursor },
      lacks: (ordinal: number) => lacking.has(ordinal)
    }]
  })
}

const relaysDiffer = (before: Books, after: Books): boolean => {
  if (before.bookByHex === after.bookByHex) return false
  const numbers = numbersOf(before)
  return numbers.size !== after.bookByHex.size ||
    [...after.bookByHex.values()].some(({ number }) => !numbers.has(number))
}

// -- reading everything back -------------------------------------------------------------------------------------------

const SCAN_ROWS = 512
/** Rows that hold envelopes: a page of them has to fit memory also when all are as large as they may be. */
const SCAN_ENVELOPES = 16

/** A row and its key. */
export interface Row<K, A> {
  readonly key: K
  readonly row: A
}

/** Of every row of a table, what `pick` takes of it, page by page. */
const collect = Effect.fnUntraced(function*<K, A, B>(
  store: Store["Service"],
  table: Ledger.Table<K, A>,
  options: { readonly within?: Uint8Array; readonly limit: number; readonly pick: (row: Row<K, A>) => B }
): Effect.fn.Return<ReadonlyArray<B>, StoreFailed> {
  const { limit, pick, within } = options
  const all: Array<B> = []
  let after: K | undefined
  while (true) {
    const page: ReadonlyArray<Row<K, A>> = yield* table.scan(store, {
      limit,
      ...(within === undefined ? {} : { within }),
      ...(after === undefined ? {} : { after })
    })
    for (const row of page) all.push(pick(row))
    after = page.at(-1)?.key
    if (page.length < limit) return all
  }
})

/** Every row of a table of small rows. */
export const scanAll = <K, A>(
  store: Store["Service"],
  table: Ledger.Table<K, A>,
  within?: Uint8Array
): Effect.Effect<ReadonlyArray<Row<K, A>>, StoreFailed> =>
  collect(store, table, { limit: SCAN_ROWS, pick: (row) => row, ...(within === undefined ? {} : { within }) })

const damaged = (detail: string) => new StoreFailed({ reason: "corrupt", operation: "read the books", detail })

interface Loaded {
  readonly books: Books
  readonly ids: IdSnapshot.Saved
  readonly coverage: Coverage.Coverage
}

const load = Effect.fnUntraced(function*(options: Options) {
  const { crypto, keystore, store } = options
  const state = yield* Directory.readState({ crypto, keystore, store })
  const meta = yield* Ledger.meta.get(store, "")
  if (state === undefined || meta === undefined) return yield* damaged("no space")
  if (meta.version !== Ledger.LAYOUT_VERSION) return yield* damaged(`layout ${meta.version}`)
  const bookByHex = new Map<string, Book>()
  const unsent: Array<readonly [Ledger.RelayNumber, ReadonlyArray<number>]> = []
  for (const { key: number, row } of yield* scanAll(store, Ledger.relay)) {
    const mark = yield* Ledger.mark.get(store, number)
    if (mark === undefined) return yield* damaged("a relay without its mark")
    bookByHex.set(Bytes.toHex(row.address.key), { number, relay: row.address.key, row, mark })
    const rows = yield* scanAll(store, Ledger.outbox, Ledger.withinRelay(number))
    unsent.push([number, rows.map(({ key }) => key.ordinal)])
  }
  const deferred = (yield* scanAll(store, Ledger.deferred)).map(({ row }) => row)
  const refused = yield* collect(store, Ledger.refused, {
    limit: SCAN_ENVELOPES,
    pick: ({ key: id, row: { sinceMillis } }) => ({ id, sinceMillis })
  })
  const oldestFirst = [...refused].sort((a, b) => a.sinceMillis - b.sinceMillis)
  const chains = Chain.fromStored(yield* readChains(store))
  const waiting = yield* collect(store, Ledger.waiting, {
    limit: SCAN_ENVELOPES,
    pick: ({ key: id, row: { reason, sizeBytes } }): Aside => ({ id, reason, sizeBytes, held: false })
  })
  const waitingByHex = new Map(waiting.map((aside) => [Bytes.toHex(aside.id), aside]))
  const books: Books = {
    state,
    meta,
    chains,
    bookByHex,
    waitingByHex,
    deferred,
    refused: oldestFirst.map(({ id }) => id)
  }
  const loaded: Loaded = { books, ids: yield* IdSnapshot.look(store), coverage: Coverage.make(unsent) }
  return loaded
})

const readChains = Effect.fnUntraced(function*(store: Store["Service"]) {
  const chains: Array<ChainLink.Chain> = []
  for (const { row } of yield* scanAll(store, Ledger.chain)) {
    const chain = ChainLink.decode(row)
    if (Result.isFailure(chain)) return yield* damaged("a chain")
    chains.push(chain.success)
  }
  return chains
})
