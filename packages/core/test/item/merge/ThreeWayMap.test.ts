import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { UNRESOLVED } from "../../../src/item/merge/Custom.ts"
import { fields, type FieldSides, type MapOptions, threeWayMap } from "../../../src/item/merge/ThreeWayMap.ts"
import { text, textOf } from "../kit.ts"
import { failureOf, fold, mergedOf } from "./kit.ts"

type Plain = Readonly<Record<string, string>>

const map = (plain: Plain): Uint8Array =>
  fields.encode(new Map(Object.entries(plain).map(([field, of]) => [field, text(of)])))
const read = (value: Uint8Array | undefined): Plain | undefined => {
  const all = value === undefined ? undefined : fields.decode(value)
  return all === undefined ? undefined : Object.fromEntries([...all].map(([field, of]) => [field, textOf(of)]))
}

const merge = (local: Plain, remote: Plain, bases: ReadonlyArray<Plain>, options: MapOptions = {}) =>
  fold(threeWayMap(options), map(local), map(remote), ...bases.map(map))
const result = (...args: Parameters<typeof merge>) => read(mergedOf(merge(...args)))

const plain = fc.dictionary(fc.constantFrom("x", "y", "z"), fc.constantFrom("1", "2", "3"))

describe("a three-way map", () => {
  it("merges field by field: the side that changed a field, or removed it, has its way", () => {
    const base = { x: "1", y: "1", z: "1" }
    assert.deepStrictEqual(result({ ...base, x: "2" }, { ...base, y: "3" }, [base]), { x: "2", y: "3", z: "1" })
    assert.deepStrictEqual(result({ x: "1", y: "1" }, { ...base, w: "0" }, [base]), { w: "0", x: "1", y: "1" })
    assert.deepStrictEqual(result({ ...base, x: "2" }, { ...base, x: "2" }, [base]), { ...base, x: "2" })
    assert.strictEqual(failureOf(merge({ ...base, x: "2" }, { ...base, x: "3" }, [base])), "unresolved")
    assert.strictEqual(failureOf(merge({ ...base, x: "2" }, { y: "1", z: "1" }, [base])), "unresolved")
  })

  it("has, against one base, for each field what the rule says, whichever side is which", () => {
    fc.assert(
      fc.property(plain, plain, plain, (base, local, remote) => {
        const names = ["x", "y", "z"]
        const isConflict = (name: string) =>
          local[name] !== remote[name] && local[name] !== base[name] && remote[name] !== base[name]
        const expected = names.some(isConflict) ? undefined : Object.fromEntries(names.flatMap((name) => {
          const of = local[name] === base[name] ? remote[name] : local[name]
          return of === undefined ? [] : [[name, of] as const]
        }))
        assert.deepStrictEqual(result(local, remote, [base]), expected)
        assert.deepStrictEqual(result(remote, local, [base]), expected)
      }),
      { numRuns: 400 }
    )
  })

  it("without a base keeps every field, and leaves those that differ to a person", () => {
    assert.deepStrictEqual(result({ x: "1" }, { y: "2" }, []), { x: "1", y: "2" })
    assert.strictEqual(failureOf(merge({ x: "1" }, { x: "2" }, [])), "unresolved")
  })

  it("after merges that crossed goes by the fields on which all bases agree", () => {
    const bases = [{ x: "1", y: "1" }, { x: "2", y: "1" }]
    assert.deepStrictEqual(result({ x: "2", y: "1" }, { x: "2", y: "5" }, bases), { x: "2", y: "5" })
    // One side went back to what one base has: which of the two was changed is not to be known.
    assert.strictEqual(failureOf(merge({ x: "2", y: "1" }, { x: "1", y: "1" }, bases)), "unresolved")
  })

  it("asks the app about a field that both changed, with the base that it has", () => {
    const asked: Array<FieldSides> = []
    const field = (sides: FieldSides) => {
      asked.push(sides)
      return sides.field === "x" ? text("chosen") : undefined
    }
    const options = { field }
    assert.deepStrictEqual(
      result({ x: "2", y: "2" }, { x: "3", y: "3", z: "1" }, [{ x: "1", y: "1", z: "1" }], options),
      { x: "chosen" }
    )
    assert.deepStrictEqual(asked.map(({ base, field, key }) => [key, field, base]), [
      ["k", "x", text("1")],
      ["k", "y", text("1")]
    ])
    assert.deepStrictEqual(result({ x: "2" }, { x: "3" }, [{ x: "1" }, { x: "5" }], options), { x: "chosen" })
    assert.isFalse("base" in (asked.at(-1) ?? {}))
  })

  it("takes what the app must not answer, or throws, for a failure", () => {
    const answering = (answer: () => unknown) => {
      const options: MapOptions = {}
      return failureOf(merge({ x: "2" }, { x: "3" }, [], Object.assign(options, { field: answer })))
    }
    assert.strictEqual(answering(() => UNRESOLVED), "unresolved")
    assert.strictEqual(answering(() => "text"), "returned")
    assert.strictEqual(answering(() => null), "returned")
    assert.strictEqual(
      answering(() => {
        throw new Error("no")
      }),
      "threw"
    )
  })

  it("takes bytes that are no map for a failure, and a base that is none for no base", () => {
    const noise = text("no map")
    assert.strictEqual(failureOf(fold(threeWayMap(), noise, map({}))), "malformed")
    assert.strictEqual(failureOf(fold(threeWayMap(), map({}), noise)), "malformed")
    assert.deepStrictEqual(read(mergedOf(fold(threeWayMap(), map({ x: "1" }), map({ y: "1" }), noise))), {
      x: "1",
      y: "1"
    })
    const three = fold(threeWayMap(), map({ x: "1" }), map({ x: "2" }), map({ x: "1" }), noise)
    assert.strictEqual(failureOf(three), "unresolved")
    // Fields out of order, and twice: [[ "b", 1 ], [ "a", 1 ]] by hand.
    const row = (name: string) => [0x92, 0xa1, name.charCodeAt(0), 0xc4, 0x01, 0x31]
    assert.deepStrictEqual(read(Uint8Array.of(0x92, ...row("a"), ...row("b"))), { a: "1", b: "1" })
    assert.isUndefined(fields.decode(Uint8Array.of(0x92, ...row("b"), ...row("a"))))
    assert.isUndefined(fields.decode(Uint8Array.of(0x92, ...row("a"), ...row("a"))))
  })

  it("gives equal bytes for equal fields, whatever their order", () => {
    assert.deepStrictEqual(map({ b: "1", a: "2" }), map({ a: "2", b: "1" }))
  })
})
