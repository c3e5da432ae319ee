/** The Node backend answers byte for byte like the portable one, and like the published vectors. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { argon2Sync, randomBytes } from "node:crypto"
import * as rfc from "../../core/test/crypto/rfc.ts"
import { cryptoConformance } from "../../core/test/kit/cryptoConformance.ts"
import { makeVerifyKeys } from "../src/internal/cryptoKeys.ts"

type CryptoService = Crypto["Service"]

const random = (length: number) => new Uint8Array(randomBytes(length))

cryptoConformance("node", NodeCrypto.layer)
cryptoConformance("node on one thread", Layer.succeed(Crypto, NodeCrypto.make({ random })))

const portable = Portable.make({ random })

/** Bytes that start anywhere in their memory: native code and word-wise JavaScript must not care. */
const view = (constraints: fc.IntArrayConstraints): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.uint8Array(constraints), fc.integer({ min: 0, max: 7 })).map(([bytes, offset]) => {
    const memory = new Uint8Array(offset + bytes.length + 3)
    memory.set(bytes, offset)
    return memory.subarray(offset, offset + bytes.length)
  })

const exactly = (length: number) => view({ minLength: length, maxLength: length, size: "max" })
const data = view({ maxLength: 3000, size: "max" })

/** The same question to both, `numRuns` times. */
const agree = <T extends ReadonlyArray<unknown>>(
  node: CryptoService,
  numRuns: number,
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  ask: (crypto: CryptoService, ...given: T) => unknown
): void =>
  fc.assert(
    fc.property(fc.tuple<[...T]>(...arbitraries), (given) => {
      assert.deepStrictEqual(ask(node, ...given), ask(portable, ...given))
    }),
    { numRuns }
  )

layer(NodeCrypto.layer)("NodeCrypto equals Portable", (it) => {
  const test = (name: string, check: (node: CryptoService) => void) =>
    it.effect(name, () => Effect.map(Effect.service(Crypto), check))

  test("hashes and key derivation", (node) => {
    agree(node, 200, [data], (crypto, bytes) => [crypto.sha256(bytes), crypto.sha512(bytes), crypto.blake3(bytes)])
    agree(node, 200, [data, data], (crypto, key, bytes) => [
      crypto.hmac(key, bytes),
      crypto.hmacSha512(key, bytes),
      crypto.hkdfExtract(key, bytes)
    ])
    agree(
      node,
      200,
      [view({ minLength: 32, maxLength: 80 }), data, fc.integer({ min: 0, max: 8160 })],
      (crypto, key, info, length) => crypto.hkdfExpand(key, info, length)
    )
  })

  test("ciphers, and what they refuse", (node) => {
    const ask = (cipher: "aead" | "channelAead") =>
      agree(
        node,
        200,
        [exactly(32), exactly(cipher === "aead" ? 24 : 12), data, data, fc.nat()],
        (crypto, key, nonce, associated, plaintext, flip) => {
          const sealed = crypto[cipher].seal(key, nonce, associated, plaintext)
          const at = flip % sealed.length
          const forged = sealed.with(at, (sealed[at] ?? 0) ^ (1 + flip % 255))
          return [
            sealed,
            crypto[cipher].open(key, nonce, associated, sealed),
            crypto[cipher].open(key, nonce, associated, forged),
            crypto[cipher].open(key, nonce, plaintext, sealed.subarray(0, at))
          ]
        }
      )
    ask("aead")
    ask("channelAead")
  })

  test("Ed25519", (node) => {
    agree(node, 40, [exactly(32), data, fc.nat({ max: 63 }), fc.nat({ max: 7 })], (crypto, seed, message, at, bit) => {
      const { publicKey, secretKey } = crypto.signature.keyPair(seed)
      const signature = crypto.signature.sign(secretKey, message)
      const forged = signature.with(at, (signature[at] ?? 0) ^ (1 << bit))
      return [
        publicKey,
        secretKey,
        signature,
        crypto.signature.verify(publicKey, message, signature),
        crypto.signature.verify(publicKey, message, forged)
      ]
    })
    // keys and signatures that no one made
    agree(
      node,
      40,
      [exactly(32), data, exactly(64)],
      (crypto, publicKey, message, signature) => crypto.signature.verify(publicKey, message, signature)
    )
  })

  test("X25519", (node) =>
    agree(node, 60, [exactly(32), exactly(32)], (crypto, seed, peer) => [
      crypto.x25519.keyPair(seed),
      crypto.x25519.sharedSecret(seed, peer)
    ]))

  test("ML-KEM-768 and X-Wing, and each opens what the other made", (node) => {
    const ask = (kem: "mlKem" | "xWing", seed: number, randomness: number) =>
      agree(
        node,
        20,
        [exactly(seed), exactly(randomness), exactly(node[kem].ciphertextBytes)],
        (crypto, s, r, noise) => {
          const { publicKey, secretKey } = crypto[kem].keyPair(s)
          const made = crypto[kem].encapsulate(publicKey, r)
          assert(made !== undefined)
          for (const other of [node, portable]) {
            const fresh = other[kem].encapsulate(publicKey)
            assert(fresh !== undefined)
            assert.deepStrictEqual(crypto[kem].decapsulate(secretKey, fresh.ciphertext), fresh.sharedSecret)
          }
          return [publicKey, secretKey, made, crypto[kem].decapsulate(secretKey, made.ciphertext)]
            .concat([crypto[kem].decapsulate(secretKey, noise), crypto[kem].encapsulate(noise.subarray(0, 1000), r)])
        }
      )
    ask("mlKem", 64, 32)
    ask("xWing", 32, 64)
    // public keys that no one made: nearly all fail the modulus check, on both
    agree(node, 20, [exactly(1184), exactly(32)], (crypto, key, r) => crypto.mlKem.encapsulate(key, r) === undefined)
    agree(node, 20, [exactly(1184)], (crypto, key) => crypto.mlKem.encapsulate(key) === undefined)
    agree(node, 20, [exactly(1216), exactly(64)], (crypto, key, r) => crypto.xWing.encapsulate(key, r) === undefined)
    agree(node, 20, [exactly(1216)], (crypto, key) => crypto.xWing.encapsulate(key) === undefined)
  })

  test("ristretto255", (node) =>
    agree(node, 20, [exactly(64), exactly(64), exactly(32)], (crypto, a, b, element) => [
      crypto.ristretto.fromUniform(a),
      crypto.ristretto.scalar(b),
      crypto.ristretto.multiply(crypto.ristretto.scalar(b), crypto.ristretto.fromUniform(a)),
      crypto.ristretto.multiply(crypto.ristretto.scalar(b), element)
    ]))

  test("comparison", (node) =>
    agree(node, 100, [data, data], (crypto, a, b) => [crypto.equal(a, b), crypto.equal(a, a)]))

  it.effect("a Buffer of Node's pool is an argument like any other, and is left as it was", () =>
    Effect.gen(function*() {
      const node = yield* Crypto
      const seed = Buffer.from("0123456789abcdef0123456789abcdef")
      const before = seed.toString("hex")
      for (const crypto of [node, portable]) {
        const { publicKey, secretKey } = crypto.signature.keyPair(seed)
        const signature = Buffer.from(crypto.signature.sign(Buffer.from(secretKey), seed))
        signature[31] = (signature[31] ?? 0) | 0x80
        const key = Buffer.from(publicKey)
        crypto.signature.verify(key, seed, signature)
        assert.deepStrictEqual(new Uint8Array(key), publicKey)
        assert.isAtLeast(signature[31] ?? 0, 0x80)
        const nonce = Buffer.alloc(24, 1)
        crypto.aead.seal(seed, nonce, seed, seed)
        crypto.xWing.keyPair(seed).secretKey.fill(0)
        crypto.x25519.keyPair(seed).secretKey.fill(0)
        secretKey.fill(0)
        assert.strictEqual(nonce.toString("hex"), "01".repeat(24))
        assert.strictEqual(seed.toString("hex"), before)
      }
    }))

  it.effect("Argon2id above the floor", () =>
    Effect.gen(function*() {
      const { passwordKey } = yield* Crypto
      const parameters = { memoryKib: 20_000, iterations: 3, parallelism: 1, salt: new Uint8Array(64).fill(4) }
      for (const password of [new Uint8Array(0), new Uint8Array(100).fill(0xfe)]) {
        assert.deepStrictEqual(
          yield* passwordKey(password, parameters),
          yield* portable.passwordKey(password, parameters)
        )
      }
    }))

  it.effect("Argon2id can be interrupted, and takes the password as it was when asked", () =>
    Effect.gen(function*() {
      const { passwordKey } = yield* Crypto
      const parameters = { memoryKib: 19_456, iterations: 2, parallelism: 1, salt: new Uint8Array(16) }
      const abandoned = yield* Effect.forkChild(passwordKey(new Uint8Array(3), parameters), { startImmediately: true })
      yield* Fiber.interrupt(abandoned)
      const password = new Uint8Array(8).fill(1)
      const running = yield* Effect.forkChild(passwordKey(password, parameters), { startImmediately: true })
      password.fill(0)
      assert.deepStrictEqual(
        yield* Fiber.join(running),
        yield* portable.passwordKey(new Uint8Array(8).fill(1), parameters)
      )
    }))

  it.effect("checking many signatures can be interrupted", () =>
    Effect.gen(function*() {
      const { signature } = yield* Crypto
      const seed = new Uint8Array(32).fill(3)
      const { publicKey } = signature.keyPair(seed)
      const message = new Uint8Array(64)
      const signed = Array.from(
        { length: 600 },
        () => ({ publicKey, message, signature: signature.sign(seed, message) })
      )
      const abandoned = yield* Effect.forkChild(signature.verifyMany(signed), { startImmediately: true })
      yield* Fiber.interrupt(abandoned)
      assert.deepStrictEqual(yield* signature.verifyMany(signed), signed.map(() => true))
    }))
})

describe("NodeCrypto.make", () => {
  it("draws what the portable backend draws, in the same order, and answers the same at once", () => {
    const drawn = (make: typeof NodeCrypto.make) => {
      const draws: Array<number> = []
      const crypto = make({
        random: (length) => {
          draws.push(length)
          return new Uint8Array(length).fill(draws.length)
        }
      })
      const kems = [crypto.mlKem, crypto.xWing].map((kem) => {
        const { publicKey, secretKey } = kem.keyPair(crypto.random(kem.seedBytes))
        const made = kem.encapsulate(publicKey)
        const bad = new Uint8Array(publicKey.length).fill(0xff)
        return [publicKey, made, kem.decapsulate(secretKey, bad), kem.encapsulate(bad)]
      })
      const { publicKey, secretKey } = crypto.signature.keyPair(crypto.random(32))
      const signed = Array.from({ length: 40 }, (_, n) => {
        const message = Uint8Array.of(n)
        return { publicKey, message, signature: crypto.signature.sign(secretKey, n % 3 === 0 ? secretKey : message) }
      })
      const answers = Effect.runSync(crypto.signature.verifyMany(signed))
      assert.strictEqual(answers.filter((holds) => holds).length, 26)
      return { kems, signed, answers, draws }
    }
    const node = drawn(NodeCrypto.make)
    assert.deepStrictEqual(node, drawn(Portable.make))
    assert.deepStrictEqual(node.draws, [64, 32, 32, 32, 64, 64, 32])
  })
})

describe("verification keys", () => {
  it("keeps the last used, and no more than it may", () => {
    const raw = (n: number) => portable.signature.keyPair(new Uint8Array(32).fill(n)).publicKey
    const keyOf = makeVerifyKeys(2)
    const first = keyOf(raw(1)), second = keyOf(raw(2))
    assert.strictEqual(keyOf(raw(1)), first)
    keyOf(raw(3)) // the second is the least recently used
    assert.strictEqual(keyOf(raw(1)), first)
    const again = keyOf(raw(2))
    assert.notStrictEqual(again, second)
    assert.isTrue(again.equals(second))
  })
})

describe("node:crypto", () => {
  it("RFC 9106 Argon2id, with what Crypto does not offer", () => {
    const { data, iterations, memoryKib, parallelism, password, salt, secret, tag } = rfc.argon2id
    const from = (hex: string) => Buffer.from(hex, "hex")
    const key = argon2Sync("argon2id", {
      message: from(password),
      nonce: from(salt),
      secret: from(secret),
      associatedData: from(data),
      parallelism,
      memory: memoryKib,
      passes: iterations,
      tagLength: 32
    })
    assert.strictEqual(key.toString("hex"), tag)
  })
})
