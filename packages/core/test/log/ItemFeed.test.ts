/** Items follow the log: what leaves it leaves them, and what is refused for good is not waited for. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FeedBench from "../kit/feedBench.ts"
import * as World from "../kit/World.ts"

const { notes, shownBy } = FeedBench

const removal = Effect.fnUntraced(function*(seed: string) {
  const made = yield* FeedBench.removal(seed)
  return { ...made, feed: yield* FeedBench.feedOf(made.bench) }
})

describe("items of a log", () => {
  it.effect("lose what was written after a cut-off, and what it superseded is there again", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, one, removed, two } = yield* removal("retracted")
      yield* b.accept(b.relay.place(added, one, two))
      assert.deepStrictEqual(yield* shownBy(feed), ["k=2"])
      yield* b.accept(b.relay.place(removed))
      assert.deepStrictEqual(yield* shownBy(feed), ["k=1"])
    }))

  it.effect("show what was written on top of something that was refused for good", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, onTop, one, removed, two } = yield* removal("refused")
      yield* b.accept(b.relay.place(added, one, onTop, removed, two))
      yield* b.note(b.relay.head())
      assert.deepStrictEqual(yield* b.aside, { cutoff: 1 })
      yield* World.settle
      yield* feed.current
      const view = yield* feed.items.view(notes, "k")
      assert.lengthOf(view.shows, 1, "one version is shown, the other is in the list")
      const past = yield* feed.items.history(notes, "k")
      assert.deepStrictEqual(past.map(({ shown }) => shown._tag === "Value" ? shown.value : "").toSorted(), ["1", "3"])
      assert.lengthOf(yield* feed.items.pending({ limit: 1 }), 0)
    }))

  it.effect("wait for a parent as long as more may come", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, onTop, one, two } = yield* removal("waits")
      const first = b.relay.place(added, one, onTop)
      const rest = b.relay.place(two)
      yield* b.accept(first, false)
      // The relay has more than has come.
      yield* b.note(b.relay.head())
      assert.deepStrictEqual(yield* shownBy(feed), ["k=1"])
      assert.lengthOf(yield* feed.items.pending({ limit: 9 }), 1)
      yield* b.accept(rest)
      assert.deepStrictEqual(yield* shownBy(feed), ["k=3"])
    }))

  it.effect("wait for a parent that is here and waits itself, though the relay was read to its end", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, onTop, one, two } = yield* removal("set aside")
      yield* b.accept(b.relay.place(one, two, onTop))
      yield* b.note(b.relay.head())
      assert.deepStrictEqual(yield* b.aside, { "author-unknown": 2 })
      yield* World.settle
      assert.deepStrictEqual(yield* shownBy(feed), [])
      assert.lengthOf(yield* feed.items.pending({ limit: 9 }), 1)
      yield* b.accept(b.relay.place(added))
      assert.deepStrictEqual(yield* b.aside, {})
      assert.deepStrictEqual(yield* shownBy(feed), ["k=3"])
    }))

  it.effect("are looked through when the books were read anew: anything may have left", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, one, removed, two } = yield* removal("unknown")
      yield* b.accept(b.relay.place(added, one, two))
      assert.deepStrictEqual(yield* shownBy(feed), ["k=2"])
      // Another process of the same store makes the change, as a commit does whose answer was lost.
      const { withdrawals } = b.journal()
      yield* b.reopen
      yield* b.accept(b.relay.place(removed))
      withdrawals.tell("unknown")
      assert.deepStrictEqual(yield* shownBy(feed), ["k=1"])
    }))
})
