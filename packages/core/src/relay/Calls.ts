/**
 * The calls of the control plane, for one connection (protocol.md §6): who may do what, proved by signatures over this
 * channel's handshake hash.
 *
 * 1. Every call counts against the connection's rate. Proofs are dear to check, so a connection that shows ten wrong ones
 *    is put out.
 * 2. What is proved is proved against the route as storage has it at that moment, and holds for this channel only.
 * 3. A route's admin keys were shown by whoever opened it; only they, or the recovery key, change it afterwards.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Head } from "@sotto/schema/Head"
import type { Epoch } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import type { Attached, Capability, CapabilityKeys, GrantedLimits } from "@sotto/schema/Relay"
import {
  type InvalidMessage,
  MailboxUnavailable,
  NotOwner,
  RateLimited,
  type RelayError,
  ShuttingDown,
  type Standby,
  Unauthorized
} from "@sotto/schema/RelayError"
import { PROTOCOL_VERSION } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Handlers } from "../channel/Control.ts"
import { type Engine, now, standing, withStore } from "./Engine.ts"
import * as Hub from "./Hub.ts"
import type { Claim } from "./Mailbox.ts"
import type { Buckets } from "./RateLimit.ts"
import * as RelayOptions from "./RelayOptions.ts"
import type { PastEpoch, RouteState } from "./RelayStore.ts"
import * as Session from "./Session.ts"

/** Wrong proofs that a connection may show. */
const WRONG_PROOFS_MAX = 10
/** Sides of mailboxes that a connection may hold. */
const CLAIMS_MAX = 16

/** The handlers for one connection. `opens` limits new routes per address, for all connections. */
export const make = (engine: Engine, session: Session.Session, opens: Buckets) => {
  const guarded = <A, E extends RelayError>(call: () => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | RateLimited | InvalidMessage | Standby> => {
      const admitted = Session.admit(engine, session)
      if (Result.isSuccess(admitted)) return engine.standby ? Effect.fail(standing(engine)) : call()
      if (admitted.failure._tag === "InvalidMessage") Session.end(engine, session, admitted.failure)
      return Effect.fail(admitted.failure)
    })
  return {
    About: () => guarded(() => Effect.sync(() => about(engine))),
    Open: (payload) => guarded(() => open(engine, session, opens, payload)),
    Attach: (payload) => guarded(() => attach(engine, session, payload)),
    Detach: ({ handle: number }) => guarded(() => Effect.sync(() => detach(engine, session, number))),
    SetEpoch: (payload) => guarded(() => setEpoch(engine, session, payload)),
    Ack: (payload) => guarded(() => ack(engine, session, payload)),
    Prune: (payload) => guarded(() => prune(engine, session, payload)),
    MailboxCreate: (payload) => guarded(() => mailbox(engine, session, payload, engine.mailboxes.create)),
    MailboxJoin: (payload) => guarded(() => mailbox(engine, session, payload, engine.mailboxes.join)),
    MailboxSend: ({ id, message }) =>
      guarded(() =>
        Effect.flatMap(claimOf(session, id), (claim) => engine.mailboxes.send(claim, message, now(engine)))
      ),
    MailboxReceive: ({ after, id, waitMillis }) =>
      guarded(() =>
        Effect.flatMap(claimOf(session, id), (claim) =>
          Effect.map(
            engine.mailboxes.receive(claim, after, waitMillis, now(engine)),
            (messages) => ({ messages })
          ))
      ),
    MailboxClose: ({ id }) =>
      guarded(() =>
        Effect.flatMap(claimOf(session, id), (claim) => {
          session.claimByHex.delete(Bytes.toHex(id))
          return engine.mailboxes.close(claim)
        })
      )
  } satisfies Handlers
}

const about = (engine: Engine) => ({
  version: PROTOCOL_VERSION,
  millis: now(engine),
  admission: engine.options.admission._tag,
  software: engine.options.software
})

// -- proofs ------------------------------------------------------------------------------------------------------------

/** Whether a proof is right. Too many wrong ones end the connection. */
export const verified = (
  engine: Engine,
  session: Session.Session,
  key: Uint8Array,
  message: Uint8Array,
  proof: Uint8Array
) => {
  if (engine.crypto.signature.verify(key, message, proof)) return true
  session.wrongProofs++
  if (session.wrongProofs >= WRONG_PROOFS_MAX) {
    Session.end(engine, session, new Unauthorized({ detail: "too many wrong proofs" }))
  }
  return false
}

const sameKeys = (a: CapabilityKeys, b: CapabilityKeys): boolean =>
  Bytes.equals(a.write, b.write) && Bytes.equals(a.read, b.read) && Bytes.equals(a.admin, b.admin) &&
  Bytes.equals(a.recovery, b.recovery)

// -- routes ------------------------------------------------------------------------------------------------------------

type OpenPayload = Parameters<Handlers["Open"]>[0]

const open = Effect.fnUntraced(
  function*(engine: Engine, session: Session.Session, opens: Buckets, payload: OpenPayload) {
    const { epoch, keys, proof, route } = payload
    const message = Proof.open({ handshakeHash: session.handshakeHash, route, epoch, keys })
    if (!verified(engine, session, keys.admin, message, proof)) {
      return yield* new Unauthorized({ detail: "the proof of the admin capability is wrong" })
    }
    const before = yield* withStore(
      engine,
      Effect.catchTag(engine.store.route(route), "UnknownRoute", () => Effect.void)
    )
    if (before !== undefined) return yield* openedBefore(engine, before, keys)
    if (engine.load.draining) {
      return yield* new ShuttingDown({ retryAfterMillis: engine.options.limits.goAwayMillis })
    }
    yield* admission(engine, payload.token)
    const retention = RelayOptions.grant(engine.options, payload.retention)
    if (retention === undefined) {
      return yield* new Unauthorized({ detail: `this relay does not keep routes as ${payload.retention._tag}` })
    }
    const retryAfterMillis = opens.take(session.address, now(engine))
    if (retryAfterMillis > 0) {
      engine.metrics.limited("open")
      return yield* new RateLimited({ scope: "open", retryAfterMillis })
    }
    const quotaBytes = engine.options.limits.routeBytesMax
    const state = yield* withStore(engine, engine.store.open({ route, epoch, keys, retention, quotaBytes }))
    return yield* openedBefore(engine, state, keys)
  }
)

/** To open what is there with the same keys is no error: an answer may have been lost. */
const openedBefore = (engine: Engine, state: RouteState, keys: CapabilityKeys): Effect.Effect<Head, NotOwner> =>
  sameKeys(state.keys, keys)
    ? Effect.sync(() => engine.signer.sign(state.route, state, now(engine)))
    : Effect.fail(new NotOwner({ detail: "the route is there, with other keys" }))

const admission = (engine: Engine, token: string | null): Effect.Effect<void, Unauthorized> => {
  const { admission } = engine.options
  switch (admission._tag) {
    case "open":
      return Effect.void
    case "closed":
      return Effect.fail(new Unauthorized({ detail: "this relay takes no new spaces" }))
    case "token": {
      const { equal, sha256 } = engine.crypto
      const shown = sha256(Utf8.encode(token ?? ""))
      const known = admission.tokens.filter((one) => equal(sha256(Utf8.encode(Redacted.value(one))), shown))
      return known.length > 0
        ? Effect.void
        : Effect.fail(
          new Unauthorized({ detail: "this relay takes new spaces by token, and this is none of its tokens" })
        )
    }
  }
}

type AttachPayload = Parameters<Handlers["Attach"]>[0]

const attach = Effect.fnUntraced(function*(engine: Engine, session: Session.Session, payload: AttachPayload) {
  for (;;) {
    const [state, hub] = yield* withStore(engine, Hub.reload(engine, payload.route))
    const current = payload.epoch === state.epoch
    const past = current ? undefined : state.past.find(({ epoch }) => epoch === payload.epoch)
    if (!current && past === undefined) {
      return yield* new Unauthorized({
        detail: payload.epoch > state.epoch ? "the relay does not have this epoch yet" : "this epoch is over"
      })
    }
    const proved = proofs(engine, session, payload, past === undefined ? state.keys : { read: past.read })
    if (Result.isFailure(proved)) return yield* proved.failure
    const { opHash } = state
    const [read, write] = [proved.success.has("read"), proved.success.has("write")]
    // Another connection may have opened the route's hub since this one was made.
    if (!Hub.isCurrent(engine, hub)) continue
    const added = Session.addHandle(engine, session, { hub, epoch: payload.epoch, opHash, read, write, ended: past })
    return Result.isSuccess(added) ? attached(engine, added.success, state) : yield* added.failure
  }
})

/** The capabilities that were proved. Of an epoch that is over only `read` counts, and it has to be there. */
const proofs = (
  engine: Engine,
  session: Session.Session,
  payload: AttachPayload,
  keys: Partial<Record<Capability, Uint8Array>>
): Result.Result<ReadonlySet<Capability>, Unauthorized> => {
  const capabilities = new Set<Capability>()
  for (const { capability, signature } of payload.proofs) {
    const key = keys[capability]
    if (key === undefined) continue
    const { epoch, route } = payload
    const message = Proof.attach({ handshakeHash: session.handshakeHash, route, epoch, capability })
    if (!verified(engine, session, key, message, signature)) {
      return Result.fail(new Unauthorized({ detail: `the proof of the ${capability} capability is wrong` }))
    }
    capabilities.add(capability)
  }
  return capabilities.size > 0
    ? Result.succeed(capabilities)
    : Result.fail(new Unauthorized({ detail: "no capability of this epoch was proved" }))
}

const attached = (engine: Engine, handle: Hub.Handle, state: RouteState): Attached => ({
  handle: handle.number,
  head: Hub.headFor(engine, handle),
  retention: state.retention,
  epoch: state.epoch,
  limits: granted(engine, state, handle.ended)
})

const granted = (engine: Engine, state: RouteState, ended: PastEpoch | undefined): GrantedLimits => {
  const { envelopeBytesMax, pageBytesMax, pageEnvelopesMax, pushEnvelopesMax } = engine.options.limits
  // Who reads an epoch that is over learns nothing of what came after it.
  const usedBytes = ended === undefined ? state.usedBytes : 0
  return {
    envelopeBytesMax,
    pageEnvelopesMax,
    pageBytesMax,
    quotaBytes: state.quotaBytes,
    usedBytes,
    pushEnvelopesMax
  }
}

const detach = (engine: Engine, session: Session.Session, number: number): void => {
  const handle = session.handleByNumber.get(number)
  if (handle !== undefined) Session.removeHandle(engine, session, handle)
}

type SetEpochPayload = Parameters<Handlers["SetEpoch"]>[0]

const setEpoch = Effect.fnUntraced(function*(engine: Engine, session: Session.Session, payload: SetEpochPayload) {
  const { before, by, epoch, keys, opHash, previousOpHash, route } = payload
  const state = yield* withStore(engine, engine.store.route(route))
  const message = Proof.setEpoch({ ...payload, handshakeHash: session.handshakeHash })
  if (!verified(engine, session, state.keys[by], message, payload.signature)) {
    // The change may be there already, by this very call, whose answer was lost: then its admin key is not any more.
    if (done(state, epoch, opHash, keys)) return engine.signer.sign(route, state, now(engine))
    return yield* new NotOwner({ detail: `the proof of the ${by} key is wrong` })
  }
  if (by === "admin" && epoch !== before + 1) {
    return yield* new NotOwner({ detail: "an admin opens the next epoch, not another one" })
  }
  const changed = yield* withStore(
    engine,
    engine.store.setEpoch({
      route,
      before,
      epoch,
      keys,
      previousOpHash,
      opHash,
      force: by === "recovery",
      nowMillis: now(engine)
    })
  )
  const [after] = yield* withStore(engine, Hub.reload(engine, route))
  if (!changed && !done(after, epoch, opHash, keys)) {
    return yield* new NotOwner({ detail: "another change of the epoch came first: read it, and build on it" })
  }
  yield* engine.hints.publish({ route, origin: engine.origin })
  return engine.signer.sign(route, after, now(engine))
})

const done = (state: RouteState, epoch: Epoch, opHash: Uint8Array, keys: CapabilityKeys): boolean =>
  state.epoch === epoch && Bytes.equals(state.opHash, opHash) && sameKeys(state.keys, keys)

// -- what a handle may do ----------------------------------------------------------------------------------------------

const handleOf = (session: Session.Session, number: number): Effect.Effect<Hub.Handle, Unauthorized> => {
  const handle = session.handleByNumber.get(number)
  return handle === undefined
    ? Effect.fail(new Unauthorized({ detail: "nothing is attached under this handle" }))
    : Effect.succeed(handle)
}

const ack = Effect.fnUntraced(
  function*(engine: Engine, session: Session.Session, payload: Parameters<Handlers["Ack"]>[0]) {
    const handle = yield* handleOf(session, payload.handle)
    if (!handle.read) return yield* new Unauthorized({ detail: "to acknowledge takes the read capability" })
    const goal = Hub.goalOf(handle)
    const position = payload.position > goal ? goal : payload.position
    const { route } = handle.hub
    return yield* withStore(engine, engine.store.ack({ route, tag: payload.tag, position, nowMillis: now(engine) }))
  }
)

const prune = Effect.fnUntraced(
  function*(engine: Engine, session: Session.Session, payload: Parameters<Handlers["Prune"]>[0]) {
    const handle = yield* handleOf(session, payload.handle)
    if (!handle.write || handle.ended !== undefined) {
      return yield* new Unauthorized({ detail: "to prune takes the write capability of the current epoch" })
    }
    const { route, state } = handle.hub
    const nowMillis = now(engine)
    const grace = state.retention._tag === "Durable" ? engine.options.limits.pruneGraceMillis : 0
    const pruned = yield* withStore(
      engine,
      engine.store.prune({ route, ids: payload.ids, nowMillis, expiresMillis: nowMillis + grace })
    )
    if (grace === 0) engine.metrics.deleted("pruned", pruned)
    return pruned
  }
)

// -- mailboxes ---------------------------------------------------------------------------------------------------------

const mailbox = Effect.fnUntraced(function*<P extends { readonly id: Uint8Array }, E extends RelayError>(
  engine: Engine,
  session: Session.Session,
  payload: P,
  take: (claim: P & { readonly address: string; readonly nowMillis: number }) => Effect.Effect<Claim, E>
) {
  const idHex = Bytes.toHex(payload.id)
  if (session.claimByHex.size >= CLAIMS_MAX && !session.claimByHex.has(idHex)) {
    return yield* new RateLimited({
      scope: "mailbox-connection",
      retryAfterMillis: engine.options.limits.mailboxMillisMax
    })
  }
  const claim = yield* take({ ...payload, address: session.address, nowMillis: now(engine) })
  session.claimByHex.set(idHex, claim)
  Session.authenticated(session)
})

const claimOf = (session: Session.Session, id: Uint8Array): Effect.Effect<Claim, MailboxUnavailable> => {
  const claim = session.claimByHex.get(Bytes.toHex(id))
  return claim === undefined
    ? Effect.fail(new MailboxUnavailable({ reason: "unknown" }))
    : Effect.succeed(claim)
}
