/**
 * "Something changed": a counter that fibers wait on. It carries no value, so nothing piles up behind a slow reader; who
 * wakes up looks for itself.
 */
import * as Effect from "effect/Effect"

export interface Signal {
  /** How many times it was raised. */
  readonly version: () => number
  /** Wakes everybody who waits. */
  readonly raise: () => void
  /** Waits until the version is another one than `seen`; answers it. */
  readonly after: (seen: number) => Effect.Effect<number>
}

export const make = (): Signal => {
  let version = 0
  const waiters = new Set<() => void>()
  return {
    version: () => version,
    raise: () => {
      version++
      const woken = [...waiters]
      waiters.clear()
      for (const wake of woken) wake()
    },
    after: (seen) =>
      Effect.callback<number>((resume) => {
        const wake = () => resume(Effect.succeed(version))
        if (version !== seen) return wake()
        waiters.add(wake)
        return Effect.sync(() => {
          waiters.delete(wake)
        })
      })
  }
}

/** Waits until `ready` answers something else than undefined. It is asked now, and whenever the signal is raised. */
export const until = <A>(signal: Signal, ready: () => A | undefined): Effect.Effect<A> =>
  Effect.suspend(() => {
    const seen = signal.version()
    const answer = ready()
    return answer === undefined
      ? Effect.flatMap(signal.after(seen), () => until(signal, ready))
      : Effect.succeed(answer)
  })
