/**
 * What every `Crypto` Layer must answer: the published vectors of each primitive (protocol.md §4), the one Ed25519 rule,
 * and the contract's refusals. Run it on each:
 *
 * ```ts
 * cryptoConformance("portable", Portable.layer)
 * ```
 */
import { assert, layer } from "@effect/vitest"
import { type Aead, Crypto, type CryptoUnavailable, type Kem, type PasswordParameters } from "@sotto/core/Crypto"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as rfc from "../crypto/rfc.ts"

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")

/** A test over the service of the Layer. */
const withCrypto = (test: (crypto: Crypto["Service"]) => void) => () => Effect.map(Effect.service(Crypto), test)

/** The answer is a plain array that shares no memory with another value. */
const isOwn = (answer: Uint8Array): void => {
  assert.strictEqual(Object.getPrototypeOf(answer), Uint8Array.prototype)
  assert.strictEqual(answer.byteLength, answer.buffer.byteLength)
}

const checkAead = (aead: Aead, vector: typeof rfc.chacha20Poly1305): void => {
  const key = bytes(vector.key), nonce = bytes(vector.nonce), data = bytes(vector.data)
  const sealed = aead.seal(key, nonce, data, bytes(vector.plaintext))
  assert.strictEqual(hex(sealed), vector.sealed)
  assert.strictEqual(hex(aead.open(key, nonce, data, sealed)), vector.plaintext)
  isOwn(sealed)
  for (const at of [0, 50, sealed.length - 17, sealed.length - 16, sealed.length - 1]) {
    assert.strictEqual(aead.open(key, nonce, data, sealed.with(at, (sealed[at] ?? 0) ^ 1)), undefined)
  }
  assert.strictEqual(aead.open(key, nonce, data, sealed.subarray(0, 15)), undefined)
  assert.strictEqual(aead.open(key, nonce, data, sealed.subarray(1)), undefined)
  assert.strictEqual(aead.open(key, nonce, data.subarray(1), sealed), undefined)
  assert.strictEqual(aead.open(key, nonce.with(0, 0xff), data, sealed), undefined)
  const empty = aead.seal(key, nonce, new Uint8Array(0), new Uint8Array(0))
  assert.strictEqual(empty.length, 16)
  assert.strictEqual(hex(aead.open(key, nonce, new Uint8Array(0), empty)), "")
  for (const wrong of [key.subarray(1), new Uint8Array(33)]) {
    assert.throws(() => aead.seal(wrong, nonce, data, data), RangeError)
    assert.throws(() => aead.open(wrong, nonce, data, sealed), RangeError)
  }
  assert.throws(() => aead.seal(key, nonce.subarray(1), data, data), RangeError)
  assert.throws(() => aead.open(key, new Uint8Array(nonce.length + 1), data, sealed), RangeError)
}

const checkKem = (kem: Kem, cases: typeof rfc.mlKem): void => {
  for (const { ciphertext, publicKey, randomness, seed, sharedSecret } of cases) {
    const pair = kem.keyPair(bytes(seed))
    assert.strictEqual(hex(pair.publicKey), publicKey)
    assert.strictEqual(hex(pair.secretKey), seed)
    assert.strictEqual(hex(kem.decapsulate(pair.secretKey, bytes(ciphertext))), sharedSecret)
    if (randomness === undefined) continue
    const made = kem.encapsulate(pair.publicKey, bytes(randomness))
    assert.strictEqual(hex(made?.ciphertext), ciphertext)
    assert.strictEqual(hex(made?.sharedSecret), sharedSecret)
  }
  const seed = new Uint8Array(kem.seedBytes).fill(7)
  const { publicKey, secretKey } = kem.keyPair(seed)
  assert.deepEqual([publicKey.length, secretKey.length], [kem.publicKeyBytes, kem.seedBytes])
  assert.notStrictEqual(secretKey, seed)
  const first = kem.encapsulate(publicKey), second = kem.encapsulate(publicKey)
  assert(first !== undefined && second !== undefined)
  assert.notStrictEqual(hex(first.sharedSecret), hex(second.sharedSecret))
  assert.strictEqual(hex(kem.decapsulate(secretKey, first.ciphertext)), hex(first.sharedSecret))
  for (const own of [publicKey, secretKey, first.ciphertext, first.sharedSecret]) isOwn(own)
  // coefficients of 4095 are above the modulus
  assert.strictEqual(kem.encapsulate(new Uint8Array(publicKey).fill(0xff, 0, 3)), undefined)
  assert.strictEqual(kem.encapsulate(publicKey.subarray(1)), undefined)
  assert.strictEqual(kem.encapsulate(publicKey.subarray(1), new Uint8Array(kem.randomnessBytes)), undefined)
  assert.strictEqual(kem.decapsulate(secretKey, first.ciphertext.subarray(1)), undefined)
  assert.throws(() => kem.keyPair(seed.subarray(1)), RangeError)
  assert.throws(() => kem.decapsulate(seed.subarray(1), first.ciphertext), RangeError)
  assert.throws(() => kem.encapsulate(publicKey, new Uint8Array(kem.randomnessBytes - 1)), RangeError)
}

const floor: PasswordParameters = {
  memoryKib: Limit.passwordMemoryKibMin,
  iterations: Limit.passwordIterationsMin,
  parallelism: Limit.passwordParallelism,
  salt: bytes(rfc.argon2idFloor.salt)
}

const refused: ReadonlyArray<Partial<PasswordParameters>> = [
  { memoryKib: Limit.passwordMemoryKibMin - 1 },
  { memoryKib: Limit.passwordMemoryKibMax + 1 },
  { memoryKib: Number.NaN },
  { iterations: Limit.passwordIterationsMin - 1 },
  { iterations: Limit.passwordIterationsMax + 1 },
  { iterations: 2.5 },
  { parallelism: 0 },
  { parallelism: 2 },
  { salt: new Uint8Array(15) },
  { salt: new Uint8Array(65) }
]

const hashes = (name: string, over: Layer.Layer<Crypto, CryptoUnavailable>) =>
  layer(over)(`${name}: hashes and ciphers`, (it) => {
    it.effect(
      "BLAKE3 test vectors",
      withCrypto(({ blake3 }) => {
        for (const { hash, length } of rfc.blake3) {
          assert.strictEqual(hex(blake3(Uint8Array.from({ length }, (_, i) => i % 251))), hash)
        }
        isOwn(blake3(new Uint8Array(3)))
      })
    )
    it.effect(
      "RFC 4231 HMAC",
      withCrypto(({ hmac, hmacSha512 }) => {
        for (const { data, key, sha256, sha512 } of rfc.hmac) {
          assert.strictEqual(hex(hmac(bytes(key), bytes(data))), sha256)
          assert.strictEqual(hex(hmacSha512(bytes(key), bytes(data))), sha512)
        }
        isOwn(hmac(new Uint8Array(3), new Uint8Array(0)))
      })
    )
    it.effect(
      "RFC 5869 HKDF",
      withCrypto(({ hkdfExpand, hkdfExtract }) => {
        for (const { info, inputKey, output, pseudoRandomKey, salt } of rfc.hkdf) {
          assert.strictEqual(hex(hkdfExtract(bytes(salt), bytes(inputKey))), pseudoRandomKey)
          assert.strictEqual(hex(hkdfExpand(bytes(pseudoRandomKey), bytes(info), output.length / 2)), output)
        }
        const key = new Uint8Array(32)
        assert.strictEqual(hkdfExpand(key, key, 0).length, 0)
        assert.strictEqual(hkdfExpand(key, key, 8160).length, 8160)
        assert.throws(() => hkdfExpand(key, key, 8161), RangeError)
        assert.throws(() => hkdfExpand(key, key, 1.5), RangeError)
        assert.throws(() => hkdfExpand(key.subarray(1), key, 32), RangeError)
        isOwn(hkdfExpand(key, key, 64))
      })
    )
    it.effect(
      "RFC 8439 ChaCha20-Poly1305",
      withCrypto(({ channelAead }) => checkAead(channelAead, rfc.chacha20Poly1305))
    )
    it.effect("draft XChaCha20-Poly1305", withCrypto(({ aead }) => checkAead(aead, rfc.xchacha20Poly1305)))
    it.effect(
      "random bytes are fresh and as many as asked for",
      withCrypto(({ random }) => {
        for (const length of [0, 1, 32, 65_537, 200_000]) {
          const drawn = random(length)
          assert.strictEqual(drawn.length, length)
          isOwn(drawn)
        }
        assert.notStrictEqual(hex(random(32)), hex(random(32)))
        // 65,537 bytes: what one draw of a browser gives, and one more; the end is as random as the front
        assert.isTrue(random(100_000).subarray(99_968).some((byte) => byte !== 0))
        for (const wrong of [-1, 1.5, Number.NaN]) assert.throws(() => random(wrong), RangeError)
      })
    )
    it.effect(
      "comparison",
      withCrypto(({ equal }) => {
        const one = Uint8Array.of(1, 2, 3)
        assert.isTrue(equal(one, Uint8Array.of(1, 2, 3)))
        assert.isTrue(equal(new Uint8Array(0), new Uint8Array(0)))
        for (const other of [Uint8Array.of(1, 2, 4), Uint8Array.of(0, 2, 3), Uint8Array.of(1, 2), new Uint8Array(0)]) {
          assert.isFalse(equal(one, other))
        }
      })
    )
    it.effect("Argon2id at the floor", () =>
      Effect.gen(function*() {
        const { passwordKey } = yield* Crypto
        const key = yield* passwordKey(bytes(rfc.argon2idFloor.password), floor)
        assert.strictEqual(hex(key), rfc.argon2idFloor.tag)
        isOwn(key)
      }))
    it.effect("Argon2id outside the floor and the ceiling is refused", () =>
      Effect.gen(function*() {
        const { passwordKey } = yield* Crypto
        for (const change of refused) {
          const error = yield* Effect.flip(passwordKey(new Uint8Array(8), { ...floor, ...change }))
          assert.strictEqual(error._tag, "PasswordParametersRefused")
        }
      }))
  })

const publicKeys = (name: string, over: Layer.Layer<Crypto, CryptoUnavailable>) =>
  layer(over)(`${name}: public keys`, (it) => {
    it.effect("RFC 8032 Ed25519", () =>
      Effect.gen(function*() {
        const { signature } = yield* Crypto
        for (const vector of rfc.ed25519) {
          const seed = bytes(vector.seed), message = bytes(vector.message)
          const { publicKey, secretKey } = signature.keyPair(seed)
          assert.strictEqual(hex(publicKey), vector.publicKey)
          assert.strictEqual(hex(secretKey), vector.seed)
          const signed = signature.sign(secretKey, message)
          assert.strictEqual(hex(signed), vector.signature)
          const signer = signature.signer(secretKey)
          secretKey.fill(0)
          assert.strictEqual(hex(signer(message)), vector.signature)
          assert.isTrue(signature.verify(publicKey, message, signed))
          for (const at of [0, 31, 32, 63]) {
            assert.isFalse(signature.verify(publicKey, message, signed.with(at, (signed[at] ?? 0) ^ 1)))
          }
          assert.isFalse(signature.verify(publicKey, Uint8Array.of(1), signed))
          assert.isFalse(signature.verify(publicKey, message, signed.subarray(1)))
          assert.isFalse(signature.verify(publicKey.subarray(1), message, signed))
          for (const own of [publicKey, secretKey, signed]) isOwn(own)
        }
        const vectors = rfc.ed25519.map(({ message, publicKey, signature }) => ({
          publicKey: bytes(publicKey),
          message: bytes(message),
          signature: bytes(signature)
        }))
        // more than one batch, with a wrong one, one of a wrong length and a small order among the right ones
        const many = Array.from({ length: 300 }, (_, i) => vectors.slice(i % 3, i % 3 + 1)).flat()
        const mixed = many.map((one, i) =>
          i % 50 === 7 ? { ...one, message: Uint8Array.of(9) } : i % 50 === 8
            ? { ...one, signature: one.signature.subarray(1) }
            : i % 50 === 9
            ? { ...one, publicKey: new Uint8Array(32) }
            : one
        )
        const answers = yield* signature.verifyMany(mixed)
        assert.deepEqual(answers, mixed.map((_, i) => ![7, 8, 9].includes(i % 50)))
        assert.deepEqual(yield* signature.verifyMany([]), [])
        assert.throws(() => signature.keyPair(new Uint8Array(31)), RangeError)
        assert.throws(() => signature.sign(new Uint8Array(64), new Uint8Array(0)), RangeError)
        assert.throws(() => signature.signer(new Uint8Array(64)), RangeError)
      }))
    it.effect(
      "RFC 7748 X25519, iterated a thousand times",
      withCrypto(({ x25519 }) => {
        for (const { publicKey, secretKey, sharedSecret } of rfc.x25519) {
          assert.strictEqual(hex(x25519.sharedSecret(bytes(secretKey), bytes(publicKey))), sharedSecret)
        }
        let k: Uint8Array = new Uint8Array(32).with(0, 9), u = k
        for (let round = 1; round <= 1000; round++) {
          const next = x25519.sharedSecret(k, u)
          assert(next !== undefined)
          if (round === 1) assert.strictEqual(hex(next), rfc.x25519Iterated.once)
          u = k
          k = next
        }
        assert.strictEqual(hex(k), rfc.x25519Iterated.thousand)
        const pair = x25519.keyPair(bytes("77".repeat(32)))
        for (const own of [pair.publicKey, pair.secretKey, k]) isOwn(own)
      })
    )
    it.effect(
      "X25519 gives nothing for a point of small order or a wrong length",
      withCrypto(({ x25519 }) => {
        const secretKey = new Uint8Array(32).fill(5)
        const small = [
          "00".repeat(32),
          "01" + "00".repeat(31),
          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
        ]
        for (const point of small) assert.strictEqual(x25519.sharedSecret(secretKey, bytes(point)), undefined)
        assert.strictEqual(x25519.sharedSecret(secretKey, new Uint8Array(31).fill(9)), undefined)
        assert.throws(() => x25519.sharedSecret(secretKey.subarray(1), new Uint8Array(32).fill(9)), RangeError)
        assert.throws(() => x25519.keyPair(secretKey.subarray(1)), RangeError)
      })
    )
    it.effect("ML-KEM-768", withCrypto(({ mlKem }) => checkKem(mlKem, rfc.mlKem)))
    it.effect(
      "X-Wing",
      withCrypto(({ xWing }) => {
        checkKem(xWing, rfc.xWing)
        const { publicKey, secretKey } = xWing.keyPair(new Uint8Array(32))
        const made = xWing.encapsulate(publicKey)
        assert(made !== undefined)
        // an X25519 part of small order, on either side
        assert.strictEqual(xWing.encapsulate(new Uint8Array(publicKey).fill(0, 1184)), undefined)
        assert.strictEqual(xWing.decapsulate(secretKey, new Uint8Array(made.ciphertext).fill(0, 1088)), undefined)
      })
    )
    it.effect(
      "RFC 9496 ristretto255",
      withCrypto(({ ristretto, sha512 }) => {
        const generator = bytes(rfc.ristrettoMultiples[1] ?? "")
        rfc.ristrettoMultiples.forEach((multiple, factor) => {
          const scalar = ristretto.scalar(new Uint8Array(64).with(0, factor))
          const product = ristretto.multiply(scalar, generator)
          assert.strictEqual(hex(product), factor === 0 ? undefined : multiple)
        })
        for (const { element, text } of rfc.ristrettoFromUniform) {
          assert.strictEqual(hex(ristretto.fromUniform(sha512(new Uint8Array(Buffer.from(text))))), element)
        }
        const one = new Uint8Array(32).with(0, 1)
        for (const element of rfc.ristrettoInvalid) {
          assert.strictEqual(ristretto.multiply(one, bytes(element)), undefined)
        }
        assert.strictEqual(ristretto.multiply(one, new Uint8Array(32)), undefined) // the identity
        assert.strictEqual(ristretto.multiply(one, generator.subarray(1)), undefined)
        const order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        assert.throws(() => ristretto.multiply(order, generator), RangeError)
        assert.throws(() => ristretto.multiply(one.subarray(1), generator), RangeError)
        assert.throws(() => ristretto.fromUniform(one), RangeError)
        assert.throws(() => ristretto.scalar(one), RangeError)
        // the order itself reduces to zero
        assert.strictEqual(hex(ristretto.scalar(bytes(hex(order) + "00".repeat(32)))), "00".repeat(32))
        isOwn(ristretto.fromUniform(new Uint8Array(64)))
      })
    )
  })

export const cryptoConformance = (name: string, over: Layer.Layer<Crypto, CryptoUnavailable>): void => {
  hashes(name, over)
  publicKeys(name, over)
}
