import { assert, describe, it } from "vitest"
import * as Kernel from "../src/Kernel.ts"

describe("run", () => {
  it("ends quiet, at a time, or at a predicate, and goes on from there", () => {
    const kernel = Kernel.make({ seed: 1n })
    const ran: Array<number> = []
    for (const delay of [30, 10, 20, 10]) kernel.schedule(delay, () => ran.push(kernel.nowMicros()))
    assert.deepStrictEqual(kernel.run({ micros: 15 }), { end: "time" })
    assert.strictEqual(kernel.nowMicros(), 15)
    assert.deepStrictEqual(kernel.run({ predicate: () => ran.length === 3 }), { end: "predicate" })
    assert.strictEqual(kernel.nowMicros(), 20)
    assert.strictEqual(kernel.nextMicros(), 30)
    assert.deepStrictEqual(kernel.run(), { end: "quiet" })
    assert.deepStrictEqual(ran, [10, 10, 20, 30])
    assert.deepStrictEqual(kernel.run({ micros: 100 }), { end: "time" })
    assert.strictEqual(kernel.nowMicros(), 100)
    assert.strictEqual(kernel.events, 4)
  })

  it("runs what falls on its end, and takes back what was cancelled", () => {
    const kernel = Kernel.make({ seed: 1n })
    let ran = 0
    kernel.schedule(10, () => ran++)
    kernel.schedule(10, () => ran++)()
    kernel.run({ micros: 10 })
    assert.strictEqual(ran, 1)
  })

  it("steps event by event", () => {
    const kernel = Kernel.make({ seed: 1n })
    kernel.schedule(5, () => kernel.schedule(5, () => {}))
    assert.isTrue(kernel.step())
    assert.strictEqual(kernel.nowMicros(), 5)
    assert.isTrue(kernel.step())
    assert.isFalse(kernel.step())
    assert.strictEqual(kernel.nowMicros(), 10)
  })

  it("refuses delays that are no whole microseconds", () => {
    const kernel = Kernel.make({ seed: 1n })
    for (const delay of [-1, 0.5, NaN, Infinity, 2 ** 60]) assert.throws(() => kernel.schedule(delay, () => {}))
  })

  it("names a run that would not end, and does not go on with it", () => {
    const kernel = Kernel.make({ seed: 1n, eventsMax: 1_000 })
    const again = () => {
      kernel.schedule(10, again)
    }
    again()
    const outcome = kernel.run()
    assert.strictEqual(outcome.end === "failed" ? outcome.failure.reason : outcome.end, "events")
    assert.deepStrictEqual(kernel.run(), outcome)
    assert.isFalse(kernel.step())
    assert.strictEqual(kernel.events, 1_001)
  })

  it("names an instant that does not pass", () => {
    const kernel = Kernel.make({ seed: 1n, eventsPerInstantMax: 1_000 })
    const again = () => {
      kernel.schedule(0, again)
    }
    kernel.schedule(7, again)
    const outcome = kernel.run()
    assert.isTrue(outcome.end === "failed" && outcome.failure.reason === "instant" && outcome.failure.tMicros === 7)
  })

  it("keeps the first failure", () => {
    const kernel = Kernel.make({ seed: 1n })
    kernel.fail("clock", "first", "n1")
    kernel.fail("events", "second")
    assert.deepStrictEqual(kernel.failure, { reason: "clock", message: "first", node: "n1", tMicros: 0 })
  })

  it("lets an exception of an event out and can go on", () => {
    const kernel = Kernel.make({ seed: 1n })
    kernel.schedule(1, () => {
      throw new Error("a bug of the harness")
    })
    let ran = false
    kernel.schedule(2, () => {
      ran = true
    })
    assert.throws(() => kernel.run(), "a bug of the harness")
    kernel.run()
    assert.isTrue(ran)
  })
})

describe("cause", () => {
  it("follows from event to event", () => {
    const kernel = Kernel.make({ seed: 1n })
    const { trace } = kernel
    kernel.schedule(1, () => {
      trace.cause = trace.note("a", "send")
      kernel.schedule(5, () => {
        trace.cause = trace.note("b", "recv")
        kernel.schedule(0, () => trace.note("b", "apply"))
      })
    })
    kernel.schedule(3, () => trace.note("c", "tick"))
    kernel.run()
    assert.deepStrictEqual(trace.rows().map(({ cause, kind }) => [kind, cause]), [
      ["send", undefined],
      ["tick", undefined],
      ["recv", 0],
      ["apply", 2]
    ])
  })
})
