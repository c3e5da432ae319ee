/**
 * X25519, ML-KEM-768 and X-Wing on node:crypto, for `NodeCrypto`. Node can not be given the randomness of an
 * encapsulation, so where a caller gives it the portable ML-KEM computes; with Node's own it takes a tenth of the time.
 */
import type { Crypto, Encapsulation, Kem } from "@sotto/core/Crypto"
import { ML_KEM, X_WING } from "@sotto/core/crypto/Contract"
import { createHash, decapsulate, diffieHellman, encapsulate, type KeyObject } from "node:crypto"
import * as Keys from "./cryptoKeys.ts"

type X25519 = Crypto["Service"]["x25519"]

/** What `use` gives, or undefined for an error that `isExpected`: outside data caused it, not us. */
const unless = <A>(isExpected: (code: unknown) => boolean, use: () => A): A | undefined => {
  try {
    return use()
  } catch (error) {
    if (error instanceof Error && "code" in error && isExpected(error.code)) return undefined
    throw error
  }
}

/** OpenSSL gives no shared secret that is all zero. */
const isSmallOrder = (code: unknown): boolean => code === "ERR_OSSL_FAILED_DURING_DERIVATION"

/** OpenSSL refuses an ML-KEM public key out of its modulus. */
const isNoKey = (code: unknown): boolean => code === "ERR_OSSL_EVP_DECODE_ERROR"

/** The shared secret of two X25519 keys; undefined for a point of small order. */
const agree = (privateKey: KeyObject, publicKey: Uint8Array): Uint8Array | undefined =>
  unless(
    isSmallOrder,
    () => new Uint8Array(diffieHellman({ privateKey, publicKey: Keys.publicKey(Keys.X25519, publicKey) }))
  )

export const x25519: X25519 = {
  keyPair: (seed) => ({
    publicKey: Keys.publicBytes(Keys.X25519, Keys.secretKey(Keys.X25519, seed)),
    secretKey: new Uint8Array(seed)
  }),
  sharedSecret: (secretKey, publicKey) => agree(Keys.secretKey(Keys.X25519, secretKey), publicKey)
}

const encapsulateFresh = (raw: Uint8Array): Encapsulation | undefined => {
  const key = unless(isNoKey, () => Keys.publicKey(Keys.ML_KEM_768, raw))
  if (key === undefined) return undefined
  const { ciphertext, sharedKey } = encapsulate(key)
  return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) }
}

/** ML-KEM-768; `portable` encapsulates where the randomness is given. */
export const makeMlKem = (portable: Kem): Kem => ({
  ...ML_KEM,
  keyPair: (seed) => ({
    publicKey: Keys.publicBytes(Keys.ML_KEM_768, Keys.secretKey(Keys.ML_KEM_768, seed)),
    secretKey: new Uint8Array(seed)
  }),
  encapsulate: (publicKey, randomness) =>
    randomness === undefined ? encapsulateFresh(publicKey) : portable.encapsulate(publicKey, randomness),
  decapsulate: (seed, ciphertext) => new Uint8Array(decapsulate(Keys.secretKey(Keys.ML_KEM_768, seed), ciphertext))
})

/** draft-connolly-cfrg-xwing-kem §5.3: `\.//^\` */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c)

/** The two halves of X-Wing's 32-byte seed: 64 bytes for ML-KEM-768, 32 for X25519 (§5.2). */
const expand = (
  seed: Uint8Array
): { readonly mlKem: Uint8Array; readonly x25519: KeyObject; readonly wipe: () => void } => {
  const expanded = new Uint8Array(createHash("shake256", { outputLength: 96 }).update(seed).digest())
  return {
    mlKem: expanded.subarray(0, 64),
    x25519: Keys.secretKey(Keys.X25519, expanded.subarray(64)),
    wipe: () => {
      expanded.fill(0)
    }
  }
}

interface Parts {
  readonly mlKemSecret: Uint8Array
  readonly x25519Secret: Uint8Array
  readonly x25519Ciphertext: Uint8Array
  readonly x25519PublicKey: Uint8Array
}

/** §5.3. The two secrets are zeroed. */
const combine = ({ mlKemSecret, x25519Ciphertext, x25519PublicKey, x25519Secret }: Parts): Uint8Array => {
  const combined = createHash("sha3-256").update(mlKemSecret).update(x25519Secret).update(x25519Ciphertext)
    .update(x25519PublicKey).update(LABEL).digest()
  mlKemSecret.fill(0)
  x25519Secret.fill(0)
  return new Uint8Array(combined)
}

const MLKEM_PUBLIC = ML_KEM.publicKeyBytes
const MLKEM_CIPHERTEXT = ML_KEM.ciphertextBytes

/** X-Wing over `mlKem` and node's X25519. */
export const makeXWing = (mlKem: Kem, random: (length: number) => Uint8Array): Kem => ({
  ...X_WING,
  keyPair: (seed) => {
    const { mlKem: mlKemSeed, wipe, x25519 } = expand(seed)
    const publicKey = new Uint8Array(X_WING.publicKeyBytes)
    publicKey.set(mlKem.keyPair(mlKemSeed).publicKey)
    publicKey.set(Keys.publicBytes(Keys.X25519, x25519), MLKEM_PUBLIC)
    wipe()
    return { publicKey, secretKey: new Uint8Array(seed) }
  },
  encapsulate: (publicKey, randomness) => {
    const x25519PublicKey = publicKey.subarray(MLKEM_PUBLIC)
    const ephemeralSeed = randomness === undefined ? random(32) : new Uint8Array(randomness.subarray(32))
    const ephemeral = Keys.secretKey(Keys.X25519, ephemeralSeed)
    ephemeralSeed.fill(0)
    const x25519Secret = agree(ephemeral, x25519PublicKey)
    if (x25519Secret === undefined) return undefined
    const made = mlKem.encapsulate(publicKey.subarray(0, MLKEM_PUBLIC), randomness?.subarray(0, 32))
    if (made === undefined) return undefined
    const x25519Ciphertext = Keys.publicBytes(Keys.X25519, ephemeral)
    const ciphertext = new Uint8Array(X_WING.ciphertextBytes)
    ciphertext.set(made.ciphertext)
    ciphertext.set(x25519Ciphertext, MLKEM_CIPHERTEXT)
    const mlKemSecret = made.sharedSecret
    return { ciphertext, sharedSecret: combine({ mlKemSecret, x25519Secret, x25519Ciphertext, x25519PublicKey }) }
  },
  decapsulate: (seed, ciphertext) => {
    const { mlKem: mlKemSeed, wipe, x25519 } = expand(seed)
    const x25519Ciphertext = ciphertext.subarray(MLKEM_CIPHERTEXT)
    const x25519Secret = agree(x25519, x25519Ciphertext)
    const mlKemSecret = mlKem.decapsulate(mlKemSeed, ciphertext.subarray(0, MLKEM_CIPHERTEXT))
    wipe()
    if (x25519Secret === undefined || mlKemSecret === undefined) return undefined
    const x25519PublicKey = Keys.publicBytes(Keys.X25519, x25519)
    return combine({ mlKemSecret, x25519Secret, x25519Ciphertext, x25519PublicKey })
  }
})
