/** Who waits on a signal is woken when it has a reason to be, and not before; and never misses it. */
import { it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { assert, describe } from "vitest"
import * as Signal from "../../src/internal/signal.ts"

/** A value that is waited for, and how often it was asked for. */
const watched = () => {
  const it = { value: 0, asked: 0 }
  const above = (least: number) => () => {
    it.asked++
    return it.value > least ? it.value : undefined
  }
  return { it, above }
}

const begun = <A>(effect: Effect.Effect<A>) => Effect.forkChild(effect, { startImmediately: true })

const sleepsUntilThen = Effect.gen(function*() {
  const signal = Signal.make()
  const { above, it } = watched()
  const fiber = yield* begun(Signal.until(signal, above(2)))
  for (it.value = 1; it.value <= 2; it.value++) signal.raise()
  assert.strictEqual(fiber.pollUnsafe(), undefined)
  signal.raise()
  assert.strictEqual(yield* Fiber.join(fiber), 3)
  // Before it waits, when it begins to, at each of three raises, and when it goes on.
  assert.strictEqual(it.asked, 6)
})

const asksAgain = Effect.gen(function*() {
  const signal = Signal.make()
  const { above, it } = watched()
  // The first to wake takes away what the second waits for, and by and by it comes again.
  yield* begun(Effect.andThen(Signal.until(signal, above(0)), Effect.sync(() => it.value = 0)))
  const second = yield* begun(Signal.until(signal, above(0)))
  it.value = 1
  signal.raise()
  assert.deepStrictEqual([it.value, second.pollUnsafe()], [0, undefined])
  it.value = 5
  signal.raise()
  assert.strictEqual(yield* Fiber.join(second), 5)
})

const raisedFromWithin = Effect.gen(function*() {
  const signal = Signal.make()
  const order: Array<string> = []
  const waits = (name: string, then: () => void) =>
    begun(Effect.andThen(
      Signal.until(signal, () => signal.version() > 0 ? true : undefined),
      Effect.sync(() => {
        order.push(name)
        then()
      })
    ))
  yield* waits("a", signal.raise)
  yield* waits("b", signal.raise)
  yield* waits("c", () => undefined)
  signal.raise()
  yield* Effect.yieldNow
  assert.deepStrictEqual([order.toSorted(), signal.version()], [["a", "b", "c"], 3])
})

const interrupted = Effect.gen(function*() {
  const signal = Signal.make()
  const { above, it } = watched()
  const fiber = yield* begun(Signal.until(signal, above(0)))
  yield* Fiber.interrupt(fiber)
  const { asked } = it
  it.value = 1
  signal.raise()
  assert.strictEqual(it.asked, asked)
})

const throws = Effect.gen(function*() {
  const signal = Signal.make()
  let isBroken = false
  const fiber = yield* begun(Signal.until(signal, () => {
    if (isBroken) throw new Error("broken")
    return undefined
  }))
  isBroken = true
  signal.raise()
  const exit = yield* Fiber.await(fiber)
  assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
})

const after = Effect.gen(function*() {
  const signal = Signal.make()
  const seen = signal.version()
  const fiber = yield* begun(signal.after(seen))
  signal.raise()
  assert.strictEqual(yield* Fiber.join(fiber), seen + 1)
  // It was raised already.
  assert.strictEqual(yield* signal.after(seen), seen + 1)
})

describe("a signal", () => {
  it.effect("wakes who waits when there is a reason to, and asks no more often than it is raised", () =>
    sleepsUntilThen)
  it.effect("is asked again by who wakes", () => asksAgain)
  it.effect("may be raised by who wakes", () => raisedFromWithin)
  it.effect("forgets who is interrupted", () => interrupted)
  it.effect("lets what goes wrong go wrong for who waits", () => throws)
  it.effect("counts", () => after)
})
