/**
 * Items are kept in commits of their own, behind those of the log. Each of all these commits is a place where the process
 * may die, or storage fail, before it or after it. For each of them: what was answered is there, and items are those that
 * the log says when they are built from it anew.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { text } from "@sotto/core/item/Collection"
import { END, FIRST, TABLE } from "@sotto/core/item/durable/Layout"
import * as Ledger from "@sotto/core/log/Ledger"
import { type Store, StoreFailed } from "@sotto/core/Store"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { feedOf, notes, removal } from "../kit/feedBench.ts"
import * as JournalBench from "../kit/journalBench.ts"
import { hand } from "../kit/pen.ts"
import { join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import * as World from "../kit/World.ts"

type Kind = Exclude<ReturnType<World.Fault>, "ok">
/** To die before a commit is to die after the one before it. */
const KINDS: ReadonlyArray<Kind> = ["fail-before", "fail-after", "die-after"]

const collectionOf = (host: World.DeviceHost) => host.client().items.collection("plain", { form: text })

/** All that an app sees of the items of a device. */
const shownBy = Effect.fnUntraced(function*(host: World.DeviceHost) {
  const collection = collectionOf(host)
  const lines = (yield* collection.list()).map(({ isConflict, key, value }) => ({ isConflict, key, value }))
  const { conflicts } = yield* collection.conflicts.list()
  const heads = conflicts.map(({ key, source }) => ({ key, heads: source.heads.map(({ id }) => id) }))
  const history = yield* Effect.forEach(lines, ({ key }) => collection.history(key))
  return { lines, heads, history: history.map((all) => all.map(({ id, isHead }) => ({ id, isHead }))) }
})

/** A device that is hit at its `at`-th commit, while it and another one write the same items. */
const scenario = Effect.fnUntraced(function*(at: number, kind: Kind) {
  const world = yield* World.make
  const relay = yield* world.makeRelay()
  const other = yield* World.found(world, "other", [relay])
  const device = yield* World.admit(world, other, "device")
  yield* collectionOf(other).put("shared", "before")
  yield* other.client().settled
  const start = device.commits()
  let hit = false
  device.fault((commit) => {
    if (commit - start !== at) return "ok"
    hit = true
    return kind
  })
  const answered = new Map<string, string>()
  const died = Effect.andThen(World.until("it died", device.isDead, Number.MAX_SAFE_INTEGER), device.crash)
  const live = Effect.fnUntraced(function*(effect: Effect.Effect<unknown, unknown>) {
    yield* Effect.raceFirst(Effect.exit(effect), died)
    if (!device.isOpen()) yield* device.open
  })
  const write = (key: string, value: string) =>
    Effect.suspend(() => Effect.map(collectionOf(device).put(key, value), () => answered.set(key, value)))
  yield* live(device.open)
  yield* live(Effect.suspend(() => device.client().pull))
  yield* live(write("own", "one"))
  yield* device.cut
  yield* live(write("shared", "by the device"))
  yield* collectionOf(other).put("shared", "by the other")
  yield* other.client().settled
  yield* device.heal
  yield* live(Effect.suspend(() => Effect.andThen(device.client().wake, device.client().pull)))
  yield* live(write("own", "two"))
  yield* live(Effect.suspend(() => shownBy(device)))
  device.fault(() => "ok")
  if (device.isDead()) yield* Effect.andThen(device.crash, device.open)
  yield* device.client().wake
  yield* device.client().settled
  yield* device.client().pull
  yield* other.client().pull
  return { hit, answered, device, other }
})

const dropItems = (store: Store["Service"]) =>
  Effect.orDie(Effect.flatMap(
    store.scan({ from: FIRST, to: END, limit: 10_000 }),
    (rows) => Effect.as(store.commit(rows.map(({ key }) => ({ key }))), rows.length)
  ))

layer(World.CryptoLive)("items of a process that dies, or whose storage fails, at any commit", (it) => {
  for (const kind of KINDS) {
    it.effect(`are those of its log (${kind})`, () =>
      Effect.gen(function*() {
        let at = 1
        while (true) {
          const hit = yield* Effect.scoped(Effect.gen(function*() {
            const { answered, device, hit, other } = yield* scenario(at, kind)
            const place = `${kind} at commit ${at}`
            const kept = yield* shownBy(device)
            const own = kept.lines.find(({ key }) => key === "own")?.value
            // What was not answered may be there all the same.
            const mayBe = new Map([["one", ["one", "two"]], ["two", ["two"]]]).get(answered.get("own") ?? "")
            if (mayBe !== undefined) assert.include(mayBe, own, place)
            assert.deepStrictEqual((yield* shownBy(other)).heads, kept.heads, `${place}: not the same on both`)
            yield* device.close
            assert.isAbove(yield* dropItems(device.store), 0)
            yield* device.open
            assert.deepStrictEqual(yield* shownBy(device), kept, `${place}: not what the log says`)
            return hit
          }))
          if (!hit) break
          at++
        }
        assert.isAbove(at, 10)
      }), 60_000)
  }
})

// -- what leaves the log -----------------------------------------------------------------------------------------------

const seenBy = (bench: JournalBench.Bench) =>
  Effect.scoped(Effect.gen(function*() {
    const feed = yield* feedOf(bench)
    yield* feed.current
    const heads = yield* feed.items.query({ collection: notes.name, versions: "all" })
    const waiting = yield* feed.items.pending({ limit: 9 })
    return {
      heads: heads.map(({ contested, key, version }) => ({ contested, key, id: version.id })),
      waiting: waiting.map(({ entry, missing }) => ({ id: entry.id, missing }))
    }
  }))

/** A store that takes nothing more from its `at`-th commit on, that one made or not. */
const dying = (store: Store["Service"], at: number, isMade: boolean) => {
  let count = 0
  const dead = Effect.fail(new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the test wants" }))
  const made: Store["Service"] = {
    ...store,
    commit: (writes) =>
      Effect.suspend(() => {
        count++
        if (count < at) return store.commit(writes)
        return count === at && isMade ? Effect.andThen(store.commit(writes), dead) : dead
      })
  }
  return { store: made, isHit: () => count >= at }
}

describe("items that are taken back by a process that dies at any commit", () => {
  for (const isMade of [false, true]) {
    it.effect(`are those of its log (${isMade ? "after" : "before"} the commit)`, () =>
      Effect.gen(function*() {
        let at = 1
        while (true) {
          const { added, bench, one, onTop, removed, two } = yield* removal(`taken back ${isMade}`)
          const [first, second, third] = [[added, one, onTop], [two], [removed]]
          const { isHit, store } = dying(bench.store, at, isMade)
          for (const page of [first, second, third]) {
            yield* bench.accept(bench.relay.place(...page))
            const scope = yield* Scope.make()
            const feed = yield* Scope.provide(feedOf(bench, store), scope)
            yield* Effect.exit(feed.current)
            yield* Scope.close(scope, Exit.void)
            yield* bench.reopen
          }
          yield* bench.note(bench.relay.head())
          yield* World.settle
          const kept = yield* seenBy(bench)
          assert.lengthOf(yield* Effect.orDie(Ledger.withdrawn.scan(bench.store, { limit: 1 })), 0)
          yield* dropItems(bench.store)
          assert.deepStrictEqual(kept, yield* seenBy(bench), `at commit ${at}`)
          assert.lengthOf(kept.heads, 2, "one, and what was written on top of two")
          if (!isHit()) break
          at++
        }
        assert.isAbove(at, 4)
      }), 60_000)
  }
})

// -- large trees, and items that are built again -----------------------------------------------------------------------

/** A tree of items that splits in two, in three steps: two in order, one in between. */
const KEYS = [
  Array.from({ length: 40 }, (_, k) => `k${100 + k}`),
  Array.from({ length: 30 }, (_, k) => `k${140 + k}`),
  Array.from({ length: 10 }, (_, k) => `k${110 + k}-`)
] as const

const nodesOf = (store: Store["Service"]) =>
  store.scan({ from: Uint8Array.of(TABLE.node), to: Uint8Array.of(TABLE.node + 1), limit: 100 })

/** Changes a row of a node, so that it does not open any more; whether there was one. */
const damage = (store: Store["Service"]) =>
  Effect.orDie(Effect.gen(function*() {
    const [row] = yield* nodesOf(store)
    if (row === undefined) return false
    yield* store.commit([{
      key: row.key,
      value: row.value.map((byte, at) => at === row.value.length - 1 ? byte ^ 1 : byte)
    }])
    return true
  }))

describe("items in pages that split, and that are built again, by a process that dies at any commit", () => {
  for (const isMade of [false, true]) {
    it.effect(`are those of its log (${isMade ? "after" : "before"} the commit)`, () =>
      Effect.gen(function*() {
        let [at, damaged, nodesMost] = [1, 0, 0]
        while (true) {
          yield* TestClock.setTime(NOW)
          const space = makeSpace(`pages ${isMade}`)
          const { guest, host } = join(space.crypto, space, "guest", ROLE.admin)
          const bench = yield* JournalBench.make(space.crypto, guest)
          const { seal } = hand(space.crypto, host.state, host.identity)
          const { isHit, store } = dying(bench.store, at, isMade)
          const read = Effect.gen(function*() {
            const scope = yield* Scope.make()
            const feed = yield* Scope.provide(feedOf(bench, isHit() ? bench.store : store), scope)
            yield* Effect.exit(feed.current)
            yield* Effect.exit(feed.items.list(notes))
            yield* Scope.close(scope, Exit.void)
            yield* bench.reopen
          })
          for (const keys of KEYS) {
            yield* bench.accept(bench.relay.place(seal({ ops: keys.map((key) => put("a", key, key)) }).bytes))
            yield* read
          }
          if (yield* damage(bench.store)) damaged++
          yield* read
          const kept = yield* seenBy(bench)
          assert.deepStrictEqual(kept.heads.map(({ key }) => key), KEYS.flat().toSorted(), `at commit ${at}`)
          nodesMost = Math.max(nodesMost, (yield* Effect.orDie(nodesOf(bench.store))).length)
          yield* dropItems(bench.store)
          assert.deepStrictEqual(kept, yield* seenBy(bench), `at commit ${at}`)
          if (!isHit()) break
          at++
        }
        assert.isAbove(at, 5)
        assert.isAbove(damaged, 2)
        assert.isAbove(nodesMost, 2, "the tree has several pages")
      }), 60_000)
  }
})
