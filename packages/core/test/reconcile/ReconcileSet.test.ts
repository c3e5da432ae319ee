import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as fc from "fast-check"
import * as IdIndex from "../../src/reconcile/IdIndex.ts"
import * as Ordered from "../../src/reconcile/Ordered.ts"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as ShortId from "../../src/reconcile/ShortId.ts"
import * as Sketch from "../../src/reconcile/Sketch.ts"
import * as Union from "../../src/reconcile/Union.ts"
import { apply, changes, hexes, idsFrom, pool, poolId, setOf, stateOf } from "./kit.ts"

describe("ReconcileSet", () => {
  it("is what its members are, whatever came and went, in any order", () => {
    fc.assert(
      fc.property(changes, fc.boolean(), (list, sumLater) => {
        const set = setOf([], { sumLater })
        const model = apply(set, list)
        const members = [...model].sort((a, b) => a - b).map(poolId)
        assert.deepStrictEqual(stateOf(set), stateOf(setOf(members)))
        assert.deepStrictEqual(hexes(ReconcileSet.ids(set)), hexes(members))
        for (const [i, id] of pool.entries()) assert.strictEqual(ReconcileSet.has(set, id), model.has(i))
      }),
      { numRuns: 100 }
    )
  })

  it("tells where an id stands in the order of insertion", () => {
    const ids = idsFrom(7, 3000)
    const set = setOf(ids.slice(0, 2999))
    assert.deepStrictEqual(ids.map((id) => ReconcileSet.rowOf(set, id)), [...Array(2999).keys(), -1])
  })

  it("tells the memory that all its arrays take, whatever their number", () => {
    /** Bytes of every array that can be reached. */
    const reachable = (value: unknown): number => {
      if (ArrayBuffer.isView(value)) return value.byteLength
      return typeof value === "object" && value !== null
        ? Object.values(value).reduce((sum: number, each: unknown) => sum + reachable(each), 0)
        : 0
    }
    for (const count of [0, 1, 1000, 5000, 20_000]) {
      const set = setOf(idsFrom(1, count))
      // The index is there twice: by itself, and in the list that a union would make longer. The key is everybody's.
      const { index, sketch } = set
      assert.strictEqual(ReconcileSet.memoryBytes(set), reachable({ index, sketch }), `${count}`)
    }
  })

  it("has another root for every other set", () => {
    const roots = new Set<string>()
    const set = setOf([])
    for (const id of pool) {
      roots.add(Bytes.toHex(ReconcileSet.root(set)))
      ReconcileSet.insert(set, id)
    }
    assert.strictEqual(roots.size, pool.length)
  })

  it("grows without a trace: with and without knowing how many come", () => {
    const ids = idsFrom(2, 5000)
    const grown = setOf(ids)
    assert.isAbove(grown.sketch.scale, Sketch.SCALE_MIN)
    assert.deepStrictEqual(stateOf(grown), stateOf(setOf([...ids].reverse(), { expected: 5000 })))
    assert.isAtMost(2 ** Sketch.SCALE_MAX, Limit.reconcileCellsMax)
  })

  it("gives the room of removed ids back, and keeps the order of the others", () => {
    const set = setOf([])
    const ids = idsFrom(3, 9000)
    const kept = ids.filter((_, i) => i % 100 === 7)
    for (const id of ids) ReconcileSet.insert(set, id)
    const before = set.index.pages.length
    for (const [i, id] of ids.entries()) if (i % 100 !== 7) ReconcileSet.remove(set, id)
    assert.isBelow(set.index.pages.length, before)
    assert.deepStrictEqual([...ReconcileSet.ids(set)].map(Bytes.toHex), kept.map(Bytes.toHex))
    assert.deepStrictEqual(stateOf(set).root, stateOf(setOf(kept)).root)
    for (const id of kept) assert.isTrue(ReconcileSet.has(set, id))
  })

  it("sums later what it is told to, in parts", () => {
    const set = setOf(pool, { sumLater: true })
    ReconcileSet.remove(set, poolId(3))
    assert.isTrue(ReconcileSet.sumSome(set, 10))
    ReconcileSet.remove(set, poolId(2))
    assert.isFalse(ReconcileSet.sumSome(set, 100))
    assert.deepStrictEqual(set.sketch.sum, setOf(pool.filter((_, i) => i !== 2 && i !== 3)).sketch.sum)
  })

  it("finds ranges of short ids, at every length of prefix", () => {
    const ids = idsFrom(4, 3000)
    const set = setOf(ids)
    const shorts = ids.map((id) => ReconcileSet.shortOf(set, id))
    for (const bits of [0, 1, 6, 10, 11, 12, 13, 17, 25, 32, ShortId.HANDLE_BITS]) {
      for (const [high, low] of shorts.slice(0, 20)) {
        const nodeOf = (high: number, low: number) =>
          Math.floor(ShortId.handleOf(high, low) / 2 ** (ShortId.HANDLE_BITS - bits))
        const node = nodeOf(high, low)
        const expected = ids.filter((_, i) => nodeOf(...(shorts[i] ?? [0, 0])) === node)
        assert.deepStrictEqual(hexes(ReconcileSet.idsBelow(set, bits, node)), hexes(expected))
        assert.strictEqual(ReconcileSet.handlesBelow(set, bits, node).length, expected.length)
        assert.strictEqual(ReconcileSet.rangeOf(set, bits, node).count, expected.length)
      }
    }
  })

  it("counts the same ranges by its leaves and by its ids", () => {
    const set = setOf(idsFrom(5, 800))
    for (let node = 0; node < 2 ** 10; node++) {
      const children = [0, 1, 2, 3].map((i) => ReconcileSet.rangeOf(set, 12, 4 * node + i))
      const whole = ReconcileSet.rangeOf(set, 10, node)
      assert.strictEqual(children.reduce((sum, { count }) => sum + count, 0), whole.count)
      assert.strictEqual(children.reduce((sum, range) => (sum + range.sum) % 2 ** 48, 0), whole.sum)
    }
  })

  it("refuses ids and keys of another length, as bugs", () => {
    assert.throws(() => ReconcileSet.insert(setOf([]), new Uint8Array(31)), RangeError)
    assert.throws(() => setOf([], { key: new Uint8Array(17) }), RangeError)
  })
})

describe("IdIndex", () => {
  it("tells ids with one short id apart", () => {
    const index = IdIndex.make()
    const words = (n: number) => Uint32Array.of(n, 0, 0, 0, 0, 0, 0, 0)
    const rowsOf = (low: number) => {
      const found: Array<number> = []
      IdIndex.findRows(index, 0xffff_ffff, low, found)
      return found
    }
    // Many short ids with one home, one of them twice, at the end of the table: they wrap around.
    for (let n = 0; n < 40; n++) IdIndex.add(index, 0xffff_ffff, n === 7 ? 6 : n, words(n))
    assert.isTrue(IdIndex.has(index, 0xffff_ffff, 6, words(6)))
    assert.isTrue(IdIndex.has(index, 0xffff_ffff, 6, words(7)))
    assert.isFalse(IdIndex.has(index, 0xffff_ffff, 7, words(7)))
    assert.isAtLeast(IdIndex.remove(index, 0xffff_ffff, 6, words(6)), 0)
    assert.lengthOf(rowsOf(6), 1)
    assert.isAtLeast(IdIndex.remove(index, 0xffff_ffff, 6, words(7)), 0)
    assert.lengthOf(rowsOf(6), 0)
    assert.strictEqual(IdIndex.remove(index, 0xffff_ffff, 6, words(7)), -1)
    for (let n = 8; n < 40; n++) assert.isTrue(IdIndex.has(index, 0xffff_ffff, n, words(n)))
    let found = 0
    IdIndex.forRange(index, 32, 0xffff_ffff, () => found++)
    assert.strictEqual(found, 38)
  })
})

describe("Ordered", () => {
  it("walks in the order of short ids, from anywhere, in stretches that leave nothing out", () => {
    const ids = idsFrom(6, 700)
    const set = setOf(ids)
    const named = ids.map((id) => ({ id, short: ShortId.toHex(...ReconcileSet.shortOf(set, id)) })).sort(
      Ordered.compare
    )
    const walked: Array<Uint8Array> = []
    for (let from: string | undefined = "0".repeat(16); from !== undefined;) {
      const stretch = Ordered.stretch(set, from, ShortId.LAST, 64)
      assert.isDefined(stretch)
      if (stretch === undefined) return
      assert.isAtMost(stretch.ids.length, 64)
      walked.push(...stretch.ids.map(({ id }) => id))
      from = ShortId.next(stretch.through)
    }
    assert.deepStrictEqual(walked, named.map(({ id }) => id))
    const middle = named[350]?.short ?? ""
    assert.strictEqual([...Ordered.walk(set, middle, ShortId.LAST)].length, 350)
    assert.strictEqual([...Ordered.walk(set, "0".repeat(16), middle)].length, 351)
  })
})

describe("Union", () => {
  it("is the set of all its members, though some lanes are much larger", () => {
    const lanes = [idsFrom(7, 5000), idsFrom(8, 3), idsFrom(9, 900)]
    const union = Union.make(lanes.map((ids) => setOf(ids, { sumLater: true })))
    const whole = setOf(lanes.flat(), { expected: 5000 })
    assert.deepStrictEqual(stateOf(union), stateOf(whole))
    const [first = new Uint8Array(32)] = lanes[1] ?? []
    assert.isTrue(ReconcileSet.has(union, first))
    const [high, low] = ReconcileSet.shortOf(union, first)
    assert.deepStrictEqual(ReconcileSet.idsBelow(union, 48, ShortId.handleOf(high, low)), [first])
    assert.deepStrictEqual(ReconcileSet.idsOf(union, [5, ShortId.handleOf(high, low), ShortId.handleOf(high, low)]), [
      first
    ])
  })

  it("notices changes, and needs one key", () => {
    const [a, b] = [setOf(pool), setOf([])]
    const union = Union.make([a, b])
    const before = union.version
    ReconcileSet.insert(b, new Uint8Array(32))
    assert.notStrictEqual(union.version, before)
    assert.throws(() => Union.make([a, setOf([], { key: new Uint8Array(16) })]), RangeError)
    assert.throws(() => Union.make([a, setOf([], { keyEpoch: 2 })]), RangeError)
    assert.throws(() => Union.make([]), RangeError)
  })
})
