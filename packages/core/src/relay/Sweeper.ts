/**
 * What a relay does from time to time (protocol.md §6): deletes what retention allows, forgets what is over, and looks
 * after connections that prove nothing or take nothing. One fiber each; no timer per connection.
 */
import { Overloaded, Unauthorized } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import { elapsed, type Engine, now, overloaded } from "./Engine.ts"
import * as Hub from "./Hub.ts"
import type { Buckets } from "./RateLimit.ts"
import * as Session from "./Session.ts"

/** Rows of each kind that one step of a sweep deletes: it bounds how long others wait for storage. */
const STEP_ROWS = 1000
/** How often connections are looked at while one has to prove something or to end. */
const WATCH_MILLIS = 500
/** How often otherwise. */
const CALM_MILLIS = 15_000
/** How long a connection that is to end may still take what waits for it. */
const LINGER_MILLIS = 2000
/** How often routes are looked at for which no hint came. */
const LOOK_MILLIS = 15_000

/** Sweeps storage, mailboxes and buckets, for ever. */
export const sweep = (engine: Engine, buckets: ReadonlyArray<Buckets>): Effect.Effect<never> =>
  Effect.forever(
    Effect.gen(function*() {
      yield* Effect.sleep(engine.options.limits.sweepMillis)
      const nowMillis = now(engine)
      engine.mailboxes.sweep(nowMillis)
      for (const each of buckets) each.evict(nowMillis)
      yield* sweepStore(engine)
    })
  )

/** Deletes what may go, until nothing is left to delete; then counts what is kept. */
export const sweepStore = (engine: Engine): Effect.Effect<void> => {
  const { ackActiveMillis, knownMillis } = engine.options.limits
  const steps = Effect.gen(function*() {
    // A standby deletes what the relay that it follows has deleted, and nothing by itself.
    while (!engine.standby) {
      const nowMillis = now(engine)
      const { acknowledged, expired, forgotten } = yield* engine.store.sweep({
        nowMillis,
        activeSinceMillis: nowMillis - ackActiveMillis,
        knownSinceMillis: nowMillis - knownMillis,
        limit: STEP_ROWS
      })
      engine.metrics.deleted("acknowledged", acknowledged)
      engine.metrics.deleted("expired", expired)
      if (acknowledged + expired + forgotten === 0) break
      yield* Effect.yieldNow
    }
    engine.metrics.totals(yield* engine.store.totals)
    engine.metrics.storeUp(true)
  })
  return steps.pipe(Effect.catch((failed) => Effect.asVoid(overloaded(engine, failed))))
}

/** The connections that are there, and a bell for one that has to be looked at sooner. */
export interface Watched {
  readonly sessions: ReadonlySet<Session.Session>
  readonly bell: Latch.Latch
}

/** Ends connections that proved nothing in time, that take nothing, or that linger after their end. */
export const watch = (engine: Engine, { bell, sessions }: Watched): Effect.Effect<never> =>
  Effect.forever(
    Effect.suspend(() => {
      const elapsedMillis = elapsed(engine)
      let pressing = false
      for (const session of sessions) {
        look(engine, session, elapsedMillis)
        pressing ||= !session.authenticated || session.endedMillis !== undefined
      }
      if (pressing) return Effect.sleep(WATCH_MILLIS)
      bell.closeUnsafe()
      return sessions.size === 0 ? bell.await : Effect.asVoid(Effect.timeoutOption(bell.await, CALM_MILLIS))
    })
  )

const look = (engine: Engine, session: Session.Session, elapsedMillis: number): void => {
  const { stallMillis, unauthenticatedMillis } = engine.options.limits
  const { outbox } = session
  if (session.endedMillis !== undefined) {
    if (elapsedMillis - session.endedMillis >= LINGER_MILLIS) Session.cut(session)
  } else if (outbox.bytes > 0 && elapsedMillis - outbox.progressMillis >= stallMillis) {
    engine.metrics.connected("stalled")
    Session.end(engine, session, new Overloaded({ retryAfterMillis: 0 }))
  } else if (!session.authenticated && elapsedMillis - session.openedMillis >= unauthenticatedMillis) {
    engine.metrics.connected("unauthenticated")
    Session.end(engine, session, new Unauthorized({ detail: "nothing was proved in time" }))
  }
}

/** Takes the hints of other relays over the same storage, for ever. */
export const listen = (engine: Engine) =>
  Effect.gen(function*() {
    const next = yield* engine.hints.subscribe(engine.origin)
    return yield* Effect.forever(
      Effect.flatMap(next, (hints) =>
        Effect.forEach(
          new Set(hints.map(({ route }) => route)),
          (route) => refresh(engine, route),
          { discard: true }
        ))
    )
  })

/** Looks at every route that somebody is attached to: hints may get lost. */
export const lookAround = (engine: Engine): Effect.Effect<never> =>
  Effect.forever(
    Effect.gen(function*() {
      yield* Effect.sleep(LOOK_MILLIS)
      for (const { route } of Array.from(engine.hubByRoute.values())) yield* refresh(engine, route)
    })
  )

const refresh = (engine: Engine, route: Hub.Hub["route"]): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!Hub.isAttached(engine, route)) return Effect.void
    return Effect.matchEffect(Hub.reload(engine, route), {
      onFailure: (failure) =>
        failure._tag === "RelayStoreFailed" ? Effect.asVoid(overloaded(engine, failure)) : Effect.void,
      onSuccess: ([, hub]) => Effect.sync(() => Hub.wake(engine, hub))
    })
  })
