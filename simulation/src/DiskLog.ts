/**
 * A log of records over a disk: to be read once, when a program starts, and added to from then on.
 *
 * 1. A record that `append` answered for is there after every crash, in its place (`Journal.ts` says when not).
 * 2. A record that it did not answer for is there whole, or not at all.
 */
import * as Effect from "effect/Effect"
import type { DiskFailed } from "./Disk.ts"
import type { Files } from "./Files.ts"
import * as Journal from "./Journal.ts"

export interface DiskLog {
  /** The records that were there when it was opened. */
  readonly recovered: ReadonlyArray<Uint8Array>
  /**
   * Adds a record; it is durable when this answers. Those that come at the same time share a sync. `durable` is called
   * at the moment when it is, in the order of the records: what `rewrite` is asked for must be kept there.
   */
  readonly append: (record: Uint8Array, durable?: () => void) => Effect.Effect<void, DiskFailed>
  /**
   * Puts other records in place of all whose `durable` was called by the time these are asked for, at once or not at
   * all. Whoever waits for an append to answer instead may leave out one that is durable already.
   */
  readonly rewrite: (records: () => ReadonlyArray<Uint8Array>) => Effect.Effect<void, DiskFailed>
  readonly sizeBytes: () => number
}

/** Opens a log, and makes it when there is none. */
export const open = (files: Files, file: string): Effect.Effect<DiskLog, DiskFailed> =>
  Effect.map(Journal.open(files, file), ({ journal, records }) => ({
    recovered: records,
    append: (record, durable) => journal.append(record.slice(), durable),
    rewrite: journal.rewrite,
    sizeBytes: journal.sizeBytes
  }))
