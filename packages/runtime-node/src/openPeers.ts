/** What a device on Node adds to the promise face of its peers: others can connect to it. It belongs to `open`. */
import type { Inside } from "@sotto/core/Face"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as PeerServer from "./PeerServer.ts"

/** A device that others can connect to, until `close`, or until its handle is closed. */
export interface Served extends PeerServer.Running {
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

export interface Serve {
  /** Lets other devices of the space connect; rejects with `ListenFailed`. On loopback and a free port unless given. */
  (options?: Pick<PeerServer.PeerServerOptions, "host" | "port" | "peersMax">): Promise<Served>
}

export const makeServe = ({ client, scope }: Inside): Serve => (options = {}) =>
  Effect.runPromise(Effect.gen(function*() {
    const own = yield* Scope.fork(scope)
    const running = yield* PeerServer.start(client.peers, options).pipe(
      Scope.provide(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    const closing = Effect.runPromiseWith(yield* Effect.context<never>())
    const close = () => closing(Scope.close(own, Exit.void))
    return { ...running, close, [Symbol.asyncDispose]: close }
  }))
