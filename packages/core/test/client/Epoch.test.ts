/** The space's keys change while devices are connected, away, or out. */
import { assert, layer } from "@effect/vitest"
import * as Membership from "@sotto/core/space/Membership"
import * as Rekey from "@sotto/core/space/Rekey"
import * as SpaceState from "@sotto/core/space/SpaceState"
import { type EntryHash, type Epoch, type RelayKey, SigningKey } from "@sotto/schema/Id"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as RelayKit from "../kit/relayKit.ts"
import { push, sorted, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** What an administrator shows a relay to move it from one epoch to the next. */
const keysAt = (relay: RelayKey, state: SpaceState.SpaceState): RelayKit.EpochKeys => {
  const epoch = SpaceState.currentEpoch(state)
  const { admin } = state
  if (admin === undefined) throw new Error("not an administrator")
  const pairs = {
    read: epoch.readCapability(relay),
    write: epoch.writeCapability(relay),
    admin: admin.capability(relay),
    recovery: admin.capability(relay)
  }
  return {
    epoch: epoch.epoch,
    pairs,
    keys: {
      read: SigningKey.make(pairs.read.publicKey),
      write: SigningKey.make(pairs.write.publicKey),
      admin: SigningKey.make(pairs.admin.publicKey),
      recovery: SigningKey.make(pairs.recovery.publicKey)
    }
  }
}

const bench = Effect.gen(function*() {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const a = yield* World.found(world, "a", [relay])
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  const c = yield* World.admit(world, a, "c")
  yield* a.client().settled
  for (const guest of [b, c]) {
    yield* guest.open
    yield* guest.client().pull
  }
  const { crypto } = world
  /** Opens the next epoch in the log, and lets the relay know when the log is there. */
  const rekey = Effect.fnUntraced(function*(removed: ReadonlyArray<World.DeviceHost>) {
    const before = yield* a.client().state
    const prepared = Rekey.prepare({
      crypto,
      state: before,
      signer: Membership.deviceSigner(crypto, a.identity()),
      removed: removed.map((host) => host.identity().id),
      cutoffs: [],
      nowMillis: yield* Clock.currentTimeMillis
    })
    if (prepared === undefined) return yield* Effect.die("no key of the current epoch")
    yield* Effect.orDie(Effect.flatMap(a.client().addMember(prepared.op), ({ stored }) => stored))
    const after = yield* a.client().state
    const key = relay.address.key
    const client = yield* RelayKit.connect(relay.relay())
    const opHash: EntryHash = Membership.opHash(crypto, 1, after.spaceId, prepared.op)
    yield* Effect.orDie(RelayKit.setEpoch(client, after.keys.routeId(key), {
      before: keysAt(key, before),
      after: keysAt(key, after),
      opHash
    }))
    const epoch: Epoch = SpaceState.currentEpoch(after).epoch
    return epoch
  })
  return { a, b, c, relay, rekey }
})

layer(World.CryptoLive)("a new epoch", (it) => {
  it.effect("is taken up by who is connected, and everybody goes on under it", () =>
    Effect.gen(function*() {
      const { a, b, c, rekey } = yield* bench
      yield* push(a.client(), "before")
      yield* a.client().settled
      assert.strictEqual(yield* rekey([]), 2)
      yield* push(a.client(), "after, from a")
      yield* push(b.client(), "after, from b")
      yield* Effect.all([a.client().settled, b.client().settled])
      yield* a.client().pull
      yield* c.client().settled
      const expected = ["after, from a", "after, from b", "before"]
      for (const host of [a, b, c]) {
        assert.deepStrictEqual(yield* sorted(host.client()), expected)
        assert.strictEqual(SpaceState.currentEpoch(yield* host.client().state).epoch, 2)
        assert.strictEqual((yield* host.client().status.current).quarantined, 0)
      }
    }))

  it.effect("is found in the log of the one before by who was away", () =>
    Effect.gen(function*() {
      const { a, b, rekey } = yield* bench
      yield* b.cut
      yield* push(b.client(), "written while away")
      yield* rekey([])
      yield* push(a.client(), "after")
      yield* a.client().settled
      yield* b.heal
      yield* b.client().wake
      yield* b.client().settled
      yield* a.client().pull
      assert.deepStrictEqual(yield* sorted(b.client()), ["after", "written while away"])
      assert.deepStrictEqual(yield* sorted(a.client()), ["after", "written while away"])
      assert.deepStrictEqual(yield* b.client().evidence, [])
    }))

  it.effect("is not given to who was removed: it learns so, stops, and keeps what it has", () =>
    Effect.gen(function*() {
      const { a, b, c, rekey } = yield* bench
      yield* push(c.client(), "while it belonged")
      yield* c.client().settled
      yield* a.client().pull
      yield* c.cut
      yield* rekey([c])
      yield* push(a.client(), "without c")
      yield* a.client().settled
      yield* b.client().settled
      yield* c.heal
      yield* c.client().wake
      yield* World.untilEffect(
        "it learns",
        Effect.map(c.client().status.current, ({ relays }) => relays[0]?.phase === "stopped")
      )
      const status = yield* c.client().status.current
      assert.strictEqual(status.relays[0]?.failure?.tag, "DeviceRevoked")
      assert.deepStrictEqual(yield* values(c.client()), ["while it belonged"])
      assert.strictEqual((yield* Effect.flip(push(c.client(), "too late")))._tag, "NotWriter")
      const dials = c.dials()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(c.dials(), dials)
      const devices = yield* b.client().devices
      assert.deepStrictEqual(devices.filter(({ removed }) => removed).map(({ label }) => label), ["c"])
    }))

  it.effect("takes back, also from who wrote it, what stands beyond the cut-offs that it names", () =>
    Effect.gen(function*() {
      const { a, b, c, rekey } = yield* bench
      yield* push(c.client(), "of no account")
      yield* c.client().settled
      yield* Effect.all([a.client().pull, b.client().pull])
      yield* push(a.client(), "of a member")
      assert.deepStrictEqual(yield* sorted(a.client()), ["of a member", "of no account"])
      yield* rekey([c])
      yield* b.client().settled
      for (const host of [a, b]) {
        assert.deepStrictEqual(yield* sorted(host.client()), ["of a member"])
        assert.deepStrictEqual((yield* host.client().quarantine).map(({ reason }) => reason), ["cutoff"])
      }
    }))

  it.effect("that the relay does not know yet keeps its entries here until it does", () =>
    Effect.gen(function*() {
      const { a, b } = yield* bench
      const { crypto } = yield* World.make
      const before = yield* a.client().state
      const prepared = Rekey.prepare({
        crypto,
        state: before,
        signer: Membership.deviceSigner(crypto, a.identity()),
        removed: [],
        cutoffs: [],
        nowMillis: 0
      })
      if (prepared === undefined) return yield* Effect.die("no key of the current epoch")
      yield* Effect.flatMap(a.client().addMember(prepared.op), ({ stored }) => stored)
      yield* push(a.client(), "under the next key")
      yield* World.settle
      assert.strictEqual((yield* a.client().status.current).pending, 1)
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), [])
      assert.strictEqual(SpaceState.currentEpoch(yield* b.client().state).epoch, 2)
      assert.isAtMost(a.dials(), 2)
    }))
})
