import { assert, describe, it } from "@effect/vitest"
import { Limit } from "@sotto/schema/Limit"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import * as Connection from "../../src/channel/Connection.ts"
import { message, settle } from "./kit.ts"

type Frame = Uint8Array | string

const closeError = (code: number) => new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) })

/** A socket whose network is two lists. */
const makeSocket = Effect.gen(function*() {
  const incoming = yield* Queue.unbounded<Frame, Socket.SocketError>()
  const outgoing: Array<Frame | Socket.CloseEvent> = []
  let open = false
  const socket = Socket.make({
    reader: Effect.acquireRelease(
      Effect.sync(() => {
        open = true
        return { pull: Queue.takeAll(incoming), upgrade: Socket.SocketUpgradeError.unsupported }
      }),
      () =>
        Effect.sync(() => {
          open = false
        })
    ),
    writer: Effect.succeed({
      write: (chunk) => open ? Effect.sync(() => outgoing.push(chunk)) : Effect.fail(closeError(1006)),
      writeAll: (chunks: NonEmptyReadonlyArray<Frame>) => Effect.sync(() => outgoing.push(...chunks))
    })
  })
  return { socket, incoming, outgoing, isOpen: () => open }
})

describe("fromSocket", () => {
  it.effect("hands whole binary messages through, both ways", () =>
    Effect.gen(function*() {
      const { incoming, outgoing, socket } = yield* makeSocket
      const connection = yield* Connection.fromSocket(socket, { remoteAddress: "192.0.2.1" })
      yield* Queue.offerAll(incoming, [message(3, 1), message(4, 2)])
      assert.deepStrictEqual(yield* connection.receive, [message(3, 1), message(4, 2)])
      yield* connection.send(message(5, 3))
      assert.deepStrictEqual(outgoing, [message(5, 3)])
      assert.strictEqual(connection.remoteAddress, "192.0.2.1")
    }).pipe(Effect.scoped))

  it.effect("says whether the other side closed in order", () =>
    Effect.gen(function*() {
      for (const [code, clean] of [[1000, true], [1001, true], [1006, false], [4000, false]] as const) {
        const { incoming, socket } = yield* makeSocket
        const connection = yield* Connection.fromSocket(socket, { remoteAddress: "" })
        yield* Queue.fail(incoming, closeError(code))
        assert.deepInclude(yield* Effect.flip(connection.receive), { _tag: "ConnectionClosed", clean })
      }
    }).pipe(Effect.scoped))

  it.effect("ends at a text message", () =>
    Effect.gen(function*() {
      const { incoming, socket } = yield* makeSocket
      const connection = yield* Connection.fromSocket(socket, { remoteAddress: "" })
      yield* Queue.offerAll(incoming, [message(3, 1), "hello"])
      assert.deepInclude(yield* Effect.flip(connection.receive), { clean: false })
    }).pipe(Effect.scoped))

  it.effect("send waits while the socket holds too much", () =>
    Effect.gen(function*() {
      const { outgoing, socket } = yield* makeSocket
      let queued = Limit.outboundBytesMax + 1
      const connection = yield* Connection.fromSocket(socket, { remoteAddress: "", queuedBytes: () => queued })
      const sending = yield* Effect.forkScoped(connection.send(message(3, 1)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(outgoing.length, 1)
      assert.isUndefined(sending.pollUnsafe())
      queued = Limit.outboundBytesMax
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(sending)
    }).pipe(Effect.scoped))

  it.effect("closes the socket with its scope", () =>
    Effect.gen(function*() {
      const { isOpen, socket } = yield* makeSocket
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(Connection.fromSocket(socket, { remoteAddress: "" }), scope)
      assert.isTrue(isOpen())
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(isOpen())
      assert.deepInclude(yield* Effect.flip(connection.send(message(1, 1))), { _tag: "ConnectionClosed" })
    }))
})

describe("pair", () => {
  it.effect("is bounded: a sender waits for the reader", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      let sent = 0
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(left.send(message(1, 1)), Effect.sync(() => sent++))))
      yield* settle
      const before = sent
      assert.isBelow(before, 100)
      yield* right.receive
      yield* settle
      assert.isAbove(sent, before)
    }).pipe(Effect.scoped))

  it.effect("ends both ways, after what is on its way", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      yield* left.send(message(1, 1))
      yield* right.close
      assert.deepStrictEqual(yield* right.receive, [message(1, 1)])
      for (const end of [left, right]) {
        assert.deepInclude(yield* Effect.flip(end.receive), { _tag: "ConnectionClosed", clean: true })
        assert.deepInclude(yield* Effect.flip(end.send(message(1, 1))), { _tag: "ConnectionClosed" })
      }
    }).pipe(Effect.scoped))
})
