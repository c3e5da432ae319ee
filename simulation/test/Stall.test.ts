import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"
import * as Process from "../src/Process.ts"
import * as Stall from "../src/Stall.ts"

const start = (kernel: Kernel.Kernel, node: string, program: Effect.Effect<unknown, unknown>) =>
  Process.start(kernel, { node, context: Context.empty(), program })

describe("find", () => {
  it("names a process that waits for a promise, its spans and the place, also while others go on", () => {
    const kernel = Kernel.make({ seed: 1n, traps: "virtualise" })
    const waiting = Effect.promise(() => Promise.resolve(1)).pipe(Effect.withSpan("load"), Effect.withSpan("open"))
    start(kernel, "n1", waiting)
    start(kernel, "n2", Effect.forever(Effect.sleep("1 second")))
    kernel.run({ micros: 5_000_000 })
    const [stall, ...others] = Stall.find(kernel)
    assert.deepStrictEqual(others, [])
    assert.strictEqual(stall?.node, "n1")
    assert.strictEqual(stall?.waitsFor, "promise")
    assert.deepStrictEqual(stall?.spans, ["open", "load"])
    assert.match(stall === undefined ? "" : Stall.text(stall), /^n1 waits in span open > load for a promise/)
  })

  it("names who waits for anything once the world is quiet, and nobody before", () => {
    const kernel = Kernel.make({ seed: 1n })
    start(kernel, "server", Effect.withSpan(Effect.never, "accept"))
    start(kernel, "client", Effect.sleep("3 seconds"))
    kernel.run({ micros: 1_000_000 })
    assert.deepStrictEqual(Stall.find(kernel), [])
    kernel.run()
    const stalls = Stall.find(kernel)
    assert.deepStrictEqual(stalls, [{ node: "server", waitsFor: "anything", spans: ["accept"], promises: [] }])
    assert.deepStrictEqual(stalls.map(Stall.text), [
      "server waits in span accept for something that nobody in the simulation will do"
    ])
  })

  it("names nobody who ended, crashed, or has a timer or a task", () => {
    const kernel = Kernel.make({ seed: 1n })
    start(kernel, "ended", Effect.void)
    const crashed = start(kernel, "crashed", Effect.never)
    start(kernel, "timer", Effect.sleep("1 hour"))
    start(kernel, "spins", Effect.forever(Effect.yieldNow))
    for (let i = 0; i < 100; i++) kernel.step()
    crashed.crash()
    assert.deepStrictEqual(Stall.find(kernel), [])
  })
})
