import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import { assert, describe, it } from "vitest"
import * as Bridge from "../src/Bridge.ts"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"
import * as Cluster from "./kit/cluster.ts"

const start = <A, E>(kernel: Kernel.Kernel, node: string, program: Effect.Effect<A, E>) =>
  Process.start(kernel, { node, context: Context.empty(), program })

const digest = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))

/** Promises, WebCrypto of very different cost, timers and draws, mixed. */
const busy = (kernel: Kernel.Kernel, log: Array<string>, name: string) =>
  Effect.gen(function*() {
    for (let i = 0; i < 5; i++) {
      yield* Effect.sleep((yield* Random.nextIntBetween(1, 20)) * 1000)
      const sizes = [4_000_000, 10, 400_000, 1]
      const done = yield* Effect.promise(async () => {
        const order: Array<number> = []
        await Promise.all(sizes.map(async (size, k) => {
          await crypto.subtle.digest("SHA-256", new Uint8Array(size))
          order.push(k)
          await Promise.resolve()
          await digest(`${k}`)
          order.push(10 + k)
        }))
        return order
      })
      kernel.trace.note(name, "done", { i, order: done.join() })
      log.push(`${name} ${i} ${done.join()} ${yield* Clock.currentTimeMillis}`)
    }
  })

describe("run", () => {
  it("lets promises have their turn, in no virtual time", async () => {
    const kernel = Kernel.make({ seed: 1n })
    const process = start(
      kernel,
      "n1",
      Effect.gen(function*() {
        const before = yield* Clock.currentTimeMillis
        const one = yield* Effect.promise(async () => {
          await Promise.resolve()
          await new Promise<void>((resolve) => void Promise.resolve().then(resolve))
          return 1
        })
        const hash = yield* Effect.promise(() => digest("abc"))
        yield* Effect.sleep("1 second")
        const failed = yield* Effect.exit(Effect.tryPromise(() => Promise.reject(new Error("no"))))
        return [one, new Uint8Array(hash)[0], (yield* Clock.currentTimeMillis) - before, failed._tag]
      })
    )
    assert.deepStrictEqual(await Bridge.run(kernel), { end: "quiet" })
    assert.deepStrictEqual(process.exit, Exit.succeed([1, 0xba, 1_000, "Failure"]))
    assert.deepStrictEqual(kernel.escapes, [])
  })

  it("is deterministic with WebCrypto on threads: the answers come in the order of the calls", async () => {
    const once = async () => {
      const kernel = Kernel.make({ seed: 3n })
      const log: Array<string> = []
      for (const name of ["a", "b", "c"]) start(kernel, name, busy(kernel, log, name))
      await Bridge.run(kernel)
      return { log, hash: kernel.trace.hash, events: kernel.events }
    }
    const first = await once()
    assert.strictEqual(first.log.length, 15)
    for (const line of first.log) assert.include(line, " 0,1,2,3,10,11,12,13 ")
    for (let i = 0; i < 5; i++) assert.deepStrictEqual(await once(), first)
  })

  it("is the same as the synchronous driver for programs without promises", async () => {
    for (const seed of [1n, 2n, 3n, 4n, 5n]) {
      const kernel = Cluster.start(seed)
      await Bridge.run(kernel, { micros: 1_000_000 })
      assert.strictEqual(kernel.trace.hash, Cluster.run(seed).hash)
    }
  })

  it("ends at a time, at a predicate, and at a failure", async () => {
    const kernel = Kernel.make({ seed: 1n })
    let turns = 0
    start(
      kernel,
      "n1",
      Effect.forever(Effect.andThen(
        Effect.sleep("1 second"),
        Effect.promise(async () => {
          await Promise.resolve()
          turns++
        })
      ))
    )
    assert.deepStrictEqual(await Bridge.run(kernel, { micros: 2_500_000 }), { end: "time" })
    assert.strictEqual(turns, 2)
    assert.deepStrictEqual(await Bridge.run(kernel, { predicate: () => turns === 4 }), { end: "predicate" })
    assert.strictEqual(kernel.nowMicros(), 4_000_000)
    start(kernel, "n2", Effect.sync(() => Math.random()))
    const outcome = await Bridge.run(kernel)
    assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "ambient")
  })

  it("traps the machine in a promise's turn too, and only there", async () => {
    const kernel = Kernel.make({ seed: 1n, traps: "virtualise" })
    const process = start(
      kernel,
      "n1",
      Effect.promise(async () => {
        await digest("x")
        return [Date.now(), Math.random(), await digest("y").then(() => Date.now())]
      })
    )
    const foreign: Array<number> = []
    const timer = setInterval(() => foreign.push(Date.now()), 0)
    start(kernel, "n2", busy(kernel, [], "n2"))
    await Bridge.run(kernel)
    clearInterval(timer)
    const values = process.exit?._tag === "Success" ? process.exit.value : []
    assert.isTrue(Math.abs((values[0] ?? 0) - kernel.epochMillis) < 1_000, String(values))
    assert.isTrue(Math.abs((values[2] ?? 0) - kernel.epochMillis) < 1_000, String(values))
    assert.isAbove(foreign.length, 0)
    for (const time of foreign) assert.isBelow(Math.abs(time - Date.now()), 60_000)
    assert.deepStrictEqual(kernel.escapes.map(({ what }) => what).toSorted(), ["Date", "Date", "Math.random"])
  })

  it("hands nothing to a process that crashed meanwhile", async () => {
    const kernel = Kernel.make({ seed: 1n })
    let went = false
    const process: Process.Process = start(
      kernel,
      "n1",
      Effect.gen(function*() {
        yield* Effect.forkChild(Effect.suspend(() => process.die))
        yield* Effect.promise(() => digest("x"))
        went = true
      })
    )
    assert.deepStrictEqual(await Bridge.run(kernel), { end: "quiet" })
    assert.isTrue(went || process.state === "crashed")
    const second = Kernel.make({ seed: 1n })
    const log: Array<string> = []
    const crashing = start(second, "n1", busy(second, log, "n1"))
    second.schedule(20_000, () => crashing.crash())
    await Bridge.run(second)
    assert.isBelow(log.length, 5)
  })
})
