/** What is kept for reconciliation: when it is read, read anew, shared and let go. */
import { assert, describe, it } from "@effect/vitest"
import { sha256 } from "@noble/hashes/sha2.js"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import { positionsOf } from "@sotto/core/relay/PlacedSet"
import { RelayStore } from "@sotto/core/relay/RelayStore"
import { Replicas, type Use } from "@sotto/core/relay/Replicas"
import type { Selection } from "@sotto/core/relay/SetSaver"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import {
  append,
  incoming,
  incomings,
  laneOf,
  NOW,
  open,
  position,
  prune,
  range,
  routeOf,
  sweep
} from "../kit/relayStore/operations.ts"

const MANY = 2 ** 30
const IGNORED = { reconcileIds: () => {}, reconcileSets: () => {}, reconcileSaved: () => {} }

/** Replicas over a store that counts its reads. */
const start = Effect.fnUntraced(function*(options?: { readonly bytesMax?: number }) {
  const clock = yield* Clock.Clock
  const memory = yield* RelayStore
  const seen = { reads: 0, ids: 0, kept: 0 }
  const replicas = new Replicas({
    store: {
      ...memory,
      ids: (page) =>
        Effect.suspend(() => {
          seen.reads++
          return memory.ids(page)
        })
    },
    clock,
    metrics: {
      reconcileIds: (ids) => {
        seen.ids += ids
      },
      reconcileSets: (bytes) => {
        seen.kept = bytes
      },
      reconcileSaved: () => {}
    },
    bytesMax: options?.bytesMax ?? MANY,
    savedIdsMin: MANY
  })
  return { replicas, seen }
})

const selection = (
  options?: { readonly route?: number; readonly lanes?: ReadonlyArray<number>; readonly key?: number }
): Selection => ({
  route: routeOf(options?.route ?? 1),
  lanes: (options?.lanes ?? []).map(laneOf),
  key: new Uint8Array(16).fill(options?.key ?? 0),
  keyEpoch: 1
})

const always = <A>(take: Use<A>["take"]): Use<A> => ({ isWanted: () => true, isCurrent: () => true, take })

/** What a request sees: how many ids, their root, and up to where. */
const look = always((replica, { position }) => ({
  count: ReconcileSet.count(replica.set),
  root: ReconcileSet.root(replica.set),
  positions: positionsOf(replica, Array.from(ReconcileSet.ids(replica.set))).map(Number),
  position: Number(position)
}))

/** What it should see. */
const fresh = (which: Selection, ids: ReadonlyArray<Uint8Array>) => {
  const set = ReconcileSet.make(which)
  for (const id of ids) ReconcileSet.insert(set, id)
  return { count: ids.length, root: ReconcileSet.root(set) }
}

const test = (title: string, body: Effect.Effect<void, unknown, RelayStore>) =>
  it.effect(title, () => Effect.provideService(body, RelayStore, MemoryRelayStore.make({ sha256 })))

describe("Replicas", () => {
  test(
    "a set is read once, and then what came since",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      yield* open()
      yield* append(incomings(1, 1700))
      const first = yield* replicas.use(selection(), look)
      assert.deepInclude(first, { ...fresh(selection(), incomings(1, 1700).map(({ id }) => id)), position: 1700 })
      assert.deepStrictEqual([seen.reads, seen.ids], [4, 1700])
      yield* append(incomings(1701, 1703))
      const second = yield* replicas.use(selection(), look)
      assert.deepInclude(second, { ...fresh(selection(), incomings(1, 1703).map(({ id }) => id)), position: 1703 })
      assert.deepStrictEqual(second?.positions, range(1, 1703))
      assert.deepStrictEqual([seen.reads, seen.ids, seen.kept], [5, 1703, replicas.bytes])
    })
  )

  test(
    "what is deleted leaves it, of whatever lane, and not what is to be deleted later",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      const lanes = selection({ lanes: [1] })
      yield* open()
      yield* append(range(1, 9).map((n) => incoming(n, { lane: n % 2 })))
      const odd = [1, 3, 5, 7, 9]
      const see = Effect.map(replicas.use(lanes, look), (seen) => seen?.positions)
      assert.deepStrictEqual(yield* see, odd)
      yield* prune([incoming(3)], { expires: NOW + 10 })
      assert.deepStrictEqual([yield* see, seen.ids], [odd, 5])
      yield* sweep({ at: NOW + 10 })
      assert.deepStrictEqual([yield* see, seen.ids], [[1, 5, 7, 9], 5])
      yield* prune([incoming(2)])
      assert.deepStrictEqual([yield* see, seen.ids], [[1, 5, 7, 9], 5])
    })
  )

  test(
    "a deletion while it is read is found, and not for ever",
    Effect.gen(function*() {
      const memory = yield* RelayStore
      let deletions = 2, pruned = 0
      const replicas = new Replicas({
        store: {
          ...memory,
          ids: (page) =>
            page.after > 0 && deletions-- > 0
              ? Effect.andThen(
                Effect.orDie(Effect.provideService(prune([incoming(++pruned)]), RelayStore, memory)),
                memory.ids(page)
              )
              : memory.ids(page)
        },
        clock: yield* Clock.Clock,
        metrics: IGNORED,
        bytesMax: MANY,
        savedIdsMin: MANY
      })
      yield* open()
      yield* append(incomings(1, 600))
      assert.deepStrictEqual((yield* replicas.use(selection(), look))?.positions, range(3, 600))
      deletions = 600
      assert.strictEqual((yield* Effect.flip(replicas.use(selection(), look)))._tag, "Overloaded")
      assert.strictEqual(pruned, 2 + 9)
      deletions = 0
      assert.deepStrictEqual((yield* replicas.use(selection(), look))?.positions, range(12, 600))
    })
  )

  test(
    "who asks while it is read waits for that reading",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      yield* open()
      yield* append(incomings(1, 2600))
      const answers = yield* Effect.forEach(range(1, 5), () => replicas.use(selection(), look), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers.map((answer) => answer?.count), range(1, 5).map(() => 2600))
      assert.deepStrictEqual([seen.reads, seen.ids], [6 + 4, 2600])
    })
  )

  test(
    "sets that are read at once take turns",
    Effect.gen(function*() {
      const order: Array<number> = []
      const memory = yield* RelayStore
      const replicas = new Replicas({
        store: {
          ...memory,
          ids: (page) => {
            order.push(page.route[0] === routeOf(1)[0] ? 1 : 2)
            return memory.ids(page)
          }
        },
        clock: yield* Clock.Clock,
        metrics: IGNORED,
        bytesMax: MANY,
        savedIdsMin: MANY
      })
      for (const route of [1, 2]) {
        yield* open(route)
        yield* append(incomings(1, 1900), { route })
      }
      yield* Effect.forEach([1, 2], (route) => replicas.use(selection({ route, lanes: [0] }), look), {
        concurrency: 2
      })
      assert.deepStrictEqual(order, [1, 2, 1, 2, 1, 2, 1, 2])
    })
  )

  test(
    "what nobody waits for any more is not read to its end, and what was read stays",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      yield* open()
      yield* append(incomings(1, 2600))
      const gone = yield* replicas.use(selection(), { ...look, isWanted: () => seen.reads < 3 })
      assert.deepStrictEqual([gone, seen.reads], [undefined, 3])
      yield* replicas.use(selection(), look)
      assert.deepStrictEqual([seen.reads, seen.ids], [6, 2600])
    })
  )

  test(
    "a set that is not new enough is read on",
    Effect.gen(function*() {
      const { replicas } = yield* start()
      yield* open()
      yield* append([incoming(1)])
      const seen: Array<number> = []
      const waiting = yield* Effect.forkChild(replicas.use(selection(), {
        ...look,
        isCurrent: ({ position }) => seen.push(position) > 0 && position === 2
      }))
      yield* append([incoming(2)])
      const found = yield* Fiber.join(waiting)
      assert.deepStrictEqual(found?.positions, [1, 2])
      assert.strictEqual(seen.at(-1), 2)
    })
  )

  test(
    "the set that was used longest ago goes when there is no room, never one that is in use",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start({ bytesMax: 220_000 })
      for (const route of range(1, 5)) {
        yield* open(route)
        yield* append(incomings(1, 10), { route })
      }
      const ids = Effect.fnUntraced(function*(route: number) {
        const before = seen.ids
        yield* replicas.use(selection({ route }), look)
        assert.isAtMost(replicas.bytes, 220_000)
        return seen.ids - before
      })
      assert.deepStrictEqual(yield* Effect.forEach([1, 2, 3, 1, 4, 1, 3, 2, 1], ids), [10, 10, 10, 0, 10, 0, 0, 10, 0])
      assert.strictEqual(seen.kept, replicas.bytes)
    })
  )

  test(
    "one that alone has no room is refused and leaves nothing",
    Effect.gen(function*() {
      const { replicas } = yield* start({ bytesMax: 150_000 })
      yield* open(1)
      yield* open(2)
      yield* append(incomings(1, 3000))
      yield* append(incomings(1, 10), { route: 2 })
      assert.strictEqual((yield* Effect.flip(replicas.use(selection(), look)))._tag, "Overloaded")
      assert.strictEqual(replicas.bytes, 0)
      assert.strictEqual((yield* replicas.use(selection({ route: 2 }), look))?.count, 10)
    })
  )

  test(
    "of one route, sets of two keys stay",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      yield* open(1)
      yield* open(2)
      yield* append(incomings(1, 10))
      yield* append(incomings(1, 10), { route: 2 })
      const ids = Effect.fnUntraced(function*(key: number, route = 1) {
        const before = seen.ids
        yield* replicas.use(selection({ key, route }), look)
        return seen.ids - before
      })
      assert.deepStrictEqual(yield* ids(9, 2), 10)
      assert.deepStrictEqual(yield* Effect.forEach([1, 2, 1, 3, 1, 3, 2, 3], (key) => ids(key)), [
        10,
        10,
        0,
        10,
        0,
        0,
        10,
        0
      ])
      assert.deepStrictEqual(yield* ids(9, 2), 0)
    })
  )

  test(
    "one number of a key with other bytes, and one key with another number, are other keys",
    Effect.gen(function*() {
      const { replicas } = yield* start()
      yield* open()
      yield* append([incoming(1)])
      const short = always(({ set }) => ReconcileSet.shortOf(set, incoming(1).id).join())
      const a = yield* replicas.use(selection({ key: 1 }), short)
      const b = yield* replicas.use(selection({ key: 2 }), short)
      assert.notStrictEqual(a, b)
      const epoch = always(({ set }) => set.keyEpoch)
      assert.strictEqual(yield* replicas.use({ ...selection({ key: 1 }), keyEpoch: 7 }, epoch), 7)
    })
  )

  test(
    "lanes are a set, however they are named",
    Effect.gen(function*() {
      const { replicas, seen } = yield* start()
      yield* open()
      yield* append(range(1, 12).map((n) => incoming(n, { lane: n % 3 })))
      for (const lanes of [[1, 2], [2, 1], [2, 1, 2]]) yield* replicas.use(selection({ lanes }), look)
      assert.deepStrictEqual([seen.reads, seen.ids], [3, 8])
    })
  )

  test(
    "a route of which a million ids were read reads slowly from then on, and others do not",
    Effect.gen(function*() {
      const { replicas } = yield* start()
      yield* open(1)
      yield* open(2)
      yield* append(incomings(1, 600))
      yield* append(incomings(1, 600), { route: 2 })
      const now = yield* Clock.currentTimeMillis
      for (let page = 0; page < 2000; page++) assert.strictEqual(replicas.pages.take(hex(1), now), 0)
      const slow = yield* Effect.forkChild(replicas.use(selection(), look))
      assert.strictEqual((yield* replicas.use(selection({ route: 2 }), look))?.count, 600)
      yield* TestClock.adjust(19)
      assert.isUndefined(slow.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(slow))?.count, 600)
    })
  )

  test(
    "a route that is not there is unknown, and nothing of it stays",
    Effect.gen(function*() {
      const { replicas } = yield* start()
      assert.strictEqual((yield* Effect.flip(replicas.use(selection(), look)))._tag, "UnknownRoute")
      assert.strictEqual(replicas.bytes, 0)
    })
  )

  it.effect("after any writes and deletions it is the set of what is stored, and knows the places", () =>
    Effect.gen(function*() {
      const step = fc.record({
        push: fc.array(fc.nat({ max: 60 }), { maxLength: 12 }),
        prune: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(fc.nat({ max: 60 }), { maxLength: 5 }))
      })
      const runs = fc.sample(fc.array(step, { minLength: 3, maxLength: 12 }), { numRuns: 60, seed: 20_261_127 })
      for (const steps of runs) {
        yield* Effect.provideService(followed(steps), RelayStore, MemoryRelayStore.make({ sha256 }))
      }
    }))
})

const hex = (route: number): string => Array.from(routeOf(route), (byte) => byte.toString(16).padStart(2, "0")).join("")

const followed = Effect.fnUntraced(function*(
  steps: ReadonlyArray<{ readonly push: ReadonlyArray<number>; readonly prune: ReadonlyArray<number> }>
) {
  const { replicas } = yield* start()
  const store = yield* RelayStore
  yield* open()
  for (const { prune: gone, push } of steps) {
    yield* append(push.map((n) => incoming(n, { lane: n % 2 })))
    yield* prune(gone.map((n) => incoming(n)))
    for (const which of [selection(), selection({ lanes: [1] })]) {
      const { ids } = yield* store.ids({ ...which, after: position(0), limit: 1000 })
      const seen = yield* replicas.use(
        which,
        always((replica) => ({
          root: ReconcileSet.root(replica.set),
          places: positionsOf(replica, ids.map(({ id }) => id).reverse())
        }))
      )
      assert.deepStrictEqual(seen, {
        root: fresh(which, ids.map(({ id }) => id)).root,
        places: ids.map(({ position }) => position)
      })
    }
  }
})
