import { assert, describe, it } from "@effect/vitest"
import * as Codec from "@sotto/schema/Codec"
import { DeviceId } from "@sotto/schema/Id"
import { boundedArray, boundedBytes, uint } from "@sotto/schema/Wire"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { add, addWinsSet, elements, empty, remove } from "../../../src/item/merge/AddWinsSet.ts"
import { text, textOf } from "../kit.ts"
import { device, failureOf, fold, mergedOf } from "./kit.ts"
import { laws } from "./laws.ts"

type Step = readonly [adds: boolean, element: number]

/** Each version is written by a device of its own: a device does not write at the same time as itself. */
const steps = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 3 })), { maxLength: 5 })

const named = (element: number): Uint8Array => text("wxyz"[element] ?? "w")

const after = (value: Uint8Array, who: number, all: ReadonlyArray<Step>): Uint8Array =>
  all.reduce(
    (set, [adds, element]) =>
      (adds ? add(set, device(who), named(element)) : remove(set, named(element))) ?? assert.fail("no set"),
    value
  )

const read = (value: Uint8Array | undefined) => value === undefined ? undefined : elements(value)?.map(textOf)
const join = (a: Uint8Array, b: Uint8Array): Uint8Array => mergedOf(fold(addWinsSet(), a, b)) ?? assert.fail("no set")

describe("an add-wins set", () => {
  laws(
    addWinsSet(),
    fc.tuple(steps, steps, steps, steps).map(([before, a, b, c]) => {
      const base = after(empty, 4, before)
      return [after(base, 1, a), after(base, 2, b), after(base, 3, c)] as const
    })
  )

  it("has after a merge what a side added, and what no side removed", () => {
    fc.assert(
      fc.property(steps, steps, steps, (before, a, b) => {
        const base = after(empty, 4, before)
        const merged = new Set(read(join(after(base, 1, a), after(base, 2, b))))
        for (const element of [0, 1, 2, 3]) {
          const name = textOf(named(element))
          const last = (all: ReadonlyArray<Step>) => all.findLast(([, each]) => each === element)?.[0]
          const [ofA, ofB] = [last(a), last(b)]
          // A side that added and then removed only removed what it knew of: an add of the other still wins.
          const expected = ofA === true || ofB === true ||
            (ofA === undefined && ofB === undefined && read(base)?.includes(name) === true)
          assert.strictEqual(merged.has(name), expected, name)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("does not bring back what was removed with the add that made it known", () => {
    const one = after(empty, 1, [[true, 0]])
    const removed = after(one, 2, [[false, 0]])
    assert.deepStrictEqual(read(join(one, removed)), [])
    assert.deepStrictEqual(read(join(removed, after(one, 3, [[true, 0]]))), ["w"])
  })

  it("is no set when an add is not among those that it has seen, or anything is out of order", () => {
    const Dots = boundedArray(Schema.Struct({ device: DeviceId, count: uint() }), 8)
    const forged = Codec.make(
      Schema.Struct({
        seen: Dots,
        members: boundedArray(Schema.Struct({ element: boundedBytes(8), dots: Dots }), 8)
      }),
      "forged"
    )
    const dot = (who: number, count: number) => ({ device: device(who), count })
    const member = (element: string, ...dots: ReadonlyArray<ReturnType<typeof dot>>) => ({
      element: text(element),
      dots
    })
    const set = (seen: ReadonlyArray<ReturnType<typeof dot>>, ...members: ReadonlyArray<ReturnType<typeof member>>) =>
      read(forged.encode({ seen, members }))
    assert.deepStrictEqual(set([dot(1, 2)], member("x", dot(1, 2))), ["x"])
    assert.isUndefined(set([dot(1, 1)], member("x", dot(1, 2))))
    assert.isUndefined(set([], member("x", dot(1, 1))))
    assert.isUndefined(set([dot(1, 1)], member("x", dot(1, 0))))
    assert.isUndefined(set([dot(1, 1)], member("x")))
    assert.isUndefined(set([dot(2, 1), dot(1, 1)]))
    assert.isUndefined(set([dot(1, 2)], member("y", dot(1, 1)), member("x", dot(1, 2))))
    assert.isUndefined(set([dot(1, 2)], member("x", dot(1, 2), dot(1, 1))))
    assert.isUndefined(add(text("no set"), device(1), text("x")))
    assert.isUndefined(remove(text("no set"), text("x")))
  })

  it("takes no element that no value holds", () => {
    assert.isUndefined(add(empty, device(1), new Uint8Array(65_537)))
    assert.isUndefined(failureOf(fold(addWinsSet(), empty, empty)))
  })
})
