/**
 * This device's version wins, or the others' do (protocol.md §5). Each device prefers in its own way, and only among
 * edits: of what devices settled on, the last one wins everywhere. So preferences that cross come to an end.
 */
import { type Author, type Heads, latestOf, type Operation, toHeads } from "../Item.ts"
import type { Strategy } from "./Strategy.ts"

const pick = (wanted: (author: Author, self: Author) => boolean) => (heads: Heads, self: Author): Operation => {
  const isSettled = heads.every(({ generation }) => generation > 0)
  const preferred = isSettled ? undefined : toHeads(heads.filter(({ author }) => wanted(author, self)))
  return latestOf(preferred ?? heads)
}

/** What this device wrote wins over what others did at the same time; among others', the last. */
export const preferLocal: Strategy = { _tag: "Pick", pick: pick((author, self) => author === self) }

/** What others wrote wins over what this device did at the same time; among others', the last. */
export const preferRemote: Strategy = { _tag: "Pick", pick: pick((author, self) => author !== self) }
