import { assert, layer } from "@effect/vitest"
import * as Channel from "@sotto/core/channel/Channel"
import { ChannelFailed } from "@sotto/core/channel/ChannelError"
import * as Connection from "@sotto/core/channel/Connection"
import { PeerSilent, PeerUnknown } from "@sotto/core/ClientError"
import { Crypto, EntropyUnavailable } from "@sotto/core/Crypto"
import type { PeerEnded, PeerWatch } from "@sotto/core/log/Peers"
import * as PeerDial from "@sotto/core/PeerDial"
import { ReconcileFailed } from "@sotto/core/reconcile/ReconcileFailed"
import { StoreFailed } from "@sotto/core/Store"
import { type Connection as Line, ConnectionClosed, RelayUnreachable, Transport } from "@sotto/core/Transport"
import { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { DeviceRevoked, Overloaded, Unauthorized } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { push, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

const URL = "ws://a/"

/** Devices by URL; who is not there refuses. */
const network = (serve: (url: string, far: Connection.End) => Effect.Effect<void> | undefined) =>
  Transport.of({
    connect: Effect.fnUntraced(function*({ url }) {
      const [near, far] = yield* Connection.pair
      const served = serve(url, far)
      if (served === undefined) return yield* new RelayUnreachable({ url, reason: "refused", detail: "nobody" })
      yield* Effect.forkScoped(Effect.ensuring(served, far.close))
      return near
    })
  })

const answering = (host: World.DeviceHost) => (far: Line) =>
  Effect.asVoid(Effect.exit(host.client().peers.speak(far, "responder")))

const sync = (from: World.DeviceHost, url: string, transport: Transport["Service"]) =>
  Effect.provideService(PeerDial.sync(from.client().peers, url), Transport, transport)

const said = (error: PeerDial.PeerFailed): string => `${error._tag} ${"reason" in error ? error.reason : ""}`

/** Two devices of a space that have never met. */
const pair = Effect.gen(function*() {
  const world = yield* World.make
  const a = yield* World.found(world, "a", [])
  const b = yield* World.admit(world, a, "b")
  yield* b.open
  const transport = network((url, far) => url === URL ? answering(a)(far) : undefined)
  return { world, a, b, transport }
})

layer(World.CryptoLive)("a device that is given a URL", (it) => {
  it.effect("gets what the device there has, and gives what it has itself", () =>
    Effect.gen(function*() {
      const { a, b, transport } = yield* pair
      yield* push(a.client(), "from a")
      yield* push(b.client(), "from b")
      const moved = yield* sync(b, "ws://a", transport)
      assert.deepStrictEqual(moved.device, a.identity().id)
      assert.strictEqual(moved.sent, 1)
      assert.deepStrictEqual(yield* sorted(b.client()), ["from a", "from b"])
      assert.deepStrictEqual(yield* sorted(a.client()), ["from a", "from b"])
    }))

  it.effect("says what is wrong with the URL, or with what answers there", () =>
    Effect.gen(function*() {
      const { a, b, transport, world } = yield* pair
      const failure = (from: World.DeviceHost, url: string, over = transport) =>
        Effect.map(Effect.flip(sync(from, url, over)), said)
      assert.strictEqual(yield* failure(b, "ws://b/"), "PeerUnreachable refused")
      const hangsUp = network(() => Effect.void)
      assert.strictEqual(yield* failure(b, URL, hangsUp), "PeerUnreachable hung-up")
      const other = yield* World.found(world, "other", [])
      assert.strictEqual(yield* failure(other, URL), "PeerRefused other-space")
      assert.strictEqual(yield* failure(a, URL), "PeerRefused itself")
      // c is known to a alone.
      yield* sync(b, URL, transport)
      const c = yield* World.admit(world, a, "c")
      yield* c.open
      yield* sync(c, URL, transport)
      const toB = network((_, far) => answering(b)(far))
      assert.strictEqual(yield* failure(c, URL, toB), "PeerRefused unknown")
      const toC = network((_, far) => answering(c)(far))
      assert.strictEqual(yield* failure(b, URL, toC), "PeerRefused stranger")
    }))

  it.effect("says nothing of the other one when it has no randomness itself", () =>
    Effect.gen(function*() {
      const { a, b, transport } = yield* pair
      const space = b.client().space
      const dead = {
        ...(yield* Crypto),
        random: () => {
          throw new EntropyUnavailable()
        }
      }
      const peers = {
        sync: (connection: Line) =>
          Channel.meet(connection, { role: "initiator", identity: b.identity(), context: space }).pipe(
            Effect.andThen(Effect.die("it met without randomness")),
            Effect.provideService(Crypto, dead),
            Effect.scoped
          )
      }
      const error = yield* Effect.flip(Effect.provideService(PeerDial.sync(peers, URL), Transport, transport))
      assert.strictEqual(error._tag, "EntropyUnavailable")
      assert.deepStrictEqual(yield* a.client().peers.connected, [])
    }))

  it.effect("gives up a device that answers nothing", () =>
    Effect.gen(function*() {
      const { a, b, world } = yield* pair
      const silent = network(() => Effect.never)
      const trying = yield* Effect.forkScoped(Effect.flip(sync(b, URL, silent)))
      yield* TestClock.adjust(Limit.handshakeTotalMillis)
      assert.strictEqual(said(yield* Fiber.join(trying)), "PeerUnreachable silent")
      // One that shows who it is, and says no more.
      const context = (yield* a.client().state).spaceId
      const options = { role: "responder", identity: a.identity(), context } as const
      const mute = network((_, far) =>
        Effect.andThen(Channel.meet(far, options), Effect.never).pipe(
          Effect.scoped,
          Effect.provideService(Crypto, world.crypto),
          Effect.ignore
        )
      )
      const waiting = yield* Effect.forkScoped(Effect.flip(sync(b, URL, mute)))
      yield* TestClock.adjust(Limit.keepAliveMillis)
      yield* TestClock.adjust(Limit.handshakeStepMillis)
      assert.strictEqual(said(yield* Fiber.join(waiting)), "PeerUnreachable silent")
    }))

  it.effect("tells every end apart: what may come about later, and what would not", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<readonly [PeerEnded, string]> = [
        [new ConnectionClosed({ clean: false, detail: "cut" }), "PeerUnreachable ended"],
        [new PeerSilent({ millis: 1 }), "PeerUnreachable silent"],
        [new PeerUnknown({ reason: "removed" }), "PeerRefused removed"],
        [new ChannelFailed({ reason: "timeout", detail: "" }), "PeerUnreachable silent"],
        [new ChannelFailed({ reason: "version", detail: "" }), "PeerRefused version"],
        [new ChannelFailed({ reason: "record", detail: "" }), "PeerRefused misbehaved"],
        [new ChannelFailed({ reason: "oversized", detail: "" }), "PeerRefused misbehaved"],
        [new ChannelFailed({ reason: "control", detail: "" }), "PeerRefused misbehaved"],
        [new Unauthorized({ detail: "" }), "PeerRefused unknown"],
        [new DeviceRevoked(), "PeerRefused revoked"],
        [new Overloaded({ retryAfterMillis: 1 }), "PeerRefused misbehaved"],
        [
          new ReconcileFailed({ reason: "malformed", request: new Uint8Array(0), received: new Uint8Array(0) }),
          "PeerRefused misbehaved"
        ],
        [
          new ReconcileFailed({ reason: "changing", request: new Uint8Array(0), received: new Uint8Array(0) }),
          "PeerUnreachable ended"
        ],
        [new StoreFailed({ reason: "full", operation: "commit", detail: "" }), "StoreFailed full"]
      ]
      const anybody = network(() => Effect.never)
      for (const [end, expected] of ends) {
        const peers = {
          sync: (_: Line, watch: PeerWatch = {}) =>
            Effect.andThen(watch.met?.(DeviceId.make(new Uint8Array(32))) ?? Effect.void, Effect.fail(end))
        }
        const error = yield* Effect.flip(Effect.provideService(PeerDial.sync(peers, URL), Transport, anybody))
        assert.strictEqual(said(error), expected)
      }
    }))

  it.effect("stays connected if it is to: again whenever that ends, later and later, until it leads nowhere", () =>
    Effect.gen(function*() {
      const { a, b, world } = yield* pair
      let isThere = true
      let answerer = answering(a)
      const ends = new Set<Connection.End>()
      const transport = network((_, far) => {
        if (!isThere) return undefined
        ends.add(far)
        return answerer(far)
      })
      const told = yield* Queue.unbounded<string>()
      const millis: Array<number> = []
      const following = yield* PeerDial.follow(b.client().peers, URL, {
        met: () => Effect.asVoid(Queue.offer(told, "met")),
        compared: ({ received, sent }) => Effect.asVoid(Queue.offer(told, `${received} ${sent}`)),
        lost: (error, retryMillis) => {
          millis.push(retryMillis)
          return Effect.asVoid(Queue.offer(told, error.reason))
        }
      }).pipe(Effect.provideService(Transport, transport), Effect.flip, Effect.forkScoped)
      const next = Queue.take(told)
      const cut = Effect.suspend(() => Effect.forEach([...ends], (end) => end.close, { discard: true }))
      const retry = Effect.suspend(() => TestClock.adjust(millis.at(-1) ?? 0))

      // The first one also brings the entry that let b in.
      yield* push(a.client(), "one")
      assert.deepStrictEqual([yield* next, yield* next], ["met", "2 0"])
      isThere = false
      yield* cut
      assert.strictEqual(yield* next, "ended")
      for (let i = 0; i < 3; i++) {
        yield* retry
        assert.strictEqual(yield* next, "refused")
      }
      // 1, 2, 4, 8 seconds, each with up to five more.
      for (const [i, each] of millis.entries()) {
        assert.isTrue(each >= 1000 * 2 ** i && each <= 1000 * 2 ** i + Limit.reconnectJitterMillis, `${i}: ${each}`)
      }
      isThere = true
      yield* push(a.client(), "two")
      yield* push(b.client(), "three")
      yield* retry
      assert.deepStrictEqual([yield* next, yield* next], ["met", "1 1"])
      // It came about: the next wait is a short one again.
      yield* cut
      assert.strictEqual(yield* next, "ended")
      assert.isAtMost(millis.at(-1) ?? 0, Limit.reconnectMillisMin + Limit.reconnectJitterMillis)
      const other = yield* World.found(world, "other", [])
      answerer = answering(other)
      yield* retry
      assert.strictEqual(said(yield* Fiber.join(following)), "PeerRefused other-space")
      assert.deepStrictEqual(yield* sorted(b.client()), ["one", "three", "two"])
    }))
})
