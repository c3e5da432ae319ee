/**
 * A route's set of ids in the relay's storage (`RelayStore.aside`), so that it is opened and not read again: one for each
 * route, of all lanes and one key of short ids.
 *
 * 1. What `SetParts` says of a set holds for its positions as well: pages of them are written with those of the ids.
 * 2. The base says which parts count, up to where the set goes and what the route had deleted then. It is written last; a
 *    state's pieces have names of their own until then (`edition`).
 * 3. Numbers have to fit: as many ids as positions less deletions. Whatever does not is not used, and the set is read.
 * 4. What came and went since is found as for any set: behind its end, and by what is missing.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Position, type RouteId } from "@sotto/schema/Id"
import type { UnknownRoute } from "@sotto/schema/RelayError"
import { uint } from "@sotto/schema/Wire"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import * as SetParts from "../reconcile/SetParts.ts"
import * as Snapshot from "../reconcile/Snapshot.ts"
import type { Write } from "../Store.ts"
import * as PlacedSet from "./PlacedSet.ts"
import type { RelayStore, RelayStoreFailed } from "./RelayStore.ts"

type Failure = UnknownRoute | RelayStoreFailed
export type Aside = RelayStore["Service"]["aside"]

/** Which parts count. */
const Base = Schema.Struct({
  /** Of pages: those of one index. */
  generation: uint(0xffff_ffff),
  /** Of the state's pieces, and how many there are. */
  edition: uint(0xffff_ffff),
  pieces: uint(0xffff_ffff),
  through: Position,
  removed: uint()
})
type Base = typeof Base.Type
const baseCodec = Codec.make(Base, "Base")

/** Names of what is written. */
type Place = Pick<Base, "generation" | "edition">

// -- keys --------------------------------------------------------------------------------------------------------------

const BASE_KEY = Uint8Array.of(0)
const PART = 1
const KINDS = ["page", "state", "places"] as const
type Kind = (typeof KINDS)[number]

/** Pages have edition 0. */
const keyOf = (generation: number, kind: Kind, edition: number, number: number): Uint8Array =>
  Bytes.concat(
    Uint8Array.of(PART),
    Bytes.u32(generation),
    Uint8Array.of(KINDS.indexOf(kind)),
    Bytes.u32(edition),
    Bytes.u32(number)
  )

const keyOfPart = ({ edition, generation }: Place, kind: Kind, number: number) =>
  keyOf(generation, kind, kind === "state" ? edition : 0, number)

/** Whether a key is the base's, or that of a part that counts. */
const counts = ({ edition, generation, pieces }: Base, pages: number, key: Uint8Array): boolean => {
  if (key[0] !== PART) return true
  const at = (from: number): number => key.subarray(from, from + 4).reduce((value, byte) => value * 256 + byte, 0)
  const number = at(10)
  if (at(1) !== generation) return false
  return key[5] === KINDS.indexOf("state") ? at(6) === edition && number < pieces : number < pages
}

// -- positions ---------------------------------------------------------------------------------------------------------

const CHECK_BYTES = 4

/** A checksum, and eight bytes for each position of a page: this machine's own layout, as a page's is. */
const placesPart = (positions: ReadonlyArray<Position>, page: number): Uint8Array => {
  const rows = positions.slice(page * Snapshot.PAGE_ROWS, (page + 1) * Snapshot.PAGE_ROWS)
  const body = new Uint8Array(Float64Array.from(rows).buffer)
  return Bytes.concat(Bytes.u32(Snapshot.checksumOf(body)), body)
}

/** Takes the positions of the next rows in, `rows` at most; whether they could be used. */
const takePlaces = (positions: Array<Position>, part: Uint8Array, rows: number, through: number): boolean => {
  const body = part.slice(CHECK_BYTES)
  if (!Bytes.equals(part.subarray(0, CHECK_BYTES), Bytes.u32(Snapshot.checksumOf(body))) || body.length % 8 !== 0) {
    return false
  }
  const places = new Float64Array(body.buffer)
  if (places.length < rows) return false
  let before: number = positions.at(-1) ?? 0
  for (const place of places.subarray(0, rows)) {
    if (!Number.isSafeInteger(place) || place <= before || place > through) return false
    positions.push(Position.make(place))
    before = place
  }
  return true
}

// -- opening -----------------------------------------------------------------------------------------------------------

/** A set that is being opened. */
export interface Opening {
  readonly base: Base
  readonly snapshot: Snapshot.Opening
  readonly positions: Array<Position>
}

/** A row that does not read is none: what it is of can be made again. */
const orNone = <A>(read: Effect.Effect<A, Failure>): Effect.Effect<A | undefined, Failure> =>
  read.pipe(
    Effect.catch((failed) =>
      failed._tag === "RelayStoreFailed" && failed.reason === "corrupt" ? Effect.undefined : Effect.fail(failed)
    )
  )

const readerOf =
  (aside: Aside, route: RouteId, base: Base) =>
  (kind: Kind, number: number): Effect.Effect<Uint8Array | undefined, Failure> =>
    orNone(aside.get({ route, key: keyOfPart(base, kind, number) }))

const baseOf = (aside: Aside, route: RouteId): Effect.Effect<Base | undefined, Failure> =>
  Effect.map(orNone(aside.get({ route, key: BASE_KEY })), (bytes) => {
    const read = bytes === undefined ? undefined : baseCodec.decode(bytes)
    return read !== undefined && Result.isSuccess(read) ? read.success : undefined
  })

/** Begins to open the route's saved set, if there is one that can be used. */
export const begin = Effect.fn("SavedSets.begin")(function*(
  aside: Aside,
  route: RouteId,
  options: Pick<ReconcileSet.Options, "key" | "keyEpoch">
): Effect.fn.Return<Opening | "absent" | "unusable", Failure> {
  const base = yield* baseOf(aside, route)
  if (base === undefined || base.pieces === 0) return "absent"
  const snapshot = yield* SetParts.begin(
    readerOf(aside, route, base),
    { pieces: base.pieces, position: base.through },
    options
  )
  return snapshot === undefined ? "unusable" : { base, snapshot, positions: [] }
})

/** Bytes of memory that it takes so far. */
export const memoryBytes = ({ positions, snapshot: { set } }: Opening): number =>
  PlacedSet.memoryBytes({ positions, set })

/** What a step of opening came to; what is whole is as of when it was saved. */
export type Step =
  | { readonly _tag: "More" | "Refused" }
  | { readonly _tag: "Whole"; readonly placed: PlacedSet.PlacedSet; readonly saved: Saved }

/** Goes a step on. */
export const open = Effect.fnUntraced(function*(
  aside: Aside,
  route: RouteId,
  opening: Opening
): Effect.fn.Return<Step, Failure> {
  const { base, positions, snapshot } = opening
  const read = readerOf(aside, route, base)
  if (SetParts.isWaiting(snapshot)) {
    let page = snapshot.next
    if (!(yield* SetParts.takePages(read, snapshot))) return { _tag: "Refused" }
    for (; page < snapshot.next; page++) {
      const part = yield* read("places", page)
      const rows = Math.min(Snapshot.PAGE_ROWS, snapshot.rows - page * Snapshot.PAGE_ROWS)
      if (part === undefined || !takePlaces(positions, part, rows, base.through)) return { _tag: "Refused" }
    }
    return { _tag: "More" }
  }
  const set = Snapshot.finish(snapshot)
  if (Result.isFailure(set)) return { _tag: "Refused" }
  const placed = { set: set.success, positions, through: base.through, removed: base.removed }
  const { generation } = base
  return PlacedSet.isExact(placed)
    ? { _tag: "Whole", placed, saved: { generation, pages: SetParts.pagesOf(snapshot) } }
    : { _tag: "Refused" }
})

// -- saving ------------------------------------------------------------------------------------------------------------

/** The pages of a set that are in storage. */
export interface Saved {
  readonly generation: number
  readonly pages: SetParts.Pages
}

/** Keys that are looked through together for what is left of older ones. */
const STEP_KEYS = 256

/** How a set is saved. */
export interface Saving {
  readonly aside: Aside
  readonly route: RouteId
  readonly placed: PlacedSet.PlacedSet
  /** What of it is in storage. */
  readonly saved: Saved | undefined
  /** Whether the set is still the route's. */
  readonly isWanted: () => boolean
  /** Runs what needs the set as of one moment. */
  readonly still: <A, E>(use: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Between two writes. */
  readonly pause: Effect.Effect<void>
  /** Told of bytes that were written. */
  readonly wrote: (bytes: number) => void
}

/** Saves a set, some parts at a time; answers what is in storage then, or nothing when the set changed too much meanwhile. */
export const save = Effect.fn("SavedSets.save")(function*(
  saving: Saving
): Effect.fn.Return<Saved | undefined, Failure> {
  const before = yield* baseOf(saving.aside, saving.route)
  const { generation, pages } = begun(saving, before)
  const place = { generation, edition: (before?.edition ?? 0) + 1 }
  for (let full = pages;;) {
    const written = yield* writePages(saving, place, full)
    if (written === undefined) return undefined
    full = written
    const last = yield* saving.still(lastOf(saving.placed, full, place))
    // Since the last page was written, another one is full.
    if (last === "more") continue
    return last !== undefined && (yield* finish(saving, before, last)) ? { generation, pages: full } : undefined
  }
})

/** Writes what is left, and the base; whether the base that was there was still the same. */
const finish = Effect.fnUntraced(function*(
  saving: Saving,
  before: Base | undefined,
  { base, pages, writes }: Last
): Effect.fn.Return<boolean, Failure> {
  for (const write of writes) yield* put(saving, [write])
  const now = yield* baseOf(saving.aside, saving.route)
  if (!saving.isWanted() || now?.edition !== before?.edition) return false
  yield* put(saving, [baseWrite(base)])
  yield* tidy(saving, base, pages)
  return true
})

/** What of the set is in storage already, or a generation that is not in use. */
const begun = ({ placed, saved }: Saving, base: Base | undefined): Saved =>
  saved !== undefined && saved.generation === base?.generation && SetParts.areOf(saved.pages, placed.set)
    ? saved
    : { generation: (base?.generation ?? 0) + 1, pages: SetParts.noPages(placed.set) }

/** Writes all full pages; nothing comes of it when they are not the set's any more. */
const writePages = Effect.fnUntraced(function*(
  saving: Saving,
  place: Place,
  from: SetParts.Pages
): Effect.fn.Return<SetParts.Pages | undefined, Failure> {
  const { isWanted, placed } = saving
  for (let pages = from;;) {
    if (!isWanted() || !SetParts.areOf(pages, placed.set)) return undefined
    const next = SetParts.nextPages(pages, placed.set)
    if (next === undefined) return pages
    yield* put(saving, partWrites(place, placed, next.parts))
    pages = next.pages
  }
})

/** The last writes of a set. */
interface Last {
  readonly writes: ReadonlyArray<Write>
  readonly pages: number
  readonly base: Base
}

/** What is left to be written of the set as it is now. */
const lastOf = (
  placed: PlacedSet.PlacedSet,
  pages: SetParts.Pages,
  place: Place
): Effect.Effect<Last | "more" | undefined> =>
  Effect.sync(() => {
    const { removed, set, through } = placed
    if (!SetParts.areOf(pages, set) || !PlacedSet.isExact(placed)) return undefined
    if (SetParts.nextPages(pages, set) !== undefined) return "more"
    const { parts, pieces } = SetParts.stateParts(set, through)
    const writes = partWrites(place, placed, parts)
    return { writes, pages: Snapshot.pagesOf(set), base: { ...place, pieces, through, removed } }
  })

const partWrites = (
  place: Place,
  { positions }: PlacedSet.PlacedSet,
  parts: ReadonlyArray<SetParts.Part>
): ReadonlyArray<Write> =>
  parts.flatMap(({ bytes, number, part }): ReadonlyArray<Write> => {
    const write = { key: keyOfPart(place, part, number), value: bytes }
    return part === "state"
      ? [write]
      : [write, { key: keyOfPart(place, "places", number), value: placesPart(positions, number) }]
  })

const baseWrite = (base: Base): Write => ({ key: BASE_KEY, value: baseCodec.encode(base) })

type Writing = Pick<Saving, "aside" | "route" | "pause" | "wrote">

const put = ({ aside, pause, route, wrote }: Writing, writes: ReadonlyArray<Write>): Effect.Effect<void, Failure> =>
  Effect.andThen(aside.write({ route, writes }), () => {
    wrote(writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0))
    return pause
  })

/** Deletes what does not count any more. */
const tidy = Effect.fnUntraced(function*(
  saving: Writing,
  base: Base,
  pages: number
): Effect.fn.Return<void, Failure> {
  for (let after: Uint8Array | undefined = undefined;;) {
    const keys: ReadonlyArray<Uint8Array> = yield* saving.aside.keys({ route: saving.route, after, limit: STEP_KEYS })
    const left = keys.filter((key) => !counts(base, pages, key))
    for (let i = 0; i < left.length; i += SetParts.STEP_PARTS) {
      yield* put(saving, left.slice(i, i + SetParts.STEP_PARTS).map((key) => ({ key })))
    }
    after = keys.at(-1)
    if (keys.length < STEP_KEYS) return
  }
})

/** Deletes what is saved. The base stays, without parts, so that no generation comes twice. */
export const erase = Effect.fn("SavedSets.erase")(function*(saving: Writing): Effect.fn.Return<void, Failure> {
  const before = yield* baseOf(saving.aside, saving.route)
  if (before === undefined || before.pieces === 0) return
  const { edition, generation } = before
  const base = { generation: generation + 1, edition: edition + 1, pieces: 0, through: Position.make(0), removed: 0 }
  yield* put(saving, [baseWrite(base)])
  yield* tidy(saving, base, 0)
})
