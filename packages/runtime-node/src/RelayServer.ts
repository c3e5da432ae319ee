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
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import * as NodeRelayStore from "./NodeRelayStore.ts"
import { fromWebSocket } from "./ServerConnection.ts"

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

/** A message of the network holds records of one channel message or several small ones. */
const PAYLOAD_BYTES_MAX = 2 * Limit.messageBytesMax
/** Headers of an upgrade are small, and come at once. */
const HEADER_BYTES_MAX = 8 * 1024

/** Starts a relay that runs until the scope closes. */
export const start: (
  options: RelayServerOptions
) => Effect.Effect<Running, StartFailed, Crypto | Scope.Scope> = Effect.fn("RelayServer.start")(function*(options) {
  const { host = "127.0.0.1", port = 0 } = options
  const services = yield* Layer.build(
    Layer.merge(NodeRelayStore.layer({ directory: options.directory }), Hints.layerLocal)
  )
  const relay = yield* Effect.provideContext(Relay.make(options.settings), services)
  const server = http.createServer({ maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: Limit.handshakeStepMillis })
  server.headersTimeout = Limit.handshakeStepMillis
  server.on("request", answerHealth)
  yield* accept(server, relay, options.trustProxy === true)
  const bound = yield* listen(server, host, port)
  const metricsUrl = options.metrics === undefined ? undefined : yield* serveMetrics(options.metrics)
  // Last acquired, first released: clients are told while their sockets are still open.
  yield* Effect.addFinalizer(() => relay.drain)
  const url = options.publicUrl ?? `ws://${inUrl(host)}:${bound}/`
  yield* Effect.logInfo("relay is up").pipe(Effect.annotateLogs({ port: bound }))
  return { url, address: relay.address(url), port: bound, metricsUrl, relay }
})

const inUrl = (host: string): string => host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host

/** Public and empty: that the process answers, nothing about what it holds. */
const answerHealth = (request: http.IncomingMessage, response: http.ServerResponse): void => {
  const isHealth = request.url === "/health" && (request.method === "GET" || request.method === "HEAD")
  response.writeHead(isHealth ? 200 : 404, { "content-type": "text/plain", connection: "close" })
  response.end(isHealth && request.method === "GET" ? "ok\n" : undefined)
}

/** Serves every WebSocket until it ends; those that are open are closed with the scope. */
const accept = Effect.fnUntraced(function*(server: http.Server, relay: Relay.Relay["Service"], trustProxy: boolean) {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: PAYLOAD_BYTES_MAX
  })
  const open = new Set<WebSocket>()
  const context = yield* Effect.context<never>()
  const fork = Effect.runForkWith(context)

  const serve = (socket: WebSocket, address: string) => {
    open.add(socket)
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
    stream.on("error", () => stream.destroy())
    const address = addressOf(request, trustProxy)
    fork(Effect.map(relay.refusal(address), (refusal) => {
      if (refusal !== undefined) stream.end("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n")
      else sockets.handleUpgrade(request, stream, head, (socket) => serve(socket, address))
    }))
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const socket of open) socket.terminate()
      sockets.close()
    })
  )
})

/** In order; a peer that does not answer within a second is cut. */
const close = (socket: WebSocket): void => {
  socket.close(1000)
  const cut = setTimeout(() => socket.terminate(), 1000)
  cut.unref()
  socket.once("close", () => clearTimeout(cut))
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

/** Listens until the scope closes; answers the port. */
const listen = (server: http.Server, host: string, port: number): Effect.Effect<number, ListenFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, ListenFailed>((resume) => {
      const onError = (error: NodeJS.ErrnoException) => {
        const reason = REASON_BY_CODE[error.code ?? ""] ?? "unavailable"
        resume(Effect.fail(new ListenFailed({ reason, host, port, detail: error.message })))
      }
      server.once("error", onError)
      server.listen({ host, port }, () => {
        server.off("error", onError)
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
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
    const bound = yield* listen(server, host, port)
    return `http://${inUrl(host)}:${bound}/metrics`
  }
)

/** A relay that is up, as a service. */
export class RelayServer extends Context.Service<RelayServer, Running>()("@sotto/runtime-node/RelayServer") {}

export const layer = (options: RelayServerOptions): Layer.Layer<RelayServer, StartFailed, Crypto> =>
  Layer.effect(RelayServer, start(options))
