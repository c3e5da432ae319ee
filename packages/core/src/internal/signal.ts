/**
 * "Something changed": a counter that fibers wait on. It carries no value, so nothing piles up behind a slow reader; who
 * wakes up looks for itself.
 */
import * as Effect from "effect/Effect"

export interface Signal {
  /** How many times it was raised. */
  readonly version: () => number
  /** Wakes everybody who waits and has a reason to go on. */
  readonly raise: () => void
  /** Waits until it is raised while `isDue`, or goes on at once if it is so now. `isDue` may not throw. */
  readonly when: (isDue: () => boolean) => Effect.Effect<void>
  /** Waits until the version is another one than `seen`; answers it. */
  readonly after: (seen: number) => Effect.Effect<number>
}

interface Waiter {
  readonly isDue: () => boolean
  readonly wake: () => void
}

export const make = (): Signal => {
  let version = 0
  const waiters = new Set<Waiter>()
  const when: Signal["when"] = (isDue) =>
    Effect.callback<void>((resume) => {
      const waiter: Waiter = { isDue, wake: () => resume(Effect.void) }
      if (isDue()) return waiter.wake()
      waiters.add(waiter)
      return Effect.sync(() => {
        waiters.delete(waiter)
      })
    })
  return {
    version: () => version,
    raise: () => {
      version++
      // Who wakes runs at once, and may raise it again: by then it does not wait any more.
      for (const waiter of waiters) {
        if (!waiter.isDue()) continue
        waiters.delete(waiter)
        waiter.wake()
      }
    },
    when,
    after: (seen) => Effect.map(when(() => version !== seen), () => version)
  }
}

/**
 * Waits until `ready` answers something else than undefined. It is asked now, whenever the signal is raised, and again by
 * who waits: what it answered may not be so any more by then.
 */
export const until = <A>(signal: Signal, ready: () => A | undefined): Effect.Effect<A> => {
  // What goes wrong goes wrong for who waits, not for who raises.
  const isDue = () => {
    try {
      return ready() !== undefined
    } catch {
      return true
    }
  }
  const ask: Effect.Effect<A> = Effect.suspend(() => {
    const answer = ready()
    return answer === undefined ? Effect.flatMap(signal.when(isDue), () => ask) : Effect.succeed(answer)
  })
  return ask
}
