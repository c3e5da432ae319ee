/**
 * Who may come in, and what serves a connection from its first byte to its end (protocol.md §6).
 *
 * 1. Connections are counted before anything is read from them: in all, per address while they have proved nothing, and
 *    per address and minute.
 * 2. All that a connection starts is in its scope, and `serve` answers when that is closed.
 */
import { InvalidMessage, Overloaded, RateLimited, type RelayError, ShuttingDown } from "@sotto/schema/RelayError"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Channel from "../channel/Channel.ts"
import type { ChannelFailed } from "../channel/ChannelError.ts"
import * as Control from "../channel/Control.ts"
import type { RelayIdentity } from "../channel/RelayKeyring.ts"
import type { Crypto } from "../Crypto.ts"
import type { Connection, ConnectionClosed } from "../Transport.ts"
import * as Calls from "./Calls.ts"
import { ControlPlane } from "./ControlPlane.ts"
import { type Engine, now } from "./Engine.ts"
import * as Feed from "./Feed.ts"
import * as RateLimit from "./RateLimit.ts"
import * as Session from "./Session.ts"

export interface Door {
  readonly sessions: Set<Session.Session>
  /** Rung when a connection came or has to end. */
  readonly bell: Latch.Latch
  /** Connections per address and minute. */
  readonly connects: RateLimit.Buckets
  /** New routes per address and hour. */
  readonly opens: RateLimit.Buckets
  /** Connections per address that have proved nothing yet. */
  readonly strangersByAddress: Map<string, number>
  /** Connections that are in their handshake. */
  handshakes: number
}

export const make = (engine: Engine): Door => {
  const { connectsPerMinute, routesOpenedPerHour } = engine.options.limits
  return {
    sessions: new Set(),
    bell: Latch.makeUnsafe(false),
    connects: RateLimit.makeBuckets(RateLimit.rate(connectsPerMinute, 60_000)),
    opens: RateLimit.makeBuckets(RateLimit.rate(routesOpenedPerHour, 3_600_000)),
    strangersByAddress: new Map(),
    handshakes: 0
  }
}

/** Why a connection from `address` (see `RateLimit.addressKey`) would not be let in now. */
export const refusal = (engine: Engine, door: Door, address: string): RelayError | undefined => {
  const { goAwayMillis, sessionsMax, unauthenticatedPerAddressMax } = engine.options.limits
  if (engine.load.draining) return new ShuttingDown({ retryAfterMillis: goAwayMillis })
  if (door.sessions.size + door.handshakes >= sessionsMax) return new Overloaded({ retryAfterMillis: 10_000 })
  if ((door.strangersByAddress.get(address) ?? 0) >= unauthenticatedPerAddressMax) {
    return new RateLimited({ scope: "unauthenticated", retryAfterMillis: 5000 })
  }
  return undefined
}

/** Lets a connection in, or says why not. */
const enter = (engine: Engine, door: Door, address: string): RelayError | undefined => {
  const refused = refusal(engine, door, address)
  if (refused !== undefined) return refused
  const retryAfterMillis = door.connects.take(address, now(engine))
  if (retryAfterMillis > 0) return new RateLimited({ scope: "connects", retryAfterMillis })
  door.strangersByAddress.set(address, (door.strangersByAddress.get(address) ?? 0) + 1)
  return undefined
}

/** It has proved something, or is gone. */
const noStranger = (door: Door, address: string): void => {
  const left = (door.strangersByAddress.get(address) ?? 1) - 1
  if (left > 0) door.strangersByAddress.set(address, left)
  else door.strangersByAddress.delete(address)
}

/** Serves a connection until it ends. */
export const serve = (
  engine: Engine,
  door: Door,
  identity: RelayIdentity,
  connection: Connection
): Effect.Effect<void, never, Crypto> =>
  Effect.suspend(() => {
    const address = RateLimit.addressKey(connection.remoteAddress)
    const refused = enter(engine, door, address)
    if (refused !== undefined) {
      engine.metrics.connected("refused")
      if (refused._tag === "RateLimited") engine.metrics.limited(refused.scope)
      return Effect.void
    }
    let stranger = true
    const known = () => {
      if (stranger) noStranger(door, address)
      stranger = false
    }
    return Effect.scoped(Effect.gen(function*() {
      const channel = yield* handshake(engine, door, identity, connection)
      if (channel === undefined) return
      const { handshakeHash } = channel
      yield* talk(engine, door, Session.make(engine, { address, handshakeHash, known, bell: door.bell }), channel)
    })).pipe(Effect.ensuring(Effect.sync(known)))
  })

const handshake = (engine: Engine, door: Door, identity: RelayIdentity, connection: Connection) =>
  Effect.suspend(() => {
    door.handshakes++
    return Channel.accept(connection, identity)
  }).pipe(
    Effect.ensuring(Effect.sync(() => {
      door.handshakes--
    })),
    Effect.catch((failure) => {
      engine.metrics.connected("failed")
      return Effect.as(Effect.logDebug("relay connection did not come about", reasonOf(failure)), undefined)
    })
  )

/** Everything between an open channel and its end. Both planes go out through the outbox: one order, one measure. */
const talk = Effect.fnUntraced(function*(
  engine: Engine,
  door: Door,
  session: Session.Session,
  channel: Channel.Channel
) {
  const scope = yield* Effect.scope
  // Ends last: by then no call of this connection works any more, so nothing is attached after it.
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      door.sessions.add(session)
      door.bell.openUnsafe()
      engine.metrics.connected("accepted")
      engine.metrics.connections(door.sessions.size)
    }),
    () =>
      Effect.sync(() => {
        Session.release(engine, session)
        door.sessions.delete(session)
        engine.metrics.connections(door.sessions.size)
      })
  )
  const { outbox } = session
  const planes = {
    control: controlOf(engine, door, session, scope),
    standby: (message: Uint8Array) => Feed.take(engine, session, message)
  }
  yield* Effect.forkScoped(
    Effect.ensuring(Effect.ignore(outbox.run(channel.sendAll)), Effect.sync(() => Session.cut(session)))
  )
  const read = Session.read(engine, session, channel.receive, planes)
  yield* Effect.forkScoped(guarded(session, read.pipe(Effect.catch((why) => ended(engine, session, why)))))
  yield* Deferred.await(session.gone)
})

/** Takes messages of the control plane, which is there while calls are. */
const controlOf = (engine: Engine, door: Door, session: Session.Session, scope: Scope.Scope) => {
  let plane: ControlPlane | undefined
  return (message: Uint8Array): Effect.Effect<void> | undefined => {
    if (plane !== undefined) return plane.put(message)
    const begun = new ControlPlane({ outbox: session.outbox, fail: (failed) => ended(engine, session, failed) })
    plane = begun
    begun.put(message)
    const calls = Effect.suspend(() =>
      Effect.ignore(Control.serve(Calls.make(engine, session, door.opens), begun, (served) => begun.rest(served)))
    )
    const over = () => {
      plane = undefined
    }
    return Effect.asVoid(Effect.forkIn(guarded(session, begun.run(calls, over)), scope))
  }
}

/** A bug in what serves a connection costs that connection. */
const guarded = (session: Session.Session, serving: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.catchCause(serving, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    Session.cut(session)
    return Effect.logError("relay connection ended by a defect", cause)
  })

/** The other side ended, or has to be told why it is over. */
const ended = (
  engine: Engine,
  session: Session.Session,
  why: InvalidMessage | ConnectionClosed | ChannelFailed
): Effect.Effect<void> => {
  if (why._tag === "ConnectionClosed") return Effect.sync(() => Session.cut(session))
  engine.metrics.connected("invalid")
  const told = why._tag === "InvalidMessage" ? why : new InvalidMessage({ detail: `${why.reason}: ${why.detail}` })
  return Effect.andThen(
    Effect.logDebug("relay connection ended by what it sent", reasonOf(why)),
    Effect.sync(() => Session.end(engine, session, told))
  )
}

/** For the log: what kind of end it was. Details may hold what a client sent, so they stay out. */
const reasonOf = (failure: InvalidMessage | ConnectionClosed | ChannelFailed) =>
  failure._tag === "ChannelFailed" ? { tag: failure._tag, reason: failure.reason } : { tag: failure._tag }
