/**
 * A PubSub of which a slow subscriber misses the oldest messages, above a number that may wait.
 *
 * Effect's `PubSub.sliding` has places for all of them from the start, twice: more than a device that is told little
 * ever needs. This one takes room for what waits.
 */
import type * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"

/** A PubSub where at most `capacity` messages wait for the slowest subscriber. */
export const make = <A>(capacity: number): Effect.Effect<PubSub.PubSub<A>> =>
  PubSub.make<A>({ atomicPubSub: () => bounded(capacity), strategy: () => new PubSub.SlidingStrategy() })

const bounded = <A>(capacity: number): PubSub.PubSub.Atomic<A> => {
  const waiting = PubSub.makeAtomicUnbounded<A>()
  const isFull = () => waiting.size() >= capacity
  const publish = (message: A) => !isFull() && waiting.publish(message)
  return {
    capacity,
    isFull,
    publish,
    publishAll: (messages) => [...messages].filter((message) => !publish(message)),
    isEmpty: () => waiting.isEmpty(),
    size: () => waiting.size(),
    slide: () => waiting.slide(),
    subscribe: () => waiting.subscribe(),
    replayWindow: () => waiting.replayWindow()
  }
}
