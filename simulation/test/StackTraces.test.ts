/** A run without a trace takes no stack of the errors in it, one with a trace does, and neither leaves a limit behind. */
import { assert, describe, it } from "vitest"
import * as StackTraces from "../src/StackTraces.ts"
import * as Notes from "./kit/notes.ts"

const limit = (): unknown => Reflect.get(Error, "stackTraceLimit")

const framesOf = (error: Error): number => (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)).length

describe("stack traces", () => {
  it("have as many frames as they may, and afterwards as many as before, also when it throws", () => {
    const before = limit()
    assert.strictEqual(framesOf(StackTraces.within(0, () => new Error())), 0)
    assert.strictEqual(framesOf(StackTraces.within(2, () => new Error())), 2)
    assert.throws(() =>
      StackTraces.within(0, () => {
        throw new RangeError()
      })
    )
    assert.strictEqual(limit(), before)
  })

  it("begin above the caller, whatever the limit is", () => {
    const caller = () => StackTraces.here(1)
    const above = () => caller()
    assert.match(StackTraces.within(0, above)[0] ?? "", /^above /)
  })

  it("are taken in runs with a trace only", () => {
    const simulation = Notes.simulation()
    const scenario = simulation.expand(1n, "calm")
    const seen: Array<unknown> = []
    const watched = {
      ...scenario,
      get faults() {
        seen.push(limit())
        return scenario.faults
      }
    }
    const before = limit()
    simulation.run(watched)
    assert.include(seen, 0)
    seen.length = 0
    simulation.run(watched, { trace: true })
    assert.notInclude(seen, 0)
    assert.strictEqual(limit(), before)
  })
})
