/**
 * "Something happened on route r": what relays over one store tell each other, so that a subscriber at one sees soon
 * what another one accepted (architecture.md §5). Lossy by contract: a hint may come late, twice or never, and says
 * nothing but that it is worth looking. A relay looks anyway from time to time.
 */
import type { RouteId } from "@sotto/schema/Id"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** `origin` is the relay that gives the hint: it does not get its own. */
export interface Hint {
  readonly route: RouteId
  readonly origin: string
}

export class Hints extends Context.Service<Hints, {
  readonly publish: (hint: Hint) => Effect.Effect<void>
  /** From now on, the hints of all others; the inner effect waits for the next ones. */
  readonly subscribe: (origin: string) => Effect.Effect<Effect.Effect<ReadonlyArray<Hint>>, never, Scope.Scope>
}>()("@sotto/core/Hints") {}

/** How many hints wait for a relay that is busy, before the oldest are lost. */
const WAITING_MAX = 4096

/** Between relays that are given the same one. */
export const makeLocal = (): Hints["Service"] => {
  const listeners = new Set<{ readonly origin: string; readonly queue: Queue.Queue<Hint> }>()
  return Hints.of({
    publish: (hint) =>
      Effect.sync(() => {
        for (const { origin, queue } of listeners) if (origin !== hint.origin) Queue.offerUnsafe(queue, hint)
      }),
    subscribe: (origin) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.map(Queue.sliding<Hint>(WAITING_MAX), (queue) => {
            const listener = { origin, queue }
            listeners.add(listener)
            return listener
          }),
          (listener) => {
            listeners.delete(listener)
            return Queue.shutdown(listener.queue)
          }
        ),
        ({ queue }) => Queue.takeAll(queue)
      )
  })
}

export const layerLocal: Layer.Layer<Hints> = Layer.sync(Hints, makeLocal)
