import { assert, describe, it } from "@effect/vitest"
import { Crypto, EntropyUnavailable } from "@sotto/core/Crypto"
import { concat, EMPTY } from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import { toText } from "@sotto/schema/Text"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Channel from "../../src/channel/Channel.ts"
import * as Connection from "../../src/channel/Connection.ts"
import * as Handshake from "../../src/channel/Handshake.ts"
import * as Prelude from "../../src/channel/Prelude.ts"
import * as RelayKeyring from "../../src/channel/RelayKeyring.ts"
import { address, counted, crypto, CryptoTest, flipped, identity, message, open, tampered } from "./kit.ts"

const stranger = RelayKeyring.generate({ ...crypto, random: counted(77) })

/** Both ends over lines of one's choice; each side's failure as a value. */
const attempt = Effect.fnUntraced(function*(
  options: {
    readonly client?: (line: Connection.End) => Connection.End | ReturnType<typeof tampered>
    readonly relay?: (line: Connection.End) => Connection.End | ReturnType<typeof tampered>
    readonly identity?: RelayKeyring.RelayIdentity
    readonly ask?: boolean
  } = {}
) {
  const [left, right] = yield* Connection.pair
  const accepting = Channel.accept(options.relay?.(right) ?? right, options.identity ?? identity).pipe(
    Effect.result,
    Effect.tap((result) => Result.isFailure(result) ? right.close : Effect.void),
    Effect.forkScoped
  )
  const relay = yield* accepting
  const client = yield* Effect.result(
    Channel.connect(options.client?.(left) ?? left, {
      address,
      ...(options.ask !== true && { known: identity.keys })
    })
  )
  yield* left.close
  return { client, relay: yield* Fiber.join(relay) }
})

const failureOf = <E>(result: Result.Result<unknown, E>): E =>
  Result.isFailure(result) ? result.failure : assert.fail("it came out")

const reasonOf = (result: Result.Result<unknown, { readonly _tag: string; readonly reason?: string }>): string => {
  const { _tag, reason } = failureOf(result)
  return reason === undefined ? _tag : `${_tag} ${reason}`
}

describe("handshake", () => {
  it.effect("a client that knows the keys is there in one round trip, another in two", () =>
    Effect.gen(function*() {
      for (const [ask, messages] of [[false, [1, 1]], [true, [2, 2]]] as const) {
        const sent = [0, 0]
        const count = (side: 0 | 1) => (line: Connection.End) =>
          tampered(line, (bytes) => {
            sent[side] = (sent[side] ?? 0) + 1
            return [bytes]
          })
        const { client, relay } = yield* attempt({ ask, client: count(0), relay: count(1) })
        assert.isTrue(Result.isSuccess(client) && Result.isSuccess(relay))
        assert.deepStrictEqual(sent, [...messages])
        if (Result.isSuccess(client)) assert.deepStrictEqual(client.success.relayKeys, identity.keys)
      }
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("known keys that are not the pinned ones are not used", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      yield* Effect.forkScoped(Channel.accept(right, identity))
      const { relayKeys } = yield* Channel.connect(left, { address, known: stranger.keys })
      assert.deepStrictEqual(relayKeys, identity.keys)
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("another relay is told from the pinned one, whether its keys were asked for or not", () =>
    Effect.gen(function*() {
      for (const ask of [true, false]) {
        const { client, relay } = yield* attempt({ ask, identity: stranger })
        const mismatch = failureOf(client)
        assert.strictEqual(mismatch._tag, "RelayKeyMismatch")
        if (mismatch._tag !== "RelayKeyMismatch") return
        assert.strictEqual(mismatch.expected, toText("RelayKey", identity.relayKey))
        assert.strictEqual(mismatch.got, toText("RelayKey", stranger.relayKey))
        assert.include(mismatch.message, mismatch.got)
        assert.include(mismatch.message, address.url)
        assert.strictEqual(reasonOf(relay), ask ? "ConnectionClosed" : "ChannelFailed handshake")
      }
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("keys that were exchanged on the way are refused before anything is sealed to them", () =>
    Effect.gen(function*() {
      const { client } = yield* attempt({
        ask: true,
        relay: (line) => tampered(line, (bytes, index) => [index === 0 ? Prelude.keysAnswer(stranger.keys) : bytes])
      })
      assert.strictEqual(reasonOf(client), "RelayKeyMismatch")
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("another version is named on both sides", () =>
    Effect.gen(function*() {
      const { client, relay } = yield* attempt({
        client: (line) => tampered(line, (bytes) => [concat(bytes.subarray(0, 6), Uint8Array.of(2), bytes.subarray(7))])
      })
      assert.strictEqual(reasonOf(client), "ChannelFailed version")
      assert.strictEqual(reasonOf(relay), "ChannelFailed version")
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("a want that was changed on the way fails: no one can be brought to another form of the handshake", () =>
    Effect.gen(function*() {
      const { client, relay } = yield* attempt({
        client: (line) => tampered(line, (bytes) => [Prelude.request("ask"), bytes.subarray(Prelude.PRELUDE_BYTES)])
      })
      assert.strictEqual(reasonOf(client), "ChannelFailed handshake")
      assert.strictEqual(reasonOf(relay), "ChannelFailed handshake")
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it("any flipped bit and any cut of any message before the records fails it", () =>
    fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.constantFrom("client", "relay"),
        fc.nat(1),
        fc.nat(),
        fc.nat(7),
        fc.boolean(),
        (ask, side, index, at, bit, cut) =>
          Effect.runPromise(
            Effect.gen(function*() {
              const target = ask ? index : 0
              const change = (line: Connection.End) =>
                tampered(line, (bytes, seen) => {
                  if (seen !== target) return [bytes]
                  return [cut ? bytes.subarray(0, at % bytes.length) : flipped(bytes, at % bytes.length, bit)]
                })
              const { client, relay } = yield* attempt({ ask, [side]: change })
              // Message 2 ends the handshake for the relay: there, it is the client that sees the change.
              assert.isTrue(side === "relay" ? Result.isFailure(client) : Result.isFailure(relay))
              if (side === "client") assert.isTrue(Result.isFailure(client))
            }).pipe(Effect.provide(CryptoTest), Effect.scoped)
          )
      ),
      { numRuns: 60 }
    ))

  const silent = Effect.flatMap(Connection.pair, ([line]) => Effect.succeed(line))

  it.effect("nobody waits longer than a step for a silent side", () =>
    Effect.gen(function*() {
      const sides = [
        Channel.accept(yield* silent, identity),
        Channel.connect(yield* silent, { address }),
        Channel.connect(yield* silent, { address, known: identity.keys })
      ]
      for (const side of sides) {
        const fiber = yield* Effect.forkScoped(Effect.flip(side))
        yield* TestClock.adjust(Limit.handshakeStepMillis - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        const error = yield* Fiber.join(fiber)
        assert.deepInclude(error, { _tag: "ChannelFailed", reason: "timeout" })
      }
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("a side that is just fast enough for each step does not get more than the total", () =>
    Effect.gen(function*() {
      const slow = Limit.handshakeStepMillis - 1000
      const prelude = Prelude.request("ask")
      const first = Handshake.relayInitiator(crypto, {
        relayKey: identity.relayKey,
        relayKeys: identity.keys,
        prelude
      }).write()
      const messages = [prelude, Result.isSuccess(first) ? first.success : EMPTY]
      const line = {
        remoteAddress: "slow",
        receive: Effect.delay(Effect.sync(() => [messages.shift() ?? EMPTY] as const), slow),
        send: () => Effect.delay(Effect.void, slow)
      }
      const fiber = yield* Effect.forkScoped(Effect.flip(Channel.accept(line, identity)))
      yield* TestClock.adjust(Limit.handshakeTotalMillis - 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* Fiber.join(fiber), { reason: "timeout" })
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("the relay refuses what is cheap to refuse before it computes anything", () => {
    const never = () => {
      throw new Error("computed")
    }
    const idle = {
      ...crypto,
      mlKem: { ...crypto.mlKem, decapsulate: never, encapsulate: never },
      x25519: { ...crypto.x25519, sharedSecret: never }
    }
    const known = Prelude.request("known")
    const openings = [
      EMPTY,
      known.subarray(0, 7),
      known,
      concat(known, new Uint8Array(Handshake.RELAY_MESSAGE_BYTES - 1)),
      concat(known, new Uint8Array(Handshake.RELAY_MESSAGE_BYTES + 1)),
      concat(Uint8Array.of(0), known.subarray(1), new Uint8Array(Handshake.RELAY_MESSAGE_BYTES)),
      concat(known.subarray(0, 7), Uint8Array.of(9), new Uint8Array(Handshake.RELAY_MESSAGE_BYTES)),
      concat(Prelude.request("ask"), new Uint8Array(1)),
      new Uint8Array(100_000)
    ]
    return Effect.gen(function*() {
      for (const opening of openings) {
        const [left, right] = yield* Connection.pair
        yield* left.send(opening)
        assert.deepInclude(yield* Effect.flip(Channel.accept(right, identity)), { reason: "handshake" })
      }
      const [left, right] = yield* Connection.pair
      yield* left.send(Prelude.request("ask"))
      yield* left.send(new Uint8Array(Handshake.RELAY_MESSAGE_BYTES + 1))
      assert.deepInclude(yield* Effect.flip(Channel.accept(right, identity)), { reason: "handshake" })
    }).pipe(Effect.provideService(Crypto, idle), Effect.scoped)
  })

  it.effect("dead entropy is a failed handshake", () =>
    Effect.gen(function*() {
      const [left] = yield* Connection.pair
      const error = yield* Effect.flip(Channel.connect(left, { address, known: identity.keys }))
      assert.deepInclude(error, { reason: "handshake", detail: "message 1: entropy" })
    }).pipe(
      Effect.provideService(Crypto, {
        ...crypto,
        random: () => {
          throw new EntropyUnavailable()
        }
      }),
      Effect.scoped
    ))
})

describe("messages", () => {
  it.effect("travel both ways, whatever their size", () =>
    Effect.gen(function*() {
      const { client, relay } = yield* open()
      assert.deepStrictEqual(client.handshakeHash, relay.handshakeHash)
      yield* client.send(message(10, 1))
      assert.deepStrictEqual(yield* relay.receive, [message(10, 1)])
      yield* relay.sendAll([message(70_000, 2), EMPTY, message(3, 3)])
      assert.deepStrictEqual(yield* client.receive, [message(70_000, 2), EMPTY, message(3, 3)])
      const large = message(Limit.messageBytesMax, 4)
      const sending = yield* Effect.forkScoped(client.send(large))
      assert.deepStrictEqual(yield* relay.receive, [large])
      yield* Fiber.join(sending)
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("keep the order of their calls, and share connection messages", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      let carriers = 0
      const { client, relay } = yield* open({
        client: tampered(left, (bytes) => {
          carriers++
          return [bytes]
        }),
        relay: right
      })
      const all = Array.from({ length: 200 }, (_, index) => message(5, index))
      const before = carriers
      yield* Effect.forkScoped(Effect.forEach(all, client.send, { concurrency: "unbounded" }))
      const got: Array<Uint8Array> = []
      while (got.length < all.length) got.push(...yield* relay.receive)
      assert.deepStrictEqual(got, all)
      assert.isAtMost(carriers - before, 3)
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("that came with the handshake's last one are not lost", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      const accepting = Channel.accept(right, identity).pipe(Effect.tap((relay) => relay.send(message(4, 9))))
      yield* Effect.forkScoped(Effect.andThen(accepting, Effect.never))
      const both = Effect.zipWith(left.receive, left.receive, (a, b) => [...a, ...b] as const)
      let first = true
      const client = yield* Channel.connect(
        { ...left, receive: Effect.suspend(() => first ? (first = false, both) : left.receive) },
        { address, known: identity.keys }
      )
      assert.deepStrictEqual(yield* client.receive, [message(4, 9)])
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("above the limit are a bug", () =>
    Effect.gen(function*() {
      const { client } = yield* open()
      const exit = yield* Effect.exit(client.send(new Uint8Array(Limit.messageBytesMax + 1)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("that are interrupted go out whole or not at all", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      let held = false
      const gate = { open: (): void => {} }
      const { client, relay } = yield* open({
        client: {
          ...left,
          send: (bytes) =>
            held
              ? Effect.andThen(
                Effect.callback<void>((resume) => {
                  gate.open = () => resume(Effect.void)
                }),
                left.send(bytes)
              )
              : left.send(bytes)
        },
        relay: right
      })
      held = true
      const taken = yield* Effect.forkScoped(client.send(message(3, 1)))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const waiting = yield* Effect.forkScoped(client.send(message(3, 2)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(taken)
      yield* Fiber.interrupt(waiting)
      held = false
      gate.open()
      yield* client.send(message(3, 3))
      const got: Array<Uint8Array> = []
      while (got.length < 2) got.push(...yield* relay.receive)
      assert.deepStrictEqual(got, [message(3, 1), message(3, 3)])
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))
})

describe("the end", () => {
  const CHANGES: Record<string, (bytes: Uint8Array) => ReadonlyArray<Uint8Array>> = {
    truncated: (bytes) => [bytes.subarray(0, bytes.length - 1)],
    changed: (bytes) => [flipped(bytes, bytes.length - 1)],
    replayed: (bytes) => [bytes, bytes],
    invented: (bytes) => [concat(Uint8Array.of(0, 20), new Uint8Array(20)), bytes]
  }
  for (const [name, change] of Object.entries(CHANGES)) {
    it.effect(`comes with ${name} records, for both directions, and says so`, () =>
      Effect.gen(function*() {
        const [left, right] = yield* Connection.pair
        const { client, relay } = yield* open({
          client: left,
          relay: tampered(right, (bytes, index) => index === 0 ? [bytes] : change(bytes))
        })
        yield* relay.send(message(10, 1))
        let error = yield* Effect.flip(client.receive).pipe(Effect.catch(() => Effect.flip(client.receive)))
        assert.deepInclude(error, { _tag: "ChannelFailed", reason: "record" })
        error = yield* Effect.flip(client.receive)
        assert.deepInclude(error, { reason: "record" })
        assert.deepInclude(yield* Effect.flip(client.send(message(1, 1))), { reason: "record" })
        assert.include(error.message, "what you wrote is kept")
      }).pipe(Effect.provide(CryptoTest), Effect.scoped))
  }

  it.effect("comes with reordered records, after what came in order", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      const held: Array<Uint8Array> = []
      const { client, relay } = yield* open({
        client: left,
        relay: tampered(right, (bytes, index) => {
          if (index !== 2) return [bytes, ...held.splice(0)]
          held.push(bytes)
          return []
        })
      })
      for (const fill of [1, 2, 3]) yield* relay.send(message(10, fill))
      assert.deepStrictEqual(yield* client.receive, [message(10, 1)])
      assert.deepInclude(yield* Effect.flip(client.receive), { reason: "record" })
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("of the connection comes after what arrived before it", () =>
    Effect.gen(function*() {
      const { client, cut, relay } = yield* open()
      yield* relay.send(message(3, 1))
      yield* cut
      assert.deepInclude(yield* Effect.flip(client.send(message(3, 1))), { _tag: "ConnectionClosed" })
      assert.deepStrictEqual(yield* client.receive, [message(3, 1)])
      assert.deepInclude(yield* Effect.flip(client.receive), { _tag: "ConnectionClosed", clean: true })
      assert.deepInclude(yield* Effect.flip(relay.receive), { _tag: "ConnectionClosed" })
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("of the scope fails what waits and what comes later", () =>
    Effect.gen(function*() {
      const [left, right] = yield* Connection.pair
      const scope = yield* Scope.make()
      let held = false
      const blocked = { ...left, send: (bytes: Uint8Array) => held ? Effect.never : left.send(bytes) }
      const { client } = yield* Effect.provideService(open({ client: blocked, relay: right }), Scope.Scope, scope)
      held = true
      const waiting = yield* Effect.forkScoped(Effect.flip(client.send(message(3, 1))))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "ConnectionClosed", clean: true })
      assert.deepInclude(yield* Effect.flip(client.send(message(3, 1))), { _tag: "ConnectionClosed" })
      assert.deepInclude(yield* Effect.flip(client.receive), { _tag: "ConnectionClosed" })
    }).pipe(Effect.provide(CryptoTest), Effect.scoped))

  it.effect("comes with a bug on this side too: nobody waits for ever", () =>
    Effect.gen(function*() {
      let broken = false
      const breaking = {
        ...crypto,
        channelAead: {
          ...crypto.channelAead,
          seal: (...all: Parameters<typeof crypto.channelAead.seal>) => {
            if (broken) throw new Error("a bug")
            return crypto.channelAead.seal(...all)
          }
        }
      }
      const { client } = yield* Effect.provideService(open(), Crypto, breaking)
      broken = true
      const error = yield* Effect.flip(client.send(message(3, 1)))
      assert.deepInclude(error, { _tag: "ConnectionClosed", clean: false })
    }).pipe(Effect.scoped))
})
