/**
 * What the Noise engine asks of cryptography. Sotto speaks one set (X25519, ML-KEM-768, ChaCha20-Poly1305, SHA-256, from
 * `Crypto`); the tests run the public vectors of the others through the same engine.
 */
import type { Aead, Crypto, Kem, KeyPair } from "../Crypto.ts"

export interface NoisePrimitives {
  /** As they stand in a protocol name. */
  readonly names: { readonly dh: string; readonly kem: string; readonly cipher: string; readonly hash: string }
  readonly dh: {
    readonly publicKeyBytes: number
    readonly secretKeyBytes: number
    readonly keyPair: (secretKey: Uint8Array) => KeyPair
    /** `undefined` for an all-zero result: a point of small order is refused. */
    readonly sharedSecret: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined
  }
  /** Only hybrid patterns use it. */
  readonly kem: Kem
  readonly aead: Aead
  /** Order of the 8-byte counter in a nonce: little for ChaChaPoly, big for AESGCM. */
  readonly nonceOrder: "little" | "big"
  readonly hashBytes: number
  readonly hash: (data: Uint8Array) => Uint8Array
  readonly hmac: (key: Uint8Array, data: Uint8Array) => Uint8Array
}

/** Sotto's set. */
export const fromCrypto = (crypto: Crypto["Service"]): NoisePrimitives => ({
  names: { dh: "25519", kem: "MLKEM768", cipher: "ChaChaPoly", hash: "SHA256" },
  dh: { publicKeyBytes: 32, secretKeyBytes: 32, ...crypto.x25519 },
  kem: crypto.mlKem,
  aead: crypto.channelAead,
  nonceOrder: "little",
  hashBytes: 32,
  hash: crypto.sha256,
  hmac: crypto.hmac
})
