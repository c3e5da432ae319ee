/** Sets of ids that a relay saves beside its logs: whatever happens, what is opened is what would be read. */
import { assert, it } from "@effect/vitest"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as PlacedSet from "@sotto/core/relay/PlacedSet"
import { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import { Replicas } from "@sotto/core/relay/Replicas"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { ack, append, ids, incoming, NOW, open, prune, range, routeOf, sweep } from "./operations.ts"

type Store = RelayStore["Service"]

/** What becomes of a write beside the log: it does not happen or does, and is then known as failed, or the process ends. */
type Verdict = "ok" | "fail-before" | "fail-after" | "die-before" | "die-after"

const GONE = "the process is gone"
const ROUTE = routeOf(1)
/** From so few ids on a set is saved. */
const SAVED_MIN = 8

/** A relay's storage, and one process after the other over it. */
interface Bench {
  readonly reopen: () => void
  /** The n-th write beside the log from now on, from 1. */
  readonly fault: (verdict: (write: number) => Verdict) => void
  readonly writes: () => number
  /** Ids that were read, and sets that were looked through for what went. */
  readonly seen: { ids: number; places: number; saved: number }
  readonly see: (key?: number) => Effect.Effect<Seen, unknown>
  /** Has what is due saved, some time later. */
  readonly save: Effect.Effect<void, unknown>
}

interface Seen {
  readonly root: Uint8Array
  readonly positions: ReadonlyArray<number>
}

const selection = (key = 0) => ({ route: ROUTE, lanes: [], key: new Uint8Array(16).fill(key), keyEpoch: 1 })

const makeBench = (store: Store): Bench => {
  let [now, writes] = [NOW, 0]
  let verdict: (write: number) => Verdict = () => "ok"
  const seen = { ids: 0, places: 0, saved: 0 }
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => now,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
    monotonicTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
    sleep: () => Effect.yieldNow
  }
  const replicasOf = (process: { dead: boolean }) => {
    const alive = <A, E>(use: Effect.Effect<A, E>) => Effect.suspend(() => process.dead ? Effect.die(GONE) : use)
    const failed = new RelayStoreFailed({ reason: "unavailable", operation: "aside", detail: "as the test wants" })
    return new Replicas({
      store: {
        ids: (page) => alive(store.ids(page)),
        places: (asked) => {
          seen.places++
          return alive(store.places(asked))
        },
        aside: {
          get: (row) => alive(store.aside.get(row)),
          keys: (page) => alive(store.aside.keys(page)),
          write: (write) =>
            alive(Effect.suspend(() => {
              const now = verdict(++writes)
              if (now === "ok") return store.aside.write(write)
              const done = now.endsWith("after") ? store.aside.write(write) : Effect.void
              process.dead = now.startsWith("die")
              return Effect.andThen(done, process.dead ? Effect.die(GONE) : Effect.fail(failed))
            }))
        }
      },
      clock,
      metrics: {
        reconcileIds: (ids) => {
          seen.ids += ids
        },
        reconcileSets: () => {},
        reconcileSaved: (bytes) => {
          seen.saved += bytes
        }
      },
      bytesMax: 2 ** 30,
      savedIdsMin: SAVED_MIN
    })
  }
  let replicas = replicasOf({ dead: false })
  const see = (key = 0) =>
    Effect.provideService(
      replicas.use(selection(key), {
        isWanted: () => true,
        isCurrent: () => true,
        take: (replica): Seen => ({
          root: ReconcileSet.root(replica.set),
          positions: PlacedSet.positionsOf(replica, Array.from(ReconcileSet.ids(replica.set))).map(Number)
        })
      }),
      Clock.Clock,
      clock
    ).pipe(Effect.flatMap((found) => found === undefined ? Effect.die("nobody wanted it") : Effect.succeed(found)))
  return {
    reopen: () => {
      replicas = replicasOf({ dead: false })
    },
    fault: (next) => {
      verdict = next
      writes = 0
    },
    writes: () => writes,
    seen,
    see: (key) => Effect.suspend(() => see(key)),
    save: Effect.suspend(() => {
      now += 600_000
      return Effect.andThen(see(), Effect.provideService(replicas.saver.saveDue, Clock.Clock, clock))
    })
  }
}

/** What is stored is what is compared. */
const check = Effect.fnUntraced(function*(bench: Bench, place: string, key = 0) {
  const page = yield* ids(0, { limit: 100_000 })
  const set = ReconcileSet.make(selection(key))
  for (const { id } of page.ids) ReconcileSet.insert(set, id)
  assert.deepStrictEqual(yield* bench.see(key), {
    root: ReconcileSet.root(set),
    positions: page.ids.map(({ position }) => Number(position))
  }, place)
})

const push = (from: number, count: number) => append(range(from, from + count - 1).map((n) => incoming(n)))
const gone = (from: number, count: number) => prune(range(from, from + count - 1).map((n) => incoming(n)))
/** So that what was deleted may be stored again, at another place. */
const forgetAll = sweep({ knownSince: NOW + 1 })

const rowKeys = RelayStore.use(({ aside }) => aside.keys({ route: ROUTE, after: undefined, limit: 10_000 }))
const rows = Effect.gen(function*() {
  const { aside } = yield* RelayStore
  return yield* Effect.forEach(
    yield* rowKeys,
    (key) => Effect.map(aside.get({ key, route: ROUTE }), (value = new Uint8Array(0)) => ({ key, value }))
  )
})
const put = (writes: ReadonlyArray<{ readonly key: Uint8Array; readonly value?: Uint8Array }>) =>
  RelayStore.use(({ aside }) => aside.write({ route: ROUTE, writes }))

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => i === at ? byte ^ 1 : byte)

type Act =
  | { readonly _tag: "Push" | "Prune"; readonly from: number; readonly count: number }
  | { readonly _tag: "Acknowledge"; readonly through: number }
  | { readonly _tag: "Forget" | "Save" | "Reopen" }
  | { readonly _tag: "Compare"; readonly key: number }
  | { readonly _tag: "End"; readonly write: number; readonly verdict: Verdict }
  | { readonly _tag: "Damage"; readonly row: number; readonly at: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      _tag: fc.constant("Push" as const),
      from: fc.nat(60),
      count: fc.constantFrom(1, 2, 7, 30, 30, 1100)
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Prune" as const),
      from: fc.nat(60),
      count: fc.constantFrom(1, 3, 20, 600)
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Acknowledge" as const), through: fc.nat(100) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      _tag: fc.constantFrom("Forget" as const, "Save" as const, "Reopen" as const)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constant("Compare" as const), key: fc.constantFrom(0, 0, 7) })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("End" as const),
      write: fc.integer({ min: 1, max: 7 }),
      verdict: fc.constantFrom<Verdict>("fail-before", "fail-after", "die-before", "die-after")
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Damage" as const), row: fc.nat(10), at: fc.nat() }) }
)

const perform = Effect.fnUntraced(function*(bench: Bench, act: Act) {
  switch (act._tag) {
    case "Push":
      return yield* push(act.from, act.count)
    case "Prune":
      return yield* gone(act.from, act.count)
    case "Acknowledge":
      yield* ack(1, act.through)
      return yield* sweep()
    case "Forget":
      return yield* forgetAll
    case "Compare":
      return yield* check(bench, "compared", act.key)
    case "Save":
      return yield* bench.save
    case "Reopen":
      return bench.reopen()
    case "End": {
      bench.fault((write) => write === act.write ? act.verdict : "ok")
      const exit = yield* Effect.exit(bench.save)
      if (Exit.isFailure(exit)) bench.reopen()
      return bench.fault(() => "ok")
    }
    case "Damage": {
      const all = yield* rows
      const row = all[act.row % Math.max(1, all.length)]
      if (row === undefined) return
      yield* put([{ key: row.key, value: flipped(row.value, act.at % row.value.length) }])
      return bench.reopen()
    }
  }
})

export const savedSets = (reopen: () => () => Layer.Layer<RelayStore, unknown>) => {
  const test = (title: string, body: (store: Store) => Effect.Effect<void, unknown, RelayStore>, timeout = 30_000) =>
    it.effect(title, () => Effect.provide(RelayStore.use(body), reopen()(), { local: true }), timeout)

  test("they are opened after a restart, and what came and went since is found", (store) =>
    Effect.gen(function*() {
      const bench = makeBench(store)
      yield* open()
      yield* push(1, 2500)
      yield* gone(100, 5)
      yield* bench.save
      assert.isAbove(bench.seen.saved, 2495 * 48)
      yield* gone(5, 30)
      yield* gone(2200, 1)
      yield* forgetAll
      yield* push(1, 10)
      yield* push(3000, 20)
      bench.reopen()
      Object.assign(bench.seen, { ids: 0, places: 0 })
      yield* check(bench, "opened")
      assert.deepStrictEqual(bench.seen.ids, 6 + 20)
      assert.strictEqual(bench.seen.places, 1)
      bench.reopen()
      yield* check(bench, "another key is read", 3)
    }))

  test("a set in memory takes deletions in without being read anew, until most of it is gone", (store) =>
    Effect.gen(function*() {
      const bench = makeBench(store)
      yield* open()
      yield* push(1, 17_000)
      yield* check(bench, "read")
      assert.strictEqual(bench.seen.ids, 17_000)
      yield* gone(1, 8000)
      yield* bench.save
      yield* check(bench, "less")
      // Ranges of 1,024 rows, 16 in a step.
      assert.deepStrictEqual([bench.seen.ids, bench.seen.places], [17_000, 2])
      // From here on there are so many rows of removed ids that the index is closed up.
      yield* gone(8001, 4000)
      yield* push(30_000, 5)
      yield* check(bench, "closed up")
      assert.deepStrictEqual([bench.seen.ids, bench.seen.places], [17_005, 4])
      yield* bench.save
      yield* gone(16_000, 1)
      bench.reopen()
      yield* check(bench, "opened")
      assert.strictEqual(bench.seen.ids, 17_005)
      yield* gone(12_001, 4990)
      yield* check(bench, "read anew")
      assert.strictEqual(bench.seen.ids, 17_005 + 15)
    }))

  test("random histories, ends and damages", (store) =>
    Effect.gen(function*() {
      const samples = fc.sample(fc.array(act, { minLength: 5, maxLength: 30 }), { numRuns: 40, seed: 20_261_128 })
      yield* open()
      for (const acts of samples) {
        const bench = makeBench(store)
        for (const one of acts) yield* perform(bench, one)
        yield* check(bench, `the same process: ${JSON.stringify(acts)}`)
        bench.reopen()
        yield* check(bench, `a later one: ${JSON.stringify(acts)}`)
      }
    }), 60_000)

  test(
    "a process that ends, or storage that fails, at any write leaves a set that is right or read",
    (store) =>
      Effect.gen(function*() {
        yield* open()
        let id = 1
        for (const verdict of ["fail-before", "fail-after", "die-before", "die-after"] as const) {
          for (let at = 1;; at++) {
            const bench = makeBench(store)
            yield* push(id, 1000)
            yield* bench.save
            yield* push(id + 1000, 60)
            yield* gone(id + 3, 40)
            bench.fault((write) => write === at ? verdict : "ok")
            const exit = yield* Effect.exit(bench.save)
            const wasHit = bench.writes() >= at
            bench.fault(() => "ok")
            if (Exit.isFailure(exit)) bench.reopen()
            yield* check(bench, `${verdict} at write ${at}`)
            bench.reopen()
            yield* check(bench, `${verdict} at write ${at}, a later process`)
            yield* bench.save
            bench.reopen()
            const before = bench.seen.ids
            yield* check(bench, `${verdict} at write ${at}, saved again`)
            assert.strictEqual(bench.seen.ids, before)
            // Little stays, so that each round begins anew.
            yield* gone(id, 1060)
            id += 1060
            if (!wasHit) {
              assert.isAbove(at, 4)
              break
            }
          }
        }
      }),
    60_000
  )

  test("damage is noticed wherever it is, and the set is read", (store) =>
    Effect.gen(function*() {
      yield* open()
      yield* push(1, 1040)
      yield* gone(1020, 8)
      const bench = makeBench(store)
      yield* bench.save
      // One bit of the base says that nothing went since.
      yield* gone(3, 1)
      yield* push(2000, 3)
      const all = yield* rows
      assert.strictEqual(all.length, 1 + 2 + 1 + 2)
      for (const [n, { key, value }] of all.entries()) {
        // Every byte of the base; of what has a checksum, some.
        const at = value.length < 100 ? range(0, value.length - 1) : [0, 4, 13, value.length >> 1, value.length - 1]
        for (const write of [{ key }, ...at.map((at) => ({ key, value: flipped(value, at) }))]) {
          yield* put([write])
          bench.reopen()
          yield* check(bench, `row ${n}`)
          yield* put(all)
        }
      }
    }))

  test("nothing stays of older ones, nor of one that is too small by now", (store) =>
    Effect.gen(function*() {
      const bench = makeBench(store)
      yield* open()
      yield* push(1, 11_000)
      yield* bench.save
      const before = yield* rowKeys
      assert.lengthOf(before, 1 + 11 + 1 + 11)
      // Of so little the set is read anew, and its pages are a generation of their own.
      yield* gone(1, 10_000)
      yield* bench.save
      yield* bench.save
      const after = yield* rowKeys
      assert.lengthOf(after, 1 + 1 + 1 + 1)
      assert.isTrue(after.slice(1).every((key) => key[4] === 2))
      yield* push(20_000, 2000)
      yield* bench.save
      assert.lengthOf(yield* rowKeys, 1 + 3 + 1 + 3)
      bench.reopen()
      const { ids: read } = bench.seen
      yield* check(bench, "opened")
      assert.strictEqual(bench.seen.ids, read)
      yield* gone(10_001, 1000)
      yield* gone(20_000, 1995)
      yield* bench.save
      yield* bench.save
      assert.lengthOf(yield* rowKeys, 1)
      yield* push(30_000, 50)
      yield* bench.save
      bench.reopen()
      const { ids: anew } = bench.seen
      yield* check(bench, "saved again")
      assert.strictEqual(bench.seen.ids, anew)
    }))

  test("full pages are written once, and a set not for each change, nor for each key in turn", (store) =>
    Effect.gen(function*() {
      const bench = makeBench(store)
      yield* open()
      yield* push(1, 5000)
      yield* bench.save
      bench.fault(() => "ok")
      yield* push(5001, 7)
      yield* bench.save
      assert.strictEqual(bench.writes(), 0)
      yield* push(5008, 600)
      yield* bench.save
      // The page that is full now; the one that is not, its positions, the state, the base; the older state goes.
      assert.strictEqual(bench.writes(), 1 + 4 + 1)
      bench.reopen()
      const bytes = bench.seen.saved
      yield* bench.save
      assert.strictEqual(bench.seen.saved, bytes)
    }))
}
