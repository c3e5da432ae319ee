/**
 * What each node knew at a moment: the last probe at or before a row, leaf by leaf, and which leaves differ from the
 * probe before.
 */
import type { Packed, PackedStates } from "../Packed.ts"

export interface Leaf {
  readonly path: string
  readonly value: string
  readonly change: "same" | "changed" | "new" | "gone"
}

export interface NodeState {
  /** Number of the row at which the node said so. */
  readonly row: number
  readonly leaves: ReadonlyArray<Leaf>
}

/** Answers what a node last said at or before a row, by number. Undefined: nothing yet. */
export const stateReader = (packed: Packed): (node: string, row: number) => NodeState | undefined => {
  const { rows, states, placesOf } = open(packed.states)
  const leavesAt = (place: number | undefined): ReadonlyMap<string, string> =>
    place === undefined ? new Map() : leavesOf(states(place))
  return (node, row) => {
    const places = placesOf(node)
    const behind = upTo(places, (place) => (rows[place] ?? 0) <= row)
    const place = places[behind - 1]
    if (place === undefined) return undefined
    return { row: rows[place] ?? 0, leaves: compare(leavesAt(places[behind - 2]), leavesAt(place), behind > 1) }
  }
}

/** The states that there are, by place: the row of each, what it was, and the places of a node. */
const open = (packed: PackedStates) => {
  const size = packed.row.length
  const rows = new Uint32Array(size)
  const offset = new Uint32Array(size)
  const byNode = packed.nodes.map((): Array<number> => [])
  let [row, next] = [0, 0]
  for (let place = 0; place < size; place++) {
    row += packed.row[place] ?? 0
    rows[place] = row
    offset[place] = next
    next += packed.shapes[packed.shape[place] ?? 0]?.length ?? 1
    byNode[packed.node[place] ?? 0]?.push(place)
  }
  const value = (at: number): unknown => JSON.parse(packed.texts[packed.values[at] ?? 0] ?? "null")
  return {
    rows,
    states: (place: number): unknown => {
      const keys = packed.shapes[packed.shape[place] ?? 0] ?? null
      const from = offset[place] ?? 0
      return keys === null ? value(from) : Object.fromEntries(keys.map((key, i) => [key, value(from + i)]))
    },
    placesOf: (node: string): ReadonlyArray<number> => byNode[packed.nodes.indexOf(node)] ?? []
  }
}

/** How many items of a sorted list fit. */
const upTo = (places: ReadonlyArray<number>, fits: (place: number) => boolean): number => {
  let [low, high] = [0, places.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (fits(places[middle] ?? 0)) low = middle + 1
    else high = middle
  }
  return low
}

/** Every leaf of a value by its path. What is read best in one line is one leaf. */
export const leavesOf = (value: unknown): ReadonlyMap<string, string> => {
  const leaves = new Map<string, string>()
  const visit = (path: string, part: unknown, isItem: boolean): void => {
    const line = inLine(part, isItem)
    if (line !== undefined) leaves.set(path, line)
    else if (typeof part === "object" && part !== null) {
      for (const [key, inner] of Object.entries(part)) {
        visit(path === "" ? key : `${path}.${key}`, inner, Array.isArray(part))
      }
    }
  }
  visit("", value, false)
  return leaves
}

/** Items of a list that are no longer than this are one line. */
const ITEM_MAX = 90

/** Plain values, lists of them, and small items of a list, as a line. */
const inLine = (part: unknown, isItem: boolean): string | undefined => {
  if (typeof part === "string") return part
  if (typeof part !== "object" || part === null) return JSON.stringify(part)
  const parts = Object.entries(part)
  if (parts.length === 0) return Array.isArray(part) ? "[]" : "{}"
  if (parts.some(([, inner]) => typeof inner === "object" && inner !== null)) return undefined
  if (Array.isArray(part)) return part.join(", ")
  const line = parts.map(([key, inner]) => `${key} ${String(inner)}`).join(" · ")
  return isItem && line.length <= ITEM_MAX ? line : undefined
}

const compare = (
  before: ReadonlyMap<string, string>,
  now: ReadonlyMap<string, string>,
  hasBefore: boolean
): ReadonlyArray<Leaf> => {
  const out: Array<Leaf> = []
  for (const [path, value] of now) {
    const was = before.get(path)
    const change = !hasBefore || was === value ? "same" : was === undefined ? "new" : "changed"
    out.push({ path, value, change })
  }
  for (const [path, value] of before) if (!now.has(path)) out.push({ path, value, change: "gone" })
  return out
}
