import type * as Clock from "effect/Clock"

/**
 * Whole milliseconds of a time that nobody sets: for how long something took, or has lasted. The wall clock says when
 * something was, and jumps when it is put right: a deadline that is measured by it comes that much too late, or at once.
 */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
