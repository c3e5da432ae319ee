/**
 * Something over a journal, opened again when the journal is broken, as a database does with the next operation.
 *
 * 1. A broken journal never touches its file again (`Journal.isBroken`), so at no time do two of them write one file.
 * 2. Whoever comes first opens it again; all others wait for that, and go on with what was opened.
 * 3. When that fails too, whoever comes next tries again.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** What can break. */
export interface Breakable {
  readonly isBroken: () => boolean
}

export interface Mended<A, E> {
  /** What was opened last, broken or not. */
  readonly current: () => A
  /** What was opened last, opened again if it is broken. */
  readonly sound: Effect.Effect<A, E>
}

/** `again` opens it anew. It is not interrupted: what it did to be up to date would be done twice. */
export const make = <A extends Breakable, E>(opened: A, again: Effect.Effect<A, E>): Mended<A, E> => {
  let current = opened
  const alone = Semaphore.makeUnsafe(1)
  const mend = Effect.uninterruptible(Effect.suspend(() =>
    current.isBroken()
      ? Effect.map(again, (mended) => {
        current = mended
        return mended
      })
      : Effect.succeed(current)
  ))
  return {
    current: () => current,
    sound: Effect.suspend(() => current.isBroken() ? alone.withPermit(mend) : Effect.succeed(current))
  }
}
