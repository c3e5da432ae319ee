/**
 * `Transport` over `ws` (protocol.md §5a): one WebSocket per connection, no compression, bounded in both directions. When
 * no connection comes about, it says how far it got: `doctor` and people need that more than a stack.
 *
 * It dials the relay itself: proxies of the environment are not asked, since they would see who speaks to whom.
 */
import { type Connection, RelayUnreachable, Transport } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import { isRelayUrl } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { WebSocket } from "ws"
import { close, fromWebSocket, makeLiveness, PAYLOAD_BYTES_MAX } from "./WebSocketConnection.ts"

/** How long a connection may take to open: TCP, TLS and the upgrade. */
const OPEN_MILLIS = 10_000

const connect: Transport["Service"]["connect"] = Effect.fnUntraced(function*({ url }) {
  if (!isRelayUrl(url)) return yield* new RelayUnreachable({ url, reason: "address", detail: "not a relay's URL" })
  const { connection, socket } = yield* open(url)
  const liveness = makeLiveness(socket)
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.sleep(Limit.keepAliveMillis), Effect.sync(liveness.look)))
  )
  return connection
})

interface Opened {
  readonly socket: WebSocket
  readonly connection: Connection
}

/**
 * An open socket, closed with the scope. The scope has it before it opens: whatever interrupts the opening, even in the
 * moment between the answer and the fiber that waits for it, leaves nothing behind.
 */
const open = Effect.fnUntraced(function*(url: string) {
  const socket = yield* Effect.acquireRelease(Effect.sync(() => dial(url)), (one) => Effect.sync(() => hangUp(one)))
  return yield* Effect.callback<Opened, RelayUnreachable>((resume) => {
    const failed = (error: Error) => resume(Effect.fail(unreachable(url, error)))
    socket.on("error", failed)
    socket.once("open", () => {
      socket.off("error", failed)
      // Listens from this moment on: a message may come with the answer to the upgrade.
      resume(Effect.succeed({ socket, connection: fromWebSocket(socket, url) }))
    })
  })
})

const dial = (url: string): WebSocket => {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: PAYLOAD_BYTES_MAX,
    handshakeTimeout: OPEN_MILLIS,
    followRedirects: false
  })
  // `hangUp` of one that is not open yet is an error of the socket, which nobody waits for any more.
  socket.on("error", () => undefined)
  return socket
}

const hangUp = (socket: WebSocket): void =>
  socket.readyState === WebSocket.CONNECTING ? socket.terminate() : close(socket)

const REASON_BY_CODE: Readonly<Record<string, RelayUnreachable["reason"]>> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timeout"
}

/** A name with several addresses fails with all their errors in one. */
const firstOf = (error: Error): unknown => error instanceof AggregateError ? error.errors[0] : error

const unreachable = (url: string, error: Error): RelayUnreachable => {
  const first = firstOf(error)
  const detail = first instanceof Error ? first.message : error.message
  const code = Predicate.hasProperty(first, "code") && typeof first.code === "string" ? first.code : ""
  // `ws` has no codes for what it says itself.
  const said = detail === "Opening handshake has timed out"
    ? "timeout"
    : detail.startsWith("Unexpected server response")
    ? "refused"
    : undefined
  return new RelayUnreachable({ url, reason: said ?? REASON_BY_CODE[code] ?? "network", detail })
}

/** `Transport` over the network of this machine. */
export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, { connect })
