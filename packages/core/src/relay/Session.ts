/**
 * One connection at the relay: what it has attached, what it may still ask for, and its data frames (protocol.md §5a,
 * §6). Calls of the control plane are in `Calls`.
 *
 * 1. One fiber reads frames, in order; a push is stored beside it, so that many can be on their way together. It stops
 *    reading while the connection has as much on its way, or as much to be sent, as it may have.
 * 2. A frame that does not decode, or breaks a rule that every client knows, ends the connection with `InvalidMessage`.
 *    What depends on the moment (limits, epochs, a full disk) is refused and the connection goes on.
 * 3. Nothing that a client sends makes the relay keep more for it than `RelayLimits` say.
 */
import * as Envelope from "@sotto/schema/Envelope"
import { type ClientFrame, clientFrameCodec, PLANE } from "@sotto/schema/Frame"
import { InvalidMessage, Overloaded, RateLimited, type RelayError, Unauthorized } from "@sotto/schema/RelayError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import type { Channel } from "../channel/Channel.ts"
import type { ChannelFailed } from "../channel/ChannelError.ts"
import type { ConnectionClosed } from "../Transport.ts"
import * as Conversation from "./Conversation.ts"
import { elapsed, type Engine, now } from "./Engine.ts"
import * as Hub from "./Hub.ts"
import type { Claim } from "./Mailbox.ts"
import { Outbox } from "./Outbox.ts"
import * as Push from "./Push.ts"
import * as RateLimit from "./RateLimit.ts"
import * as Subscription from "./Subscription.ts"

/** What is told to a standby on a connection, as it asks. */
export interface Following {
  readonly ask: (request: number) => void
  readonly end: () => void
}

export interface Session {
  /** What its address counts as, see `RateLimit.addressKey`. */
  readonly address: string
  readonly handshakeHash: Uint8Array
  readonly outbox: Outbox
  /** When it came, as `elapsed` counts. */
  readonly openedMillis: number
  /** It has proved something: attached a route, or taken a side of a mailbox. */
  authenticated: boolean
  /** Called when it has. */
  readonly known: () => void
  /** The number that the next handle gets: they are not reused, so a late frame cannot reach another route. */
  nextHandle: number
  readonly handleByNumber: Map<number, Hub.Handle>
  readonly claimByHex: Map<string, Claim>
  readonly bucket: RateLimit.Bucket
  /** Requests that were refused for their number since one was served. */
  refusedInARow: number
  /** Proofs that were wrong. */
  wrongProofs: number
  /** Pushes, and requests of reconciliations, that are on their way; and their bytes. */
  pushes: number
  pushBytes: number
  /** Set once it has proved to be a standby of this relay. */
  feed: Following | undefined
  /** What its reader waits for when there is no room for more requests. */
  room: Latch.Latch | undefined
  /** When it was asked to end, as `elapsed` counts. */
  endedMillis: number | undefined
  readonly gone: Deferred.Deferred<void>
  /** Rung when it has to be looked at. */
  readonly bell: Latch.Latch
}

const messageRate = (engine: Engine): RateLimit.Rate => {
  const { messagesBurst, messagesPerSecond } = engine.options.limits
  return RateLimit.rate(messagesPerSecond, 1000, messagesBurst)
}

export const make = (
  engine: Engine,
  channel: Pick<Session, "address" | "handshakeHash" | "known" | "bell">
): Session => {
  const handleByNumber = new Map<number, Hub.Handle>()
  const outbox = new Outbox({
    clock: engine.clock,
    roomBytes: engine.options.limits.outboundBytesMax,
    onRoom: () => {
      made.room?.openUnsafe()
      for (const handle of handleByNumber.values()) {
        if (handle.subscription !== undefined) Hub.wake(engine, handle.hub)
        handle.conversation?.room.openUnsafe()
      }
    }
  })
  const made: Session = {
    address: channel.address,
    handshakeHash: channel.handshakeHash,
    outbox,
    openedMillis: elapsed(engine),
    authenticated: false,
    known: channel.known,
    nextHandle: 1,
    handleByNumber,
    claimByHex: new Map(),
    bucket: RateLimit.full(now(engine)),
    refusedInARow: 0,
    wrongProofs: 0,
    pushes: 0,
    pushBytes: 0,
    feed: undefined,
    room: undefined,
    endedMillis: undefined,
    gone: Deferred.makeUnsafe(),
    bell: channel.bell
  }
  return made
}

/** Lets everything go that the connection held. */
export const release = (engine: Engine, session: Session): void => {
  for (const handle of session.handleByNumber.values()) Hub.detach(engine, handle)
  session.handleByNumber.clear()
  session.claimByHex.clear()
  session.feed?.end()
  session.outbox.close()
}

/** It has proved something: it may stay. */
export const authenticated = (session: Session): void => {
  if (session.authenticated) return
  session.authenticated = true
  session.known()
}

/** Says why, sends what waits, and ends the connection. */
export const end = (engine: Engine, session: Session, why?: RelayError): void => {
  if (session.endedMillis !== undefined) return
  if (why !== undefined) session.outbox.offer(Hub.toMessage(Hub.refused(0, 0, why)))
  session.endedMillis = elapsed(engine)
  session.outbox.end()
  session.bell.openUnsafe()
}

/** Ends the connection at once, without waiting for what it should still get. */
export const cut = (session: Session): void => {
  Deferred.doneUnsafe(session.gone, Effect.void)
}

/** A request may be served; or it is refused, and a client that goes on in spite of it is put out. */
export const admit = (engine: Engine, session: Session): Result.Result<void, RateLimited | InvalidMessage> => {
  const retryAfterMillis = RateLimit.take(session.bucket, messageRate(engine), now(engine))
  if (retryAfterMillis === 0) {
    session.refusedInARow = 0
    return Result.void
  }
  engine.metrics.limited("connection")
  session.refusedInARow++
  return Result.fail(
    session.refusedInARow > engine.options.limits.messagesBurst
      ? new InvalidMessage({ detail: "requests go on in spite of RateLimited" })
      : new RateLimited({ scope: "connection", retryAfterMillis })
  )
}

/** Takes messages of the planes that are not served here, without the plane's byte. */
export interface Planes {
  readonly control: (message: Uint8Array) => Job
  readonly standby: (message: Uint8Array) => Job
}

/** Reads messages until the connection ends or one is not acceptable. */
export const read = (
  engine: Engine,
  session: Session,
  messages: Channel["receive"],
  planes: Planes
): Effect.Effect<never, InvalidMessage | ConnectionClosed | ChannelFailed> =>
  Effect.forever(
    Effect.gen(function*() {
      for (const message of yield* messages) {
        while (!hasRoom(engine, session)) {
          session.room = Latch.makeUnsafe(false)
          yield* session.room.await
        }
        const job = take(engine, session, message, planes)
        if (job !== undefined) yield* job
      }
    })
  )

const take = (engine: Engine, session: Session, message: Uint8Array, planes: Planes): Job => {
  const body = message.subarray(1)
  if (message[0] === PLANE.control) return planes.control(body)
  if (message[0] === PLANE.standby) return planes.standby(body)
  if (message[0] !== PLANE.data) return Effect.fail(new InvalidMessage({ detail: "a message of no known plane" }))
  const frame = clientFrameCodec.decode(body)
  if (Result.isSuccess(frame)) return receive(engine, session, frame.success)
  const { offset, reason } = frame.failure
  return Effect.fail(new InvalidMessage({ detail: `a data frame (${reason} at ${offset})` }))
}

const hasRoom = (engine: Engine, session: Session): boolean => {
  const { outboundBytesMax, pushBytesInFlightMax, pushesInFlightMax } = engine.options.limits
  return session.pushes < pushesInFlightMax && session.pushBytes < pushBytesInFlightMax &&
    session.outbox.bytes < outboundBytesMax
}

/** What a message gives to do beyond what is done at once. */
export type Job = Effect.Effect<void, InvalidMessage> | undefined

const receive = (engine: Engine, session: Session, frame: ClientFrame): Job => {
  switch (frame._tag) {
    case "Push":
      return request(engine, session, frame, (handle) => push(engine, session, handle, frame))
    case "Pull":
      return request(engine, session, frame, (handle) => pull(engine, handle, frame))
    case "Subscribe":
      return request(engine, session, frame, (handle) => subscribe(engine, handle, frame))
    case "Publish":
      return request(engine, session, { handle: frame.handle, request: 0 }, (handle) => publish(engine, handle, frame))
    case "Unsubscribe":
      return withHandle(session, frame.handle, (handle) => {
        if (handle !== undefined) handle.subscription = undefined
        return slowDown(engine, session)
      })
    case "Credit":
      return withHandle(session, frame.handle, (handle) => {
        if (handle !== undefined) Subscription.grant(engine, handle, frame.bytes)
        return slowDown(engine, session)
      })
    case "Reconcile":
      return request(engine, session, frame, (handle) => reconcile(engine, session, handle, frame))
    case "Ping":
      return ping(engine, session, frame.request)
  }
}

/** A handle that was never given out is a bug of the client; one that is gone may be named by a late frame. */
const withHandle = (session: Session, number: number, use: (handle: Hub.Handle | undefined) => Job): Job =>
  number === 0 || number >= session.nextHandle
    ? Effect.fail(new InvalidMessage({ detail: "a handle that was not given out" }))
    : use(session.handleByNumber.get(number))

/** Counts a frame that has no answer. It can't be refused, so when there are too many, reading waits. */
const slowDown = (engine: Engine, session: Session): Job => {
  const retryAfterMillis = RateLimit.take(session.bucket, messageRate(engine), now(engine))
  return retryAfterMillis === 0 ? undefined : Effect.sleep(retryAfterMillis)
}

/** Counts a request and refuses it when there are too many, or when its handle is gone. */
const request = (
  engine: Engine,
  session: Session,
  asked: { readonly handle: number; readonly request: number },
  use: (handle: Hub.Handle) => Job
): Job => {
  const refuse = (error: RelayError): Job => {
    if (error._tag === "InvalidMessage") return Effect.fail(error)
    session.outbox.offer(Hub.toMessage(Hub.refused(asked.handle, asked.request, error)))
    return undefined
  }
  const admitted = admit(engine, session)
  if (Result.isFailure(admitted)) return refuse(admitted.failure)
  return withHandle(
    session,
    asked.handle,
    (handle) => handle === undefined ? refuse(new Unauthorized({ detail: "the handle was let go" })) : use(handle)
  )
}

const refuseRequest = (handle: Hub.Handle, request: number, error: RelayError): Job => {
  if (error._tag === "InvalidMessage") return Effect.fail(error)
  Hub.offer(handle, Hub.refused(handle.number, request, error))
  return undefined
}

const push = (
  engine: Engine,
  session: Session,
  handle: Hub.Handle,
  frame: { readonly request: number; readonly envelopes: ReadonlyArray<Uint8Array> }
): Job => {
  const checked = Push.check(engine, handle, frame)
  if (Result.isFailure(checked)) {
    engine.metrics.pushed("refused")
    if (checked.failure._tag === "RateLimited") engine.metrics.limited(checked.failure.scope)
    return refuseRequest(handle, frame.request, checked.failure)
  }
  return beside(engine, session, checked.success.bytes, Push.store(engine, checked.success))
}

/**
 * Does work beside the reader, and lets it finish when the connection ends: it may be on its way to the disk. It is counted
 * where it runs: a connection that ends before that leaves nothing that is never counted down.
 */
const beside = (engine: Engine, session: Session, bytes: number, work: Effect.Effect<void>): Job => {
  const counted = Effect.suspend(() => {
    session.pushes++
    session.pushBytes += bytes
    return Effect.ensuring(
      work,
      Effect.sync(() => {
        session.pushes--
        session.pushBytes -= bytes
        if (hasRoom(engine, session)) session.room?.openUnsafe()
      })
    )
  })
  return Effect.asVoid(Effect.forkDetach(counted, { startImmediately: true, uninterruptible: true }))
}

const pull = (engine: Engine, handle: Hub.Handle, frame: Parameters<typeof Subscription.pull>[2]): Job => {
  const refusal = Hub.mayRead(handle)
  if (refusal !== undefined) return refuseRequest(handle, frame.request, refusal)
  return Subscription.pull(engine, handle, frame).pipe(
    Effect.catch((failure) => Effect.sync(() => Hub.offer(handle, Hub.refused(handle.number, frame.request, failure))))
  )
}

const subscribe = (engine: Engine, handle: Hub.Handle, frame: Parameters<typeof Subscription.subscribe>[2]): Job => {
  const refusal = Hub.mayRead(handle)
  if (refusal !== undefined) return refuseRequest(handle, frame.request, refusal)
  Subscription.subscribe(engine, handle, frame)
  return undefined
}

const reconcile = (engine: Engine, session: Session, handle: Hub.Handle, asked: Conversation.Served["asked"]): Job => {
  const conversation = Conversation.enter(engine, handle, asked)
  if (Result.isFailure(conversation)) return refuseRequest(handle, asked.request, conversation.failure)
  const broken = (why: InvalidMessage | undefined) => {
    if (why !== undefined) engine.metrics.connected("invalid")
    end(engine, session, why)
  }
  // A set that has to be read first holds up no push and no sign of life.
  const served = Conversation.serve({ engine, handle, asked, broken, conversation: conversation.success })
  return beside(engine, session, asked.message.length, served)
}

/** A connection that is not read gets no presence once this part of its room is taken. */
const PRESENCE_ROOM = 0.5

/** Hands presence to the other subscribers of the route. It is lossy: who is slow misses it. */
const publish = (engine: Engine, handle: Hub.Handle, frame: { readonly envelope: Uint8Array }): Job => {
  const refusal = Push.mayWrite(engine, handle)
  if (refusal !== undefined) return refuseRequest(handle, 0, refusal)
  const { envelope } = frame
  const { outboundBytesMax, presenceBytesMax } = engine.options.limits
  const parsed = Envelope.parse(envelope)
  if (Result.isFailure(parsed)) {
    return Effect.fail(new InvalidMessage({ detail: `a presence envelope's ${parsed.failure.reason}` }))
  }
  const { epoch, kind } = parsed.success.header
  if (kind !== Envelope.KIND.ephemeral) return Effect.fail(new InvalidMessage({ detail: "presence of another kind" }))
  if (envelope.length > presenceBytesMax) return Effect.fail(new InvalidMessage({ detail: "presence above its limit" }))
  if (epoch !== handle.epoch) {
    return refuseRequest(handle, 0, new Unauthorized({ detail: "presence of another epoch" }))
  }
  const messageByNumber = new Map<number, Uint8Array>()
  let handedTo = 0
  for (const other of handle.hub.handles) {
    if (other === handle || other.subscription === undefined || other.ended !== undefined) continue
    if (other.outbox.bytes > outboundBytesMax * PRESENCE_ROOM) continue
    const { number } = other
    const message = messageByNumber.get(number) ?? Hub.toMessage({ _tag: "Presence", handle: number, envelope })
    messageByNumber.set(number, message)
    other.outbox.offer(message)
    handedTo++
  }
  engine.metrics.presence(handedTo)
  return undefined
}

const ping = (engine: Engine, session: Session, request: number): Job => {
  const admitted = admit(engine, session)
  if (Result.isSuccess(admitted)) {
    session.outbox.offer(Hub.toMessage({ _tag: "Pong", request }))
    return undefined
  }
  if (admitted.failure._tag === "InvalidMessage") return Effect.fail(admitted.failure)
  session.outbox.offer(Hub.toMessage(Hub.refused(0, request, admitted.failure)))
  return undefined
}

/** A route more on this connection, or why not. A route that it has already is attached anew. */
export const addHandle = (
  engine: Engine,
  session: Session,
  handle: Omit<Hub.Handle, "number" | "outbox" | "subscription" | "conversation">
): Result.Result<Hub.Handle, Overloaded> => {
  const before = [...session.handleByNumber.values()].find((other) => other.hub === handle.hub)
  const { routesPerSessionMax } = engine.options.limits
  if (
    (before === undefined && session.handleByNumber.size >= routesPerSessionMax) || session.nextHandle > 0xffff
  ) return Result.fail(new Overloaded({ retryAfterMillis: 0 }))
  const number = session.nextHandle++
  const { outbox } = session
  const added: Hub.Handle = { ...handle, number, outbox, subscription: undefined, conversation: undefined }
  Hub.attach(engine, added)
  session.handleByNumber.set(number, added)
  if (before !== undefined) removeHandle(engine, session, before)
  authenticated(session)
  return Result.succeed(added)
}

export const removeHandle = (engine: Engine, session: Session, handle: Hub.Handle): void => {
  session.handleByNumber.delete(handle.number)
  Hub.detach(engine, handle)
}
