import { assert, describe, layer } from "@effect/vitest"
import * as Channel from "@sotto/core/channel/Channel"
import { Crypto } from "@sotto/core/Crypto"
import * as Feed from "@sotto/core/relay/Feed"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Standby from "@sotto/core/relay/Standby"
import { PLANE } from "@sotto/schema/Frame"
import { Position, RouteId, Signature } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import { fromRefusal } from "@sotto/schema/RelayError"
import {
  SPAN,
  type StandbyAnswer,
  standbyAnswerCodec,
  type StandbyRequest,
  standbyRequestCodec
} from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Kit from "../kit/relayKit.ts"
import * as Standing from "../kit/standbyKit.ts"
import { dump } from "../kit/storeDump.ts"

/** Lets everything run that is ready, then time pass, a little at a time. */
const pass = (millis: number) =>
  Effect.forEach(
    Array.from({ length: Math.ceil(millis / 500) }),
    () => Effect.andThen(Kit.settle, TestClock.adjust(500)),
    { discard: true }
  ).pipe(Effect.andThen(Kit.settle))

const pair = Effect.gen(function*() {
  const crypto = yield* Crypto
  const first = MemoryRelayStore.make(crypto)
  const relay = yield* Standing.relayOver(first)
  const second = MemoryRelayStore.make(crypto)
  yield* Standing.copyKey(first, second)
  const wire = yield* Standing.wireTo(() => relay)
  return { crypto, first, relay, second, wire }
})

/** A channel on which somebody speaks to a relay as a standby does. */
const stranger = Effect.fnUntraced(function*(
  wire: Standing.Wire,
  relay: { readonly relayKey: Standing.Key }
) {
  const connection = yield* wire.transport.connect({ url: "ws://relay/" })
  const channel = yield* Channel.connect(connection, { address: { url: "ws://relay/", key: relay.relayKey } })
  const ask = Effect.fnUntraced(function*(asked: StandbyRequest) {
    const message = standbyRequestCodec.encodeAfter(1, asked)
    message[0] = PLANE.standby
    yield* channel.send(message)
    const answers: Array<StandbyAnswer> = []
    for (const each of yield* channel.receive) {
      if (each[0] === PLANE.standby) answers.push(Result.getOrThrow(standbyAnswerCodec.decode(each.subarray(1))))
    }
    return answers[0]
  })
  return { channel, ask }
})

const refusalOf = (answer: StandbyAnswer | undefined) =>
  answer?._tag === "Refused" ? Result.getOrThrow(fromRefusal(answer.refusal))._tag : answer?._tag

layer(Kit.CryptoLive)("a standby", (it) => {
  it.effect("has what the relay has, and gets what comes", () =>
    Effect.gen(function*() {
      const { crypto, first, relay, second, wire } = yield* pair
      const { client, handle } = yield* Kit.member(relay, Kit.route(crypto), Kit.epochKeys(crypto))
      yield* Kit.push(client, handle, Array.from({ length: 700 }, () => Kit.envelope(crypto)))
      const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
      assert.strictEqual((yield* standby.status).phase, "connecting")
      yield* Effect.forkScoped(standby.run)
      yield* pass(2000)
      assert.deepStrictEqual(yield* standby.status, { phase: "following", lagMillis: 0, lagPositions: 0 })
      assert.deepStrictEqual(yield* dump(second), yield* dump(first))
      yield* Kit.push(client, handle, [Kit.envelope(crypto)], 2)
      yield* Kit.settle
      assert.deepStrictEqual(yield* dump(second), yield* dump(first))
      assert.strictEqual(wire.connects, 1)
    }))

  it.effect("shows how far it is behind while it is cut off, and comes back by itself", () =>
    Effect.gen(function*() {
      const { crypto, first, relay, second, wire } = yield* pair
      const { client, handle } = yield* Kit.member(relay, Kit.route(crypto), Kit.epochKeys(crypto))
      const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
      yield* Effect.forkScoped(standby.run)
      yield* pass(2000)
      wire.down = true
      yield* wire.cut
      yield* Kit.push(client, handle, [Kit.envelope(crypto)])
      yield* pass(20_000)
      const away = yield* standby.status
      assert.strictEqual(away.phase, "connecting")
      assert.isAtLeast(away.lagMillis, 20_000)
      assert.notDeepEqual(yield* dump(second), yield* dump(first))
      wire.down = false
      yield* pass(35_000)
      assert.deepStrictEqual(yield* standby.status, { phase: "following", lagMillis: 0, lagPositions: 0 })
      assert.deepStrictEqual(yield* dump(second), yield* dump(first))
    }))

  it.effect("that hears nothing more from the relay connects again", () =>
    Effect.gen(function*() {
      const { relay, second, wire } = yield* pair
      const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
      yield* Effect.forkScoped(standby.run)
      yield* pass(2000)
      yield* wire.mute
      yield* pass(20_000)
      assert.strictEqual(wire.connects, 2)
      assert.strictEqual((yield* standby.status).phase, "following")
    }))

  it.effect("serves nobody: calls are refused as ones to a standby, and it deletes nothing by itself", () =>
    Effect.gen(function*() {
      const { crypto, first, relay, second, wire } = yield* pair
      const route = Kit.route(crypto)
      const keys = Kit.epochKeys(crypto)
      yield* Kit.member(relay, route, keys)
      const bytes = Kit.envelope(crypto)
      const envelopes = [{ id: Kit.idOf(crypto, bytes), lane: Kit.lane(0), bytes }]
      const nowMillis = yield* Standing.now
      yield* first.append({ route, envelopes, nowMillis, expiresMillis: nowMillis + 3000 })
      const standing = yield* Standing.relayOver(second, {}, { standby: true })
      const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
      yield* Effect.forkScoped(standby.run)
      yield* pass(2000)
      const other = yield* Kit.connect(standing)
      const refused = [
        yield* Effect.flip(Kit.open(other, route, keys)),
        yield* Effect.flip(Kit.attach(other, route, keys)),
        yield* Effect.flip(other.calls.About())
      ]
      assert.deepStrictEqual(refused.map(({ _tag }) => _tag), ["Standby", "Standby", "Standby"])
      yield* pass(3000)
      yield* standing.sweep
      assert.strictEqual((yield* second.totals).envelopes, 1)
      yield* relay.sweep
      assert.strictEqual((yield* first.totals).envelopes, 0)
      yield* pass(5000)
      assert.strictEqual((yield* second.totals).envelopes, 0)
    }))

  it.effect("takes over: what was begun to be copied is not there, and its log goes on", () =>
    Effect.gen(function*() {
      const { crypto, first, relay, second, wire } = yield* pair
      const route = Kit.route(crypto)
      const keys = Kit.epochKeys(crypto)
      const { client, handle } = yield* Kit.member(relay, route, keys)
      yield* Kit.push(client, handle, [Kit.envelope(crypto)])
      const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
      const running = yield* Effect.forkScoped(standby.run)
      yield* pass(2000)
      yield* Fiber.interrupt(running)
      yield* Kit.push(client, handle, Array.from({ length: 5 }, () => Kit.envelope(crypto)), 2)
      const page = yield* first.copy.rows({
        route,
        from: Position.make(2),
        has: () => false,
        bytesMax: 1000,
        staged: false
      })
      assert.isNull(page.record)
      yield* second.copy.apply({ route, from: Position.make(2), page })
      assert.isAbove((yield* second.totals).bytes, Kit.envelope(crypto).length)
      const next = yield* Standing.relayOver(second)
      assert.strictEqual((yield* second.totals).bytes, Kit.envelope(crypto).length)
      assert.deepStrictEqual(next.relayKey, relay.relayKey)
      const other = yield* Kit.connect(next)
      const attached = yield* Kit.attach(other, route, keys)
      assert.strictEqual(attached.head.body.position, 1)
      const { positions } = yield* Kit.push(other, attached.handle, [Kit.envelope(crypto)])
      assert.deepStrictEqual(positions.map(Number), [2])
    }))

  describe("is refused", () => {
    it.effect("without a key, and with another one's", () =>
      Effect.gen(function*() {
        const { crypto, relay, second, wire } = yield* pair
        const none = MemoryRelayStore.make(crypto)
        const without = yield* Effect.flip(Standing.standbyOver(none, relay.relayKey, wire))
        assert.instanceOf(without, Standby.StandbyWithoutKey)
        const other = yield* Standing.relayOver(MemoryRelayStore.make(crypto))
        const wrong = yield* Effect.flip(Standing.standbyOver(second, other.relayKey, wire))
        assert.instanceOf(wrong, Standby.StandbyOfAnother)
        assert.strictEqual(wire.connects, 0)
      }))

    it.effect("by the relay, whoever does not show its key; ten times and it is put out", () =>
      Effect.gen(function*() {
        const { crypto, relay, wire } = yield* pair
        const { ask, channel } = yield* stranger(wire, relay)
        const forger = crypto.signature.keyPair(crypto.random(32))
        const proof = (message: Uint8Array) => Signature.make(crypto.signature.sign(forger.secretKey, message))
        const route = Kit.route(crypto)
        assert.strictEqual(refusalOf(yield* ask({ _tag: "Routes", request: 1, after: null })), "Unauthorized")
        assert.strictEqual(
          refusalOf(yield* ask({ _tag: "Measure", request: 2, route, ranges: [] })),
          "Unauthorized"
        )
        assert.strictEqual(refusalOf(yield* ask({ _tag: "Changes", request: 3 })), "Unauthorized")
        const message = Proof.standby(channel.handshakeHash)
        for (let n = 1; n <= 9; n++) {
          const refused = yield* ask({ _tag: "Prove", request: n, signature: proof(message) })
          assert.strictEqual(refusalOf(refused), "Unauthorized")
        }
        assert.strictEqual((yield* relay.stats).unauthenticated, 1)
        yield* Effect.ignore(ask({ _tag: "Prove", request: 10, signature: proof(message) }))
        yield* pass(5000)
        assert.strictEqual((yield* relay.stats).connections, 0)
      }))

    it.effect("by the relay, a proof from another connection", () =>
      Effect.gen(function*() {
        const { crypto, first, relay, wire } = yield* pair
        const { ask, channel } = yield* stranger(wire, relay)
        const other = yield* stranger(wire, relay)
        const key = yield* Standing.signerOf(crypto, first)
        const proof = key(Proof.standby(other.channel.handshakeHash))
        assert.strictEqual(refusalOf(yield* ask({ _tag: "Prove", request: 1, signature: proof })), "Unauthorized")
        const right = key(Proof.standby(channel.handshakeHash))
        assert.strictEqual(refusalOf(yield* ask({ _tag: "Prove", request: 2, signature: right })), "Proved")
      }))

    it.effect("by another standby", () =>
      Effect.gen(function*() {
        const { crypto, relay, second } = yield* pair
        const standing = yield* Standing.relayOver(second, {}, { standby: true })
        const wire = yield* Standing.wireTo(() => standing)
        const { ask, channel } = yield* stranger(wire, relay)
        const key = yield* Standing.signerOf(crypto, second)
        const right = key(Proof.standby(channel.handshakeHash))
        assert.strictEqual(refusalOf(yield* ask({ _tag: "Prove", request: 1, signature: right })), "Standby")
      }))
  })

  describe("ends, and changes nothing, when the relay", () => {
    /** What it ends with when the relay is one that has the key, and the space without entries or not at all. */
    const wiped = (opens: boolean) =>
      Effect.gen(function*() {
        const { crypto, first, relay, second, wire } = yield* pair
        const route = Kit.route(crypto)
        const keys = Kit.epochKeys(crypto)
        const { client, handle } = yield* Kit.member(relay, route, keys)
        yield* Kit.push(client, handle, [Kit.envelope(crypto), Kit.envelope(crypto)])
        const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
        const running = yield* Effect.forkScoped(standby.run)
        yield* pass(2000)
        yield* Fiber.interrupt(running)
        const before = yield* dump(second)
        const third = MemoryRelayStore.make(crypto)
        yield* Standing.copyKey(first, third)
        if (opens) {
          yield* third.open({ route, epoch: keys.epoch, keys: keys.keys, retention: Kit.TRANSIT, quotaBytes: 1e6 })
        }
        const again = yield* Standing.relayOver(third)
        const other = yield* Standing.standbyOver(second, relay.relayKey, yield* Standing.wireTo(() => again))
        const failure = yield* Effect.flip(other.run)
        assert.deepStrictEqual(yield* dump(second), before)
        return failure._tag === "CopyDiffers" ? failure.detail : failure._tag
      })

    it.effect("lost a space", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* wiped(false), "a space that is here is unknown there")
      }))

    it.effect("went back", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* wiped(true), "the log there ends before the one here")
      }))
  })

  describe("of a random history, with cuts at random", () => {
    it.effect("comes to be equal each time", () =>
      Effect.gen(function*() {
        const seen = { cuts: 0, midway: 0, epochs: 0, deleted: 0 }
        const step = fc.tuple(fc.nat({ max: 8 }), fc.nat({ max: 9 }))
        const samples = fc.sample(fc.array(step, { minLength: 15, maxLength: 35 }), { numRuns: 5, seed: 271_128 })
        for (const steps of samples) yield* Effect.scoped(history(steps, seen))
        for (const [what, count] of Object.entries(seen)) assert.isAbove(count, 2, what)
      }), 60_000)
  })

  it.effect("that asks without reading is not served beyond what may wait for a connection", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const first = MemoryRelayStore.make(crypto)
      const settings = { limits: { outboundBytesMax: 100_000, pageBytesMax: 50_000 } }
      const relay = yield* Standing.relayOver(first, settings)
      const wire = yield* Standing.wireTo(() => relay)
      const { epoch, keys } = Kit.epochKeys(crypto)
      const route = Kit.route(crypto)
      yield* first.open({ route, epoch, keys, retention: Kit.TRANSIT, quotaBytes: 1e9 })
      yield* first.append({ route, envelopes: manyOf(crypto, 200), nowMillis: 0, expiresMillis: undefined })
      const { ask, channel } = yield* stranger(wire, relay)
      const key = yield* Standing.signerOf(crypto, first)
      const right = key(Proof.standby(channel.handshakeHash))
      assert.strictEqual(refusalOf(yield* ask({ _tag: "Prove", request: 1, signature: right })), "Proved")
      const asking = yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 500 }), (_, i) => {
        const have = new Uint8Array(SPAN / 8)
        const message = standbyRequestCodec.encodeAfter(1, {
          _tag: "Rows",
          request: 2 + i,
          route,
          from: Position.make(1),
          have
        })
        message[0] = PLANE.standby
        return channel.send(message)
      }, { discard: true }))
      yield* pass(5000)
      const { outboundBytes } = yield* relay.stats
      assert.isAbove(outboundBytes, 90_000)
      assert.isBelow(outboundBytes, 200_000)
      yield* Fiber.interrupt(asking)
    }))

  it.effect("is told once of a route that changes often, and of too many at once by one word", () =>
    Effect.sync(() => {
      const told: Array<StandbyAnswer> = []
      const feed = new Feed.Feed((answer) => told.push(answer), 3)
      const change = (n: number, rows = false) =>
        feed.note({ route: RouteId.make(new Uint8Array(32).fill(n)), position: Position.make(n), rows })
      for (const rows of [false, true, false]) change(1, rows)
      change(2)
      assert.deepStrictEqual(told, [])
      feed.ask(1)
      assert.deepStrictEqual(
        told.map((answer) => answer._tag === "Changed" && answer.changes.map(({ rows }) => rows)),
        [
          [true, false]
        ]
      )
      feed.ask(2)
      assert.lengthOf(told, 1)
      feed.ask(3)
      assert.deepInclude(told[1], { request: 2, changes: [], lost: false })
      change(5)
      assert.deepInclude(told[2], { request: 3, lost: false })
      for (const n of [1, 2, 3, 4]) change(n)
      feed.ask(4)
      assert.deepInclude(told[3], { request: 4, lost: true })
      assert.strictEqual(told[3]?._tag === "Changed" ? told[3].changes.length : 0, 1)
    }))
})

const positionAt = (store: RelayStore["Service"], route: RouteId) =>
  store.route(route).pipe(
    Effect.map(({ position }): number => position),
    Effect.catchTag("UnknownRoute", () => Effect.succeed(0))
  )

const manyOf = (crypto: Crypto["Service"], length: number) =>
  Array.from({ length }, () => Kit.envelope(crypto)).map((bytes) => ({
    id: Kit.idOf(crypto, bytes),
    lane: Kit.lane(length % 5),
    bytes
  }))

/** One relay and its standby through these steps; equal whenever the connection stays. */
const history = Effect.fnUntraced(function*(
  steps: ReadonlyArray<readonly [number, number]>,
  seen: { cuts: number; midway: number; epochs: number; deleted: number }
) {
  const { crypto, first, relay, second, wire } = yield* pair
  const standby = yield* Standing.standbyOver(second, relay.relayKey, wire)
  const running = yield* Effect.forkScoped(Effect.flip(standby.run))
  const routes = [Kit.route(crypto), Kit.route(crypto)]
  const tags = [Kit.tag(crypto), Kit.tag(crypto)]
  for (const route of routes) {
    const { epoch, keys } = Kit.epochKeys(crypto)
    yield* first.open({ route, epoch, keys, retention: Kit.TRANSIT, quotaBytes: 1e6 })
  }
  for (const [kind, n] of steps) {
    const route = routes[n % 2] ?? Kit.route(crypto)
    const nowMillis = yield* Standing.now
    const state = yield* first.route(route)
    if (kind <= 3) {
      const expiresMillis = n % 3 === 0 ? nowMillis + 3000 : undefined
      yield* first.append({ route, envelopes: manyOf(crypto, 1 + n * 35), nowMillis, expiresMillis })
    } else if (kind === 4) {
      const tag = tags[n % 2] ?? Kit.tag(crypto)
      yield* first.ack({ route, tag, position: Position.make(Math.floor(state.position * n / 9)), nowMillis })
    } else if (kind === 5) {
      const done = yield* first.sweep({
        nowMillis,
        activeSinceMillis: nowMillis - 4000,
        knownSinceMillis: nowMillis - 3000,
        limit: 10 + n * 50
      })
      seen.deleted += Math.min(1, done.acknowledged + done.expired)
    } else if (kind === 6) {
      const { epoch, keys } = Kit.epochKeys(crypto, state.epoch + 1)
      const opHash = crypto.random(32)
      const { opHash: previousOpHash, epoch: before } = state
      yield* first.setEpoch({ route, before, epoch, keys, previousOpHash, opHash, force: false, nowMillis })
      seen.epochs++
    } else if (kind === 7) {
      // In the middle of whatever is on its way.
      yield* Effect.forEach(Array.from({ length: n * 3 }), () => Effect.yieldNow, { discard: true })
      seen.midway += Math.sign(state.position - (yield* positionAt(second, route)))
      yield* wire.cut
      seen.cuts++
    } else yield* pass(n * 500)
  }
  yield* pass(35_000)
  assert.isUndefined(running.pollUnsafe())
  assert.deepStrictEqual(yield* dump(second), yield* dump(first))
  assert.deepStrictEqual(yield* second.totals, yield* first.totals)
})
