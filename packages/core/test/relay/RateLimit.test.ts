import { assert, describe, it } from "@effect/vitest"
import * as RateLimit from "@sotto/core/relay/RateLimit"
import * as fc from "fast-check"

describe("RateLimit", () => {
  it("a bucket gives its burst at once, then one at a time", () => {
    const rate = RateLimit.rate(50, 1000, 600)
    const bucket = RateLimit.full(0)
    for (let i = 0; i < 600; i++) assert.strictEqual(RateLimit.take(bucket, rate, 0), 0)
    assert.strictEqual(RateLimit.take(bucket, rate, 0), 20)
    assert.strictEqual(RateLimit.take(bucket, rate, 19), 1)
    assert.strictEqual(RateLimit.take(bucket, rate, 20), 0)
    assert.strictEqual(RateLimit.take(bucket, rate, 20), 20)
  })

  it("a refusal costs nothing, and waiting as long as it says helps", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 60 }),
      (count, periodMillis, gaps) => {
        const rate = RateLimit.rate(count, periodMillis)
        const bucket = RateLimit.full(0)
        let nowMillis = 0
        for (const gap of gaps) {
          nowMillis += gap
          const retryAfterMillis = RateLimit.take(bucket, rate, nowMillis)
          if (retryAfterMillis === 0) continue
          assert.isAtMost(retryAfterMillis, Math.ceil(periodMillis / count))
          nowMillis += retryAfterMillis
          assert.strictEqual(RateLimit.take(bucket, rate, nowMillis), 0)
        }
      }
    ))
  })

  it("never gives more than burst plus what the time allows", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 200 }),
      (count, gaps) => {
        const rate = RateLimit.rate(count, 1000)
        const bucket = RateLimit.full(1000)
        let nowMillis = 1000, forward = 0, taken = 0
        for (const gap of gaps) {
          nowMillis += gap
          forward += Math.max(0, gap)
          if (RateLimit.take(bucket, rate, nowMillis) === 0) taken++
        }
        assert.isAtMost(taken, count + forward / rate.everyMillis + 1e-6)
      }
    ))
  })

  it("keys have their own buckets", () => {
    const buckets = RateLimit.makeBuckets(RateLimit.rate(2, 60_000))
    assert.deepStrictEqual([buckets.take("a", 0), buckets.take("a", 0), buckets.take("a", 0)], [0, 0, 30_000])
    assert.strictEqual(buckets.take("b", 0), 0)
  })

  it("100,000 keys do not stay: full buckets go with time, and there is a bound at any time", () => {
    const buckets = RateLimit.makeBuckets(RateLimit.rate(2, 60_000), 5000)
    for (let i = 0; i < 100_000; i++) buckets.take(`key ${i}`, 0)
    assert.strictEqual(buckets.evict(0), 5000)
    assert.strictEqual(buckets.evict(29_999), 5000)
    assert.strictEqual(buckets.evict(30_000), 0)
  })

  it("of too many keys the one that was used longest ago goes", () => {
    const buckets = RateLimit.makeBuckets(RateLimit.rate(1, 60_000), 2)
    buckets.take("a", 0)
    buckets.take("b", 0)
    assert.isAbove(buckets.take("a", 1), 0)
    buckets.take("c", 2)
    assert.isAbove(buckets.take("a", 3), 0)
    assert.strictEqual(buckets.take("b", 4), 0)
  })

  it("addresses of one subscriber are one", () => {
    const { addressKey } = RateLimit
    assert.strictEqual(addressKey("192.0.2.7"), "192.0.2.7")
    assert.strictEqual(addressKey("::ffff:192.0.2.7"), "192.0.2.7")
    assert.strictEqual(addressKey("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64")
    assert.strictEqual(addressKey("2001:DB8:1:2::1"), "2001:db8:1:2::/64")
    assert.strictEqual(addressKey("2001:0db8:0001:0002::1%eth0"), "2001:db8:1:2::/64")
    assert.strictEqual(addressKey("2001:db8::1"), "2001:db8:0:0::/64")
    assert.strictEqual(addressKey("::1"), "0:0:0:0::/64")
    assert.strictEqual(addressKey("fe80::"), "fe80:0:0:0::/64")
    assert.strictEqual(addressKey("memory:left"), "memory:left")
    assert.strictEqual(addressKey(""), "")
  })
})
