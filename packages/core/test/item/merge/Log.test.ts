import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { append, empty, type Line, lines, log } from "../../../src/item/merge/Log.ts"
import { text, textOf } from "../kit.ts"
import { device, fold, mergedOf } from "./kit.ts"
import { laws } from "./laws.ts"

const line = (millis: number, who: number, of: string): Line => ({
  hlc: { millis, counter: 0 },
  device: device(who),
  value: text(of)
})

const some = fc.array(
  fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 2 }), fc.constantFrom("x", "y")).map(([millis, who, of]) =>
    line(millis, who, of)
  ),
  { maxLength: 5 }
)

const after = (value: Uint8Array, all: ReadonlyArray<Line>): Uint8Array =>
  all.reduce((log, each) => append(log, each) ?? assert.fail("no log"), value)

const read = (value: Uint8Array | undefined) =>
  value === undefined ? undefined : lines(value)?.map((each) => textOf(each.value))

describe("a log", () => {
  laws(
    log(),
    fc.tuple(some, some, some, some).map(([before, a, b, c]) => {
      const base = after(empty, before)
      return [after(base, a), after(base, b), after(base, c)] as const
    })
  )

  it("has every line once, in the order of clocks, devices and bytes", () => {
    const [a, b] = [
      after(empty, [line(1, 1, "one"), line(3, 1, "three")]),
      after(empty, [line(3, 0, "two"), line(1, 1, "one")])
    ]
    assert.deepStrictEqual(read(mergedOf(fold(log(), a, b))), ["one", "two", "three"])
    assert.deepStrictEqual(read(after(a, [line(3, 1, "and")])), ["one", "and", "three"])
  })

  it("takes nothing that is out of order or twice there, and no line that no value holds", () => {
    const [one, two] = [after(empty, [line(1, 1, "x")]), after(empty, [line(2, 1, "x")])]
    // Two logs of one line, put together by hand: an array of two, then the lines.
    assert.deepStrictEqual(read(Uint8Array.of(0x92, ...one.slice(1), ...two.slice(1))), ["x", "x"])
    assert.isUndefined(lines(Uint8Array.of(0x92, ...two.slice(1), ...one.slice(1))))
    assert.isUndefined(lines(Uint8Array.of(0x92, ...one.slice(1), ...one.slice(1))))
    assert.isUndefined(append(text("no log"), line(1, 1, "x")))
    assert.isUndefined(append(empty, { ...line(1, 1, ""), value: new Uint8Array(65_537) }))
  })
})
