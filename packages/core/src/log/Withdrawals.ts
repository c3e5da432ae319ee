/**
 * Entries that were accepted and left the log: after a cut-off (`Cutoff`), or to be written again (`Restore`). They
 * are kept, by the ordinals that they had, in a table of the ledger (`Ledger.withdrawn`), written in the commit that takes
 * them out: so whoever keeps what came of entries learns of it whatever happens. Here they hear that there is something.
 */
import type { Ordinal } from "./Cursor.ts"

/** Which entries left, by their ordinals; `unknown` when the books were read anew, and any may have. */
export type Withdrawn = ReadonlyArray<Ordinal> | "unknown"

export interface Withdrawals {
  /** Tells `listener` from now on. Answers how to end that. It must not throw. */
  readonly listen: (listener: (withdrawn: Withdrawn) => void) => () => void
  readonly tell: (withdrawn: Withdrawn) => void
}

export const make = (): Withdrawals => {
  const listeners = new Set<(withdrawn: Withdrawn) => void>()
  return {
    listen: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    tell: (withdrawn) => {
      if (withdrawn.length === 0) return
      for (const listener of listeners) listener(withdrawn)
    }
  }
}
