/**
 * `Connection`s: over any Effect socket that keeps message borders (a WebSocket), and a pair in memory.
 */
import { Limit } from "@sotto/schema/Limit"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { type Connection, ConnectionClosed } from "../Transport.ts"

/** How often a full socket is looked at again. */
const FULL_MILLIS = 5

/**
 * Opens a socket and takes it over until the scope closes. `queuedBytes` tells how much the socket holds that the network
 * has not taken yet (a WebSocket's `bufferedAmount`): its writes never wait by themselves, so `send` waits while more
 * than `Limit.outboundBytesMax` lie there. A text message ends the connection: the protocol has none.
 */
export const fromSocket = Effect.fnUntraced(function*(socket: Socket.Socket, options: {
  readonly remoteAddress: string
  readonly queuedBytes?: () => number
}): Effect.fn.Return<Connection, Socket.SocketError, Scope.Scope> {
  const { queuedBytes, remoteAddress } = options
  const writer = yield* socket.writer
  const reader = yield* socket.reader
  const room: Effect.Effect<void> = Effect.suspend(() =>
    queuedBytes === undefined || queuedBytes() <= Limit.outboundBytesMax
      ? Effect.void
      : Effect.andThen(Effect.sleep(FULL_MILLIS), room)
  )
  return {
    remoteAddress,
    receive: Effect.matchEffect(reader.pull, {
      onFailure: (error) => Effect.fail(closedBy(error)),
      onSuccess: (frames) => {
        const messages = Arr.filter(frames, (frame) => typeof frame !== "string")
        return Arr.isReadonlyArrayNonEmpty(messages) && messages.length === frames.length
          ? Effect.succeed(messages)
          : Effect.fail(new ConnectionClosed({ clean: false, detail: "a text message" }))
      }
    }),
    send: (message) => Effect.andThen(Effect.mapError(writer.write(message), closedBy), room)
  }
})

/** 1000 and 1001 are how a WebSocket ends in order. */
const closedBy = ({ reason }: Socket.SocketError): ConnectionClosed =>
  reason._tag === "SocketCloseError"
    ? new ConnectionClosed({
      clean: reason.code === 1000 || reason.code === 1001,
      detail: `closed with ${reason.message}`
    })
    : new ConnectionClosed({ clean: false, detail: reason.message })

/** Messages that a direction of a pair in memory holds before `send` waits. */
const PAIR_MESSAGES_MAX = 16

/** An end of a pair, which can also be cut. */
export interface End extends Connection {
  /** Ends both directions; messages on their way still arrive. */
  readonly close: Effect.Effect<void>
}

/** Two connections in memory, each the other's far end. They end in order with the scope. */
export const pair: Effect.Effect<readonly [End, End], never, Scope.Scope> = Effect.gen(function*() {
  const forth = yield* Queue.bounded<Uint8Array, ConnectionClosed>(PAIR_MESSAGES_MAX)
  const back = yield* Queue.bounded<Uint8Array, ConnectionClosed>(PAIR_MESSAGES_MAX)
  const closed = new ConnectionClosed({ clean: true, detail: "closed by the other side" })
  // Both or neither: who wakes at the end of one may interrupt whoever closes.
  const close = Effect.uninterruptible(Effect.asVoid(Effect.all([Queue.fail(forth, closed), Queue.fail(back, closed)])))
  yield* Effect.addFinalizer(() => close)
  const end = (
    outgoing: Queue.Queue<Uint8Array, ConnectionClosed>,
    incoming: Queue.Queue<Uint8Array, ConnectionClosed>,
    remoteAddress: string
  ): End => ({
    remoteAddress,
    receive: Queue.takeAll(incoming),
    send: (message) =>
      Effect.flatMap(Queue.offer(outgoing, message), (taken) => taken ? Effect.void : Exit.fail(closed)),
    close
  })
  return [end(forth, back, "memory:left"), end(back, forth, "memory:right")]
})
