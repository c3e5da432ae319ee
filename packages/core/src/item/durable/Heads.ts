/**
 * The heads of an item while a commit is worked out: the row that says them, and the rows of its operations that follow
 * from it. The only head of an item is in the item's row (`ItemRow`). A row of its own, left from before, means nothing then;
 * it is written anew when the operation gets company, and removed with it.
 */
import { compareIds, type ItemRef, type Operation, type OpId } from "../Item.ts"
import type { HeadsRow } from "../ItemRow.ts"
import type { OpRow } from "../ItemStore.ts"

/** Names of the heads that a row says. */
export const idsOf = (row: HeadsRow | undefined): ReadonlyArray<OpId> =>
  row === undefined ? [] : row._tag === "One" ? [row.op.id] : row.ids

/** The operation that is in an item's row. */
export const withinRow = (row: HeadsRow | undefined, id: OpId): Operation | undefined =>
  row?._tag === "One" && row.op.id === id ? row.op : undefined

export class Heads {
  readonly item: ItemRef
  readonly #before: HeadsRow | undefined
  readonly #ids: Set<OpId>
  readonly #rowById = new Map<OpId, OpRow | undefined>()

  constructor(item: ItemRef, before: HeadsRow | undefined) {
    this.item = item
    this.#before = before
    this.#ids = new Set(idsOf(before))
  }

  write(id: OpId, row: OpRow | undefined): void {
    this.#rowById.set(id, row)
    if (row !== undefined && row.op !== null && row.children === 0) this.#ids.add(id)
    else this.#ids.delete(id)
  }

  hasAny(): boolean {
    return this.#ids.size > 0
  }

  /** The item's row as it is to be; undefined when there is to be none. */
  row(): HeadsRow | undefined {
    const ids = [...this.#ids].sort(compareIds)
    const [only, second] = ids
    if (only === undefined) return undefined
    const op = second === undefined ? this.#rowById.get(only)?.op ?? withinRow(this.#before, only) : undefined
    return op === undefined ? { _tag: "Several", ids } : { _tag: "One", op }
  }

  /** Whether the item's row is another one than it was. */
  isChanged(row: HeadsRow | undefined): boolean {
    if (row?._tag === "One") return this.#rowById.has(row.op.id) || withinRow(this.#before, row.op.id) === undefined
    const [now, before] = [idsOf(row), idsOf(this.#before)]
    return row?._tag !== this.#before?._tag || now.length !== before.length || now.some((id, at) => id !== before[at])
  }

  /** Rows of operations that are to be written, undefined to be removed, with the item's row as it is to be. */
  ops(row: HeadsRow | undefined): ReadonlyArray<readonly [id: OpId, row: OpRow | undefined]> {
    const written = [...this.#rowById].filter(([id]) => withinRow(row, id) === undefined)
    const before = this.#before?._tag === "One" ? this.#before.op : undefined
    const isLeft = before !== undefined && withinRow(row, before.id) === undefined && !this.#rowById.has(before.id)
    return isLeft ? [...written, [before.id, { op: before, children: 0 }]] : written
  }
}
