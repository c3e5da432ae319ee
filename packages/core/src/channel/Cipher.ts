/**
 * One direction of a channel after the handshake: Noise's CipherState (rev 34 §5.1). It counts: what is sealed must be
 * opened once, in order, or it does not open at all.
 */
import { EMPTY } from "@sotto/schema/Bytes"
import type { NoisePrimitives } from "./NoisePrimitives.ts"
import { KEY_BYTES, NONCE_MAX, nonceBytes } from "./SymmetricState.ts"

/** Its key never leaves it. */
export interface Cipher {
  /** The sealed bytes, 16 longer. Throws a RangeError when the nonces are used up (2^53 − 1 of them): never seen alive. */
  readonly seal: (plaintext: Uint8Array) => Uint8Array
  /** The plaintext, or `undefined` for anything but the next sealed bytes of the other side; the count then stands still. */
  readonly open: (ciphertext: Uint8Array) => Uint8Array | undefined
  /** Replaces the key by one that does not tell the old (rev 34 §11.3). The count goes on. */
  readonly rekey: () => void
}

const ZEROS = new Uint8Array(KEY_BYTES)

/** A cipher that begins at `counter`. It keeps `key` and overwrites it on rekey. */
export const make = (primitives: NoisePrimitives, key: Uint8Array, counter = 0): Cipher => {
  const { aead } = primitives
  const highest = new Uint8Array(12).fill(0xff, 4)
  let next = counter
  return {
    seal: (plaintext) => {
      if (next >= NONCE_MAX) throw new RangeError("the nonces of this key are used up")
      return aead.seal(key, nonceBytes(primitives, next++), EMPTY, plaintext)
    },
    open: (ciphertext) => {
      if (next >= NONCE_MAX) return undefined
      const plaintext = aead.open(key, nonceBytes(primitives, next), EMPTY, ciphertext)
      if (plaintext !== undefined) next++
      return plaintext
    },
    rekey: () => {
      key.set(aead.seal(key, highest, EMPTY, ZEROS).subarray(0, KEY_BYTES))
    }
  }
}
