/**
 * XChaCha20-Poly1305 on top of a platform's ChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 §2): the first 16 bytes of the
 * nonce make a subkey, the other 8 are the nonce under it. Platforms ship the 12-byte cipher only; the derivation is one
 * ChaCha20 block, half a microsecond.
 */
import { hchacha } from "@noble/ciphers/chacha.js"
import type { Aead } from "../Crypto.ts"
import { fromHex } from "../internal/hex.ts"

export const NONCE_BYTES = 24
const PREFIX_BYTES = 16

/** Words over a copy of `bytes`, as they lie in memory: noble swaps them where it must. */
const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(new Uint8Array(bytes).buffer)

/** "expand 32-byte k" */
const SIGMA = words(fromHex("657870616e642033322d62797465206b"))

/** HChaCha20: the 32-byte subkey of a 32-byte key and the first 16 bytes of `nonce`. */
export const subkey = (key: Uint8Array, nonce: Uint8Array): Uint8Array => {
  const keyWords = words(key)
  const out = new Uint32Array(8)
  hchacha(SIGMA, keyWords, words(nonce.subarray(0, PREFIX_BYTES)), out)
  keyWords.fill(0)
  return new Uint8Array(out.buffer)
}

/** The 12-byte nonce under the subkey: four zero bytes and the last 8 of `nonce`. */
const innerNonce = (nonce: Uint8Array): Uint8Array => {
  const inner = new Uint8Array(12)
  inner.set(nonce.subarray(PREFIX_BYTES, NONCE_BYTES), 4)
  return inner
}

/** The 24-byte nonce AEAD from one with 12 bytes. */
export const fromChaCha20 = (chacha: Aead): Aead => ({
  keyBytes: 32,
  nonceBytes: NONCE_BYTES,
  seal: (key, nonce, associatedData, plaintext) => {
    const inner = subkey(key, nonce)
    const sealed = chacha.seal(inner, innerNonce(nonce), associatedData, plaintext)
    inner.fill(0)
    return sealed
  },
  open: (key, nonce, associatedData, ciphertext) => {
    const inner = subkey(key, nonce)
    const opened = chacha.open(inner, innerNonce(nonce), associatedData, ciphertext)
    inner.fill(0)
    return opened
  }
})
