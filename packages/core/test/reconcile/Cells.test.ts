import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Cells from "../../src/reconcile/Cells.ts"
import * as Estimator from "../../src/reconcile/Estimator.ts"
import * as Peel from "../../src/reconcile/Peel.ts"
import * as RangeTree from "../../src/reconcile/RangeTree.ts"
import { random } from "./kit.ts"

const shortIdsFrom = (seed: number, count: number): Uint32Array => Uint32Array.from({ length: 2 * count }, random(seed))

const cellsOf = (shortIds: Uint32Array, count: number): Cells.Cells => {
  const cells = Cells.make(count)
  for (let i = 0; i < shortIds.length; i += 2) Cells.toggle(cells, shortIds[i] ?? 0, shortIds[i + 1] ?? 0)
  return cells
}

const walkOf = (high: number, low: number, end: number): ReadonlyArray<number> => {
  // What a longer walk left behind does not count.
  const walk = Array.from({ length: 100 }, () => 7)
  return walk.slice(0, Cells.walkOf(walk, high, low, end))
}

const pairs = (shortIds: Uint32Array): ReadonlyArray<string> =>
  Array.from({ length: shortIds.length / 2 }, (_, i) => `${shortIds[2 * i]} ${shortIds[2 * i + 1]}`).sort()

/** Cells that it took to read `count` short ids. */
const needed = (seed: number, count: number): number => {
  const shortIds = shortIdsFrom(seed, count)
  const cells = cellsOf(shortIds, 8 * count + 64)
  for (let size = count;; size = Math.ceil(size * 1.02)) {
    const { complete, shortIds: read } = Peel.peel(cells.slice(0, size * Cells.CELL_WORDS))
    if (!complete) continue
    assert.deepStrictEqual(pairs(read), pairs(shortIds))
    return size
  }
}

const word = fc.integer({ min: 0, max: 0xffff_ffff })
const shortIdsArb = fc.array(word, { maxLength: 60 }).map((words) => Uint32Array.from(words.slice(words.length % 2)))

describe("Cells", () => {
  it("hold a short id until it is toggled again, in any order", () => {
    fc.assert(fc.property(shortIdsArb, word, word, (shortIds, high, low) => {
      const before = cellsOf(shortIds, 100)
      const after = before.slice()
      Cells.toggle(after, high, low)
      assert.notDeepEqual(after, before)
      Cells.toggle(after, high, low)
      assert.deepStrictEqual(after, before)
      assert.deepStrictEqual(cellsOf(shortIds.slice().reverse().map((_, i, all) => all[i ^ 1] ?? 0), 100), before)
    }))
  })

  it("are a prefix of more cells, and grow into them", () => {
    const shortIds = shortIdsFrom(3, 500)
    const [few, many] = [cellsOf(shortIds, 64), cellsOf(shortIds, 300)]
    assert.deepStrictEqual(many.slice(0, few.length), few)
    const grown = Cells.make(300)
    grown.set(few)
    for (let i = 0; i < shortIds.length; i += 2) Cells.toggle(grown, shortIds[i] ?? 0, shortIds[i + 1] ?? 0, 64)
    assert.deepStrictEqual(grown, many)
  })

  it("go by the same walk in every way of walking", () => {
    const shortIds = shortIdsFrom(4, 50)
    for (let i = 0; i < shortIds.length; i += 2) {
      const [high = 0, low = 0] = shortIds.subarray(i, i + 2)
      const cells = cellsOf(Uint32Array.of(high, low), 400)
      const visited = new Set(walkOf(high, low, 400))
      for (let cell = 0; cell < 400; cell++) {
        const isHit = cells[cell * Cells.CELL_WORDS] !== 0 || cells[cell * Cells.CELL_WORDS + 1] !== 0
        assert.strictEqual(visited.has(cell), isHit)
      }
    }
  })

  it("hit cell i with probability 1/(1 + i/2)", () => {
    const count = 20_000
    const shortIds = shortIdsFrom(5, count)
    const hits = new Float64Array(200)
    for (let i = 0; i < shortIds.length; i += 2) {
      for (const cell of walkOf(shortIds[i] ?? 0, shortIds[i + 1] ?? 0, 200)) hits[cell] = (hits[cell] ?? 0) + 1
    }
    for (const cell of [0, 1, 2, 5, 20, 100, 199]) {
      const expected = count / (1 + cell / 2)
      assert.approximately(hits[cell] ?? 0, expected, 5 * Math.sqrt(expected) + 1)
    }
  })

  it("have bytes", () => {
    const cells = cellsOf(shortIdsFrom(6, 40), 90)
    assert.deepStrictEqual(Cells.fromBytes(Cells.toBytes(cells, 0, 90)), cells)
    assert.deepStrictEqual(
      Cells.fromBytes(Cells.toBytes(cells, 30, 20)),
      cells.slice(30 * Cells.CELL_WORDS, 50 * Cells.CELL_WORDS)
    )
  })

  it("survive the short id that is all zeros", () => {
    const cells = cellsOf(Uint32Array.of(0, 0, 1, 2), 64)
    const { complete, shortIds } = Peel.peel(cells)
    assert.isTrue(complete)
    assert.deepStrictEqual(pairs(shortIds), ["0 0", "1 2"])
  })
})

describe("Peel", () => {
  it("needs about 1.36 cells for each difference, and at most 1.8 on average for few", () => {
    const mean = (count: number, runs: number) =>
      Array.from({ length: runs }, (_, i) => needed(1000 * count + i, count)).reduce((a, b) => a + b) / runs / count
    assert.isBelow(mean(10, 60), 2)
    assert.isBelow(mean(100, 20), 1.6)
    assert.isBelow(mean(1000, 4), 1.5)
    // With 32 bits of state two of these would share a walk and never come apart.
    assert.isBelow(needed(7, 30_000), 1.45 * 30_000)
  })

  it("ends on garbage, within as many short ids as there are cells, and does not call it complete", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 300 }), (seed, count) => {
        const cells = Uint32Array.from({ length: count * Cells.CELL_WORDS }, random(seed))
        const { complete, shortIds } = Peel.peel(cells)
        assert.isFalse(complete)
        assert.isAtMost(shortIds.length, 2 * count)
      }),
      { numRuns: 200 }
    )
  })

  it("does not loop on cells made to be pure again and again", () => {
    // Each cell claims to hold the same short id, most of which its walk does not visit.
    const [high = 0, low = 0] = shortIdsFrom(8, 1)
    const single = cellsOf(Uint32Array.of(high, low), 1)
    const cells = Cells.make(200)
    for (let cell = 0; cell < 200; cell++) cells.set(single, cell * Cells.CELL_WORDS)
    const { complete, shortIds } = Peel.peel(cells)
    assert.isFalse(complete)
    assert.isAtMost(shortIds.length, 400)
  })

  it("takes nothing from a cell that the short id does not come by", () => {
    const [high = 0, low = 0] = shortIdsFrom(12, 1)
    const single = cellsOf(Uint32Array.of(high, low), 1)
    const visited = walkOf(high, low, 200)
    const cell = Array.from({ length: 200 }, (_, i) => i).find((i) => !visited.includes(i)) ?? 0
    const cells = Cells.make(200)
    cells.set(single, cell * Cells.CELL_WORDS)
    assert.lengthOf(Peel.peel(cells).shortIds, 0)
  })

  it("estimates from empty cells how much they hold", () => {
    for (const count of [300, 2000, 10_000]) {
      const estimate = Peel.estimate(cellsOf(shortIdsFrom(9 + count, count), Math.ceil(1.1 * count))) ?? 0
      assert.approximately(estimate, count, 0.15 * count)
    }
    assert.isUndefined(Peel.estimate(cellsOf(shortIdsFrom(10, 5000), 50)))
  })
})

describe("Estimator", () => {
  it("is right on average, with a deviation of about a quarter", () => {
    for (const difference of [4, 100, 1000]) {
      const estimates = Array.from({ length: 200 }, (_, run) => {
        const [a, b] = [Estimator.make(), Estimator.make()]
        const shortIds = shortIdsFrom(run + 31 * difference, difference)
        for (let i = 0; i < shortIds.length; i += 2) {
          Estimator.count(i % 4 === 0 ? a : b, shortIds[i] ?? 0, shortIds[i + 1] ?? 0, 1)
        }
        return Estimator.estimate(a, b, 0)
      })
      const mean = estimates.reduce((sum, value) => sum + value) / estimates.length
      const spread = Math.sqrt(estimates.reduce((sum, value) => sum + (value - mean) ** 2, 0) / estimates.length)
      assert.approximately(mean, difference, 0.06 * difference)
      assert.isAbove(spread, 0.15 * difference)
      assert.isBelow(spread, 0.35 * difference)
    }
  })

  it("forgets what is counted out, and knows what the counts say", () => {
    const counters = Estimator.make()
    Estimator.count(counters, 1, 2, 1)
    assert.notDeepEqual(counters, Estimator.make())
    Estimator.count(counters, 1, 2, -1)
    assert.deepStrictEqual(counters, Estimator.make())
    assert.strictEqual(Estimator.estimate(counters, counters, -7), 7)
  })
})

describe("RangeTree", () => {
  it("adds up to its parts, and forgets what is counted out", () => {
    const tree = RangeTree.make(10)
    const empty = RangeTree.make(10)
    const words = shortIdsFrom(11, 300)
    for (let i = 0; i < words.length; i += 2) RangeTree.count(tree, words[i] ?? 0, RangeTree.valueOf(words, i), 1)
    for (const bits of [0, 3, 9]) {
      for (let node = 0; node < 2 ** bits; node++) {
        const [left, right] = [
          RangeTree.rangeOf(tree, bits + 1, 2 * node),
          RangeTree.rangeOf(tree, bits + 1, 2 * node + 1)
        ]
        assert.deepStrictEqual(RangeTree.rangeOf(tree, bits, node), {
          count: left.count + right.count,
          sum: RangeTree.plus(left.sum, right.sum)
        })
      }
    }
    assert.strictEqual(RangeTree.rangeOf(tree, 0, 0).count, 300)
    const doubled = RangeTree.make(10)
    RangeTree.combine(doubled, tree)
    RangeTree.combine(doubled, tree)
    assert.strictEqual(RangeTree.rangeOf(doubled, 0, 0).count, 600)
    for (let i = 0; i < words.length; i += 2) RangeTree.count(tree, words[i] ?? 0, RangeTree.valueOf(words, i), -1)
    assert.deepStrictEqual(tree, empty)
  })
})
