import { assert, layer } from "@effect/vitest"
import * as PeerDial from "@sotto/core/PeerDial"
import type { Transport } from "@sotto/core/Transport"
import * as NodeTransport from "@sotto/runtime-node/NodeTransport"
import * as PeerServer from "@sotto/runtime-node/PeerServer"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { WebSocket } from "ws"
import { push, sorted } from "../../core/test/kit/values.ts"
import * as World from "../../core/test/kit/World.ts"

/** Two devices of a space, of which the second one has not heard of later ones. */
const pair = Effect.gen(function*() {
  const world = yield* World.make
  const a = yield* World.found(world, "a", [])
  const b = yield* World.admit(world, a, "b")
  yield* b.open
  return { world, a, b }
})

const sync = (from: World.DeviceHost, url: string) => PeerDial.sync(from.client().peers, url)

const reasonOf = (error: PeerDial.PeerFailed): string => `${error._tag} ${"reason" in error ? error.reason : ""}`

const failure = (from: World.DeviceHost, url: string) => Effect.map(Effect.flip(sync(from, url)), reasonOf)

/** Stays connected until the scope closes; answers when both sides know each other. */
const stay = Effect.fnUntraced(function*(from: World.DeviceHost, url: string) {
  const met = yield* Queue.unbounded<void>()
  yield* Effect.forkScoped(
    PeerDial.follow(from.client().peers, url, { compared: () => Effect.asVoid(Queue.offer(met, undefined)) })
  )
  yield* Queue.take(met)
})

/** A connection that shows nothing of itself: how it was taken, and how to end it. */
const stranger = (url: string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly socket: WebSocket; readonly status: number }>((resume) => {
      const socket = new WebSocket(url, { perMessageDeflate: false })
      socket.on("error", () => undefined)
      socket.on("open", () => resume(Effect.succeed({ socket, status: 101 })))
      socket.on("unexpected-response", (_, response) => {
        resume(Effect.succeed({ socket, status: response.statusCode ?? 0 }))
        response.destroy()
      })
    }),
    ({ socket }) => Effect.sync(() => socket.terminate())
  )

const until = <R>(done: Effect.Effect<boolean, never, R>): Effect.Effect<void, never, R> =>
  Effect.flatMap(done, (is) => is ? Effect.void : Effect.andThen(Effect.sleep(5), until(done)))

const Live: Layer.Layer<Transport | Layer.Success<typeof World.CryptoLive>> = Layer.merge(
  World.CryptoLive,
  NodeTransport.layer
)

layer(Live, { excludeTestServices: true })("a device that others connect to", (it) => {
  it.effect("gives and gets over a real connection, and lets go of it", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      for (let i = 0; i < 20; i++) yield* push(a.client(), `a${i}`)
      for (let i = 0; i < 10; i++) yield* push(b.client(), `b${i}`)
      const { port, url, urls } = yield* PeerServer.start(a.client().peers)
      assert.deepStrictEqual([url, urls], [`ws://127.0.0.1:${port}/`, [url]])
      const { received, sent } = yield* sync(b, url)
      // The entry that let b in came with a's own.
      assert.deepStrictEqual([received, sent], [21, 10])
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
      assert.lengthOf(yield* sorted(a.client()), 30)
      yield* until(Effect.map(a.client().peers.connected, ({ length }) => length === 0))
      assert.deepStrictEqual(yield* b.client().peers.connected, [])
    }))

  it.effect("is no page, for nobody", () =>
    Effect.gen(function*() {
      const { a } = yield* pair
      const { url } = yield* PeerServer.start(a.client().peers)
      for (const path of ["", "health", "metrics"]) {
        const response = yield* Effect.promise(() => fetch(`${url.replace("ws:", "http:")}${path}`))
        assert.deepStrictEqual([response.status, yield* Effect.promise(() => response.text())], [404, ""])
      }
    }))

  it.effect("says a port in use, and is done with its own at its end", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      const scope = yield* Scope.make()
      const { port, url } = yield* Scope.provide(PeerServer.start(a.client().peers), scope)
      const error = yield* Effect.flip(PeerServer.start(a.client().peers, { port }))
      assert.deepStrictEqual([error._tag, error.reason], ["ListenFailed", "in-use"])
      const { socket } = yield* stranger(url)
      yield* stay(b, url)
      const closed = once(socket, "close")
      yield* Scope.close(scope, Exit.void)
      const [code] = yield* Effect.promise(() => closed)
      assert.strictEqual(code, 1000)
      assert.deepStrictEqual(yield* a.client().peers.connected, [])
      assert.strictEqual(yield* failure(b, url), "PeerUnreachable refused")
      yield* PeerServer.start(a.client().peers, { port })
      yield* sync(b, url)
    }))

  it.effect("refuses who is no member, and tells its owner", () =>
    Effect.gen(function*() {
      const { a, b, world } = yield* pair
      const ends = yield* Queue.unbounded<readonly [string, boolean]>()
      const { url } = yield* PeerServer.start(b.client().peers, {
        ended: ({ _tag }, met) => Effect.asVoid(Queue.offer(ends, [_tag, met]))
      })
      yield* push(b.client(), "secret")
      const other = yield* World.found(world, "other", [])
      assert.strictEqual(yield* failure(other, url), "PeerRefused other-space")
      assert.deepStrictEqual(yield* Queue.take(ends), ["ConnectionClosed", false])
      // Admitted, but b has not heard of it.
      const c = yield* World.admit(world, a, "c")
      yield* c.open
      assert.strictEqual(yield* failure(c, url), "PeerRefused unknown")
      assert.deepStrictEqual(yield* Queue.take(ends), ["PeerUnknown", false])
      for (const host of [other, c]) assert.deepStrictEqual(yield* sorted(host.client()), [])
      const { socket } = yield* stranger(url)
      socket.send("text")
      assert.deepStrictEqual(yield* Queue.take(ends), ["ConnectionClosed", false])
      const garbage = yield* stranger(url)
      garbage.socket.send(new Uint8Array(3000).fill(7))
      assert.deepStrictEqual(yield* Queue.take(ends), ["ChannelFailed", false])
    }))

  it.effect("takes so many devices at once, and the next one when one has gone", () =>
    Effect.gen(function*() {
      const { a, b, world } = yield* pair
      const c = yield* World.admit(world, a, "c")
      yield* c.open
      const { url } = yield* PeerServer.start(a.client().peers, { peersMax: 1 })
      const scope = yield* Scope.make()
      yield* Scope.provide(stay(b, url), scope)
      assert.strictEqual(yield* failure(c, url), "PeerUnreachable refused")
      yield* Scope.close(scope, Exit.void)
      yield* until(Effect.map(a.client().peers.connected, ({ length }) => length === 0))
      yield* sync(c, url)
    }))

  it.effect("keeps few strangers of one address, and they do not keep members out", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      const { url } = yield* PeerServer.start(a.client().peers)
      yield* stay(b, url)
      const open = yield* Effect.forEach(
        Array.from({ length: Limit.unauthenticatedPerAddressMax }),
        () => stranger(url)
      )
      assert.isTrue(open.every(({ status }) => status === 101))
      assert.strictEqual((yield* stranger(url)).status, 429)
      for (const { socket } of open) socket.terminate()
      yield* until(Effect.map(Effect.exit(sync(b, url)), Exit.isSuccess))
    }))

  it.effect("takes so many connections of one address in a minute", () =>
    Effect.gen(function*() {
      const { a } = yield* pair
      const { url } = yield* PeerServer.start(a.client().peers)
      const statuses: Array<number> = []
      for (let i = 0; i < Limit.connectsPerMinute + 5; i++) {
        statuses.push(
          yield* Effect.scoped(Effect.map(stranger(url), ({ socket, status }) => {
            socket.terminate()
            return status
          }))
        )
        yield* Effect.sleep(1)
      }
      assert.isAtMost(statuses.filter((status) => status === 101).length, Limit.connectsPerMinute + 1)
      assert.strictEqual(statuses.at(-1), 429)
    }))

  it.effect("names the addresses of this machine when it listens on all", () =>
    Effect.gen(function*() {
      const { a, b } = yield* pair
      const { port, url, urls } = yield* PeerServer.start(a.client().peers, { host: "0.0.0.0" })
      assert.strictEqual(url, `ws://127.0.0.1:${port}/`)
      assert.isAbove(urls.length, 0)
      for (const each of urls) assert.isTrue(PeerDial.isPeerUrl(each), each)
      yield* sync(b, url)
    }))
})
