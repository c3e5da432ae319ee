import { assert, layer } from "@effect/vitest"
import * as Connection from "@sotto/core/channel/Connection"
import { text } from "@sotto/core/item/Collection"
import type { PeerReconciled } from "@sotto/core/log/Peers"
import * as Membership from "@sotto/core/space/Membership"
import * as Rekey from "@sotto/core/space/Rekey"
import { ROLE } from "@sotto/schema/Space"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { push, sorted } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** A cable between two devices; it ends with the scope, or when it is cut. */
const cable = Effect.fnUntraced(function*(from: World.DeviceHost, to: World.DeviceHost) {
  const [near, far] = yield* Connection.pair
  const answering = yield* Effect.forkScoped(Effect.exit(to.client().peers.speak(far, "responder")))
  return { near, answering, cut: near.close, from, to }
})

/** Connects, and stays connected. */
const link = Effect.fnUntraced(function*(from: World.DeviceHost, to: World.DeviceHost) {
  const made = yield* cable(from, to)
  const asking = yield* Effect.forkScoped(Effect.exit(from.client().peers.speak(made.near, "initiator")))
  return { ...made, asking }
})

const sync = Effect.fnUntraced(function*(from: World.DeviceHost, to: World.DeviceHost) {
  const { near } = yield* cable(from, to)
  return yield* from.client().peers.sync(near)
}, Effect.scoped)

const moved = ({ received, sent }: PeerReconciled) => [received, sent]

/** Devices of one space that never see a relay: admitted one after another by the first, and brought up to date. */
const crowd = Effect.fnUntraced(function*(...labels: ReadonlyArray<string>) {
  const world = yield* World.make
  const a = yield* World.found(world, "a", [])
  const others: Array<World.DeviceHost> = []
  for (const label of labels) {
    const host = yield* World.admit(world, a, label)
    yield* host.open
    others.push(host)
  }
  for (const host of others) yield* sync(host, a)
  return { world, a, others, all: [a, ...others] }
})

const second = <A>(all: ReadonlyArray<A>): A => {
  const [first] = all
  if (first === undefined) throw new Error("nobody")
  return first
}

const notesOf = (host: World.DeviceHost) => host.client().items.collection("notes", { form: text })

/** Signs that a device is out, and that nothing of what it wrote counts. */
const removal = Effect.fnUntraced(function*({ crypto }: World.World, by: World.DeviceHost, gone: World.DeviceHost) {
  const prepared = Rekey.prepare({
    crypto,
    state: yield* by.client().state,
    signer: Membership.deviceSigner(crypto, by.identity()),
    removed: [gone.identity().id],
    cutoffs: [],
    nowMillis: 0
  })
  return prepared === undefined ? yield* Effect.die("no key of the current epoch") : prepared.op
})

/** The names of the events of a device from now on, as they are when it is asked. */
const heard = Effect.fnUntraced(function*(host: World.DeviceHost) {
  const names: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(host.client().events, ({ _tag }) => Effect.sync(() => names.push(_tag))),
    { startImmediately: true }
  )
  yield* World.settle
  return Effect.as(World.settle, names)
})

const untilSame = (...hosts: ReadonlyArray<World.DeviceHost>) =>
  World.untilEffect(
    "all have the same",
    Effect.map(
      Effect.forEach(hosts, (host) => sorted(host.client())),
      (all) => all.every((values) => values.join() === second(all).join())
    )
  )

layer(World.CryptoLive)("devices without a relay", (it) => {
  it.effect("have the same after one comparison, whoever connected", () =>
    Effect.gen(function*() {
      const { a, others } = yield* crowd("b")
      const b = second(others)
      for (let i = 0; i < 5; i++) yield* push(a.client(), `a${i}`)
      for (let i = 0; i < 3; i++) yield* push(b.client(), `b${i}`)
      assert.deepStrictEqual(moved(yield* sync(b, a)), [5, 3])
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
      assert.lengthOf(yield* sorted(a.client()), 8)
      assert.deepStrictEqual(moved(yield* sync(a, b)), [0, 0])
      yield* push(b.client(), "late")
      assert.deepStrictEqual(moved(yield* sync(a, b)), [1, 0])
    }))

  it.effect("move what differs, and no more, of large sets", () =>
    Effect.gen(function*() {
      const { a, others } = yield* crowd("b")
      const b = second(others)
      for (let i = 0; i < 400; i++) yield* push(a.client(), `a${i}`)
      assert.deepStrictEqual(moved(yield* sync(b, a)), [400, 0])
      yield* push(a.client(), "one more")
      yield* push(b.client(), "and one")
      assert.deepStrictEqual(moved(yield* sync(b, a)), [1, 1])
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
    }))

  it.effect("give each other what they write while they are connected, in both directions", () =>
    Effect.gen(function*() {
      const { a, others } = yield* crowd("b")
      const b = second(others)
      yield* link(b, a)
      yield* World.settle
      for (let i = 0; i < 20; i++) {
        yield* push(a.client(), `a${i}`)
        yield* push(b.client(), `b${i}`)
      }
      yield* World.untilEffect("b has all", Effect.map(sorted(b.client()), ({ length }) => length === 40))
      yield* World.untilEffect("a has all", Effect.map(sorted(a.client()), ({ length }) => length === 40))
      yield* World.settle
      const [seenByA] = yield* a.client().peers.connected
      assert.deepStrictEqual(seenByA?.device, b.identity().id)
      // Nothing came back to where it was written.
      assert.deepStrictEqual([seenByA?.received, seenByA?.sent], [20, 20])
    }))

  it.effect("pass on what a third wrote, along a chain and in a ring", () =>
    Effect.gen(function*() {
      const { a, others } = yield* crowd("b", "c", "d")
      const [b, c, d] = others
      if (b === undefined || c === undefined || d === undefined) return yield* Effect.die("a small crowd")
      yield* link(a, b)
      yield* link(b, c)
      yield* link(c, d)
      yield* push(a.client(), "from a")
      yield* push(d.client(), "from d")
      yield* untilSame(a, b, c, d)
      yield* World.untilEffect("d has it", Effect.map(sorted(d.client()), ({ length }) => length === 2))
      yield* link(d, a)
      for (const host of [a, b, c, d]) yield* push(host.client(), `ring ${host.label}`)
      for (const host of [a, b, c, d]) {
        yield* World.untilEffect("all is everywhere", Effect.map(sorted(host.client()), ({ length }) => length === 6))
      }
      yield* World.settle
      // Each device gives an entry to a neighbour at most once: no echo runs around the ring.
      for (const host of [a, b, c, d]) {
        for (const { sent } of yield* host.client().peers.connected) assert.isAtMost(sent, 8)
      }
    }))

  it.effect("go on from where they were after a cut, at any message", () =>
    Effect.gen(function*() {
      const { a, others } = yield* crowd("b")
      const b = second(others)
      for (let round = 0; round < 12; round++) {
        for (let i = 0; i < 4; i++) yield* push(a.client(), `a${round} ${i}`)
        yield* push(b.client(), `b${round}`)
        const linked = yield* link(b, a)
        for (let i = 0; i < round * 7; i++) yield* Effect.yieldNow
        yield* linked.cut
        yield* Fiber.join(linked.asking)
        yield* Fiber.join(linked.answering)
      }
      yield* sync(b, a)
      assert.lengthOf(yield* sorted(a.client()), 60)
      assert.deepStrictEqual(yield* sorted(a.client()), yield* sorted(b.client()))
      assert.deepStrictEqual(yield* a.client().peers.connected, [])
      assert.deepStrictEqual(yield* b.client().quarantine, [])
    }))

  it.effect("learn members from each other", () =>
    Effect.gen(function*() {
      const { a, others, world } = yield* crowd("b")
      const b = second(others)
      const c = yield* World.admit(world, a, "c")
      yield* c.open
      yield* sync(c, a)
      yield* push(c.client(), "from c")
      // b has not heard of c, so it does not speak with it.
      assert.strictEqual((yield* Effect.flip(sync(c, b)))._tag, "Unauthorized")
      yield* sync(b, a)
      yield* sync(c, b)
      assert.deepStrictEqual(yield* sorted(b.client()), ["from c"])
    }))

  it.effect("of another space, or no device at all, learn nothing", () =>
    Effect.gen(function*() {
      const { a, world } = yield* crowd()
      yield* push(a.client(), "secret")
      const other = yield* World.found(world, "other", [])
      assert.strictEqual((yield* Effect.flip(sync(other, a)))._tag, "ChannelFailed")
      assert.deepStrictEqual(yield* sorted(other.client()), [])
      assert.deepStrictEqual(yield* a.client().peers.connected, [])
    }))

  it.effect("that only read give and take as the others do", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const a = yield* World.found(world, "a", [])
      const reader = yield* World.admit(world, a, "reader", ROLE.read)
      yield* reader.open
      yield* push(a.client(), "to be read")
      yield* sync(reader, a)
      assert.deepStrictEqual(yield* sorted(reader.client()), ["to be read"])
    }))

  it.effect("show the same when one is removed, whoever has what it wrote", () =>
    Effect.gen(function*() {
      const { a, others, world } = yield* crowd("b", "c", "d")
      const [b, c, d] = others
      if (b === undefined || c === undefined || d === undefined) return yield* Effect.die("nobody")
      yield* notesOf(c).put("k", "by c")
      yield* push(c.client(), "more by c")
      for (const host of [a, b]) yield* sync(c, host)
      yield* notesOf(b).put("k", "on top")
      const told = yield* heard(a)
      yield* a.client().addMember(yield* removal(world, a, c))
      // Who removes a device takes back what it had accepted of it itself.
      assert.include(yield* told, "Retracted")
      assert.notInclude(yield* sorted(a.client()), "more by c")
      for (const [from, to] of [[b, a], [d, a]] as const) yield* sync(from, to)
      const expected = yield* sorted(b.client())
      for (const host of [a, b, d]) {
        assert.deepStrictEqual(yield* sorted(host.client()), expected)
        // The entry on which this one stands comes to nobody any more.
        assert.strictEqual(yield* notesOf(host).get("k"), "on top")
        assert.lengthOf(yield* notesOf(host).history("k"), 1)
      }
    }))

  it.effect("hear what happened also when that ends the connection", () =>
    Effect.gen(function*() {
      const { a, others, world } = yield* crowd("b", "c")
      const [b, c] = others
      if (b === undefined || c === undefined) return yield* Effect.die("nobody")
      yield* push(c.client(), "by c")
      yield* sync(c, b)
      const linked = yield* link(c, b)
      yield* World.untilEffect("they met", Effect.map(b.client().peers.connected, ({ length }) => length === 1))
      const told = yield* heard(b)
      // The removed device is the one that passes the news on.
      yield* c.client().addMember(yield* removal(world, a, c))
      yield* Fiber.join(linked.answering)
      assert.includeMembers([...(yield* told)], ["MemberRemoved", "Retracted"])
      assert.notInclude(yield* sorted(b.client()), "by c")
    }))
})

layer(World.CryptoLive)("devices with a relay", (it) => {
  it.effect("bring to the relay what a device without one wrote", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      const b = yield* World.admit(world, a, "b")
      yield* a.client().settled
      const c = yield* World.admit(world, a, "c")
      yield* a.client().settled
      yield* b.open
      yield* b.client().pull
      yield* c.open
      yield* c.client().pull
      yield* b.cut
      yield* push(b.client(), "from afar")
      yield* sync(b, a)
      yield* a.client().settled
      yield* c.client().pull
      assert.deepStrictEqual(yield* sorted(c.client()), ["from afar"])
      // When b comes back, the relay's log brings nothing twice.
      yield* b.heal
      yield* b.client().wake
      yield* b.client().settled
      assert.deepStrictEqual(yield* sorted(b.client()), ["from afar"])
      assert.deepStrictEqual(yield* b.client().quarantine, [])
    }))

  it.effect("that are removed while they are connected are put out", () =>
    Effect.gen(function*() {
      const { a, others, world } = yield* crowd("b")
      const b = second(others)
      const linked = yield* link(b, a)
      yield* World.untilEffect("they met", Effect.map(a.client().peers.connected, ({ length }) => length === 1))
      const prepared = Rekey.prepare({
        crypto: world.crypto,
        state: yield* a.client().state,
        signer: Membership.deviceSigner(world.crypto, a.identity()),
        removed: [b.identity().id],
        cutoffs: [],
        nowMillis: 0
      })
      if (prepared === undefined) return yield* Effect.die("no key of the current epoch")
      yield* a.client().addMember(prepared.op)
      const ended = yield* Fiber.join(linked.answering)
      assert.isTrue(Exit.isFailure(ended) && Cause.pretty(ended.cause).includes("PeerUnknown"))
      yield* push(a.client(), "after")
      assert.notInclude(yield* sorted(b.client()), "after")
      assert.strictEqual((yield* Effect.flip(sync(b, a)))._tag, "DeviceRevoked")
    }))
})
