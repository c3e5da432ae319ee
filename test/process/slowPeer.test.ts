/** Peers that are slow on purpose: each is let go of in time, and costs nobody else anything. */
import { assert, describe, it } from "@effect/vitest"
import { Transport } from "@sotto/core/Transport"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeTransport from "@sotto/runtime-node/NodeTransport"
import * as RelayServer from "@sotto/runtime-node/RelayServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { WebSocket } from "ws"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sotto-test-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** A connection that says `text` and then nothing; ends when the other side ends it. */
const silentAfter = (port: number, text: string) =>
  Effect.promise(async () => {
    const socket = net.connect(port, "127.0.0.1")
    socket.on("error", () => undefined)
    await once(socket, "connect")
    socket.write(text)
    socket.resume()
    await once(socket, "close")
  })

const Live = Layer.mergeAll(NodeCrypto.layer, NodeTransport.layer, Logger.layer([]))

describe.concurrent("slow peers", () => {
  it.live("a relay ends connections that never say what they want, at every step", () =>
    Effect.gen(function*() {
      const { port, relay, url } = yield* RelayServer.start({ directory: yield* directory })
      yield* Effect.all([
        silentAfter(port, ""),
        silentAfter(port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        silentAfter(port, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"),
        Effect.promise(() => once(new WebSocket(url), "close")),
        Effect.promise(async () => {
          const socket = new WebSocket(url)
          await once(socket, "open")
          socket.send(new TextEncoder().encode("sotto1"))
          await once(socket, "close")
        })
      ], { concurrency: "unbounded" })
      assert.strictEqual((yield* relay.stats).unauthenticated, 0)
    }).pipe(Effect.provide(Live), Effect.scoped))

  it.live("a server that takes connections and says nothing is a timeout", () =>
    Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const server = net.createServer((socket) => socket.on("error", () => undefined).resume())
          server.listen(0, "127.0.0.1")
          await once(server, "listening")
          return server
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const { connect } = yield* Transport
      const failure = yield* Effect.flip(Effect.scoped(connect({ url: `ws://127.0.0.1:${port}/` })))
      assert.strictEqual(failure.reason, "timeout")
    }).pipe(Effect.provide(Live), Effect.scoped))
})
