/** A relay that shows two histories, and a relay that contradicts its own heads, caught by what a device remembers. */
import { assert, describe, it } from "@effect/vitest"
import * as Misconduct from "@sotto/core/log/Misconduct"
import { Position, RouteId } from "@sotto/schema/Id"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as FakeRelay from "../kit/fakeRelay.ts"
import * as JournalBench from "../kit/journalBench.ts"
import { hand } from "../kit/pen.ts"
import { join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import { gapsOf } from "../kit/values.ts"

const bench = Effect.fnUntraced(function*(seed: string) {
  yield* TestClock.setTime(NOW)
  const space = makeSpace(seed)
  const { crypto } = space
  const { guest, host } = join(crypto, space, "guest", ROLE.admin)
  const b = yield* JournalBench.make(crypto, guest)
  const { seal } = hand(crypto, host.state, host.identity)
  const entry = (text: string, lastHead?: ReturnType<FakeRelay.FakeRelay["head"]>) =>
    seal({ ops: [put("a", "", text)], ...(lastHead === undefined ? {} : { lastHead }) }).bytes
  const state = () => [...b.journal().books().bookByHex.values()][0]
  return { b, crypto, entry, state }
})

describe("heads that others saw", () => {
  it.effect("that fit are passed over", () =>
    Effect.gen(function*() {
      const { b, entry, state } = yield* bench("fits")
      yield* b.accept(b.relay.place(entry("1")))
      const head = b.relay.head()
      const taken = yield* b.accept(b.relay.place(entry("2", head), entry("3", b.relay.head())))
      assert.deepStrictEqual(taken.caught, [])
      assert.strictEqual(state()?.row.misbehaved, 0)
      assert.deepStrictEqual(yield* b.values, ["1", "2", "3"])
    }))

  it.effect("that speak of another history catch the relay, also in entries that wait for the hidden one", () =>
    Effect.gen(function*() {
      const { b, entry, state } = yield* bench("fork")
      yield* b.accept(b.relay.place(entry("1")))
      // Another member was shown another second entry, and says so in its next one.
      b.relay.place(entry("hidden"))
      const theirs = b.relay.head()
      b.relay.rewind(1)
      const page = b.relay.place(entry("seen"), entry("telling", theirs))
      const taken = yield* b.accept(page)
      assert.deepStrictEqual(taken.caught.map(({ evidence }) => evidence.reason), ["chain"])
      assert.deepStrictEqual(taken.caught[0]?.evidence.heads[0], theirs)
      assert.strictEqual(state()?.row.misbehaved, 1)
      const kept = yield* Misconduct.readAll(b.store)
      assert.deepStrictEqual(kept.map(({ evidence }): number | undefined => evidence.own?.position), [2])
      assert.deepStrictEqual(yield* b.values, ["1"])
      assert.deepStrictEqual(yield* b.aside, { gap: 2 })
    }))

  it.effect("of places that this device has not reached are looked at when it has", () =>
    Effect.gen(function*() {
      const { b, entry } = yield* bench("ahead")
      b.relay.place(entry("1"), entry("2"))
      const theirs = b.relay.head()
      b.relay.rewind(0)
      // The first page tells of a head at 2; the second page reaches 2 with something else.
      const first = yield* b.accept(b.relay.place(entry("a", theirs)))
      assert.deepStrictEqual(first.caught, [])
      yield* b.reopen
      const second = yield* b.accept(b.relay.place(entry("b")))
      assert.deepStrictEqual(second.caught.map(({ evidence }) => evidence.reason), ["chain"])
    }))

  it.effect("of places that were reached rightly in the end are forgotten", () =>
    Effect.gen(function*() {
      const { b, entry } = yield* bench("ahead and right")
      const one = entry("1")
      const two = entry("2")
      b.relay.place(one, two)
      const theirs = b.relay.head()
      b.relay.rewind(1)
      yield* b.accept(b.relay.page())
      const told = yield* b.accept(b.relay.place(two))
      assert.deepStrictEqual(told.caught, [])
      const after = yield* b.accept(b.relay.place(entry("3", theirs), entry("4")))
      assert.deepStrictEqual(after.caught, [])
    }))

  it.effect("that the relay did not sign, or that are of another space, say nothing about it", () =>
    Effect.gen(function*() {
      const { b, crypto, entry } = yield* bench("unsigned")
      yield* b.accept(b.relay.place(entry("1"), entry("2")))
      const other = FakeRelay.make(crypto, () => RouteId.make(new Uint8Array(32)))
      const wrong = { position: Position.make(2), chain: new Uint8Array(32).fill(1) }
      const unsigned = { ...b.relay.head(wrong), signature: other.head().signature }
      const elsewhere = b.relay.head({ ...wrong, route: RouteId.make(new Uint8Array(32)) })
      const foreign = other.head(wrong)
      const ahead = { ...b.relay.head({ ...wrong, position: Position.make(50) }), signature: other.head().signature }
      const taken = yield* b.accept(
        b.relay.place(entry("3", unsigned), entry("4", elsewhere), entry("5", foreign), entry("6", ahead))
      )
      assert.deepStrictEqual(taken.caught, [])
      assert.strictEqual((yield* b.values).length, 6)
    }))
})

describe("a relay's own heads", () => {
  it.effect("are held against what it delivered", () =>
    Effect.gen(function*() {
      const { b, entry } = yield* bench("chain")
      b.relay.place(entry("1"))
      const page = b.relay.page()
      const lying = { ...page, head: b.relay.head({ chain: new Uint8Array(32).fill(7) }) }
      const taken = yield* b.accept(lying)
      assert.deepStrictEqual(taken.caught.map(({ evidence }) => evidence.reason), ["chain"])
      assert.deepStrictEqual(yield* b.values, [])
    }))

  it.effect("that were seen before are met on the way", () =>
    Effect.gen(function*() {
      const { b, entry } = yield* bench("met")
      yield* b.accept(b.relay.place(entry("1")))
      b.relay.place(entry("2"))
      const promised = b.relay.page(2)
      yield* b.accept({ placed: [], head: null })
      // Its head at 2 was taken note of; what it delivers at 2 is something else.
      yield* b.note(promised.head)
      b.relay.rewind(1)
      const taken = yield* b.accept(b.relay.place(entry("other"), entry("and more")))
      assert.deepStrictEqual(taken.caught.map(({ evidence }) => evidence.reason), ["chain"])
    }))

  it.effect("that go back, or fork, or break their order, catch it", () =>
    Effect.gen(function*() {
      const { b, entry } = yield* bench("regress")
      yield* b.accept(b.relay.place(entry("1"), entry("2")))
      yield* b.accept(b.relay.page(2))
      const back = yield* b.accept({ placed: [], head: b.relay.head({ position: Position.make(1) }) })
      assert.deepStrictEqual(back.caught.map(({ evidence }) => evidence.reason), ["regress"])
      const fresh = yield* bench("order")
      const page = fresh.b.relay.place(fresh.entry("1"), fresh.entry("2"))
      const turned = yield* fresh.b.accept({ placed: [...page.placed].reverse(), head: null })
      assert.deepStrictEqual(turned.caught.map(({ evidence }) => evidence.reason), ["order"])
    }))

  it.effect("meet the count again after a gap", () =>
    Effect.gen(function*() {
      const { b, entry, state } = yield* bench("anchor")
      yield* b.accept(b.relay.place(entry("1")))
      b.relay.skip(2)
      const page = b.relay.place(entry("2"))
      const gap = yield* b.accept(page)
      assert.deepStrictEqual(gapsOf(gap.events), [[2, 3, false]])
      assert.isNull(state()?.mark.chain)
      assert.isTrue(state()?.mark.gapped)
      yield* b.accept(b.relay.page(4))
      assert.isNotNull(state()?.mark.chain)
      b.relay.skip(3)
      const empty = yield* b.accept(b.relay.page(4))
      assert.deepStrictEqual(gapsOf(empty.events), [[5, 7, false]])
      assert.strictEqual(state()?.mark.cursor, 7)
      const lying = yield* b.accept({
        ...b.relay.place(entry("3")),
        head: b.relay.head({ chain: new Uint8Array(32).fill(7) })
      })
      assert.deepStrictEqual(lying.caught.map(({ evidence }) => evidence.reason), ["chain"])
    }))
})
