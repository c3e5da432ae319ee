/**
 * Core's network over the simulator's: a `Transport` for clients, and the front door of a relay.
 *
 * 1. A relay's URL is its address in the simulated network.
 * 2. A connection ends with the scope that opened it; a crash closes nothing, as with any process that is killed.
 */
import type * as Relay from "@sotto/core/relay/Relay"
import { type Connection, ConnectionClosed, RelayUnreachable, Transport } from "@sotto/core/Transport"
import type * as Socket from "@sotto/simulation/Socket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

const closedBy = ({ clean, detail }: Socket.SocketClosed): ConnectionClosed => new ConnectionClosed({ clean, detail })

/** Core's connection over a socket. */
export const fromSocket = (socket: Socket.Socket): Connection => ({
  receive: Effect.mapError(socket.receive, closedBy),
  send: (message) => Effect.mapError(socket.send(message), closedBy),
  remoteAddress: socket.remote
})

const REASONS = { unknown: "network", refused: "refused", timeout: "timeout", network: "network" } as const

/** The network as a client's process sees it. */
export const make = (host: Socket.Host): Transport["Service"] =>
  Transport.of({
    connect: ({ url }) =>
      Effect.mapBoth(host.connect(url), {
        onFailure: ({ message, reason }) => new RelayUnreachable({ url, reason: REASONS[reason], detail: message }),
        onSuccess: fromSocket
      })
  })

/** Serves all who connect to a relay at `url`, until the scope closes. */
export const serve = (
  host: Socket.Host,
  url: string,
  relay: Pick<Relay.Relay["Service"], "serve">
): Effect.Effect<never, Socket.AddressTaken, Scope.Scope> =>
  Effect.gen(function*() {
    const { accept } = yield* host.listen(url)
    const scope = yield* Effect.scope
    const next = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const own = yield* Scope.fork(scope)
        const socket = yield* Effect.onError(restore(Scope.provide(accept, own)), () => Scope.close(own, Exit.void))
        yield* Effect.forkIn(
          Effect.onExit(restore(relay.serve(fromSocket(socket))), (exit) => Scope.close(own, exit)),
          scope
        )
      })
    )
    return yield* Effect.forever(next)
  })
