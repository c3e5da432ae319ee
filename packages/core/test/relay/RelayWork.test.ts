/** That the relay does its work once, however many ask for it: what its speed rests on (docs/internals/relay.md). */
import { assert, describe, it, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as HeadSigner from "@sotto/core/relay/HeadSigner"
import * as Hints from "@sotto/core/relay/Hints"
import { Outbox } from "@sotto/core/relay/Outbox"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Secret from "@sotto/core/Secret"
import { RelayKey } from "@sotto/schema/Id"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Kit from "../kit/relayKit.ts"

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** A store that commits what came together in one go, as one on a disk does, and counts reads. */
const grouping =
  (counts: { reads: number; groups: number }) => (store: RelayStore["Service"]): RelayStore["Service"] => {
    let group: Deferred.Deferred<void> | undefined
    return {
      ...store,
      read: (page) =>
        Effect.suspend(() => {
          counts.reads++
          return store.read(page)
        }),
      append: (append) =>
        Effect.suspend(() => {
          const mine = group ??= Deferred.makeUnsafe<void>()
          return Effect.andThen(Deferred.await(mine), store.append(append))
        }),
      sweep: (sweep) =>
        Effect.suspend(() => {
          // Stands for the end of a commit in these tests: everybody who waits goes on.
          if (group !== undefined) {
            counts.groups++
            Deferred.doneUnsafe(group, Effect.void)
          }
          group = undefined
          return store.sweep(sweep)
        })
    }
  }

layer(Kit.CryptoLive)("a relay", (it) => {
  it.effect("signs once for all pushes of a commit, and reads nothing back for those who are up to date", () =>
    Effect.gen(function*() {
      const plain = yield* Crypto
      const counts = { reads: 0, groups: 0, signatures: 0 }
      const counting = Crypto.of({
        ...plain,
        signature: {
          ...plain.signature,
          signer: (key) => {
            const sign = plain.signature.signer(key)
            return (message) => {
              counts.signatures++
              return sign(message)
            }
          }
        }
      })
      const { relay } = yield* Effect.provideService(Kit.makeRelay({ store: grouping(counts) }), Crypto, counting)
      const route = Kit.route(plain), keys = Kit.epochKeys(plain)
      const writer = yield* Kit.member(relay, route, keys)
      const readers = yield* Effect.forEach(range(1, 4), () =>
        Effect.gen(function*() {
          const client = yield* Kit.connect(relay)
          const { handle } = yield* Kit.attach(client, route, keys)
          yield* Kit.subscribe(client, handle)
          yield* client.take("Deliver")
          return client
        }))
      const before = { ...counts }
      yield* writer.client.send(
        ...range(1, 50).map((request) => ({
          _tag: "Push" as const,
          handle: writer.handle,
          request,
          envelopes: [Kit.envelope(plain)]
        }))
      )
      yield* Kit.settle
      yield* relay.sweep
      for (const client of readers) {
        const deliver = yield* client.take("Deliver")
        assert.deepStrictEqual([deliver.placed.length, deliver.head?.body.position], [50, Kit.position(50)])
      }
      for (let i = 0; i < 50; i++) yield* writer.client.take("Pushed")
      assert.deepStrictEqual(counts, { reads: before.reads, groups: 1, signatures: before.signatures + 1 })
    }))
})

describe("HeadSigner", () => {
  const made = (signatures: { count: number }) =>
    HeadSigner.make(
      {
        signature: {
          signer: () => () => {
            signatures.count++
            return new Uint8Array(64)
          }
        }
      },
      { relayKey: RelayKey.make(new Uint8Array(32)), signing: Secret.make(new Uint8Array(32)) }
    )

  it("signs anew for another state, for one that is too old, and when time went back", () => {
    const signatures = { count: 0 }
    const signer = made(signatures)
    const cache: HeadSigner.HeadCache = { head: undefined }
    const crypto = { random: (n: number) => new Uint8Array(n).fill(7) }
    const route = Kit.route(crypto)
    const at = (position: number, lowest: number, millis: number) => {
      const state = { position: Kit.position(position), lowest: Kit.position(lowest), chain: new Uint8Array(32) }
      const { body } = signer.current(cache, route, state, millis)
      return [signatures.count, Number(body.position), Number(body.lowest), body.millis]
    }
    assert.deepStrictEqual(at(1, 1, 1000), [1, 1, 1, 1000])
    assert.deepStrictEqual(at(1, 1, 5999), [1, 1, 1, 1000])
    assert.deepStrictEqual(at(1, 1, 6000), [2, 1, 1, 6000])
    assert.deepStrictEqual(at(2, 1, 6000), [3, 2, 1, 6000])
    assert.deepStrictEqual(at(2, 2, 6000), [4, 2, 2, 6000])
    assert.deepStrictEqual(at(2, 2, 5000), [5, 2, 2, 5000])
  })
})

describe("Outbox", () => {
  it.effect("sends in order, counts what waits, and rings when there is room again", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const sent: Array<number> = []
      let rings = 0
      const outbox = new Outbox({ clock, roomBytes: 300, onRoom: () => rings++ })
      for (const n of [1, 2, 3]) outbox.offer(Uint8Array.of(n, ...range(1, 99)))
      assert.isAtLeast(outbox.bytes, 300)
      assert.strictEqual(rings, 0)
      yield* TestClock.adjust(5000)
      assert.strictEqual(outbox.progressMillis, 0)
      const running = yield* Effect.forkChild(
        outbox.run((messages) => Effect.sync(() => sent.push(...messages.map((message) => message[0] ?? 0)))),
        { startImmediately: true }
      )
      assert.deepStrictEqual([sent, outbox.bytes, rings, outbox.progressMillis], [[1, 2, 3], 0, 1, 5000])
      outbox.offer(Uint8Array.of(4))
      outbox.end()
      outbox.offer(Uint8Array.of(5))
      yield* Fiber.join(running)
      assert.deepStrictEqual([sent, outbox.bytes], [[1, 2, 3, 4], 0])
    }))

  it.effect("sends much in pieces, so that progress is seen between them", () =>
    Effect.gen(function*() {
      const outbox = new Outbox({ clock: yield* Clock.Clock, roomBytes: 1, onRoom: () => undefined })
      for (let i = 0; i < 10; i++) outbox.offer(new Uint8Array(100_000))
      outbox.end()
      const pieces: Array<number> = []
      yield* outbox.run((messages) => Effect.sync(() => pieces.push(messages.length)))
      assert.deepStrictEqual(pieces, [2, 2, 2, 2, 2])
    }))
})

describe("Hints", () => {
  it.effect("reach the others, not their origin, and the oldest are lost when nobody takes them", () =>
    Effect.gen(function*() {
      const hints = Hints.makeLocal()
      const route = Kit.route({ random: (n) => new Uint8Array(n) })
      const mine = yield* hints.subscribe("me"), others = yield* hints.subscribe("other")
      yield* hints.publish({ route, origin: "other" })
      assert.deepStrictEqual(yield* mine, [{ route, origin: "other" }])
      for (let i = 0; i < 5000; i++) yield* hints.publish({ route, origin: "me" })
      assert.strictEqual((yield* others).length, 4096)
      yield* hints.publish({ route, origin: "other" })
      assert.strictEqual((yield* mine).length, 1)
    }))
})
