/** Every primitive that is broken is named, and no service is handed out. */
import { assert, describe, it } from "@effect/vitest"
import type { Aead, Crypto, Kem } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as SelfTest from "@sotto/core/crypto/SelfTest"
import * as Effect from "effect/Effect"

type CryptoService = Crypto["Service"]

const right = Portable.make({ random: (length) => Uint8Array.from({ length }, (_, i) => i), backend: "broken" })

/** The first byte is another. */
const off = (bytes: Uint8Array): Uint8Array => bytes.with(0, (bytes[0] ?? 0) ^ 1)

const wrongSeal = (aead: Aead): Aead => ({ ...aead, seal: (...given) => off(aead.seal(...given)) })

const openAnything = (aead: Aead): Aead => ({
  ...aead,
  open: (key, nonce, data, sealed) => aead.open(key, nonce, data, sealed) ?? sealed.subarray(0, sealed.length - 16)
})

const wrongEncapsulation = (kem: Kem): Kem => ({
  ...kem,
  encapsulate: (publicKey, randomness) => {
    const made = kem.encapsulate(publicKey, randomness)
    return made === undefined ? undefined : { ...made, sharedSecret: off(made.sharedSecret) }
  }
})

/** Agrees with itself, and with nobody else. */
const otherSecrets = (kem: Kem): Kem => ({
  ...wrongEncapsulation(kem),
  decapsulate: (secretKey, ciphertext) => {
    const secret = kem.decapsulate(secretKey, ciphertext)
    return secret === undefined ? undefined : off(secret)
  }
})

const wrongDecapsulation = (kem: Kem): Kem => ({ ...kem, decapsulate: () => new Uint8Array(32) })

const lacking = (): never => {
  throw new Error("no such algorithm")
}

const { ristretto, signature, x25519 } = right

const broken: ReadonlyArray<readonly [primitive: string, change: Partial<CryptoService>]> = [
  ["SHA-256", { sha256: (data) => off(right.sha256(data)) }],
  ["SHA-256", { sha256: lacking }],
  ["SHA-512", { sha512: (data) => off(right.sha512(data)) }],
  ["BLAKE3", { blake3: right.sha256 }],
  ["HMAC-SHA-256", { hmac: (key, data) => right.hmac(data, key) }],
  ["HMAC-SHA-512", { hmacSha512: lacking }],
  ["HKDF-SHA-256", { hkdfExtract: (salt, inputKey) => right.hkdfExtract(inputKey, salt) }],
  ["HKDF-SHA-256", { hkdfExpand: (key, info, length) => off(right.hkdfExpand(key, info, length)) }],
  ["ChaCha20-Poly1305", { channelAead: wrongSeal(right.channelAead) }],
  ["ChaCha20-Poly1305", { channelAead: openAnything(right.channelAead) }],
  ["XChaCha20-Poly1305", { aead: wrongSeal(right.aead) }],
  ["XChaCha20-Poly1305", { aead: openAnything(right.aead) }],
  ["Ed25519", { signature: { ...signature, verify: () => true } }],
  ["Ed25519", { signature: { ...signature, verify: () => false } }],
  ["Ed25519", { signature: { ...signature, sign: (...given) => off(signature.sign(...given)) } }],
  ["Ed25519", { signature: { ...signature, keyPair: lacking } }],
  ["Ed25519 (many)", {
    signature: { ...signature, verifyMany: (signed) => Effect.succeed(signed.map(() => true)) }
  }],
  ["Ed25519 (many)", { signature: { ...signature, verifyMany: () => Effect.succeed([]) } }],
  ["X25519", { x25519: { ...x25519, sharedSecret: () => new Uint8Array(32) } }],
  ["X25519", { x25519: { ...x25519, keyPair: lacking } }],
  // one that lets the all-zero secret through
  ["X25519", {
    x25519: { ...x25519, sharedSecret: (...given) => x25519.sharedSecret(...given) ?? new Uint8Array(32) }
  }],
  ["ML-KEM-768", { mlKem: wrongEncapsulation(right.mlKem) }],
  ["ML-KEM-768", { mlKem: wrongDecapsulation(right.mlKem) }],
  ["ML-KEM-768", { mlKem: otherSecrets(right.mlKem) }],
  ["ML-KEM-768", { mlKem: { ...right.mlKem, keyPair: lacking } }],
  ["X-Wing", { xWing: wrongEncapsulation(right.xWing) }],
  ["X-Wing", { xWing: wrongDecapsulation(right.xWing) }],
  ["X-Wing", { xWing: otherSecrets(right.xWing) }],
  ["ristretto255", { ristretto: { ...ristretto, fromUniform: (bytes) => off(ristretto.fromUniform(bytes)) } }],
  ["ristretto255", { ristretto: { ...ristretto, multiply: (_, element) => element } }],
  ["comparison", { equal: () => true }],
  ["comparison", { equal: (a, b) => a === b }]
]

describe("SelfTest", () => {
  it.effect("passes the portable backend, and answers it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* SelfTest.passed(right), right)
    }))

  for (const [primitive, change] of broken) {
    it.effect(`${primitive} is named: ${Object.keys(change).join()}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(SelfTest.passed({ ...right, ...change }))
        assert.strictEqual(error._tag, "CryptoUnavailable")
        assert.deepEqual([error.primitive, error.backend], [primitive, "broken"])
        assert.include(error.message, primitive)
      }))
  }

  it.effect("refuses a verifier that multiplies by the cofactor, or one that knows only prime order", () =>
    Effect.gen(function*() {
      const { ed25519 } = yield* Effect.promise(() => import("@noble/curves/ed25519.js"))
      const cofactored: CryptoService["signature"]["verify"] = (publicKey, message, signed) =>
        signature.verify(publicKey, message, signed) || publicKey[0] !== 1 && ed25519.verify(signed, message, publicKey)
      const primeOrder: CryptoService["signature"]["verify"] = (publicKey, message, signed) =>
        signature.verify(publicKey, message, signed) && ed25519.Point.fromBytes(publicKey).isTorsionFree()
      for (const verify of [cofactored, primeOrder]) {
        const error = yield* Effect.flip(SelfTest.passed({ ...right, signature: { ...signature, verify } }))
        assert.strictEqual(error.primitive, "Ed25519")
      }
    }))
})
