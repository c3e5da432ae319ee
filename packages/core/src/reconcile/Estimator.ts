/**
 * How many ids two sets differ in, from 32 counters each (tug of war: Alon, Matias and Szegedy, STOC 1996). A counter
 * adds +1 or −1 for each id, by a bit of its hash; what both sets hold cancels in the difference of their counters,
 * and its square is, on average, the number of ids that only one of them has. Over 32 counters its standard deviation
 * is a quarter of it.
 */
import { COUNTERS } from "@sotto/schema/Reconcile"
import * as ShortId from "./ShortId.ts"

/** Counters of nothing. */
export const make = (): Int32Array => new Int32Array(COUNTERS)

/** Counts a short id in (`sign` 1) or out (−1). */
export const count = (counters: Int32Array, high: number, low: number, sign: 1 | -1): void => {
  const signs = ShortId.signsOf(high, low)
  // Without a branch: the processor would guess every second one wrong.
  for (let i = 0; i < COUNTERS; i++) counters[i] = (counters[i] ?? 0) + sign - ((signs >>> i & 1) * sign << 1)
}

/** The estimated number of ids in which two sets differ; at least the difference of their counts. */
export const estimate = (a: Int32Array, b: Int32Array, countDifference: number): number => {
  let sum = 0
  for (let i = 0; i < COUNTERS; i++) sum += ((a[i] ?? 0) - (b[i] ?? 0)) ** 2
  return Math.max(Math.abs(countDifference), Math.round(sum / COUNTERS))
}
