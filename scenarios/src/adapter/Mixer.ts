/**
 * A fast hash of 256 bits, without any secrecy: what the fake cipher is made of. Different inputs have different
 * outputs for all that a simulation will ever see, and an output shows nothing of its input.
 *
 * Eight lanes of 32 bits (multiply, rotate, add), and a finish in which every lane meets every other. Integer arithmetic
 * only, so it is the same on every engine.
 */

const LANES = 8
const ODD = [
  0x9e3779b1,
  0x85ebca77,
  0xc2b2ae3d,
  0x27d4eb2f,
  0x165667b1,
  0xd3a2646d,
  0xfd7046c5,
  0xb55a4f09
] as const

/** A hash under way; to be used again after `begin`. */
export class Mixer {
  private readonly lanes = new Int32Array(LANES)
  private length = 0
  private at = 0
  private a = 0
  private b = 0

  /** Starts anew. Hashes of different domains have nothing in common. */
  begin(domain: number): this {
    const { lanes } = this
    for (let i = 0; i < LANES; i++) lanes[i] = Math.imul((ODD[i] ?? 1) ^ domain, 0x2c1b3c6d) + i
    this.length = 0
    this.at = 0
    this.a = domain | 0
    this.b = ~domain
    return this
  }

  /** Takes bytes in. Where one part ends and the next begins is part of the input. */
  add(bytes: Uint8Array): this {
    const { length } = bytes
    this.word(length)
    const whole = length & ~3
    for (let i = 0; i < whole; i += 4) {
      this.word(
        (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
      )
    }
    if (whole < length) {
      let rest = 0
      for (let i = whole; i < length; i++) rest |= (bytes[i] ?? 0) << (8 * (i - whole))
      this.word(rest)
    }
    return this
  }

  word(word: number): this {
    const { at, lanes } = this
    let mixed = Math.imul((lanes[at] ?? 0) ^ word, 0x85ebca77)
    mixed = ((mixed << 13) | (mixed >>> 19)) + this.a
    lanes[at] = mixed
    this.a = Math.imul(this.a ^ word, 0x9e3779b1) + this.b
    this.b = ((this.b << 17) | (this.b >>> 15)) ^ mixed
    this.at = (at + 1) & (LANES - 1)
    this.length++
    return this
  }

  /** Writes `length` bytes of output to `out` at `offset`; the hash is then to begin again. */
  finish(out: Uint8Array, offset: number, length: number): void {
    const { lanes } = this
    let carry = Math.imul(this.a ^ this.length, 0xc2b2ae3d) ^ this.b
    for (let i = 0; i < 2 * LANES; i++) carry = this.turn(i & (LANES - 1), carry)
    for (let done = 0; done < length; done += 4) {
      carry = this.turn((done >>> 2) & (LANES - 1), carry)
      let word = (lanes[(done >>> 2) & (LANES - 1)] ?? 0) ^ (carry >>> 3)
      word = Math.imul(word ^ (word >>> 16), 0x7feb352d)
      word = Math.imul(word ^ (word >>> 15), 0x846ca68b)
      word ^= word >>> 16
      const end = Math.min(4, length - done)
      for (let k = 0; k < end; k++) out[offset + done + k] = word >>> (8 * k)
    }
  }

  private turn(lane: number, carry: number): number {
    const { lanes } = this
    let next = Math.imul((lanes[lane] ?? 0) ^ carry, ODD[lane] ?? 1)
    next = ((next << 11) | (next >>> 21)) + carry
    next ^= next >>> 15
    lanes[lane] = next
    return (next + Math.imul(carry, 0x9e3779b1)) | 0
  }
}
