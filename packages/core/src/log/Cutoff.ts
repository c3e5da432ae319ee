/**
 * Entries that were accepted, and that a removal which became known later says were written after their author was out
 * (protocol.md §9). Every device comes to the same set whatever it heard of first, so what stands after the cut-off is
 * taken back: out of the log, into the refused ones, its chain back to where the cut-off says.
 *
 * What this device itself wrote stays: it may have been removed, but what its owner wrote is its owner's.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type DeviceId, type EnvelopeId, Seq } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Membership from "../space/Membership.ts"
import type { SpaceState } from "../space/SpaceState.ts"
import type { StoreFailed } from "../Store.ts"
import * as Chain from "./Chain.ts"
import type { Ordinal } from "./Cursor.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"
import * as Sealing from "./Sealing.ts"

/** An entry to be taken out of the log. */
export interface Retraction {
  readonly device: DeviceId
  readonly id: EnvelopeId
  readonly ordinal: Ordinal
  readonly row: Ledger.EntryRow
}

export interface Retracted {
  readonly chains: Chain.Chains
  /** Keys of the chains that went back. */
  readonly changed: ReadonlyArray<string>
  readonly entries: ReadonlyArray<Retraction>
}

/** Whether an entry stands after its author's cut-off. */
export const isAfter = (
  { membership }: SpaceState,
  own: DeviceId,
  { entry: { device, seq }, header }: Sealing.OpenedEnvelope
): boolean => {
  const end = Bytes.equals(device, own) ? undefined : Membership.cutoffOf(membership, device, header.lane)
  return end !== undefined && seq > end.seq
}

/**
 * Chains back at their cut-offs, and the entries of the log that stand after them. `unwritten` of those that the chains
 * count are not in the log yet.
 */
export const retract = Effect.fnUntraced(function*(
  journal: Pick<Journal, "crypto" | "identity" | "store">,
  state: SpaceState,
  before: Chain.Chains,
  unwritten: number
): Effect.fn.Return<Retracted, StoreFailed> {
  const { membership } = state
  const overruns = Chain.overruns(before, membership).filter(({ device }) => !Bytes.equals(device, journal.identity.id))
  if (overruns.length === 0) return { chains: before, changed: [], entries: [] }
  const chainByKey = new Map(before.chainByKey)
  const changed: Array<string> = []
  let count = -unwritten
  for (const { device, lane, lastSeq } of overruns) {
    const key = Chain.keyOf(device, lane)
    const chain = chainByKey.get(key)
    const end = Membership.cutoffOf(membership, device, lane)
    if (chain?.head === undefined || end === undefined) continue
    count += chain.head.seq - lastSeq
    changed.push(key)
    const head = lastSeq === 0 ? undefined : { seq: Seq.make(lastSeq), hash: end.hash }
    chainByKey.set(key, { ...chain, head, recent: head === undefined ? [] : [head.hash] })
  }
  return { chains: { ...before, chainByKey }, changed, entries: yield* findAfter(journal, state, count) }
})

/** The last `count` entries of the log that stand after a cut-off. */
const findAfter = Effect.fnUntraced(function*(
  { crypto, identity, store }: Pick<Journal, "crypto" | "identity" | "store">,
  state: SpaceState,
  count: number
): Effect.fn.Return<ReadonlyArray<Retraction>, StoreFailed> {
  const entries: Array<Retraction> = []
  let before: Ordinal | undefined
  while (entries.length < count) {
    const rows = yield* Ledger.entry.scan(store, {
      limit: SCAN_ROWS,
      reverse: true,
      ...(before === undefined ? {} : { before })
    })
    for (const { key: ordinal, row } of rows) {
      const opened = Sealing.open(crypto, state, row.envelope)
      if (Result.isFailure(opened) || !isAfter(state, identity.id, opened.success)) continue
      entries.push({ device: opened.success.entry.device, id: opened.success.id, ordinal, row })
    }
    before = rows.at(-1)?.key
    if (rows.length < SCAN_ROWS) break
  }
  return entries
})

/** Rows that are looked at together: they hold envelopes. */
const SCAN_ROWS = 16
