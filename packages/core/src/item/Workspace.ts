/**
 * Rows of an `ItemStore` while a change of them is worked out: as they were read, and as they are now. Owned by one call of
 * `Graph`; nothing of it is kept, and nothing is written: what it comes to is a list of writes.
 */
import * as Effect from "effect/Effect"
import { ByItem, compareIds, type ItemEntry, type ItemRef, type Operation, OpId } from "./Item.ts"
import type { EntryRow, ItemStore, ItemWrite, OpRef, OpRow } from "./ItemStore.ts"

/** What an entry waits for that only waits for its turn: the name of no entry. */
export const READY = OpId("")

/** A row that was read. */
interface Held<A> {
  readonly before: A | undefined
  now: A | undefined
}

interface HeldItem {
  readonly item: ItemRef
  readonly opById: Map<OpId, Held<OpRow>>
}

export class Workspace<E> {
  readonly #store: ItemStore<E>
  readonly #entryById = new Map<OpId, Held<EntryRow>>()
  readonly #items = new ByItem<HeldItem>()
  /** Entries that began to wait in this workspace, by what they wait for. */
  readonly #waiters = new Map<OpId, Set<OpId>>()

  constructor(store: ItemStore<E>) {
    this.#store = store
  }

  /** Reads the rows of entries that are not here yet. */
  loadEntries(ids: ReadonlyArray<OpId>): Effect.Effect<void, E> {
    const absent = [...new Set(ids)].filter((id) => !this.#entryById.has(id))
    if (absent.length === 0) return Effect.void
    return Effect.map(this.#store.entries(absent), (rows) => {
      absent.forEach((id, at) => this.#entryById.set(id, { before: rows[at], now: rows[at] }))
    })
  }

  /** Reads the rows of what entries do and supersede, so far as they are not here yet. */
  loadOps(entries: ReadonlyArray<ItemEntry>): Effect.Effect<void, E> {
    const absent: Array<OpRef> = []
    for (const { id, ops } of entries) {
      for (const op of ops) this.#want(op, [id, ...op.parents], absent)
    }
    if (absent.length === 0) return Effect.void
    return Effect.map(this.#store.ops(absent), (rows) => {
      absent.forEach(({ id, item }, at) => this.#item(item).opById.set(id, { before: rows[at], now: rows[at] }))
    })
  }

  #want(item: ItemRef, ids: ReadonlyArray<OpId>, absent: Array<OpRef>): void {
    const { opById } = this.#item(item)
    for (const id of ids) {
      if (opById.has(id)) continue
      opById.set(id, NOTHING)
      absent.push({ item, id })
    }
  }

  entry(id: OpId): EntryRow | undefined {
    return this.#entryById.get(id)?.now
  }

  setEntry(id: OpId, row: EntryRow): void {
    const held = this.#entryById.get(id)
    if (held === undefined) this.#entryById.set(id, { before: undefined, now: row })
    else held.now = row
    for (const missing of waitsFor(row)) {
      const waiters = this.#waiters.get(missing)
      if (waiters === undefined) this.#waiters.set(missing, new Set([id]))
      else waiters.add(id)
    }
  }

  op(item: ItemRef, id: OpId): OpRow | undefined {
    return this.#item(item).opById.get(id)?.now
  }

  setOp(item: ItemRef, id: OpId, row: OpRow | undefined): void {
    const { opById } = this.#item(item)
    const held = opById.get(id)
    if (held === undefined || held === NOTHING) opById.set(id, { before: undefined, now: row })
    else held.now = row
  }

  /** Entries that wait for one of these, stored or not. Their rows are here then. */
  waitersOf(settled: ReadonlyArray<OpId>): Effect.Effect<ReadonlyArray<OpId>, E> {
    return Effect.flatMap(this.#store.waitingFor(settled), (stored) => {
      const found = new Set(stored.flat())
      for (const id of settled) for (const waiter of this.#waiters.get(id) ?? []) found.add(waiter)
      const all = [...found]
      return Effect.as(this.loadEntries(all), all)
    })
  }

  /** Items of which a row is another one now than when it was read. */
  changedItems(): ReadonlyArray<ItemRef> {
    return this.#items.values().flatMap(({ item, opById }) => [...opById.values()].some(isChanged) ? [item] : [])
  }

  /** An item's heads as they are now, ascending by name, from those that it had. */
  headsNow(item: ItemRef, before: ReadonlyArray<Operation>): ReadonlyArray<Operation> {
    const { opById } = this.#item(item)
    const kept = before.filter(({ id }) => !opById.has(id))
    const here = [...opById.values()].flatMap(({ now }) =>
      now !== undefined && now.op !== null && now.children === 0 ? [now.op] : []
    )
    return [...kept, ...here].sort((a, b) => compareIds(a.id, b.id))
  }

  /** What makes the store's rows these. */
  writes(): ReadonlyArray<ItemWrite> {
    const writes: Array<ItemWrite> = []
    for (const [id, held] of this.#entryById) {
      if (!isChanged(held)) continue
      writes.push({ table: "entry", id, row: held.now })
      const [before, now] = [new Set(waitsFor(held.before)), new Set(waitsFor(held.now))]
      for (const missing of before) {
        if (!now.has(missing)) writes.push({ table: "waiting", missing, id, row: undefined })
      }
      for (const missing of now) {
        if (!before.has(missing)) writes.push({ table: "waiting", missing, id, row: true })
      }
    }
    for (const { item, opById } of this.#items.values()) {
      for (const [id, held] of opById) {
        if (isChanged(held)) writes.push({ table: "op", item, id, row: held.now })
      }
    }
    return writes
  }

  #item(item: ItemRef): HeldItem {
    const held = this.#items.get(item)
    if (held !== undefined) return held
    const made = { item: { collection: item.collection, key: item.key }, opById: new Map<OpId, Held<OpRow>>() }
    this.#items.set(item, made)
    return made
  }
}

/** Stands for a row while it is being read. Never changed. */
const NOTHING: Held<OpRow> = { before: undefined, now: undefined }

const isChanged = <A>({ before, now }: Held<A>): boolean => before !== now

const NONE: ReadonlyArray<OpId> = []
const ONLY_TURN: ReadonlyArray<OpId> = [READY]

/** The rows of the table `waiting` that an entry has. */
const waitsFor = (row: EntryRow | undefined): ReadonlyArray<OpId> => {
  if (row?._tag !== "Waiting") return NONE
  return row.missing.length === 0 ? ONLY_TURN : row.missing
}
