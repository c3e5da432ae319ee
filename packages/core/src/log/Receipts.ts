/**
 * Who waits for relays to have an entry. Held in memory only: it tells whoever pushed, and nothing depends on it.
 *
 * An entry is stored when as many of the relays in use have it as the quorum asks for; which these are is looked at
 * whenever a relay takes the entry or is found to have it, and whenever a relay is added or removed. What was answered
 * stays answered.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Closed } from "../ClientError.ts"
import type { Cursor, Ordinal } from "./Cursor.ts"
import type { RelayNumber } from "./Ledger.ts"
import * as Quorum from "./Quorum.ts"

export interface Receipts {
  /** An entry is durable at a relay: tells who waits for it, if that makes it enough. */
  readonly stored: (ordinal: Ordinal, relay: RelayNumber, at: Cursor) => void
  /** Where the first of enough relays has the entry; waits for them. Entries that are stored do not come here. */
  readonly whenStored: (ordinal: Ordinal) => Deferred.Deferred<Cursor, Closed>
  /** An entry got another ordinal: whoever waits for it waits for that. */
  readonly moved: (before: Ordinal, after: Ordinal) => void
  /** A relay needs not be offered some entries any more: those that it does not lack are there, up to `at`. */
  readonly offered: (passed: Passed) => void
  /** The relays in use, from now on. A majority may be reached by taking one away. */
  readonly inUse: (relays: ReadonlySet<number>) => void
  /** Ends all waiting. */
  readonly close: Effect.Effect<void>
}

/** Entries after `after`, up to `through`, that a relay was offered, or was found to have. */
export interface Passed {
  readonly relay: RelayNumber
  readonly after: Ordinal
  readonly through: Ordinal
  readonly at: Cursor
  readonly lacks: (ordinal: number) => boolean
}

interface Waiting {
  readonly done: Deferred.Deferred<Cursor, Closed>
  /** Relays in use that have it, the one that had it first before the others. */
  readonly cursorByRelay: Map<number, Cursor>
}

/** Nobody waits, and there is no relay. */
export const make = (quorum: Quorum.Quorum): Receipts => {
  const waitingByOrdinal = new Map<number, Waiting>()
  let current: ReadonlySet<number> = new Set()
  let closed = false

  const look = (ordinal: number, { cursorByRelay, done }: Waiting): void => {
    const [first] = cursorByRelay.values()
    if (first === undefined || cursorByRelay.size < Quorum.needed(quorum, current.size)) return
    waitingByOrdinal.delete(ordinal)
    Deferred.doneUnsafe(done, Effect.succeed(first))
  }
  const stored = (ordinal: number, relay: RelayNumber, at: Cursor): void => {
    const waiting = waitingByOrdinal.get(ordinal)
    if (waiting === undefined || !current.has(relay)) return
    if (!waiting.cursorByRelay.has(relay)) waiting.cursorByRelay.set(relay, at)
    look(ordinal, waiting)
  }
  return {
    stored,
    offered: ({ after, at, lacks, relay, through }) => {
      for (const ordinal of waitingByOrdinal.keys()) {
        if (after < ordinal && ordinal <= through && !lacks(ordinal)) stored(ordinal, relay, at)
      }
    },
    whenStored: (ordinal) => {
      const { cursorByRelay, done } = waitingByOrdinal.get(ordinal) ??
        { done: Deferred.makeUnsafe<Cursor, Closed>(), cursorByRelay: new Map<number, Cursor>() }
      if (closed) Deferred.doneUnsafe(done, Effect.fail(new Closed()))
      else waitingByOrdinal.set(ordinal, { done, cursorByRelay })
      return done
    },
    moved: (before, after) => {
      const waiting = waitingByOrdinal.get(before)
      if (waiting === undefined) return
      waitingByOrdinal.delete(before)
      // What relays had was the entry as it was.
      waiting.cursorByRelay.clear()
      waitingByOrdinal.set(after, waiting)
    },
    inUse: (relays) => {
      current = relays
      for (const [ordinal, waiting] of waitingByOrdinal) {
        for (const relay of waiting.cursorByRelay.keys()) if (!relays.has(relay)) waiting.cursorByRelay.delete(relay)
        look(ordinal, waiting)
      }
    },
    close: Effect.sync(() => {
      closed = true
      for (const { done } of waitingByOrdinal.values()) Deferred.doneUnsafe(done, Effect.fail(new Closed()))
      waitingByOrdinal.clear()
    })
  }
}
