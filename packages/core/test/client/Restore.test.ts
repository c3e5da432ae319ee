import { assert, layer } from "@effect/vitest"
import { text } from "@sotto/core/item/Collection"
import type { ClientEvent } from "@sotto/core/Status"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { entries, push, values } from "../kit/values.ts"
import * as World from "../kit/World.ts"

/** A device whose storage is put back to what it was, after it has written two more values that b has. */
const restoredAfter = Effect.fnUntraced(function*(
  { atOnce = false, pageEnvelopesMax }: { readonly atOnce?: boolean; readonly pageEnvelopesMax?: number }
) {
  const world = yield* World.make
  const relay = yield* world.makeRelay(
    pageEnvelopesMax === undefined ? {} : { settings: { limits: { pageEnvelopesMax } } }
  )
  const a = yield* World.found(world, "a", [relay])
  yield* a.client().settled
  const b = yield* World.admit(world, a, "b")
  yield* push(a.client(), "old")
  yield* a.client().settled
  yield* b.open
  yield* b.client().pull
  yield* a.crash
  const copy = yield* a.copy
  yield* a.open
  const concurrency = atOnce ? "unbounded" : 1
  // Two values of one key do not go into one entry.
  const write = (value: string) => a.client().push(Utf8.encode(value), { collection: "", key: "k" })
  yield* write("lost 1")
  yield* Effect.forEach(atOnce ? ["lost 2", "lost 3", "lost 4"] : ["lost 2"], write, { concurrency, discard: true })
  yield* a.client().settled
  yield* b.client().pull
  yield* a.crash
  yield* a.putBack(copy)
  return { a, b, relay, world }
})

const restored = restoredAfter({})

const watch = Effect.fnUntraced(function*(host: World.DeviceHost) {
  const events: Array<ClientEvent> = []
  yield* Effect.forkScoped(Stream.runForEach(host.client().events, (event) => Effect.sync(() => events.push(event))))
  yield* World.settle
  return events
})

layer(World.CryptoLive)("a device restored from an older copy", (it) => {
  it.effect("takes back what it had written since, and goes on after it", () =>
    Effect.gen(function*() {
      const { a, b } = yield* restored
      yield* a.cut
      yield* a.open
      const events = yield* watch(a)
      yield* a.heal
      yield* a.client().wake
      yield* a.client().pull
      assert.deepStrictEqual(yield* values(a.client()), ["old", "lost 1", "lost 2"])
      assert.deepInclude(events.filter(({ _tag }) => _tag === "Restored"), {
        _tag: "Restored",
        adopted: 2,
        reissued: 0
      })
      const next = yield* push(a.client(), "next")
      assert.strictEqual(next.seq, 4)
      yield* a.client().settled
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["old", "lost 1", "lost 2", "next"])
      assert.strictEqual((yield* b.client().status.current).quarantined, 0)
    }))

  it.effect("leaves what a relay has where it stands, though the copy does not know that it was sent", () =>
    Effect.gen(function*() {
      const world = yield* World.make
      const relay = yield* world.makeRelay()
      const a = yield* World.found(world, "a", [relay])
      yield* a.client().settled
      yield* a.cut
      const sent = yield* push(a.client(), "on its way")
      yield* a.crash
      const copy = yield* a.copy
      yield* a.open
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      yield* push(a.client(), "lost")
      yield* a.client().settled
      yield* a.crash
      yield* a.putBack(copy)
      yield* a.cut
      yield* a.open
      const next = yield* push(a.client(), "next")
      assert.strictEqual(next.seq, sent.seq + 1)
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      assert.deepStrictEqual(yield* values(a.client()), ["on its way", "lost", "next"])
      const own = (yield* entries(a.client())).filter(({ ops }) => ops[0]?.action._tag === "Put")
      assert.deepStrictEqual(own.map(({ seq }) => seq), [1, 2, 3])
      assert.strictEqual((yield* a.client().status.current).quarantined, 0)
    }))

  it.effect("writes again, after it, what it wrote without knowing of it: nothing is lost and no number is used twice", () =>
    Effect.gen(function*() {
      const { a, b } = yield* restored
      yield* a.cut
      yield* a.open
      const events = yield* watch(a)
      const first = yield* a.client().push(Uint8Array.of(0x61), { collection: "", key: "k" })
      const second = yield* a.client().push(Uint8Array.of(0x62), { collection: "", key: "k", parents: [first.hash] })
      assert.strictEqual(first.seq, 2)
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      yield* second.stored
      assert.deepStrictEqual(yield* values(a.client()), ["old", "lost 1", "lost 2", "a", "b"])
      assert.deepInclude(events.filter(({ _tag }) => _tag === "Restored"), {
        _tag: "Restored",
        adopted: 2,
        reissued: 2
      })
      const own = (yield* entries(a.client())).filter(({ ops }) => ops[0]?.action._tag === "Put")
      assert.deepStrictEqual(own.map(({ seq }) => seq), [1, 2, 3, 4, 5])
      // The second one named the first one by its former name.
      assert.deepStrictEqual(own[4]?.ops[0]?.parents, own[3] === undefined ? [] : [own[3].hash])
      yield* b.client().pull
      assert.deepStrictEqual(yield* values(b.client()), ["old", "lost 1", "lost 2", "a", "b"])
      assert.strictEqual((yield* b.client().status.current).quarantined, 0)
      yield* a.crash
      yield* a.open
      assert.deepStrictEqual(yield* values(a.client()), ["old", "lost 1", "lost 2", "a", "b"])
      assert.strictEqual((yield* push(a.client(), "c")).seq, 6)
    }))

  // Of what was written at once, only the last entry is signed: the others are known by it.
  for (const pageEnvelopesMax of [undefined, 1, 2, 3]) {
    const how = pageEnvelopesMax === undefined ? "in one page" : `${pageEnvelopesMax} at a time`
    it.effect(`does so too where it had forgotten a batch that comes back ${how}`, () =>
      Effect.gen(function*() {
        const { a, b } = yield* restoredAfter({ atOnce: true, ...(pageEnvelopesMax && { pageEnvelopesMax }) })
        yield* a.cut
        yield* a.open
        const events = yield* watch(a)
        const { seq } = yield* push(a.client(), "next")
        assert.strictEqual(seq, 2)
        yield* a.heal
        yield* a.client().wake
        yield* a.client().settled
        const all = ["old", "lost 1", "lost 2", "lost 3", "lost 4", "next"]
        assert.deepStrictEqual(yield* values(a.client()), all)
        assert.deepStrictEqual(events.filter(({ _tag }) => _tag === "Quarantined" || _tag === "Healed"), [])
        const own = (yield* entries(a.client())).filter(({ ops }) => ops[0]?.action._tag === "Put")
        assert.deepStrictEqual(own.map((entry) => entry.seq), [1, 2, 3, 4, 5, 6])
        yield* b.client().pull
        assert.deepStrictEqual(yield* values(b.client()), all)
        const counts = yield* Effect.forEach([a, b], (one) => one.client().status.current)
        assert.deepStrictEqual(counts.map(({ quarantined }) => quarantined), [0, 0])
      }))
  }

  it.effect("shows items as they were written again, to itself and to others", () =>
    Effect.gen(function*() {
      const { a, b } = yield* restored
      yield* a.cut
      yield* a.open
      const notes = () => a.client().items.collection("notes", { form: text })
      yield* notes().put("k", "one")
      yield* notes().put("k", "two")
      yield* a.heal
      yield* a.client().wake
      yield* a.client().settled
      assert.strictEqual(yield* notes().get("k"), "two")
      const past = yield* notes().history("k")
      assert.lengthOf(past, 2, "what was taken back is gone")
      assert.deepStrictEqual(past.map(({ isHead }) => isHead), [true, false])
      yield* notes().put("k", "three")
      yield* a.client().settled
      yield* b.client().pull
      const others = b.client().items.collection("notes", { form: text })
      assert.strictEqual(yield* others.get("k"), "three")
      assert.lengthOf((yield* others.conflicts.list()).conflicts, 0)
      assert.deepStrictEqual((yield* others.history("k")).map(({ id }) => id).slice(1), past.map(({ id }) => id))
    }))
})
