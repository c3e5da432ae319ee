/**
 * What of a durable item store has an order, as text that stands in its tree, by its first character:
 *
 * | | then | says |
 * |---|---|---|
 * | `h` | an item's name | it has heads |
 * | `c` | an item's name | its heads differ |
 * | `e` | an entry's name | it waits |
 * | `w` | name of what is missing, `/`, name of an entry | that entry waits for it |
 */
import { compareKeys, type ItemRef, nameOf, type OpId } from "../Item.ts"
import type { ItemWrite, KeyRange } from "../ItemStore.ts"
import type { Stretch } from "./Tree.ts"

export type ItemKind = "h" | "c"

/** That an item has heads, or that they differ. */
export const itemText = (kind: ItemKind, item: ItemRef): string => kind + nameOf(item)

/** That an entry waits for one that is missing. */
export const waiterText = (missing: OpId, id: OpId): string => `w${missing}/${id}`

/** What a change of something else than an operation puts into the tree, or takes out of it. */
export const noted = (change: ItemWrite): ReadonlyArray<readonly [text: string, isIn: boolean]> => {
  switch (change.table) {
    case "entry":
      return [[`e${change.id}`, change.row?._tag === "Waiting"]]
    case "waiting":
      return [[waiterText(change.missing, change.id), change.row !== undefined]]
    case "contested":
      return [[itemText("c", change.item), change.row !== undefined]]
    case "op":
    case "mark":
      return []
  }
}

/** All that begins with some text. */
export const beginningWith = (beginning: string, limit = Infinity): Stretch => ({
  isBefore: (text) => compareKeys(text, beginning) < 0,
  isBehind: (text) => !text.startsWith(beginning) && compareKeys(text, beginning) > 0,
  reverse: false,
  limit
})

/** Entries that wait, behind one. */
export const waitingAfter = (after: OpId, limit: number): Stretch => ({
  ...beginningWith("e", limit),
  isBefore: (text) => text <= `e${after}`
})

/** Items of a range. */
export const itemsWithin = (
  kind: ItemKind,
  { after, collection, limit, prefix, reverse = false }: KeyRange
): Stretch => {
  const inside = { ...beginningWith(itemText(kind, { collection, key: prefix }), limit), reverse }
  if (after === undefined) return inside
  const place = itemText(kind, { collection, key: after })
  return reverse
    ? { ...inside, isBehind: (text) => inside.isBehind(text) || compareKeys(text, place) >= 0 }
    : { ...inside, isBefore: (text) => inside.isBefore(text) || compareKeys(text, place) <= 0 }
}
