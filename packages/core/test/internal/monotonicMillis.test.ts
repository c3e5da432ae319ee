/** What lasts is counted in whole milliseconds, and by no clock that somebody sets. */
import { it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { assert } from "vitest"
import { monotonicMillis } from "../../src/internal/monotonicMillis.ts"

it.effect("counts whole milliseconds, and on when the wall clock is put back", () =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    yield* TestClock.adjust("1500 micros")
    assert.strictEqual(monotonicMillis(clock), 1)
    yield* TestClock.adjust("100 seconds")
    const before = monotonicMillis(clock)
    yield* TestClock.setTime(0)
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(monotonicMillis(clock) - before, 5000)
  }))
