/**
 * What of the machine could leak into a run, source by source: same by construction, made the same by traps, or named.
 * Runs on every release of Effect show whether its run loop still asks only what the simulator answers.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Aead from "effect/crypto/Aead"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Latch from "effect/Latch"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"
import type * as Trap from "../src/Trap.ts"

type Program = Effect.Effect<unknown, unknown, Process.Services>

const start = (mode: Trap.Mode, program: Program) => {
  const kernel = Kernel.make({ seed: 7n, traps: mode })
  const process = Process.start(kernel, { node: "n1", context: Context.empty(), program })
  return { kernel, process, outcome: kernel.run({ micros: 60_000_000 }) }
}

/** What a program came to, as text. */
const result = (mode: Trap.Mode, program: Program): string => {
  const { process } = start(mode, program)
  return process.exit === undefined ?
    "stalled" :
    JSON.stringify(process.exit, (_key, value: unknown) => typeof value === "bigint" ? `${value}n` : value)
}

/** Sees to it that two runs do not read the same time by chance. */
const spend = () => {
  const before = performance.now()
  while (performance.now() - before < 2);
}

const twice = (mode: Trap.Mode, program: Program): readonly [string, string] => {
  const first = result(mode, program)
  spend()
  return [first, result(mode, program)]
}

describe("services", () => {
  const programs: Readonly<Record<string, Program>> = {
    "Clock": Effect.all([Clock.currentTimeMillis, Clock.currentTimeNanos, Clock.monotonicTimeNanos]),
    "sleep and timeout": Effect.all([
      Effect.timeoutOption(Effect.sleep("2 seconds"), "1 second"),
      Effect.timed(Effect.sleep("1500 millis")),
      Clock.currentTimeMillis
    ]),
    "Random": Effect.all([Random.next, Random.nextInt, Random.nextBoolean, Random.shuffle([1, 2, 3, 4, 5, 6, 7])]),
    "Schedule with jitter": Effect.andThen(
      Effect.ignore(Effect.retry(
        Effect.fail("no"),
        Schedule.jittered(Schedule.exponential("1 second")).pipe(
          Schedule.upTo({ times: 4 })
        )
      )),
      Clock.currentTimeNanos
    ),
    "DateTime.now": Effect.map(DateTime.now, DateTime.formatIso),
    "Queue, PubSub, Semaphore, Latch, Deferred": Effect.gen(function*() {
      const log: Array<string> = []
      const queue = yield* Queue.bounded<number>(1)
      const hub = yield* PubSub.unbounded<number>()
      const permits = yield* Semaphore.make(1)
      const latch = yield* Latch.make()
      const deferred = yield* Deferred.make<number>()
      const say = (text: string) => Effect.sync(() => log.push(text))
      const work = Effect.all([
        Effect.forEach([1, 2, 3], (n) => Queue.offer(queue, n)),
        Effect.forEach([1, 2, 3], () => Effect.flatMap(Queue.take(queue), (n) => say(`take ${n}`))),
        permits.withPermit(Effect.andThen(Effect.sleep("10 millis"), say("first permit"))),
        permits.withPermit(say("second permit")),
        Effect.andThen(latch.await, say("latch")),
        Effect.flatMap(Deferred.await(deferred), (n) => say(`deferred ${n}`)),
        Effect.scoped(
          Effect.flatMap(PubSub.subscribe(hub), (one) => Effect.flatMap(PubSub.take(one), (n) => say(`hub ${n}`)))
        ),
        Effect.sleep("5 millis").pipe(
          Effect.andThen(PubSub.publish(hub, 5)),
          Effect.andThen(latch.open),
          Effect.andThen(Deferred.succeed(deferred, 9))
        )
      ], { concurrency: "unbounded" })
      yield* work
      return log
    }),
    "Stream": Stream.fromSchedule(Schedule.spaced("100 millis")).pipe(
      Stream.take(5),
      Stream.mapEffect((n) => Effect.map(Random.next, (r) => [n, r]), { concurrency: 2 }),
      Stream.runCollect
    ),
    "Cache with a time to live": Effect.gen(function*() {
      let lookups = 0
      const cache = yield* Cache.make({
        capacity: 5,
        timeToLive: "1 second",
        lookup: (key: string) => Effect.sync(() => `${key}${lookups++}`)
      })
      const found = [yield* Cache.get(cache, "a"), yield* Cache.get(cache, "a")]
      yield* Effect.sleep("2 seconds")
      return [...found, yield* Cache.get(cache, "a")]
    }),
    "SecureRandom": Effect.gen(function*() {
      const random = yield* SecureRandom.SecureRandom
      return [yield* random.uuidV4(), yield* random.uuidV7(), yield* random.ulid, yield* random.intBetween(0, 99)]
    }),
    "AEAD in plain TypeScript": Effect.gen(function*() {
      const aead = yield* Aead.Aead
      const key = yield* aead.generateKey(Aead.xchacha20Poly1305)
      const nonce = yield* (yield* SecureRandom.SecureRandom).randomBytes(24)
      return Array.from(yield* aead.encrypt(key, new Uint8Array(40), { nonce }))
    }).pipe(Effect.provide(Aead.layerWebCrypto)),
    "spans": Effect.withSpan(Effect.map(Effect.currentSpan, (span) => [span.traceId, span.spanId]), "span")
  }

  for (const [name, program] of Object.entries(programs)) {
    it(`${name}: the same by construction, and no trap is touched`, () => {
      const [first, second] = twice("off", program)
      assert.strictEqual(second, first)
      assert.include(first, "Success")
      const { kernel, outcome } = start("throw", program)
      assert.deepStrictEqual(kernel.escapes, [])
      assert.notStrictEqual(outcome.end, "failed")
      assert.strictEqual(result("throw", program), first)
    })
  }
})

describe("ambient values", () => {
  const programs: ReadonlyArray<readonly [what: string, program: Program]> = [
    ["Date", Effect.sync(() => Date.now())],
    ["Date", Effect.sync(() => new Date().getTime())],
    ["Date", Effect.sync(() => DateTime.toEpochMillis(DateTime.nowUnsafe()))],
    ["Math.random", Effect.sync(() => Math.random())],
    ["performance.now", Effect.sync(() => performance.now())],
    ["process.hrtime", Effect.sync(() => process.hrtime())],
    ["process.hrtime.bigint", Effect.sync(() => process.hrtime.bigint())],
    ["crypto.randomUUID", Effect.sync(() => crypto.randomUUID())],
    ["crypto.getRandomValues", Effect.sync(() => Array.from(crypto.getRandomValues(new Uint8Array(8))))],
    ["crypto.getRandomValues", Effect.sync(() => SecureRandom.uuidV4Unsafe())]
  ]

  for (const [what, program] of programs) {
    it(`${what}: differs, is virtualised with its place, and throws`, () => {
      const [first, second] = twice("off", program)
      assert.notStrictEqual(second, first)
      const [virtual, again] = twice("virtualise", program)
      assert.strictEqual(again, virtual)
      assert.include(virtual, "Success")
      const [escape] = start("virtualise", program).kernel.escapes
      assert.strictEqual(escape?.what, what)
      assert.strictEqual(escape?.node, "n1")
      if (!what.startsWith("crypto.getRandom")) assert.match(escape?.location ?? "", /Trap\.test\.ts:\d+/)
      const { outcome, process } = start("throw", program)
      assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "ambient")
      assert.include(outcome.end === "failed" ? outcome.failure.message : "", what)
      assert.isTrue(Process.isFailed(process))
    })
  }

  it("virtual ones are well-formed", () => {
    const { process } = start(
      "virtualise",
      Effect.sync(() => [
        new Date().toISOString(),
        new Date(0).toISOString(),
        new Date() instanceof Date,
        Date().length > 20,
        Date.UTC(1970, 0, 1),
        crypto.randomUUID()
      ])
    )
    const values: unknown = process.exit?._tag === "Success" ? process.exit.value : undefined
    assert.isTrue(Array.isArray(values))
    const [now, zero, isDate, isText, utc, uuid]: ReadonlyArray<unknown> = Array.isArray(values) ? values : []
    assert.match(String(now), /^2026-01-01T00:00:00\.\d{3}Z$/)
    assert.deepStrictEqual([zero, isDate, isText, utc], ["1970-01-01T00:00:00.000Z", true, true, 0])
    assert.match(String(uuid), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it("a HashMap whose keys are references keeps the order of arrival, and is nobody's use of randomness", () => {
    const program = Effect.gen(function*() {
      const refs = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (n) => Ref.make(n))
      const map = HashMap.fromIterable(refs.map((ref, i) => [ref, i] as const))
      return Array.from(HashMap.values(map))
    })
    const results = Array.from({ length: 5 }, () => result("off", program))
    assert.isAbove(new Set(results).size, 1)
    const [first, second] = twice("throw", program)
    assert.strictEqual(second, first)
    assert.include(first, "Success")
    assert.deepStrictEqual(start("throw", program).kernel.escapes, [])
  })

  it("causes of a failure that hold objects are put together without randomness", () => {
    const failing = Effect.fail({ why: () => "not this one" })
    const program = failing.pipe(Effect.ensuring(Effect.orDie(Effect.fail({ why: () => "nor this" }))), Effect.exit)
    const { kernel, process } = start("throw", program)
    assert.isTrue(process.exit?._tag === "Success")
    assert.deepStrictEqual(kernel.escapes, [])
  })

  it("a wait in a loop over Date ends with a reason", () => {
    const { outcome } = start(
      "virtualise",
      Effect.sync(() => {
        const end = Date.now() + 10_000
        while (Date.now() < end);
      })
    )
    assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "clock")
  })
})

describe("ambient timers", () => {
  const timers: ReadonlyArray<readonly [name: string, set: (run: () => void) => void]> = [
    ["setTimeout", (run) => void setTimeout(run, 1_000)],
    ["setImmediate", (run) => void setImmediate(run)],
    ["queueMicrotask", (run) => queueMicrotask(run)],
    ["nextTick", (run) => process.nextTick(run)]
  ]

  for (const [name, set] of timers) {
    const program = Effect.callback<string>((resume) => set(() => resume(Effect.succeed("woken"))))
    it(`${name}: stalls, runs on the kernel with its place, and throws`, () => {
      assert.strictEqual(result("off", program), "stalled")
      const { kernel, process } = start("virtualise", program)
      assert.strictEqual(process.exit?._tag, "Success")
      assert.strictEqual(kernel.escapes[0]?.what, name)
      assert.match(kernel.escapes[0]?.location ?? "", /Trap\.test\.ts/)
      const { outcome } = start("throw", program)
      assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "ambient")
    })
  }

  it("are cleared, repeat, take arguments, and die with their process", () => {
    const log: Array<string> = []
    const { kernel, process } = start(
      "virtualise",
      Effect.sync(() => {
        const interval = setInterval((text: string) => log.push(text), 1_000, "tick").unref()
        setTimeout(() => clearInterval(interval), 3_500)
        clearTimeout(setTimeout(() => log.push("cleared"), 10))
        setTimeout(() => log.push("late"), 3_600_000)
      }).pipe(Effect.andThen(Effect.sleep("10 seconds")))
    )
    assert.deepStrictEqual(log, ["tick", "tick", "tick"])
    assert.strictEqual(process.state, "exited")
    kernel.run()
    assert.deepStrictEqual(log, ["tick", "tick", "tick"])
  })
})

describe("ambient timers of a paused process", () => {
  it("wait for the end of the pause, in order", () => {
    const kernel = Kernel.make({ seed: 1n, traps: "virtualise" })
    const log: Array<string> = []
    const say = (name: string) => log.push(`${name} ${kernel.nowMicros() / 1_000}`)
    const process = Process.start(kernel, {
      node: "n1",
      context: Context.empty(),
      program: Effect.gen(function*() {
        setTimeout(() => say("timeout"), 20)
        yield* Effect.forkChild(Effect.andThen(Effect.sleep("10 millis"), Effect.sync(() => say("sleep"))))
        return yield* Effect.never
      })
    })
    kernel.run({ micros: 1_000 })
    process.pause(99_000)
    kernel.run()
    assert.deepStrictEqual(log, ["sleep 100", "timeout 100"])
  })
})

describe("an Effect run from an empty context", () => {
  it("stalls without traps", () => {
    const program = Effect.callback<void>((resume) => {
      Effect.runFork(Effect.yieldNow).addObserver(() => resume(Effect.void))
    })
    assert.strictEqual(result("off", program), "stalled")
    assert.include(result("throw", program), "Success")
  })

  it("takes part: scheduler, clock, randomness, spans, log", () => {
    const program = Effect.callback<unknown>((resume) => {
      const nested = Effect.gen(function*() {
        yield* Effect.yieldNow
        const fiber = yield* Effect.forkChild(Effect.andThen(Effect.sleep("1 second"), Random.next))
        yield* Effect.log("nested")
        const drawn = yield* Fiber.join(fiber)
        const span = yield* Effect.withSpan(Effect.map(Effect.currentSpan, (one) => one.spanId), "nested")
        return [drawn, yield* Clock.currentTimeMillis, yield* DateTime.now, span]
      })
      Effect.runFork(Effect.orDie(nested)).addObserver((exit) => resume(exit))
    })
    const [first, second] = twice("throw", program)
    assert.include(first, "Success")
    assert.strictEqual(second, first)
    const { kernel } = start("throw", program)
    assert.deepStrictEqual(kernel.escapes, [])
    assert.includeMembers(kernel.trace.rows().map(({ kind }) => kind), ["log", "span.start"])
  })

  it("dies with its process, and is paused with it", () => {
    const log: Array<number> = []
    const kernel = Kernel.make({ seed: 1n })
    const program = Effect.andThen(
      Effect.sync(() => {
        Effect.runFork(Effect.forever(Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => {
            log.push(kernel.nowMicros() / 1_000_000)
          })
        )))
      }),
      Effect.never
    )
    const process = Process.start(kernel, { node: "n1", context: Context.empty(), program })
    kernel.run({ micros: 1_500_000 })
    process.pause(2_000_000)
    kernel.run({ micros: 5_000_000 })
    process.crash()
    kernel.run({ micros: 9_000_000 })
    assert.deepStrictEqual(log, [1, 3.5, 4.5])
  })

  it("does not come back when somebody outside wakes it after the crash", () => {
    let woken = false
    let wake = () => {}
    const kernel = Kernel.make({ seed: 1n })
    const waiting = Effect.callback<void>((resume) => {
      wake = () => resume(Effect.void)
    })
    const program = Effect.andThen(
      Effect.sync(() => {
        Effect.runFork(Effect.andThen(
          waiting,
          Effect.sync(() => {
            woken = true
          })
        ))
      }),
      Effect.never
    )
    const process = Process.start(kernel, { node: "n1", context: Context.empty(), program })
    kernel.run()
    process.crash()
    kernel.schedule(1, () => wake())
    kernel.run()
    assert.isFalse(woken)
  })
})

describe("promises", () => {
  it("stall, are named with their place, and throw", () => {
    const program = Effect.promise(async () => {
      await Promise.resolve()
      return 1
    })
    assert.strictEqual(result("off", program), "stalled")
    const { kernel, process } = start("virtualise", program)
    assert.isUndefined(process.exit)
    assert.deepStrictEqual(kernel.escapes.map(({ what }) => what), ["Promise.then"])
    assert.strictEqual(process.promises.size, 1)
    const { outcome } = start("throw", program)
    assert.isTrue(outcome.end === "failed" && outcome.failure.message.startsWith("Promise.then"))
  })

  it("of fetch are named too", () => {
    const program = Effect.sync(() => void fetch("http://localhost:9/").catch(() => {}))
    const { outcome } = start("throw", program)
    assert.isTrue(outcome.end === "failed" && outcome.failure.message.startsWith("fetch"))
  })
})
