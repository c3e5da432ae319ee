/**
 * Token buckets (protocol.md §6): how often something may happen, per connection, route, address or in all. Plain
 * arithmetic over a time that the caller reads from Effect's Clock.
 *
 * 1. A bucket holds `burst` tokens and gains one each `everyMillis`.
 * 2. Keyed buckets are bounded in number. A full bucket says no more than none, so it goes first; then the one that was
 *    used longest ago.
 * 3. Time that goes backwards adds nothing and takes nothing away.
 */

/** One token each `everyMillis`, at most `burst` saved up. */
export interface Rate {
  readonly everyMillis: number
  readonly burst: number
}

/** `count` each `periodMillis`, all of them at once if need be (or `burst` at once). */
export const rate = (count: number, periodMillis: number, burst: number = count): Rate => ({
  everyMillis: periodMillis / count,
  burst
})

/** Told by the time at which it will be full, so that no fractions of tokens add up. */
export interface Bucket {
  fullMillis: number
  atMillis: number
}

export const full = (nowMillis: number): Bucket => ({ fullMillis: nowMillis, atMillis: nowMillis })

const isFull = (bucket: Bucket, nowMillis: number): boolean => {
  const passedMillis = nowMillis - bucket.atMillis
  bucket.atMillis = nowMillis
  if (passedMillis < 0) bucket.fullMillis += passedMillis
  return bucket.fullMillis <= nowMillis
}

/** Takes a token: 0. When there is none, takes nothing and answers after how many milliseconds there will be one. */
export const take = (bucket: Bucket, { burst, everyMillis }: Rate, nowMillis: number): number => {
  const fullMillis = isFull(bucket, nowMillis) ? nowMillis : bucket.fullMillis
  const waitMillis = fullMillis - nowMillis - (burst - 1) * everyMillis
  if (waitMillis > 0) return Math.ceil(waitMillis)
  bucket.fullMillis = fullMillis + everyMillis
  return 0
}

/** A bucket per key. */
export interface Buckets {
  /** As `take`, on the bucket of `key`. */
  readonly take: (key: string, nowMillis: number) => number
  /** Forgets buckets that are full again; answers how many are left. */
  readonly evict: (nowMillis: number) => number
}

export const makeBuckets = (rate: Rate, keysMax = 65_536): Buckets => {
  const bucketByKey = new Map<string, Bucket>()
  return {
    take: (key, nowMillis) => {
      const bucket = bucketByKey.get(key) ?? full(nowMillis)
      bucketByKey.delete(key)
      bucketByKey.set(key, bucket)
      if (bucketByKey.size > keysMax) {
        for (const oldest of bucketByKey.keys()) {
          bucketByKey.delete(oldest)
          break
        }
      }
      return take(bucket, rate, nowMillis)
    },
    evict: (nowMillis) => {
      for (const [key, bucket] of bucketByKey) {
        if (isFull(bucket, nowMillis)) bucketByKey.delete(key)
      }
      return bucketByKey.size
    }
  }
}

/**
 * What counts as one address: an IPv4 address as it is (also when mapped into IPv6), of an IPv6 address the first 64
 * bits, which is what one subscriber gets. Anything else stands for itself.
 */
export const addressKey = (remoteAddress: string): string => {
  const bare = remoteAddress.toLowerCase().replace(/%.*$/, "")
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!/^[0-9a-f:.]+$/.test(bare) || !bare.includes(":")) return bare
  const [head = "", tail] = bare.split("::")
  const before = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups = tail === undefined ? before : [...before, ...zeros(8 - before.length - after.length), ...after]
  return groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":") + "::/64"
}

const zeros = (count: number): ReadonlyArray<string> => Array.from({ length: Math.max(0, count) }, () => "0")
