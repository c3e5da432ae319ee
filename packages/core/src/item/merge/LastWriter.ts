/**
 * The last writer wins: by the hybrid clock, and by the operation's name where clocks agree (protocol.md §5). A deletion
 * is a write as any other.
 */
import { latestOf } from "../Item.ts"
import type { Strategy } from "./Strategy.ts"

export const lastWriter: Strategy = { _tag: "Pick", pick: latestOf }
