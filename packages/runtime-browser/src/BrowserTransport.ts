/**
 * `Transport` over the browser's WebSocket (protocol.md §5a). The browser does not say why a connection failed, so a
 * refusal, a wrong certificate and a dead network are all `network` here.
 *
 * A browser socket cannot be paused: what bounds memory is the credit that a client grants on the data plane.
 */
import * as Connection from "@sotto/core/channel/Connection"
import { RelayUnreachable, Transport } from "@sotto/core/Transport"
import { isRelayUrl } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"

/** How long a connection may take to open. */
const OPEN_MILLIS = 10_000

/** More than this unread is a flood: the connection is given up. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024

const unreachable = (url: string, error: Socket.SocketError): RelayUnreachable => {
  const { reason } = error
  const timeout = reason._tag === "SocketOpenError" && reason.kind === "Timeout"
  return new RelayUnreachable({ url, reason: timeout ? "timeout" : "network", detail: reason.message })
}

const connect: Transport["Service"]["connect"] = Effect.fnUntraced(function*({ url }) {
  if (!isRelayUrl(url)) return yield* new RelayUnreachable({ url, reason: "address", detail: "not a relay's URL" })
  let opened: WebSocket | undefined
  const acquire = Effect.acquireRelease(
    Effect.try({
      try: () => opened = new WebSocket(url),
      // A page that came by https may not open `ws://` anywhere but on this machine.
      catch: (cause) => new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })
    }),
    (socket) => Effect.sync(() => socket.close(1000))
  )
  const socket = yield* Socket.fromWebSocket(acquire, { openTimeout: OPEN_MILLIS, highWaterMark: UNREAD_BYTES_MAX })
  return yield* Connection.fromSocket(socket, {
    remoteAddress: url,
    queuedBytes: () => opened?.bufferedAmount ?? 0
  }).pipe(Effect.mapError((error) => unreachable(url, error)))
})

export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, { connect })
