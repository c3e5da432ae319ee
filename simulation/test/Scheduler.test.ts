import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import type * as Preemption from "../src/Preemption.ts"
import * as Process from "../src/Process.ts"
import type * as Scheduler from "../src/Scheduler.ts"

type Options = Pick<Process.Options<unknown, never, never>, "policy" | "preemption" | "record">

const run = <A>(program: Effect.Effect<A, never, Process.Services>, seed: bigint, options: Options = {}) => {
  const kernel = Kernel.make({ seed })
  const process = Process.start(kernel, { node: "n1", context: Context.empty(), program, ...options })
  kernel.run()
  assert.strictEqual(process.exit?._tag, "Success")
  const value = process.exit?._tag === "Success" ? process.exit.value : undefined
  return { value, process, micros: kernel.nowMicros() }
}

/** The order in which fibers, forked one after the other, do their three steps. */
const order = Effect.gen(function*() {
  const log: Array<string> = []
  yield* Effect.forEach(
    [0, 1, 2, 3],
    (i) => Effect.forEach([0, 1, 2], (k) => Effect.andThen(Effect.sync(() => log.push(`${i}${k}`)), Effect.yieldNow)),
    { concurrency: "unbounded", discard: true }
  )
  return log.join(" ")
})

/** Two fibers that read, compute and write without a lock. Only a yield in the middle loses an update. */
const race = Effect.gen(function*() {
  const ref = yield* Ref.make(0)
  const increment = Effect.gen(function*() {
    const value = yield* Ref.get(ref)
    const next = yield* Effect.succeed(value + 1)
    yield* Ref.set(ref, next)
  })
  yield* Effect.all([increment, increment], { concurrency: "unbounded" })
  return yield* Ref.get(ref)
})

const seeds = Array.from({ length: 200 }, (_, i) => BigInt(i))
const lost = (options: Options) => seeds.filter((seed) => run(race, seed, options).value === 1).length

describe("policies", () => {
  it("fifo is the order of scheduling, whatever the seed", () => {
    const expected = "00 10 20 30 01 11 21 31 02 12 22 32"
    for (const seed of seeds.slice(0, 10)) assert.strictEqual(run(order, seed).value, expected)
  })

  it("random and PCT give many orders, each the same for its seed", () => {
    for (const policy of [{ kind: "random" }, { kind: "pct", depth: 3, operations: 100 }] as const) {
      const orders = seeds.map((seed) => run(order, seed, { policy }).value)
      assert.isAbove(new Set(orders).size, 20, policy.kind)
      assert.deepStrictEqual(seeds.map((seed) => run(order, seed, { policy }).value), orders)
    }
  })

  it("random takes each ready task as often as the next", () => {
    // All four say their first at once; which one comes fifth is the first choice.
    const first = new Map<string, number>()
    for (let seed = 0n; seed < 2_000n; seed++) {
      const value = run(order, seed, { policy: { kind: "random" } }).value?.split(" ")[4] ?? ""
      first.set(value, (first.get(value) ?? 0) + 1)
    }
    for (const task of ["01", "11", "21", "31"]) assert.closeTo(first.get(task) ?? 0, 500, 100, task)
  })

  it("take more urgent tasks first", () => {
    const program = Effect.gen(function*() {
      const log: Array<string> = []
      const say = (name: string, priority: number) =>
        Effect.andThen(Effect.yieldNowWith(priority), Effect.sync(() => log.push(name)))
      yield* Effect.all([say("late", 5), say("soon", 0), say("first", -1), say("late too", 5)], {
        concurrency: "unbounded"
      })
      return log.join()
    })
    assert.strictEqual(run(program, 1n).value, "first,soon,late,late too")
  })
})

describe("preemption", () => {
  const preemption: Preemption.Preemption = { p: 0.1, delayMicros: { low: 1, high: 1_000 } }

  it("finds a lost update that fifo and random never show", () => {
    assert.strictEqual(lost({}), 0)
    assert.strictEqual(lost({ policy: { kind: "random" } }), 0)
    assert.isAbove(lost({ preemption }), 10)
    assert.isAbove(lost({ preemption: { ...preemption, delayMicros: { low: 0, high: 0 } } }), 10)
  })

  it("at the changes of PCT finds it too", () => {
    assert.isAbove(lost({ policy: { kind: "pct", depth: 3, operations: 40 } }), 5)
    assert.strictEqual(lost({ policy: { kind: "pct", depth: 1, operations: 40 } }), 0)
  })

  it("takes virtual time, in its bounds", () => {
    const steps = Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })
    assert.strictEqual(run(steps, 1n).micros, 0)
    const { micros, process } = run(steps, 1n, {
      preemption: { p: 0.5, delayMicros: { low: 7, high: 7 } },
      record: true
    })
    const { asides } = process.tape
    assert.isAbove(asides.length, 40)
    assert.strictEqual(micros, asides.length * 7)
    assert.isTrue(asides.every(([, , delay]) => delay === 7))
  })

  it("hits about one operation in 1/p (fewer by those that come back from it)", () => {
    const steps = Effect.gen(function*() {
      for (let i = 0; i < 50_000; i++) yield* Effect.yieldNow
    })
    const { process } = run(steps, 1n, { preemption: { p: 0.05, delayMicros: { low: 0, high: 0 } }, record: true })
    assert.closeTo(process.tape.asides.length / process.operations, 0.045, 0.005)
  })

  it("does not let a fiber begin that was interrupted before it began", () => {
    const begun = new Set<number>()
    const interruptedBefore = new Set<number>()
    const program = Effect.gen(function*() {
      for (let k = 0; k < 20; k++) {
        const fiber = yield* Effect.forkChild(Effect.sync(() => begun.add(k)))
        if (!begun.has(k)) interruptedBefore.add(k)
        fiber.interruptUnsafe()
      }
      yield* Effect.sleep("1 second")
    })
    let runs = 0
    for (const seed of seeds) {
      begun.clear()
      interruptedBefore.clear()
      run(program, seed, { preemption: { ...preemption, p: 0.5 } })
      if (interruptedBefore.size > 0) runs++
      assert.isFalse([...begun].some((k) => interruptedBefore.has(k)), `seed ${seed}`)
    }
    assert.isAbove(runs, seeds.length / 2)
  })

  it("does not change what a correct program does", () => {
    const program = Effect.gen(function*() {
      const ref = yield* Ref.make(0)
      yield* Effect.all(Array.from({ length: 20 }, () => Ref.update(ref, (n) => n + 1)), { concurrency: "unbounded" })
      return yield* Ref.get(ref)
    })
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.double({ min: 0, max: 1 }), (seed, p) => {
      assert.strictEqual(run(program, seed, { policy: { kind: "random" }, preemption: { ...preemption, p } }).value, 20)
    }))
  })
})

describe("the tape", () => {
  const wild: ReadonlyArray<Options> = [
    { policy: { kind: "random" } },
    { policy: { kind: "random" }, preemption: { p: 0.2, delayMicros: { low: 0, high: 5_000 } } },
    { policy: { kind: "pct", depth: 4, operations: 60 }, preemption: { p: 0, delayMicros: { low: 9, high: 99 } } },
    { preemption: { p: 0.3, delayMicros: { low: 1, high: 1 } } }
  ]

  it("is empty for fifo, and repeats every other run alone", () => {
    assert.deepStrictEqual(run(order, 1n, { record: true }).process.tape, { picks: [], asides: [] })
    for (const options of wild) {
      for (const seed of seeds.slice(0, 50)) {
        const recorded = run(order, seed, { ...options, record: true })
        const { tape } = recorded.process
        // Another seed: nothing is drawn when a tape plays.
        const replayed = run(order, 12_345n, { policy: { kind: "replay", tape }, record: true })
        assert.strictEqual(replayed.value, recorded.value)
        assert.strictEqual(replayed.micros, recorded.micros)
        assert.deepStrictEqual(replayed.process.tape, tape)
      }
    }
  })

  it("keeps the meaning of an entry when the others are taken out", () => {
    /** The steps after which time moved: where the fiber was put aside. */
    const stops = (options: Options) => {
      const kernel = Kernel.make({ seed: 5n })
      const at: Array<number> = []
      const step = Effect.sync(() => at.push(kernel.nowMicros()))
      const program = Effect.gen(function*() {
        for (let i = 0; i < 300; i++) {
          yield* step
          // A pause puts the fiber aside as well, which must not count.
          if (i % 50 === 0) process.pause(1)
        }
      })
      const process: Process.Process = Process.start(kernel, {
        node: "n1",
        context: Context.empty(),
        program,
        ...options
      })
      kernel.run()
      const moved = at.flatMap((micros, i) => micros - (at[i - 1] ?? 0) >= 1_000 ? [i] : [])
      return { moved, tape: process.tape }
    }
    const delayMicros = { low: 1_000, high: 1_000 }
    const { moved, tape } = stops({ preemption: { p: 0.03, delayMicros }, record: true })
    assert.isAbove(moved.length, 5)
    const alone = tape.asides.flatMap((entry) =>
      stops({ policy: { kind: "replay", tape: { picks: [], asides: [entry] } } }).moved
    )
    assert.deepStrictEqual([...new Set(alone)], moved)
  })

  it("shrinks: entry after entry is taken out while the update is still lost", () => {
    const options: Options = { preemption: { p: 0.3, delayMicros: { low: 1, high: 9 } }, record: true }
    const shrink = (seed: bigint): number => {
      let { asides } = run(race, seed, options).process.tape
      for (let i = asides.length - 1; i >= 0; i--) {
        const fewer = asides.toSpliced(i, 1)
        const policy: Scheduler.Policy = { kind: "replay", tape: { picks: [], asides: fewer } }
        if (run(race, seed, { policy }).value !== 1) continue
        asides = fewer
        i = asides.length
      }
      return asides.length
    }
    const failing = seeds.filter((seed) => run(race, seed, options).value === 1)
    const left = failing.map(shrink)
    assert.isAbove(left.filter((count) => count === 1).length, failing.length / 4, left.join())
    assert.isBelow(left.reduce((sum, count) => sum + count) / failing.length, 4, left.join())
  })
})

describe("a fiber that never yields by itself", () => {
  it("is put aside after so many operations as Effect says, so others get their turn", () => {
    let stop = false
    const program = Effect.gen(function*() {
      yield* Effect.forkChild(Effect.sync(() => {
        stop = true
      }))
      let operations = 0
      for (; !stop; operations++) yield* Effect.sync(() => {})
      return operations
    })
    const operations = run(program, 1n).value ?? 0
    assert.isTrue(operations > 500 && operations <= 4_096, String(operations))
  })
})
