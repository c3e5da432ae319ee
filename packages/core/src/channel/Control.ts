/**
 * The control plane (protocol.md §5a, §6): `RelayRpcs` as Effect RPC, both sides, over one plane of a channel. Effect's
 * engine runs calls, handlers and interrupts; the bytes are ours (`schema/Call`), because both planes are one canonical
 * MessagePack that another language can speak.
 *
 * 1. Whatever a call may meet is in its type: what the relay refuses, what it could not answer, the end of the channel.
 *    A call that was open when the channel ended fails with that end; the other side may have carried it out.
 * 2. Bytes that are no message of this plane end the channel, for both planes, with `ChannelFailed{control}`.
 * 3. At most `Limit.controlCallsMax` calls are open at a relay for one connection; the next is refused, not queued.
 * 4. An interrupted call is cancelled at the relay. Handlers end with the connection.
 */
import { type CallRequest, callRequestCodec, type CallResponse, callResponseCodec } from "@sotto/schema/Call"
import type { CodecError } from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import { RelayRpcs } from "@sotto/schema/Relay"
import { fromRefusal, InvalidMessage, RateLimited, type RelayError, toRefusal } from "@sotto/schema/RelayError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromClient, type FromServer, RequestId } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import { PreventSchedulerYield } from "effect/Scheduler"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Calls, forMethod } from "./CallCodec.ts"
import { type ChannelEnd, ChannelFailed, ENDED_HERE, endWith } from "./ChannelError.ts"
import type { Plane } from "./Demux.ts"

/** A relay that failed inside while it worked on a call. */
export class CallFailed extends Schema.TaggedError<CallFailed>()("CallFailed", { method: Schema.String }) {
  override get message() {
    return `The relay failed inside while it worked on ${this.method}. What you wrote is kept on this device; ` +
      "try again, and tell the relay's operator, whose log says why, if it stays."
  }
}

/** What any call may fail with beside what the relay refuses. */
export type CallError = ChannelEnd | CallFailed

/** A relay's calls as functions: `client.Attach({ route, epoch, proofs })`. They fail with `RelayError | CallError`. */
export type RelayClient = RpcClient.RpcClient<Calls, CallError>

/** What implements the calls, for one connection. */
export type Handlers = RpcGroup.HandlersFrom<Calls>

const malformed = (what: string, { offset, reason }: CodecError): ChannelFailed =>
  new ChannelFailed({ reason: "control", detail: `${what}: ${reason} at offset ${offset}` })

const tooLong = new ChannelFailed({ reason: "oversized", detail: "a control message is too long" })

/** How long a client is told to wait that has too many calls open. */
const CROWDED_MILLIS = 1000

// -- client ------------------------------------------------------------------------------------------------------------

/** A call that waits for its answer. `end` is done when it has come, and fails when it will not. */
interface OpenCall {
  readonly method: string
  readonly end: Deferred.Deferred<void, CallError>
}

/** Calls of this side by their number. `idle` is open when there are none. */
interface OpenCalls {
  readonly byId: Map<number, OpenCall>
  readonly idle: Latch.Latch
  ended: CallError | undefined
}

/** The relay's calls over a plane, until the scope closes or the channel ends. Calls then fail with what ended it. */
export const makeClient: (plane: Plane) => Effect.Effect<RelayClient, never, Scope.Scope> = Effect.fnUntraced(
  function*(plane) {
    const calls: OpenCalls = { byId: new Map(), idle: Latch.makeUnsafe(true), ended: undefined }
    let lastId = 0
    const { client, write } = yield* RpcClient.makeNoSerialization<Calls, CallError>(RelayRpcs, {
      supportsAck: false,
      disableTracing: true,
      generateRequestId: () => RequestId(lastId = lastId === 0xffff_ffff ? 1 : lastId + 1),
      onFromClient: ({ message }) => sendCall(plane, calls, message)
    })
    const endAll = (error: CallError) =>
      Effect.sync(() => {
        calls.ended ??= error
        for (const { end } of calls.byId.values()) Deferred.doneUnsafe(end, Effect.fail(error))
      })
    const readNext = Effect.gen(function*() {
      for (const bytes of yield* plane.receive) yield* takeResponse(calls, bytes, write)
    })
    const endPlane = (error: ChannelEnd) => error._tag === "ChannelFailed" ? plane.fail(error) : Effect.void
    yield* Effect.forever(readNext).pipe(
      endWith((error) => Effect.andThen(endAll(error), endPlane(error))),
      Effect.forkScoped
    )
    // Runs before Effect's own finalizer, which would interrupt the callers instead of telling them.
    yield* Effect.addFinalizer(() =>
      Effect.andThen(
        endAll(ENDED_HERE),
        calls.idle.await
      )
    )
    return begunWhole(client)
  }
)

/**
 * Calls that do not give way to others before they have begun. What Effect's client does at an interruption takes for
 * granted that they have: interrupted in between, a call would die with everything that was to be done after it.
 */
const begunWhole = <Client extends object>(client: Client): Client =>
  new Proxy(client, {
    get: (target, method): unknown => {
      const call: unknown = Reflect.get(target, method)
      if (typeof call !== "function") return call
      return (...args: ReadonlyArray<unknown>): unknown => {
        const made: unknown = Reflect.apply(call, target, args)
        return Effect.isEffect(made) ? Effect.provideService(made, PreventSchedulerYield, true) : made
      }
    }
  })

/** For the fiber that Effect's client starts within a call, and in which the request goes out. */
const GIVES_WAY = Effect.provideService(PreventSchedulerYield, false)

/** Sends a message of Effect's client. For a call it lasts until the answer was taken: its failure fails the call. */
const sendCall = (plane: Plane, calls: OpenCalls, message: FromClient<Calls>): Effect.Effect<void, CallError> => {
  switch (message._tag) {
    case "Request": {
      const codec = forMethod(message.tag)
      if (codec === undefined) return Effect.die(`no call ${message.tag}`)
      const id = Number(message.id)
      return Effect.suspend(() => {
        if (calls.ended !== undefined) return Effect.fail(calls.ended)
        const request = sent({ _tag: "Call", id, method: message.tag, payload: codec.encodePayload(message.payload) })
        const end = Deferred.makeUnsafe<void, CallError>()
        calls.byId.set(id, { method: message.tag, end })
        calls.idle.closeUnsafe()
        // A plane without room may keep the request until the channel is closed, which waits for this call to end.
        return Effect.andThen(Effect.raceFirst(plane.send(request), Deferred.await(end)), Deferred.await(end))
      }).pipe(
        Effect.ensuring(Effect.sync(() => {
          calls.byId.delete(id)
          if (calls.byId.size === 0) calls.idle.openUnsafe()
        })),
        GIVES_WAY
      )
    }
    case "Interrupt":
      return Effect.suspend(() => plane.send(sent({ _tag: "Cancel", id: Number(message.requestId) })))
    case "Ack":
    case "Eof":
      return Effect.void
  }
}

const sent = (request: CallRequest): Uint8Array => callRequestCodec.encodeAfter(1, request)

/** Hands an answer to its call. One to a call that was cancelled meanwhile means nothing. */
const takeResponse = Effect.fnUntraced(function*(
  calls: OpenCalls,
  bytes: Uint8Array,
  write: (message: FromServer<Calls>) => Effect.Effect<void>
) {
  if (bytes.length > Limit.controlBytesMax) return yield* tooLong
  const decoded = callResponseCodec.decode(bytes)
  if (Result.isFailure(decoded)) return yield* malformed("an answer", decoded.failure)
  const response = decoded.success
  const call = calls.byId.get(response.id)
  if (call === undefined) return
  const exit = exitOf(response, call)
  if (Result.isFailure(exit)) return yield* malformed(`the answer to ${call.method}`, exit.failure)
  if (exit.success === undefined) {
    Deferred.doneUnsafe(call.end, Effect.fail(new CallFailed({ method: call.method })))
  } else {
    yield* write({ _tag: "Exit", clientId: 0, requestId: RequestId(response.id), exit: exit.success })
    Deferred.doneUnsafe(call.end, Effect.void)
  }
})

/** What an answer says, or `undefined` when the relay failed inside. */
const exitOf = (
  response: CallResponse,
  { method }: OpenCall
): Result.Result<Rpc.Exit<Calls> | undefined, CodecError> => {
  switch (response._tag) {
    case "Answer": {
      const codec = forMethod(method)
      return codec === undefined
        ? Result.succeed(undefined)
        : Result.map(codec.decodeSuccess(response.value), Exit.succeed)
    }
    case "Refused":
      return Result.map(fromRefusal(response.refusal), Exit.fail)
    case "Failed":
      return Result.succeed(undefined)
  }
}

// -- relay -------------------------------------------------------------------------------------------------------------

/** Answers on their way out. They never wait for the network where they are made: a handler must be able to end. */
interface Outbox {
  readonly put: (response: CallResponse) => void
  /** All that was put is with the plane. */
  readonly isEmpty: () => boolean
  readonly room: Effect.Effect<void>
  /** Sends what is there; waits for the first. */
  readonly flush: Effect.Effect<void, ChannelEnd>
}

const makeOutbox = (plane: Plane): Outbox => {
  const filled = Latch.makeUnsafe(false)
  const drained = Latch.makeUnsafe(true)
  let waiting: Array<Uint8Array> = []
  let unsent = 0
  const sendBatch = (batch: NonEmptyReadonlyArray<Uint8Array>) =>
    Effect.map(plane.sendAll(batch), () => {
      unsent -= batch.length
    })
  return {
    isEmpty: () => unsent === 0,
    put: (response) => {
      unsent++
      waiting.push(callResponseCodec.encodeAfter(1, response))
      filled.openUnsafe()
      if (waiting.length >= Limit.controlCallsMax) drained.closeUnsafe()
    },
    room: drained.await,
    flush: Effect.andThen(
      filled.await,
      Effect.suspend(() => {
        const batch = waiting
        waiting = []
        filled.closeUnsafe()
        drained.openUnsafe()
        return Arr.isArrayNonEmpty(batch) ? sendBatch(batch) : Effect.void
      })
    )
  }
}

/** Calls that work at this relay, by their number, and how an answer goes out. */
interface Session {
  readonly methodById: Map<number, string>
  readonly outbox: Outbox
  /** Messages that were taken from the plane and worked on. */
  taken: number
  ended: boolean
}

type Server = RpcServer.RpcServer<Calls>

/**
 * Answers calls over a plane until the channel ends, which is what this fails with. Handlers that still work then are
 * interrupted, and it waits for them. A handler's defect is logged here and reaches the client as `CallFailed`.
 *
 * `idle` is told when no call is open and every answer is with the plane, and of how many messages that is true.
 */
export const serve = <H extends Handlers>(
  handlers: H,
  plane: Plane,
  idle: (messages: number) => void = () => undefined
): Effect.Effect<never, ChannelEnd, RpcGroup.HandlersServices<Calls, H>> =>
  Effect.gen(function*() {
    const session: Session = { methodById: new Map(), outbox: makeOutbox(plane), taken: 0, ended: false }
    const look = () => {
      if (session.methodById.size === 0 && session.outbox.isEmpty()) idle(session.taken)
    }
    const server = yield* Effect.provideContext(
      RpcServer.makeNoSerialization(RelayRpcs, {
        disableTracing: true,
        disableClientAcks: true,
        disableFatalDefects: true,
        onFromServer: (response) => putResponse(session, response)
      }),
      yield* RelayRpcs.toHandlers(handlers)
    )
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        session.ended = true
      })
    )
    const readNext = Effect.gen(function*() {
      for (const bytes of yield* plane.receive) {
        yield* session.outbox.room
        yield* takeRequest(session, server, bytes)
        session.taken++
      }
      look()
    })
    const flushNext = Effect.map(session.outbox.flush, look)
    return yield* Effect.raceFirst(Effect.forever(readNext), Effect.forever(flushNext))
  }).pipe(
    Effect.tapError((error) => error._tag === "ChannelFailed" ? plane.fail(error) : Effect.void),
    Effect.scoped
  )

const takeRequest = Effect.fnUntraced(function*(session: Session, server: Server, bytes: Uint8Array) {
  if (bytes.length > Limit.controlBytesMax) return yield* tooLong
  const decoded = callRequestCodec.decode(bytes)
  if (Result.isFailure(decoded)) return yield* malformed("a call", decoded.failure)
  const request = decoded.success
  if (request._tag === "Cancel") {
    const known = session.methodById.delete(request.id)
    return yield* known
      ? server.write(0, { _tag: "Interrupt", requestId: RequestId(request.id), interruptors: [] })
      : Effect.void
  }
  const { id, method, payload } = request
  if (session.methodById.has(id)) {
    return yield* new ChannelFailed({ reason: "control", detail: "two open calls have one number" })
  }
  const refuse = (error: RelayError) => session.outbox.put({ _tag: "Refused", id, refusal: toRefusal(error) })
  if (session.methodById.size >= Limit.controlCallsMax) {
    return refuse(new RateLimited({ scope: "calls", retryAfterMillis: CROWDED_MILLIS }))
  }
  const codec = forMethod(method)
  if (codec === undefined) return refuse(new InvalidMessage({ detail: "no call of this name" }))
  const taken = codec.decodePayload(payload)
  if (Result.isFailure(taken)) {
    const { offset, reason } = taken.failure
    return refuse(new InvalidMessage({ detail: `${method}: ${reason} at offset ${offset}` }))
  }
  session.methodById.set(id, method)
  yield* server.write(0, {
    _tag: "Request",
    id: RequestId(id),
    tag: codec.tag,
    payload: taken.success,
    headers: Headers.empty
  })
})

/** Puts a handler's exit on its way. A call that was cancelled gets none. */
const putResponse = (session: Session, response: FromServer<Calls>): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (response._tag !== "Exit" || session.ended) return Effect.void
    const id = Number(response.requestId)
    const method = session.methodById.get(id)
    if (method === undefined) return Effect.void
    session.methodById.delete(id)
    const defect = answer(session.outbox, id, method, response.exit)
    return defect === undefined ? Effect.void : Effect.logError(`the call ${method} failed inside`, defect)
  })

/** Answers a call, and tells what its operator should know: a defect, or a success that is not of its type. */
const answer = (
  { put }: Outbox,
  id: number,
  method: string,
  exit: Rpc.Exit<Calls>
): Cause.Cause<unknown> | undefined => {
  try {
    if (Exit.isSuccess(exit)) {
      const codec = forMethod(method)
      put(codec === undefined ? { _tag: "Failed", id } : { _tag: "Answer", id, value: codec.encodeSuccess(exit.value) })
      return undefined
    }
    const error = Cause.findErrorOption(exit.cause)
    put(Option.isSome(error) ? { _tag: "Refused", id, refusal: toRefusal(error.value) } : { _tag: "Failed", id })
    return Option.isSome(error) || Cause.hasInterruptsOnly(exit.cause) ? undefined : exit.cause
  } catch (bug) {
    put({ _tag: "Failed", id })
    return Cause.die(bug)
  }
}
