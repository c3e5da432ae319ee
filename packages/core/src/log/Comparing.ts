/**
 * When a device compares itself with a relay (protocol.md §2, §2a): at once where that moves less than reading the relay's
 * log, when the app asks, and else now and then, so that what only one of them has comes to the other.
 */
import type { Position } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { Overloaded, RateLimited, Unauthorized } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import type { Book, Books } from "./Journal.ts"
import type { CompareFailed } from "./RelayTalk.ts"

/** Below this many entries a log is read sooner than two sides have compared what they have. */
const ENTRIES_MIN = 16

/** What is known of a relay, and of this device, before they are compared. */
export interface Facts {
  /** Entries that this device has. */
  readonly entries: number
  readonly relays: number
  /** How far this device has read the relay's log. */
  readonly cursor: number
  /** Entries that the relay is to be offered. */
  readonly toOffer: number
}

/**
 * Whether to compare before the log is read. It is when most of it may be here: this device was never at this relay, or
 * is to offer it everything, or another relay has brought entries meanwhile.
 */
export const isShorter = ({ cursor, entries, relays, toOffer }: Facts, head: Position): boolean => {
  if (entries < ENTRIES_MIN || head === 0) return false
  return (head - cursor >= ENTRIES_MIN && (cursor === 0 || relays > 1)) || toOffer >= ENTRIES_MIN
}

/** Of the relay's book. */
export const factsOf = ({ bookByHex, meta }: Books, { mark }: Book): Facts => ({
  entries: meta.ordinal,
  relays: bookByHex.size,
  cursor: mark.cursor,
  toOffer: mark.offerUntil - mark.offered
})

type Passing = ReconcileFailed | RateLimited | Overloaded | Unauthorized

const PASSING = new Set<string>(
  ["ReconcileFailed", "RateLimited", "Overloaded", "Unauthorized"] satisfies ReadonlyArray<Passing["_tag"]>
)

/** Whether the session goes on after a comparison that failed so: the log brings what it did not. */
export const isPassing = (error: CompareFailed): error is Passing => PASSING.has(error._tag)

/** How long to leave it until the next comparison; the devices of a space are not to come all at once. */
export const pauseMillis = (count: number): Effect.Effect<number> => {
  const base = count === 0 ? Limit.reconcileFirstMillis : Limit.reconcileEveryMillis
  return Effect.map(Random.next, (drawn) => Math.floor(base * (1 + drawn)))
}
