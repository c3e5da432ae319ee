/**
 * Who waits for relays to have an entry. Held in memory only: it tells whoever pushed, and nothing depends on it.
 *
 * 1. An entry is stored when as many of the relays in use have it as the quorum asks for; which these are is looked at
 *    whenever a relay takes the entry or is found to have it, and whenever a relay is added or removed.
 * 2. A relay has it once it also has the entry whose signature covers it, a later one of its batch: without that no
 *    device takes it, not even its own when it was restored from a backup.
 * 3. What was answered stays answered.
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
  /**
   * Where the first of enough relays has the entry; waits for them. `signedIn` is the entry whose signature covers it,
   * itself when it has one. To be asked once, by whoever wrote it.
   */
  readonly whenStored: (ordinal: Ordinal, signedIn: Ordinal) => Deferred.Deferred<Cursor, Closed>
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
  ordinal: number
  signedIn: number
  /** Relays in use that have it, the one that had it first before the others. */
  readonly cursorByRelay: Map<number, Cursor>
  /** Relays in use that have the entry with the signature. */
  readonly signedAt: Set<number>
}

/** Who waits, under both of their ordinals. */
class Line {
  readonly byOrdinal = new Map<number, Set<Waiting>>()

  add(ordinal: number, waiting: Waiting): void {
    const all = this.byOrdinal.get(ordinal)
    if (all === undefined) this.byOrdinal.set(ordinal, new Set([waiting]))
    else all.add(waiting)
  }

  remove(ordinal: number, waiting: Waiting): void {
    const all = this.byOrdinal.get(ordinal)
    if (all?.delete(waiting) === true && all.size === 0) this.byOrdinal.delete(ordinal)
  }

  for(ordinal: number): Iterable<Waiting> {
    return this.byOrdinal.get(ordinal) ?? []
  }

  all(): ReadonlySet<Waiting> {
    return new Set([...this.byOrdinal.values()].flatMap((all) => [...all]))
  }
}

/** Nobody waits, and there is no relay. */
export const make = (quorum: Quorum.Quorum): Receipts => {
  const line = new Line()
  let current: ReadonlySet<number> = new Set()
  let closed = false

  const look = (waiting: Waiting): void => {
    const { cursorByRelay, done, ordinal, signedAt, signedIn } = waiting
    const whole = [...cursorByRelay].filter(([relay]) => signedAt.has(relay))
    const [first] = whole
    if (first === undefined || whole.length < Quorum.needed(quorum, current.size)) return
    line.remove(ordinal, waiting)
    line.remove(signedIn, waiting)
    Deferred.doneUnsafe(done, Effect.succeed(first[1]))
  }
  const stored = (ordinal: number, relay: RelayNumber, at: Cursor): void => {
    if (!current.has(relay)) return
    for (const waiting of line.for(ordinal)) {
      if (waiting.ordinal === ordinal && !waiting.cursorByRelay.has(relay)) waiting.cursorByRelay.set(relay, at)
      if (waiting.signedIn === ordinal) waiting.signedAt.add(relay)
      look(waiting)
    }
  }
  return {
    stored,
    offered: ({ after, at, lacks, relay, through }) => {
      for (const ordinal of line.byOrdinal.keys()) {
        if (after < ordinal && ordinal <= through && !lacks(ordinal)) stored(ordinal, relay, at)
      }
    },
    whenStored: (ordinal, signedIn) => {
      const done = Deferred.makeUnsafe<Cursor, Closed>()
      const waiting: Waiting = { done, ordinal, signedIn, cursorByRelay: new Map(), signedAt: new Set() }
      if (closed) Deferred.doneUnsafe(done, Effect.fail(new Closed()))
      else for (const one of [ordinal, signedIn]) line.add(one, waiting)
      return done
    },
    moved: (before, after) => {
      for (const waiting of line.for(before)) {
        line.remove(before, waiting)
        line.add(after, waiting)
        // What relays had was the entry as it was.
        if (waiting.ordinal === before) {
          waiting.ordinal = after
          waiting.cursorByRelay.clear()
        }
        if (waiting.signedIn === before) {
          waiting.signedIn = after
          waiting.signedAt.clear()
        }
      }
    },
    inUse: (relays) => {
      current = relays
      for (const waiting of line.all()) {
        for (const relay of waiting.cursorByRelay.keys()) if (!relays.has(relay)) waiting.cursorByRelay.delete(relay)
        for (const relay of waiting.signedAt) if (!relays.has(relay)) waiting.signedAt.delete(relay)
        look(waiting)
      }
    },
    close: Effect.sync(() => {
      closed = true
      for (const { done } of line.all()) Deferred.doneUnsafe(done, Effect.fail(new Closed()))
      line.byOrdinal.clear()
    })
  }
}
