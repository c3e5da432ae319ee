/**
 * The checks that `Crypto` promises, once for every backend: a backend computes, this page decides what reaches it.
 *
 * Invariants:
 * 1. A length that the caller got wrong throws a `RangeError` that names the argument and holds no bytes.
 * 2. A peer's key, signature, element or ciphertext of a wrong length is answered like any other bad one.
 * 3. A signature is checked under the one rule of protocol.md §4 (`Ed25519.withoutBackend`, then the backend).
 * 4. Argon2id runs only inside the floor and the ceiling of protocol.md §3.
 * 5. Randomness is whole: a source that throws or gives fewer bytes is `EntropyUnavailable`.
 */
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import {
  type Aead,
  Crypto,
  EntropyUnavailable,
  type Kem,
  type PasswordParameters,
  PasswordParametersRefused,
  type Signed
} from "../Crypto.ts"
import * as Ed25519 from "./Ed25519.ts"

type CryptoService = Crypto["Service"]

const TAG_BYTES = 16
const SCALAR_BYTES = 32
const HASH_BYTES = 32
const EXPAND_BYTES_MAX = 255 * HASH_BYTES
const SALT_BYTES_MIN = 16
const SALT_BYTES_MAX = 64

/** Sizes of ML-KEM-768 with a seed as secret key (FIPS 203, table 3). */
export const ML_KEM = { seedBytes: 64, publicKeyBytes: 1184, ciphertextBytes: 1088, randomnessBytes: 32 } as const

/** Sizes of X-Wing (draft-connolly-cfrg-xwing-kem §5). */
export const X_WING = { seedBytes: 32, publicKeyBytes: 1216, ciphertextBytes: 1120, randomnessBytes: 64 } as const

/** Dies unless `bytes` has `length` bytes. */
const need = (bytes: Uint8Array, length: number, name: string): void => {
  if (bytes.length !== length) throw new RangeError(`${name} has ${bytes.length} bytes, expected ${length}`)
}

const needCount = (count: number, max: number, name: string): void => {
  if (!Number.isSafeInteger(count) || count < 0 || count > max) throw new RangeError(`${name} is not in 0..${max}`)
}

/** A source of randomness that gives what was asked for or throws `EntropyUnavailable`. */
export const whole = (source: CryptoService["random"]): CryptoService["random"] => (length) => {
  needCount(length, Number.MAX_SAFE_INTEGER, "random: length")
  const drawn = draw(source, length)
  if (drawn?.length !== length) throw new EntropyUnavailable()
  return drawn
}

const draw = (source: CryptoService["random"], length: number): Uint8Array | undefined => {
  try {
    return source(length)
  } catch {
    return undefined // whatever a platform throws here, it gave no randomness
  }
}

const aead = (backend: Aead): Aead => {
  const needKeys = (key: Uint8Array, nonce: Uint8Array): void => {
    need(key, backend.keyBytes, "aead: key")
    need(nonce, backend.nonceBytes, "aead: nonce")
  }
  return {
    keyBytes: backend.keyBytes,
    nonceBytes: backend.nonceBytes,
    seal: (key, nonce, associatedData, plaintext) => {
      needKeys(key, nonce)
      return backend.seal(key, nonce, associatedData, plaintext)
    },
    open: (key, nonce, associatedData, ciphertext) => {
      needKeys(key, nonce)
      return ciphertext.length < TAG_BYTES ? undefined : backend.open(key, nonce, associatedData, ciphertext)
    }
  }
}

const kem = (backend: Kem): Kem => ({
  seedBytes: backend.seedBytes,
  publicKeyBytes: backend.publicKeyBytes,
  ciphertextBytes: backend.ciphertextBytes,
  randomnessBytes: backend.randomnessBytes,
  keyPair: (seed) => {
    need(seed, backend.seedBytes, "kem: seed")
    return backend.keyPair(seed)
  },
  encapsulate: (publicKey, randomness) => {
    if (randomness !== undefined) need(randomness, backend.randomnessBytes, "kem: randomness")
    return publicKey.length === backend.publicKeyBytes ? backend.encapsulate(publicKey, randomness) : undefined
  },
  decapsulate: (secretKey, ciphertext) => {
    need(secretKey, backend.seedBytes, "kem: secret key")
    return ciphertext.length === backend.ciphertextBytes ? backend.decapsulate(secretKey, ciphertext) : undefined
  }
})

const signature = (backend: CryptoService["signature"]): CryptoService["signature"] => ({
  keyPair: (seed) => {
    need(seed, SCALAR_BYTES, "signature: seed")
    return backend.keyPair(seed)
  },
  sign: (secretKey, message) => {
    need(secretKey, SCALAR_BYTES, "signature: secret key")
    return backend.sign(secretKey, message)
  },
  signer: (secretKey) => {
    need(secretKey, SCALAR_BYTES, "signature: secret key")
    return backend.signer(secretKey)
  },
  verify: Ed25519.withRule(backend.verify),
  verifyMany: Effect.fnUntraced(function*(signed: ReadonlyArray<Signed>) {
    const early = signed.map((one) => Ed25519.withoutBackend(one.publicKey, one.message, one.signature))
    const asked = yield* backend.verifyMany(signed.filter((_, index) => early[index] === undefined))
    let next = 0
    return early.map((answer) => answer ?? asked[next++] === true)
  })
})

const x25519 = (backend: CryptoService["x25519"]): CryptoService["x25519"] => ({
  keyPair: (seed) => {
    need(seed, SCALAR_BYTES, "x25519: seed")
    return backend.keyPair(seed)
  },
  sharedSecret: (secretKey, publicKey) => {
    need(secretKey, SCALAR_BYTES, "x25519: secret key")
    return publicKey.length === SCALAR_BYTES ? backend.sharedSecret(secretKey, publicKey) : undefined
  }
})

const ristretto = (backend: CryptoService["ristretto"]): CryptoService["ristretto"] => ({
  fromUniform: (bytes) => {
    need(bytes, 64, "ristretto: uniform bytes")
    return backend.fromUniform(bytes)
  },
  scalar: (bytes) => {
    need(bytes, 64, "ristretto: uniform bytes")
    return backend.scalar(bytes)
  },
  multiply: (scalar, element) => {
    need(scalar, SCALAR_BYTES, "ristretto: scalar")
    if (!Ed25519.isReduced(scalar)) throw new RangeError("ristretto: scalar is not reduced")
    return element.length === SCALAR_BYTES ? backend.multiply(scalar, element) : undefined
  }
})

const within = (value: number, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max

const isSafe = ({ iterations, memoryKib, parallelism, salt }: PasswordParameters): boolean =>
  within(memoryKib, Limit.passwordMemoryKibMin, Limit.passwordMemoryKibMax) &&
  within(iterations, Limit.passwordIterationsMin, Limit.passwordIterationsMax) &&
  parallelism === Limit.passwordParallelism &&
  within(salt.length, SALT_BYTES_MIN, SALT_BYTES_MAX)

const passwordKey = (backend: CryptoService["passwordKey"]): CryptoService["passwordKey"] => (password, parameters) =>
  isSafe(parameters) ? backend(password, parameters) : Effect.fail(
    new PasswordParametersRefused({
      memoryKib: parameters.memoryKib,
      iterations: parameters.iterations,
      parallelism: parameters.parallelism,
      saltBytes: parameters.salt.length
    })
  )

/** The service of a backend, with every check of the contract in front of it. */
export const enforce = (backend: CryptoService): CryptoService =>
  Crypto.of({
    ...backend,
    random: whole(backend.random),
    hkdfExpand: (pseudoRandomKey, info, length) => {
      if (pseudoRandomKey.length < HASH_BYTES) throw new RangeError("hkdfExpand: key is shorter than 32 bytes")
      needCount(length, EXPAND_BYTES_MAX, "hkdfExpand: length")
      return backend.hkdfExpand(pseudoRandomKey, info, length)
    },
    aead: aead(backend.aead),
    channelAead: aead(backend.channelAead),
    signature: signature(backend.signature),
    x25519: x25519(backend.x25519),
    mlKem: kem(backend.mlKem),
    xWing: kem(backend.xWing),
    ristretto: ristretto(backend.ristretto),
    equal: (a, b) => a.length === b.length && backend.equal(a, b),
    passwordKey: passwordKey(backend.passwordKey)
  })
