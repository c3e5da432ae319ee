/**
 * A port of this machine that takes WebSockets: what a relay and a device that others connect to have in common. It carries
 * bytes and addresses; who may stay is for whoever it serves.
 *
 * 1. Slow and large headers end a connection before it costs anything else.
 * 2. Who is not let in is told so in HTTP, before there is a WebSocket.
 * 3. A peer that is gone is found by pings; the end of the scope ends everything that is open.
 */
import type { Connection } from "@sotto/core/Transport"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as http from "node:http"
import type { Duplex } from "node:stream"
import { type WebSocket, WebSocketServer } from "ws"
import { close, fromWebSocket, makeLiveness, PAYLOAD_BYTES_MAX } from "./WebSocketConnection.ts"

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
    return `${this.host}:${this.port} cannot be listened on (${this.reason}: ${this.detail}). ` +
      `No data was touched. ${next}`
  }
}

/** What is behind a listener. */
export interface Served {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** TCP connections at once. */
  readonly connectionsMax: number
  /** Why a connection from this address is not let in now, as an HTTP status. */
  readonly refusal: (address: string) => Effect.Effect<429 | 503 | undefined>
  /** What a connection lives in: it is closed when this ends. */
  readonly serve: (connection: Connection) => Effect.Effect<void>
  /** Answers HTTP that is no upgrade. */
  readonly answer: (request: http.IncomingMessage, response: http.ServerResponse) => Effect.Effect<void>
  /** Take the client's address from `X-Forwarded-For`: only behind a proxy that sets it. */
  readonly trustProxy: boolean
}

export interface Listening {
  /** `ws://host:port/`, as this machine reaches it. */
  readonly url: string
  readonly port: number
}

/** Headers of an upgrade are small, and come at once. */
export const HEADER_BYTES_MAX = 8 * 1024
/** How often connections that are slow with their headers are looked for. */
const SLOW_LOOK_MILLIS = 2000

/** Serves until the scope closes. */
export const start = Effect.fnUntraced(
  function*(served: Served): Effect.fn.Return<Listening, ListenFailed, Scope.Scope> {
    const { answer, connectionsMax, host, port } = served
    const server = makeServer()
    server.maxConnections = connectionsMax
    const fork = yield* FiberSet.makeRuntime()
    server.on("request", (request, response) => fork(answer(request, response)))
    const open = accept(server, served, fork)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(
      Effect.sleep(Limit.keepAliveMillis),
      Effect.sync(() => open.forEach((liveness) => liveness.look()))
    )))
    const bound = yield* listen(server, host, port, () => open.forEach((_, socket) => socket.terminate()))
    return { url: `ws://${inUrl(host)}:${bound}/`, port: bound }
  }
)

/** Where to reach a listener on this machine: "all addresses" is none that one can dial. */
export const inUrl = (host: string): string =>
  host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host

/**
 * node:http, where a server is started. An `import` of it would also load what makes `fetch`, which takes longer than all
 * else that a command does before it begins.
 */
export const httpModule = (): typeof http => process.getBuiltinModule("node:http")

/** Slow and large headers end a connection before it costs anything else. */
const makeServer = (): http.Server =>
  httpModule().createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: Limit.handshakeStepMillis,
    requestTimeout: Limit.handshakeStepMillis,
    connectionsCheckingInterval: SLOW_LOOK_MILLIS
  })

/** Serves every WebSocket until it ends. The answer is those that are open, and changes with them. */
const accept = (
  server: http.Server,
  { refusal, serve: serving, trustProxy }: Served,
  fork: (effect: Effect.Effect<void>) => unknown
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
      serving(connection),
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
    fork(Effect.map(refusal(address), (status) => {
      if (status !== undefined) refuse(stream, status)
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
  stream.end(
    `HTTP/1.1 ${status} ${httpModule().STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
  )
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
export const listen = (
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
