/**
 * The ids of all envelopes that this device knows, as the sets that it reconciles (protocol.md §2a): what it keeps and may
 * give to others, and apart from that what it refused, which is only compared with relays, so as not to be asked for
 * again. They are opened or built when they are first needed, and follow every commit from then on.
 *
 * 1. They come page by page, each under the journal's permit, so that a commit falls before or after a page and is never
 *    missed; what is there stays when whoever asked goes away.
 * 2. A commit whose outcome is not known drops them. A new epoch does not: short ids keep the key of the space's first one.
 * 3. While the store has a snapshot (`IdSnapshot`), each commit that changes a set has a row that says how: snapshot and
 *    rows are always what a scan would find. One that cannot be used leaves the store before a commit goes without its row.
 */
import { type EnvelopeId, Epoch } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { KeystoreFailed } from "../Keystore.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import type { StoreFailed, Write } from "../Store.ts"
import * as IdSnapshot from "./IdSnapshot.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"

export type { Sets } from "./IdSnapshot.ts"

type Sets = IdSnapshot.Sets

/** Where sets that are not whole yet come from. */
type Source =
  | { readonly _tag: "Snapshot"; readonly opening: IdSnapshot.Opening }
  | { readonly _tag: "Scan"; after: EnvelopeId | undefined }

type Course =
  | { readonly _tag: "Coming"; readonly source: Source; readonly sets: Sets | undefined }
  | { readonly _tag: "Whole"; readonly sets: Sets }

/** What a step of a change of the journal is: rows to make durable, and what follows once they are. */
interface Step<A> {
  readonly writes: ReadonlyArray<Write>
  readonly value: A
  readonly committed: () => void
}

const step = <A>(value: A, writes: ReadonlyArray<Write> = [], committed: () => void = () => {}): Step<A> => ({
  value,
  writes,
  committed
})

/**
 * Whose key short ids are made with, for the life of a space. All of these keys come from one secret that a removed member
 * knows as well, so that a later one would keep nothing from anybody, and would change each short id here and at the relays.
 */
export const KEY_EPOCH = Epoch.make(1)
/** Fewer ids than these are not worth a snapshot: they are read in less than a tenth of a second. */
const SAVED_IDS_MIN = 8192
/** A snapshot is written anew when one part of so many has changed. */
const STALE_PART = 16
/** Rows that are read together: a few milliseconds of work. */
const PAGE_ROWS = 512

/** The sets, as far as they are here. Owned by the journal. */
export class IdSet {
  readonly #idsMin: number
  #saved: IdSnapshot.Saved
  #course: Course | undefined
  /** The pages of the store that are those of the sets. */
  #pages: IdSnapshot.Pages | undefined
  /** How often an id changed since the snapshot. */
  #changed = 0
  /** Whether nothing is left of older snapshots. */
  #isTidy = false

  constructor(saved: IdSnapshot.Saved, idsMin = SAVED_IDS_MIN) {
    this.#saved = saved
    this.#idsMin = idsMin
  }

  /** What writes change in the sets; nothing when nobody has to know. */
  changesIn(writes: ReadonlyArray<Write>): ReadonlyArray<IdSnapshot.Change> {
    if (this.#course === undefined && this.#saved.base === undefined) return []
    const changes: Array<IdSnapshot.Change> = []
    for (const write of writes) {
      const known = Ledger.knownIn(write)
      if (known !== undefined) changes.push({ id: known.id, set: setOf(known.row) })
    }
    return changes
  }

  /** The row that a commit with such changes has to have, if there is one. */
  rowFor(changes: ReadonlyArray<IdSnapshot.Change>): Write | undefined {
    const { base, change } = this.#saved
    if (base === undefined || changes.length === 0) return undefined
    // So many changes cost more to take in than the sets cost to build.
    return change - base.through >= Math.max(base.ids, this.#idsMin)
      ? IdSnapshot.discard
      : Ledger.idChange.put(change + 1, IdSnapshot.rowOf(changes))
  }

  /** Follows a commit that was made with its row. */
  follow(changes: ReadonlyArray<IdSnapshot.Change>, row: Write | undefined): void {
    if (row === IdSnapshot.discard) {
      this.#forgetSaved()
      if (this.#course?.sets === undefined) this.#course = undefined
    } else if (row !== undefined) this.#saved = { ...this.#saved, change: this.#saved.change + 1 }
    this.#changed += changes.length
    const course = this.#course
    // What is being opened finds the row in the store.
    if (course?.sets === undefined) return
    for (const change of changes) IdSnapshot.apply(course.sets, change)
  }

  /** Forgets everything; it comes again, from what the store has, when somebody asks. */
  drop(saved: IdSnapshot.Saved): void {
    this.#saved = saved
    this.#course = undefined
    this.#pages = undefined
    this.#isTidy = false
  }

  /** Whether these sets are the ones that still follow. */
  are(sets: Sets): boolean {
    return this.#course?.sets === sets
  }

  /** Reads on; answers the sets once they are whole. To be called under the journal's permit. */
  grow(journal: Pick<Journal, "books" | "store">): Effect.Effect<Step<Sets | undefined>, StoreFailed> {
    return Effect.suspend(() => {
      const course = this.#course
      if (course === undefined) return this.#begin(journal)
      if (course._tag === "Whole") return Effect.succeed(step<Sets | undefined>(course.sets))
      return course.source._tag === "Scan" ? this.#scan(journal, course.source) : this.#open(journal, course.source)
    })
  }

  /** The sets, when they are whole and their snapshot is to be written, or what an older one left is to be deleted. */
  #toBeSaved(): Sets | undefined {
    const course = this.#course
    if (course?._tag !== "Whole") return undefined
    return this.#isDue(course.sets) || (this.#saved.base !== undefined && !this.#isTidy) ? course.sets : undefined
  }

  /** Whether `save` has anything to do. */
  isToBeSaved(): boolean {
    return this.#toBeSaved() !== undefined
  }

  /** Goes a step on in writing a snapshot, when one is due. To be called under the journal's permit. */
  save({ store }: Pick<Journal, "store">): Effect.Effect<Step<void>, StoreFailed> {
    return Effect.suspend(() => {
      const sets = this.#toBeSaved()
      if (sets === undefined) return Effect.succeed(step(undefined))
      if (!this.#isDue(sets)) return this.#tidy(store)
      const pages = this.#pages
      if (pages === undefined || !IdSnapshot.areOf(pages, sets)) {
        return Effect.map(IdSnapshot.newPages(store, sets), (fresh) =>
          step(undefined, [], () => {
            this.#pages = fresh
          }))
      }
      const next = IdSnapshot.nextPages(pages, sets)
      if (next !== undefined) {
        return Effect.succeed(step(undefined, next.writes, () => {
          this.#pages = next.pages
        }))
      }
      const { base, writes } = IdSnapshot.stateWrites(pages, sets, this.#saved.change)
      return Effect.succeed(step(undefined, writes, () => {
        this.#saved = { ...this.#saved, base }
        this.#changed = 0
        this.#isTidy = false
      }))
    })
  }

  #isDue(sets: Sets): boolean {
    const ids = IdSnapshot.countOf(sets)
    if (ids < this.#idsMin) return false
    return this.#saved.base === undefined || this.#changed >= Math.max(this.#idsMin, ids / STALE_PART)
  }

  /** Deletes some of what the last snapshot made useless. */
  #tidy(store: Journal["store"]): Effect.Effect<Step<void>, StoreFailed> {
    const { base } = this.#saved
    const left = base === undefined ? Effect.succeed([]) : IdSnapshot.leftOver(store, base)
    return Effect.map(left, (writes) =>
      step(undefined, writes, () => {
        this.#isTidy = writes.length === 0
      }))
  }

  #forgetSaved(): void {
    this.#saved = { ...this.#saved, base: undefined }
  }

  #begin({ books, store }: Pick<Journal, "books" | "store">): Effect.Effect<Step<Sets | undefined>, StoreFailed> {
    const options = { key: books().state.keys.shortIdKey(KEY_EPOCH), keyEpoch: KEY_EPOCH }
    const { base } = this.#saved
    this.#pages = undefined
    const scan = (): void => {
      const sets = { kept: ReconcileSet.make(options), refused: ReconcileSet.make(options) }
      this.#forgetSaved()
      this.#course = { _tag: "Coming", source: { _tag: "Scan", after: undefined }, sets }
    }
    if (base === undefined) return Effect.succeed(step(undefined, [], scan))
    return Effect.map(IdSnapshot.begin(store, base, options), (opening) =>
      opening === undefined
        ? step(undefined, [IdSnapshot.discard], scan)
        : step(undefined, [], () => {
          this.#course = { _tag: "Coming", source: { _tag: "Snapshot", opening }, sets: undefined }
        }))
  }

  #open(
    { store }: Pick<Journal, "store">,
    { opening }: Extract<Source, { readonly _tag: "Snapshot" }>
  ): Effect.Effect<Step<Sets | undefined>, StoreFailed> {
    return Effect.map(IdSnapshot.open(store, opening), (went) => {
      const { sets } = opening
      if (went === "refused") {
        // Without its snapshot it is built, at the next step.
        return step(undefined, [IdSnapshot.discard], () => {
          this.#forgetSaved()
          this.#course = undefined
        })
      }
      if (went === "more" || sets === undefined) return step(undefined)
      return step<Sets | undefined>(sets, [], () => {
        this.#course = { _tag: "Whole", sets }
        this.#pages = IdSnapshot.pagesOf(opening)
        this.#changed = opening.changed
      })
    })
  }

  #scan(
    { store }: Pick<Journal, "store">,
    source: Extract<Source, { readonly _tag: "Scan" }>
  ): Effect.Effect<Step<Sets | undefined>, StoreFailed> {
    const { after } = source
    const range = after === undefined ? { limit: PAGE_ROWS } : { limit: PAGE_ROWS, after }
    return Effect.map(Ledger.known.scan(store, range), (rows) => {
      const sets = this.#course?.sets
      if (sets === undefined) return step(undefined)
      for (const { key, row } of rows) IdSnapshot.apply(sets, { id: key, set: setOf(row) })
      source.after = rows.at(-1)?.key ?? after
      if (rows.length === PAGE_ROWS) return step(undefined)
      this.#course = { _tag: "Whole", sets }
      return step<Sets | undefined>(sets)
    })
  }
}

/** The set that an envelope is in by what its name leads to. */
export const setOf = (row: Ledger.KnownRow | null): Ledger.IdSetName | undefined =>
  row === null ? undefined : row._tag === "Refused" ? "refused" : "kept"

type Books = Pick<Journal, "books" | "ids" | "store" | "update">

/** The sets with everything that is durable now. */
export const current = (journal: Books): Effect.Effect<Sets, StoreFailed | KeystoreFailed> =>
  Effect.flatMap(
    journal.update((books) => Effect.map(journal.ids.grow(journal), (step) => ({ books, ...step }))),
    (sets) =>
      sets === undefined
        ? Effect.andThen(Effect.yieldNow, Effect.suspend(() => current(journal)))
        : Effect.succeed(sets)
  )

/** Writes a snapshot of the sets, when they are here and it is time for one: for a moment when nothing else is to be done. */
export const save = (journal: Books): Effect.Effect<void, StoreFailed | KeystoreFailed> =>
  Effect.suspend(() =>
    journal.ids.isToBeSaved()
      ? journal.update((books) => Effect.map(journal.ids.save(journal), (step) => ({ books, ...step }))).pipe(
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(save(journal))
      )
      : Effect.void
  )

/** Does so where nobody is to fail by it: without a snapshot, the sets are built the next time. */
export const saveQuietly = (journal: Books): Effect.Effect<void> =>
  Effect.ignore(save(journal), {
    log: "Warn",
    message: "the sets of ids were not saved: they are built at the next start"
  })
