import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Seed from "../src/Seed.ts"

const seeds = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const take = (draws: Seed.Draws, count: number) => Array.from({ length: count }, () => draws.u32())

describe("text", () => {
  it("is 13 symbols and comes back", () => {
    fc.assert(fc.property(seeds, (seed) => {
      const text = Seed.toText(seed)
      assert.match(text, /^[0-9a-f][0-9a-hjkmnp-tv-z]{12}$/)
      assert.strictEqual(Seed.fromText(text), seed)
      assert.strictEqual(Seed.fromText(` ${text.toUpperCase()} `), seed)
    }))
  })

  it("reads hexadecimal, decimal and commits", () => {
    fc.assert(fc.property(seeds, (seed) => {
      assert.strictEqual(Seed.fromText(`0x${seed.toString(16)}`), seed)
      const decimal = seed.toString()
      if (decimal.length !== 13) assert.strictEqual(Seed.fromText(decimal), seed)
    }))
    assert.strictEqual(Seed.fromText("80308c2d5aacdcd9c6c8bf826a0f5a067780308c"), 0x80308c2d5aacdcd9n)
    assert.strictEqual(Seed.fromText("oOiIlL0000001"), Seed.fromText("0011110000001"))
  })

  it("refuses what is none", () => {
    for (const text of ["", "abc", "-1", "1.5", "18446744073709551616", "g000000000000", "000000000000u", "0x"]) {
      assert.isUndefined(Seed.fromText(text), text)
    }
  })
})

describe("draws", () => {
  it("are the same for the same subject and counter, also from a source", () => {
    fc.assert(fc.property(seeds, fc.string(), fc.nat(), (seed, subject, counter) => {
      const first = take(Seed.draws(seed, subject, counter), 20)
      assert.deepStrictEqual(take(Seed.draws(seed, subject, counter), 20), first)
      assert.deepStrictEqual(take(Seed.source(seed)(subject, counter), 20), first)
    }))
  })

  it("are pinned: a change of them makes every stored seed mean something else", () => {
    assert.deepStrictEqual(take(Seed.draws(42n, "link a>b", 7), 4), [
      259510720,
      2341311890,
      3810330543,
      867295498
    ])
  })

  it("differ by seed, subject and counter", () => {
    const first = take(Seed.draws(1n, "a", 0), 2).join()
    const others = [Seed.draws(2n, "a"), Seed.draws(1n << 32n, "a"), Seed.draws(1n, "b"), Seed.draws(1n, "a", 1)]
    const more = [Seed.draws(1n, ""), Seed.draws(1n, "a", 2 ** 32), Seed.draws(1n, "\0a")]
    const texts = [...others, ...more].map((draws) => take(draws, 2).join())
    assert.strictEqual(new Set([first, ...texts]).size, 8)
  })

  it("do not depend on what another subject drew", () => {
    const alone = take(Seed.draws(5n, "disk"), 50)
    const source = Seed.source(5n)
    const disk = source("disk")
    const link = source("link")
    const mixed = Array.from({ length: 50 }, (_, i) => {
      if (i % 3 === 0) link.u32()
      return disk.u32()
    })
    assert.deepStrictEqual(mixed, alone)
  })

  it("have no bias that counts show: first draws of neighbouring counters, and one long stream", () => {
    const buckets = (draw: (i: number) => number) => {
      const count = Array.from({ length: 64 }, () => 0)
      for (let i = 0; i < 64_000; i++) count[draw(i)] = (count[draw(i)] ?? 0) + 1
      return count.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
    }
    // Chi squared with 63 degrees of freedom: 120 is a chance of 1 in 50,000, and the seed is fixed.
    assert.isBelow(buckets((i) => Seed.draws(9n, "link", i).int(64)), 120)
    assert.isBelow(buckets((i) => Seed.draws(BigInt(i), "link").u32() >>> 26), 120)
    const stream = Seed.draws(9n, "long")
    const values = Array.from({ length: 64_000 }, () => Math.floor(stream.unit() * 64))
    assert.isBelow(buckets((i) => values[i] ?? 0), 120)
  })

  it("turn half of the bits when one bit of the seed turns", () => {
    let turned = 0
    for (let bit = 0n; bit < 64n; bit++) {
      let difference = Seed.draws(7n, "x").u32() ^ Seed.draws(7n ^ (1n << bit), "x").u32()
      for (; difference !== 0; difference &= difference - 1) turned++
    }
    assert.closeTo(turned / 64, 16, 1.5)
  })

  it("stay in their ranges", () => {
    fc.assert(fc.property(seeds, fc.integer({ min: 1, max: 2 ** 40 }), fc.integer(), (seed, below, low) => {
      const draws = Seed.draws(seed, "range")
      for (let i = 0; i < 20; i++) {
        const drawn = draws.int(below)
        assert.isTrue(Number.isInteger(drawn) && drawn >= 0 && drawn < below)
        const between = draws.between(low, low + below - 1)
        assert.isTrue(between >= low && between <= low + below - 1)
        assert.isTrue(draws.exponential(10) >= 0)
        const log = draws.logUniform(below, below * 1000)
        assert.isTrue(log >= below && log < below * 1000)
      }
      assert.strictEqual(draws.between(low, low), low)
      assert.isFalse(draws.chance(0))
      assert.isTrue(draws.chance(1))
      assert.strictEqual(draws.pick([low]), low)
      assert.strictEqual(draws.bytes(below % 40).length, below % 40)
    }))
    assert.throws(() => Seed.draws(1n, "x").pick([]))
    assert.throws(() => Seed.draws(1n, "x").int(0))
  })

  it("have the means that they promise", () => {
    const draws = Seed.draws(3n, "mean")
    const mean = (draw: () => number) => {
      let sum = 0
      for (let i = 0; i < 100_000; i++) sum += draw()
      return sum / 100_000
    }
    assert.closeTo(mean(() => draws.exponential(250)), 250, 4)
    assert.closeTo(mean(() => Math.log10(draws.logUniform(1, 10_000))), 2, 0.02)
    assert.closeTo(mean(() => draws.chance(0.3) ? 1 : 0), 0.3, 0.01)
    assert.closeTo(mean(() => draws.pick([0, 10])), 5, 0.1)
    assert.closeTo(mean(() => draws.bytes(1)[0] ?? 0), 127.5, 1)
  })
})

describe("ln and exp", () => {
  it("are within two units in the last place of the engine's", () => {
    const finite = fc.double({ min: 1e-300, max: 1e300, noNaN: true })
    fc.assert(fc.property(finite, (x) => {
      assert.closeTo(Seed.ln(x), Math.log(x), 1e-15 * Math.max(1, Math.abs(Math.log(x))))
    }))
    fc.assert(fc.property(fc.double({ min: -300, max: 300, noNaN: true }), (x) => {
      assert.isBelow(Math.abs(Seed.exp(x) / Math.exp(x) - 1), 1e-13)
    }))
  })
})
