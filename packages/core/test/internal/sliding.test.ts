/** A sliding PubSub gives what Effect's own gives, however its subscribers come, read and go. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { assert, describe } from "vitest"
import * as Sliding from "../../src/internal/sliding.ts"

const CAPACITY = 8

type Step =
  | { readonly kind: "publish" | "publishAll"; readonly count: number }
  | { readonly kind: "subscribe" | "leave" | "read"; readonly who: number; readonly most: number }

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom("publish" as const, "publishAll" as const),
      count: fc.integer({ min: 0, max: 20 })
    }),
    fc.record({
      kind: fc.constantFrom("subscribe" as const, "leave" as const, "read" as const),
      who: fc.nat(2),
      most: fc.integer({ min: 1, max: 12 })
    })
  ),
  { maxLength: 40 }
)

/** What each of three subscribers read. */
const heard = (make: Effect.Effect<PubSub.PubSub<number>>, all: ReadonlyArray<Step>) =>
  Effect.gen(function*() {
    const pubsub = yield* make
    const present = new Map<
      number,
      { readonly subscription: PubSub.Subscription<number>; readonly scope: Scope.Closeable }
    >()
    const read: Array<readonly [who: number, messages: ReadonlyArray<number>]> = []
    let next = 0
    for (const step of all) {
      if ("count" in step) {
        const messages = Array.from({ length: step.count }, () => next++)
        yield* step.kind === "publishAll"
          ? PubSub.publishAll(pubsub, messages)
          : Effect.forEach(messages, (message) => PubSub.publish(pubsub, message), { discard: true })
      } else {
        const known = present.get(step.who)
        if (step.kind === "subscribe" && known === undefined) {
          const scope = yield* Scope.make()
          present.set(step.who, { scope, subscription: yield* Scope.provide(PubSub.subscribe(pubsub), scope) })
        }
        if (step.kind === "read" && known !== undefined) {
          read.push([step.who, yield* PubSub.takeUpTo(known.subscription, step.most)])
        }
        if (step.kind === "leave" && known !== undefined) {
          yield* Scope.close(known.scope, Exit.void)
          present.delete(step.who)
        }
      }
    }
    for (const [who, { scope, subscription }] of present) {
      read.push([who, yield* PubSub.takeUpTo(subscription, CAPACITY * 3)])
      yield* Scope.close(scope, Exit.void)
    }
    return read
  })

describe("a sliding PubSub", () => {
  it("gives each subscriber what Effect's gives", () =>
    fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const [ours, theirs] = await Effect.runPromise(
          Effect.all([heard(Sliding.make(CAPACITY), all), heard(PubSub.sliding<number>(CAPACITY), all)])
        )
        assert.deepStrictEqual(ours, theirs)
      }),
      { numRuns: 500 }
    ))

  it.effect("drops the oldest for who is slow", () =>
    Effect.scoped(Effect.gen(function*() {
      const pubsub = yield* Sliding.make<number>(CAPACITY)
      const subscription = yield* PubSub.subscribe(pubsub)
      yield* PubSub.publishAll(pubsub, Array.from({ length: 20 }, (_, at) => at))
      assert.deepStrictEqual(yield* PubSub.takeAll(subscription), [12, 13, 14, 15, 16, 17, 18, 19])
    })))
})
