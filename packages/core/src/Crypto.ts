/**
 * The primitives of one suite (protocol.md §4), as one service.
 *
 * Everything but the password function is a synchronous function over bytes: inner loops call them without an Effect,
 * and a simulator can run the shipped code. Every input and output is a fresh `Uint8Array` that the caller owns; no
 * function but `signer` keeps a reference. A length that the caller got wrong (own keys, seeds, nonces, amounts) is a bug and dies
 * (`RangeError`); a check that outside data can fail, the length of a peer's key, signature or ciphertext among them,
 * answers `undefined` or `false`.
 *
 * Layers: `crypto/Portable` (noble, every platform), `NodeCrypto` (node:crypto where it is faster). A property test
 * shows them byte-equal; each runs a known-answer self-test (`crypto/SelfTest`) when it is built.
 * `crypto/Contract` holds the checks that this page promises, once for all backends.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A key pair as raw bytes. `secretKey` must be kept in a `Secret` by whoever holds it longer than a call. */
export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly secretKey: Uint8Array
}

/** What a KEM gives the sender: `ciphertext` to send and the 32-byte `sharedSecret`. */
export interface Encapsulation {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Uint8Array
}

/** An AEAD with a fixed key and nonce size. The tag (16 bytes) is the end of the ciphertext. */
export interface Aead {
  readonly keyBytes: number
  readonly nonceBytes: number
  readonly seal: (
    key: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: Uint8Array
  ) => Uint8Array
  /** `undefined` when the tag does not fit (or the input is shorter than a tag). */
  readonly open: (
    key: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array
  ) => Uint8Array | undefined
}

/** A key encapsulation mechanism. Secret keys are seeds, so that they stay short and canonical. */
export interface Kem {
  readonly seedBytes: number
  readonly publicKeyBytes: number
  readonly ciphertextBytes: number
  /** Bytes of randomness that `encapsulate` takes when given explicitly. */
  readonly randomnessBytes: number
  /** Deterministic: the same seed gives the same pair; `secretKey` is the seed. */
  readonly keyPair: (seed: Uint8Array) => KeyPair
  /**
   * `undefined` for a public key that fails its validity check (length, modulus, for X-Wing an X25519 point of small
   * order). Without `randomness` the backend draws its own, which a native library does several times faster: give it
   * where a run must be reproduced, uniformly random and used once.
   */
  readonly encapsulate: (publicKey: Uint8Array, randomness?: Uint8Array) => Encapsulation | undefined
  /**
   * `undefined` for a ciphertext of the wrong shape: its length, and for X-Wing an X25519 point of small order (implicit
   * rejection gives a wrong secret, not `undefined`).
   */
  readonly decapsulate: (secretKey: Uint8Array, ciphertext: Uint8Array) => Uint8Array | undefined
}

/** Parameters of a password slot, stored beside it (protocol.md §3). */
export interface PasswordParameters {
  readonly memoryKib: number
  readonly iterations: number
  readonly parallelism: number
  /** 16 to 64 random bytes. */
  readonly salt: Uint8Array
}

/** One Ed25519 signature to check. */
export interface Signed {
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/** A known answer that did not come out, or a primitive that this platform lacks: the Layer refuses to be built. */
export class CryptoUnavailable extends Schema.TaggedError<CryptoUnavailable>()("CryptoUnavailable", {
  primitive: Schema.String,
  backend: Schema.String
}) {
  override get message() {
    return `${this.backend} gave a wrong answer for ${this.primitive} in its self-test, or lacks it. ` +
      "No data was touched. Use a supported runtime version, or the portable backend."
  }
}

/** The platform's entropy source failed. Nothing weaker is used in its place. */
export class EntropyUnavailable extends Schema.TaggedError<EntropyUnavailable>()("EntropyUnavailable", {}) {
  override get message() {
    return "The platform gave no secure random bytes. Nothing was written or sent; try again."
  }
}

/** Password parameters outside the floor (19 MiB, t=2, p=1) or the ceiling (256 MiB, t=10, p=1), or a salt that is. */
export class PasswordParametersRefused extends Schema.TaggedError<PasswordParametersRefused>()(
  "PasswordParametersRefused",
  { memoryKib: Schema.Number, iterations: Schema.Number, parallelism: Schema.Number, saltBytes: Schema.Number }
) {
  override get message() {
    return `Password parameters m=${this.memoryKib} KiB t=${this.iterations} p=${this.parallelism} with a salt of ` +
      `${this.saltBytes} bytes are outside what is safe to use. The slot was not opened; it may have been ` +
      "tampered with: put a good copy in its place, or choose other parameters for a new one."
  }
}

/** The operations of suite `01`. */
export class Crypto extends Context.Service<Crypto, {
  /** Name of the backend, for diagnostics: `portable`, `node`, `browser`, `simulated`. */
  readonly backend: string
  /**
   * Fresh secure random bytes. Throws `EntropyUnavailable` (the only function here that throws for a reason outside
   * the caller); callers in Effect code use `Secret.randomBytes`.
   */
  readonly random: (length: number) => Uint8Array
  /** SHA-256, 32 bytes. */
  readonly sha256: (data: Uint8Array) => Uint8Array
  /** SHA-512, 64 bytes (CPace only). */
  readonly sha512: (data: Uint8Array) => Uint8Array
  /** BLAKE3-256: names of envelopes and content, never a key derivation. */
  readonly blake3: (data: Uint8Array) => Uint8Array
  /** HMAC-SHA-256, 32 bytes. */
  readonly hmac: (key: Uint8Array, data: Uint8Array) => Uint8Array
  /** HMAC-SHA-512, 64 bytes (CPace confirmation only). */
  readonly hmacSha512: (key: Uint8Array, data: Uint8Array) => Uint8Array
  /** HKDF-Extract with SHA-256 (RFC 5869 §2.2). */
  readonly hkdfExtract: (salt: Uint8Array, inputKey: Uint8Array) => Uint8Array
  /** HKDF-Expand with SHA-256 (RFC 5869 §2.3), at most 8,160 bytes. */
  readonly hkdfExpand: (pseudoRandomKey: Uint8Array, info: Uint8Array, length: number) => Uint8Array
  /** XChaCha20-Poly1305 (24-byte nonce): envelopes, content, slots. */
  readonly aead: Aead
  /** ChaCha20-Poly1305 (12-byte nonce): the channel. */
  readonly channelAead: Aead
  /** Ed25519 under the one rule of protocol.md §4. `secretKey` is the 32-byte seed. */
  readonly signature: {
    readonly keyPair: (seed: Uint8Array) => KeyPair
    readonly sign: (secretKey: Uint8Array, message: Uint8Array) => Uint8Array
    /**
     * `sign` for a key that signs often: the backend prepares it once and keeps its own copy, which goes with the
     * function and cannot be wiped.
     */
    readonly signer: (secretKey: Uint8Array) => (message: Uint8Array) => Uint8Array
    readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
    /** Many at once, in order: a platform may use threads or an asynchronous API here. */
    readonly verifyMany: (signed: ReadonlyArray<Signed>) => Effect.Effect<ReadonlyArray<boolean>>
  }
  /** X25519 (RFC 7748). */
  readonly x25519: {
    readonly keyPair: (seed: Uint8Array) => KeyPair
    /** `undefined` for an all-zero result (a point of small order). */
    readonly sharedSecret: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined
  }
  /** ML-KEM-768 (FIPS 203), secret key = the 64-byte seed d‖z, randomness = 32 bytes m. */
  readonly mlKem: Kem
  /** X-Wing (X25519 + ML-KEM-768), secret key = 32-byte seed, randomness = 64 bytes. */
  readonly xWing: Kem
  /** ristretto255 (RFC 9496), as CPace needs it. */
  readonly ristretto: {
    /** One-way map of 64 uniform bytes to an encoded element (32 bytes). */
    readonly fromUniform: (bytes: Uint8Array) => Uint8Array
    /** A uniformly random scalar from 64 bytes, reduced modulo the group order (32 bytes, little endian). */
    readonly scalar: (bytes: Uint8Array) => Uint8Array
    /** `undefined` when the element does not decode or the product is the identity. `scalar` must be reduced. */
    readonly multiply: (scalar: Uint8Array, element: Uint8Array) => Uint8Array | undefined
  }
  /** Constant-time comparison; `false` for different lengths. */
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean
  /**
   * Argon2id, 32 bytes. Refuses parameters outside the floor and the ceiling before any work. On the portable backend
   * it holds its thread for the whole time (0.3 s at the floor); Node works on another thread.
   */
  readonly passwordKey: (
    password: Uint8Array,
    parameters: PasswordParameters
  ) => Effect.Effect<Uint8Array, PasswordParametersRefused>
}>()("@sotto/core/Crypto") {}
