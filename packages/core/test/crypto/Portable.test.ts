import { assert, describe, it } from "@effect/vitest"
import { argon2id } from "@noble/hashes/argon2.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as XChaCha20 from "@sotto/core/crypto/XChaCha20"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import { cryptoConformance } from "../kit/cryptoConformance.ts"
import * as rfc from "./rfc.ts"

cryptoConformance("portable", Portable.layer)

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

/** Randomness that a test or a simulator decides. */
const counter = () => {
  let next = 0
  return (length: number) => Uint8Array.from({ length }, () => next++)
}

describe("Portable", () => {
  it("RFC 9106 Argon2id, with what Crypto does not offer", () => {
    const { data, iterations, memoryKib, parallelism, password, salt, secret, tag } = rfc.argon2id
    const options = {
      t: iterations,
      m: memoryKib,
      p: parallelism,
      dkLen: 32,
      key: bytes(secret),
      personalization: bytes(data)
    }
    assert.strictEqual(Buffer.from(argon2id(bytes(password), bytes(salt), options)).toString("hex"), tag)
  })

  const expanded = new URL(
    "../../../../../shared/vectors/wycheproof/mlkem_768_semi_expanded_decaps_test.json",
    import.meta.url
  )
  it.skipIf(!existsSync(expanded))(
    "Wycheproof ML-KEM-768 with expanded secret keys, which Crypto does not offer",
    () => {
      const Test = Schema.Struct({ dk: Schema.String, c: Schema.String, K: Schema.optionalKey(Schema.String) })
      const File = Schema.Struct({ testGroups: Schema.Array(Schema.Struct({ tests: Schema.Array(Test) })) })
      const { testGroups } = Schema.decodeSync(Schema.fromJsonString(File))(readFileSync(expanded, "utf8"))
      const tests = testGroups.flatMap((group) => group.tests)
      assert.isAbove(tests.length, 0)
      for (const { K, c, dk } of tests) {
        const open = () => ml_kem768.decapsulate(bytes(c), bytes(dk))
        if (K === undefined) assert.throws(open)
        else assert.strictEqual(Buffer.from(open()).toString("hex"), K)
      }
    }
  )

  it("HChaCha20 of the draft, and XChaCha20 over the 12-byte cipher equals the whole one", () => {
    const { key, nonce, subkey } = rfc.hchacha20
    assert.strictEqual(Buffer.from(XChaCha20.subkey(bytes(key), bytes(nonce))).toString("hex"), subkey)
    const { aead, channelAead } = Portable.make({ random: counter() })
    const composed = XChaCha20.fromChaCha20(channelAead)
    const vector = rfc.xchacha20Poly1305
    const args = [bytes(vector.key), bytes(vector.nonce), bytes(vector.data)] as const
    const sealed = composed.seal(...args, bytes(vector.plaintext))
    assert.deepEqual(sealed, aead.seal(...args, bytes(vector.plaintext)))
    assert.deepEqual(composed.open(...args, sealed), bytes(vector.plaintext))
  })

  it("takes all its randomness from where it was told", () => {
    const one = Portable.make({ random: counter() }), two = Portable.make({ random: counter(), backend: "simulated" })
    assert.deepEqual([one.backend, two.backend], ["portable", "simulated"])
    assert.deepEqual(one.random(5), Uint8Array.of(0, 1, 2, 3, 4))
    two.random(5)
    const { publicKey } = one.xWing.keyPair(new Uint8Array(32))
    assert.deepEqual(one.xWing.encapsulate(publicKey), two.xWing.encapsulate(publicKey))
    assert.deepEqual(one.mlKem.encapsulate(publicKey.slice(0, 1184)), two.mlKem.encapsulate(publicKey.slice(0, 1184)))
    assert.deepEqual(one.random(8), two.random(8))
  })

  it("throws EntropyUnavailable when the source throws or gives too little", () => {
    const broken = Portable.make({
      random: () => {
        throw new Error("no device")
      }
    })
    const short = Portable.make({ random: (length) => new Uint8Array(Math.max(0, length - 1)) })
    const { publicKey } = broken.xWing.keyPair(new Uint8Array(32))
    for (const { mlKem, random, xWing } of [broken, short]) {
      for (
        const draw of [
          () => random(16),
          () => xWing.encapsulate(publicKey),
          () => mlKem.encapsulate(publicKey.slice(0, 1184))
        ]
      ) {
        const thrown = ((): unknown => {
          try {
            return draw()
          } catch (error) {
            return error
          }
        })()
        assert.propertyVal(thrown, "_tag", "EntropyUnavailable")
      }
    }
  })

  it("checks many signatures without an asynchronous step, as a simulator does", () => {
    const { signature } = Portable.make({ random: counter() })
    const seed = new Uint8Array(32).fill(3)
    const { publicKey } = signature.keyPair(seed)
    const signed = Array.from({ length: 40 }, (_, i) => {
      const message = Uint8Array.of(i)
      return { publicKey, message, signature: signature.sign(seed, i === 20 ? new Uint8Array(2) : message) }
    })
    assert.deepEqual(Effect.runSync(signature.verifyMany(signed)), signed.map((_, i) => i !== 20))
  })

  it.effect("the layer carries the name it was given", () =>
    Effect.gen(function*() {
      const { backend } = yield* Crypto
      assert.strictEqual(backend, "test")
    }).pipe(Effect.provide(Portable.layerWith({ random: counter(), backend: "test" }))))
})
