/** A relay and its clients over real channels in memory: what becomes of an envelope (protocol.md §5a, §6). */
import { assert, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { headBodyCodec } from "@sotto/schema/Head"
import type { Position } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import { QuotaExceeded, Unauthorized } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import * as Kit from "../kit/relayKit.ts"

const numbers = (placed: ReadonlyArray<{ readonly position: Position }>) =>
  placed.map(({ position }) => Number(position))
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

/** A relay, a route, and the one who opened it. */
const start = Effect.fnUntraced(function*(options?: Parameters<typeof Kit.makeRelay>[0]) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay(options)
  const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
  const writer = yield* Kit.member(relay, route, keys)
  const join = Effect.gen(function*() {
    const client = yield* Kit.connect(relay)
    const { handle } = yield* Kit.attach(client, route, keys)
    return { client, handle }
  })
  return { crypto, relay, store, route, keys, writer, join }
})

layer(Kit.CryptoLive)("a relay's log", (it) => {
  it.effect("an envelope is pushed, placed, signed for, and read by another connection", () =>
    Effect.gen(function*() {
      const { crypto, join, relay, route, writer } = yield* start()
      assert.strictEqual(writer.attached.head.body.position, 0)
      const envelopes = [1, 2, 3].map(() => Kit.envelope(crypto))
      const pushed = yield* Kit.push(writer.client, writer.handle, envelopes, 42)
      assert.deepStrictEqual([pushed.request, pushed.handle], [42, writer.handle])
      assert.deepStrictEqual(pushed.positions.map(Number), [1, 2, 3])
      const { body, signature } = pushed.head
      assert.deepStrictEqual(body.chain, Kit.chainOf(crypto, envelopes))
      assert.deepStrictEqual([body.position, body.lowest, body.route, body.relay], [
        Kit.position(3),
        Kit.position(1),
        route,
        relay.relayKey
      ])
      assert.isTrue(crypto.signature.verify(relay.keys.signing, Proof.head(headBodyCodec.encode(body)), signature))

      const reader = yield* join
      yield* Kit.subscribe(reader.client, reader.handle)
      const deliver = yield* reader.client.take("Deliver")
      assert.deepStrictEqual(numbers(deliver.placed), [1, 2, 3])
      assert.isTrue(Kit.sameBytes(deliver.placed.map((placed) => placed.envelope), envelopes))
      assert.deepStrictEqual(deliver.head?.body.chain, body.chain)
    }))

  it.effect("the same envelope again gets its old position", () =>
    Effect.gen(function*() {
      const { crypto, writer: { client, handle } } = yield* start()
      const [a, b, c] = [Kit.envelope(crypto), Kit.envelope(crypto), Kit.envelope(crypto)]
      yield* Kit.push(client, handle, [a, b])
      const again = yield* Kit.push(client, handle, [b, c, a])
      assert.deepStrictEqual(again.positions.map(Number), [2, 3, 1])
      assert.deepStrictEqual(again.head.body.chain, Kit.chainOf(crypto, [a, b, c]))
      const empty = yield* Kit.push(client, handle, [])
      assert.deepStrictEqual([empty.positions, empty.head.body.position], [[], Kit.position(3)])
    }))

  it.effect("two subscribers and a writer: all of it, once, in order, live and from the backlog", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      const early = yield* join
      yield* Kit.subscribe(early.client, early.handle)
      const caughtUp = yield* early.client.take("Deliver")
      assert.deepStrictEqual([caughtUp.placed.length, caughtUp.head?.body.position], [0, Kit.position(0)])
      const envelopes = range(1, 60).map(() => Kit.envelope(crypto))
      let late: { readonly client: Kit.Client; readonly handle: number } | undefined
      for (const [i, envelope] of envelopes.entries()) {
        yield* writer.client.send({ _tag: "Push", handle: writer.handle, request: i + 1, envelopes: [envelope] })
        if (i === 30) {
          late = yield* join
          yield* Kit.subscribe(late.client, late.handle)
        }
      }
      assert.isDefined(late)
      for (const { client } of [early, late]) {
        const placed = yield* Kit.receive(client, envelopes.length)
        assert.deepStrictEqual(numbers(placed), range(1, envelopes.length))
        assert.isTrue(Kit.sameBytes(placed.map(({ envelope }) => envelope), envelopes))
      }
      const answers = new Map<number, number>()
      while (answers.size < envelopes.length) {
        const { positions, request } = yield* writer.client.take("Pushed")
        answers.set(request, Number(positions[0]))
      }
      assert.deepStrictEqual(range(1, 60).map((request) => answers.get(request)), range(1, 60))
      yield* Kit.settle
      assert.deepStrictEqual([early.client.frames, late.client.frames], [[], []])
    }))

  it.effect("many writers at once: every subscriber gets the log, and the last head's chain is the log's", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      const readers = [yield* join, yield* join, yield* join]
      for (const { client, handle } of readers) yield* Kit.subscribe(client, handle)
      const writers = [writer, yield* join, yield* join]
      yield* Effect.forEach(
        writers,
        ({ client, handle }) =>
          Effect.forEach(
            range(1, 40),
            (request) => Kit.push(client, handle, range(1, request % 4).map(() => Kit.envelope(crypto)), request)
          ),
        {
          concurrency: "unbounded"
        }
      )
      const count = 3 * range(1, 40).reduce((sum, n) => sum + n % 4, 0)
      const [first, ...others] = yield* Effect.forEach(readers, ({ client }) => Kit.receive(client, count))
      assert.isDefined(first)
      assert.deepStrictEqual(numbers(first), range(1, count))
      for (const other of others) assert.deepStrictEqual(other, first)
      const { head } = yield* Kit.push(writer.client, writer.handle, [])
      assert.deepStrictEqual(head.body.chain, Kit.chainOf(crypto, first.map(({ envelope }) => envelope)))
    }))

  it.effect("a subscription picks lanes; a new one replaces the old; it ends when told", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      yield* Kit.push(writer.client, writer.handle, range(1, 12).map((n) => Kit.envelope(crypto, { lane: n % 3 })))
      const { client, handle } = yield* join
      yield* Kit.subscribe(client, handle, { lanes: [Kit.lane(1)] })
      assert.deepStrictEqual(numbers((yield* client.take("Deliver")).placed), [1, 4, 7, 10])
      yield* Kit.push(writer.client, writer.handle, range(13, 15).map((n) => Kit.envelope(crypto, { lane: n % 3 })))
      assert.deepStrictEqual(numbers((yield* client.take("Deliver")).placed), [13])
      yield* Kit.subscribe(client, handle, { after: 5, lanes: [Kit.lane(0), Kit.lane(2)] })
      assert.deepStrictEqual(numbers((yield* client.take("Deliver")).placed), [6, 8, 9, 11, 12, 14, 15])
      yield* client.send({ _tag: "Unsubscribe", handle })
      yield* Kit.settle
      yield* Kit.push(writer.client, writer.handle, [Kit.envelope(crypto, { lane: 2 })])
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
    }))

  it.effect("a subscription that is replaced while its page is read gets nothing of it", () =>
    Effect.gen(function*() {
      const gate = Latch.makeUnsafe(true)
      const { crypto, join, writer } = yield* start({
        store: (store) => ({
          ...store,
          read: (page) => Effect.tap(store.read(page), () => gate.await)
        })
      })
      yield* Kit.push(writer.client, writer.handle, range(1, 4).map((lane) => Kit.envelope(crypto, { lane })))
      const { client, handle } = yield* join
      yield* gate.close
      yield* Kit.subscribe(client, handle, { after: 0 })
      yield* Kit.settle
      yield* Kit.subscribe(client, handle, { after: 0, lanes: [Kit.lane(2)] })
      yield* Kit.settle
      yield* gate.open
      assert.deepStrictEqual(numbers((yield* client.take("Deliver")).placed), [2])
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
    }))

  it.effect("a place above the log starts at its end, and the head tells", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      yield* Kit.push(writer.client, writer.handle, [Kit.envelope(crypto)])
      const { client, handle } = yield* join
      yield* Kit.subscribe(client, handle, { after: 900 })
      const first = yield* client.take("Deliver")
      assert.deepStrictEqual([first.placed.length, first.head?.body.position], [0, Kit.position(1)])
      yield* Kit.push(writer.client, writer.handle, [Kit.envelope(crypto)])
      assert.deepStrictEqual(numbers((yield* client.take("Deliver")).placed), [2])
    }))

  it.effect("pages are bounded by count and by bytes; the head comes with the last", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start({
        settings: { limits: { pageEnvelopesMax: 4, pageBytesMax: 3000 } }
      })
      yield* Kit.push(writer.client, writer.handle, range(1, 6).map(() => Kit.envelope(crypto, { bytes: 400 })))
      yield* Kit.push(writer.client, writer.handle, range(1, 4).map(() => Kit.envelope(crypto, { bytes: 1400 })))
      const { client, handle } = yield* join
      yield* Kit.subscribe(client, handle)
      const pages: Array<ReadonlyArray<number>> = []
      for (;;) {
        const { head, placed } = yield* client.take("Deliver")
        pages.push(numbers(placed))
        if (head !== null) break
      }
      assert.deepStrictEqual(pages, [[1, 2, 3, 4], [5, 6, 7], [8, 9], [10]])
    }))

  it.effect("a pull answers a page, whether more follows, and the head", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      const envelopes = range(1, 5).map(() => Kit.envelope(crypto))
      yield* Kit.push(writer.client, writer.handle, envelopes)
      const { client, handle } = yield* join
      const pull = (after: number, limit: number) =>
        Effect.andThen(
          client.send({ _tag: "Pull", handle, request: after + 1, after: Kit.position(after), limit }),
          client.take("Page")
        )
      const first = yield* pull(1, 3)
      assert.deepStrictEqual([numbers(first.placed), first.more, first.request], [[2, 3, 4], true, 2])
      assert.deepStrictEqual(first.head.body.chain, Kit.chainOf(crypto, envelopes))
      const last = yield* pull(4, 1000)
      assert.deepStrictEqual([numbers(last.placed), last.more], [[5], false])
    }))

  it.effect("the largest envelope passes, and a page of the largest kind fits a message", () =>
    Effect.gen(function*() {
      const { crypto, join, writer } = yield* start()
      const large = Kit.envelope(crypto, { bytes: Limit.envelopeBytesMax - 4096 })
      const { client, handle } = yield* join
      yield* Kit.subscribe(client, handle, { creditBytes: 2 ** 30 })
      yield* Kit.push(writer.client, writer.handle, [large])
      assert.isTrue(Kit.sameBytes((yield* Kit.receive(client, 1)).map((placed) => placed.envelope), [large]))
      const small = range(1, Limit.pushEnvelopesMax).map(() => Kit.envelope(crypto, { bytes: 786 }))
      for (let i = 0; i < 2; i++) {
        const more = i === 0 ? small : small.map(() => Kit.envelope(crypto, { bytes: 786 }))
        yield* Kit.push(writer.client, writer.handle, more)
        yield* Kit.receive(client, Limit.pushEnvelopesMax)
      }
    }))

  it.effect("a full quota refuses whole pushes, with the figures; reading goes on", () =>
    Effect.gen(function*() {
      const { crypto, writer: { client, handle, attached } } = yield* start({
        settings: { limits: { routeBytesMax: 1000 } }
      })
      assert.deepStrictEqual([attached.limits.quotaBytes, attached.limits.usedBytes], [1000, 0])
      yield* Kit.push(client, handle, [Kit.envelope(crypto, { bytes: 400 })])
      const many = [Kit.envelope(crypto, { bytes: 400 }), Kit.envelope(crypto, { bytes: 400 })]
      yield* client.send({ _tag: "Push", handle, request: 9, envelopes: many })
      assert.deepStrictEqual(yield* client.refused, new QuotaExceeded({ usedBytes: 400, quotaBytes: 1000 }))
      const { positions } = yield* Kit.push(client, handle, many.slice(1))
      assert.deepStrictEqual(positions.map(Number), [2])
    }))

  it.effect("acknowledged by all, the relay lets go: the head says from where on it keeps", () =>
    Effect.gen(function*() {
      const { crypto, join, relay, writer } = yield* start()
      yield* Kit.push(writer.client, writer.handle, range(1, 5).map(() => Kit.envelope(crypto)))
      const [a, b] = [Kit.tag(crypto), Kit.tag(crypto)]
      const ack = (tag: typeof a, position: number) =>
        writer.client.calls.Ack({ handle: writer.handle, tag, position: Kit.position(position) })
      assert.strictEqual(yield* ack(a, 4), 4)
      assert.strictEqual(yield* ack(a, 2), 4)
      assert.strictEqual(yield* ack(b, 99), 5)
      yield* TestClock.adjust(Limit.sweepMillis)
      yield* Kit.settle
      const { client, handle } = yield* join
      yield* Kit.subscribe(client, handle)
      const { head, placed } = yield* client.take("Deliver")
      assert.deepStrictEqual([numbers(placed), head?.body.lowest], [[5], Kit.position(5)])
      yield* relay.sweep
    }))

  it.effect("time ends what a transit route keeps, as long as was asked for", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const { relay } = yield* Kit.makeRelay({
        settings: { limits: { sweepMillis: 10_000 }, retention: { defaultMillis: 600_000 } }
      })
      const keys = Kit.epochKeys(crypto)
      const retentions = [
        { _tag: "Transit", ttl: { _tag: "Millis", millis: 60_000 } },
        { _tag: "Transit", ttl: { _tag: "Default" } },
        { _tag: "Transit", ttl: { _tag: "Never" } },
        { _tag: "Vault" }
      ] as const
      const members = yield* Effect.forEach(retentions, (retention) =>
        Effect.gen(function*() {
          const member = yield* Kit.member(relay, Kit.route(crypto), keys, { retention })
          assert.deepStrictEqual(member.attached.retention, retention)
          yield* Kit.push(member.client, member.handle, [Kit.envelope(crypto)])
          return member
        }))
      const kept = Effect.forEach(members, ({ client, handle }) =>
        Effect.gen(function*() {
          yield* client.send({ _tag: "Pull", handle, request: 1, after: Kit.position(0), limit: 10 })
          return (yield* client.take("Page")).placed.length
        }))
      assert.deepStrictEqual(yield* kept, [1, 1, 1, 1])
      yield* TestClock.adjust(70_000)
      assert.deepStrictEqual(yield* kept, [0, 1, 1, 1])
      yield* TestClock.adjust(600_000)
      assert.deepStrictEqual(yield* kept, [0, 0, 1, 1])
    }))

  it.effect("pruning deletes at once, on a durable route after its grace", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const { relay } = yield* Kit.makeRelay({ settings: { limits: { pruneGraceMillis: 5000, sweepMillis: 1000 } } })
      const keys = Kit.epochKeys(crypto)
      const vault = yield* Kit.member(relay, Kit.route(crypto), keys, { retention: { _tag: "Vault" } })
      const durable = yield* Kit.member(relay, Kit.route(crypto), keys, { retention: { _tag: "Durable" } })
      const envelopes = range(1, 3).map(() => Kit.envelope(crypto))
      for (const { client, handle } of [vault, durable]) {
        yield* Kit.push(client, handle, envelopes)
        const ids = [...envelopes.slice(0, 2), Kit.envelope(crypto)].map((bytes) => Kit.idOf(crypto, bytes))
        assert.strictEqual(yield* client.calls.Prune({ handle, ids }), 2)
      }
      const kept = ({ client, handle }: typeof vault) =>
        Effect.gen(function*() {
          yield* client.send({ _tag: "Pull", handle, request: 1, after: Kit.position(0), limit: 10 })
          return numbers((yield* client.take("Page")).placed)
        })
      assert.deepStrictEqual([yield* kept(vault), yield* kept(durable)], [[3], [1, 2, 3]])
      yield* TestClock.adjust(6000)
      assert.deepStrictEqual(yield* kept(durable), [3])
    }))

  it.effect("presence reaches the other subscribers, is not stored, and may be missed", () =>
    Effect.gen(function*() {
      const { crypto, join, store, writer } = yield* start()
      const near = yield* join, silent = yield* join
      yield* Kit.subscribe(near.client, near.handle)
      yield* near.client.take("Deliver")
      yield* Kit.subscribe(writer.client, writer.handle)
      yield* writer.client.take("Deliver")
      const presence = Kit.envelope(crypto, { kind: 3 })
      yield* writer.client.send({ _tag: "Publish", handle: writer.handle, envelope: presence })
      assert.deepStrictEqual((yield* near.client.take("Presence")).envelope, presence)
      yield* Kit.settle
      assert.deepStrictEqual([writer.client.frames, silent.client.frames], [[], []])
      assert.strictEqual((yield* store.totals).envelopes, 0)
      yield* writer.client.send({
        _tag: "Publish",
        handle: writer.handle,
        envelope: Kit.envelope(crypto, { kind: 3, epoch: 2 })
      })
      assert.instanceOf(yield* writer.client.refused, Unauthorized)
    }))

  it.effect("a relay over the same storage is the same relay, and goes on where it was", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      const disk = MemoryRelayStore.makeDisk()
      const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
      const envelopes = range(1, 4).map(() => Kit.envelope(crypto))
      const before = yield* Effect.scoped(Effect.gen(function*() {
        const { relay } = yield* Kit.makeRelay({ disk })
        const { client, handle } = yield* Kit.member(relay, route, keys)
        yield* Kit.push(client, handle, envelopes.slice(0, 3))
        return relay.address("wss://relay.example/")
      }))
      const { relay } = yield* Kit.makeRelay({ disk })
      assert.strictEqual(relay.address("wss://relay.example/"), before)
      const { attached, client, handle } = yield* Kit.member(relay, route, keys)
      assert.strictEqual(attached.head.body.position, 3)
      const { head, positions } = yield* Kit.push(client, handle, envelopes.slice(2))
      assert.deepStrictEqual(positions.map(Number), [3, 4])
      assert.deepStrictEqual(head.body.chain, Kit.chainOf(crypto, envelopes))
    }))

  it.effect("two relays over one storage see each other's envelopes and epochs by hints, or without them later", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto
      for (const hints of [Hints.makeLocal(), undefined]) {
        const disk = MemoryRelayStore.makeDisk()
        const options = hints === undefined ? { disk } : { disk, hints }
        const [one, two] = [(yield* Kit.makeRelay(options)).relay, (yield* Kit.makeRelay(options)).relay]
        const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
        const writer = yield* Kit.member(one, route, keys)
        const reader = yield* Kit.connect(two)
        const { handle } = yield* Kit.attach(reader, route, keys)
        yield* Kit.subscribe(reader, handle)
        yield* reader.take("Deliver")
        yield* Kit.push(writer.client, writer.handle, [Kit.envelope(crypto)])
        yield* Kit.settle
        if (hints === undefined) {
          assert.deepStrictEqual(reader.frames, [])
          yield* TestClock.adjust(15_000)
        }
        assert.deepStrictEqual(numbers((yield* reader.take("Deliver")).placed), [1])
        yield* Kit.setEpoch(writer.client, route, {
          before: keys,
          after: Kit.epochKeys(crypto, 2),
          opHash: crypto.random(32)
        })
        if (hints === undefined) yield* TestClock.adjust(15_000)
        assert.strictEqual((yield* reader.take("EpochChanged")).epoch, 2)
      }
    }))
})
