import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import { afterEach, assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"

const start = (program: Effect.Effect<unknown>) => {
  const kernel = Kernel.make({ seed: 7n })
  Process.start(kernel, { node: "n1", context: Context.empty(), program })
  kernel.run()
  return kernel
}

describe("who is not a process", () => {
  const sameAsEver = () => {
    assert.closeTo(Date.now(), new Date().getTime(), 1_000)
    assert.isAbove(performance.now(), 0)
    assert.notStrictEqual(Math.random(), Math.random())
    assert.isAbove(process.hrtime()[0], 0)
    assert.notStrictEqual(crypto.randomUUID(), crypto.randomUUID())
  }

  it("keeps the machine while events run", () => {
    const kernel = Kernel.make({ seed: 1n })
    const before = Date.now()
    kernel.schedule(1, sameAsEver)
    kernel.run({ predicate: () => Date.now() < before })
    assert.strictEqual(kernel.events, 1)
    assert.deepStrictEqual(kernel.escapes, [])
  })

  it("prints from a process without an escape", () => {
    const { log } = console
    const printed: Array<unknown> = []
    Reflect.set(console, "log", (text: unknown) => printed.push(text, Date.now() > 1_600_000_000_000))
    try {
      const kernel = start(Effect.sync(() => Reflect.get(console, "log")("hello")))
      assert.deepStrictEqual(kernel.escapes, [])
      assert.deepStrictEqual(printed, ["hello", true])
    } finally {
      Reflect.set(console, "log", log)
    }
  })
})

describe("installing", () => {
  const places: ReadonlyArray<readonly [target: object, ...keys: ReadonlyArray<string>]> = [
    [globalThis, "Date", "setTimeout", "setInterval", "setImmediate", "clearTimeout", "queueMicrotask", "fetch"],
    [Date, "now"],
    [Math, "random"],
    [performance, "now"],
    [process, "hrtime", "nextTick"],
    [process.hrtime, "bigint"],
    [crypto, "getRandomValues", "randomUUID"],
    [crypto.subtle, "digest", "sign"],
    [console, "log"],
    [Promise.prototype, "then"],
    [Context.get(Context.empty(), Scheduler.Scheduler), "shouldYield", "makeDispatcher"],
    [Context.get(Context.empty(), Clock.Clock), "sleep", "currentTimeMillis"],
    [Context.get(Context.empty(), Random.Random), "nextDoubleUnsafe"]
  ]
  const global = () => places.flatMap(([target, ...keys]) => keys.map((key): unknown => Reflect.get(target, key)))
  const own = () => [performance, crypto, crypto.subtle, process.hrtime, Math].map((one) => Object.keys(one).length)
  const before = [global(), own()]

  afterEach(() => {
    assert.deepStrictEqual([global(), own()], before)
  })

  it("is undone after a run", () => {
    start(Effect.sleep("1 second"))
  })

  it("is undone when a run throws, and when one is inside another", () => {
    const kernel = Kernel.make({ seed: 1n })
    kernel.schedule(1, () => {
      const inner = Kernel.make({ seed: 2n })
      inner.schedule(1, () => {
        throw new Error("inner")
      })
      inner.run()
    })
    assert.throws(() => kernel.run(), "inner")
  })

  it("replaces all of it while events run", () => {
    const kernel = Kernel.make({ seed: 1n })
    kernel.schedule(1, () => {
      global().forEach((value, i) => assert.notStrictEqual(value, before[0]?.[i], String(i)))
    })
    kernel.run()
  })
})
