/**
 * The snapshot of a device's sets of ids in its store (protocol.md §2a): what a later process opens instead of going
 * through everything that is known. `Ledger.idState` says which parts belong to it and how far it goes; changes after it
 * are kept with the commits that made them (`Ledger.idChange`), and taken in again.
 *
 * 1. What `SetParts` says of one set holds for both together: they are saved, opened and refused as one.
 * 2. A generation is the pages of two indexes. An index that was made anew begins another one.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import * as SetParts from "../reconcile/SetParts.ts"
import * as Snapshot from "../reconcile/Snapshot.ts"
import type { Store, StoreFailed, Write } from "../Store.ts"
import * as Ledger from "./Ledger.ts"

type StoreService = Store["Service"]

/** Both sets: what this device keeps and may give to others, and what it refused. They go on changing with the books. */
export type Sets = Readonly<Record<Ledger.IdSetName, ReconcileSet.ReconcileSet>>

/** Both sets, in the order in which they are saved. */
export const NAMES: ReadonlyArray<Ledger.IdSetName> = ["kept", "refused"]

/** How many ids there are in both. */
export const countOf = ({ kept, refused }: Sets): number => ReconcileSet.count(kept) + ReconcileSet.count(refused)

// -- what there is -----------------------------------------------------------------------------------------------------

/** What a store has: its snapshot, if there is one, and the number of the last change that was kept. */
export interface Saved {
  readonly base: Ledger.IdStateRow | undefined
  readonly change: number
}

/** A row that does not read is none: what it is of can be made again. */
const orNone = <A>(read: Effect.Effect<A, StoreFailed>): Effect.Effect<A | undefined, StoreFailed> =>
  read.pipe(Effect.catch((error) => error.reason === "corrupt" ? Effect.undefined : Effect.fail(error)))

/** What the store has. */
export const look = Effect.fn("IdSnapshot.look")(function*(
  store: StoreService
): Effect.fn.Return<Saved, StoreFailed> {
  const base = yield* orNone(Ledger.idState.get(store, ""))
  const [last] = yield* Ledger.idChange.look(store, { limit: 1, reverse: true })
  return { base, change: Math.max(base?.through ?? 0, last === undefined ? 0 : Ledger.changeAt(last.at)) }
})

// -- changes -----------------------------------------------------------------------------------------------------------

/** What became of an id. */
export interface Change {
  readonly id: EnvelopeId
  /** The set that has it now, if one has. */
  readonly set: Ledger.IdSetName | undefined
}

/** Applies a change to both sets. */
export const apply = (sets: Sets, { id, set }: Change): void => {
  for (const name of NAMES) {
    if (name === set) ReconcileSet.insert(sets[name], id)
    else ReconcileSet.remove(sets[name], id)
  }
}

/** Of the checksum that a row begins with. */
const CHECK_BYTES = 4
const CHANGE_BYTES = 1 + 32
const TAGS: ReadonlyArray<Ledger.IdSetName | undefined> = [undefined, ...NAMES]

/** The row of a commit's changes. */
export const rowOf = (changes: ReadonlyArray<Change>): Uint8Array => {
  const row = new Uint8Array(CHECK_BYTES + changes.length * CHANGE_BYTES)
  let at = CHECK_BYTES
  for (const { id, set } of changes) {
    row[at] = TAGS.indexOf(set)
    row.set(id, at + 1)
    at += CHANGE_BYTES
  }
  row.set(Bytes.u32(Snapshot.checksumOf(row.subarray(CHECK_BYTES))))
  return row
}

/** The changes of a row; undefined when it is damaged. */
const changesOf = (row: Uint8Array): ReadonlyArray<Change> | undefined => {
  const body = row.subarray(CHECK_BYTES)
  const isWhole = Bytes.equals(row.subarray(0, CHECK_BYTES), Bytes.u32(Snapshot.checksumOf(body)))
  if (!isWhole || body.length % CHANGE_BYTES !== 0) return undefined
  return Array.from({ length: body.length / CHANGE_BYTES }, (_, i): Change => {
    const at = i * CHANGE_BYTES
    return { id: EnvelopeId.make(body.slice(at + 1, at + CHANGE_BYTES)), set: TAGS[body[at] ?? 0] }
  })
}

// -- opening -----------------------------------------------------------------------------------------------------------

type Options = Pick<ReconcileSet.Options, "key" | "keyEpoch">

/** A snapshot that is being opened: its pages, then the changes after it. */
export interface Opening {
  readonly base: Ledger.IdStateRow
  readonly parts: Readonly<Record<Ledger.IdSetName, Snapshot.Opening>>
  /** The sets, once their pages are in; the last change that is in them, and how often an id changed since the snapshot. */
  sets: Sets | undefined
  change: number
  changed: number
}

/** Rows of changes that are read in one step: a few milliseconds of work. */
const STEP_CHANGES = 16

const readerOf =
  (store: StoreService, generation: number, set: Ledger.IdSetName): SetParts.Read<StoreFailed> => (part, number) =>
    orNone(Ledger.idPart.get(store, { generation, set, part, number }))

/** Begins to open the store's snapshot; undefined when it cannot be used. */
export const begin = Effect.fn("IdSnapshot.begin")(function*(
  store: StoreService,
  base: Ledger.IdStateRow,
  options: Options
): Effect.fn.Return<Opening | undefined, StoreFailed> {
  const beginSet = (set: Ledger.IdSetName) =>
    SetParts.begin(
      readerOf(store, base.generation, set),
      { pieces: base[set], position: base.through },
      options
    )
  const kept = yield* beginSet("kept")
  const refused = yield* beginSet("refused")
  return kept === undefined || refused === undefined
    ? undefined
    : { base, parts: { kept, refused }, sets: undefined, change: base.through, changed: 0 }
})

/** What a step of opening came to. */
export type Step = "more" | "whole" | "refused"

/** Goes a step on. Whole is what has every change of the store in it. */
export const open = (store: StoreService, opening: Opening): Effect.Effect<Step, StoreFailed> =>
  opening.sets === undefined ? takePages(store, opening) : takeChanges(store, opening, opening.sets)

const takePages = Effect.fnUntraced(function*(
  store: StoreService,
  opening: Opening
): Effect.fn.Return<Step, StoreFailed> {
  const { base: { generation }, parts } = opening
  const set = NAMES.find((name) => SetParts.isWaiting(parts[name]))
  if (set === undefined) {
    const [kept, refused] = [Snapshot.finish(parts.kept), Snapshot.finish(parts.refused)]
    if (Result.isFailure(kept) || Result.isFailure(refused)) return "refused"
    opening.sets = { kept: kept.success, refused: refused.success }
    return "more"
  }
  return (yield* SetParts.takePages(readerOf(store, generation, set), parts[set])) ? "more" : "refused"
})

const takeChanges = Effect.fnUntraced(function*(
  store: StoreService,
  opening: Opening,
  sets: Sets
): Effect.fn.Return<Step, StoreFailed> {
  const rows = yield* orNone(Ledger.idChange.scan(store, { after: opening.change, limit: STEP_CHANGES }))
  for (const { key, row } of rows ?? []) {
    const changes = changesOf(row)
    // Numbers are given one after the other: one that is left out was lost.
    if (changes === undefined || key !== opening.change + 1) return "refused"
    for (const change of changes) apply(sets, change)
    opening.change = key
    opening.changed += changes.length
  }
  return rows === undefined ? "refused" : rows.length < STEP_CHANGES ? "whole" : "more"
})

// -- writing -----------------------------------------------------------------------------------------------------------

/** The pages that a generation has. */
export interface Pages {
  readonly generation: number
  readonly of: Readonly<Record<Ledger.IdSetName, SetParts.Pages>>
}

/** The pages of a snapshot that was just opened. */
export const pagesOf = ({ base, parts }: Opening): Pages => ({
  generation: base.generation,
  of: { kept: SetParts.pagesOf(parts.kept), refused: SetParts.pagesOf(parts.refused) }
})

/** Whether the pages are those of these sets, as far as they go. */
export const areOf = ({ of }: Pages, sets: Sets): boolean => NAMES.every((name) => SetParts.areOf(of[name], sets[name]))

/** A generation of which nothing is written yet: none of the store's. */
export const newPages = (store: StoreService, { kept, refused }: Sets): Effect.Effect<Pages, StoreFailed> =>
  Effect.map(Ledger.idPart.look(store, { limit: 1, reverse: true }), ([last]) => ({
    generation: last === undefined ? 1 : Ledger.generationAt(last.at) + 1,
    of: { kept: SetParts.noPages(kept), refused: SetParts.noPages(refused) }
  }))

const writesOf = (
  generation: number,
  set: Ledger.IdSetName,
  parts: ReadonlyArray<SetParts.Part>
): ReadonlyArray<Write> =>
  parts.map(({ bytes, number, part }) => Ledger.idPart.put({ generation, set, part, number }, bytes))

/** Rows that make the next pages durable, and the pages then; undefined when all full ones are. */
export const nextPages = (
  { generation, of }: Pages,
  sets: Sets
): { readonly pages: Pages; readonly writes: ReadonlyArray<Write> } | undefined => {
  for (const set of NAMES) {
    const next = SetParts.nextPages(of[set], sets[set])
    if (next === undefined) continue
    return {
      pages: { generation, of: { ...of, [set]: next.pages } },
      writes: writesOf(generation, set, next.parts)
    }
  }
  return undefined
}

/** Rows that make a snapshot of the sets as they are after a change, once all full pages are durable. */
export const stateWrites = (
  { generation }: Pages,
  sets: Sets,
  through: number
): { readonly base: Ledger.IdStateRow; readonly writes: ReadonlyArray<Write> } => {
  const kept = SetParts.stateParts(sets.kept, through)
  const refused = SetParts.stateParts(sets.refused, through)
  const base = { generation, through, ids: countOf(sets), kept: kept.pieces, refused: refused.pieces }
  return {
    base,
    writes: [
      ...writesOf(generation, "kept", kept.parts),
      ...writesOf(generation, "refused", refused.parts),
      Ledger.idState.put("", base)
    ]
  }
}

/** The row that takes a snapshot back. What it leaves behind goes with the next one's. */
export const discard: Write = Ledger.idState.remove("")

/** Rows that are deleted together. */
const STEP_LEFT = 256

/** Deletions of what a snapshot made useless, some at a time: older changes, and parts of older generations. */
export const leftOver = Effect.fn("IdSnapshot.leftOver")(function*(
  store: StoreService,
  { generation, through }: Ledger.IdStateRow
): Effect.fn.Return<ReadonlyArray<Write>, StoreFailed> {
  const changes = yield* Ledger.idChange.look(store, { limit: STEP_LEFT })
  const old = changes.filter(({ at }) => Ledger.changeAt(at) <= through)
  if (old.length > 0) return old.map(({ at }) => ({ key: at }))
  const parts = yield* Ledger.idPart.look(store, { limit: SetParts.STEP_PARTS })
  return parts.filter(({ at }) => Ledger.generationAt(at) < generation).map(({ at }) => ({ key: at }))
})
