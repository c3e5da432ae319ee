/**
 * When to try a relay again (protocol.md §7): after 1, 2, 4, … 30 s, each plus 0 to 5 s drawn anew, so that the devices
 * of a relay that restarts do not come back at once. A relay that names a time itself is not asked before it.
 */
import { Limit } from "@sotto/schema/Limit"
import type { RelayError } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** Milliseconds before try number `failures` + 1, without the part that is drawn. `failures` counts from 1. */
export const baseMillis = (failures: number): number =>
  Math.min(Limit.reconnectMillisMin * 2 ** (failures - 1), Limit.reconnectMillisMax)

/** The whole delay. `retryAfterMillis`: what the relay asked for, 0 when it asked for nothing. */
export const delayMillis = (failures: number, retryAfterMillis = 0): Effect.Effect<number> =>
  Effect.map(
    Random.next,
    (drawn) => Math.max(baseMillis(failures), retryAfterMillis) + Math.floor(drawn * (Limit.reconnectJitterMillis + 1))
  )

/** How long to leave a relay alone, over the same connection, with what it refused and may take later; undefined for the rest. */
export const askAgainMillis = (refusal: RelayError): number | undefined => {
  if (refusal._tag === "QuotaExceeded") return Limit.reconnectMillisMax
  if (refusal._tag !== "RateLimited" && refusal._tag !== "Overloaded") return undefined
  return Math.max(refusal.retryAfterMillis, 1)
}
