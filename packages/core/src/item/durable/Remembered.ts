/**
 * Rows of items that were read since the last commit: the graph asks for them, works out what becomes of them, and writes.
 */
import { ByItem, type ItemRef } from "../Item.ts"
import type { HeadsRow } from "../ItemRow.ts"

/** Bytes of rows of items that are remembered until the next commit, about. */
const ITEMS_BYTES_MAX = 4 * 1024 * 1024

/** Rows of items, null for none, as many as fit some bytes. */
export class Remembered {
  #rowByItem = new ByItem<HeadsRow | null>()
  #bytes = 0

  get(item: ItemRef): HeadsRow | null | undefined {
    return this.#rowByItem.get(item)
  }

  set(item: ItemRef, row: HeadsRow | null): void {
    this.#bytes += ROW_BYTES + (row?._tag === "One" && row.op.action._tag === "Put" ? row.op.action.value.length : 0)
    if (this.#bytes > ITEMS_BYTES_MAX) this.clear()
    this.#rowByItem.set(item, row)
  }

  clear(): void {
    this.#rowByItem = new ByItem()
    this.#bytes = 0
  }
}

/** Bytes of a row beside its value, about. */
const ROW_BYTES = 512
