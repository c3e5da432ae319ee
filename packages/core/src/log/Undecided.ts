/**
 * How many items wait for a person's decision, so that the status can tell. Whoever looks after items says so; nothing here
 * depends on it.
 */
import type { Signal } from "../internal/signal.ts"

export interface Undecided {
  /** 0 until items are used. */
  readonly count: () => number
  readonly set: (count: number) => void
}

/** Raises `changed` when the count is another one. */
export const make = (changed: Signal): Undecided => {
  let current = 0
  return {
    count: () => current,
    set: (count) => {
      if (count === current) return
      current = count
      changed.raise()
    }
  }
}
