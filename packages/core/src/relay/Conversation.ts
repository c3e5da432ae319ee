/**
 * A client compares its ids with those that a route holds, and asks for what it lacks (protocol.md §2a). This is the side
 * that is asked: which set, at which moment, and the way of the answer. What is said is `reconcile/Responder`'s.
 *
 * 1. A handle has one conversation. What it leaves behind between two requests is two numbers.
 * 2. An answer and its head are of one moment: of what the route held then, no more and no less.
 * 3. A request is served in a fiber of its own, which ends by itself once its conversation is no longer the handle's: after
 *    another `begin`, when the handle is let go, when the connection ends.
 * 4. Envelopes go out as pages, in the order of positions, while the connection has room. What was deleted meanwhile is
 *    left out.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { ClientFrame } from "@sotto/schema/Frame"
import { Position } from "@sotto/schema/Id"
import * as Wire from "@sotto/schema/Reconcile"
import {
  InvalidMessage,
  Overloaded,
  RateLimited,
  type RelayError,
  Unauthorized,
  type UnknownRoute
} from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import type { ReconcileFailed } from "../reconcile/ReconcileFailed.ts"
import * as Responder from "../reconcile/Responder.ts"
import { type Engine, withStore } from "./Engine.ts"
import type { LogState } from "./HeadSigner.ts"
import { advance, type Conversation, converse, type Handle, headFor, mayRead, offer, refused } from "./Hub.ts"
import * as PlacedSet from "./PlacedSet.ts"
import type { Page, RelayStoreFailed } from "./RelayStore.ts"
import type * as Replicas from "./Replicas.ts"

type Asked = Omit<Extract<ClientFrame, { readonly _tag: "Reconcile" }>, "_tag">

/** A request that is being served. */
export interface Served {
  readonly engine: Engine
  readonly handle: Handle
  readonly conversation: Conversation
  readonly asked: Asked
  /** Ends the connection: because of a message that no client may send, or of a bug here. */
  readonly broken: (why: InvalidMessage | undefined) => void
}

/** How long a client should wait after a conversation of too many requests, or when too much is on its way. */
const RETRY_MILLIS = 1000

/** The whole of that message: it has no fields. */
const WANT_ALL = Wire.encodeRequest({ _tag: "WantAll" })

const mayReconcile = (handle: Handle): Unauthorized | undefined =>
  mayRead(handle) ??
    (handle.ended === undefined ? undefined : new Unauthorized({ detail: "the epoch of this handle is over" }))

/** The conversation that a request belongs to, or why it is not served. From here on the request is under way. */
export const enter = (
  { load, metrics, options }: Engine,
  handle: Handle,
  { begin, message }: Asked
): Result.Result<Conversation, Unauthorized | InvalidMessage | Overloaded> => {
  const refusal = mayReconcile(handle)
  if (refusal !== undefined) return Result.fail(refusal)
  // It is kept until it is answered, as pushes are.
  if (load.pushBytes + message.length > options.limits.pushBytesInFlightTotalMax) {
    return Result.fail(new Overloaded({ retryAfterMillis: RETRY_MILLIS }))
  }
  if (begin !== null) {
    converse(handle, { ...begin, messages: 0, listedThrough: undefined, busy: false, room: Latch.makeUnsafe(false) })
    metrics.reconciled("begun")
  }
  const { conversation } = handle
  if (conversation === undefined) {
    return Result.fail(new InvalidMessage({ detail: "a reconciliation that was not begun" }))
  }
  if (conversation.busy) {
    return Result.fail(new InvalidMessage({ detail: "a reconciliation that goes on before it was answered" }))
  }
  conversation.busy = true
  return Result.succeed(conversation)
}

/** Serves a request to its end. */
export const serve = (served: Served): Effect.Effect<void> => Effect.suspend(() => serving(served))

const serving = (served: Served): Effect.Effect<void> => {
  const { broken, conversation, engine, handle } = served
  const { hub } = handle
  const steps = Effect.gen(function*() {
    const pages = yield* engine.replicas.use({ ...conversation, route: hub.route }, {
      isWanted: () => isWanted(served),
      isCurrent: (log) => {
        advance(hub, log)
        return hub.head.position === log.position && hub.head.lowest === log.lowest
      },
      take: (replica, log) => answer(served, replica, log)
    })
    if (pages !== undefined) yield* send(served, pages)
  })
  const { length } = served.asked.message
  engine.load.pushBytes += length
  return withStore(engine, steps).pipe(
    Effect.catch((why) => Effect.sync(() => refuse(served, why))),
    Effect.catchCause((cause) => {
      broken(undefined)
      return Effect.logError("relay could not answer a reconciliation", cause)
    }),
    Effect.ensuring(Effect.sync(() => {
      engine.load.pushBytes -= length
    }))
  )
}

const isWanted = ({ conversation, handle }: Served): boolean => handle.conversation === conversation

const refuse = ({ asked, conversation, handle }: Served, why: RelayError): void => {
  if (handle.conversation !== conversation) return
  conversation.busy = false
  offer(handle, refused(handle.number, asked.request, why))
}

// -- the answer --------------------------------------------------------------------------------------------------------

/** Answers from the set as it is now; or answers pages, when envelopes are wanted. */
const answer = (served: Served, replica: Replicas.Replica, log: LogState): Pages | undefined => {
  const { asked, conversation, engine, handle } = served
  // The epoch may have ended while the set was read.
  const refusal = mayReconcile(handle)
  if (refusal !== undefined) {
    refuse(served, refusal)
    return undefined
  }
  const { listedThrough, messages } = conversation
  // What a list named is in the log up to its position: nothing of it has to be remembered.
  const before = { messages, listed: listedThrough === undefined ? undefined : [] }
  const answered = Responder.respond(before, { replica: replica.set }, asked.message)
  engine.metrics.reconcileBytes(asked.message.length)
  if (Result.isFailure(answered)) {
    failed(served, answered.failure)
    return undefined
  }
  const { agreed, message, responder, send } = answered.success
  conversation.messages = responder.messages
  conversation.listedThrough = responder.listed === undefined ? undefined : log.position
  if (message === undefined) {
    engine.metrics.reconciled("wanted")
    return listedThrough !== undefined && Bytes.equals(asked.message, WANT_ALL)
      ? through(served, listedThrough)
      : at(served, PlacedSet.positionsOf(replica, send))
  }
  if (agreed) engine.metrics.reconciled("same")
  engine.metrics.reconcileBytes(message.length)
  conversation.busy = false
  offer(handle, {
    _tag: "Reconciled",
    handle: handle.number,
    request: asked.request,
    message,
    head: headFor(engine, handle)
  })
  return undefined
}

/** A conversation that is too long ends, and may be begun again. What else fails, no client may send. */
const failed = (served: Served, { reason }: ReconcileFailed): void => {
  served.engine.metrics.reconciled("refused")
  if (reason === "too-many-messages") {
    refuse(served, new RateLimited({ scope: "reconcile", retryAfterMillis: RETRY_MILLIS }))
    converse(served.handle, undefined)
  } else served.broken(new InvalidMessage({ detail: `a message of a reconciliation (${reason})` }))
}

// -- envelopes ---------------------------------------------------------------------------------------------------------

/** The next page, each time that it is run; and whether another one follows. */
type Pages = Effect.Effect<{ readonly page: Page; readonly more: boolean }, UnknownRoute | RelayStoreFailed>

/** The envelopes at these positions. */
const at = ({ engine, handle }: Served, positions: ReadonlyArray<Position>): Pages => {
  const { pageBytesMax, pageEnvelopesMax } = engine.options.limits
  let next = 0
  return Effect.suspend(() => {
    const some = positions.slice(next, next + pageEnvelopesMax)
    return Effect.map(
      engine.store.readAt({ route: handle.hub.route, positions: some, bytesMax: pageBytesMax }),
      (page) => {
        const last = page.more ? page.envelopes.at(-1)?.position : undefined
        next += last === undefined ? some.length : some.indexOf(last) + 1
        return { page, more: next < positions.length }
      }
    )
  })
}

/** All envelopes of the conversation's lanes up to a position. */
const through = ({ conversation: { lanes }, engine, handle }: Served, until: Position): Pages => {
  const { pageBytesMax, pageEnvelopesMax } = engine.options.limits
  let after = Position.make(0)
  return Effect.suspend(() =>
    Effect.map(
      engine.store.read({
        route: handle.hub.route,
        after,
        lanes,
        limit: pageEnvelopesMax,
        bytesMax: pageBytesMax
      }),
      (page) => {
        const envelopes = page.envelopes.filter(({ position }) => position <= until)
        after = envelopes.at(-1)?.position ?? until
        const more = page.more && envelopes.length === page.envelopes.length && after < until
        return { page: { ...page, envelopes }, more }
      }
    )
  )
}

/** Waits until something may be added to what the connection has to send, or nobody wants it any more. */
const room = (served: Served): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { conversation, engine, handle } = served
    if (!isWanted(served) || handle.outbox.bytes < engine.options.limits.outboundBytesMax) return Effect.void
    conversation.room.closeUnsafe()
    return Effect.andThen(conversation.room.await, room(served))
  })

const send = Effect.fnUntraced(function*(served: Served, pages: Pages) {
  const { asked, conversation, engine, handle } = served
  let following = true
  while (following) {
    yield* room(served)
    if (!isWanted(served)) return
    const { more, page } = yield* pages
    if (!isWanted(served)) return
    advance(handle.hub, page)
    following = more
    conversation.busy = more
    offer(handle, {
      _tag: "Page",
      handle: handle.number,
      request: asked.request,
      placed: page.envelopes.map(({ bytes, position }) => ({ position, envelope: bytes })),
      more,
      head: headFor(engine, handle)
    })
  }
})
