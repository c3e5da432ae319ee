/**
 * What this device writes (protocol.md §4, §7): pushes that meet become the entries of one batch, and are durable, with
 * the chains that they continue and the clock, in one commit before any of them is answered and before any network.
 *
 * 1. A push that was answered survives a crash at any moment; one that was not may be there or not, whole.
 * 2. A sequence number is in the store before its entry can be sent: none is ever used for two entries.
 * 3. Whoever pushes faster than storage takes waits: at most `QUEUED_MAX` pushes stand in line.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type { Head } from "@sotto/schema/Head"
import type { Hlc } from "@sotto/schema/Hlc"
import { type DeviceId, type EntryHash, type EnvelopeId, Position, type Seq } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { type MemberOp, ROLE } from "@sotto/schema/Space"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { Closed, NotWriter, OutboxFull, type QuarantineFull, TooLarge } from "../ClientError.ts"
import type { EntropyUnavailable } from "../Crypto.ts"
import * as Entropy from "../internal/entropy.ts"
import type { KeystoreFailed } from "../Keystore.ts"
import { hasRole, type MembershipRefused } from "../space/Membership.ts"
import * as SpaceState from "../space/SpaceState.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Batch from "./Batch.ts"
import * as Chain from "./Chain.ts"
import * as ChainLink from "./ChainLink.ts"
import { type Cursor, Ordinal } from "./Cursor.ts"
import * as Directory from "./Directory.ts"
import type { Books, Change, Journal } from "./Journal.ts"
import * as Judgement from "./Judgement.ts"
import * as Ledger from "./Ledger.ts"
import * as MemberLog from "./MemberLog.ts"
import * as Quorum from "./Quorum.ts"

/** Pushes that may stand in line. */
const QUEUED_MAX = 4096
/** Entries tell others what relays signed at most this often: a head takes a bucket of padding of its own. */
const GOSSIP_MILLIS = 1000

/** Why a push was not written. */
export type PushFailed =
  | TooLarge
  | Batch.TransactionRefused
  | OutboxFull
  | NotWriter
  | Closed
  | EntropyUnavailable
  | KeystoreFailed
  | StoreFailed

export type AddMemberFailed = MembershipRefused | PushFailed | QuarantineFull

/** Where a pushed value goes. */
export interface PushOptions {
  /** "" unless given: the collection of what has none. */
  readonly collection?: string
  /** "" unless given: an item of its own. */
  readonly key?: string
  /** Entries of the heads that this supersedes, by their hash. */
  readonly parents?: ReadonlyArray<EntryHash>
}

/** What `push` answers: the entry is durable on this device. */
export interface Receipt {
  readonly ordinal: Ordinal
  readonly id: EnvelopeId
  /** The entry's name, which operations that supersede these have as a parent. */
  readonly hash: EntryHash
  readonly device: DeviceId
  readonly seq: Seq
  readonly hlc: Hlc
  /** Place of the first of the pushed operations among the entry's: several pushes may share an entry. */
  readonly index: number
  /**
   * Waits until as many relays have it durably as the device's quorum asks for, one unless set, together with the entry
   * whose signature covers it, without which no device takes it. Answers where the first of them has it, or, for one
   * that had it already from another device, up to where. It may be asked for any number of times.
   */
  readonly stored: Effect.Effect<Cursor, Closed>
}

/** The operation that `push` writes. */
export const putOp = (value: Uint8Array, { collection = "", key = "", parents = [] }: PushOptions = {}): Op => ({
  collection,
  key,
  parents,
  action: { _tag: "Put", value }
})

export interface Outbox {
  /** Writes operations, all of them or none, in one entry. */
  readonly push: (ops: Batch.Transaction) => Effect.Effect<Receipt, PushFailed>
  /** Applies a membership operation and writes it, in one commit, which takes back what it says does not count. */
  readonly pushMember: (op: MemberOp) => Effect.Effect<Receipt, AddMemberFailed>
}

/** A push in line. */
interface Waiting {
  readonly ops: Batch.Transaction
  readonly done: Deferred.Deferred<Receipt, PushFailed>
  /** Whoever pushed went away before it was taken. */
  cancelled: boolean
}

/** Starts writing; stops with the scope, after what was taken is written. */
export const make = Effect.fn("Outbox.make")(function*(journal: Journal) {
  const queue = yield* Queue.bounded<Waiting, Closed>(QUEUED_MAX)
  const gossip = makeGossip()
  const writeNext = Effect.flatMap(
    Queue.takeBetween(queue, 1, Limit.opsMax),
    (first) => Effect.uninterruptible(Effect.flatMap(gather(queue, first), (all) => write(journal, gossip, all)))
  )
  yield* Effect.forkScoped(Effect.ignore(Effect.forever(writeNext)))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      const left = yield* Effect.orElseSucceed(Queue.clear(queue), () => new Array<Waiting>())
      for (const { done } of left) yield* Deferred.fail(done, new Closed())
      yield* Queue.fail(queue, new Closed())
    })
  )
  const outbox: Outbox = {
    push: (ops) =>
      Effect.suspend(() => {
        const tooLarge = sizeError(ops)
        if (tooLarge !== undefined) return Effect.fail(tooLarge)
        const waiting: Waiting = { ops, done: Deferred.makeUnsafe(), cancelled: false }
        return Effect.flatMap(
          Queue.offer(queue, waiting),
          (taken) => taken ? Deferred.await(waiting.done) : Effect.fail(new Closed())
        ).pipe(Effect.onInterrupt(() =>
          Effect.sync(() => {
            waiting.cancelled = true
          })
        ))
      }),
    pushMember: (op) => journal.update((books) => appendMember(journal, books, gossip, op))
  }
  return outbox
})

/** Everything that is pushed while this looks around: as long as more comes, and at most `Limit.flushMillis`. */
const gather = Effect.fnUntraced(function*(
  queue: Queue.Dequeue<Waiting, Closed>,
  first: ReadonlyArray<Waiting>
): Effect.fn.Return<ReadonlyArray<Waiting>> {
  const all = [...first]
  const until = (yield* Clock.currentTimeMillis) + Limit.flushMillis
  while (all.length < Limit.opsMax) {
    yield* Effect.yieldNow
    const more = yield* Effect.orElseSucceed(Queue.clear(queue), () => new Array<Waiting>())
    all.push(...more)
    if (more.length === 0 || (yield* Clock.currentTimeMillis) >= until) break
  }
  return all.filter(({ cancelled }) => !cancelled)
})

/** Writes what was taken, and answers each. One transaction that no entry can hold does not keep the others back. */
const write = Effect.fnUntraced(function*(journal: Journal, gossip: Gossip, all: ReadonlyArray<Waiting>) {
  let left = all
  while (left.length > 0) {
    const transactions = left.map(({ ops }) => ops)
    const written = yield* Effect.exit(journal.update((books) => append(journal, books, gossip, transactions)))
    const refused = Exit.isSuccess(written) ? undefined : Option.getOrUndefined(Cause.findErrorOption(written.cause))
    const at = refused?._tag === "TransactionRefused" ? refused.index : -1
    left.forEach(({ done }, index) => {
      if (at < 0 || index === at) Deferred.doneUnsafe(done, receiptOf(written, index))
    })
    left = at < 0 ? [] : left.filter((_, index) => index !== at)
  }
})

const receiptOf = <E>(written: Exit.Exit<ReadonlyArray<Receipt>, E>, index: number): Effect.Effect<Receipt, E> => {
  if (Exit.isFailure(written)) return Effect.failCause(written.cause)
  const receipt = written.value[index]
  return receipt === undefined ? Effect.die("a transaction without an entry") : Effect.succeed(receipt)
}

// -- one commit --------------------------------------------------------------------------------------------------------

type AppendFailed = Batch.TransactionRefused | OutboxFull | NotWriter | EntropyUnavailable

/** The entries of some transactions, and the rows that keep them. Answers a receipt for each transaction. */
const append = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  gossip: Gossip,
  transactions: ReadonlyArray<Batch.Transaction>
): Effect.fn.Return<Change<ReadonlyArray<Receipt>>, AppendFailed> {
  const { crypto, identity } = journal
  const { state } = books
  if (!hasRole(state.membership, identity.id, ROLE.write)) return yield* new NotWriter()
  const pending = pendingOf(journal, books)
  if (pending >= Limit.outboxEntriesMax) return yield* new OutboxFull({ pending })
  const nowMillis = yield* Clock.currentTimeMillis
  const lastHead = gossip.next(books, nowMillis)
  const built = yield* Entropy.attempt(() =>
    Batch.build({
      crypto,
      state,
      author: identity,
      transactions,
      chains: books.chains,
      clock: books.meta.hlc,
      nowMillis,
      lastHead
    })
  )
  const batch = yield* Effect.fromResult(built)
  const relays = [...books.bookByHex.values()]
  const writes: Array<Write> = []
  const chainByKey = new Map<string, ChainLink.Chain>()
  const ordinals: Array<Ordinal> = []
  let { ordinal } = books.meta
  for (const { bytes, id, lane } of batch.entries) {
    ordinal = Ordinal.make(ordinal + 1)
    ordinals.push(ordinal)
    writes.push(Ledger.entry.put(ordinal, { ...NO_PLACE, envelope: bytes }))
    writes.push(Ledger.known.put(id, { _tag: "Accepted", ordinal }))
    for (const { number } of relays) writes.push(Ledger.outbox.put({ relay: number, ordinal }, id))
    const key = Chain.keyOf(identity.id, lane)
    const chain = batch.chains.chainByKey.get(key)
    if (chain !== undefined) chainByKey.set(key, chain)
  }
  for (const chain of chainByKey.values()) writes.push(Ledger.chain.put(chain, ChainLink.encode(chain)))
  const meta = { ...books.meta, ordinal, hlc: batch.clock }
  writes.push(Ledger.meta.put("", meta))
  return {
    books: { ...books, chains: batch.chains, meta },
    writes,
    value: receipts(journal, batch.entries, ordinals, transactions.length),
    committed: () => {
      gossip.told(lastHead, nowMillis)
      for (const { number } of relays) for (const one of ordinals) journal.markUnsent(number, one)
    }
  }
})

const NO_PLACE = { relay: Ledger.RelayNumber.make(0), position: Position.make(0) }

/**
 * Entries in the outboxes that too few relays have. Without a relay there is nowhere to send them, and no bound; nor is
 * there one for what a new relay is offered, which was here before.
 */
const pendingOf = ({ lackedBy, quorum }: Journal, { bookByHex }: Books): number =>
  bookByHex.size === 0 ? 0 : lackedBy(Quorum.lacking(quorum, bookByHex.size), [])

const receipts = (
  journal: Journal,
  entries: ReadonlyArray<Batch.SealedEntry>,
  ordinals: ReadonlyArray<Ordinal>,
  count: number
): ReadonlyArray<Receipt> => {
  const all: Array<Receipt> = []
  const device: DeviceId = journal.identity.id
  const signedIn = signedInOf(entries)
  entries.forEach(({ hash, hlc, id, seq, transactions }, at) => {
    const ordinal = ordinals[at]
    if (ordinal === undefined) return
    const stored = journal.whenStored(ordinal, ordinals[signedIn[at] ?? at] ?? ordinal)
    transactions.forEach((transaction, index) => {
      all[transaction] ??= { ordinal, id, hash, device, seq, hlc, index, stored: Deferred.await(stored) }
    })
  })
  return all.slice(0, count)
}

/** For each entry, where the signature is that covers it: in it, or in the next signed one of its lane. */
const signedInOf = (entries: ReadonlyArray<Batch.SealedEntry>): ReadonlyArray<number> => {
  const signedByLane = new Map<string, number>()
  return entries.map((_, at) => entries.length - 1 - at).map((at) => {
    const entry = entries[at]
    const lane = entry === undefined ? "" : Bytes.toHex(entry.lane)
    if (entry?.signed === true) signedByLane.set(lane, at)
    return signedByLane.get(lane) ?? at
  }).reverse()
}

const appendMember = Effect.fnUntraced(function*(
  journal: Journal,
  before: Books,
  gossip: Gossip,
  op: MemberOp
): Effect.fn.Return<
  Change<Receipt>,
  AppendFailed | MembershipRefused | StoreFailed | KeystoreFailed | QuarantineFull
> {
  const { crypto, identity } = journal
  const state = MemberLog.openEpochs(
    crypto,
    identity,
    yield* Effect.fromResult(SpaceState.applyOp(crypto, before.state, op))
  )
  const transaction: Batch.Transaction = [{ collection: "", key: "", parents: [], action: { _tag: "Control", op } }]
  const change = yield* append(journal, before, gossip, [transaction])
  const [receipt] = change.value
  if (receipt === undefined) return yield* Effect.die("a transaction without an entry")
  const stateWrite = yield* Directory.stateWrite(journal, state)
  const { books, committed, events, writes } = yield* Judgement.cut(journal, { ...change.books, state })
  return {
    books,
    writes: [...change.writes, stateWrite, ...writes],
    value: receipt,
    events,
    committed: () => {
      change.committed?.()
      committed()
    }
  }
})

// -- what an entry can hold --------------------------------------------------------------------------------------------

const sizeError = (ops: ReadonlyArray<Op>): TooLarge | undefined => {
  for (const { action, collection, key, parents } of ops) {
    const checks = [
      { what: "value", size: action._tag === "Put" ? action.value.length : 0, max: Limit.inlineValueBytesMax },
      { what: "collection", size: Utf8.encode(collection).length, max: Limit.collectionBytesMax },
      { what: "key", size: Utf8.encode(key).length, max: Limit.keyBytesMax },
      { what: "parents", size: parents.length, max: Limit.parentsMax }
    ] as const
    for (const { max, size, what } of checks) if (size > max) return new TooLarge({ what, size, max })
  }
  return undefined
}

// -- gossip ------------------------------------------------------------------------------------------------------------

/** Which head the next entry shows to the others: the newest, when it says something new. */
interface Gossip {
  readonly next: (books: Books, nowMillis: number) => Head | null
  readonly told: (head: Head | null, nowMillis: number) => void
}

const makeGossip = (): Gossip => {
  let last: Head | undefined
  let lastMillis = -Infinity
  return {
    next: ({ bookByHex }, nowMillis) => {
      if (nowMillis - lastMillis < GOSSIP_MILLIS && nowMillis >= lastMillis) return null
      let newest: Head | null = null
      for (const { mark: { head } } of bookByHex.values()) {
        if (head !== null && (newest === null || head.body.millis > newest.body.millis)) newest = head
      }
      return newest === null || (last !== undefined && Bytes.equals(last.signature, newest.signature)) ? null : newest
    },
    told: (head, nowMillis) => {
      if (head === null) return
      last = head
      lastMillis = nowMillis
    }
  }
}
