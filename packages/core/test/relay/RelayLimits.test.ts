/**
 * Every limit that an operator can set does something (protocol.md §6): the record below has to name each, so that one
 * without a test does not compile.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import type { RelayLimits, RelaySettings } from "@sotto/core/relay/RelayOptions"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import { MailboxId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { MailboxSide } from "@sotto/schema/Relay"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Reconciling from "../kit/reconcileKit.ts"
import * as Kit from "../kit/relayKit.ts"

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const start = Effect.fnUntraced(function*(
  limits: Partial<RelayLimits>,
  options?: {
    readonly settings?: RelaySettings
    readonly store?: (store: RelayStore["Service"]) => RelayStore["Service"]
  }
) {
  const crypto = yield* Crypto
  const { relay, store } = yield* Kit.makeRelay({ ...options, settings: { ...options?.settings, limits } })
  const route = Kit.route(crypto), keys = Kit.epochKeys(crypto)
  const { attached, client, handle } = yield* Kit.member(relay, route, keys)
  const push = (request: number, ...envelopes: ReadonlyArray<Uint8Array>) =>
    client.send({ _tag: "Push", handle, request, envelopes })
  return { crypto, relay, store, route, keys, attached, client, handle, push }
})

/** A store whose appends wait for the latch. */
const gated =
  (gate: Latch.Latch, seen: { appends: number }) => (store: RelayStore["Service"]): RelayStore["Service"] => ({
    ...store,
    append: (append) =>
      Effect.suspend(() => {
        seen.appends++
        return Effect.andThen(gate.await, store.append(append))
      })
  })

const refusedTag = (client: Kit.Client) => Effect.map(client.refused, ({ _tag }) => _tag)
const tagOf = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), ({ _tag }) => _tag)
const count = (client: Kit.Client, tag: string) => client.frames.filter(({ _tag }) => _tag === tag).length

const mailbox = (crypto: Crypto["Service"]) => ({
  id: MailboxId.make(crypto.random(16)),
  side: MailboxSide.make(crypto.random(16)),
  ttlMillis: 60_000
})

type Test = Effect.Effect<void, unknown, Crypto | Scope.Scope>

const wired: { readonly [Name in keyof RelayLimits]: Test } = {
  envelopeBytesMax: Effect.gen(function*() {
    const { attached, client, crypto, push } = yield* start({ envelopeBytesMax: 1000 })
    assert.strictEqual(attached.limits.envelopeBytesMax, 1000)
    yield* push(1, Kit.envelope(crypto, { bytes: 1001 }))
    assert.deepInclude(yield* client.refused, { _tag: "EnvelopeTooLarge", sizeBytes: 1001, maxBytes: 1000 })
    yield* push(2, Kit.envelope(crypto, { bytes: 1000 }))
    yield* client.take("Pushed")
  }),

  pushEnvelopesMax: Effect.gen(function*() {
    const { attached, client, crypto, push } = yield* start({ pushEnvelopesMax: 3 })
    assert.strictEqual(attached.limits.pushEnvelopesMax, 3)
    const envelopes = range(1, 4).map(() => Kit.envelope(crypto))
    yield* push(1, ...envelopes.slice(1))
    yield* client.take("Pushed")
    yield* push(2, ...envelopes)
    assert.strictEqual(yield* refusedTag(client), "InvalidMessage")
    yield* client.ended
  }),

  pageEnvelopesMax: Effect.gen(function*() {
    const { attached, client, crypto, handle, push } = yield* start({ pageEnvelopesMax: 2 })
    assert.strictEqual(attached.limits.pageEnvelopesMax, 2)
    yield* push(1, ...range(1, 3).map(() => Kit.envelope(crypto)))
    yield* client.send({ _tag: "Pull", handle, request: 2, after: Kit.position(0), limit: 1000 })
    assert.deepInclude(yield* client.take("Page"), { more: true })
    yield* Kit.subscribe(client, handle)
    assert.strictEqual((yield* client.take("Deliver")).placed.length, 2)
  }),

  pageBytesMax: Effect.gen(function*() {
    const { attached, client, crypto, handle, push } = yield* start({ pageBytesMax: 1000 })
    assert.strictEqual(attached.limits.pageBytesMax, 1000)
    yield* push(1, ...range(1, 3).map(() => Kit.envelope(crypto, { bytes: 500 })))
    yield* client.send({ _tag: "Pull", handle, request: 2, after: Kit.position(0), limit: 1000 })
    assert.strictEqual((yield* client.take("Page")).placed.length, 2)
    yield* Kit.subscribe(client, handle)
    assert.strictEqual((yield* client.take("Deliver")).placed.length, 2)
  }),

  presenceBytesMax: Effect.gen(function*() {
    const { client, crypto, handle } = yield* start({ presenceBytesMax: 500 })
    yield* client.send({ _tag: "Publish", handle, envelope: Kit.envelope(crypto, { kind: 3, bytes: 500 }) })
    yield* client.send({ _tag: "Ping", request: 1 })
    yield* client.take("Pong")
    yield* client.send({ _tag: "Publish", handle, envelope: Kit.envelope(crypto, { kind: 3, bytes: 501 }) })
    assert.strictEqual(yield* refusedTag(client), "InvalidMessage")
    yield* client.ended
  }),

  routeBytesMax: Effect.gen(function*() {
    const { client, crypto, push } = yield* start({ routeBytesMax: 700 })
    yield* push(1, Kit.envelope(crypto, { bytes: 700 }))
    yield* client.take("Pushed")
    yield* push(2, Kit.envelope(crypto))
    assert.strictEqual(yield* refusedTag(client), "QuotaExceeded")
  }),

  sessionsMax: Effect.gen(function*() {
    const { relay } = yield* start({ sessionsMax: 2 })
    yield* Kit.connect(relay)
    assert.strictEqual((yield* relay.refusal("a"))?._tag, "Overloaded")
    assert.isTrue((yield* Effect.exit(Kit.connect(relay)))._tag === "Failure")
  }),

  routesPerSessionMax: Effect.gen(function*() {
    const { client, crypto, keys, route } = yield* start({ routesPerSessionMax: 2 })
    const [second, third] = [Kit.route(crypto), Kit.route(crypto)]
    yield* Kit.open(client, second, keys)
    yield* Kit.open(client, third, keys)
    const { handle } = yield* Kit.attach(client, second, keys)
    assert.strictEqual(yield* tagOf(Kit.attach(client, third, keys)), "Overloaded")
    yield* Kit.attach(client, route, keys)
    yield* client.calls.Detach({ handle })
    yield* Kit.attach(client, third, keys)
  }),

  outboundBytesMax: Effect.gen(function*() {
    const { client, crypto, handle, keys, push, relay, route } = yield* start({
      outboundBytesMax: 4000,
      pageEnvelopesMax: 1
    })
    const slow = yield* Kit.connect(relay)
    const attached = yield* Kit.attach(slow, route, keys)
    yield* slow.stall
    yield* Kit.subscribe(slow, attached.handle, { creditBytes: 2 ** 31 })
    yield* Kit.subscribe(client, handle, { creditBytes: 2 ** 31 })
    const envelopes = range(1, 300).map(() => Kit.envelope(crypto, { bytes: 60_000 }))
    for (const [i, envelope] of envelopes.entries()) yield* push(i, envelope)
    assert.strictEqual((yield* Kit.receive(client, 300)).length, 300)
    const { outboundBytes } = yield* relay.stats
    assert.isAbove(outboundBytes, 4000)
    assert.isBelow(outboundBytes, 70_000)
  }),

  pushesInFlightMax: Effect.gen(function*() {
    const gate = Latch.makeUnsafe(false), seen = { appends: 0 }
    const { client, crypto, push } = yield* start({ pushesInFlightMax: 3 }, { store: gated(gate, seen) })
    yield* Effect.forEach(range(1, 10), (n) => push(n, Kit.envelope(crypto)))
    yield* Kit.settle
    assert.strictEqual(seen.appends, 3)
    yield* gate.open
    for (let i = 0; i < 10; i++) yield* client.take("Pushed")
  }),

  pushBytesInFlightMax: Effect.gen(function*() {
    const gate = Latch.makeUnsafe(false), seen = { appends: 0 }
    const { client, crypto, push } = yield* start({ pushBytesInFlightMax: 1500 }, { store: gated(gate, seen) })
    yield* Effect.forEach(range(1, 10), (n) => push(n, Kit.envelope(crypto, { bytes: 1000 })))
    yield* Kit.settle
    assert.strictEqual(seen.appends, 2)
    yield* gate.open
    for (let i = 0; i < 10; i++) yield* client.take("Pushed")
  }),

  pushBytesInFlightTotalMax: Effect.gen(function*() {
    const gate = Latch.makeUnsafe(false), seen = { appends: 0 }
    const { client, crypto, push } = yield* start({ pushBytesInFlightTotalMax: 1500 }, { store: gated(gate, seen) })
    const envelopes = [Kit.envelope(crypto, { bytes: 1000 }), Kit.envelope(crypto, { bytes: 1000 })]
    yield* push(1, ...envelopes.slice(0, 1))
    yield* push(2, ...envelopes.slice(1))
    assert.strictEqual(yield* refusedTag(client), "Overloaded")
    yield* gate.open
    yield* client.take("Pushed")
    yield* push(2, ...envelopes.slice(1))
    yield* client.take("Pushed")
  }),

  messagesPerSecond: Effect.gen(function*() {
    const { client, crypto, push } = yield* start({ messagesPerSecond: 4, messagesBurst: 3 })
    yield* push(1, Kit.envelope(crypto))
    yield* push(2, Kit.envelope(crypto))
    assert.deepInclude(yield* client.refused, { scope: "connection", retryAfterMillis: 250 })
    yield* TestClock.adjust(250)
    yield* push(2, Kit.envelope(crypto))
    yield* client.take("Pushed")
  }),

  messagesBurst: Effect.gen(function*() {
    const { client } = yield* start({ messagesBurst: 20 })
    yield* Effect.forkChild(client.send(...range(1, 60).map((request) => ({ _tag: "Ping" as const, request }))))
    yield* client.ended
    yield* Kit.settle
    assert.strictEqual(count(client, "Pong"), 18)
    const last = client.frames.at(-1)
    assert.deepInclude(last?._tag === "Refused" ? last.refusal : {}, { number: 1000 })
  }),

  routeMessagesPerSecond: Effect.gen(function*() {
    const { client, crypto, keys, push, relay, route } = yield* start({ routeMessagesPerSecond: 2 })
    yield* push(1, Kit.envelope(crypto))
    yield* client.take("Pushed")
    const other = yield* Kit.connect(relay)
    const attached = yield* Kit.attach(other, route, keys)
    yield* Kit.push(other, attached.handle, [Kit.envelope(crypto)])
    yield* push(2, Kit.envelope(crypto))
    assert.deepInclude(yield* client.refused, { scope: "route", retryAfterMillis: 500 })
    yield* TestClock.adjust(500)
    yield* push(2, Kit.envelope(crypto))
    yield* client.take("Pushed")
  }),

  connectsPerMinute: Effect.gen(function*() {
    const { relay } = yield* start({ connectsPerMinute: 2, unauthenticatedPerAddressMax: 100 })
    const connect = (address: string) => Effect.exit(Kit.connect(relay, { address }))
    for (let i = 0; i < 2; i++) assert.strictEqual((yield* connect("2001:db8::1"))._tag, "Success")
    assert.strictEqual((yield* connect("2001:db8::2"))._tag, "Failure")
    assert.strictEqual((yield* connect("192.0.2.1"))._tag, "Success")
    yield* TestClock.adjust(30_000)
    assert.strictEqual((yield* connect("2001:db8::2"))._tag, "Success")
  }),

  unauthenticatedPerAddressMax: Effect.gen(function*() {
    const { crypto, keys, relay, route } = yield* start({ unauthenticatedPerAddressMax: 2 })
    const strangers = [yield* Kit.connect(relay, { address: "a" }), yield* Kit.connect(relay, { address: "a" })]
    assert.strictEqual((yield* relay.refusal("a"))?._tag, "RateLimited")
    assert.strictEqual((yield* Effect.exit(Kit.connect(relay, { address: "a" })))._tag, "Failure")
    assert.isUndefined(yield* relay.refusal("b"))
    assert.strictEqual((yield* relay.stats).unauthenticated, 2)
    for (const stranger of strangers.slice(0, 1)) yield* Kit.attach(stranger, route, keys)
    assert.isUndefined(yield* relay.refusal("a"))
    for (const stranger of strangers.slice(1)) yield* stranger.calls.MailboxCreate(mailbox(crypto))
    assert.strictEqual((yield* relay.stats).unauthenticated, 0)
  }),

  unauthenticatedMillis: Effect.gen(function*() {
    const { client, relay } = yield* start({ unauthenticatedMillis: 3000 })
    const stranger = yield* Kit.connect(relay)
    yield* TestClock.adjust(2000)
    assert.deepStrictEqual(stranger.frames, [])
    yield* TestClock.adjust(2000)
    assert.strictEqual(yield* refusedTag(stranger), "Unauthorized")
    yield* stranger.ended
    assert.deepInclude(yield* relay.stats, { connections: 1, unauthenticated: 0 })
    assert.deepStrictEqual(client.frames, [])
  }),

  routesOpenedPerHour: Effect.gen(function*() {
    const { client, crypto, keys, route } = yield* start({ routesOpenedPerHour: 2 })
    yield* Kit.open(client, Kit.route(crypto), keys)
    assert.strictEqual(yield* tagOf(Kit.open(client, Kit.route(crypto), keys)), "RateLimited")
    yield* Kit.open(client, route, keys)
  }),

  stallMillis: Effect.gen(function*() {
    const { client, crypto, keys, push, relay, route } = yield* start({ stallMillis: 20_000 })
    const slow = yield* Kit.connect(relay)
    const attached = yield* Kit.attach(slow, route, keys)
    yield* slow.stall
    yield* Kit.subscribe(slow, attached.handle, { creditBytes: 2 ** 31 })
    for (let i = 0; i < 100; i++) yield* push(i, Kit.envelope(crypto, { bytes: 100_000 }))
    for (let i = 0; i < 100; i++) yield* client.take("Pushed")
    yield* TestClock.adjust(15_000)
    assert.strictEqual((yield* relay.stats).connections, 2)
    yield* TestClock.adjust(35_000)
    yield* slow.ended
    assert.deepInclude(yield* relay.stats, { connections: 1, outboundBytes: 0, handles: 1 })
  }),

  pruneGraceMillis: Effect.gen(function*() {
    const crypto = yield* Crypto
    const { relay, store } = yield* Kit.makeRelay({ settings: { limits: { pruneGraceMillis: 1000 } } })
    const { client, handle } = yield* Kit.member(relay, Kit.route(crypto), Kit.epochKeys(crypto), {
      retention: { _tag: "Durable" }
    })
    const envelope = Kit.envelope(crypto)
    yield* Kit.push(client, handle, [envelope])
    yield* client.calls.Prune({ handle, ids: [Kit.idOf(crypto, envelope)] })
    yield* TestClock.adjust(999)
    yield* relay.sweep
    assert.strictEqual((yield* store.totals).envelopes, 1)
    yield* TestClock.adjust(1)
    yield* relay.sweep
    assert.strictEqual((yield* store.totals).envelopes, 0)
  }),

  ackActiveMillis: Effect.gen(function*() {
    const { client, crypto, handle, push, relay, store } = yield* start({ ackActiveMillis: 10_000 })
    yield* push(1, Kit.envelope(crypto), Kit.envelope(crypto))
    yield* client.calls.Ack({ handle, tag: Kit.tag(crypto), position: Kit.position(1) })
    yield* TestClock.adjust(10_000)
    yield* client.calls.Ack({ handle, tag: Kit.tag(crypto), position: Kit.position(2) })
    yield* relay.sweep
    assert.strictEqual((yield* store.totals).envelopes, 1)
    yield* TestClock.adjust(1)
    yield* relay.sweep
    assert.strictEqual((yield* store.totals).envelopes, 0)
  }),

  knownMillis: Effect.gen(function*() {
    const { client, crypto, handle, relay } = yield* start({ knownMillis: 10_000 })
    const envelope = Kit.envelope(crypto)
    yield* Kit.push(client, handle, [envelope])
    yield* client.calls.Prune({ handle, ids: [Kit.idOf(crypto, envelope)] })
    yield* TestClock.adjust(10_000)
    yield* relay.sweep
    assert.deepStrictEqual((yield* Kit.push(client, handle, [envelope])).positions.map(Number), [1])
    yield* TestClock.adjust(1)
    yield* relay.sweep
    assert.deepStrictEqual((yield* Kit.push(client, handle, [envelope])).positions.map(Number), [2])
  }),

  sweepMillis: Effect.gen(function*() {
    const settings: RelaySettings = { retention: { defaultMillis: 10 } }
    const { client, crypto, handle, store } = yield* start({ sweepMillis: 1000 }, { settings })
    yield* Kit.push(client, handle, [Kit.envelope(crypto)])
    yield* TestClock.adjust(999)
    assert.strictEqual((yield* store.totals).envelopes, 1)
    yield* TestClock.adjust(1)
    assert.strictEqual((yield* store.totals).envelopes, 0)
  }),

  goAwayMillis: Effect.gen(function*() {
    const { client, relay } = yield* start({ goAwayMillis: 1234 })
    const draining = yield* Effect.forkChild(relay.drain)
    assert.strictEqual((yield* client.take("GoAway")).retryAfterMillis, 1234)
    yield* TestClock.adjust(100)
    yield* Fiber.join(draining)
  }),

  reconcileSetBytesMax: Effect.gen(function*() {
    // Room for one small set: the one that was used longest ago goes, and is read again when it is asked for.
    const { client, crypto, handle, keys, push, relay } = yield* start({ reconcileSetBytesMax: 90_000 })
    const second = Kit.route(crypto)
    yield* Kit.open(client, second, keys)
    const other = yield* Kit.attach(client, second, keys)
    const envelope = Kit.envelope(crypto)
    yield* push(1, envelope)
    const side = Reconciling.side(crypto, [envelope])
    yield* Reconciling.reconcile(client, handle, side)
    const { reconcileSetBytes } = yield* relay.stats
    assert.isAbove(reconcileSetBytes, 50_000)
    const nothing = Reconciling.side(crypto, [])
    assert.strictEqual((yield* Reconciling.reconcile(client, other.handle, nothing)).pushed, 0)
    assert.isBelow((yield* relay.stats).reconcileSetBytes, reconcileSetBytes)
    assert.strictEqual((yield* Reconciling.reconcile(client, handle, side)).roundTrips, 1)
    assert.strictEqual((yield* relay.stats).reconcileSetBytes, reconcileSetBytes)
    // No room for any: refused, and nothing is kept.
    const small = yield* start({ reconcileSetBytesMax: 10_000 })
    yield* small.client.send(Reconciling.frame(small.handle, Reconciling.hello(crypto, side)))
    assert.strictEqual(yield* refusedTag(small.client), "Overloaded")
    assert.strictEqual((yield* small.relay.stats).reconcileSetBytes, 0)
  }),

  reconcileSavedIdsMin: Effect.gen(function*() {
    const { client, crypto, handle, push, route, store } = yield* start({ reconcileSavedIdsMin: 2 })
    for (const [n, rows] of [0, 4].entries()) {
      yield* push(n + 1, Kit.envelope(crypto))
      yield* Reconciling.reconcile(client, handle, Reconciling.side(crypto, []))
      yield* TestClock.adjust(1000)
      assert.lengthOf(yield* store.aside.keys({ route, after: undefined, limit: 10 }), rows)
    }
  }),

  mailboxesMax: Effect.gen(function*() {
    const { client, crypto } = yield* start({ mailboxesMax: 1 })
    yield* client.calls.MailboxCreate(mailbox(crypto))
    assert.strictEqual(yield* tagOf(client.calls.MailboxCreate(mailbox(crypto))), "Overloaded")
  }),

  mailboxMessagesMax: Effect.gen(function*() {
    const { client, crypto } = yield* start({ mailboxMessagesMax: 2 })
    const { id, ...rest } = mailbox(crypto)
    yield* client.calls.MailboxCreate({ id, ...rest })
    for (let i = 0; i < 2; i++) yield* client.calls.MailboxSend({ id, message: new Uint8Array(1) })
    assert.strictEqual(yield* tagOf(client.calls.MailboxSend({ id, message: new Uint8Array(1) })), "MailboxUnavailable")
  }),

  mailboxBytesMax: Effect.gen(function*() {
    const { client, crypto } = yield* start({ mailboxBytesMax: 10 })
    const { id, ...rest } = mailbox(crypto)
    yield* client.calls.MailboxCreate({ id, ...rest })
    yield* client.calls.MailboxSend({ id, message: new Uint8Array(10) })
    assert.strictEqual(yield* tagOf(client.calls.MailboxSend({ id, message: new Uint8Array(1) })), "MailboxUnavailable")
  }),

  mailboxMillisMax: Effect.gen(function*() {
    const { client, crypto } = yield* start({ mailboxMillisMax: 5000 })
    const { id, ...rest } = mailbox(crypto)
    yield* client.calls.MailboxCreate({ id, ...rest })
    yield* TestClock.adjust(4999)
    yield* client.calls.MailboxSend({ id, message: new Uint8Array(1) })
    yield* TestClock.adjust(1)
    const refused = yield* Effect.flip(client.calls.MailboxSend({ id, message: new Uint8Array(1) }))
    assert.deepInclude(refused, { _tag: "MailboxUnavailable", reason: "expired" })
  }),

  mailboxClaimsPerTenMinutes: Effect.gen(function*() {
    const { client, crypto } = yield* start({ mailboxClaimsPerTenMinutes: 1 })
    yield* client.calls.MailboxCreate(mailbox(crypto))
    const refused = yield* Effect.flip(client.calls.MailboxCreate(mailbox(crypto)))
    assert.deepInclude(refused, { _tag: "RateLimited", scope: "mailbox-address", retryAfterMillis: 600_000 })
  }),

  mailboxClaimsPerMinuteTotal: Effect.gen(function*() {
    const { client, crypto, relay } = yield* start({ mailboxClaimsPerMinuteTotal: 1 })
    yield* client.calls.MailboxCreate(mailbox(crypto))
    const other = yield* Kit.connect(relay, { address: "other" })
    const refused = yield* Effect.flip(other.calls.MailboxJoin(mailbox(crypto)))
    assert.deepInclude(refused, { _tag: "RateLimited", scope: "mailbox", retryAfterMillis: 60_000 })
  })
}

layer(Kit.CryptoLive)((it) => {
  describe("each limit is wired", () => {
    for (const [name, test] of Object.entries(wired)) it.effect(name, () => test)
  })

  it.effect("credit holds a subscription back, and lets it go on", () =>
    Effect.gen(function*() {
      const { client, crypto, handle, push } = yield* start({ pageEnvelopesMax: 2 })
      yield* push(1, ...range(1, 9).map(() => Kit.envelope(crypto, { bytes: 1000 })))
      yield* client.take("Pushed")
      yield* Kit.subscribe(client, handle, { creditBytes: 3000 })
      assert.strictEqual((yield* Kit.receive(client, 4)).length, 4)
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
      yield* client.send({ _tag: "Credit", handle, bytes: 1000 })
      yield* Kit.settle
      assert.deepStrictEqual(client.frames, [])
      yield* client.send({ _tag: "Credit", handle, bytes: 1 })
      assert.strictEqual((yield* Kit.receive(client, 2)).length, 2)
      yield* client.send({ _tag: "Credit", handle, bytes: Limit.streamCreditBytes })
      assert.deepStrictEqual((yield* Kit.receive(client, 3)).map(({ position }) => Number(position)), [7, 8, 9])
    }))
})
