import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"
import * as Trace from "../src/Trace.ts"

const empty = Context.empty()

const start = <A, E>(
  kernel: Kernel.Kernel,
  program: Effect.Effect<A, E, Process.Services>,
  options: Partial<Process.Options<A, E, never>> = {}
) => Process.start(kernel, { node: "n1", context: empty, program, ...options })

const kinds = (kernel: Kernel.Kernel) => kernel.trace.rows().map(({ kind, node }) => `${node} ${kind}`)

/** Opens something, ticks every second, and closes it, which takes a second too. */
const ticking = (log: Array<string>) =>
  Effect.scoped(Effect.gen(function*() {
    yield* Effect.acquireRelease(
      Effect.sync(() => log.push("open")),
      () => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => log.push("close")))
    )
    for (;;) {
      yield* Effect.sleep("1 second")
      log.push("tick")
    }
  })).pipe(Effect.ensuring(Effect.sync(() => log.push("ensured"))))

describe("a program", () => {
  it("runs in virtual time and its exit is seen", () => {
    const kernel = Kernel.make({ seed: 1n })
    const process = start(kernel, Effect.as(Effect.sleep("3 days"), 42))
    const seen: Array<unknown> = []
    process.onExit((exit) => seen.push(exit))
    assert.strictEqual(process.state, "starting")
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.strictEqual(kernel.nowMicros(), 3 * 86_400_000_000)
    assert.strictEqual(process.state, "exited")
    assert.deepStrictEqual(process.exit, Exit.succeed(42))
    assert.deepStrictEqual(seen, [Exit.succeed(42)])
    assert.isFalse(Process.isFailed(process))
    assert.strictEqual(kernel.processes.size, 0)
  })

  it("that dies is reported, without a path of this machine", () => {
    const kernel = Kernel.make({ seed: 1n })
    const died = start(kernel, Effect.die(new TypeError("no such thing")))
    const failed = start(kernel, Effect.fail({ code: 7 }), { node: "n2" })
    kernel.run()
    assert.isTrue(Process.isFailed(died))
    assert.isTrue(Process.isFailed(failed))
    assert.deepStrictEqual(kernel.trace.rows().filter(({ kind }) => kind === "exit").map(({ payload }) => payload), [
      { failed: "TypeError: no such thing", defect: true },
      { failed: "{\"code\":7}", defect: false }
    ])
  })

  it("gets its context, and the kernel's services over whatever is in it", () => {
    class Name extends Context.Service<Name, string>()("test/Name") {}
    const kernel = Kernel.make({ seed: 1n, epochMillis: 5_000 })
    const process = Process.start(kernel, {
      node: "n1",
      context: Context.make(Name, "Ada").pipe(Context.add(Clock.Clock, Context.get(empty, Clock.Clock))),
      program: Effect.zip(Name, Clock.currentTimeMillis)
    })
    kernel.run()
    assert.deepStrictEqual(process.exit, Exit.succeed<[string, number]>(["Ada", 5_000]))
  })

  it("ends with what it left behind", () => {
    const kernel = Kernel.make({ seed: 1n })
    let ticks = 0
    const tick = Effect.forever(Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => ticks++)))
    start(kernel, Effect.andThen(Effect.forkDetach(tick), Effect.sleep("3500 millis")))
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.strictEqual(ticks, 3)
  })
})

describe("crash", () => {
  it("runs no finaliser, where stop runs them all and takes its time", () => {
    const [crashed, stopped]: [Array<string>, Array<string>] = [[], []]
    const kernel = Kernel.make({ seed: 1n })
    const a = start(kernel, ticking(crashed), { node: "a" })
    const b = start(kernel, ticking(stopped), { node: "b" })
    kernel.run({ micros: 2_500_000 })
    a.crash("test")
    b.stop()
    assert.strictEqual(b.state, "stopping")
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.deepStrictEqual(crashed, ["open", "tick", "tick"])
    assert.deepStrictEqual(stopped, ["open", "tick", "tick", "close", "ensured"])
    assert.strictEqual(kernel.nowMicros(), 3_500_000)
    assert.strictEqual(a.state, "crashed")
    assert.isUndefined(a.exit)
    assert.isTrue(b.exit !== undefined && Exit.hasInterrupts(b.exit))
    assert.isFalse(Process.isFailed(b))
    assert.deepStrictEqual(kinds(kernel), ["a boot", "b boot", "a crash", "b stop", "b exit"])
  })

  it("leaves nothing that anybody could wake: callbacks, deferreds, queues, timers, calls", () => {
    const kernel = Kernel.make({ seed: 1n })
    const woken: Array<string> = []
    const wake: Array<() => void> = []
    const waits = (name: string, effect: Effect.Effect<unknown>) =>
      Effect.forkChild(Effect.onExit(effect, () => Effect.sync(() => woken.push(name))))
    const process = start(
      kernel,
      Effect.gen(function*() {
        const deferred = yield* Deferred.make<void>()
        const queue = yield* Queue.unbounded<number>()
        wake.push(() => Deferred.doneUnsafe(deferred, Exit.void), () => Queue.offerUnsafe(queue, 1))
        yield* waits("callback", Effect.callback<void>((resume) => void wake.push(() => resume(Effect.void))))
        yield* waits("deferred", Deferred.await(deferred))
        yield* waits("queue", Queue.take(queue))
        yield* waits("timer", Effect.sleep("2 seconds"))
        return yield* Effect.never
      })
    )
    kernel.run({ micros: 1_000_000 })
    assert.strictEqual(wake.length, 3)
    process.call(Effect.sync(() => woken.push("call")))
    process.crash()
    wake.forEach((one) => one())
    process.call(Effect.sync(() => woken.push("late call")))
    process.stop()
    process.pause(5)
    process.crash()
    kernel.schedule(1_000, () => wake.forEach((one) => one()))
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.deepStrictEqual(woken, [])
    assert.isFalse(process.busy)
    // The dead timer of 2 s did not even move the clock.
    assert.strictEqual(kernel.nowMicros(), 1_001_000)
    assert.strictEqual(kinds(kernel).filter((kind) => kind === "n1 crash").length, 1)
  })

  it("from inside: what follows `die` never happens, and the finalisers neither", () => {
    const kernel = Kernel.make({ seed: 1n })
    const log: Array<string> = []
    const process: Process.Process = start(
      kernel,
      Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => log.push("final")))
        yield* Effect.sleep("1 second")
        log.push("before")
        yield* Effect.suspend((): Effect.Effect<void> => process.die)
        log.push("after")
      }).pipe(Effect.scoped)
    )
    kernel.run()
    assert.deepStrictEqual(log, ["before"])
    assert.strictEqual(process.state, "crashed")
  })

  it("in a pause, while starting, or while stopping", () => {
    const kernel = Kernel.make({ seed: 1n })
    const log: Array<string> = []
    const paused = start(kernel, ticking(log))
    kernel.run({ micros: 100 })
    log.length = 0
    paused.pause(5_000_000)
    paused.crash()
    start(kernel, ticking(log)).crash()
    kernel.run()
    assert.deepStrictEqual(log, [])
    const stopping = start(kernel, ticking(log))
    kernel.run({ micros: kernel.nowMicros() + 10 })
    stopping.stop()
    kernel.run({ micros: kernel.nowMicros() + 10 })
    stopping.crash()
    kernel.run()
    assert.deepStrictEqual(log, ["open"])
  })
})

describe("pause", () => {
  it("holds everything back, then runs it in its order", () => {
    const kernel = Kernel.make({ seed: 1n })
    const log: Array<string> = []
    const at = (name: string) => Effect.sync(() => log.push(`${name} ${kernel.nowMicros()}`))
    let wake = () => {}
    const process = start(
      kernel,
      Effect.gen(function*() {
        yield* Effect.forkChild(Effect.andThen(Effect.sleep("20 millis"), at("timer")))
        yield* Effect.forkChild(Effect.andThen(Effect.sleep("200 millis"), at("late timer")))
        yield* Effect.callback<void>((resume) => {
          wake = () => resume(Effect.void)
        })
        yield* at("callback")
        return yield* Effect.never
      })
    )
    kernel.schedule(30_000, () => wake())
    kernel.run({ micros: 10_000 })
    process.pause(50_000)
    assert.isTrue(process.paused)
    process.pause(90_000)
    process.call(at("call"))
    kernel.run()
    assert.isFalse(process.paused)
    assert.deepStrictEqual(log, ["call 100000", "timer 100000", "callback 100000", "late timer 200000"])
    assert.deepStrictEqual(kinds(kernel), ["n1 boot", "n1 pause", "n1 pause", "n1 resume"])
  })
})

describe("call", () => {
  it("runs an effect as a fiber of the process", () => {
    const kernel = Kernel.make({ seed: 1n })
    const process = start(kernel, Effect.never)
    const call = process.call(Effect.andThen(Effect.sleep("1 second"), Clock.currentTimeMillis))
    const failed = process.call(Effect.fail("no"))
    const never = process.call(Effect.sleep("1 hour"))
    const seen: Array<unknown> = []
    failed.onExit((exit) => seen.push(exit))
    kernel.run({ micros: 2_000_000 })
    assert.deepStrictEqual(call.exit, Exit.succeed(kernel.epochMillis + 1000))
    assert.deepStrictEqual(failed.exit, Exit.fail("no"))
    failed.onExit((exit) => seen.push(exit))
    assert.strictEqual(seen.length, 2)
    process.crash()
    kernel.run()
    assert.isUndefined(never.exit)
  })
})

describe("draws", () => {
  const drawing = Effect.gen(function*() {
    const random = yield* SecureRandom
    const doubles = yield* Effect.all([Random.next, Random.nextInt, Random.nextBoolean])
    return [...doubles, yield* random.uuidV4(), yield* random.uuidV7(), yield* random.ulid]
  })
  const drawn = (seed: bigint, options: Partial<Process.Options<ReadonlyArray<unknown>, never, never>> = {}) => {
    const kernel = Kernel.make({ seed })
    const process = start(kernel, drawing, options)
    kernel.run()
    return JSON.stringify(process.exit)
  }

  it("come from seed, node and incarnation, and from nothing else", () => {
    const first = drawn(1n)
    assert.strictEqual(drawn(1n), first)
    const others = [drawn(2n), drawn(1n, { node: "n2" }), drawn(1n, { incarnation: 1 })]
    assert.strictEqual(new Set([first, ...others]).size, 4)
  })

  it("do not move when another node is there, or another kind of draw", () => {
    const with2 = (program: Effect.Effect<unknown, never, Process.Services>) => {
      const kernel = Kernel.make({ seed: 1n })
      const noisy = start(kernel, program, { node: "noisy", policy: { kind: "random" } })
      const process = start(kernel, drawing)
      kernel.run()
      assert.isDefined(noisy.exit)
      return JSON.stringify(process.exit)
    }
    assert.strictEqual(with2(Effect.void), drawn(1n))
    assert.strictEqual(with2(Effect.forEach(Array.from({ length: 50 }), () => Random.next)), drawn(1n))
    // The schedule has a stream of its own as well.
    const preemption = { p: 0.5, delayMicros: { low: 0, high: 0 } }
    assert.strictEqual(drawn(1n, { policy: { kind: "random" }, preemption }), drawn(1n))
  })
})

describe("telemetry", () => {
  it("goes into the trace, with ids that count", () => {
    const kernel = Kernel.make({ seed: 1n })
    const inner = Effect.andThen(Effect.logWarning("careful", { a: 1n }), Effect.fail("broke"))
    start(kernel, inner.pipe(Effect.withSpan("inner"), Effect.withSpan("outer"), Effect.ignore))
    kernel.run()
    assert.deepStrictEqual(kernel.trace.rows().map((row) => Trace.text(row)), [
      "#0 0.000000 n1 boot {\"incarnation\":0}",
      "#1 0.000000 n1 span.start {\"name\":\"outer\",\"id\":\"0000000100000001\",\"parent\":null} <- 0",
      "#2 0.000000 n1 span.start {\"name\":\"inner\",\"id\":\"0000000100000002\",\"parent\":\"0000000100000001\"} <- 0",
      "#3 0.000000 n1 log {\"level\":\"Warn\",\"message\":\"careful {\\\"a\\\":\\\"1n\\\"}\"} <- 0",
      "#4 0.000000 n1 span.end {\"name\":\"inner\",\"id\":\"0000000100000002\",\"error\":\"broke\"} <- 2",
      "#5 0.000000 n1 span.end {\"name\":\"outer\",\"id\":\"0000000100000001\",\"error\":\"broke\"} <- 1",
      "#6 0.000000 n1 exit {\"failed\":null,\"defect\":false} <- 0"
    ])
  })
})
