/**
 * A relay (protocol.md §6): a program that keeps, orders and hands on envelopes that it cannot read, for whoever proves
 * a capability. The platform gives it connections, storage and primitives; everything else is here and below.
 *
 * ```
 *   connection ── Door ── Channel.accept ─┬─ control ── Calls ──▶ RelayStore
 *                                 ▲       └─ data ───── Session ── Push ──▶ RelayStore.append
 *                                 │                                              │ durable
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
import type { RelayError } from "@sotto/schema/RelayError"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as RelayKeyring from "../channel/RelayKeyring.ts"
import { Crypto, type EntropyUnavailable } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import type { Connection } from "../Transport.ts"
import * as Door from "./Door.ts"
import type { Engine } from "./Engine.ts"
import * as HeadSigner from "./HeadSigner.ts"
import { Hints } from "./Hints.ts"
import * as Hub from "./Hub.ts"
import * as Mailbox from "./Mailbox.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RelayMetrics from "./RelayMetrics.ts"
import * as RelayOptions from "./RelayOptions.ts"
import { RelayStore, type RelayStoreFailed } from "./RelayStore.ts"
import { Replicas } from "./Replicas.ts"
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
  /** Memory of the sets of ids that reconciliation compares. */
  readonly reconcileSetBytes: number
  readonly draining: boolean
}

/** The key in storage is not one that this version reads. The relay does not start with another one in its place. */
export class RelayIdentityUnreadable
  extends Schema.TaggedError<RelayIdentityUnreadable>()("RelayIdentityUnreadable", {})
{
  override get message() {
    return "The relay's key is missing from its storage, or cannot be read. It was not replaced, since all clients pin it; " +
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

type Failure = RelayOptions.RelayOptionsInvalid | RelayStoreFailed | RelayIdentityUnreadable | EntropyUnavailable

/**
 * A relay over the storage and hints of the context, until the scope closes. As a standby it serves nobody: `Standby` fills
 * its storage.
 */
export const make: (
  settings?: RelayOptions.RelaySettings,
  role?: { readonly standby: boolean }
) => Effect.Effect<Relay["Service"], Failure, Crypto | RelayStore | Hints | Scope.Scope> = Effect.fn("Relay.make")(
  function*(settings, { standby } = { standby: false }) {
    const options = yield* Effect.fromResult(RelayOptions.make(settings))
    const crypto = yield* Crypto
    const store = yield* RelayStore
    const identity = yield* loadIdentity(crypto, store)
    // It was a standby: what it had begun to copy is not part of any log.
    if (!standby) yield* store.copy.abandon
    const clock = yield* Clock.Clock
    const metrics = yield* RelayMetrics.make
    const engine: Engine = {
      crypto,
      store,
      options,
      hints: yield* Hints,
      clock,
      relayKey: identity.relayKey,
      signingKey: identity.keys.signing,
      standby,
      signer: HeadSigner.make(crypto, identity),
      metrics,
      mailboxes: Mailbox.make(crypto, options.limits),
      replicas: new Replicas({
        store,
        clock,
        metrics,
        bytesMax: options.limits.reconcileSetBytesMax,
        savedIdsMin: options.limits.reconcileSavedIdsMin
      }),
      origin: Bytes.toHex(yield* Secret.randomBytes(16)),
      hubByRoute: new Map(),
      work: yield* Queue.unbounded<Hub.Hub>(),
      load: { pushes: 0, pushBytes: 0, draining: false, standbys: 0, storeFailedMillis: Number.NEGATIVE_INFINITY }
    }
    const door = Door.make(engine)
    yield* Effect.addFinalizer(() => Effect.sync(() => door.sessions.forEach(Session.cut)))
    for (let i = 0; i < WORKERS; i++) yield* Effect.forkScoped(Subscription.worker(engine))
    yield* Effect.forkScoped(Sweeper.sweep(engine, [door.opens, door.connects, engine.replicas.pages]))
    yield* Effect.forkScoped(engine.replicas.saver.run)
    yield* Effect.forkScoped(Sweeper.watch(engine, door))
    yield* Effect.forkScoped(Sweeper.listen(engine))
    yield* Effect.forkScoped(Sweeper.lookAround(engine))
    yield* Effect.logInfo("relay started", { admission: options.admission._tag, software: options.software })
    const context = yield* Effect.context<Crypto>()
    return Relay.of({
      relayKey: identity.relayKey,
      keys: identity.keys,
      address: (url) => relayAddressToText({ url, key: identity.relayKey }),
      serve: (connection) => Effect.provideContext(Door.serve(engine, door, identity, connection), context),
      refusal: (remoteAddress) => Effect.sync(() => Door.refusal(engine, door, RateLimit.addressKey(remoteAddress))),
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
  const kept = yield* store.secret.get(RelayKeyring.KEPT_AS)
  // Routes without the key that they were opened under: half a restore. A new key would be a relay that nobody knows.
  if (kept === undefined && (yield* store.totals).routes > 0) return yield* new RelayIdentityUnreadable()
  const bytes = kept ??
    (yield* store.secret.set(RelayKeyring.KEPT_AS, RelayKeyring.encode(yield* generateIdentity(crypto))))
  const decoded = RelayKeyring.decode(crypto, bytes)
  bytes.fill(0)
  return Result.isSuccess(decoded) ? decoded.success : yield* new RelayIdentityUnreadable()
})

/** Draws once first, so that a platform without entropy is a failure and not a defect. */
const generateIdentity = (crypto: Crypto["Service"]) =>
  Effect.map(Effect.provideService(Secret.randomBytes(32), Crypto, crypto), () => RelayKeyring.generate(crypto))

// -- the whole ---------------------------------------------------------------------------------------------------------

const stats = (engine: Engine, door: Door.Door): RelayStats => {
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
    reconcileSetBytes: engine.replicas.bytes,
    draining: engine.load.draining
  }
}

const drain = (engine: Engine, door: Door.Door): Effect.Effect<void> => {
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
