import { assert, describe, it } from "@effect/vitest"
import { Ordinal } from "@sotto/core/log/Cursor"
import type { KnownRow } from "@sotto/core/log/Ledger"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as SpaceState from "@sotto/core/space/SpaceState"
import type { Write } from "@sotto/core/Store"
import { EnvelopeId, Epoch } from "@sotto/schema/Id"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import * as IdBench from "../kit/idBench.ts"
import { rekeyed } from "../kit/pen.ts"
import { flipped } from "../kit/verifyScene.ts"
import type { Fault } from "../kit/World.ts"
import { idsFrom, setOf, stateOf } from "../reconcile/kit.ts"

const POOL = idsFrom(5, 6000).map((bytes) => EnvelopeId.make(bytes))
const idAt = (i: number): EnvelopeId => POOL[i % POOL.length] ?? EnvelopeId.make(new Uint8Array(32))

const ROWS: ReadonlyArray<KnownRow | null> = [
  { _tag: "Accepted", ordinal: Ordinal.make(1) },
  { _tag: "Waiting" },
  { _tag: "Refused" },
  null
]
const [ACCEPTED = null] = ROWS
const said = (from: number, count: number, row: KnownRow | null = ACCEPTED): ReadonlyArray<IdBench.Said> =>
  Array.from({ length: count }, (_, i) => [idAt(from + i), row])

/** Whose key short ids have. */
const FIRST = Epoch.make(1)

/** Tables of the snapshot: its state, its parts, the changes after it. */
const STATE = 18
const PART = 19
const CHANGE = 20

const rowsOf = (bench: IdBench.IdBench, table: number) =>
  Effect.orDie(bench.rows.scan({ from: Uint8Array.of(table), to: Uint8Array.of(table + 1), limit: 10_000 }))

/** What a scan finds is there. */
const checkIds = Effect.fnUntraced(function*(bench: IdBench.IdBench, place: string) {
  const sets = yield* bench.current
  assert.deepStrictEqual(IdBench.membersOf(sets), yield* IdBench.saidOf(bench), place)
  return sets
})

/** What a scan finds is there, and everything beside the ids fits them. */
const check = Effect.fnUntraced(function*(bench: IdBench.IdBench, place: string) {
  const sets = yield* checkIds(bench, place)
  const { keys } = bench.journal().books().state
  for (const set of [sets.kept, sets.refused]) {
    // A set that was larger keeps the cells that it had then.
    const options = { key: keys.shortIdKey(FIRST), keyEpoch: FIRST, expected: 4 << set.sketch.scale }
    assert.deepStrictEqual(stateOf(set), stateOf(setOf(ReconcileSet.ids(set), options)), place)
  }
})

type Act =
  | { readonly _tag: "Say"; readonly from: number; readonly count: number; readonly row: number }
  | { readonly _tag: "Compare" | "Save" | "Reopen" }
  | { readonly _tag: "Fail"; readonly kind: "fail-before" | "fail-after" }
  | { readonly _tag: "Damage"; readonly table: number; readonly row: number; readonly at: number }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Say" as const),
      from: fc.nat(60),
      count: fc.constantFrom(1, 2, 7, 30),
      row: fc.nat(ROWS.length - 1)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ _tag: fc.constantFrom("Compare" as const, "Save" as const, "Reopen" as const) })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Fail" as const),
      kind: fc.constantFrom("fail-before" as const, "fail-after" as const)
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Damage" as const),
      table: fc.constantFrom(STATE, PART, CHANGE),
      row: fc.nat(20),
      at: fc.nat()
    })
  }
)

const perform = Effect.fnUntraced(function*(bench: IdBench.IdBench, act: Act) {
  switch (act._tag) {
    case "Say":
      return yield* Effect.ignore(bench.say(said(act.from, act.count, ROWS[act.row])))
    case "Compare":
      return yield* Effect.ignore(bench.current)
    case "Save":
      // A set that is not here is not saved.
      return yield* Effect.ignore(Effect.andThen(bench.current, bench.save))
    case "Reopen":
      return yield* bench.reopen
    case "Fail": {
      const next = bench.commits() + 1
      return bench.fault((commit) => commit === next ? act.kind : "ok")
    }
    case "Damage": {
      const rows = yield* rowsOf(bench, act.table)
      const row = rows[act.row % rows.length]
      if (row === undefined) return
      yield* bench.rows.commit([{ key: row.key, value: flipped(row.value, act.at % row.value.length) }])
      return yield* bench.reopen
    }
  }
})

describe("the sets of ids of a device", () => {
  it.effect("are opened from their snapshot and the changes after it, without reading everything that is known", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("opened")
      yield* bench.say(said(0, 2500))
      yield* bench.say(said(2500, 40, { _tag: "Refused" }))
      yield* bench.current
      yield* bench.save
      yield* bench.say(said(100, 30, null))
      yield* bench.say(said(2510, 10))
      yield* bench.reopen
      yield* bench.say(said(2600, 5, { _tag: "Waiting" }))
      const before = bench.scans()
      yield* check(bench, "opened")
      assert.strictEqual(bench.scans(), before)
    }))

  it.effect(
    "are what a scan finds, whatever happened, and whatever was damaged of the snapshot",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(act, { maxLength: 40 }), (acts) =>
            Effect.runPromise(Effect.gen(function*() {
              const bench = yield* IdBench.make("random")
              for (const one of acts) yield* perform(bench, one)
              bench.fault(() => "ok")
              yield* check(bench, "the same process")
              yield* bench.reopen
              yield* check(bench, "a later one")
            }))),
          { numRuns: 50 }
        )
      ),
    30_000
  )

  it.effect(
    "are what a scan finds after a process ended, or its storage failed, at any commit",
    () =>
      Effect.gen(function*() {
        const kinds: ReadonlyArray<Exclude<ReturnType<Fault>, "ok">> = [
          "fail-before",
          "fail-after",
          "die-before",
          "die-after"
        ]
        /** Two snapshots of one generation, the second of which fills a page, and changes that go on. */
        const scenario = Effect.fnUntraced(function*(bench: IdBench.IdBench) {
          const steps = [
            bench.say(said(0, 1000)),
            Effect.andThen(bench.current, bench.save),
            bench.say(said(1000, 60)),
            bench.say(said(40, 30, null)),
            bench.say(said(70, 5, { _tag: "Refused" })),
            Effect.andThen(bench.current, bench.save),
            bench.say(said(50, 3)),
            bench.say(said(1100, 3, { _tag: "Waiting" })),
            Effect.andThen(bench.reopen, bench.current),
            bench.say(said(1200, 200)),
            bench.save
          ]
          for (const one of steps) yield* Effect.ignore(one)
        })
        for (const kind of kinds) {
          for (let at = 1;; at++) {
            const bench = yield* IdBench.make("crash")
            let hit = false
            bench.fault((commit) => {
              if (commit !== at) return "ok"
              hit = true
              return kind
            })
            const exit = yield* Effect.exit(scenario(bench))
            if (Exit.isFailure(exit)) assert.include(Cause.pretty(exit.cause), IdBench.GONE)
            bench.fault(() => "ok")
            if (Exit.isSuccess(exit)) yield* checkIds(bench, `${kind} at commit ${at}, the same process`)
            yield* bench.reopen
            yield* bench.say(said(1300, 2))
            yield* checkIds(bench, `${kind} at commit ${at}, a later process`)
            yield* bench.save
            yield* bench.reopen
            yield* check(bench, `${kind} at commit ${at}, saved again`)
            if (!hit) {
              assert.isAbove(at, 12)
              break
            }
          }
        }
      }),
    60_000
  )

  it.effect("are built anew from a damaged snapshot, wherever it is damaged", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("damaged")
      yield* bench.say(said(0, 1030))
      yield* bench.say(said(1030, 10, { _tag: "Refused" }))
      yield* bench.current
      yield* bench.save
      for (let i = 0; i < 3; i++) yield* bench.say(said(1030 + i, 2))
      const damages = (yield* Effect.forEach([STATE, PART, CHANGE], (table) => rowsOf(bench, table))).flat()
      assert.lengthOf(damages, 1 + 5 + 3)
      for (const [row, { key, value }] of damages.entries()) {
        // The last change that is gone is as if it had not been; every other damage shows.
        const isLast = row === damages.length - 1
        const places = [0, 9, value.length >> 1, value.length - 1]
        const writes = places.map((at): Write => ({ key, value: flipped(value, at) }))
        for (const write of isLast ? writes : [{ key }, ...writes]) {
          yield* bench.rows.commit([write])
          yield* bench.reopen
          yield* check(bench, `row ${row}`)
          yield* bench.rows.commit(damages)
        }
      }
    }))

  it.effect("stay what they are in a new epoch, in this process and in a later one", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("epoch")
      yield* bench.say(said(0, 2000))
      const sets = yield* bench.current
      yield* bench.save
      const { state: next } = rekeyed(bench.space.crypto, bench.space)
      assert.strictEqual(SpaceState.currentEpoch(next).epoch, 2)
      yield* bench.setState(next)
      const [scans, commits] = [bench.scans(), bench.commits()]
      assert.strictEqual(yield* bench.current, sets)
      yield* bench.save
      assert.strictEqual(bench.commits(), commits)
      yield* bench.say(said(2000, 3))
      yield* check(bench, "the same process")
      yield* bench.reopen
      assert.strictEqual(SpaceState.currentEpoch(bench.journal().books().state).epoch, 2)
      yield* check(bench, "a later one")
      assert.strictEqual(bench.scans(), scans)
    }))

  it.effect("leave nothing behind of older snapshots", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("left")
      yield* bench.say(said(0, 5500))
      yield* bench.current
      yield* bench.save
      const before = yield* rowsOf(bench, PART)
      for (let i = 0; i < 10; i++) yield* bench.say(said(5500 + i, 1))
      assert.lengthOf(yield* rowsOf(bench, CHANGE), 10)
      // So many removals make another index, whose pages are a generation of their own.
      yield* bench.say(said(0, 5450, null))
      yield* bench.save
      assert.lengthOf(yield* rowsOf(bench, CHANGE), 0)
      const after = yield* rowsOf(bench, PART)
      assert.isBelow(after.length, before.length)
      assert.isTrue(after.every(({ key }) => key[4] === 2))
      yield* bench.reopen
      const scans = bench.scans()
      yield* check(bench, "another generation")
      assert.strictEqual(bench.scans(), scans)
    }))

  it.effect("write a full page once, and a snapshot only when enough has changed", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("once")
      yield* bench.say(said(0, 5000))
      yield* bench.current
      yield* bench.save
      yield* bench.reopen
      yield* bench.current
      const commits = bench.commits()
      yield* bench.save
      assert.strictEqual(bench.commits(), commits)
      yield* bench.say(said(5000, 600))
      yield* bench.save
      // The changes, the page that is full now, the state with the page that is not, and the rows of changes.
      assert.strictEqual(bench.commits(), commits + 4)
    }))

  it.effect("do without rows of changes once these cost more than building", () =>
    Effect.gen(function*() {
      const bench = yield* IdBench.make("many")
      yield* bench.say(said(0, 10))
      yield* bench.current
      yield* bench.save
      yield* bench.reopen
      for (let i = 0; i < 30; i++) yield* bench.say(said(100 + i, 1))
      assert.lengthOf(yield* rowsOf(bench, STATE), 0)
      assert.lengthOf(yield* rowsOf(bench, CHANGE), 10)
      yield* check(bench, "built")
      yield* bench.save
      yield* bench.reopen
      const scans = bench.scans()
      yield* check(bench, "opened")
      assert.strictEqual(bench.scans(), scans)
    }))
})
