/** What a virtual service asks of the world it is in: to know the time of it, and to be called later. */

/** Virtual time, as integer microseconds since the world began. */
export interface Timeline {
  readonly nowMicros: () => number
  /** Runs `run` once, `delayMicros` from now; equal times run in the order of scheduling. The answer takes it back. */
  readonly schedule: (delayMicros: number, run: () => void) => () => void
}
