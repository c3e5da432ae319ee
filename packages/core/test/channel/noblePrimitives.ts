/** The Noise engine's primitives from noble alone, for every cipher and hash of the public vectors. */
import { gcm } from "@noble/ciphers/aes.js"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { x25519 } from "@noble/curves/ed25519.js"
import { blake2b, blake2s } from "@noble/hashes/blake2.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import type { Aead, Kem } from "@sotto/core/Crypto"
import type { NoisePrimitives } from "../../src/channel/NoisePrimitives.ts"

const orUndefined = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

const aeadOf = (cipher: typeof gcm | typeof chacha20poly1305): Aead => ({
  keyBytes: 32,
  nonceBytes: 12,
  seal: (key, nonce, associatedData, plaintext) => cipher(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, associatedData, ciphertext) =>
    orUndefined(() => cipher(key, nonce, associatedData).decrypt(ciphertext))
})

const kem: Kem = {
  seedBytes: 64,
  publicKeyBytes: 1184,
  ciphertextBytes: 1088,
  randomnessBytes: 32,
  keyPair: (seed) => ({ publicKey: ml_kem768.keygen(seed).publicKey, secretKey: seed }),
  encapsulate: (publicKey, randomness) =>
    orUndefined(() => {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, randomness)
      return { ciphertext: cipherText, sharedSecret }
    }),
  decapsulate: (seed, ciphertext) =>
    orUndefined(() => ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(seed).secretKey))
}

const HASHES = { SHA256: sha256, SHA512: sha512, BLAKE2s: blake2s, BLAKE2b: blake2b }
const CIPHERS = { ChaChaPoly: chacha20poly1305, AESGCM: gcm }

/** The set of a cipher and a hash. */
export const noblePrimitives = (cipher: keyof typeof CIPHERS, hash: keyof typeof HASHES): NoisePrimitives => ({
  names: { dh: "25519", kem: "MLKEM768", cipher, hash },
  dh: {
    publicKeyBytes: 32,
    secretKeyBytes: 32,
    keyPair: (secretKey) => ({ publicKey: x25519.getPublicKey(secretKey), secretKey }),
    sharedSecret: (secretKey, publicKey) => orUndefined(() => x25519.getSharedSecret(secretKey, publicKey))
  },
  kem,
  aead: aeadOf(CIPHERS[cipher]),
  nonceOrder: cipher === "AESGCM" ? "big" : "little",
  hashBytes: HASHES[hash].outputLen,
  hash: (data) => HASHES[hash](data),
  hmac: (key, data) => hmac(HASHES[hash], key, data)
})

const PROTOCOL =
  /^Noise_([A-Za-z]+?)((?:psk\d)?)_25519(?:\+MLKEM768)?_(ChaChaPoly|AESGCM)_(SHA256|SHA512|BLAKE2s|BLAKE2b)$/

/** The parts of a protocol name of the vectors. */
export const parseProtocol = (
  name: string
): { readonly pattern: string; readonly psks: ReadonlyArray<number>; readonly primitives: NoisePrimitives } => {
  const [, pattern = "", psk = "", cipher, hash] = PROTOCOL.exec(name) ?? []
  const primitives = noblePrimitives(
    cipher === "AESGCM" ? "AESGCM" : "ChaChaPoly",
    hash === "SHA512" || hash === "BLAKE2s" || hash === "BLAKE2b" ? hash : "SHA256"
  )
  return { pattern, psks: psk === "" ? [] : [Number(psk.slice(3))], primitives }
}
