import { assert, describe, it, layer } from "@effect/vitest"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Verify from "@sotto/core/log/Verify"
import * as Sotto from "@sotto/core/Sotto"
import type { SpaceState } from "@sotto/core/space/SpaceState"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as JournalBench from "../kit/journalBench.ts"
import { hand, removalAfter } from "../kit/pen.ts"
import { control, join, makeSpace, NOW } from "../kit/seededSpace.ts"
import { flipped, ordinalAt, positionAt, problemsOf, relayNumber, scene, there } from "../kit/verifyScene.ts"
import * as World from "../kit/World.ts"

layer(World.CryptoLive)("a store that is looked through", (it) => {
  it.effect("is sound, and is told in numbers", () =>
    Effect.gen(function*() {
      const { b } = yield* scene
      const seen: Array<Verify.Progress> = []
      const report = yield* b.run(Sotto.verify({ progress: (one) => Effect.sync(() => seen.push(one)) }))
      assert.deepStrictEqual(report.problems, [])
      assert.deepStrictEqual(report, {
        entries: 7,
        chains: 3,
        signatures: 4,
        relays: 2,
        positions: 13,
        unsent: 1,
        waiting: 0,
        refused: 0,
        gaps: 0,
        problems: [],
        found: 0
      })
      assert.isTrue(seen.every(({ of, rows }) => rows <= of))
      assert.deepStrictEqual(seen.map(({ rows }) => rows), seen.map(({ rows }) => rows).sort((x, y) => x - y))
      assert.isAbove(seen.length, 3)
    }))

  it.effect("has nothing of it changed", () =>
    Effect.gen(function*() {
      const { b } = yield* scene
      const before = yield* b.copy
      const commits = b.commits()
      yield* b.run(Sotto.verify())
      assert.deepStrictEqual(yield* b.copy, before)
      assert.strictEqual(b.commits(), commits)
    }))

  it.effect("names an author who is no member of what this device knows", () =>
    Effect.gen(function*() {
      const { b, early, world: { crypto } } = yield* scene
      const { id: device } = b.identity()
      const look = (state: SpaceState) => Verify.run({ crypto, store: b.store, device, state })
      const report = yield* look(early)
      assert.deepStrictEqual(new Set(report.problems.map(({ kind }) => kind)), new Set(["author", "signature"]))
    }))

  it.effect("keeps the first thousand problems, and counts all", () =>
    Effect.gen(function*() {
      const { b } = yield* scene
      yield* World.crowd(b, 1500)
      const report = yield* b.run(Sotto.verify())
      assert.strictEqual(report.found, 1500)
      assert.strictEqual(report.problems.length, 1000)
    }))
})

describe("a store of what came by hand", () => {
  const bench = Effect.fnUntraced(function*(seed: string) {
    yield* TestClock.setTime(NOW)
    const space = makeSpace(seed)
    const { guest, host, ...rest } = join(space.crypto, space, "guest", ROLE.admin)
    const { crypto } = space
    const books = yield* JournalBench.make(crypto, guest)
    const verify = Effect.suspend(() =>
      Verify.run({ crypto, store: books.store, state: books.journal().books().state, device: guest.identity.id })
    )
    return { crypto, guest, host, books, verify, ...rest }
  })

  it.effect("is sound with what waits and what was refused, and counts both", () =>
    Effect.gen(function*() {
      const { books, crypto, host, verify } = yield* bench("aside")
      const { seal } = hand(crypto, host.state, host.identity)
      const [one, two, three] = [seal(), seal(), seal()]
      yield* books.accept(books.relay.place(one.bytes, three.bytes, flipped(two.bytes, 200)), false)
      const report = yield* verify
      assert.deepStrictEqual(problemsOf(report), [])
      assert.deepInclude(report, { entries: 1, waiting: 1, refused: 1, positions: 3 })
    }))

  it.effect("is sound where a chain goes on above what the relay lost, and tells of the gap", () =>
    Effect.gen(function*() {
      const { books, crypto, host, verify } = yield* bench("gap")
      const { seal } = hand(crypto, host.state, host.identity)
      const [one, two, three] = [seal(), seal(), seal()]
      yield* books.accept(books.relay.place(one.bytes))
      books.relay.place(two.bytes)
      yield* books.accept(books.relay.place(three.bytes))
      const report = yield* verify
      assert.deepStrictEqual(problemsOf(report), [])
      assert.deepInclude(report, { entries: 2, gaps: 1, positions: 2 })
    }))

  it.effect("names a signature that does not hold", () =>
    Effect.gen(function*() {
      const { books, crypto, guest, host, verify } = yield* bench("forged")
      const { seal } = hand(crypto, host.state, host.identity)
      const one = seal()
      yield* books.accept(books.relay.place(one.bytes))
      // Where it stood is one that says the same, under another's signature.
      const forged = hand(crypto, host.state, host.identity).seal({ signer: guest.identity })
      assert.deepStrictEqual(forged.opened.hash, one.opened.hash)
      const row = there(yield* Ledger.entry.get(books.store, ordinalAt(1)))
      yield* books.store.commit([Ledger.entry.put(ordinalAt(1), { ...row, envelope: forged.bytes })])
      const found = (yield* verify).problems.filter(({ kind }) => kind === "signature").map(({ detail }) => detail)
      assert.deepStrictEqual(found, ["its signature does not hold", "no signature closes it, nor one after it"])
    }))

  it.effect("names what an author wrote after it was removed", () =>
    Effect.gen(function*() {
      const { books, crypto, host, verify } = yield* bench("cutoff")
      const late = join(crypto, host, "late", ROLE.write)
      const first = hand(crypto, host.state, host.identity)
      const { seal } = hand(crypto, late.guest.state, late.guest.identity)
      const added = first.seal({ ops: [control(late.op)] })
      const [one, two] = [seal(), seal()]
      const removal = first.seal({ ops: [control(removalAfter(crypto, late.host, one))] })
      yield* books.accept(books.relay.place(added.bytes, one.bytes, two.bytes, removal.bytes))
      const report = yield* verify
      assert.deepStrictEqual(problemsOf(report), [])
      assert.deepInclude(report, { entries: 3, refused: 1 })
      // A device takes such an entry out of its log by itself; put back there, it is named.
      const entry = { relay: relayNumber(0), position: positionAt(0), envelope: two.bytes }
      yield* books.store.commit([Ledger.entry.put(ordinalAt(9), entry)])
      assert.include(problemsOf(yield* verify).join(), "its author was removed before it")
    }))
})
