import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"
import * as VirtualClock from "../src/VirtualClock.ts"

const device = (options: Partial<VirtualClock.Options> = {}) => {
  let world = 0
  const clock = new VirtualClock.VirtualClock({ nowMicros: () => world }, { epochMillis: 0, ...options })
  return {
    clock,
    pass: (micros: number) => {
      world += micros
    }
  }
}

describe("the monotonic reading", () => {
  it("only goes up, whatever happens to the clock", () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant("pass" as const), by: fc.nat(10_000_000) }),
      fc.record({ kind: fc.constant("jump" as const), by: fc.integer({ min: -10_000_000, max: 10_000_000 }) }),
      fc.record({ kind: fc.constant("drift" as const), by: fc.integer({ min: -500_000, max: 500_000 }) }),
      fc.record({ kind: fc.constantFrom("freeze" as const, "thaw" as const, "read" as const), by: fc.constant(0) })
    )
    fc.assert(fc.property(fc.array(change), fc.integer({ min: -500_000, max: 500_000 }), (changes, driftPpm) => {
      const { clock, pass } = device({ driftPpm })
      let before = clock.monotonicMicros()
      for (const { by, kind } of changes) {
        if (kind === "pass") pass(by)
        else if (kind === "jump") clock.jump(by)
        else if (kind === "drift") clock.setDrift(by)
        else if (kind === "freeze") clock.freeze()
        else if (kind === "thaw") clock.thaw()
        const now = clock.monotonicMicros()
        assert.isTrue(Number.isSafeInteger(now))
        assert.isAbove(now, before)
        before = now
      }
    }))
  })

  it("takes a microsecond, and catches up with the world", () => {
    const { clock, pass } = device()
    const first = clock.monotonicMicros()
    assert.deepStrictEqual([clock.monotonicMicros(), clock.monotonicMicros()], [first + 1, first + 2])
    pass(1_000)
    assert.strictEqual(clock.monotonicMicros(), 1_000)
  })
})

describe("the wall reading", () => {
  it("is skewed, jumps, freezes and thaws to where it should be", () => {
    const { clock, pass } = device({ epochMillis: 1_000, skewMicros: -400_000 })
    pass(1_000_000)
    assert.strictEqual(clock.wallMicros(), 1_600_000)
    clock.jump(-1_000_000)
    pass(1_000_000)
    assert.strictEqual(clock.wallMicros(), 1_600_000)
    clock.freeze()
    pass(500_000)
    assert.deepStrictEqual([clock.wallMicros(), clock.wallMicros()], [1_600_000, 1_600_000])
    clock.jump(100_000)
    assert.strictEqual(clock.wallMicros(), 1_700_000)
    clock.thaw()
    pass(500_000)
    assert.strictEqual(clock.wallMicros(), 2_700_000)
  })

  it("drifts from when the drift began", () => {
    const { clock, pass } = device()
    pass(1_000_000)
    clock.setDrift(100)
    pass(1_000_000)
    assert.strictEqual(clock.wallMicros(), 2_000_100)
    clock.setDrift(0)
    pass(1_000_000)
    assert.strictEqual(clock.wallMicros(), 3_000_100)
  })
})

const measure = (
  options: Partial<VirtualClock.Options>,
  meanwhile: (clock: VirtualClock.VirtualClock) => void = () => {}
) => {
  const kernel = Kernel.make({ seed: 1n })
  const clock = new VirtualClock.VirtualClock(kernel, { epochMillis: kernel.epochMillis, ...options })
  const program = Effect.gen(function*() {
    const before = [yield* Clock.monotonicTimeNanos, yield* Clock.currentTimeMillis] as const
    yield* Effect.sleep("10 seconds")
    const after = [yield* Clock.monotonicTimeNanos, yield* Clock.currentTimeMillis] as const
    return [Number((after[0] - before[0]) / 1_000_000n), after[1] - before[1]] as const
  })
  const process = Process.start(kernel, { node: "n1", context: Context.empty(), program, clock })
  kernel.schedule(5_000_000, () => meanwhile(clock))
  kernel.run()
  assert.isTrue(process.exit !== undefined && Exit.isSuccess(process.exit))
  const passed = process.exit?._tag === "Success" ? process.exit.value : undefined
  return { monotonicMillis: passed?.[0], wallMillis: passed?.[1], worldMillis: Math.round(kernel.nowMicros() / 1000) }
}

describe("timers", () => {
  it("of a clock that is fast are short, and the program does not see it", () => {
    const fast = measure({ driftPpm: 250_000 })
    assert.strictEqual(fast.worldMillis, 8_000)
    assert.closeTo(fast.monotonicMillis ?? 0, 10_000, 1)
    assert.closeTo(fast.wallMillis ?? 0, 10_000, 1)
    assert.strictEqual(measure({ driftPpm: -500_000 }).worldMillis, 20_000)
  })

  it("do not care for jumps and a frozen wall clock", () => {
    const back = measure({}, (clock) => clock.jump(-60_000_000))
    assert.strictEqual(back.worldMillis, 10_000)
    assert.closeTo(back.monotonicMillis ?? 0, 10_000, 1)
    assert.closeTo(back.wallMillis ?? 0, -50_000, 1)
    const frozen = measure({}, (clock) => clock.freeze())
    assert.closeTo(frozen.monotonicMillis ?? 0, 10_000, 1)
    assert.closeTo(frozen.wallMillis ?? 0, 5_000, 1)
  })

  it("are at least a microsecond, and none for nothing or for ever", () => {
    const kernel = Kernel.make({ seed: 1n })
    const at: Array<number> = []
    const note = Effect.sync(() => at.push(kernel.nowMicros()))
    const program = Effect.gen(function*() {
      for (const nanos of [0n, 1n, 1_499n, 1_500n, -5n]) {
        yield* Effect.sleep({ nanoseconds: Number(nanos) })
        yield* note
      }
      yield* Effect.sleep(Infinity)
    })
    const process = Process.start(kernel, { node: "n1", context: Context.empty(), program })
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.deepStrictEqual(at, [0, 1, 2, 4, 4])
    assert.isUndefined(process.exit)
  })
})

describe("a program that waits in a loop", () => {
  it("fails the run and says so", () => {
    const kernel = Kernel.make({ seed: 1n })
    const program = Effect.gen(function*() {
      const clock = yield* Clock.Clock
      yield* Effect.sleep("1 second")
      const end = clock.currentTimeMillisUnsafe() + 5_000
      while (clock.currentTimeMillisUnsafe() < end);
    })
    const process = Process.start(kernel, { node: "n1", context: Context.empty(), program })
    const outcome = kernel.run()
    assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "clock" && outcome.failure.node === "n1")
    assert.isTrue(process.exit !== undefined && Exit.hasDies(process.exit))
  })

  it("for less than a tenth of a second gets through", () => {
    const kernel = Kernel.make({ seed: 1n })
    const program = Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const end = clock.currentTimeMillisUnsafe() + 50
      while (clock.currentTimeMillisUnsafe() < end);
    })
    Process.start(kernel, { node: "n1", context: Context.empty(), program })
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
  })
})
