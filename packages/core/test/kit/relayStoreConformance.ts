/**
 * What every `RelayStore` Layer must do (core/src/relay/RelayStore.ts; the promises of protocol.md §6). Run it on each:
 *
 * ```ts
 * relayStoreConformance("memory", () => MemoryRelayStore.layer(), { reopen: () => { … return () => layer } })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { type Appended, type Incoming, RelayStore } from "@sotto/core/relay/RelayStore"
import { AckTag, EnvelopeId, Epoch, Lane, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import type { CapabilityKeys, Retention } from "@sotto/schema/Relay"
import { QuotaExceeded, UnknownRoute } from "@sotto/schema/RelayError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fc from "fast-check"

/** `reopen()` makes one fresh storage; each Layer that its answer gives opens that same storage, as after a restart. */
export interface ConformanceOptions {
  readonly reopen?: () => () => Layer.Layer<RelayStore, unknown>
}

const DAY = 86_400_000
const NOW = 1_800_000_000_000

/** `length` bytes that depend on `seed` only. */
const filled = (length: number, ...seed: ReadonlyArray<number | string>): Uint8Array => {
  const start = sha256(Uint8Array.from(seed.join("/"), (character) => character.charCodeAt(0)))
  return Uint8Array.from({ length }, (_, i) => (start[i % 32] ?? 0) ^ (i >>> 5))
}

const routeOf = (n: number) => RouteId.make(filled(32, "route", n))
const laneOf = (n: number) => Lane.make(filled(8, "lane", n))
const tagOf = (n: number) => AckTag.make(filled(16, "tag", n))
const hashOf = (n: number) => filled(32, "hash", n)
const position = (n: number) => Position.make(n)
const epoch = (n: number) => Epoch.make(n)

const keysOf = (n: number): CapabilityKeys => ({
  write: SigningKey.make(filled(32, "write", n)),
  read: SigningKey.make(filled(32, "read", n)),
  admin: SigningKey.make(filled(32, "admin", n)),
  recovery: SigningKey.make(filled(32, "recovery", n))
})

const incoming = (n: number, options?: { readonly bytes?: number; readonly lane?: number }): Incoming => ({
  id: EnvelopeId.make(filled(32, "id", n)),
  lane: laneOf(options?.lane ?? 0),
  bytes: filled(options?.bytes ?? 100, "bytes", n)
})

const incomings = (from: number, to: number): ReadonlyArray<Incoming> =>
  Array.from({ length: to - from + 1 }, (_, i) => incoming(from + i))

const TRANSIT: Retention = { _tag: "Transit", ttl: { _tag: "Default" } }

const open = (n = 1, options?: { readonly retention?: Retention; readonly quotaBytes?: number }) =>
  RelayStore.use((store) =>
    store.open({
      route: routeOf(n),
      epoch: epoch(1),
      keys: keysOf(1),
      retention: options?.retention ?? TRANSIT,
      quotaBytes: options?.quotaBytes ?? Limit.routeBytesMax
    })
  )

const append = (
  envelopes: ReadonlyArray<Incoming>,
  options?: { readonly route?: number; readonly at?: number; readonly expires?: number }
) =>
  RelayStore.use((store) =>
    store.append({
      route: routeOf(options?.route ?? 1),
      envelopes,
      nowMillis: options?.at ?? NOW,
      expiresMillis: options?.expires
    })
  )

const read = (
  after = 0,
  options?: { route?: number; lanes?: ReadonlyArray<Lane>; limit?: number; bytesMax?: number }
) =>
  RelayStore.use((store) =>
    store.read({
      route: routeOf(options?.route ?? 1),
      after: position(after),
      lanes: options?.lanes ?? [],
      limit: options?.limit ?? 10_000,
      bytesMax: options?.bytesMax ?? 1e9
    })
  )

const state = (n = 1) => RelayStore.use((store) => store.route(routeOf(n)))

const ack = (tag: number, at: number, seen = NOW) =>
  RelayStore.use((store) => store.ack({ route: routeOf(1), tag: tagOf(tag), position: position(at), nowMillis: seen }))

const sweep = (options?: { at?: number; activeSince?: number; knownSince?: number; limit?: number }) =>
  RelayStore.use((store) =>
    store.sweep({
      nowMillis: options?.at ?? NOW,
      activeSinceMillis: options?.activeSince ?? NOW - 7 * DAY,
      knownSinceMillis: options?.knownSince ?? NOW - 30 * DAY,
      limit: options?.limit ?? 1000
    })
  )

const prune = (
  envelopes: ReadonlyArray<Incoming>,
  options?: { readonly expires?: number; readonly at?: number; readonly route?: number }
) =>
  RelayStore.use((store) =>
    store.prune({
      route: routeOf(options?.route ?? 1),
      ids: envelopes.map(({ id }) => id),
      nowMillis: options?.at ?? NOW,
      expiresMillis: options?.expires ?? 0
    })
  )

const setEpoch = (
  change: { before: number; epoch: number; previous?: Uint8Array; op: number; force?: boolean; at?: number }
) =>
  RelayStore.use((store) =>
    store.setEpoch({
      route: routeOf(1),
      before: epoch(change.before),
      epoch: epoch(change.epoch),
      keys: keysOf(change.epoch),
      previousOpHash: change.previous ?? new Uint8Array(32),
      opHash: hashOf(change.op),
      force: change.force ?? false,
      nowMillis: change.at ?? NOW
    })
  )

/** The running chain over these, in this order. */
const chainOf = (envelopes: ReadonlyArray<Incoming>): Uint8Array =>
  envelopes.reduce((chain, { id }) => sha256(Proof.chainLink(chain, id)), new Uint8Array(32))

const positionsOf = (page: { readonly envelopes: ReadonlyArray<{ readonly position: number }> }) =>
  page.envelopes.map((envelope) => envelope.position)
const storedOf = (appended: Appended) => appended.stored.map((stored) => Number(stored.position))
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

const NONE = { acknowledged: 0, expired: 0, forgotten: 0 }

export const relayStoreConformance = (
  name: string,
  makeLayer: () => Layer.Layer<RelayStore, unknown>,
  options: ConformanceOptions = {}
): void => {
  const test = (title: string, body: Effect.Effect<void, unknown, RelayStore>) =>
    it.effect(title, () => Effect.provide(body, makeLayer(), { local: true }))

  describe(`RelayStore: ${name}`, () => {
    describe("routes", () => routes(test))
    describe("append and read", () => log(test))
    describe("idempotency", () => idempotency(test))
    describe("quota", () => quota(test))
    describe("retention", () => retention(test))
    describe("epochs", () => epochs(test))
    describe("concurrency", () => concurrency(test))
    describe("secrets", () => secrets(test))
    describe("against the model", () => model(makeLayer))
    if (options.reopen !== undefined) describe("restart", () => restart(options.reopen))
  })
}

type Test = (title: string, body: Effect.Effect<void, unknown, RelayStore>) => void

const routes = (test: Test) => {
  test(
    "a new route is empty",
    Effect.gen(function*() {
      const opened = yield* open(1, { quotaBytes: 5000 })
      assert.deepStrictEqual(opened, {
        route: routeOf(1),
        epoch: epoch(1),
        keys: keysOf(1),
        retention: TRANSIT,
        position: position(0),
        chain: new Uint8Array(32),
        lowest: position(1),
        usedBytes: 0,
        quotaBytes: 5000,
        opHash: new Uint8Array(32),
        past: []
      })
      assert.deepStrictEqual(yield* state(), opened)
      assert.deepStrictEqual(yield* read(), {
        envelopes: [],
        more: false,
        position: position(0),
        chain: new Uint8Array(32),
        lowest: position(1)
      })
    })
  )

  test(
    "opening again answers what is there",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Vault" }, quotaBytes: 7000 })
      yield* append(incomings(1, 3))
      const before = yield* state()
      const again = yield* RelayStore.use((store) =>
        store.open({
          route: routeOf(1),
          epoch: epoch(9),
          keys: keysOf(9),
          retention: { _tag: "Transit", ttl: { _tag: "Millis", millis: 5 } },
          quotaBytes: 1
        })
      )
      assert.deepStrictEqual(again, before)
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "retention of every kind is kept as it was asked for",
    Effect.gen(function*() {
      const kinds: ReadonlyArray<Retention> = [
        TRANSIT,
        { _tag: "Transit", ttl: { _tag: "Millis", millis: 12_345 } },
        { _tag: "Transit", ttl: { _tag: "Never" } },
        { _tag: "Durable" },
        { _tag: "Vault" }
      ]
      for (const [i, kind] of kinds.entries()) yield* open(i + 1, { retention: kind })
      for (const [i, kind] of kinds.entries()) assert.deepStrictEqual((yield* state(i + 1)).retention, kind)
    })
  )

  test(
    "a route that was never opened is unknown to every operation",
    Effect.gen(function*() {
      const failures: ReadonlyArray<unknown> = [
        yield* Effect.flip(state()),
        yield* Effect.flip(append([incoming(1)])),
        yield* Effect.flip(read()),
        yield* Effect.flip(ack(1, 1)),
        yield* Effect.flip(prune([incoming(1)])),
        yield* Effect.flip(setEpoch({ before: 1, epoch: 2, op: 2, force: true }))
      ]
      for (const failure of failures) assert.instanceOf(failure, UnknownRoute)
      assert.deepStrictEqual(yield* sweep(), NONE)
    })
  )

  test(
    "routes do not see each other",
    Effect.gen(function*() {
      yield* open(1)
      yield* open(2)
      yield* append(incomings(1, 4))
      const other = yield* append([incoming(3), incoming(9)], { route: 2 })
      assert.deepStrictEqual(storedOf(other), [1, 2])
      assert.isFalse(other.stored.some((stored) => stored.duplicate))
      assert.deepStrictEqual(positionsOf(yield* read(0)), [1, 2, 3, 4])
      assert.strictEqual(yield* prune([incoming(1)], { route: 2 }), 0)
      assert.strictEqual((yield* state(1)).usedBytes, 400)
      assert.strictEqual((yield* state(2)).usedBytes, 200)
      const totals = yield* RelayStore.use((store) => store.totals)
      assert.deepStrictEqual(totals, { routes: 2, envelopes: 6, bytes: 600 })
    })
  )
}

const log = (test: Test) => {
  test(
    "positions are 1, 2, 3, … in the order given, and reads follow it",
    Effect.gen(function*() {
      yield* open()
      const first = yield* append(incomings(1, 3))
      assert.deepStrictEqual(first.stored, range(1, 3).map((at) => ({ position: position(at), duplicate: false })))
      const second = yield* append([incoming(9), incoming(8)])
      assert.deepStrictEqual(storedOf(second), [4, 5])
      assert.strictEqual(second.position, 5)
      const page = yield* read()
      assert.deepStrictEqual(positionsOf(page), range(1, 5))
      const expected = [...incomings(1, 3), incoming(9), incoming(8)]
      assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), expected.map(({ bytes }) => bytes))
      assert.deepStrictEqual(positionsOf(yield* read(3)), [4, 5])
      assert.deepStrictEqual(positionsOf(yield* read(5)), [])
      assert.deepStrictEqual(positionsOf(yield* read(99)), [])
      assert.strictEqual((yield* state()).usedBytes, 500)
    })
  )

  test(
    "the chain runs over the ids, however the batches were cut",
    Effect.gen(function*() {
      const all = incomings(1, 20)
      yield* open(1)
      yield* open(2)
      const whole = yield* append(all)
      assert.deepStrictEqual(whole.chain, chainOf(all))
      for (const [i, envelope] of all.entries()) {
        const { chain } = yield* append([envelope], { route: 2 })
        assert.deepStrictEqual(chain, chainOf(all.slice(0, i + 1)))
      }
      assert.deepStrictEqual((yield* state(2)).chain, whole.chain)
      const page = yield* read(15)
      assert.deepStrictEqual([page.position, page.chain, page.lowest], [position(20), whole.chain, position(1)])
    })
  )

  test(
    "an empty append changes nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      const before = yield* state()
      const appended = yield* append([])
      assert.deepStrictEqual(appended, { stored: [], position: position(2), chain: before.chain, lowest: position(1) })
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "pages are bounded by count",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      const first = yield* read(0, { limit: 4 })
      assert.deepStrictEqual([positionsOf(first), first.more], [[1, 2, 3, 4], true])
      const second = yield* read(4, { limit: 4 })
      assert.deepStrictEqual([positionsOf(second), second.more], [[5, 6, 7, 8], true])
      const third = yield* read(8, { limit: 4 })
      assert.deepStrictEqual([positionsOf(third), third.more], [[9, 10], false])
      const exact = yield* read(6, { limit: 4 })
      assert.deepStrictEqual([positionsOf(exact), exact.more], [[7, 8, 9, 10], false])
    })
  )

  test(
    "pages are bounded by bytes, but hold one envelope at least",
    Effect.gen(function*() {
      yield* open()
      yield* append([100, 200, 300, 5000, 100].map((bytes, i) => incoming(i + 1, { bytes })))
      const bounded = Effect.fnUntraced(function*(after: number, bytesMax: number) {
        const page = yield* read(after, { bytesMax })
        return [positionsOf(page), page.more]
      })
      assert.deepStrictEqual(yield* bounded(0, 299), [[1], true])
      assert.deepStrictEqual(yield* bounded(0, 300), [[1, 2], true])
      assert.deepStrictEqual(yield* bounded(0, 600), [[1, 2, 3], true])
      assert.deepStrictEqual(yield* bounded(2, 600), [[3], true])
      assert.deepStrictEqual(yield* bounded(3, 600), [[4], true])
      assert.deepStrictEqual(yield* bounded(3, 1), [[4], true])
      assert.deepStrictEqual(yield* bounded(4, 1), [[5], false])
      assert.deepStrictEqual(yield* bounded(0, 5700), [[1, 2, 3, 4, 5], false])
    })
  )

  test(
    "pages over holes are complete and say truly whether more follows",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 12))
      yield* prune([2, 3, 4, 6, 11, 12].map((n) => incoming(n)))
      const first = yield* read(0, { limit: 2 })
      assert.deepStrictEqual([positionsOf(first), first.more], [[1, 5], true])
      const second = yield* read(5, { limit: 4 })
      assert.deepStrictEqual([positionsOf(second), second.more], [[7, 8, 9, 10], false])
    })
  )

  test(
    "lane filters pick lanes and keep positions",
    Effect.gen(function*() {
      yield* open()
      yield* append(range(1, 30).map((n) => incoming(n, { lane: n % 3 })))
      const one = yield* read(0, { lanes: [laneOf(1)] })
      assert.deepStrictEqual(positionsOf(one), range(1, 30).filter((n) => n % 3 === 1))
      assert.strictEqual(one.position, 30)
      const two = yield* read(7, { lanes: [laneOf(2), laneOf(0)], limit: 5 })
      assert.deepStrictEqual([positionsOf(two), two.more], [[8, 9, 11, 12, 14], true])
      const last = yield* read(25, { lanes: [laneOf(1)], limit: 1 })
      assert.deepStrictEqual([positionsOf(last), last.more], [[28], false])
      const bytes = yield* read(0, { lanes: [laneOf(0)], bytesMax: 250 })
      assert.deepStrictEqual([positionsOf(bytes), bytes.more], [[3, 6], true])
      const none = yield* read(0, { lanes: [laneOf(7)] })
      assert.deepStrictEqual([positionsOf(none), none.more], [[], false])
      const many = yield* read(0, { lanes: range(0, 255).map(laneOf) })
      assert.deepStrictEqual(positionsOf(many), range(1, 30))
    })
  )

  test(
    "a large batch and a large envelope fit",
    Effect.gen(function*() {
      yield* open()
      const batch = incomings(1, Limit.pushEnvelopesMax)
      assert.deepStrictEqual(storedOf(yield* append(batch)), range(1, Limit.pushEnvelopesMax))
      const large = incoming(5000, { bytes: Limit.envelopeBytesMax })
      yield* append([large])
      const page = yield* read(Limit.pushEnvelopesMax)
      assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), [large.bytes])
    })
  )

  test(
    "bytes given and bytes answered are the caller's own",
    Effect.gen(function*() {
      yield* open()
      const given = incoming(1)
      const kept = given.bytes.slice()
      const { chain } = yield* append([given])
      given.bytes.fill(0)
      chain.fill(0)
      const page = yield* read()
      page.chain.fill(0)
      for (const { bytes } of page.envelopes) {
        assert.deepStrictEqual(bytes, kept)
        bytes.fill(0)
      }
      assert.deepStrictEqual((yield* read()).envelopes.map(({ bytes }) => bytes), [kept])
      assert.deepStrictEqual((yield* read()).chain, chainOf([incoming(1)]))
    })
  )
}

const idempotency = (test: Test) => {
  test(
    "the same envelope again keeps its position and changes nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3))
      const before = yield* state()
      const again = yield* append([incoming(3), incoming(1)])
      assert.deepStrictEqual(again.stored, [
        { position: position(3), duplicate: true },
        { position: position(1), duplicate: true }
      ])
      assert.deepStrictEqual(yield* state(), before)
      const mixed = yield* append([incoming(2), incoming(4), incoming(1), incoming(5)])
      assert.deepStrictEqual(mixed.stored.map(({ duplicate, position }) => [position, duplicate]), [
        [position(2), true],
        [position(4), false],
        [position(1), true],
        [position(5), false]
      ])
      assert.deepStrictEqual((yield* state()).chain, chainOf(incomings(1, 5)))
      assert.strictEqual((yield* state()).usedBytes, 500)
    })
  )

  test(
    "an envelope twice in one batch is stored once",
    Effect.gen(function*() {
      yield* open()
      const appended = yield* append([incoming(1), incoming(2), incoming(1), incoming(2), incoming(3)])
      assert.deepStrictEqual(appended.stored.map((stored) => [stored.position, stored.duplicate]), [
        [position(1), false],
        [position(2), false],
        [position(1), true],
        [position(2), true],
        [position(3), false]
      ])
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
      assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 3)))
    })
  )

  test(
    "it holds after the row was deleted by acknowledgement, expiry or pruning",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      yield* append([incoming(3)], { expires: NOW + 10 })
      yield* append([incoming(4)])
      yield* ack(1, 2)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ at: NOW + 10 }), { ...NONE, expired: 1 })
      assert.strictEqual(yield* prune([incoming(4)]), 1)
      const before = yield* state()
      assert.deepStrictEqual([before.lowest, before.usedBytes], [position(5), 0])
      const again = yield* append(incomings(1, 4))
      assert.deepStrictEqual(storedOf(again), [1, 2, 3, 4])
      assert.isTrue(again.stored.every((stored) => stored.duplicate))
      assert.deepStrictEqual(yield* state(), before)
      assert.deepStrictEqual(positionsOf(yield* read()), [])
    })
  )

  test(
    "a deleted envelope's id is forgotten by age, one that is kept never",
    Effect.gen(function*() {
      yield* open()
      yield* append([incoming(1), incoming(2)], { at: NOW - 31 * DAY })
      yield* append([incoming(3)], { at: NOW - DAY })
      yield* prune([incoming(1), incoming(3)])
      assert.deepStrictEqual(yield* sweep(), { ...NONE, forgotten: 1 })
      assert.deepStrictEqual(yield* sweep(), NONE)
      const again = yield* append([incoming(1), incoming(2), incoming(3)])
      assert.deepStrictEqual(storedOf(again), [4, 2, 3])
      assert.deepStrictEqual(positionsOf(yield* read()), [2, 4])
      assert.deepStrictEqual(again.chain, chainOf([...incomings(1, 3), incoming(1)]))
    })
  )
}

const quota = (test: Test) => {
  test(
    "a batch that does not fit is refused whole, with the figures",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 350 })
      yield* append(incomings(1, 2))
      const before = yield* state()
      const refused = yield* Effect.flip(append([incoming(3), incoming(4)]))
      assert.deepStrictEqual(refused, new QuotaExceeded({ usedBytes: 200, quotaBytes: 350 }))
      assert.deepStrictEqual(yield* state(), before)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2])
      const appended = yield* append([incoming(4)])
      assert.deepStrictEqual(appended.stored, [{ position: position(3), duplicate: false }])
    })
  )

  test(
    "a batch that fits exactly is taken; duplicates cost nothing",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 300 })
      yield* append(incomings(1, 3))
      const full = yield* append([incoming(2), incoming(1)])
      assert.deepStrictEqual(storedOf(full), [2, 1])
      assert.instanceOf(yield* Effect.flip(append([incoming(1), incoming(4, { bytes: 1 })])), QuotaExceeded)
    })
  )

  test(
    "what is deleted is free again",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 300 })
      yield* append(incomings(1, 3))
      yield* prune([incoming(2)])
      assert.strictEqual((yield* state()).usedBytes, 200)
      assert.deepStrictEqual(storedOf(yield* append([incoming(4)])), [4])
      yield* ack(1, 3)
      yield* sweep()
      assert.strictEqual((yield* state()).usedBytes, 100)
      assert.deepStrictEqual(storedOf(yield* append([incoming(5), incoming(6)])), [5, 6])
    })
  )
}

const retention = (test: Test) => {
  test(
    "rows expire at their time; position and chain stay, lowest rises",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2), { expires: NOW + 100 })
      yield* append(incomings(3, 4), { expires: NOW + 200 })
      yield* append([incoming(5)])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 99 }), NONE)
      assert.deepStrictEqual(yield* sweep({ at: NOW + 100 }), { ...NONE, expired: 2 })
      assert.strictEqual((yield* state()).lowest, 3)
      assert.deepStrictEqual(positionsOf(yield* read()), [3, 4, 5])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 1e12 }), { ...NONE, expired: 2 })
      const left = yield* state()
      assert.deepStrictEqual([left.lowest, left.position, left.usedBytes], [position(5), position(5), 100])
      assert.deepStrictEqual(left.chain, chainOf(incomings(1, 5)))
    })
  )

  test(
    "lowest is one above the position when nothing is kept, and positions go on",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3), { expires: NOW })
      assert.deepStrictEqual(yield* sweep(), { ...NONE, expired: 3 })
      const page = yield* read()
      assert.deepStrictEqual([page.lowest, page.position], [position(4), position(3)])
      const appended = yield* append([incoming(4)])
      assert.deepStrictEqual([storedOf(appended), appended.lowest], [[4], position(4)])
      assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 4)))
    })
  )

  test(
    "a sweep goes in steps of its limit",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 25), { expires: NOW + 5 })
      const steps: Array<number> = []
      for (;;) {
        const { expired } = yield* sweep({ at: NOW + 5, limit: 10 })
        if (expired === 0) break
        steps.push(expired)
      }
      assert.deepStrictEqual(steps, [10, 10, 5])
    })
  )

  test(
    "an acknowledgement only rises, and not above the log",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      assert.strictEqual(yield* ack(1, 4), 4)
      assert.strictEqual(yield* ack(1, 2), 4)
      assert.strictEqual(yield* ack(1, 7), 7)
      assert.strictEqual(yield* ack(2, 1_000_000), 10)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 7 })
    })
  )

  test(
    "a sweep deletes what all active tags have acknowledged",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 10))
      assert.deepStrictEqual(yield* sweep(), NONE)
      yield* ack(1, 8)
      yield* ack(2, 3)
      yield* ack(3, 1, NOW - 8 * DAY)
      assert.deepStrictEqual(yield* sweep({ limit: 2 }), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ limit: 2 }), { ...NONE, acknowledged: 1 })
      assert.deepStrictEqual(yield* sweep(), NONE)
      assert.strictEqual((yield* state()).lowest, 4)
      assert.deepStrictEqual(positionsOf(yield* read()), range(4, 10))
      yield* ack(2, 9)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 5 })
      yield* ack(3, 9)
      yield* ack(1, 10)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
      assert.deepStrictEqual(positionsOf(yield* read()), [10])
    })
  )

  test(
    "a tag is active at its last acknowledgement exactly, also one that raised nothing",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 5))
      yield* ack(1, 5)
      yield* ack(2, 2, NOW - 100)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 100 }), { ...NONE, acknowledged: 2 })
      yield* ack(2, 1, NOW - 50)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 60 }), NONE)
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - 49 }), { ...NONE, acknowledged: 3 })
    })
  )

  test(
    "only a transit route lets go by acknowledgement",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Durable" } })
      yield* append(incomings(1, 3))
      yield* ack(1, 3)
      assert.deepStrictEqual(yield* sweep(), NONE)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
    })
  )

  test(
    "tags are bounded: the one seen longest ago goes",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 2))
      yield* ack(0, 1, NOW - 1000)
      for (const n of range(1, Limit.ackTagsMax - 1)) yield* ack(n, 2, NOW)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
      yield* ack(Limit.ackTagsMax, 2, NOW)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
    })
  )

  test(
    "pruning deletes at once and leaves holes; lowest moves with the oldest",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Vault" } })
      yield* append(incomings(1, 6))
      assert.strictEqual(yield* prune([incoming(2), incoming(4), incoming(99), incoming(4)]), 2)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 3, 5, 6])
      assert.strictEqual((yield* state()).lowest, 1)
      assert.strictEqual(yield* prune([incoming(2)]), 0)
      assert.strictEqual(yield* prune([incoming(1)]), 1)
      assert.strictEqual((yield* state()).lowest, 3)
      assert.strictEqual(yield* prune(incomings(3, 6)), 3)
      const left = yield* state()
      assert.deepStrictEqual([left.lowest, left.position, left.usedBytes], [position(7), position(6), 0])
      assert.strictEqual(yield* prune([]), 0)
    })
  )

  test(
    "pruning with grace expires later; an earlier expiry stays",
    Effect.gen(function*() {
      yield* open(1, { retention: { _tag: "Durable" } })
      yield* append([incoming(1), incoming(2)])
      yield* append([incoming(3)], { expires: NOW + 10 })
      assert.strictEqual(yield* prune(incomings(1, 3), { expires: NOW + 100 }), 3)
      assert.deepStrictEqual(positionsOf(yield* read()), [1, 2, 3])
      assert.deepStrictEqual(yield* sweep({ at: NOW + 99 }), { ...NONE, expired: 1 })
      assert.strictEqual(yield* prune([incoming(1)], { expires: NOW + 500 }), 1)
      assert.deepStrictEqual(yield* sweep({ at: NOW + 100 }), { ...NONE, expired: 2 })
      assert.strictEqual((yield* state()).lowest, 4)
    })
  )
}

const epochs = (test: Test) => {
  test(
    "an epoch changes by compare-and-set and remembers the one before",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 3))
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2, at: NOW + 7 }))
      yield* append([incoming(4)])
      const second = yield* state()
      assert.deepStrictEqual([second.epoch, second.keys, second.opHash], [epoch(2), keysOf(2), hashOf(2)])
      const ended = {
        epoch: epoch(1),
        read: keysOf(1).read,
        position: position(3),
        chain: chainOf(incomings(1, 3)),
        millis: NOW + 7
      }
      assert.deepStrictEqual(second.past, [ended])
      assert.strictEqual(second.position, 4)
      assert.isTrue(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(2), op: 3 }))
      const third = yield* state()
      assert.deepStrictEqual(third.past.map((past) => [past.epoch, past.position]), [
        [epoch(1), position(3)],
        [epoch(2), position(4)]
      ])
    })
  )

  test(
    "a change that does not fit what is there is refused and changes nothing",
    Effect.gen(function*() {
      yield* open()
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2 }))
      const before = yield* state()
      assert.isFalse(yield* setEpoch({ before: 1, epoch: 2, op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 1, epoch: 3, previous: hashOf(2), op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 2, epoch: 3, op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(9), op: 3 }))
      assert.isFalse(yield* setEpoch({ before: 3, epoch: 4, previous: hashOf(2), op: 3 }))
      assert.deepStrictEqual(yield* state(), before)
    })
  )

  test(
    "force wins over whatever is there, also downwards",
    Effect.gen(function*() {
      yield* open()
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 2, op: 2 }))
      assert.isTrue(yield* setEpoch({ before: 9, epoch: 4_000_000_000, previous: hashOf(7), op: 4, force: true }))
      assert.strictEqual((yield* state()).epoch, 4_000_000_000)
      assert.isTrue(yield* setEpoch({ before: 1, epoch: 3, op: 5, force: true }))
      const after = yield* state()
      assert.deepStrictEqual([after.epoch, after.opHash], [epoch(3), hashOf(5)])
      assert.deepStrictEqual(after.past.map((past) => past.epoch), [epoch(1), epoch(2)])
    })
  )

  test(
    "of concurrent changes exactly one wins",
    Effect.gen(function*() {
      yield* open()
      const won = yield* Effect.forEach(range(2, 21), (op) => setEpoch({ before: 1, epoch: 2, op }), {
        concurrency: "unbounded"
      })
      assert.strictEqual(won.filter((is) => is).length, 1)
      assert.deepStrictEqual((yield* state()).opHash, hashOf(won.indexOf(true) + 2))
    })
  )

  test(
    "past epochs are bounded: the oldest go",
    Effect.gen(function*() {
      yield* open()
      const last = Limit.pastEpochsMax + 5
      for (const n of range(2, last)) {
        assert.isTrue(
          yield* setEpoch({ before: n - 1, epoch: n, op: n, previous: n === 2 ? new Uint8Array(32) : hashOf(n - 1) })
        )
      }
      const { past } = yield* state()
      assert.deepStrictEqual(past.map((each) => Number(each.epoch)), range(last - Limit.pastEpochsMax, last - 1))
    })
  )

  test(
    "tags of an ended epoch hold deletion back until they are inactive",
    Effect.gen(function*() {
      yield* open()
      yield* append(incomings(1, 4))
      yield* ack(1, 2, NOW - DAY)
      yield* setEpoch({ before: 1, epoch: 2, op: 2 })
      yield* ack(2, 4)
      assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
      assert.deepStrictEqual(yield* sweep({ activeSince: NOW - DAY + 1 }), { ...NONE, acknowledged: 2 })
    })
  )
}

const concurrency = (test: Test) => {
  test(
    "many appends at once: contiguous, each answered for itself, one chain",
    Effect.gen(function*() {
      for (const route of [1, 2, 3]) yield* open(route)
      const jobs = range(0, 299).map((n) => ({ route: 1 + n % 3, envelopes: incomings(n * 10, n * 10 + n % 5) }))
      const answers = yield* Effect.forEach(jobs, (job) => append(job.envelopes, { route: job.route }), {
        concurrency: "unbounded"
      })
      for (const route of [1, 2, 3]) {
        const byPosition = new Map<number, Incoming>()
        for (const [i, job] of jobs.entries()) {
          if (job.route !== route) continue
          const answer = answers[i]
          assert.isDefined(answer)
          const positions = storedOf(answer)
          assert.deepStrictEqual(positions, range(positions[0] ?? 0, (positions[0] ?? 0) + job.envelopes.length - 1))
          assert.isAtLeast(answer.position, positions.at(-1) ?? Number.NaN)
          job.envelopes.forEach((envelope, k) => byPosition.set(positions[k] ?? -1, envelope))
        }
        const order = range(1, byPosition.size).flatMap((at) => byPosition.get(at) ?? [])
        assert.strictEqual(order.length, byPosition.size)
        const after = yield* state(route)
        assert.deepStrictEqual([after.position, after.chain], [position(order.length), chainOf(order)])
        const page = yield* read(0, { route })
        assert.deepStrictEqual(page.envelopes.map(({ bytes }) => bytes), order.map(({ bytes }) => bytes))
        for (const [i, job] of jobs.entries()) {
          const answer = answers[i]
          if (job.route !== route || answer === undefined) continue
          assert.deepStrictEqual(answer.chain, chainOf(order.slice(0, answer.position)))
        }
      }
    })
  )

  test(
    "one envelope from many at once is stored once",
    Effect.gen(function*() {
      yield* open()
      const answers = yield* Effect.forEach(range(1, 50), (n) => append([incoming(1000 + n), incoming(7)]), {
        concurrency: "unbounded"
      })
      const sevens = answers.map((answer) => answer.stored[1])
      assert.strictEqual(new Set(sevens.map((stored) => stored?.position)).size, 1)
      assert.strictEqual(sevens.filter((stored) => stored?.duplicate === false).length, 1)
      assert.deepStrictEqual(positionsOf(yield* read()), range(1, 51))
    })
  )

  test(
    "a quota is never overdrawn, and each is refused for itself",
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 1000 })
      yield* open(2)
      const answers = yield* Effect.forEach(
        range(1, 60),
        (n) => Effect.result(append([incoming(n)], { route: 1 + n % 2 })),
        { concurrency: "unbounded" }
      )
      const first = answers.filter((_, i) => (i + 1) % 2 === 0)
      assert.strictEqual(first.filter(Result.isSuccess).length, 10)
      assert.isTrue(answers.filter((_, i) => (i + 1) % 2 === 1).every(Result.isSuccess))
      assert.strictEqual((yield* state(1)).usedBytes, 1000)
      assert.strictEqual((yield* state(2)).position, 30)
    })
  )

  test(
    "appends to an unknown route do not hurt those beside them",
    Effect.gen(function*() {
      yield* open(1)
      const answers = yield* Effect.forEach(
        range(1, 40),
        (n) => Effect.result(append([incoming(n)], { route: 1 + n % 2 })),
        { concurrency: "unbounded" }
      )
      answers.forEach((answer, i) => assert.strictEqual(Result.isSuccess(answer), (i + 1) % 2 === 0))
      assert.strictEqual((yield* state(1)).position, 20)
    })
  )

  test(
    "an interrupted append happened wholly or not at all",
    Effect.gen(function*() {
      yield* open()
      for (const n of range(1, 20)) {
        const fiber = yield* Effect.forkChild(append([incoming(n * 2), incoming(n * 2 + 1)]))
        if (n % 2 === 0) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
      }
      const settled = yield* append([incoming(1)])
      const page = yield* read()
      assert.deepStrictEqual(positionsOf(page), range(1, settled.position))
      assert.strictEqual(settled.position % 2, 1)
      assert.strictEqual((yield* state()).usedBytes, settled.position * 100)
      const again = yield* append(incomings(1, 41))
      assert.strictEqual(again.position, 41)
    })
  )
}

const secrets = (test: Test) => {
  test(
    "a secret is written once",
    Effect.gen(function*() {
      const { secret } = yield* RelayStore
      assert.isUndefined(yield* secret.get("key"))
      const value = filled(96, "secret", 1)
      assert.deepStrictEqual(yield* secret.set("key", value), filled(96, "secret", 1))
      value.fill(0)
      assert.deepStrictEqual(yield* secret.set("key", filled(5, "secret", 2)), filled(96, "secret", 1))
      assert.deepStrictEqual(yield* secret.get("key"), filled(96, "secret", 1))
      assert.isUndefined(yield* secret.get("other"))
    })
  )
}

type Command =
  | { readonly _tag: "append"; readonly ids: ReadonlyArray<number>; readonly ttl: number }
  | { readonly _tag: "ack"; readonly tag: number; readonly at: number }
  | { readonly _tag: "prune"; readonly ids: ReadonlyArray<number>; readonly grace: number }
  | { readonly _tag: "sweep"; readonly limit: number }
  | { readonly _tag: "wait"; readonly millis: number }
  | { readonly _tag: "read"; readonly after: number; readonly limit: number; readonly lane: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    _tag: fc.constant("append" as const),
    ids: fc.array(fc.nat({ max: 40 }), { maxLength: 6 }),
    ttl: fc.integer({ min: -1, max: 60 })
  }),
  fc.record({ _tag: fc.constant("ack" as const), tag: fc.nat({ max: 2 }), at: fc.nat({ max: 30 }) }),
  fc.record({
    _tag: fc.constant("prune" as const),
    ids: fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
    grace: fc.nat({ max: 30 })
  }),
  fc.record({ _tag: fc.constant("sweep" as const), limit: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ _tag: fc.constant("wait" as const), millis: fc.nat({ max: 40 }) }),
  fc.record({
    _tag: fc.constant("read" as const),
    after: fc.nat({ max: 40 }),
    limit: fc.integer({ min: 1, max: 10 }),
    lane: fc.nat({ max: 3 })
  })
)

/** The same commands on both stores give the same answers and the same state after each. */
const model = (makeLayer: () => Layer.Layer<RelayStore, unknown>) => {
  const enveloped = (n: number) => incoming(n, { lane: n % 3, bytes: 50 + n })
  const run = (commands: ReadonlyArray<Command>) =>
    Effect.gen(function*() {
      yield* open(1, { quotaBytes: 1500 })
      const seen: Array<unknown> = []
      let now = NOW
      for (const each of commands) {
        switch (each._tag) {
          case "append": {
            const options = { at: now, ...(each.ttl < 0 ? {} : { expires: now + each.ttl }) }
            seen.push(yield* Effect.result(append(each.ids.map(enveloped), options)))
            break
          }
          case "ack":
            seen.push(yield* ack(each.tag, each.at, now))
            break
          case "prune":
            seen.push(yield* prune(each.ids.map(enveloped), { at: now, expires: now + each.grace }))
            break
          case "sweep":
            seen.push(yield* sweep({ at: now, activeSince: now - 60, knownSince: now - 90, limit: each.limit }))
            break
          case "wait":
            now += each.millis
            break
          case "read": {
            const lanes = each.lane === 3 ? [] : [laneOf(each.lane)]
            seen.push(yield* read(each.after, { lanes, limit: each.limit, bytesMax: 400 }))
          }
        }
        seen.push(yield* state())
      }
      return seen
    })
  const runMemory = (commands: ReadonlyArray<Command>) =>
    Effect.provideService(run(commands), RelayStore, MemoryRelayStore.make({ sha256 }))
  it.effect("random commands answer as the memory store does", () =>
    Effect.gen(function*() {
      const samples = fc.sample(fc.array(command, { minLength: 5, maxLength: 60 }), { numRuns: 60, seed: 20_261_121 })
      for (const commands of samples) {
        const actual = yield* Effect.provide(run(commands), makeLayer(), { local: true })
        assert.deepStrictEqual(actual, yield* runMemory(commands), JSON.stringify(commands))
      }
    }))
}

const restart = (reopen: ConformanceOptions["reopen"]) => {
  it.effect("everything that was answered is there after a restart", () =>
    Effect.gen(function*() {
      if (reopen === undefined) return
      const again = reopen()
      const within = <A, E>(body: Effect.Effect<A, E, RelayStore>) => Effect.provide(body, again(), { local: true })
      yield* within(Effect.gen(function*() {
        yield* open(1, { quotaBytes: 2000 })
        yield* open(2, { retention: { _tag: "Vault" } })
        yield* append(incomings(1, 6), { expires: NOW + 1000 })
        yield* append(incomings(1, 3), { route: 2 })
        yield* setEpoch({ before: 1, epoch: 2, op: 2 })
        yield* append([incoming(7, { lane: 5 })])
        yield* ack(1, 2)
        assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 2 })
        yield* ack(1, 3)
        yield* RelayStore.use((store) => store.secret.set("key", filled(96, "secret", 1)))
      }))
      const before = yield* within(Effect.all([state(1), state(2), read(0), read(0, { route: 2 })]))
      yield* within(Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* Effect.all([state(1), state(2), read(0), read(0, { route: 2 })]),
          before
        )
        assert.deepStrictEqual(positionsOf(yield* read(0)), [3, 4, 5, 6, 7])
        assert.deepStrictEqual(positionsOf(yield* read(0, { lanes: [laneOf(5)] })), [7])
        const appended = yield* append([incoming(1), incoming(5), incoming(8)])
        assert.deepStrictEqual(storedOf(appended), [1, 5, 8])
        assert.deepStrictEqual(appended.chain, chainOf(incomings(1, 8)))
        assert.deepStrictEqual(yield* sweep(), { ...NONE, acknowledged: 1 })
        assert.deepStrictEqual(yield* sweep({ at: NOW + 1000 }), { ...NONE, expired: 3 })
        assert.isTrue(yield* setEpoch({ before: 2, epoch: 3, previous: hashOf(2), op: 3 }))
        assert.deepStrictEqual((yield* state(1)).past.map((past) => past.position), [position(6), position(8)])
        assert.deepStrictEqual(
          yield* RelayStore.use((store) => store.secret.get("key")),
          filled(96, "secret", 1)
        )
      }))
      yield* within(Effect.gen(function*() {
        assert.strictEqual((yield* state(1)).lowest, 7)
        assert.deepStrictEqual(storedOf(yield* append([incoming(2), incoming(9)])), [2, 9])
        assert.deepStrictEqual(yield* sweep({ knownSince: NOW + 1 }), { ...NONE, forgotten: 6 })
      }))
    }))
}
