import { assert, describe, it } from "@effect/vitest"
import { EMPTY } from "@sotto/schema/Bytes"
import { PLANE } from "@sotto/schema/Frame"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Channel } from "../../src/channel/Channel.ts"
import { ChannelFailed } from "../../src/channel/ChannelError.ts"
import * as Demux from "../../src/channel/Demux.ts"
import { ConnectionClosed } from "../../src/Transport.ts"
import { message, settle } from "./kit.ts"

/** A channel whose other side is the test. */
const makeChannel = Effect.gen(function*() {
  const incoming = yield* Queue.unbounded<Uint8Array, ConnectionClosed | ChannelFailed>()
  const outgoing: Array<Uint8Array> = []
  let taken = 0
  const channel: Channel = {
    handshakeHash: EMPTY,
    remoteAddress: "",
    send: (bytes) => Effect.sync(() => outgoing.push(bytes)),
    sendAll: (all) => Effect.sync(() => outgoing.push(...all)),
    receive: Effect.tap(Effect.map(Queue.take(incoming), (bytes) => [bytes] as const), () => Effect.sync(() => taken++))
  }
  return { channel, incoming, outgoing, taken: () => taken }
})

const of = (plane: number, size: number, fill: number) => {
  const bytes = message(size + 1, fill)
  bytes[0] = plane
  return bytes
}

describe("Demux", () => {
  it.effect("brings each message to its plane, without the plane's byte", () =>
    Effect.gen(function*() {
      const { channel, incoming } = yield* makeChannel
      const { control, data } = yield* Demux.make(channel)
      yield* Queue.offerAll(incoming, [of(PLANE.data, 3, 1), of(PLANE.control, 2, 2), of(PLANE.data, 0, 0)])
      yield* settle
      assert.deepStrictEqual(yield* data.receive, [message(3, 1), EMPTY])
      assert.deepStrictEqual(yield* control.receive, [message(2, 2)])
      const waiting = yield* Effect.forkScoped(control.receive)
      yield* Queue.offer(incoming, of(PLANE.control, 1, 3))
      assert.deepStrictEqual(yield* Fiber.join(waiting), [message(1, 3)])
    }).pipe(Effect.scoped))

  it.effect("writes the plane's byte in the room that was left", () =>
    Effect.gen(function*() {
      const { channel, outgoing } = yield* makeChannel
      const { control, data } = yield* Demux.make(channel)
      yield* control.send(of(9, 2, 1))
      yield* data.send(of(9, 2, 2))
      yield* data.sendAll([of(9, 2, 3), of(9, 2, 4)])
      const { control: c, data: d } = PLANE
      assert.deepStrictEqual(outgoing, [of(c, 2, 1), of(d, 2, 2), of(d, 2, 3), of(d, 2, 4)])
    }).pipe(Effect.scoped))

  it.effect("reads no further while a plane holds enough that nobody took", () =>
    Effect.gen(function*() {
      const { channel, incoming, taken } = yield* makeChannel
      const { control, data } = yield* Demux.make(channel)
      const quarter = Limit.messageBytesMax / 4
      yield* Queue.offerAll(incoming, Array.from({ length: 40 }, (_, index) => of(PLANE.data, quarter, index)))
      yield* Queue.offer(incoming, of(PLANE.control, 1, 1))
      yield* settle
      assert.strictEqual(taken(), 4)
      let got = 0
      while (got < 40) got += (yield* data.receive).length
      assert.deepStrictEqual(yield* control.receive, [message(1, 1)])
    }).pipe(Effect.scoped))

  it.effect("counts tiny messages at what they take", () =>
    Effect.gen(function*() {
      const { channel, incoming, taken } = yield* makeChannel
      yield* Demux.make(channel)
      yield* Queue.offerAll(incoming, Array.from({ length: 10_000 }, () => of(PLANE.data, 1, 1)))
      for (let before = -1; before !== taken();) {
        before = taken()
        yield* settle
      }
      assert.isBelow(taken(), 5000)
    }).pipe(Effect.scoped))

  it.effect("a message of no known plane, or of none, ends both", () =>
    Effect.gen(function*() {
      for (const bytes of [of(7, 3, 1), EMPTY]) {
        const { channel, incoming } = yield* makeChannel
        const { control, data } = yield* Demux.make(channel)
        yield* Queue.offerAll(incoming, [of(PLANE.data, 1, 1), bytes])
        yield* settle
        assert.deepStrictEqual(yield* data.receive, [message(1, 1)])
        for (const plane of [control, data]) {
          assert.deepInclude(yield* Effect.flip(plane.receive), { _tag: "ChannelFailed", reason: "control" })
          assert.deepInclude(yield* Effect.flip(plane.send(of(0, 1, 1))), { _tag: "ChannelFailed" })
        }
      }
    }).pipe(Effect.scoped))

  it.effect("the channel's end comes to both, after what arrived, and to who waits", () =>
    Effect.gen(function*() {
      const { channel, incoming } = yield* makeChannel
      const { control, data } = yield* Demux.make(channel)
      const waiting = yield* Effect.forkScoped(Effect.flip(control.receive))
      yield* Queue.offer(incoming, of(PLANE.data, 1, 1))
      yield* Queue.fail(incoming, new ConnectionClosed({ clean: false, detail: "cut" }))
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "ConnectionClosed", detail: "cut" })
      assert.deepStrictEqual(yield* data.receive, [message(1, 1)])
      assert.deepInclude(yield* Effect.flip(data.receive), { detail: "cut" })
    }).pipe(Effect.scoped))

  it.effect("one plane can give up the channel for both, and the first reason stays", () =>
    Effect.gen(function*() {
      const { channel } = yield* makeChannel
      const { control, data } = yield* Demux.make(channel)
      yield* control.fail(new ChannelFailed({ reason: "control", detail: "first" }))
      yield* data.fail(new ChannelFailed({ reason: "control", detail: "second" }))
      assert.deepInclude(yield* Effect.flip(data.receive), { detail: "first" })
    }).pipe(Effect.scoped))

  it.effect("ends with its scope", () =>
    Effect.gen(function*() {
      const { channel, incoming } = yield* makeChannel
      const scope = yield* Scope.make()
      const { data } = yield* Scope.provide(Demux.make(channel), scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Effect.flip(data.receive), { _tag: "ConnectionClosed", clean: true })
      yield* Queue.offer(incoming, of(PLANE.data, 1, 1))
      yield* settle
      assert.strictEqual(yield* Queue.size(incoming), 1)
    }))
})
