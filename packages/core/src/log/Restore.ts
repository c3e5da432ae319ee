/**
 * What happens when this device's storage was restored from an older copy (protocol.md §7): entries that it had signed,
 * and has forgotten, come back from a relay.
 *
 * They are taken as they are. Entries that it wrote meanwhile, without knowing of them, stand at the same places of its
 * chains. As long as no relay has those, nobody has seen them: they are taken back, and written again after the ones that
 * came. That is why a device reads what a relay has before it sends anything, the first time after it was opened.
 *
 * An entry is this device's own if it, or a later one chained to it by `prev`, bears its signature. On the others every
 * member could have written its name. Those before the last one of a batch have none, and wait until that one is here.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type * as Hlc from "@sotto/schema/Hlc"
import { type EntryHash, type EnvelopeId, Position, Seq } from "@sotto/schema/Id"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { EntropyUnavailable } from "../Crypto.ts"
import * as Entropy from "../internal/entropy.ts"
import type { SpaceState } from "../space/SpaceState.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as Batch from "./Batch.ts"
import * as Chain from "./Chain.ts"
import * as ChainLink from "./ChainLink.ts"
import { Ordinal } from "./Cursor.ts"
import type { Books, Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Sealing from "./Sealing.ts"

/** An entry that is taken back, to be written again. */
export interface TakenBack {
  readonly ordinal: Ordinal
  readonly id: EnvelopeId
  readonly hash: EntryHash
  readonly ops: ReadonlyArray<Op>
  readonly row: Ledger.EntryRow
}

export interface Rewound {
  readonly chains: Chain.Chains
  readonly takenBack: ReadonlyArray<TakenBack>
  /** Keys of the chains that went back. */
  readonly changed: ReadonlyArray<string>
  /** Entries in this device's name of which a signature that is not here has yet to say whether they are its own. */
  readonly undecided: ReadonlySet<Sealing.OpenedEnvelope>
}

/** What came from a relay. */
export interface Came {
  /** What is new, opened; entries of it that are this device's own are ones that it does not know. */
  readonly page: ReadonlyArray<Sealing.OpenedEnvelope>
  /** Ordinals of what was known and came with it. */
  readonly seen: ReadonlySet<number>
}

/** Takes back what stands where entries of this device came in, and no relay has. */
export const rewind = Effect.fnUntraced(function*(
  journal: Journal,
  books: Books,
  state: SpaceState,
  before: Chain.Chains,
  { page, seen }: Came
): Effect.fn.Return<Rewound, StoreFailed> {
  const lanes = [...lanesOf(journal, before, page)].filter(([, { astray }]) => astray)
  if (lanes.length === 0) return { chains: before, takenBack: [], changed: [], undecided: new Set() }
  const chainByKey = new Map(before.chainByKey)
  let { heldCount } = before
  const takenBack: Array<TakenBack> = []
  const changed: Array<string> = []
  const undecided = new Set<Sealing.OpenedEnvelope>()
  const entries = yield* readUnseen(journal, state, unseenOf(journal, books, seen))
  for (const [key, { chain, came }] of lanes) {
    const written = entries.filter(({ opened }) => keyOf(opened) === key)
    const [oldest] = written.sort((a, b) => a.opened.entry.seq - b.opened.entry.seq)
    if (chain === undefined || oldest === undefined) continue
    const from = oldest.opened.entry
    const { isKnown, waiting } = decide(chain, from.seq, came, signedOf(journal, state, came))
    for (const opened of waiting) undecided.add(opened)
    const held = new Map([...chain.held].filter(([, { opened }]) => !waiting.has(opened)))
    chainByKey.set(key, { ...isKnown ? backTo(chain, from.seq, from.prev) : chain, held })
    heldCount += held.size - chain.held.size
    if (!isKnown) continue
    changed.push(key)
    for (const { opened, ordinal, row } of written) {
      takenBack.push({ ordinal, row, id: opened.id, hash: opened.hash, ops: opened.entry.ops })
    }
  }
  takenBack.sort((a, b) => a.ordinal - b.ordinal)
  return { chains: { chainByKey, heldCount }, takenBack, changed, undecided }
})

/** Ordinals of what no relay has, as far as is known: it is in the outbox of each, and did not come with this page. */
const unseenOf = (journal: Journal, { bookByHex }: Books, seen: ReadonlySet<number>): ReadonlyArray<number> => {
  const [first, ...others] = [...bookByHex.values()].map(({ number }) => journal.unsent(number))
  return [...first ?? []].filter((ordinal) => !seen.has(ordinal) && others.every((set) => set.has(ordinal)))
}

/** One of this device's chains, and what came of it without being known: just now, or what it holds since earlier. */
interface Lane {
  readonly chain: ChainLink.Chain | undefined
  readonly came: Array<Sealing.OpenedEnvelope>
  /** Some of it is where the chain has been. */
  astray: boolean
}

const lanesOf = (
  { identity }: Journal,
  { chainByKey, heldCount }: Chain.Chains,
  page: ReadonlyArray<Sealing.OpenedEnvelope>
): ReadonlyMap<string, Lane> => {
  const lanes = new Map<string, Lane>()
  const add = (key: string, opened: Sealing.OpenedEnvelope): void => {
    const chain = chainByKey.get(key)
    const lane: Lane = lanes.get(key) ?? { chain, came: [], astray: false }
    lanes.set(key, lane)
    lane.came.push(opened)
    lane.astray ||= !ChainLink.mayGoOn(chain?.head, opened)
  }
  for (const opened of page) if (Bytes.equals(opened.entry.device, identity.id)) add(keyOf(opened), opened)
  for (const [key, { device, held }] of heldCount === 0 ? [] : chainByKey) {
    if (held.size === 0 || !Bytes.equals(device, identity.id)) continue
    for (const { opened } of held.values()) add(key, opened)
  }
  return lanes
}

/** Whether something that this device signed stands where `from` and what follows it stand; and what has to wait for that. */
const decide = (
  { head }: ChainLink.Chain,
  from: number,
  came: ReadonlyArray<Sealing.OpenedEnvelope>,
  signed: ReadonlySet<Sealing.OpenedEnvelope>
): { readonly isKnown: boolean; readonly waiting: ReadonlySet<Sealing.OpenedEnvelope> } => {
  const here = came.filter(({ entry }) => entry.seq >= from)
  const isKnown = here.some((opened) => signed.has(opened) && opened.entry.seq <= (head?.seq ?? 0))
  const waits = (opened: Sealing.OpenedEnvelope): boolean =>
    signed.has(opened) ? !isKnown && !ChainLink.mayGoOn(head, opened) : opened.entry.signature === null
  return { isKnown, waiting: new Set(here.filter(waits)) }
}

const keyOf = ({ entry, header }: Sealing.OpenedEnvelope): string => Chain.keyOf(entry.device, header.lane)

/** The entries of a chain that this device signed, by themselves or with a later one of them. */
const signedOf = (
  journal: Journal,
  state: SpaceState,
  all: ReadonlyArray<Sealing.OpenedEnvelope>
): ReadonlySet<Sealing.OpenedEnvelope> => {
  const byHash = new Map(all.map((opened) => [Bytes.toHex(opened.hash), opened]))
  const signed = new Set<Sealing.OpenedEnvelope>()
  for (const closing of all) {
    if (!isSigned(journal, state, closing)) continue
    let current: Sealing.OpenedEnvelope | undefined = closing
    while (current !== undefined && !signed.has(current)) {
      signed.add(current)
      const { prev, seq }: Sealing.OpenedEnvelope["entry"] = current.entry
      const parent = byHash.get(Bytes.toHex(prev))
      current = parent?.entry.seq === seq - 1 ? parent : undefined
    }
  }
  return signed
}

/** An entry of this device that no relay has. */
interface Unseen {
  readonly ordinal: Ordinal
  readonly row: Ledger.EntryRow
  readonly opened: Sealing.OpenedEnvelope
}

const readUnseen = Effect.fnUntraced(function*(
  { crypto, store }: Journal,
  state: SpaceState,
  ordinals: ReadonlyArray<number>
): Effect.fn.Return<ReadonlyArray<Unseen>, StoreFailed> {
  const entries: Array<Unseen> = []
  for (const number of ordinals) {
    const ordinal = Ordinal.make(number)
    const row = yield* Ledger.entry.get(store, ordinal)
    const opened = row === undefined ? undefined : Sealing.open(crypto, state, row.envelope)
    if (row === undefined || opened === undefined || Result.isFailure(opened)) continue
    entries.push({ ordinal, row, opened: opened.success })
  }
  return entries
})

/** Any member can seal what bears this device's name; only this device can have signed it. */
const isSigned = (
  { crypto, identity }: Journal,
  { keys }: SpaceState,
  { entry: { signature }, hash }: Sealing.OpenedEnvelope
): boolean =>
  signature !== null &&
  crypto.signature.verify(identity.certificate.body.signing, Sealing.signedBytes(keys, hash), signature)

/** The chain as it stood before the entry `seq`, whose `prev` this is. */
const backTo = (chain: ChainLink.Chain, seq: number, prev: ChainLink.Head["hash"]): ChainLink.Chain => {
  if (seq === 1 || chain.head === undefined) return { ...chain, head: undefined, recent: [] }
  const kept = chain.recent.slice(0, Math.max(0, chain.recent.length - (chain.head.seq - seq + 1)))
  return { ...chain, head: { seq: Seq.make(seq - 1), hash: prev }, recent: kept.length === 0 ? [prev] : kept }
}

export interface Reissued {
  readonly chains: Chain.Chains
  readonly hlc: Hlc.Hlc
  readonly ordinal: Ordinal
  readonly writes: ReadonlyArray<Write>
  /** Done once the rows are durable. */
  readonly committed: () => void
}

/** Writes what was taken back again, after everything that is in the books now. */
export const reissue = Effect.fnUntraced(function*(
  journal: Journal,
  { bookByHex }: Books,
  state: SpaceState,
  from: { readonly chains: Chain.Chains; readonly hlc: Hlc.Hlc; readonly ordinal: Ordinal },
  takenBack: ReadonlyArray<TakenBack>
): Effect.fn.Return<Reissued, EntropyUnavailable> {
  const { crypto, identity } = journal
  const nowMillis = yield* Clock.currentTimeMillis
  const numbers = [...bookByHex.values()].map(({ number }) => number)
  const hashByOld = new Map<string, EntryHash>()
  const ordinals: Array<readonly [before: Ordinal, after: Ordinal]> = []
  const writes: Array<Write> = []
  let { chains, hlc, ordinal } = from
  for (const { hash: oldHash, id: oldId, ops, ordinal: oldOrdinal, row } of takenBack) {
    const moved = ops.map((op) => ({
      ...op,
      parents: op.parents.map((parent) => hashByOld.get(Bytes.toHex(parent)) ?? parent)
    }))
    const built = yield* Entropy.attempt(() =>
      Batch.build({
        crypto,
        state,
        author: identity,
        transactions: [moved],
        chains,
        clock: hlc,
        nowMillis,
        lastHead: null
      })
    )
    // What fitted an entry once fits one again.
    const batch = yield* Effect.orDie(Effect.fromResult(built))
    chains = batch.chains
    hlc = batch.clock
    writes.push(Ledger.entry.remove(oldOrdinal), Ledger.withdrawn.put(oldOrdinal, row), Ledger.known.remove(oldId))
    for (const relay of numbers) writes.push(Ledger.outbox.remove({ relay, ordinal: oldOrdinal }))
    for (const { bytes, hash, id } of batch.entries) {
      ordinal = Ordinal.make(ordinal + 1)
      ordinals.push([oldOrdinal, ordinal])
      hashByOld.set(Bytes.toHex(oldHash), hash)
      writes.push(Ledger.entry.put(ordinal, { ...NO_PLACE, envelope: bytes }))
      writes.push(Ledger.known.put(id, { _tag: "Accepted", ordinal }))
      for (const relay of numbers) writes.push(Ledger.outbox.put({ relay, ordinal }, id))
    }
  }
  const committed = () => {
    for (const [before, after] of ordinals) {
      for (const relay of numbers) {
        journal.markSent(relay, before)
        journal.markUnsent(relay, after)
      }
      journal.moved(before, after)
    }
  }
  return { chains, hlc, ordinal, writes, committed }
})

const NO_PLACE = { relay: Ledger.RelayNumber.make(0), position: Position.make(0) }
