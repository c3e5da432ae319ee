/**
 * A relay on this machine (protocol.md §6): one HTTP listener that upgrades to WebSocket and answers `GET /health`, and,
 * if asked for, a second one with `GET /metrics`. Behind them runs `Relay` from core over SQLite; this file only carries
 * bytes, addresses and the end of it all.
 *
 * 1. Nothing is served before storage is open, checked and locked; a port in use leaves nothing behind.
 * 2. The end of the scope drains: clients are told, what was taken is answered, then sockets and storage close.
 * 3. Metrics are on a listener of their own, on loopback unless told otherwise: who may connect may not read them.
 */
import type { Crypto, EntropyUnavailable } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelayOptionsInvalid, RelaySettings } from "@sotto/core/relay/RelayOptions"
import type { RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import { Limit } from "@sotto/schema/Limit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import * as NodeRelayStore from "./NodeRelayStore.ts"
import { close, fromWebSocket, makeLiveness, PAYLOAD_BYTES_MAX } from "./WebSocketConnection.ts"

export interface RelayServerOptions {
  /** Where its log and key are kept. */
  readonly directory: string
  /** What to listen on; loopback unless given. */
  readonly host?: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** A listener with `GET /metrics`; none unless given. */
  readonly metrics?: { readonly host?: string; readonly port: number }
  /** How clients reach it when that is not where it listens: behind a proxy that speaks TLS, say. */
  readonly publicUrl?: string
  readonly settings?: RelaySettings
  /** Take the client's address from `X-Forwarded-For`: only behind a proxy that sets it. */
  readonly trustProxy?: boolean
}

/** The listener could not be opened. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  reason: Schema.Literals(["in-use", "permission", "address", "unavailable"]),
  host: Schema.String,
  port: Schema.Int,
  detail: Schema.String
}) {
  override get message() {
    const next = {
      "in-use": "Another program has this port: stop it, or choose another with --port (0 takes a free one).",
      permission: "Ports below 1024 need more rights: choose a higher one.",
      address: "This machine does not have this address: choose another with --host.",
      unavailable: "Look at the detail."
    }[this.reason]
    return `The relay does not listen on ${this.host}:${this.port} (${this.reason}: ${this.detail}). ` +
      `Its data was not touched. ${next}`
  }
}

/** A relay that is up. */
export interface Running {
  /** `ws://host:port/`, or the public URL. */
  readonly url: string
  /** The address to give to clients: the URL with the relay's key. */
  readonly address: string
  readonly port: number
  /** Where the metrics are, if asked for. */
  readonly metricsUrl: string | undefined
  readonly relay: Relay.Relay["Service"]
}

export type StartFailed =
  | ListenFailed
  | RelayStoreFailed
  | RelayOptionsInvalid
  | Relay.RelayIdentityUnreadable
  | EntropyUnavailable

/** Headers of an upgrade are small, and come at once. */
const HEADER_BYTES_MAX = 8 * 1024
/** How often connections that are slow with their headers are looked for. */
const SLOW_LOOK_MILLIS = 2000
/** TCP connections beyond those of sessions: health checks, upgrades under way, those to be refused. */
const SPARE_CONNECTIONS = 1000

/** Starts a relay that runs until the scope closes. */
export const start: (
  options: RelayServerOptions
) => Effect.Effect<Running, StartFailed, Crypto | Scope.Scope> = Effect.fn("RelayServer.start")(function*(options) {
  const { host = "127.0.0.1", port = 0, settings } = options
  const services = yield* Layer.build(
    Layer.merge(NodeRelayStore.layer({ directory: options.directory }), Hints.layerLocal)
  )
  const relay = yield* Effect.provideContext(Relay.make(settings), services)
  const server = makeServer()
  server.maxConnections = (settings?.limits?.sessionsMax ?? Limit.sessionsMax) + SPARE_CONNECTIONS
  const fork = yield* FiberSet.makeRuntime()
  server.on("request", (request, response) => fork(answerHealth(relay, request, response)))
  const open = accept(server, relay, fork, options.trustProxy === true)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(
    Effect.sleep(Limit.keepAliveMillis),
    Effect.sync(() => open.forEach((liveness) => liveness.look()))
  )))
  const bound = yield* listen(server, host, port, () => open.forEach((_, socket) => socket.terminate()))
  const metricsUrl = options.metrics === undefined ? undefined : yield* serveMetrics(options.metrics)
  // Last acquired, first released: clients are told while their sockets are still open.
  yield* Effect.addFinalizer(() => relay.drain)
  const url = options.publicUrl ?? `ws://${inUrl(host)}:${bound}/`
  yield* Effect.logInfo("relay listens", { port: bound })
  return { url, address: relay.address(url), port: bound, metricsUrl, relay }
})

/** Where to reach a listener on this machine: "all addresses" is none that one can dial. */
const inUrl = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host

/** Slow and large headers end a connection before it costs anything else. */
const makeServer = (): http.Server =>
  http.createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: Limit.handshakeStepMillis,
    requestTimeout: Limit.handshakeStepMillis,
    connectionsCheckingInterval: SLOW_LOOK_MILLIS
  })

/** Public and empty: that the process answers and takes connections, nothing about what it holds. */
const answerHealth = (
  relay: Relay.Relay["Service"],
  request: http.IncomingMessage,
  response: http.ServerResponse
): Effect.Effect<void> =>
  Effect.map(relay.stats, ({ draining }) => {
    const isHealth = request.url === "/health" && (request.method === "GET" || request.method === "HEAD")
    const status = !isHealth ? 404 : draining ? 503 : 200
    response.writeHead(status, { "content-type": "text/plain", "cache-control": "no-store", connection: "close" })
    response.end(isHealth && request.method === "GET" ? (draining ? "draining\n" : "ok\n") : undefined)
  })

/** Serves every WebSocket until it ends. The answer is those that are open, and changes with them. */
const accept = (
  server: http.Server,
  relay: Relay.Relay["Service"],
  fork: (effect: Effect.Effect<void>) => unknown,
  trustProxy: boolean
): ReadonlyMap<WebSocket, { readonly look: () => void }> => {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: PAYLOAD_BYTES_MAX
  })
  const open = new Map<WebSocket, { readonly look: () => void }>()

  const serve = (socket: WebSocket, address: string) => {
    open.set(socket, makeLiveness(socket))
    const connection = fromWebSocket(socket, address)
    fork(Effect.ensuring(
      relay.serve(connection),
      Effect.sync(() => {
        open.delete(socket)
        close(socket)
      })
    ))
  }

  server.on("upgrade", (request: http.IncomingMessage, stream: Duplex, head: Buffer) => {
    // Until the upgrade is done nobody else listens, and an error without a listener ends the process.
    stream.on("error", destroy)
    const address = addressOf(request, trustProxy)
    fork(Effect.map(relay.refusal(address), (refusal) => {
      if (refusal !== undefined) refuse(stream, refusal._tag === "RateLimited" ? 429 : 503)
      else sockets.handleUpgrade(request, stream, head, (socket) => serve(socket, address))
    }))
  })
  return open
}

/** Not a closure: one would hold the request for as long as the connection lasts. */
const destroy = function(this: Duplex): void {
  this.destroy()
}

/** Says no in HTTP, and is done with it: a peer that does not close its side holds nothing. */
const refuse = (stream: Duplex, status: 429 | 503): void => {
  stream.once("finish", () => stream.destroy())
  stream.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

const addressOf = (request: http.IncomingMessage, trustProxy: boolean): string => {
  const forwarded = trustProxy ? request.headers["x-forwarded-for"] : undefined
  const text = Array.isArray(forwarded) ? forwarded.at(-1) : forwarded
  return text?.split(",").at(-1)?.trim() ?? request.socket.remoteAddress ?? "unknown"
}

const REASON_BY_CODE: Readonly<Record<string, ListenFailed["reason"]>> = {
  EADDRINUSE: "in-use",
  EACCES: "permission",
  EADDRNOTAVAIL: "address",
  ENOTFOUND: "address"
}

/** Listens until the scope closes, which ends what is connected; answers the port. */
const listen = (
  server: http.Server,
  host: string,
  port: number,
  endUpgraded: () => void
): Effect.Effect<number, ListenFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, ListenFailed>((resume) => {
      server.on("error", (error: NodeJS.ErrnoException) => {
        const reason = REASON_BY_CODE[error.code ?? ""] ?? "unavailable"
        resume(Effect.fail(new ListenFailed({ reason, host, port, detail: error.message })))
      })
      server.listen({ host, port }, () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        endUpgraded()
        server.closeAllConnections()
      })
  )

/** Prometheus' text form of every metric of this process, on its own listener. */
const serveMetrics = Effect.fnUntraced(
  function*({ host = "127.0.0.1", port }: { readonly host?: string; readonly port: number }) {
    const context = yield* Effect.context<never>()
    const server = http.createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
      if (request.url !== "/metrics" || request.method !== "GET") return void response.writeHead(404).end()
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
      response.end(PrometheusMetrics.formatUnsafe(context))
    })
    const bound = yield* listen(server, host, port, () => undefined)
    return `http://${inUrl(host)}:${bound}/metrics`
  }
)

/** A relay that is up, as a service. */
export class RelayServer extends Context.Service<RelayServer, Running>()("@sotto/runtime-node/RelayServer") {}

export const layer = (options: RelayServerOptions): Layer.Layer<RelayServer, StartFailed, Crypto> =>
  Layer.effect(RelayServer, start(options))
