/**
 * Hybrid logical clock (Kulkarni et al., 2014): wall time in milliseconds and a counter that orders what happens within
 * one of them, or while the wall clock stands behind what was already seen.
 */
import * as Schema from "effect/Schema"
import { uint } from "./Wire.ts"

/** A reading: milliseconds since 1970 below 2^48, and a counter below 2^16. */
export const Hlc = Schema.Struct({ millis: uint(0xffff_ffff_ffff), counter: uint(0xffff) })
export type Hlc = typeof Hlc.Type

/** Order: first by time, then by counter. Negative when `a` is earlier. */
export const compare = (a: Hlc, b: Hlc): number => a.millis - b.millis || a.counter - b.counter

/** The next reading after `last`, at wall time `nowMillis`. Always later than `last`. */
export const tick = (last: Hlc, nowMillis: number): Hlc => {
  if (nowMillis > last.millis) return { millis: nowMillis, counter: 0 }
  return last.counter < 0xffff
    ? { millis: last.millis, counter: last.counter + 1 }
    : { millis: last.millis + 1, counter: 0 }
}

/** The later of two readings. */
export const max = (a: Hlc, b: Hlc): Hlc => compare(a, b) >= 0 ? a : b
