/**
 * node:crypto knows keys as `KeyObject`s, Sotto as raw bytes (core's `Crypto`): the way between them is a DER frame
 * around the bytes (RFC 8410 for Ed25519 and X25519, draft-ietf-lamps-kyber-certificates for ML-KEM), which every
 * supported Node reads.
 *
 * Public keys that verify signatures are kept, since a device checks many by few authors. Secret keys are not: nothing
 * holds them longer than a call.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto"

/** What stands before the raw bytes in a PKCS #8 secret key and in an SPKI public key. */
export interface Frame {
  readonly secret: Uint8Array
  readonly public: Uint8Array
}

const frame = (secretHex: string, publicHex: string): Frame => ({
  secret: new Uint8Array(Buffer.from(secretHex, "hex")),
  public: new Uint8Array(Buffer.from(publicHex, "hex"))
})

export const ED25519 = frame("302e020100300506032b657004220420", "302a300506032b6570032100")
export const X25519 = frame("302e020100300506032b656e04220420", "302a300506032b656e032100")
/** The secret key as its 64-byte seed. */
export const ML_KEM_768 = frame(
  "3054020100300b060960864801650304040204428040",
  "308204b2300b0609608648016503040402038204a100"
)

const framed = (prefix: Uint8Array, raw: Uint8Array): Buffer => {
  const der = Buffer.alloc(prefix.length + raw.length) // of its own, not from Node's pool
  der.set(prefix)
  der.set(raw, prefix.length)
  return der
}

/** The secret key of a seed. The copy that Node reads is zeroed. */
export const secretKey = (frame: Frame, seed: Uint8Array): KeyObject => {
  const key = framed(frame.secret, seed)
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" })
  } finally {
    key.fill(0)
  }
}

/** The public key of raw bytes. Throws for what is none of its kind, as an ML-KEM key out of its modulus. */
export const publicKey = (frame: Frame, raw: Uint8Array): KeyObject =>
  createPublicKey({ key: framed(frame.public, raw), format: "der", type: "spki" })

/** The raw public key of a secret one. */
export const publicBytes = (frame: Frame, secret: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(secret).export({ format: "der", type: "spki" })).slice(frame.public.length)

/** Public keys that are kept at once: authors of the spaces that are being read. */
const KEPT_MAX = 1024

/** Ed25519 public keys, the least recently used dropped first. */
export const makeVerifyKeys = (max: number = KEPT_MAX): (raw: Uint8Array) => KeyObject => {
  const keyByBytes = new Map<string, KeyObject>()
  return (raw) => {
    const id = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString("latin1")
    const known = keyByBytes.get(id)
    if (known !== undefined) {
      keyByBytes.delete(id)
      keyByBytes.set(id, known)
      return known
    }
    const key = publicKey(ED25519, raw)
    keyByBytes.set(id, key)
    if (keyByBytes.size > max) {
      for (const oldest of keyByBytes.keys()) {
        keyByBytes.delete(oldest)
        break
      }
    }
    return key
  }
}
