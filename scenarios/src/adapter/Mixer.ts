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
    const { lanes } = this
    const { length } = bytes
    let { a, at, b } = this
    // The length, then four bytes at a time, the last of them filled up with zeros. In one loop, on numbers of its own:
    // half of what a fake cipher costs is here.
    for (let i = -4; i < length; i += 4) {
      const word = i < 0 ? length : i + 3 < length
        ? (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
        : (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16)
      const mixed = Math.imul((lanes[at] ?? 0) ^ word, 0x85ebca77)
      const lane = ((mixed << 13) | (mixed >>> 19)) + a | 0
      lanes[at] = lane
      a = (Math.imul(a ^ word, 0x9e3779b1) + b) | 0
      b = ((b << 17) | (b >>> 15)) ^ lane
      at = (at + 1) & (LANES - 1)
    }
    this.a = a
    this.b = b
    this.at = at
    this.length += 1 + ((length + 3) >> 2)
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
      const at = offset + done
      if (done + 4 <= length) {
        out[at] = word
        out[at + 1] = word >>> 8
        out[at + 2] = word >>> 16
        out[at + 3] = word >>> 24
      } else for (let k = 0; k < length - done; k++) out[at + k] = word >>> (8 * k)
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
