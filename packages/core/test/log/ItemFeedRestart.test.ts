/** Items are kept: they go on from where they were, and are built again only when they do not read. */
import { assert, describe, it } from "@effect/vitest"
import { TABLE } from "@sotto/core/item/durable/Layout"
import { Ordinal } from "@sotto/core/log/Cursor"
import * as Ledger from "@sotto/core/log/Ledger"
import type { Store } from "@sotto/core/Store"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { feedOf, notes, removal, shownBy } from "../kit/feedBench.ts"
import * as JournalBench from "../kit/journalBench.ts"
import { hand } from "../kit/pen.ts"
import { control, join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import * as World from "../kit/World.ts"

const scanned = (store: Store["Service"], table: number) =>
  Effect.orDie(store.scan({ from: Uint8Array.of(table), to: Uint8Array.of(table + 1), limit: 10_000 }))

/** What the items of one process show. */
const shownOnce = (bench: JournalBench.Bench) => Effect.scoped(Effect.flatMap(feedOf(bench), shownBy))

const withdrawn = ({ store }: JournalBench.Bench) => Effect.orDie(Ledger.withdrawn.scan(store, { limit: 9 }))

/** Lines of the log that say that items are built again. */
const logged = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const answer = yield* Effect.provide(
    effect,
    Logger.layer([Logger.map(Logger.formatSimple, (line) => {
      lines.push(line)
    })])
  )
  return { answer, lines: lines.filter((line) => line.includes("built again")) }
})

/** Rows that do not read, in place of those of some tables. */
const spoil = ({ store }: JournalBench.Bench, ...tables: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    const rows = (yield* Effect.forEach(tables, (table) => scanned(store, table))).flat()
    assert.isAbove(rows.length, 0)
    yield* Effect.orDie(store.commit(rows.map(({ key }) => ({ key, value: new Uint8Array(64) }))))
  })

describe("items after a restart", () => {
  it.effect("go on from where they were: what was taken in is not read again", () =>
    Effect.gen(function*() {
      const { added, bench, onTop, one, two } = yield* removal("goes on")
      yield* bench.accept(bench.relay.place(added, one, two))
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=2"])
      const [first] = yield* Effect.orDie(Ledger.entry.scan(bench.store, { after: Ordinal.make(1), limit: 1 }))
      if (first === undefined) return yield* Effect.die("no entry")
      const unreadable = Ledger.entry.put(first.key, { ...first.row, envelope: new Uint8Array(9) })
      yield* Effect.orDie(bench.store.commit([unreadable]))
      yield* bench.reopen
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=2"])
      yield* bench.accept(bench.relay.place(onTop))
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=3"])
    }))

  it.effect("lose what left the log while they did not run", () =>
    Effect.gen(function*() {
      const { added, bench, one, removed, two } = yield* removal("left meanwhile")
      yield* bench.accept(bench.relay.place(added, one, two))
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=2"])
      yield* bench.reopen
      yield* bench.accept(bench.relay.place(removed))
      assert.lengthOf(yield* withdrawn(bench), 1)
      yield* bench.reopen
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=1"])
      assert.lengthOf(yield* withdrawn(bench), 0)
    }))

  it.effect("take no note of what left the log before they began", () =>
    Effect.gen(function*() {
      const { added, bench, one, removed, two } = yield* removal("left before")
      yield* bench.accept(bench.relay.place(added, one, two, removed))
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=1"])
      assert.lengthOf(yield* withdrawn(bench), 0)
    }))

  it.effect("wait for a parent that has not come yet, and show when it does", () =>
    Effect.gen(function*() {
      const { added, bench, onTop, one, two } = yield* removal("waits on")
      const first = bench.relay.place(added, one, onTop)
      const rest = bench.relay.place(two)
      yield* bench.accept(first, false)
      yield* bench.note(bench.relay.head())
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=1"])
      yield* bench.reopen
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=1"])
      yield* bench.accept(rest)
      yield* bench.reopen
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=3"])
    }))
})

describe("items that do not read", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
    ["the layout", [TABLE.layout]],
    ["the state", [TABLE.state]],
    ["rows", [TABLE.entry, TABLE.item, TABLE.op, TABLE.node]]
  ]
  for (const [what, tables] of cases) {
    it.effect(`are built again from the log, with a line in the log: ${what}`, () =>
      Effect.gen(function*() {
        const { added, bench, one, two } = yield* removal(`damaged: ${what}`)
        yield* bench.accept(bench.relay.place(added, one, two))
        assert.deepStrictEqual(yield* shownOnce(bench), ["k=2"])
        yield* spoil(bench, ...tables)
        const again = yield* logged(shownOnce(bench))
        assert.deepStrictEqual([again.answer, again.lines.length], [["k=2"], 1])
        const kept = yield* logged(shownOnce(bench))
        assert.deepStrictEqual([kept.answer, kept.lines.length], [["k=2"], 0])
      }))
  }

  it.effect("because they are ahead of the log are built again", () =>
    Effect.gen(function*() {
      const { added, bench, one, two } = yield* removal("ahead")
      yield* bench.accept(bench.relay.place(added, one))
      const before = yield* Effect.orDie(Ledger.meta.get(bench.store, ""))
      yield* bench.accept(bench.relay.place(two))
      assert.deepStrictEqual(yield* shownOnce(bench), ["k=2"])
      if (before === undefined) return yield* Effect.die("no meta")
      const last = Ordinal.make(before.ordinal + 1)
      yield* Effect.orDie(bench.store.commit([Ledger.meta.put("", before), Ledger.entry.remove(last)]))
      yield* bench.reopen
      const { answer, lines } = yield* logged(shownOnce(bench))
      assert.deepStrictEqual([answer, lines.length], [["k=1"], 1])
    }))

  it.effect("while they are asked: questions wait, and who watches sees nothing less", () =>
    Effect.gen(function*() {
      const { added, bench, onTop, one, two } = yield* removal("meanwhile")
      yield* bench.accept(bench.relay.place(added, one, two))
      const seen: Array<number> = []
      const { lines } = yield* logged(Effect.gen(function*() {
        const feed = yield* feedOf(bench)
        assert.deepStrictEqual(yield* shownBy(feed), ["k=2"])
        const watching = yield* Effect.forkScoped(
          Stream.runForEach(feed.items.watchList(notes), (lines) => Effect.sync(() => seen.push(lines.length)))
        )
        yield* World.settle
        yield* spoil(bench, TABLE.item, TABLE.entry)
        yield* bench.accept(bench.relay.place(onTop))
        const answers = yield* Effect.forEach([1, 2, 3], () => feed.items.list(notes), { concurrency: "unbounded" })
        assert.deepStrictEqual(answers.map(({ length }) => length), [1, 1, 1])
        assert.deepStrictEqual(yield* shownBy(feed), ["k=3"])
        yield* World.settle
        yield* Fiber.interrupt(watching)
      }))
      assert.lengthOf(lines, 1)
      assert.isTrue(seen.length > 1 && seen.every((length) => length === 1), seen.join())
    }))

  it.effect("however often they are built are a failure of storage", () =>
    Effect.gen(function*() {
      const { added, bench, one, two } = yield* removal("again and again")
      yield* bench.accept(bench.relay.place(added, one, two))
      const rotten: Store["Service"] = {
        ...bench.store,
        getMany: (keys) =>
          Effect.map(bench.store.getMany(keys), (values) =>
            values.map((value, at) =>
              value !== undefined && keys[at]?.[0] === TABLE.item ? new Uint8Array(64) : value
            ))
      }
      const feed = yield* feedOf(bench, rotten)
      const failure = yield* Effect.flip(shownBy(feed))
      assert.deepInclude(failure, { _tag: "StoreFailed", reason: "corrupt" })
    }))
})

describe("items of a long log", () => {
  it.effect("are taken in by the bytes that a commit may have, and by entries", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(NOW)
      const space = makeSpace("long")
      const { crypto } = space
      const { guest, host } = join(crypto, space, "guest", ROLE.admin)
      const late = join(crypto, host, "late", ROLE.write)
      const pen = hand(crypto, host.state, host.identity)
      const added = pen.seal({ ops: [control(late.op)] }).bytes
      const { seal } = hand(crypto, late.guest.state, late.guest.identity)
      const large = "x".repeat(60_000)
      const all = Array.from({ length: 150 }, (_, at) => seal({ ops: [put("a", `k${at}`, large)] }).bytes)
      const bench = yield* JournalBench.make(crypto, guest)
      yield* bench.accept(bench.relay.place(added, ...all))
      const counts: Array<number> = []
      const counting: Store["Service"] = {
        ...bench.store,
        commit: (writes) => {
          counts.push(writes.filter(({ key }) => key[0] === TABLE.entry).length)
          return bench.store.commit(writes)
        }
      }
      assert.lengthOf(yield* shownBy(yield* feedOf(bench, counting)), all.length)
      const [most = 0] = counts.toSorted((a, b) => b - a)
      assert.isAtMost(most, 128)
      assert.strictEqual(counts.reduce((a, b) => a + b, 0), all.length + 1)
    }))
})
