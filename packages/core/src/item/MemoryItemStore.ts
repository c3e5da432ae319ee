/**
 * An `ItemStore` in memory: for tests, for windows that keep nothing, and to see what a database has to do.
 */
import * as Effect from "effect/Effect"
import { ByItem, compareIds, compareKeys, type ItemRef, type Operation, OpId } from "./Item.ts"
import type { EntryRow, ItemEntryWaiting, ItemStore, ItemWrite, KeyRange, OpRef, OpRow } from "./ItemStore.ts"

interface Item extends ItemRef {
  /** Ascending by name. */
  heads: ReadonlyArray<Operation>
  rowById: Map<OpId, OpRow>
}

const NONE: ReadonlyArray<never> = []

/** Keys that may come one by one without the others being sorted anew. */
const INSERTED_MAX = 64

/** Keys in their order, which is made when it is asked for. */
class Keys {
  readonly #all = new Set<string>()
  readonly #added = new Set<string>()
  readonly #sorted: Array<string> = []

  add(key: string): void {
    if (this.#all.has(key)) return
    this.#all.add(key)
    this.#added.add(key)
  }

  remove(key: string): void {
    if (!this.#all.delete(key) || this.#added.delete(key)) return
    this.#sorted.splice(placeOf(this.#sorted, (other) => compareKeys(other, key) >= 0), 1)
  }

  /** Keys of a range, as many as are asked for. */
  within({ after, limit, prefix, reverse = false }: Omit<KeyRange, "collection">): ReadonlyArray<string> {
    const sorted = this.#inOrder()
    const first = placeOf(sorted, (key) => compareKeys(key, prefix) >= 0)
    const end = placeOf(sorted, (key) => !key.startsWith(prefix), first)
    if (reverse) {
      const to = after === undefined ? end : Math.min(end, placeOf(sorted, (key) => compareKeys(key, after) >= 0))
      return sorted.slice(Math.max(first, to - limit), Math.max(first, to)).reverse()
    }
    const from = after === undefined ? first : Math.max(first, placeOf(sorted, (key) => compareKeys(key, after) > 0))
    return sorted.slice(from, Math.min(end, from + limit))
  }

  #inOrder(): ReadonlyArray<string> {
    const sorted = this.#sorted
    if (this.#added.size > INSERTED_MAX) {
      for (const key of this.#added) sorted.push(key)
      sorted.sort(compareKeys)
    } else {
      for (const key of this.#added) sorted.splice(placeOf(sorted, (other) => compareKeys(other, key) >= 0), 0, key)
    }
    this.#added.clear()
    return sorted
  }
}

/** The first place, not before `low`, from which on `isThere` holds. */
const placeOf = <A>(sorted: ReadonlyArray<A>, isThere: (one: A) => boolean, low = 0): number => {
  let [from, to] = [low, sorted.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const one = sorted[middle]
    if (one !== undefined && isThere(one)) to = middle
    else from = middle + 1
  }
  return from
}

/** The tables. */
class Tables {
  mark = 0
  readonly entryById = new Map<OpId, EntryRow>()
  readonly #items = new ByItem<Item>()
  readonly #waiters = new Map<OpId, Set<OpId>>()
  readonly #waiting = new Set<OpId>()
  readonly #withHeads = new Map<string, Keys>()
  readonly #contested = new Map<string, Keys>()

  write(change: ItemWrite): void {
    switch (change.table) {
      case "entry":
        return this.#writeEntry(change.id, change.row)
      case "op":
        return this.#writeOp(change)
      case "waiting":
        return this.#writeWaiter(change)
      case "contested": {
        const { collection, key } = change.item
        return change.row === undefined ? this.contested(collection).remove(key) : this.contested(collection).add(key)
      }
      case "mark":
        this.mark = change.row
    }
  }

  #writeEntry(id: OpId, row: EntryRow | undefined): void {
    if (row === undefined) this.entryById.delete(id)
    else this.entryById.set(id, row)
    if (row?._tag === "Waiting") this.#waiting.add(id)
    else this.#waiting.delete(id)
  }

  #writeOp({ id, item: { collection, key }, row }: Extract<ItemWrite, { readonly table: "op" }>): void {
    const item = this.#items.get({ collection, key }) ?? { collection, key, heads: [], rowById: new Map() }
    this.#items.set(item, item)
    if (row === undefined) item.rowById.delete(id)
    else item.rowById.set(id, row)
    item.heads = withHead(item.heads, id, row !== undefined && row.children === 0 ? row.op : null)
    if (item.heads.length > 0) this.withHeads(collection).add(key)
    else this.withHeads(collection).remove(key)
    if (item.rowById.size === 0) this.#items.delete(item)
  }

  #writeWaiter({ id, missing, row }: Extract<ItemWrite, { readonly table: "waiting" }>): void {
    const ids = this.#waiters.get(missing) ?? new Set()
    if (row === undefined) ids.delete(id)
    else ids.add(id)
    if (ids.size === 0) this.#waiters.delete(missing)
    else this.#waiters.set(missing, ids)
  }

  op({ id, item }: OpRef): OpRow | undefined {
    return this.#items.get(item)?.rowById.get(id)
  }

  heads(item: ItemRef): ReadonlyArray<Operation> {
    return this.#items.get(item)?.heads ?? NONE
  }

  waitingFor(missing: OpId): ReadonlyArray<OpId> {
    return [...this.#waiters.get(missing) ?? NONE]
  }

  waiting(after: OpId, limit: number): ReadonlyArray<ItemEntryWaiting> {
    const ids = [...this.#waiting].filter((id) => id > after).sort(compareIds).slice(0, limit)
    return ids.flatMap((id): ReadonlyArray<ItemEntryWaiting> => {
      const row = this.entryById.get(id)
      return row?._tag === "Waiting" ? [{ entry: row.entry, missing: row.missing }] : []
    })
  }

  withHeads(collection: string): Keys {
    return keysOf(this.#withHeads, collection)
  }

  contested(collection: string): Keys {
    return keysOf(this.#contested, collection)
  }
}

/** Heads with or without the one of this name, in their order. Those that were given away do not change. */
const withHead = (heads: ReadonlyArray<Operation>, id: OpId, op: Operation | null): ReadonlyArray<Operation> => {
  const at = placeOf(heads, (head) => compareIds(head.id, id) >= 0)
  const isThere = heads[at]?.id === id
  return isThere || op !== null ? heads.toSpliced(at, isThere ? 1 : 0, ...(op === null ? [] : [op])) : heads
}

const keysOf = (keysByCollection: Map<string, Keys>, collection: string): Keys => {
  const keys = keysByCollection.get(collection) ?? new Keys()
  keysByCollection.set(collection, keys)
  return keys
}

/** A store that holds nothing yet. */
export const make = (): ItemStore<never> => {
  const tables = new Tables()
  return {
    entries: (ids) => Effect.sync(() => ids.map((id) => tables.entryById.get(id))),
    ops: (refs) => Effect.sync(() => refs.map((ref) => tables.op(ref))),
    heads: (items) => Effect.sync(() => items.map((item) => tables.heads(item))),
    waitingFor: (missing) => Effect.sync(() => missing.map((id) => tables.waitingFor(id))),
    waiting: ({ after = OpId(""), limit }) => Effect.sync(() => tables.waiting(after, limit)),
    scan: ({ collection, ...range }) =>
      Effect.sync(() =>
        tables.withHeads(collection).within(range)
          .map((key) => ({ collection, key, heads: tables.heads({ collection, key }) }))
      ),
    contested: ({ collection, ...range }) => Effect.sync(() => tables.contested(collection).within(range)),
    mark: Effect.sync(() => tables.mark),
    commit: (writes) =>
      Effect.sync(() => {
        for (const one of writes) tables.write(one)
      })
  }
}
