/**
 * The fake tier of cryptography: the same interface, lengths and refusals as the real one, many times faster and with no
 * secrecy at all. Whatever a program does with it, it would do with the real one:
 *
 * 1. A ciphertext opens under its key, nonce and associated data, and under no others; its bytes do not show the
 *    plaintext.
 * 2. A signature verifies for its key and message, and for no others.
 * 3. Both sides of a key agreement, an encapsulation and a password exchange get the same secret, and whoever has
 *    another key or another password gets another one.
 * 4. Equal inputs have equal outputs; only `random` draws.
 */
import type { Crypto, KeyPair } from "@sotto/core/Crypto"
import * as Contract from "@sotto/core/crypto/Contract"
import * as Slab from "@sotto/simulation/Slab"
import * as Effect from "effect/Effect"
import { Mixer } from "./Mixer.ts"

type Service = Crypto["Service"]

const TAG_BYTES = 16

/** One number for each function, so that they have nothing in common. */
const DOMAIN = {
  sha256: 1,
  sha512: 2,
  blake3: 3,
  hmac: 4,
  hmacSha512: 5,
  extract: 6,
  expand: 7,
  stream: 8,
  tag: 9,
  signingKey: 10,
  signature: 11,
  exchangeKey: 12,
  exchange: 13,
  kemKey: 14,
  kemCiphertext: 15,
  kemSecret: 16,
  element: 17,
  scalar: 18,
  password: 19
} as const

/** A fake backend that draws from `random`. */
export const make = (random: Service["random"]): Service => {
  const mixer = new Mixer()
  const drawn = Contract.whole(random)
  const hash = (domain: number, length: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
    mixer.begin(domain)
    for (const part of parts) mixer.add(part)
    const out = Slab.zeros(length)
    mixer.finish(out, 0, length)
    return out
  }
  return Contract.enforce({
    backend: "simulated",
    random: drawn,
    sha256: (data) => hash(DOMAIN.sha256, 32, data),
    sha512: (data) => hash(DOMAIN.sha512, 64, data),
    blake3: (data) => hash(DOMAIN.blake3, 32, data),
    hmac: (key, data) => hash(DOMAIN.hmac, 32, key, data),
    hmacSha512: (key, data) => hash(DOMAIN.hmacSha512, 64, key, data),
    hkdfExtract: (salt, inputKey) => hash(DOMAIN.extract, 32, salt, inputKey),
    hkdfExpand: (key, info, length) => hash(DOMAIN.expand, length, key, info),
    aead: aead(mixer, 24),
    channelAead: aead(mixer, 12),
    signature: signature(hash),
    x25519: x25519(hash),
    mlKem: kem(hash, Contract.ML_KEM, drawn),
    xWing: kem(hash, Contract.X_WING, drawn),
    ristretto: ristretto(hash),
    equal,
    passwordKey: (password, { iterations, memoryKib, parallelism, salt }) =>
      Effect.sync(() =>
        hash(
          DOMAIN.password,
          32,
          password,
          salt,
          Uint8Array.of(iterations, parallelism, memoryKib & 255, memoryKib >> 8)
        )
      )
  })
}

type Hash = (domain: number, length: number, ...parts: ReadonlyArray<Uint8Array>) => Uint8Array

const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** XORs `bytes` with a stream that belongs to key and nonce. */
const cover = (seed: Uint8Array, bytes: Uint8Array, out: Uint8Array): void => {
  const word = (at: number) =>
    (seed[at] ?? 0) | ((seed[at + 1] ?? 0) << 8) | ((seed[at + 2] ?? 0) << 16) | ((seed[at + 3] ?? 0) << 24)
  let a = word(0), b = word(4), c = word(8), count = word(12)
  // A loop that never leaves the array is twice as fast; the tail has its own.
  const whole = bytes.length - 3
  let i = 0
  for (; i < whole; i += 4) {
    const sum = (a + b + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    out[i] = (bytes[i] ?? 0) ^ sum
    out[i + 1] = (bytes[i + 1] ?? 0) ^ (sum >>> 8)
    out[i + 2] = (bytes[i + 2] ?? 0) ^ (sum >>> 16)
    out[i + 3] = (bytes[i + 3] ?? 0) ^ (sum >>> 24)
  }
  const last = a + b + count
  for (let shift = 0; i < bytes.length; i++, shift += 8) out[i] = (bytes[i] ?? 0) ^ (last >>> shift)
}

const aead = (mixer: Mixer, nonceBytes: number): Service["aead"] => {
  const seed = new Uint8Array(16)
  const tag = new Uint8Array(TAG_BYTES)
  const start = (key: Uint8Array, nonce: Uint8Array): void =>
    mixer.begin(DOMAIN.stream).add(key).add(nonce).finish(seed, 0, 16)
  return {
    keyBytes: 32,
    nonceBytes,
    seal: (key, nonce, associatedData, plaintext) => {
      const out = Slab.zeros(plaintext.length + TAG_BYTES)
      start(key, nonce)
      cover(seed, plaintext, out)
      const body = out.subarray(0, plaintext.length)
      mixer.begin(DOMAIN.tag).add(key).add(nonce).add(associatedData).add(body).finish(out, plaintext.length, TAG_BYTES)
      return out
    },
    open: (key, nonce, associatedData, ciphertext) => {
      const body = ciphertext.subarray(0, ciphertext.length - TAG_BYTES)
      mixer.begin(DOMAIN.tag).add(key).add(nonce).add(associatedData).add(body).finish(tag, 0, TAG_BYTES)
      if (!equal(tag, ciphertext.subarray(body.length))) return undefined
      const out = Slab.zeros(body.length)
      start(key, nonce)
      cover(seed, body, out)
      return out
    }
  }
}

/** A key whose encoding the one Ed25519 rule admits (y below p, not of small order). */
const signingKey = (hash: Hash, seed: Uint8Array): Uint8Array => {
  const key = hash(DOMAIN.signingKey, 32, seed)
  key[31] = (key[31] ?? 0) & 0x3f | 0x10
  return key
}

const sign = (hash: Hash, publicKey: Uint8Array, message: Uint8Array): Uint8Array => {
  const bytes = hash(DOMAIN.signature, 64, publicKey, message)
  bytes[31] = (bytes[31] ?? 0) & 0x3f | 0x10
  bytes[63] = (bytes[63] ?? 0) & 0x0f
  return bytes
}

const signature = (hash: Hash): Service["signature"] => {
  const verify: Service["signature"]["verify"] = (publicKey, message, signed) =>
    equal(sign(hash, publicKey, message), signed)
  return {
    keyPair: (seed) => ({ publicKey: signingKey(hash, seed), secretKey: new Uint8Array(seed) }),
    sign: (secretKey, message) => sign(hash, signingKey(hash, secretKey), message),
    signer: (secretKey) => {
      const publicKey = signingKey(hash, secretKey)
      return (message) => sign(hash, publicKey, message)
    },
    verify,
    verifyMany: (signed) => Effect.sync(() => signed.map((one) => verify(one.publicKey, one.message, one.signature)))
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

const x25519 = (hash: Hash): Service["x25519"] => {
  const publicKeyOf = (secretKey: Uint8Array) => hash(DOMAIN.exchangeKey, 32, secretKey)
  return {
    keyPair: (seed) => ({ publicKey: publicKeyOf(seed), secretKey: new Uint8Array(seed) }),
    sharedSecret: (secretKey, publicKey) => {
      if (isZero(publicKey)) return undefined
      const own = publicKeyOf(secretKey)
      // The same on both sides: the sum of the two keys, byte by byte, stands for the product.
      return hash(DOMAIN.exchange, 32, own.map((byte, i) => byte + (publicKey[i] ?? 0)))
    }
  }
}

const kem = (
  hash: Hash,
  sizes: Pick<Service["mlKem"], "seedBytes" | "publicKeyBytes" | "ciphertextBytes" | "randomnessBytes">,
  random: Service["random"]
): Service["mlKem"] => {
  const publicKeyOf = (seed: Uint8Array) => hash(DOMAIN.kemKey, sizes.publicKeyBytes, seed)
  const secretOf = (publicKey: Uint8Array, ciphertext: Uint8Array) => hash(DOMAIN.kemSecret, 32, publicKey, ciphertext)
  return {
    ...sizes,
    keyPair: (seed): KeyPair => ({ publicKey: publicKeyOf(seed), secretKey: new Uint8Array(seed) }),
    encapsulate: (publicKey, randomness = random(sizes.randomnessBytes)) => {
      // What a real key can not be: ML-KEM's first coefficients above the modulus.
      if (publicKey.subarray(0, 3).every((byte) => byte === 0xff)) return undefined
      const ciphertext = hash(DOMAIN.kemCiphertext, sizes.ciphertextBytes, publicKey, randomness)
      return { ciphertext, sharedSecret: secretOf(publicKey, ciphertext) }
    },
    decapsulate: (seed, ciphertext) => secretOf(publicKeyOf(seed), ciphertext)
  }
}

/** The order of the fake group: 2^61 − 1, a prime. An element is its number and a check of 24 bytes. */
const ORDER = 0x1fff_ffff_ffff_ffffn

const numberOf = (bytes: Uint8Array): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true) % ORDER

const ristretto = (hash: Hash): Service["ristretto"] => {
  const encode = (number: bigint): Uint8Array => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setBigUint64(0, number, true)
    bytes.set(hash(DOMAIN.element, 24, bytes.subarray(0, 8)), 8)
    return bytes
  }
  return {
    fromUniform: (bytes) => encode(1n + numberOf(hash(DOMAIN.element, 8, bytes)) % (ORDER - 1n)),
    scalar: (bytes) => {
      const scalar = new Uint8Array(32)
      scalar.set(hash(DOMAIN.scalar, 8, bytes))
      return isZero(bytes) ? new Uint8Array(32) : scalar
    },
    multiply: (scalar, element) => {
      const number = numberOf(element)
      if (!equal(encode(number), element)) return undefined
      const product = (numberOf(scalar) * number) % ORDER
      return product === 0n ? undefined : encode(product)
    }
  }
}
