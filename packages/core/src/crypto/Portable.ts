/**
 * The portable backend of `Crypto`: @noble's audited JavaScript, the same on every platform and in the simulator, and
 * the reference that the native backends are tested against (protocol.md §4).
 *
 * Everything is synchronous and deterministic but for the bytes that `random` gives. JavaScript gives no promise of
 * constant time.
 */
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { ed25519, ristretto255, ristretto255_hasher, x25519 } from "@noble/curves/ed25519.js"
import { bytesToNumberLE } from "@noble/curves/utils.js"
import { argon2id } from "@noble/hashes/argon2.js"
import { blake3 } from "@noble/hashes/blake3.js"
import { expand, extract } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { randomBytes } from "@noble/hashes/utils.js"
import { ml_kem768_x25519 } from "@noble/post-quantum/hybrid.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Aead, Crypto, type CryptoUnavailable, type KeyPair } from "../Crypto.ts"
import * as Contract from "./Contract.ts"
import * as Ed25519 from "./Ed25519.ts"
import * as SelfTest from "./SelfTest.ts"
import * as XChaCha20 from "./XChaCha20.ts"

type CryptoService = Crypto["Service"]

/** Where a portable backend gets its bytes from, and what it calls itself. */
export interface Options {
  /** Uniform bytes, `length` of them. What it throws becomes `EntropyUnavailable`. */
  readonly random: (length: number) => Uint8Array
  /** Name for diagnostics; `portable` unless given. */
  readonly backend?: string
}

/** noble throws for what outside data can cause, and only for that once lengths are checked. */
const attempt = <A>(compute: () => A): A | undefined => {
  try {
    return compute()
  } catch {
    return undefined
  }
}

const keyPair = (publicKey: (seed: Uint8Array) => Uint8Array) => (seed: Uint8Array): KeyPair => ({
  publicKey: publicKey(seed),
  secretKey: new Uint8Array(seed)
})

type NobleAead = (key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array) => {
  readonly encrypt: (plaintext: Uint8Array) => Uint8Array
  readonly decrypt: (ciphertext: Uint8Array) => Uint8Array
}

const aead = (cipher: NobleAead, nonceBytes: number): Aead => ({
  keyBytes: 32,
  nonceBytes,
  seal: (key, nonce, associatedData, plaintext) => cipher(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, associatedData, ciphertext) =>
    attempt(() => cipher(key, nonce, associatedData).decrypt(ciphertext))
})

/** An X-Wing secret key is its seed; ML-KEM's is expanded for the call and zeroed after it. */
const withExpanded = <A>(seed: Uint8Array, use: (expanded: Uint8Array) => A): A => {
  const { secretKey } = ml_kem768.keygen(seed)
  const result = use(secretKey)
  secretKey.fill(0)
  return result
}

/** noble's shared secret is the front of a longer buffer; the caller gets one of its own. */
const own = (bytes: Uint8Array | undefined): Uint8Array | undefined => {
  if (bytes === undefined || bytes.length === bytes.buffer.byteLength) return bytes
  const copy = new Uint8Array(bytes)
  bytes.fill(0)
  return copy
}

const encapsulate = (
  kem: typeof ml_kem768_x25519,
  fresh: () => Uint8Array
) =>
(publicKey: Uint8Array, randomness: Uint8Array = fresh()) => {
  const made = attempt(() => kem.encapsulate(publicKey, randomness))
  const sharedSecret = own(made?.sharedSecret)
  return made === undefined || sharedSecret === undefined ? undefined : { ciphertext: made.cipherText, sharedSecret }
}

const ristretto: CryptoService["ristretto"] = {
  fromUniform: (bytes) => {
    const element = ristretto255_hasher.deriveToCurve?.(bytes)
    if (element === undefined) throw new TypeError("this @noble/curves derives no ristretto255 element")
    return element.toBytes()
  },
  scalar: (bytes) => ristretto255.Point.Fn.toBytes(ristretto255.Point.Fn.create(bytesToNumberLE(bytes))),
  multiply: (scalar, element) => {
    const point = attempt(() => ristretto255.Point.fromBytes(element))
    const factor = bytesToNumberLE(scalar)
    return point === undefined || point.is0() || factor === 0n ? undefined : point.multiply(factor).toBytes()
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/** Signatures that are checked (1.2 ms each) before other fibers get their turn. */
const VERIFY_PER_TURN = 16

/** The service itself, without a self-test: for a simulator or a test that supplies its own randomness. */
export const make = (options: Options): CryptoService => {
  const random = Contract.whole(options.random)
  return Contract.enforce({
    backend: options.backend ?? "portable",
    random,
    sha256,
    sha512,
    blake3,
    hmac: (key, data) => hmac(sha256, key, data),
    hmacSha512: (key, data) => hmac(sha512, key, data),
    hkdfExtract: (salt, inputKey) => extract(sha256, inputKey, salt),
    hkdfExpand: (pseudoRandomKey, info, length) => expand(sha256, pseudoRandomKey, info, length),
    aead: aead(xchacha20poly1305, XChaCha20.NONCE_BYTES),
    channelAead: aead(chacha20poly1305, 12),
    signature: {
      keyPair: keyPair(ed25519.getPublicKey),
      sign: (secretKey, message) => ed25519.sign(message, secretKey),
      signer: (secretKey) => {
        const kept = secretKey.slice()
        return (message) => ed25519.sign(message, kept)
      },
      verify: Ed25519.equationHolds,
      verifyMany: Ed25519.verifyEach(Ed25519.equationHolds, VERIFY_PER_TURN)
    },
    x25519: {
      keyPair: keyPair(x25519.getPublicKey),
      sharedSecret: (secretKey, publicKey) => attempt(() => x25519.getSharedSecret(secretKey, publicKey))
    },
    mlKem: {
      ...Contract.ML_KEM,
      keyPair: keyPair((seed) => {
        const { publicKey, secretKey } = ml_kem768.keygen(seed)
        secretKey.fill(0)
        return publicKey
      }),
      encapsulate: encapsulate(ml_kem768, () => random(Contract.ML_KEM.randomnessBytes)),
      decapsulate: (seed, ciphertext) =>
        withExpanded(seed, (expanded) => own(attempt(() => ml_kem768.decapsulate(ciphertext, expanded))))
    },
    xWing: {
      ...Contract.X_WING,
      keyPair: keyPair((seed) => ml_kem768_x25519.keygen(seed).publicKey),
      encapsulate: encapsulate(ml_kem768_x25519, () => random(Contract.X_WING.randomnessBytes)),
      decapsulate: (seed, ciphertext) => own(attempt(() => ml_kem768_x25519.decapsulate(ciphertext, seed)))
    },
    ristretto,
    equal,
    passwordKey: (password, { iterations, memoryKib, parallelism, salt }) =>
      Effect.sync(() => argon2id(password, salt, { t: iterations, m: memoryKib, p: parallelism, dkLen: 32 }))
  })
}

/** What `crypto.getRandomValues` gives at once. */
const DRAW_BYTES_MAX = 65_536

/** The platform's `crypto.getRandomValues`, which every supported runtime has, in as many draws as it takes. */
const platformRandom = (length: number): Uint8Array => {
  if (length <= DRAW_BYTES_MAX) return randomBytes(length)
  const draws: Array<Uint8Array> = []
  for (let rest = length; rest > 0; rest -= DRAW_BYTES_MAX) draws.push(randomBytes(Math.min(rest, DRAW_BYTES_MAX)))
  return Bytes.concat(...draws)
}

/** The portable backend with a given source of randomness, after its self-test. */
export const layerWith = (options: Options): Layer.Layer<Crypto, CryptoUnavailable> =>
  Layer.effect(Crypto, Effect.suspend(() => SelfTest.passed(make(options))))

/** The portable backend with the platform's own randomness, after its self-test. Not for a simulator. */
export const layer: Layer.Layer<Crypto, CryptoUnavailable> = layerWith({ random: platformRandom })
