/** Nothing is merged: a person decides about every conflict (protocol.md §5). What a collection does unless it says otherwise. */
import type { Strategy } from "./Strategy.ts"

export const ask: Strategy = { _tag: "Ask" }
