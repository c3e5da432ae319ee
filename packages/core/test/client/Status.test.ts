import { assert, describe, it, layer } from "@effect/vitest"
import { baseMillis, delayMillis } from "@sotto/core/log/Reconnect"
import * as Status from "@sotto/core/Status"
import { Position, RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { push, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

const failure: Status.Failure = { tag: "RelayUnreachable", message: "nobody there", retrying: true }

const relay = (phase: Status.RelayPhase, change: Partial<Status.RelayStatus> = {}): Status.RelayStatus => ({
  relay: RelayKey.make(new Uint8Array(32)),
  url: "ws://relay/",
  phase,
  pending: 0,
  received: Position.make(0),
  head: Position.make(0),
  retryAtMillis: null,
  failure: null,
  ...change
})

const facts = (relays: ReadonlyArray<Status.RelayStatus>, change: Partial<Status.Facts> = {}): Status.Facts => ({
  paused: false,
  pending: 0,
  needed: 1,
  quarantined: 0,
  conflicted: 0,
  relays,
  failure: null,
  ...change
})

describe("the status of a device", () => {
  const tag = (relays: ReadonlyArray<Status.RelayStatus>, change: Partial<Status.Facts> = {}) =>
    Status.make(facts(relays, change))._tag

  it("is synced only when a relay is live and has everything", () => {
    assert.strictEqual(tag([relay("live")]), "Synced")
    assert.strictEqual(tag([relay("live")], { pending: 1 }), "Pending")
    assert.strictEqual(tag([relay("catching-up")]), "Pending")
    assert.strictEqual(tag([]), "Offline")
  })

  it("is offline with the time of the next try, and says when it is on purpose", () => {
    const waiting = [relay("waiting", { retryAtMillis: 50, failure }), relay("waiting", { retryAtMillis: 20, failure })]
    assert.deepInclude(Status.make(facts(waiting)), { _tag: "Offline", paused: false, retryAtMillis: 20 })
    assert.deepInclude(Status.make(facts([relay("paused")], { paused: true })), { _tag: "Offline", paused: true })
    assert.strictEqual(tag([relay("connecting"), relay("waiting", { failure })]), "Connecting")
  })

  it("does not let one relay in trouble hide one that works", () => {
    const stopped = relay("stopped", { failure: { ...failure, retrying: false } })
    assert.strictEqual(tag([stopped, relay("live")]), "Synced")
    assert.strictEqual(tag([stopped, relay("catching-up")]), "Pending")
    assert.strictEqual(tag([stopped, relay("connecting")]), "Connecting")
    assert.strictEqual(tag([stopped, relay("waiting", { failure })]), "Offline")
    const failed = Status.make(facts([stopped]))
    assert.deepStrictEqual(failed._tag === "Failed" ? failed.failure : null, stopped.failure)
  })

  it("fails when too few relays are left that could store what is written, and only then", () => {
    const stopped = relay("stopped", { failure: { ...failure, retrying: false }, pending: 2 })
    const pending = { pending: 2, needed: 2 }
    assert.strictEqual(tag([stopped, relay("live")], { ...pending, pending: 0 }), "Synced")
    assert.strictEqual(tag([stopped, relay("live"), relay("live")], pending), "Pending")
    assert.strictEqual(tag([relay("waiting", { failure }), relay("live")], pending), "Pending")
    assert.deepInclude(Status.make(facts([stopped, relay("live")], pending)), {
      _tag: "Failed",
      failure: { ...failure, retrying: false }
    })
    assert.strictEqual(tag([stopped, relay("paused")], { ...pending, paused: true }), "Offline")
    assert.strictEqual(tag([], { ...pending, needed: 1 }), "Offline")
  })

  it("fails for what keeps entries from being stored anywhere, and for this device's own trouble", () => {
    const full = relay("live", { failure: { ...failure, tag: "QuotaExceeded" }, pending: 2 })
    assert.strictEqual(tag([full], { pending: 2 }), "Failed")
    assert.strictEqual(tag([full, relay("live")], { pending: 2 }), "Pending")
    assert.strictEqual(tag([full, relay("live")], { pending: 0 }), "Synced")
    const own = { ...failure, tag: "StoreFailed" }
    assert.deepInclude(Status.make(facts([relay("live")], { failure: own })), { _tag: "Failed", failure: own })
  })
})

describe("the wait before the next try", () => {
  it("is 1, 2, 4, 8, 16, then 30 seconds", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6, 7, 60].map(baseMillis), [
      1000,
      2000,
      4000,
      8000,
      16_000,
      30_000,
      30_000,
      30_000
    ])
  })

  it.effect("plus up to five seconds that are drawn each time, and not before the relay said", () =>
    Effect.gen(function*() {
      const drawn = yield* Effect.forEach(Array.from({ length: 500 }), () => delayMillis(1))
      assert.isTrue(drawn.every((millis) => millis >= 1000 && millis <= 1000 + Limit.reconnectJitterMillis))
      assert.isAbove(new Set(drawn).size, 100)
      assert.isAtLeast(yield* delayMillis(1, 90_000), 90_000)
    }).pipe(Random.withSeed("jitter")))
})

layer(World.CryptoLive)("a device whose relay is away", (it) => {
  it.effect("tries again after the waits that it shows, from the first one on after a success or a wake", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* relay.stop
      const waits: Array<number> = []
      const waiting = Effect.gen(function*() {
        yield* World.untilEffect(
          "it waits",
          Effect.map(a.client().status.current, ({ relays }) => relays[0]?.phase === "waiting")
        )
        const status = yield* a.client().status.current
        const now = yield* Clock.currentTimeMillis
        assert.strictEqual(status._tag, "Offline")
        return (status.relays[0]?.retryAtMillis ?? 0) - now
      })
      for (let i = 0; i < 7; i++) {
        const wait = yield* waiting
        waits.push(wait)
        const dials = a.dials()
        yield* TestClock.adjust(wait - 1)
        yield* World.settle
        assert.strictEqual(a.dials(), dials)
        yield* TestClock.adjust(1)
        yield* World.until("it tries", () => a.dials() === dials + 1)
      }
      waits.forEach((wait, i) => {
        assert.isAtLeast(wait, baseMillis(i + 1))
        assert.isAtMost(wait, baseMillis(i + 1) + Limit.reconnectJitterMillis)
      })
      yield* waiting
      const before = a.dials()
      yield* a.client().wake
      yield* World.until("it tries at once", () => a.dials() === before + 1)
      assert.isAtMost(yield* waiting, baseMillis(1) + Limit.reconnectJitterMillis)
      yield* relay.start
      yield* a.client().wake
      yield* a.client().settled
      yield* relay.stop
      assert.isAtMost(yield* waiting, baseMillis(1) + Limit.reconnectJitterMillis)
    }))

  it.effect("shows each change once, and what is pending", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      const seen = yield* Effect.forkChild(
        Stream.runCollect(Stream.takeUntil(a.client().status.changes, ({ _tag }) => _tag === "Connecting"))
      )
      yield* World.settle
      yield* a.client().pause
      yield* World.settle
      yield* push(a.client(), "x")
      yield* World.settle
      yield* push(a.client(), "y")
      yield* World.settle
      yield* a.client().resume
      const all = yield* Fiber.join(seen)
      const shown = all.map(({ _tag, pending }) => `${_tag} ${pending}`)
      assert.deepStrictEqual(shown[0], "Synced 0")
      assert.includeMembers(shown, ["Offline 0", "Offline 1", "Offline 2", "Connecting 2"])
      all.forEach((status, i) => assert.notDeepEqual(status, all[i - 1]))
      yield* a.client().settled
      assert.strictEqual((yield* a.client().status.current)._tag, "Synced")
    }))

  it.effect("says that another relay answers in its place, and does not try on", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const other = yield* world.makeRelay()
      const a = yield* world.makeDevice("a")
      const impostor = { ...relay, address: { url: other.url, key: relay.address.key } }
      yield* World.create(a, "a", [impostor])
      yield* a.open
      yield* World.untilEffect(
        "it stops",
        Effect.map(a.client().status.current, ({ relays }) => relays[0]?.phase === "stopped")
      )
      assert.deepInclude(yield* a.client().status.current, { _tag: "Failed" })
      assert.strictEqual((yield* a.client().status.current).relays[0]?.failure?.tag, "RelayKeyMismatch")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(a.dials(), 1)
    }))

  it.effect("shows and sends, by itself, what was saved though saving it was said to have failed", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.open
      yield* b.client().settled
      let failures = 1
      b.fault(() => failures-- > 0 ? "fail-after" : "ok")
      assert.strictEqual((yield* Effect.flip(push(b.client(), "saved")))._tag, "StoreFailed")
      yield* b.client().settled
      assert.deepStrictEqual(yield* values(b.client()), ["saved"])
      yield* a.client().pull
      assert.deepStrictEqual(yield* values(a.client()), ["saved"])
    }))

  it.effect("says that its disk is full, and goes on when it is not", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      yield* b.open
      yield* b.client().pull
      b.fault(() => "fail-before")
      const refused = yield* Effect.flip(push(b.client(), "does not fit"))
      assert.strictEqual(refused._tag, "StoreFailed")
      yield* push(a.client(), "x")
      yield* World.untilEffect("it shows", Effect.map(b.client().status.current, ({ _tag }) => _tag === "Failed"))
      assert.strictEqual((yield* b.client().status.current).relays[0]?.failure?.tag, "StoreFailed")
      b.fault(() => "ok")
      yield* b.client().wake
      yield* b.client().settled
      assert.strictEqual((yield* b.client().status.current)._tag, "Synced")
      const written = yield* push(b.client(), "fits")
      assert.strictEqual(written.seq, 1)
    }))
})
