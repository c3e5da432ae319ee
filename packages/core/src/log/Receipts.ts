/**
 * Who waits for a relay to have an entry. Held in memory only: it tells whoever pushed, and nothing depends on it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Closed } from "../ClientError.ts"
import type { Cursor, Ordinal } from "./Cursor.ts"

export interface Receipts {
  /** An entry is durable at a relay: tells who waits for it. */
  readonly stored: (ordinal: Ordinal, at: Cursor) => void
  /** Where the first relay has the entry; waits for it. Entries that are stored already do not come here. */
  readonly whenStored: (ordinal: Ordinal) => Deferred.Deferred<Cursor, Closed>
  /** An entry got another ordinal: whoever waits for it waits for that. */
  readonly moved: (before: Ordinal, after: Ordinal) => void
  /** Ends all waiting. */
  readonly close: Effect.Effect<void>
}

/** Nobody waits. */
export const make = (): Receipts => {
  const waitingByOrdinal = new Map<number, Deferred.Deferred<Cursor, Closed>>()
  let closed = false
  return {
    stored: (ordinal, at) => {
      const waiting = waitingByOrdinal.get(ordinal)
      if (waiting === undefined) return
      waitingByOrdinal.delete(ordinal)
      Deferred.doneUnsafe(waiting, Effect.succeed(at))
    },
    whenStored: (ordinal) => {
      const waiting = waitingByOrdinal.get(ordinal) ?? Deferred.makeUnsafe<Cursor, Closed>()
      if (closed) Deferred.doneUnsafe(waiting, Effect.fail(new Closed()))
      else waitingByOrdinal.set(ordinal, waiting)
      return waiting
    },
    moved: (before, after) => {
      const waiting = waitingByOrdinal.get(before)
      if (waiting === undefined) return
      waitingByOrdinal.delete(before)
      waitingByOrdinal.set(after, waiting)
    },
    close: Effect.sync(() => {
      closed = true
      for (const waiting of waitingByOrdinal.values()) Deferred.doneUnsafe(waiting, Effect.fail(new Closed()))
      waitingByOrdinal.clear()
    })
  }
}
