/** Versions that were written at the same time stand beside each other until somebody writes the next (protocol.md §5). */
import type { Strategy } from "./Strategy.ts"

export const multiValue: Strategy = { _tag: "Keep" }
