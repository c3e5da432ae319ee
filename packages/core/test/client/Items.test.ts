/** Items over running clients: devices that write at the same time, away from each other, and come to the same. */
import { assert, layer } from "@effect/vitest"
import type { Client } from "@sotto/core/Client"
import type { ItemCollection } from "@sotto/core/collection/ItemCollection"
import { text } from "@sotto/core/item/Collection"
import { hashOf } from "@sotto/core/item/Item"
import { custom } from "@sotto/core/item/merge/Custom"
import { lastWriter } from "@sotto/core/item/merge/LastWriter"
import { ROLE } from "@sotto/schema/Space"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { bytes, entries } from "../kit/values.ts"
import * as World from "../kit/World.ts"

type Service = Client["Service"]

/** All that either side has, in order: the same on every device, in whatever order they are merged. */
const partsOf = (value: Uint8Array): ReadonlyArray<string> => (Utf8.decode(value) ?? "").split("+")
const both = custom(
  "both",
  ({ local, remote }) => Utf8.encode([...new Set([...partsOf(local), ...partsOf(remote)])].toSorted().join("+"))
)

const plain = (client: Service) => client.items.collection("plain", { form: text })
const merged = (client: Service) => client.items.collection("merged", { form: text, merge: both })
const last = (client: Service) => client.items.collection("last", { form: text, merge: lastWriter })

/** Devices of one space, connected. */
const devices = Effect.fnUntraced(function*(...labels: ReadonlyArray<string>) {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const a = yield* World.found(world, "a", [relay])
  yield* a.client().settled
  const others = []
  for (const label of labels) {
    const other = yield* World.admit(world, a, label)
    others.push(other)
  }
  yield* a.client().settled
  for (const other of others) {
    yield* other.open
    yield* other.client().pull
  }
  const hosts = [a, ...others]
  return {
    world,
    hosts,
    clients: () => hosts.map((host) => host.client()),
    /** Everybody hears of everything, twice, since merges are written on the way. */
    sync: Effect.gen(function*() {
      for (const host of hosts) {
        yield* host.heal
        yield* host.client().wake
      }
      for (let round = 0; round < 3; round++) {
        yield* World.settle
        for (const host of hosts) yield* host.client().settled
        for (const host of hosts) yield* host.client().pull
      }
    })
  }
})

const cut = (hosts: ReadonlyArray<World.DeviceHost>) => Effect.forEach(hosts, (host) => host.cut, { discard: true })

const linesOf = <A>(collection: ItemCollection<A>) =>
  Effect.map(collection.list(), (lines) => lines.map(({ key, value }) => [key, value] as const))

/** The error that something fails with. */
const errorOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flip(Effect.catchDefect(effect, (defect) => Effect.die(defect)))

layer(World.CryptoLive)("items of one device", (it) => {
  it.effect("can be read once they are written, listed by key and by time, and deleted", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const notes = plain(a.client())
      assert.isUndefined(yield* notes.get("b"))
      yield* notes.put("b", "one")
      yield* notes.put("a", "two")
      yield* notes.put("b", "three")
      yield* notes.put("c/1", "four")
      assert.strictEqual(yield* notes.get("b"), "three")
      assert.deepStrictEqual(yield* linesOf(notes), [["a", "two"], ["b", "three"], ["c/1", "four"]])
      const keys = (options: Parameters<typeof notes.list>[0]) =>
        Effect.map(notes.list(options), (lines) => lines.map(({ key }) => key))
      assert.deepStrictEqual(yield* keys({ prefix: "c/" }), ["c/1"])
      assert.deepStrictEqual(yield* keys({ limit: 2 }), ["a", "b"])
      assert.deepStrictEqual(yield* keys({ limit: 2, after: "a" }), ["b", "c/1"])
      assert.deepStrictEqual(yield* keys({ reverse: true, limit: 1 }), ["c/1"])
      assert.deepStrictEqual(yield* keys({ order: "time" }), ["a", "b", "c/1"])
      assert.deepStrictEqual(yield* keys({ order: "time", reverse: true, limit: 1 }), ["c/1"])
      const past = yield* notes.history("b")
      assert.deepStrictEqual(past.map(({ shown }) => shown), [
        { _tag: "Value", value: "three" },
        { _tag: "Value", value: "one" }
      ])
      assert.deepStrictEqual(past.map(({ isHead }) => isHead), [true, false])
      assert.deepStrictEqual(past[0]?.parents, past[1] === undefined ? [] : [past[1].id])
      assert.lengthOf(yield* notes.history("b", 1), 1)
      yield* notes.delete("b")
      assert.isUndefined(yield* notes.get("b"))
      assert.deepStrictEqual(yield* keys({}), ["a", "c/1"])
      assert.isUndefined(yield* notes.delete("b"), "nothing is left to delete")
      assert.deepStrictEqual((yield* notes.history("b")).map(({ shown }) => shown._tag), ["Absent", "Value", "Value"])
    }))

  it.effect("are there again after a restart, and one that was added has a key of its own", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const { key } = yield* plain(a.client()).add("alone")
      yield* plain(a.client()).put("k", "v")
      yield* a.crash
      yield* a.open
      assert.strictEqual(yield* plain(a.client()).get(key), "alone")
      yield* plain(a.client()).put(key, "changed")
      const lines = yield* linesOf(plain(a.client()))
      assert.deepStrictEqual(new Map(lines), new Map([[key, "changed"], ["k", "v"]]))
    }))

  it.effect("of many writers at once follow each other: nothing is a conflict", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const notes = plain(a.client())
      yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => `${i}`), (value) => notes.put("k", value), {
        concurrency: "unbounded"
      })
      assert.lengthOf(yield* notes.history("k"), 20)
      assert.lengthOf((yield* notes.conflicts.list()).conflicts, 0)
    }))

  it.effect("that its form does not take are errors", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const raw = a.client().items.collection("plain")
      yield* raw.put("k", Uint8Array.of(0xff))
      assert.strictEqual((yield* errorOf(plain(a.client()).get("k")))._tag, "FormFailed")
      assert.deepInclude(yield* errorOf(plain(a.client()).put("k", "\ud800")), { _tag: "FormFailed", reason: "encode" })
      assert.deepStrictEqual(yield* raw.get("k"), Uint8Array.of(0xff))
      assert.strictEqual((yield* errorOf(raw.conflicts.resolve("k", { delete: true })))._tag, "NoConflict")
      assert.strictEqual((yield* errorOf(raw.put("k".repeat(600), bytes("v"))))._tag, "TooLarge")
    }))

  it.effect("are watched as they change", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const notes = plain(a.client())
      const seen: Array<number> = []
      const fiber = yield* Effect.forkScoped(
        Stream.runForEach(notes.watch({ prefix: "k" }), (lines) => Effect.sync(() => seen.push(lines.length)))
      )
      yield* World.settle
      yield* notes.put("k1", "v")
      yield* World.settle
      yield* notes.put("k2", "v")
      yield* World.settle
      assert.deepStrictEqual([seen[0], seen.at(-1)], [0, 2])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("end with the client", () =>
    Effect.gen(function*() {
      const { hosts: [a] } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const notes = plain(a.client())
      yield* notes.put("k", "v")
      yield* a.close
      assert.strictEqual((yield* errorOf(notes.get("k")))._tag, "Closed")
      assert.strictEqual((yield* errorOf(notes.put("k", "w")))._tag, "Closed")
    }))
})

layer(World.CryptoLive)("items of several devices", (it) => {
  it.effect("written at the same time, and merged, come to the same on all", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b", "c")
      for (const client of clients()) yield* merged(client).get("k")
      yield* cut(hosts)
      for (const [i, client] of clients().entries()) yield* merged(client).put("k", `v${i}`)
      yield* sync
      for (const client of clients()) assert.strictEqual(yield* merged(client).get("k"), "v0+v1+v2")
      const [first] = clients()
      if (first === undefined) return yield* Effect.die("no device")
      const past = yield* merged(first).history("k")
      assert.deepStrictEqual(past.filter(({ isHead }) => isHead).map(({ shown }) => shown), [
        { _tag: "Value", value: "v0+v1+v2" }
      ], "somebody wrote the merge down")
      const written = (yield* entries(first)).filter(({ ops }) => ops[0]?.collection === "merged")
      assert.isAtMost(written.length, 6, "three writes, and a merge or a few of what was there first")
    }))

  it.effect("that were left in conflict are merged once the collection has a merge", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b")
      yield* cut(hosts)
      for (const [i, client] of clients().entries()) yield* plain(client).put("k", `v${i}`)
      yield* sync
      for (const client of clients()) assert.lengthOf((yield* plain(client).conflicts.list()).conflicts, 1)
      for (const client of clients()) client.items.collection("plain", { form: text, merge: both })
      yield* sync
      for (const client of clients()) {
        const heads = (yield* plain(client).history("k")).filter(({ isHead }) => isHead)
        assert.deepStrictEqual(heads.map(({ shown }) => shown), [{ _tag: "Value", value: "v0+v1" }])
      }
    }))

  it.effect("that could not be written as merged for a while are, without anybody's doing", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b")
      yield* cut(hosts)
      for (const [i, client] of clients().entries()) yield* plain(client).put("k", `v${i}`)
      yield* sync
      for (const host of hosts) host.fault(() => "fail-before")
      const merging = clients().map((client) => client.items.collection("plain", { form: text, merge: both }))
      yield* World.settle
      const heads = Effect.forEach(
        merging,
        (items) => Effect.map(items.history("k"), (past) => past.filter(({ isHead }) => isHead).length)
      )
      assert.deepStrictEqual(yield* heads, [2, 2], "no merge is written")
      for (const host of hosts) host.fault(() => "ok")
      yield* World.settle
      assert.deepStrictEqual(yield* heads, [2, 2], "it is tried again a while later")
      yield* TestClock.adjust(5000)
      yield* sync
      assert.deepStrictEqual(yield* heads, [1, 1])
    }))

  it.effect("go by the last writer where the collection says so", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b")
      yield* cut(hosts)
      for (const [i, client] of clients().entries()) yield* last(client).put("k", `v${i}`)
      yield* sync
      const values = yield* Effect.forEach(clients(), (client) => last(client).get("k"))
      assert.strictEqual(values[0], values[1])
      assert.lengthOf(
        (yield* last(hosts[0]?.client() ?? (yield* Effect.die("no device"))).conflicts.list()).conflicts,
        0
      )
    }))

  it.effect("deleted here and edited there are a conflict, which one device ends for all", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b", "c")
      const [a, b, c] = clients()
      if (a === undefined || b === undefined || c === undefined) return yield* Effect.die("no device")
      yield* merged(a).put("k", "v")
      yield* sync
      yield* cut(hosts)
      yield* merged(a).delete("k")
      yield* merged(b).put("k", "w")
      yield* sync
      for (const client of [a, b, c]) {
        const { conflicts } = yield* merged(client).conflicts.list()
        assert.deepStrictEqual(conflicts.map(({ key, reason }) => [key, reason._tag]), [["k", "Deleted"]])
        assert.deepStrictEqual(conflicts[0]?.remotes[0]?.base, { _tag: "Value", value: "v" })
      }
      assert.deepStrictEqual((yield* merged(a).list()).map(({ isConflict, key }) => [key, isConflict]), [["k", true]])
      assert.strictEqual(yield* merged(b).get("k"), "w")
      assert.isUndefined(yield* merged(a).get("k"))
      yield* merged(c).conflicts.resolve("k", (conflict) => {
        const edit = [conflict.local, ...conflict.remotes].find(({ shown }) => shown._tag === "Value")
        return edit === undefined ? { delete: true } : { head: edit.id }
      })
      yield* sync
      for (const client of [a, b, c]) {
        assert.lengthOf((yield* merged(client).conflicts.list()).conflicts, 0)
        assert.strictEqual(yield* merged(client).get("k"), "w")
      }
    }))

  it.effect("in conflict are decided by value, by version and by function; errors say what was wrong", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b")
      const [a, b] = clients()
      if (a === undefined || b === undefined) return yield* Effect.die("no device")
      yield* cut(hosts)
      for (const key of ["by head", "by value", "to none"]) {
        yield* plain(a).put(key, "from a")
        yield* plain(b).put(key, "from b")
      }
      yield* sync
      const collection = plain(a)
      assert.strictEqual(yield* collection.get("by value"), "from a")
      const { conflicts } = yield* collection.conflicts.list({ limit: 2 })
      assert.deepStrictEqual(conflicts.map(({ key }) => key), ["by head", "by value"])
      const [byHead] = conflicts
      const remote = byHead?.remotes[0]
      if (byHead === undefined || remote === undefined) return yield* Effect.die("no conflict")
      const other = yield* collection.conflicts.inspect("to none")
      const wrong = yield* errorOf(
        collection.conflicts.resolve("by head", { head: other?.local.id ?? byHead.local.id })
      )
      assert.strictEqual(wrong._tag, "UnknownHead")
      const threw = yield* errorOf(collection.conflicts.resolve("by head", () => {
        throw new Error("as the test wants")
      }))
      assert.strictEqual(threw._tag, "MergeFailed")
      yield* collection.conflicts.resolve(byHead, { head: remote.id })
      yield* collection.conflicts.resolve("by value", { value: "decided" })
      yield* collection.conflicts.resolve("to none", { delete: true })
      yield* sync
      for (const client of [a, b]) {
        assert.deepStrictEqual(yield* linesOf(plain(client)), [["by head", "from b"], ["by value", "decided"]])
      }
      assert.isUndefined(yield* collection.conflicts.inspect("by head"))
    }))

  it.effect("are counted in the status while a person has to decide about them, also after a restart", () =>
    Effect.gen(function*() {
      const { clients, hosts, sync } = yield* devices("b")
      const [a, b] = clients()
      const [host] = hosts
      if (a === undefined || b === undefined || host === undefined) return yield* Effect.die("no device")
      const conflicted = (client: Service) => Effect.map(client.status.current, (status) => status.conflicted)
      const told: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(a.status.changes, (status) => Effect.sync(() => told.push(status.conflicted)))
      )
      yield* cut(hosts)
      for (const client of [a, b]) {
        yield* plain(client).put("one", `from ${client === a ? "a" : "b"}`)
        yield* plain(client).put("two", `from ${client === a ? "a" : "b"}`)
        yield* merged(client).put("k", `from ${client === a ? "a" : "b"}`)
      }
      assert.deepStrictEqual([yield* conflicted(a), yield* conflicted(b)], [0, 0])
      yield* sync
      assert.deepStrictEqual([yield* conflicted(a), yield* conflicted(b)], [2, 2], "what is merged is no conflict")
      yield* plain(b).conflicts.resolve("one", { value: "decided" })
      yield* sync
      assert.deepStrictEqual([yield* conflicted(a), yield* conflicted(b)], [1, 1])
      assert.deepStrictEqual([...new Set(told)].toSorted((x, y) => x - y), [0, 1, 2])
      yield* host.close
      yield* host.open
      assert.strictEqual(yield* conflicted(host.client()), 0, "nobody has asked for items")
      yield* plain(host.client()).get("one")
      yield* World.settle
      assert.strictEqual(yield* conflicted(host.client()), 1)
      host.client().items.collection("plain", { form: text, merge: lastWriter })
      yield* sync
      assert.strictEqual(yield* conflicted(host.client()), 0, "by the merge that the collection has now")
    }))

  it.effect("have the same names everywhere: an operation's parent is its entry, however it was sealed", () =>
    Effect.gen(function*() {
      const { clients, sync } = yield* devices("b")
      const [a, b] = clients()
      if (a === undefined || b === undefined) return yield* Effect.die("no device")
      const receipt = yield* plain(a).put("k", "one")
      yield* sync
      yield* plain(b).put("k", "two")
      yield* sync
      const written = (yield* entries(a)).filter(({ ops }) => ops[0]?.collection === "plain")
      assert.deepStrictEqual(written.map(({ hash }) => hash)[0], receipt.hash)
      assert.deepStrictEqual(written[1]?.ops[0]?.parents, [receipt.hash])
      const [newest, oldest] = yield* plain(b).history("k")
      assert.deepStrictEqual(newest?.parents.map(hashOf), [receipt.hash])
      assert.deepStrictEqual(oldest?.device, a.device)
    }))

  it.effect("are shown to a device that may only read, which writes nothing", () =>
    Effect.gen(function*() {
      const { hosts: [a], world } = yield* devices()
      if (a === undefined) return yield* Effect.die("no device")
      const reader = yield* World.admit(world, a, "reader", ROLE.read)
      yield* a.client().settled
      yield* merged(a.client()).put("k", "v")
      yield* a.client().settled
      yield* reader.open
      yield* reader.client().pull
      assert.strictEqual(yield* merged(reader.client()).get("k"), "v")
      const refused = yield* Effect.exit(merged(reader.client()).put("k", "w"))
      assert.strictEqual(refused._tag === "Failure" ? Cause.squash(refused.cause) instanceof Error : false, true)
      assert.strictEqual((yield* errorOf(merged(reader.client()).put("k", "w")))._tag, "NotWriter")
    }))
})
