/** Items follow the log: what leaves it leaves them, and what is refused for good is not waited for. */
import { assert, describe, it } from "@effect/vitest"
import * as Collection from "@sotto/core/item/Collection"
import * as DurableItemStore from "@sotto/core/item/DurableItemStore"
import * as ItemFeed from "@sotto/core/log/ItemFeed"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as JournalBench from "../kit/journalBench.ts"
import { hand, removalAfter } from "../kit/pen.ts"
import { control, join, makeSpace, NOW, put } from "../kit/seededSpace.ts"
import * as World from "../kit/World.ts"

const notes = Collection.make("a", { form: Collection.text })

/** What the items of a bench say, of every key. */
const shownBy = Effect.fnUntraced(function*(feed: ItemFeed.ItemFeed) {
  yield* feed.current
  const listed = yield* feed.items.list(notes)
  return listed.map(({ key, shown }) => `${key}=${shown._tag === "Value" ? shown.value : shown._tag}`)
})

/**
 * A device "late" that wrote a chain of versions of "k" and was removed after the first, an entry of the host on top of
 * the second, and somebody's books.
 */
const removal = Effect.fnUntraced(function*(seed: string) {
  yield* TestClock.setTime(NOW)
  const space = makeSpace(seed)
  const { crypto } = space
  const { guest, host } = join(crypto, space, "guest", ROLE.admin)
  const late = join(crypto, host, "late", ROLE.write)
  const pen = hand(crypto, host.state, host.identity)
  const added = pen.seal({ ops: [control(late.op)] }).bytes
  const { seal } = hand(crypto, late.guest.state, late.guest.identity)
  const one = seal({ ops: [put("a", "k", "1")] })
  const two = seal({ ops: [put("a", "k", "2", [one.opened.hash])] })
  // A pen has one lane.
  const onTop = hand(crypto, host.state, host.identity).seal({ ops: [put("a", "k", "3", [two.opened.hash])] }).bytes
  const removed = pen.seal({ ops: [control(removalAfter(crypto, late.host, one))] }).bytes
  const bench = yield* JournalBench.make(crypto, guest)
  const feed = yield* ItemFeed.make(bench.journal(), yield* DurableItemStore.make(bench.journal()))
  return { added, bench, feed, one: one.bytes, two: two.bytes, onTop, removed }
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

  it.effect("are looked through when the books were read anew: anything may have left", () =>
    Effect.gen(function*() {
      const { added, bench: b, feed, one, removed, two } = yield* removal("unknown")
      yield* b.accept(b.relay.place(added, one, two))
      assert.deepStrictEqual(yield* shownBy(feed), ["k=2"])
      // Another process of the same store makes the change, as a commit does whose answer was lost.
      const journal = b.journal()
      yield* b.reopen
      yield* b.accept(b.relay.place(removed))
      journal.withdrawals.tell("unknown")
      assert.deepStrictEqual(yield* shownBy(feed), ["k=1"])
    }))
})
