/**
 * A snapshot in the rows of a store, as parts that are read and written a few at a time: the pages of a set's ids, and its
 * state in pieces (`Snapshot`). What the rows are called, and which parts belong together, is the store's owner's: a device's
 * books (`log/IdSnapshot`), a relay (`relay/SavedSets`).
 *
 * 1. Pages are written before the state that needs them; a crash in between leaves the snapshot that was there. Of a page
 *    that was written anew, the older state goes on using the rows that it knows: rows are only added.
 * 2. Whatever does not fit, pages to the state or a part to its checksum, is refused as a whole.
 * 3. Pages are those of one index: a set whose index was made anew has others, and needs names for them that are not in use.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as IdIndex from "./IdIndex.ts"
import type * as ReconcileSet from "./ReconcileSet.ts"
import * as Snapshot from "./Snapshot.ts"

/** What a part is: a page of ids, or a piece of the state. */
export type Kind = "page" | "state"

/** A part, by its number among those of its kind. */
export interface Part {
  readonly part: Kind
  readonly number: number
  readonly bytes: Uint8Array
}

/** Finds a part; undefined when it is not there. */
export type Read<E> = (part: Kind, number: number) => Effect.Effect<Uint8Array | undefined, E>

/** Parts that are read or written in one step: a few milliseconds of work. */
export const STEP_PARTS = 8
/** Bytes of one piece of a state. */
const PIECE_BYTES = 256 * 1024

// -- opening -----------------------------------------------------------------------------------------------------------

const stateOf = Effect.fnUntraced(function*<E>(read: Read<E>, pieces: number) {
  const found: Array<Uint8Array> = []
  for (let number = 0; number < pieces; number++) {
    const piece = yield* read("state", number)
    if (piece === undefined) return undefined
    found.push(piece)
  }
  const state = new Uint8Array(found.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of found) {
    state.set(piece, at)
    at += piece.length
  }
  return state
})

/** Begins to open the snapshot with so many pieces, of that position; undefined when it cannot be used. */
export const begin = Effect.fnUntraced(function*<E>(
  read: Read<E>,
  { pieces, position }: { readonly pieces: number; readonly position: number },
  options: Pick<ReconcileSet.Options, "key" | "keyEpoch">
): Effect.fn.Return<Snapshot.Opening | undefined, E> {
  const state = yield* stateOf(read, pieces)
  const begun = state === undefined ? undefined : Snapshot.begin(state, options)
  return begun !== undefined && Result.isSuccess(begun) && begun.success.position === position
    ? begun.success
    : undefined
})

/** Whether pages are still to be taken in. */
export const isWaiting = ({ next, pages }: Snapshot.Opening): boolean => next < pages

/** Takes the next pages in; whether they could be used. */
export const takePages = Effect.fnUntraced(function*<E>(
  read: Read<E>,
  opening: Snapshot.Opening
): Effect.fn.Return<boolean, E> {
  for (const end = Math.min(opening.pages, opening.next + STEP_PARTS); opening.next < end;) {
    const page = yield* read("page", opening.next)
    if (page === undefined || Snapshot.take(opening, page) !== undefined) return false
  }
  return true
})

// -- writing -----------------------------------------------------------------------------------------------------------

/** The pages of a set that are durable: of which index, and how many full ones. */
export interface Pages {
  readonly index: IdIndex.IdIndex
  readonly full: number
}

const fullOf = ({ index }: ReconcileSet.ReconcileSet): number => Math.floor(index.rows / Snapshot.PAGE_ROWS)

/** None yet. */
export const noPages = ({ index }: ReconcileSet.ReconcileSet): Pages => ({ index, full: 0 })

/** Those of a snapshot that was just opened. */
export const pagesOf = ({ rows, set: { index } }: Snapshot.Opening): Pages => ({
  index,
  full: Math.floor(rows / Snapshot.PAGE_ROWS)
})

/** Whether the pages are those of this set, as far as they go. */
export const areOf = ({ index }: Pages, set: ReconcileSet.ReconcileSet): boolean => index === set.index

const pageOf = (set: ReconcileSet.ReconcileSet, number: number): Part => ({
  part: "page",
  number,
  bytes: Snapshot.page(set, number)
})

/** The next pages to be made durable, and what is then; undefined when all full ones are. */
export const nextPages = (
  { full, index }: Pages,
  set: ReconcileSet.ReconcileSet
): { readonly pages: Pages; readonly parts: ReadonlyArray<Part> } | undefined => {
  const end = Math.min(fullOf(set), full + STEP_PARTS)
  if (full >= end) return undefined
  const parts = Array.from({ length: end - full }, (_, i) => pageOf(set, full + i))
  return { pages: { index, full: end }, parts }
}

/** What is left to be made durable of the set as it is, once all full pages are; and how many pieces its state has. */
export const stateParts = (
  set: ReconcileSet.ReconcileSet,
  position: number
): { readonly pieces: number; readonly parts: ReadonlyArray<Part> } => {
  const full = fullOf(set)
  const parts = full < Snapshot.pagesOf(set) ? [pageOf(set, full)] : []
  const state = Snapshot.state(set, position)
  const pieces = Math.ceil(state.length / PIECE_BYTES)
  for (let number = 0; number < pieces; number++) {
    parts.push({ part: "state", number, bytes: state.subarray(number * PIECE_BYTES, (number + 1) * PIECE_BYTES) })
  }
  return { pieces, parts }
}
