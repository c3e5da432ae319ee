/** Books of a log over which items are built: of a device that was removed, and what was written on top of its entries. */
import * as Collection from "@sotto/core/item/Collection"
import * as DurableItemStore from "@sotto/core/item/DurableItemStore"
import * as ItemFeed from "@sotto/core/log/ItemFeed"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as JournalBench from "./journalBench.ts"
import { hand, removalAfter } from "./pen.ts"
import { control, join, makeSpace, NOW, put } from "./seededSpace.ts"

export const notes = Collection.make("a", { form: Collection.text })

/** What the items of a bench say, of every key. */
export const shownBy = Effect.fnUntraced(function*(feed: ItemFeed.ItemFeed) {
  yield* feed.current
  const listed = yield* feed.items.list(notes)
  return listed.map(({ key, shown }) => `${key}=${shown._tag === "Value" ? shown.value : shown._tag}`)
})

/** The items of a bench's store, as a process that starts has them; they end with the scope. */
export const feedOf = (bench: JournalBench.Bench, store = bench.journal().store) =>
  Effect.flatMap(
    DurableItemStore.make({ ...bench.journal(), store }),
    (items) => ItemFeed.make({ ...bench.journal(), store }, items)
  )

/**
 * A device "late" that wrote a chain of versions of "k" and was removed after the first, an entry of the host on top of
 * the second, and somebody's books.
 */
export const removal = Effect.fnUntraced(function*(seed: string) {
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
  return { added, bench, one: one.bytes, two: two.bytes, onTop, removed }
})
