/**
 * Core's network over the simulator's: a `Transport` for clients, and the front door of a relay or of a device.
 *
 * 1. The URL of the relay or device that listens at `relay-1` is `ws://relay-1/`.
 * 2. A connection ends with the scope that opened it; a crash closes nothing, as with any process that is killed.
 */
import { type Connection, ConnectionClosed, RelayUnreachable, Transport } from "@sotto/core/Transport"
import type * as Socket from "@sotto/simulation/Socket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

const closedBy = ({ clean, detail }: Socket.SocketClosed): ConnectionClosed => new ConnectionClosed({ clean, detail })

/** Core's connection over a socket. */
const fromSocket = (socket: Socket.Socket): Connection => ({
  receive: Effect.mapError(socket.receive, closedBy),
  send: (message) => Effect.mapError(socket.send(message), closedBy),
  remoteAddress: socket.remote
})

const REASONS = { unknown: "network", refused: "refused", timeout: "timeout", network: "network" } as const

/** The URL of a relay or device that listens at `address` in the simulated network. */
export const urlOf = (address: string): string => `ws://${address}/`

const addressOf = (url: string): string => url.replace(/^wss?:\/\//, "").replace(/\/$/, "")

/** The network as a client's process sees it. */
export const make = (host: Socket.Host): Transport["Service"] =>
  Transport.of({
    connect: ({ url }) =>
      Effect.mapBoth(host.connect(addressOf(url)), {
        onFailure: ({ message, reason }) => new RelayUnreachable({ url, reason: REASONS[reason], detail: message }),
        onSuccess: fromSocket
      })
  })

/** What serves connections, one call for each: a relay, or a device. */
export interface Server {
  readonly serve: (connection: Connection) => Effect.Effect<void>
}

/** Serves all who connect to `address`, until the scope closes. */
export const serve = (
  host: Socket.Host,
  address: string,
  server: Server
): Effect.Effect<never, Socket.AddressTaken, Scope.Scope> =>
  Effect.gen(function*() {
    const { accept } = yield* host.listen(address)
    const scope = yield* Effect.scope
    const next = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const own = yield* Scope.fork(scope)
        const socket = yield* Effect.onError(restore(Scope.provide(accept, own)), () => Scope.close(own, Exit.void))
        yield* Effect.forkIn(
          Effect.onExit(restore(server.serve(fromSocket(socket))), (exit) => Scope.close(own, exit)),
          scope
        )
      })
    )
    return yield* Effect.forever(next)
  })
