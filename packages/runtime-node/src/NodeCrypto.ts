/**
 * The Node backend of `Crypto`: node:crypto where it is faster, hash-wasm for BLAKE3, the portable backend for the rest
 * (ristretto255, ML-KEM with explicit randomness). `npm run bench -- crypto` prints what each of them gains.
 *
 * Needs Node 24.7, whose OpenSSL 3.5 has ML-KEM and Argon2; the self-test names what another build lacks. Everything is
 * byte-equal to `@sotto/core/crypto/Portable` (test/NodeCrypto.test.ts and the public vectors).
 *
 * `make` stays on its thread, takes its randomness from whoever calls it, and draws as the portable backend draws: a
 * simulator runs the same with either.
 */
import {
  type Aead,
  Crypto,
  CryptoUnavailable,
  type Kem,
  type PasswordParameters,
  type Signed
} from "@sotto/core/Crypto"
import * as Contract from "@sotto/core/crypto/Contract"
import * as Ed25519 from "@sotto/core/crypto/Ed25519"
import * as Portable from "@sotto/core/crypto/Portable"
import * as SelfTest from "@sotto/core/crypto/SelfTest"
import * as XChaCha20 from "@sotto/core/crypto/XChaCha20"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createBLAKE3 } from "hash-wasm"
import * as node from "node:crypto"
import * as CryptoKem from "./internal/cryptoKem.ts"
import * as Keys from "./internal/cryptoKeys.ts"

type CryptoService = Crypto["Service"]

/** node:crypto gives `Buffer`s with memory of their own; callers get plain arrays, whose `slice` copies. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)

const hash = (algorithm: string) => (data: Uint8Array): Uint8Array => plain(node.hash(algorithm, data, "buffer"))

const hmac = (algorithm: string) => (key: Uint8Array, data: Uint8Array): Uint8Array =>
  plain(node.createHmac(algorithm, key).update(data).digest())

/** RFC 5869 §2.3. Updates in place of one concatenated buffer: 6 µs for the 64 bytes of an envelope's key. */
const hkdfExpand: CryptoService["hkdfExpand"] = (pseudoRandomKey, info, length) => {
  const out = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let at = 0, counter = 1; at < length; at += block.length, counter++) {
    block = node.createHmac("sha256", pseudoRandomKey).update(block).update(info).update(Uint8Array.of(counter))
      .digest()
    out.set(block.subarray(0, length - at), at)
  }
  return out
}

const TAG_BYTES = 16
const CHACHA = "chacha20-poly1305"

const channelAead: Aead = {
  keyBytes: 32,
  nonceBytes: 12,
  seal: (key, nonce, associatedData, plaintext) => {
    const cipher = node.createCipheriv(CHACHA, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(associatedData, { plaintextLength: plaintext.length })
    const out = new Uint8Array(plaintext.length + TAG_BYTES)
    out.set(cipher.update(plaintext))
    cipher.final() // a stream cipher: nothing is left
    out.set(cipher.getAuthTag(), plaintext.length)
    return out
  },
  open: (key, nonce, associatedData, ciphertext) => {
    const length = ciphertext.length - TAG_BYTES
    const decipher = node.createDecipheriv(CHACHA, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(associatedData, { plaintextLength: length })
    decipher.setAuthTag(ciphertext.subarray(length))
    const opened = plain(decipher.update(ciphertext.subarray(0, length)))
    try {
      decipher.final()
      return opened
    } catch {
      opened.fill(0) // the tag does not fit: no one sees what it would have been
      return undefined
    }
  }
}

/** Signatures that are checked before other fibers get their turn; as many as in the portable backend. */
const VERIFY_PER_TURN = 16
/** Signatures that are handed to Node's threads at once. */
const VERIFY_AT_ONCE = 256
/** Fewer are not worth the way to another thread. */
const VERIFY_ALONE_MAX = 4

type VerifyMany = CryptoService["signature"]["verifyMany"]
type KeyOf = ReturnType<typeof Keys.makeVerifyKeys>

/** Everything on this thread. */
const makeSignature = (keyOf: KeyOf): CryptoService["signature"] => {
  const verify: Ed25519.Verify = (publicKey, message, signature) =>
    node.verify(null, message, keyOf(publicKey), signature)
  return {
    keyPair: (seed) => ({
      publicKey: Keys.publicBytes(Keys.ED25519, Keys.secretKey(Keys.ED25519, seed)),
      secretKey: new Uint8Array(seed)
    }),
    sign: (secretKey, message) => plain(node.sign(null, message, Keys.secretKey(Keys.ED25519, secretKey))),
    signer: (secretKey) => {
      const key = Keys.secretKey(Keys.ED25519, secretKey)
      return (message) => plain(node.sign(null, message, key))
    },
    verify,
    verifyMany: Ed25519.verifyEach(verify, VERIFY_PER_TURN)
  }
}

/** Many signatures on Node's thread pool, few of them here. */
const verifyOnThreads = (keyOf: KeyOf, verifyHere: VerifyMany): VerifyMany => {
  /** One batch. An interruption leaves it to end unheard. */
  const verifyBatch = (batch: ReadonlyArray<Signed>): Effect.Effect<ReadonlyArray<boolean>> =>
    Effect.callback((resume) => {
      const answers = batch.map(() => false)
      let open = batch.length
      batch.forEach(({ message, publicKey, signature }, index) =>
        node.verify(null, message, keyOf(publicKey), signature, (error, answer) => {
          if (error !== null) return resume(Effect.die(error))
          answers[index] = answer
          open--
          if (open === 0) resume(Effect.succeed(answers))
        })
      )
    })
  const verifyBatches = Effect.fnUntraced(function*(signed: ReadonlyArray<Signed>) {
    const answers: Array<boolean> = []
    for (let at = 0; at < signed.length; at += VERIFY_AT_ONCE) {
      answers.push(...(yield* verifyBatch(signed.slice(at, at + VERIFY_AT_ONCE))))
    }
    return answers
  })
  return (signed) => signed.length <= VERIFY_ALONE_MAX ? verifyHere(signed) : verifyBatches(signed)
}

/**
 * On another thread, 50 ms at the floor. It can't be stopped: an interruption returns at once, and the key that comes
 * later is zeroed unseen.
 */
const passwordKey = (password: Uint8Array, parameters: PasswordParameters): Effect.Effect<Uint8Array> =>
  Effect.callback((resume, signal) => {
    const message = new Uint8Array(password)
    node.argon2("argon2id", {
      message,
      nonce: parameters.salt,
      parallelism: parameters.parallelism,
      memory: parameters.memoryKib,
      passes: parameters.iterations,
      tagLength: 32
    }, (error, key) => {
      message.fill(0)
      if (error !== null) return resume(Effect.die(error))
      if (signal.aborted) key.fill(0)
      else resume(Effect.succeed(plain(key)))
    })
  })

/** What both backends of this file compute on this thread. */
const makeHere = (portable: CryptoService, keyOf: KeyOf, random: CryptoService["random"]) => {
  const mlKem = CryptoKem.makeMlKem(portable.mlKem)
  return {
    random,
    sha256: hash("sha256"),
    sha512: hash("sha512"),
    hmac: hmac("sha256"),
    hmacSha512: hmac("sha512"),
    hkdfExtract: hmac("sha256"),
    hkdfExpand,
    aead: XChaCha20.fromChaCha20(channelAead),
    channelAead,
    signature: makeSignature(keyOf),
    x25519: CryptoKem.x25519,
    mlKem,
    xWing: CryptoKem.makeXWing(mlKem, random),
    ristretto: portable.ristretto,
    equal: node.timingSafeEqual
  }
}

/** A KEM that draws the randomness of an encapsulation from `random` where the caller gives none. */
const drawing = (kem: Kem, random: CryptoService["random"]): Kem => ({
  ...kem,
  encapsulate: (publicKey, randomness = random(kem.randomnessBytes)) => kem.encapsulate(publicKey, randomness)
})

/**
 * The service itself on this thread, without a self-test: for a simulator or a test that supplies its own randomness.
 * BLAKE3 and Argon2id are the portable ones, since Node's way to them is asynchronous.
 */
export const make = (options: Portable.Options): CryptoService => {
  const portable = Portable.make({ backend: "node", ...options })
  const { backend, blake3, passwordKey, random } = portable
  const here = makeHere(portable, Keys.makeVerifyKeys(), random)
  return Contract.enforce({
    ...here,
    backend,
    blake3,
    mlKem: drawing(here.mlKem, random),
    xWing: drawing(here.xWing, random),
    passwordKey
  })
}

const makeThreaded = Effect.gen(function*() {
  // Both are checked here since the self-test leaves Argon2id out and an absent function would throw in a key's place.
  if (typeof node.argon2 !== "function") return yield* unavailable("Argon2id")
  if (typeof node.encapsulate !== "function") return yield* unavailable("ML-KEM-768")
  const blake3 = yield* Effect.promise(() => createBLAKE3())
  const random = (length: number): Uint8Array => plain(node.randomBytes(length))
  const portable = Portable.make({ random })
  const keyOf = Keys.makeVerifyKeys()
  const here = makeHere(portable, keyOf, random)
  return Contract.enforce({
    ...here,
    backend: "node",
    blake3: (data) => blake3.init().update(data).digest("binary"),
    signature: { ...here.signature, verifyMany: verifyOnThreads(keyOf, here.signature.verifyMany) },
    passwordKey
  })
})

const unavailable = (primitive: string): CryptoUnavailable => new CryptoUnavailable({ primitive, backend: "node" })

/** The Node backend, after its self-test. */
export const layer: Layer.Layer<Crypto, CryptoUnavailable> = Layer.effect(
  Crypto,
  Effect.flatMap(makeThreaded, SelfTest.passed)
)
