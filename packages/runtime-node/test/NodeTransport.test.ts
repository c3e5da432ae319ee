import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@sotto/core/Transport"
import * as NodeTransport from "@sotto/runtime-node/NodeTransport"
import { fromWebSocket, makeLiveness } from "@sotto/runtime-node/WebSocketConnection"
import { Limit } from "@sotto/schema/Limit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer } from "node:http"
import * as net from "node:net"
import { WebSocket, WebSocketServer } from "ws"

const connect = (url: string) => Transport.use((transport) => transport.connect({ url }))

const portOf = (server: { address: () => net.AddressInfo | string | null }): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** A WebSocket server on loopback; the answer gives its sockets as they come. */
const listening = (options: { readonly autoPong?: boolean } = {}) =>
  Effect.gen(function*() {
    const accepted = yield* Queue.unbounded<WebSocket>()
    const server = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 4 * 1024 * 1024, ...options })
        server.on("connection", (socket) => Queue.offerUnsafe(accepted, socket))
        await once(server, "listening")
        return server
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          for (const socket of server.clients) socket.terminate()
          server.close(() => resume(Effect.void))
        })
    )
    return { url: `ws://127.0.0.1:${portOf(server)}/`, accepted: Queue.take(accepted), server }
  })

const tcp = (onSocket: (socket: net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<net.Socket>()
      const server = net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => undefined)
        onSocket(socket)
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, sockets }
    }),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  )

/** Messages until `count` are there. */
const receive = Effect.fnUntraced(function*(connection: Connection, count: number) {
  const messages: Array<Uint8Array> = []
  while (messages.length < count) messages.push(...(yield* connection.receive))
  return messages
})

/** Waits, without a clock of its own, for what the event loop brings about. */
const until = (done: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => done() ? Effect.void : Effect.andThen(Effect.sleep(5), until(done)))

describe("NodeTransport", () => {
  it.layer(NodeTransport.layer, { excludeTestServices: true })((it) => {
    it.effect("messages keep their borders and their order, both ways", () =>
      Effect.gen(function*() {
        const { accepted, url } = yield* listening()
        const near = yield* connect(url)
        const far = fromWebSocket(yield* accepted, "test")
        const messages = [0, 1, 125, 126, 65_535, 65_536, Limit.messageBytesMax].map((length, i) =>
          new Uint8Array(length).fill(i + 1)
        )
        for (const message of messages) yield* near.send(message)
        assert.deepStrictEqual(yield* receive(far, messages.length), messages)
        for (const message of messages) yield* far.send(message)
        assert.deepStrictEqual(yield* receive(near, messages.length), messages)
      }))

    it.effect("a message that comes with the answer to the upgrade is not lost", () =>
      Effect.gen(function*() {
        const { server, url } = yield* listening()
        server.on("connection", (socket) => socket.send(Uint8Array.of(1, 2, 3)))
        for (let i = 0; i < 20; i++) {
          yield* Effect.scoped(Effect.gen(function*() {
            const near = yield* connect(url)
            yield* Effect.sleep(5)
            assert.deepStrictEqual(yield* near.receive, [Uint8Array.of(1, 2, 3)])
          }))
        }
      }))

    it.effect("each way in which no connection comes about has its reason", () =>
      Effect.gen(function*() {
        const reason = (url: string) =>
          Effect.map(Effect.flip(Effect.scoped(connect(url))), (error) => [error.reason, error.url])
        for (const url of ["http://127.0.0.1/", "ws://", "hello", "ws://user:pass@127.0.0.1/"]) {
          assert.deepStrictEqual(yield* reason(url), ["address", url])
        }
        const gone = yield* Effect.scoped(Effect.map(tcp(() => undefined), ({ server }) => portOf(server)))
        assert.deepStrictEqual(yield* reason(`ws://127.0.0.1:${gone}/`), ["refused", `ws://127.0.0.1:${gone}/`])
        const rude = portOf((yield* tcp((socket) => socket.destroy())).server)
        assert.strictEqual((yield* reason(`ws://127.0.0.1:${rude}/`))[0], "network")
        const noTls = portOf((yield* tcp((socket) => socket.end("no TLS here"))).server)
        assert.strictEqual((yield* reason(`wss://127.0.0.1:${noTls}/`))[0], "network")
      }))

    it.effect("a server that is no relay, or that refuses, says so", () =>
      Effect.gen(function*() {
        const server = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const server = createServer((_, response) => response.writeHead(200).end("hello"))
            server.on(
              "upgrade",
              (_, socket) => socket.end("HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\r\n")
            )
            server.listen(0, "127.0.0.1")
            await once(server, "listening")
            return server
          }),
          (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
        )
        const failure = yield* Effect.flip(Effect.scoped(connect(`ws://127.0.0.1:${portOf(server)}/`)))
        assert.strictEqual(failure.reason, "refused")
        assert.include(failure.detail, "429")
      }))

    it.effect("an opening that is interrupted leaves no socket", () =>
      Effect.gen(function*() {
        const arrived = yield* Deferred.make<net.Socket>()
        const { server } = yield* tcp((socket) => Deferred.doneUnsafe(arrived, Exit.succeed(socket)))
        const fiber = yield* Effect.forkChild(Effect.scoped(connect(`ws://127.0.0.1:${portOf(server)}/`)))
        const socket = yield* Deferred.await(arrived)
        socket.resume()
        yield* Fiber.interrupt(fiber)
        yield* until(() => socket.destroyed || socket.readableEnded)
      }))

    it.effect("one that is interrupted about when it opens leaves none either", () =>
      Effect.gen(function*() {
        const { accepted, server, url } = yield* listening()
        for (let turns = 0; turns < 12; turns++) {
          const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(connect(url), Effect.never)))
          yield* accepted
          yield* Effect.promise(async () => {
            for (let turn = 0; turn < turns; turn++) await new Promise((resume) => setImmediate(resume))
          })
          yield* Fiber.interrupt(fiber)
        }
        yield* until(() => server.clients.size === 0)
      }))

    it.effect("the end of the scope closes in order; the other side's end is told, after what had arrived", () =>
      Effect.gen(function*() {
        const { accepted, url } = yield* listening()
        const scope = yield* Scope.make()
        const near = yield* Scope.provide(connect(url), scope)
        const far = fromWebSocket(yield* accepted, "test")
        yield* near.send(Uint8Array.of(1))
        yield* near.send(Uint8Array.of(2))
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* receive(far, 2), [Uint8Array.of(1), Uint8Array.of(2)])
        assert.isTrue((yield* Effect.flip(far.receive)).clean)
        assert.isTrue((yield* Effect.flip(far.send(Uint8Array.of(3)))).clean)
        assert.strictEqual((yield* Effect.flip(near.receive))._tag, "ConnectionClosed")
      }))

    it.effect("a connection that breaks is told as not clean, to a reader and to a writer that wait", () =>
      Effect.gen(function*() {
        const { accepted, url } = yield* listening()
        const near = yield* connect(url)
        const far = yield* accepted
        far.pause()
        const reader = yield* Effect.forkChild(Effect.flip(near.receive))
        const writer = yield* Effect.forkChild(Effect.flip(Effect.forever(near.send(new Uint8Array(1 << 20)))))
        yield* Effect.sleep(50)
        far.terminate()
        assert.isFalse((yield* Fiber.join(reader)).clean)
        assert.isFalse((yield* Fiber.join(writer)).clean)
      }))

    it.effect("writes to a peer that does not read wait, and go on when it reads", () =>
      Effect.gen(function*() {
        const { accepted, url } = yield* listening()
        const near = yield* connect(url)
        const socket = yield* accepted
        const far = fromWebSocket(socket, "test")
        let sent = 0
        const count = 64
        const writer = yield* Effect.forkChild(
          Effect.forEach(
            Array.from({ length: count }, (_, i) => i),
            (i) => Effect.map(near.send(new Uint8Array(1 << 20).fill(i)), () => sent++),
            { discard: true }
          )
        )
        // Until it stands still: the kernel takes some megabytes before anybody waits.
        let before = -1
        yield* until(() => {
          const still = sent === before && sent > 0
          before = sent
          return still
        })
        yield* Effect.sleep(100)
        assert.isBelow(sent, count - 10)
        assert.isTrue(socket.isPaused)
        const messages = yield* receive(far, count)
        yield* Fiber.join(writer)
        assert.deepStrictEqual(messages.map((message) => message[0]), Array.from({ length: count }, (_, i) => i))
      }))

    it.effect("a reader that was interrupted loses nothing for the next one", () =>
      Effect.gen(function*() {
        const { accepted, url } = yield* listening()
        const near = yield* connect(url)
        const far = fromWebSocket(yield* accepted, "test")
        const fiber = yield* Effect.forkChild(near.receive)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* far.send(Uint8Array.of(1))
        assert.deepStrictEqual(yield* near.receive, [Uint8Array.of(1)])
      }))

    it.effect("a peer that answers no ping is cut at the second look; one that does stays", () =>
      Effect.gen(function*() {
        for (const autoPong of [false, true]) {
          const { accepted, url } = yield* listening()
          const client = new WebSocket(url, { autoPong })
          const socket = yield* accepted
          yield* Effect.promise(() => once(client, "open"))
          const liveness = makeLiveness(socket)
          const connection = fromWebSocket(socket, "test")
          liveness.look()
          yield* autoPong ? Effect.promise(() => once(socket, "pong")) : Effect.promise(() => once(client, "ping"))
          liveness.look()
          if (autoPong) assert.strictEqual(socket.readyState, WebSocket.OPEN)
          else assert.isFalse((yield* Effect.flip(connection.receive)).clean)
          client.terminate()
        }
      }))
  })
})
