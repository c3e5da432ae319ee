/**
 * `Transport` over `ws` (protocol.md §5a): one WebSocket per connection, no compression, bounded in both directions. When
 * no connection comes about, it says how far it got: `doctor` and people need that more than a stack.
 */
import * as Connection from "@sotto/core/channel/Connection"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import { isRelayUrl } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Socket from "effect/socket/Socket"
import { WebSocket } from "ws"

/** How long a connection may take to open: TCP, TLS and the upgrade. */
const OPEN_MILLIS = 10_000

/** A message of the network holds records of one channel message or several small ones. */
const PAYLOAD_BYTES_MAX = 2 * Limit.messageBytesMax

const REASON_BY_CODE: Readonly<Record<string, RelayUnreachable["reason"]>> = {
  ECONNREFUSED: "refused",
  ETIMEDOUT: "timeout"
}

/** The error behind the events and wrappers that a failed opening arrives in. */
const rootOf = (cause: unknown): unknown => {
  if (Predicate.hasProperty(cause, "error") && cause.error !== undefined) return rootOf(cause.error)
  if (Predicate.hasProperty(cause, "errors") && Array.isArray(cause.errors) && cause.errors.length > 0) {
    return rootOf(cause.errors[0])
  }
  return cause
}

const unreachable = (url: string, { reason }: Socket.SocketError): RelayUnreachable => {
  if (reason._tag !== "SocketOpenError") return new RelayUnreachable({ url, reason: "network", detail: reason.message })
  const root = rootOf(reason.cause)
  const detail = root instanceof Error ? root.message : reason.message
  const code = Predicate.hasProperty(root, "code") && typeof root.code === "string" ? root.code : ""
  const timeout = reason.kind === "Timeout" || detail.includes("timed out")
  return new RelayUnreachable({ url, reason: timeout ? "timeout" : REASON_BY_CODE[code] ?? "network", detail })
}

const connect: Transport["Service"]["connect"] = Effect.fnUntraced(function*({ url }) {
  if (!isRelayUrl(url)) return yield* new RelayUnreachable({ url, reason: "address", detail: "not a relay's URL" })
  let opened: WebSocket | undefined
  const acquire = Effect.acquireRelease(
    Effect.sync(() =>
      opened = new WebSocket(url, {
        perMessageDeflate: false,
        maxPayload: PAYLOAD_BYTES_MAX,
        handshakeTimeout: OPEN_MILLIS
      })
    ),
    (socket) =>
      Effect.sync(() => {
        socket.close(1000)
        // A peer that does not answer the close does not keep the process.
        if (socket.readyState !== WebSocket.CLOSED) setTimeout(() => socket.terminate(), 1000).unref()
      })
  )
  const socket = yield* Socket.fromWebSocket(acquire, { openTimeout: OPEN_MILLIS })
  return yield* Connection.fromSocket(socket, {
    remoteAddress: url,
    queuedBytes: () => opened?.bufferedAmount ?? 0
  }).pipe(Effect.mapError((error) => unreachable(url, error)))
})

export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, { connect })
