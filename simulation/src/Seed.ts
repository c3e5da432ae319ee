/**
 * The seed of a run, and the streams of draws that come out of it.
 *
 * Every subject (a link, a disk, the entropy of one process) has a stream of its own, named by text and number, so
 * that a fault that is taken away does not move the draws of the others.
 *
 * 1. The same seed, subject and counter give the same stream, on every engine: integers and IEEE-basic arithmetic only.
 * 2. A seed has one text form, 13 symbols of Crockford's base32, lower case. Reading is wider than writing.
 */

/** 64 bits, 0n to 2^64 − 1. */
export type Seed = bigint

const SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"
const TEXT_LENGTH = 13
const LIMIT = 1n << 64n

/** The text form, fixed width. */
export const toText = (seed: Seed): string => {
  let text = ""
  for (let i = TEXT_LENGTH - 1; i >= 0; i--) text += SYMBOLS.charAt(Number((seed >> BigInt(5 * i)) & 31n))
  return text
}

const fromSymbols = (text: string): Seed | undefined => {
  let seed = 0n
  for (const symbol of text.replace(/[il]/g, "1").replace(/o/g, "0")) {
    const value = SYMBOLS.indexOf(symbol)
    if (value < 0) return undefined
    seed = (seed << 5n) | BigInt(value)
  }
  return seed < LIMIT ? seed : undefined
}

/**
 * The seed that a text means, or undefined: 13 symbols are the text form, `0x…` is hexadecimal, 40 hexadecimal digits
 * are a commit (its first 64 bits), other digits are decimal. Thirteen digits are the text form, as it was printed.
 */
export const fromText = (text: string): Seed | undefined => {
  const plain = text.trim().toLowerCase()
  if (/^[0-9a-f]{40}$/.test(plain)) return BigInt(`0x${plain.slice(0, 16)}`)
  if (/^0x[0-9a-f]{1,16}$/.test(plain)) return BigInt(plain)
  if (plain.length === TEXT_LENGTH) return fromSymbols(plain)
  if (!/^[0-9]{1,20}$/.test(plain)) return undefined
  const seed = BigInt(plain)
  return seed < LIMIT ? seed : undefined
}

/** A stream of draws. The functions are methods: call them on the stream. */
export interface Draws {
  /** 32 bits. */
  readonly u32: () => number
  /** 53 bits in [0, 1). */
  readonly unit: () => number
  /** An integer, 0 to `below` − 1. */
  readonly int: (below: number) => number
  /** An integer, both ends included. */
  readonly between: (low: number, high: number) => number
  /** True with probability `p`; one draw whatever `p` is. */
  readonly chance: (p: number) => boolean
  readonly exponential: (mean: number) => number
  /** A real number in [low, high), each factor as likely as the next; `low` is above 0. */
  readonly logUniform: (low: number, high: number) => number
  /** One of the items; dies when there is none. */
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  readonly bytes: (length: number) => Uint8Array
}

/** The stream of a subject. `counter` names one thing of many (the k-th message of this link). */
export const draws = (seed: Seed, subject: string, counter = 0): Draws =>
  new Stream(Number(BigInt.asUintN(32, seed)), Number(BigInt.asUintN(32, seed >> 32n)), subject, counter)

/** The streams of one seed: as `draws`, without taking the seed apart each time. */
export const source = (seed: Seed): (subject: string, counter?: number) => Draws => {
  const low = Number(BigInt.asUintN(32, seed))
  const high = Number(BigInt.asUintN(32, seed >> 32n))
  return (subject, counter = 0) => new Stream(low, high, subject, counter)
}

const TWO_32 = 4294967296
const LN_2 = 0.6931471805599453

/** The natural logarithm of a number above 0, the same to the last bit on every engine (`Math.log` is not). */
export const ln = (x: number): number => {
  let mantissa = x
  let power = 0
  while (mantissa < 0.75) {
    mantissa *= 2
    power--
  }
  while (mantissa >= 1.5) {
    mantissa /= 2
    power++
  }
  const s = (mantissa - 1) / (mantissa + 1)
  const square = s * s
  let term = s
  let sum = s
  for (let k = 3; k <= 25; k += 2) {
    term *= square
    sum += term / k
  }
  return 2 * sum + power * LN_2
}

/** e to the power of `x`, the same to the last bit on every engine. */
export const exp = (x: number): number => {
  const power = Math.floor(x / LN_2 + 0.5)
  const rest = x - power * LN_2
  let term = 1
  let sum = 1
  for (let k = 1; k <= 16; k++) {
    term *= rest / k
    sum += term
  }
  for (let k = 0; k < power; k++) sum *= 2
  for (let k = 0; k > power; k--) sum /= 2
  return sum
}

/** Spreads 32 bits over 32 bits (murmur3's finaliser). */
const spread = (x: number): number => {
  let h = x ^ (x >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** sfc32 (Doty-Humphrey's small fast counting generator), started from a hash of seed, subject and counter. */
class Stream implements Draws {
  private a: number
  private b: number
  private c: number
  private count: number

  constructor(low: number, high: number, subject: string, counter: number) {
    let a = low ^ 0x9e3779b9
    let b = high ^ 0x243f6a88
    for (let i = 0; i < subject.length; i++) {
      const code = subject.charCodeAt(i)
      a = Math.imul(a ^ code, 0x9e3779b1)
      a = (a << 13) | (a >>> 19)
      b = Math.imul(b ^ code, 0x85ebca77)
      b = (b << 17) | (b >>> 15)
    }
    const counterHigh = Math.floor(counter / TWO_32)
    a = spread(a ^ counter)
    b = spread(b ^ Math.imul(counter, 0x27d4eb2f) ^ counterHigh)
    this.a = spread(a + Math.imul(b, 5))
    this.b = spread(b + Math.imul(a, 9) + subject.length)
    this.c = spread(this.a ^ this.b ^ Math.imul(low, 0x165667b1) ^ high)
    this.count = 1
    for (let i = 0; i < 12; i++) this.u32()
  }

  u32(): number {
    const sum = (this.a + this.b + this.count) | 0
    this.count = (this.count + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  unit(): number {
    return ((this.u32() >>> 5) * 67108864 + (this.u32() >>> 6)) / 9007199254740992
  }

  int(below: number): number {
    if (!(below >= 1) || !Number.isSafeInteger(below)) throw new RangeError(`no integer below ${below}`)
    if (below > TWO_32) return Math.floor(this.unit() * below)
    // What is left over above the last whole multiple is drawn again, so that every value is as likely as the next.
    const limit = TWO_32 - (TWO_32 % below)
    let drawn = this.u32()
    while (drawn >= limit) drawn = this.u32()
    return drawn % below
  }

  between(low: number, high: number): number {
    return low + this.int(high - low + 1)
  }

  chance(p: number): boolean {
    return this.unit() < p
  }

  exponential(mean: number): number {
    return -mean * ln(1 - this.unit())
  }

  logUniform(low: number, high: number): number {
    const drawn = low * exp(this.unit() * ln(high / low))
    return drawn < low ? low : drawn < high ? drawn : low
  }

  pick<A>(items: ReadonlyArray<A>): A {
    const at = this.int(items.length)
    for (const item of items.slice(at, at + 1)) return item
    throw new RangeError("nothing to pick")
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i += 4) {
      const word = this.u32()
      for (let k = 0; k < 4 && i + k < length; k++) out[i + k] = word >>> (8 * k)
    }
    return out
  }
}
