/**
 * A relay (protocol.md §6): a program that keeps, orders and hands on envelopes that it cannot read, for whoever proves
 * a capability. The platform gives it connections, storage and primitives; everything else is here and below.
 *
 * ```
 *   connection ─ Channel.accept ─ Demux ─┬─ control ─ Calls ────┐
 *                                        └─ data ──── Session ──┼─ Push ──▶ RelayStore.append
 *                                 ▲                             │                │ durable
 *                                 └──── Outbox ◀── Subscription ◀── Hub ◀────────┘
 * ```
 *
 * 1. It learns route ids, capability keys, sizes and times, and writes none of them to a log, a metric or a span.
 * 2. What it answered as stored is durable. What it did not answer may be stored or not; to send it again is safe.
 * 3. It keeps its key in storage from its first start on: a relay over the same storage is the same relay.
 * 4. All that it starts ends with its scope; all that a connection starts ends with that connection.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { RelayKey } from "@sotto/schema/Id"
import type { RelayKeys } from "@sotto/schema/Relay"
import { InvalidMessage, Overloaded, RateLimited, type RelayError, ShuttingDown } from "@sotto/schema/RelayError"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Channel from "../channel/Channel.ts"
import type { ChannelFailed } from "../channel/ChannelError.ts"
import * as Control from "../channel/Control.ts"
import * as Demux from "../channel/Demux.ts"
import * as RelayKeyring from "../channel/RelayKeyring.ts"
import { Crypto, type EntropyUnavailable } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import type { Connection, ConnectionClosed } from "../Transport.ts"
import * as Calls from "./Calls.ts"
import { type Engine, now } from "./Engine.ts"
import * as HeadSigner from "./HeadSigner.ts"
import { Hints } from "./Hints.ts"
import * as Hub from "./Hub.ts"
import * as Mailbox from "./Mailbox.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RelayMetrics from "./RelayMetrics.ts"
import * as RelayOptions from "./RelayOptions.ts"
import { RelayStore, type RelayStoreFailed } from "./RelayStore.ts"
import * as Session from "./Session.ts"
import * as Subscription from "./Subscription.ts"
import * as Sweeper from "./Sweeper.ts"

/** What goes on at a relay at this moment. Counts only: nothing here says who or what. */
export interface RelayStats {
  readonly connections: number
  /** Connections that have proved nothing yet, those in their handshake included. */
  readonly unauthenticated: number
  /** Routes that somebody is attached to. */
  readonly routes: number
  readonly handles: number
  readonly subscriptions: number
  /** Pushes that were taken and are not answered yet. */
  readonly pushesInFlight: number
  /** Bytes that wait to be sent, over all connections. */
  readonly outboundBytes: number
  readonly draining: boolean
}

/** The key in storage is not one that this version reads. The relay does not start with another one in its place. */
export class RelayIdentityUnreadable
  extends Schema.TaggedError<RelayIdentityUnreadable>()("RelayIdentityUnreadable", {})
{
  override get message() {
    return "The relay's key in its storage cannot be read. It was not replaced, since all clients pin it; " +
      "restore the storage from a backup, or start a newer version if one wrote it."
  }
}

export class Relay extends Context.Service<Relay, {
  /** What clients pin. */
  readonly relayKey: RelayKey
  readonly keys: RelayKeys
  /** The address to give to clients: this relay's key under `url` (`wss://host:port/`), which has to be one. */
  readonly address: (url: string) => string
  /**
   * Serves one connection until it ends, from whichever side; it does not fail. The connection is to be closed by the
   * caller afterwards, with the scope that it belongs to.
   */
  readonly serve: (connection: Connection) => Effect.Effect<void>
  /** Why a connection from there would be refused at this moment: for a platform that can say so before it accepts. */
  readonly refusal: (remoteAddress: string) => Effect.Effect<RelayError | undefined>
  /** Takes nothing new, answers what it took, tells everybody to go, ends all connections. To be followed by the end. */
  readonly drain: Effect.Effect<void>
  /** Deletes what may go now, without waiting for the next turn. */
  readonly sweep: Effect.Effect<void>
  readonly stats: Effect.Effect<RelayStats>
}>()("@sotto/core/Relay") {}

/** Fibers that hand out what routes hold. */
const WORKERS = 4
/** How long `drain` waits for what is on its way. */
const DRAIN_MILLIS = 10_000
/** How often it looks. */
const DRAIN_LOOK_MILLIS = 10
const IDENTITY = "relay-identity"

type Failure = RelayOptions.RelayOptionsInvalid | RelayStoreFailed | RelayIdentityUnreadable | EntropyUnavailable

/** A relay over the storage and hints of the context, until the scope closes. */
export const make: (
  settings?: RelayOptions.RelaySettings
) => Effect.Effect<Relay["Service"], Failure, Crypto | RelayStore | Hints | Scope.Scope> = Effect.fn("Relay.make")(
  function*(settings) {
    const options = yield* Effect.fromResult(RelayOptions.make(settings))
    const crypto = yield* Crypto
    const store = yield* RelayStore
    const identity = yield* loadIdentity(crypto, store)
    const engine: Engine = {
      crypto,
      store,
      options,
      hints: yield* Hints,
      clock: yield* Clock.Clock,
      relayKey: identity.relayKey,
      signer: HeadSigner.make(crypto, identity),
      metrics: yield* RelayMetrics.make,
      mailboxes: Mailbox.make(crypto, options.limits),
      origin: Bytes.toHex(yield* Secret.randomBytes(16)),
      hubByRoute: new Map(),
      work: yield* Queue.unbounded<Hub.Hub>(),
      load: { pushes: 0, pushBytes: 0, draining: false, storeFailedMillis: Number.NEGATIVE_INFINITY }
    }
    const door = makeDoor(engine)
    const opens = RateLimit.makeBuckets(RateLimit.rate(options.limits.routesOpenedPerHour, 3_600_000))
    yield* Effect.addFinalizer(() => Effect.sync(() => door.sessions.forEach(Session.cut)))
    for (let i = 0; i < WORKERS; i++) yield* Effect.forkScoped(Subscription.worker(engine))
    yield* Effect.forkScoped(Sweeper.sweep(engine, [opens, door.connects]))
    yield* Effect.forkScoped(Sweeper.watch(engine, door))
    yield* Effect.forkScoped(Sweeper.listen(engine))
    yield* Effect.forkScoped(Sweeper.lookAround(engine))
    yield* Effect.logInfo("relay started", { admission: options.admission._tag, software: options.software })
    const context = yield* Effect.context<Crypto>()
    return Relay.of({
      relayKey: identity.relayKey,
      keys: identity.keys,
      address: (url) => relayAddressToText({ url, key: identity.relayKey }),
      serve: (connection) => Effect.provideContext(serve(engine, door, opens, identity, connection), context),
      refusal: (remoteAddress) => Effect.sync(() => door.refusal(RateLimit.addressKey(remoteAddress))),
      drain: drain(engine, door),
      sweep: Sweeper.sweepStore(engine),
      stats: Effect.sync(() => stats(engine, door))
    })
  }
)

/** A relay that lives as long as the Layer. */
export const layer = (
  settings?: RelayOptions.RelaySettings
): Layer.Layer<Relay, Failure, Crypto | RelayStore | Hints> => Layer.effect(Relay, make(settings))

/** The key in storage, or a new one that is put there. Of two relays that start at once over one storage, one wins. */
const loadIdentity = Effect.fnUntraced(function*(crypto: Crypto["Service"], store: RelayStore["Service"]) {
  const kept = yield* store.secret.get(IDENTITY)
  const bytes = kept ??
    (yield* store.secret.set(IDENTITY, RelayKeyring.encode(yield* generateIdentity(crypto))))
  const decoded = RelayKeyring.decode(crypto, bytes)
  return Result.isSuccess(decoded) ? decoded.success : yield* new RelayIdentityUnreadable()
})

/** Draws once first, so that a platform without entropy is a failure and not a defect. */
const generateIdentity = (crypto: Crypto["Service"]) =>
  Effect.map(Effect.provideService(Secret.randomBytes(32), Crypto, crypto), () => RelayKeyring.generate(crypto))

// -- the door ----------------------------------------------------------------------------------------------------------

/** Who is in, and who may come in. */
interface Door {
  readonly sessions: Set<Session.Session>
  /** Rung when a connection came or has to end. */
  readonly bell: Latch.Latch
  readonly connects: RateLimit.Buckets
  /** Connections per address that have proved nothing yet. */
  readonly strangersByAddress: Map<string, number>
  /** Connections that are in their handshake. */
  handshakes: number
  readonly refusal: (address: string) => RelayError | undefined
}

const makeDoor = (engine: Engine): Door => {
  const { connectsPerMinute, goAwayMillis, sessionsMax, unauthenticatedPerAddressMax } = engine.options.limits
  const door: Door = {
    sessions: new Set(),
    bell: Latch.makeUnsafe(false),
    connects: RateLimit.makeBuckets(RateLimit.rate(connectsPerMinute, 60_000)),
    strangersByAddress: new Map(),
    handshakes: 0,
    refusal: (address) => {
      if (engine.load.draining) return new ShuttingDown({ retryAfterMillis: goAwayMillis })
      if (door.sessions.size + door.handshakes >= sessionsMax) return new Overloaded({ retryAfterMillis: 10_000 })
      if ((door.strangersByAddress.get(address) ?? 0) >= unauthenticatedPerAddressMax) {
        return new RateLimited({ scope: "unauthenticated", retryAfterMillis: 5000 })
      }
      return undefined
    }
  }
  return door
}

/** Lets a connection in, or says why not. */
const enter = (engine: Engine, door: Door, address: string): RelayError | undefined => {
  const refusal = door.refusal(address)
  if (refusal !== undefined) return refusal
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

// -- one connection ----------------------------------------------------------------------------------------------------

const serve = (
  engine: Engine,
  door: Door,
  opens: RateLimit.Buckets,
  identity: RelayKeyring.RelayIdentity,
  connection: Connection
): Effect.Effect<void, never, Crypto> =>
  Effect.suspend(() => {
    const address = RateLimit.addressKey(connection.remoteAddress)
    const refusal = enter(engine, door, address)
    if (refusal !== undefined) {
      engine.metrics.connected("refused")
      if (refusal._tag === "RateLimited") engine.metrics.limited(refusal.scope)
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
      yield* talk(
        engine,
        door,
        opens,
        Session.make(engine, { address, handshakeHash: channel.handshakeHash, known, bell: door.bell }),
        channel
      )
    })).pipe(Effect.ensuring(Effect.sync(known)))
  })

const handshake = (engine: Engine, door: Door, identity: RelayKeyring.RelayIdentity, connection: Connection) =>
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

/** Everything between an open channel and its end. */
const talk = Effect.fnUntraced(function*(
  engine: Engine,
  door: Door,
  opens: RateLimit.Buckets,
  session: Session.Session,
  channel: Channel.Channel
) {
  const { outbox } = session
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
  // Both planes go out through the outbox: one order, one measure of what waits.
  const planes = yield* Demux.make({
    ...channel,
    send: (message) => Effect.sync(() => outbox.offer(message)),
    sendAll: (messages) => Effect.sync(() => messages.forEach((message) => outbox.offer(message)))
  })
  yield* Effect.forkScoped(
    Effect.ensuring(Effect.ignore(outbox.run(channel.sendAll)), Effect.sync(() => Session.cut(session)))
  )
  yield* Effect.forkScoped(
    guarded(session, Effect.ignore(Control.serve(Calls.make(engine, session, opens), planes.control)))
  )
  yield* Effect.forkScoped(
    guarded(session, Effect.catch(Session.read(engine, session, planes.data), (why) => ended(engine, session, why)))
  )
  yield* Deferred.await(session.gone)
})

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

// -- the whole ---------------------------------------------------------------------------------------------------------

const stats = (engine: Engine, door: Door): RelayStats => {
  let handles = 0, subscriptions = 0, outboundBytes = 0
  for (const hub of engine.hubByRoute.values()) {
    handles += hub.handles.size
    for (const handle of hub.handles) if (handle.subscription !== undefined) subscriptions++
  }
  for (const { outbox } of door.sessions) outboundBytes += outbox.bytes
  let unauthenticated = 0
  for (const count of door.strangersByAddress.values()) unauthenticated += count
  return {
    connections: door.sessions.size,
    unauthenticated,
    routes: engine.hubByRoute.size,
    handles,
    subscriptions,
    pushesInFlight: engine.load.pushes,
    outboundBytes,
    draining: engine.load.draining
  }
}

const drain = (engine: Engine, door: Door): Effect.Effect<void> => {
  const until = (done: () => boolean): Effect.Effect<void> =>
    Effect.suspend(() => done() ? Effect.void : Effect.andThen(Effect.sleep(DRAIN_LOOK_MILLIS), until(done)))
  const waitFor = (done: () => boolean) => Effect.asVoid(Effect.timeoutOption(until(done), DRAIN_MILLIS))
  return Effect.gen(function*() {
    if (engine.load.draining) return
    engine.load.draining = true
    const { goAwayMillis } = engine.options.limits
    yield* Effect.logInfo("relay drains", { connections: door.sessions.size, pushes: engine.load.pushes })
    const goAway = Hub.toMessage({ _tag: "GoAway", retryAfterMillis: goAwayMillis })
    for (const { outbox } of door.sessions) outbox.offer(goAway)
    yield* waitFor(() => engine.load.pushes === 0)
    for (const session of door.sessions) Session.end(engine, session)
    yield* waitFor(() => door.sessions.size === 0)
    for (const session of door.sessions) Session.cut(session)
    yield* Effect.logInfo("relay drained")
  })
}
