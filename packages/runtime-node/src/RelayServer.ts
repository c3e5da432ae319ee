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
import * as Standby from "@sotto/core/relay/Standby"
import { Limit } from "@sotto/schema/Limit"
import type { RelayAddress } from "@sotto/schema/Pairing"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import type * as http from "node:http"
import * as path from "node:path"
import * as NodeRelayStore from "./NodeRelayStore.ts"
import * as NodeSqlite from "./NodeSqlite.ts"
import * as NodeTransport from "./NodeTransport.ts"
import * as WebSocketListener from "./WebSocketListener.ts"

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
  /** Follow this relay as its standby, and serve nobody: `directory` holds a backup of it. */
  readonly replicate?: RelayAddress
  /** Take the client's address from `X-Forwarded-For`: only behind a proxy that sets it. */
  readonly trustProxy?: boolean
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
  /** Where it stands as a standby, if it is one. */
  readonly standby: Effect.Effect<Standby.StandbyStatus> | undefined
  /** Waits, for as long as it runs; fails when it is a standby and cannot go on. */
  readonly ended: Effect.Effect<never, Standby.StandbyFailed>
}

export type StartFailed =
  | Standby.StandbyWithoutKey
  | Standby.StandbyOfAnother
  | WebSocketListener.ListenFailed
  | RelayStoreFailed
  | RelayOptionsInvalid
  | Relay.RelayIdentityUnreadable
  | EntropyUnavailable

/** TCP connections beyond those of sessions: health checks, upgrades under way, those to be refused. */
const SPARE_CONNECTIONS = 1000

/** Starts a relay that runs until the scope closes. */
export const start: (
  options: RelayServerOptions
) => Effect.Effect<Running, StartFailed, Crypto | Scope.Scope> = Effect.fn("RelayServer.start")(function*(options) {
  const { host = "127.0.0.1", port = 0, settings } = options
  yield* checkBackup(options)
  const services = yield* Layer.build(
    Layer.merge(NodeRelayStore.layer({ directory: options.directory }), Hints.layerLocal)
  )
  // Before the relay, which would draw a key where there is none.
  const standby = yield* standbyOf(options.replicate).pipe(Effect.provideContext(services))
  const relay = yield* Effect.provideContext(Relay.make(settings, { standby: standby !== undefined }), services)
  const { port: bound, url: found } = yield* WebSocketListener.start({
    host,
    port,
    connectionsMax: (settings?.limits?.sessionsMax ?? Limit.sessionsMax) + SPARE_CONNECTIONS,
    trustProxy: options.trustProxy === true,
    refusal: (address) =>
      Effect.map(
        relay.refusal(address),
        (refusal) => refusal === undefined ? undefined : refusal._tag === "RateLimited" ? 429 : 503
      ),
    serve: relay.serve,
    answer: (request, response) => answerHealth(relay, standby, request, response)
  })
  const metricsUrl = options.metrics === undefined ? undefined : yield* serveMetrics(options.metrics)
  // Last acquired, first released: clients are told while their sockets are still open.
  yield* Effect.addFinalizer(() => relay.drain)
  const following = yield* Effect.forkScoped(standby?.run ?? Effect.never)
  const url = options.publicUrl ?? found
  yield* Effect.logInfo("relay listens", { port: bound })
  return {
    url,
    address: relay.address(url),
    port: bound,
    metricsUrl,
    relay,
    standby: standby?.status,
    ended: Fiber.join(following)
  }
})

/** Opening would make an empty data file, and a standby is nothing without a backup. */
const checkBackup = ({ directory, replicate }: RelayServerOptions): Effect.Effect<void, Standby.StandbyWithoutKey> =>
  Effect.suspend(() =>
    replicate === undefined || existsSync(path.join(directory, NodeSqlite.FILE))
      ? Effect.void
      : Effect.fail(new Standby.StandbyWithoutKey())
  )

const standbyOf = (replicate: RelayAddress | undefined) =>
  replicate === undefined
    ? Effect.succeed(undefined)
    : Effect.provide(Standby.make(replicate), NodeTransport.layer)

/** Public and empty: that the process answers and takes devices, or why not; nothing about what it holds. */
const answerHealth = Effect.fnUntraced(function*(
  relay: Relay.Relay["Service"],
  standby: Standby.Standby | undefined,
  request: http.IncomingMessage,
  response: http.ServerResponse
) {
  const { draining } = yield* relay.stats
  const text = draining ? "draining" : standby === undefined ? "ok" : standingText(yield* standby.status)
  const isHealth = request.url === "/health" && (request.method === "GET" || request.method === "HEAD")
  const status = !isHealth ? 404 : text === "ok" ? 200 : 503
  response.writeHead(status, { "content-type": "text/plain", "cache-control": "no-store", connection: "close" })
  response.end(isHealth && request.method === "GET" ? `${text}\n` : undefined)
})

const standingText = ({ lagMillis, lagPositions, phase }: Standby.StandbyStatus): string =>
  `standby ${phase} lag ${(lagMillis / 1000).toFixed(1)} s ${lagPositions} positions`

/** Prometheus' text form of every metric of this process, on its own listener. */
const serveMetrics = Effect.fnUntraced(
  function*({ host = "127.0.0.1", port }: { readonly host?: string; readonly port: number }) {
    const context = yield* Effect.context<never>()
    const server = WebSocketListener.httpModule().createServer(
      { maxHeaderSize: WebSocketListener.HEADER_BYTES_MAX },
      (request, response) => {
        if (request.url !== "/metrics" || request.method !== "GET") return void response.writeHead(404).end()
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
        response.end(PrometheusMetrics.formatUnsafe(context))
      }
    )
    const bound = yield* WebSocketListener.listen(server, host, port, () => undefined)
    return `http://${WebSocketListener.inUrl(host)}:${bound}/metrics`
  }
)

/** A relay that is up, as a service. */
export class RelayServer extends Context.Service<RelayServer, Running>()("@sotto/runtime-node/RelayServer") {}

export const layer = (options: RelayServerOptions): Layer.Layer<RelayServer, StartFailed, Crypto> =>
  Layer.effect(RelayServer, start(options))
