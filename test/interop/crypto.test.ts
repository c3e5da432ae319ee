/**
 * The whole public vector sets of the primitives, on both backends (security of suite `01` rests on them: protocol.md §4).
 * They lie in a folder beside the checkout; without it each set says that it was skipped, and the published answers that
 * `packages/core/test/crypto` carries remain.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Crypto, type CryptoUnavailable } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { argon2Sync, createPrivateKey, decapsulate } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"

type CryptoService = Crypto["Service"]

const folder = new URL("../../../shared/vectors/", import.meta.url)
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("hex")

/** What was run is a line of the test's output, so that a set that shrank is seen. */
const say = (line: string): void => {
  process.stdout.write(`public vectors: ${line}\n`)
}

const load = <S extends Schema.Decoder<unknown>>(path: string, schema: S): S["Type"] =>
  Schema.decodeSync(Schema.fromJsonString(schema))(readFileSync(new URL(path, folder), "utf8"))

/** A file of C2SP/wycheproof: groups of tests, each with a result. */
const wycheproof = <F extends Schema.Struct.Fields, G extends Schema.Struct.Fields>(fields: F, group: G) => {
  const result = Schema.Literals(["valid", "invalid", "acceptable"])
  const test = Schema.Struct({ ...fields, tcId: Schema.Int, result })
  return Schema.Struct({ testGroups: Schema.Array(Schema.Struct({ ...group, tests: Schema.Array(test) })) })
}

/** One file and what a backend must answer to it; `check` gives the number of cases that it ran. */
interface VectorSet {
  readonly path: string
  readonly check: (crypto: CryptoService) => number
}

const Text = Schema.String

const xchacha: VectorSet = {
  path: "wycheproof/xchacha20_poly1305_test.json",
  check: ({ aead }) => {
    const file = load(
      "wycheproof/xchacha20_poly1305_test.json",
      wycheproof({ key: Text, iv: Text, aad: Text, msg: Text, ct: Text, tag: Text }, {})
    )
    const tests = file.testGroups.flatMap((group) => group.tests)
    for (const { aad, ct, iv, key, msg, result, tag, tcId } of tests) {
      const args = [bytes(key), bytes(iv), bytes(aad)] as const
      const open = () => hex(aead.open(...args, bytes(ct + tag)))
      if (iv.length !== 48) {
        assert.throws(open, RangeError)
        continue
      }
      assert.strictEqual(open(), result === "valid" ? msg : undefined, `${tcId}`)
      if (result === "valid") assert.strictEqual(hex(aead.seal(...args, bytes(msg))), ct + tag, `${tcId}`)
    }
    return tests.length
  }
}

const x25519: VectorSet = {
  path: "wycheproof/x25519_test.json",
  check: ({ x25519 }) => {
    const file = load(
      "wycheproof/x25519_test.json",
      wycheproof({ public: Text, private: Text, shared: Text }, {})
    )
    const tests = file.testGroups.flatMap((group) => group.tests)
    for (const { private: secretKey, public: publicKey, shared, tcId } of tests) {
      const expected = /^0+$/.test(shared) ? undefined : shared // "acceptable" to others: a small order is refused
      assert.strictEqual(hex(x25519.sharedSecret(bytes(secretKey), bytes(publicKey))), expected, `${tcId}`)
    }
    return tests.length
  }
}

const ed25519: VectorSet = {
  path: "wycheproof/ed25519_test.json",
  check: ({ signature }) => {
    const file = load(
      "wycheproof/ed25519_test.json",
      wycheproof({ msg: Text, sig: Text }, { publicKey: Schema.Struct({ pk: Text }) })
    )
    let count = 0
    for (const { publicKey, tests } of file.testGroups) {
      for (const { msg, result, sig, tcId } of tests) {
        const answer = signature.verify(bytes(publicKey.pk), bytes(msg), bytes(sig))
        assert.strictEqual(answer, result === "valid", `${tcId}`)
        count++
      }
    }
    return count
  }
}

const hkdf: VectorSet = {
  path: "wycheproof/hkdf_sha256_test.json",
  check: ({ hkdfExpand, hkdfExtract }) => {
    const file = load(
      "wycheproof/hkdf_sha256_test.json",
      wycheproof({ ikm: Text, salt: Text, info: Text, size: Schema.Int, okm: Text }, {})
    )
    const tests = file.testGroups.flatMap((group) => group.tests)
    for (const { ikm, info, okm, result, salt, size, tcId } of tests) {
      const derive = () => hex(hkdfExpand(hkdfExtract(bytes(salt), bytes(ikm)), bytes(info), size))
      if (result === "valid") assert.strictEqual(derive(), okm, `${tcId}`)
      else assert.throws(derive, RangeError)
    }
    return tests.length
  }
}

const mlKem: VectorSet = {
  path: "wycheproof/mlkem_768_test.json",
  check: ({ mlKem }) => {
    const file = load(
      "wycheproof/mlkem_768_test.json",
      wycheproof({ seed: Text, ek: Schema.optionalKey(Text), c: Text, K: Text }, {})
    )
    const tests = file.testGroups.flatMap((group) => group.tests)
    for (const { K, c, ek, result, seed, tcId } of tests) {
      if (seed.length !== 128) {
        assert.throws(() => mlKem.keyPair(bytes(seed)), RangeError)
        assert.throws(() => mlKem.decapsulate(bytes(seed), bytes(c)), RangeError)
        continue
      }
      assert.strictEqual(hex(mlKem.keyPair(bytes(seed)).publicKey), ek, `${tcId}`)
      const shared = hex(mlKem.decapsulate(bytes(seed), bytes(c)))
      assert.strictEqual(shared, result === "valid" ? K : undefined, `${tcId}`)
    }
    return tests.length
  }
}

const xWing: VectorSet = {
  path: "xwing/test-vectors.json",
  check: ({ xWing }) => {
    const tests = load(
      "xwing/test-vectors.json",
      Schema.Array(Schema.Struct({ seed: Text, eseed: Text, ss: Text, sk: Text, pk: Text, ct: Text }))
    )
    for (const { ct, eseed, pk, seed, sk, ss } of tests) {
      const pair = xWing.keyPair(bytes(seed))
      assert.deepStrictEqual([hex(pair.publicKey), hex(pair.secretKey)], [pk, sk])
      const made = xWing.encapsulate(pair.publicKey, bytes(eseed))
      assert.deepStrictEqual([hex(made?.ciphertext), hex(made?.sharedSecret)], [ct, ss])
      assert.strictEqual(hex(xWing.decapsulate(pair.secretKey, bytes(ct))), ss)
    }
    return tests.length
  }
}

const blake3: VectorSet = {
  path: "blake3/test_vectors.json",
  check: ({ blake3 }) => {
    const { cases } = load(
      "blake3/test_vectors.json",
      Schema.Struct({ cases: Schema.Array(Schema.Struct({ input_len: Schema.Int, hash: Text })) })
    )
    for (const { hash, input_len: length } of cases) {
      assert.strictEqual(hex(blake3(Uint8Array.from({ length }, (_, i) => i % 251))), hash.slice(0, 64))
    }
    return cases.length
  }
}

const sets: ReadonlyArray<VectorSet> = [xchacha, x25519, ed25519, hkdf, mlKem, xWing, blake3]

const onBackend = (name: string, over: Layer.Layer<Crypto, CryptoUnavailable>) =>
  layer(over)(`public vectors: ${name}`, (it) => {
    for (const { check, path } of sets) {
      const present = existsSync(new URL(path, folder))
      if (!present) say(`${name} SKIPPED ${path}: the file is not beside the checkout`)
      it.effect.skipIf(!present)(path, () =>
        Effect.gen(function*() {
          const count = check(yield* Crypto)
          assert.isAbove(count, 0)
          say(`${name} ran ${count} of ${path}`)
        }))
    }
  })

onBackend("portable", Portable.layer)
onBackend("node", NodeCrypto.layer)

const CCTV = "cctv-ed25519/ed25519vectors.json"
const EXPANDED = "wycheproof/mlkem_768_semi_expanded_decaps_test.json"
const ARGON2 = "argon2/rfc9106.json"
const isPresent = (path: string): boolean => {
  const present = existsSync(new URL(path, folder))
  if (!present) say(`SKIPPED ${path}: the file is not beside the checkout`)
  return present
}

describe("public vectors: one answer", () => {
  it.effect.skipIf(!isPresent(CCTV))(
    "CCTV Ed25519: both backends, one by one and many at once",
    () =>
      Effect.gen(function*() {
        const vectors = load(CCTV, Schema.Array(Schema.Struct({ key: Text, sig: Text, msg: Text })))
        const signed = vectors.map(({ key, msg, sig }) => ({
          publicKey: bytes(key),
          message: new Uint8Array(Buffer.from(msg)),
          signature: bytes(sig)
        }))
        const answers = (over: Layer.Layer<Crypto, CryptoUnavailable>) =>
          Effect.gen(function*() {
            const { signature } = yield* Crypto
            const each = signed.map((one) => signature.verify(one.publicKey, one.message, one.signature))
            assert.deepStrictEqual(yield* signature.verifyMany(signed), each)
            return each
          }).pipe(Effect.provide(over))
        const portable = yield* answers(Portable.layer)
        assert.deepStrictEqual(yield* answers(NodeCrypto.layer), portable)
        const accepted = portable.filter((answer) => answer).length
        assert.strictEqual(accepted, 86) // s < L, A canonical and not of small order, encode(sB − kA) = R
        say(`portable and node agree on ${signed.length} of ${CCTV}, and accept ${accepted}`)
      })
  )
})

/** DER with a length of two bytes. */
const der = (tag: number, content: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(tag, 0x82, content.length >>> 8, content.length & 0xff), content])

/** A PKCS #8 secret key of the expanded form: what Node reads where there is no seed. */
const expandedKey = (dk: Uint8Array) => {
  const algorithm = bytes("020100300b0609608648016503040402")
  const key = Buffer.from(der(0x30, Buffer.concat([algorithm, der(0x04, der(0x04, dk))])))
  return createPrivateKey({ key, format: "der", type: "pkcs8" })
}

/** What it gives, or undefined when it throws: libraries refuse that way. */
const attempt = (compute: () => Uint8Array): string | undefined => {
  try {
    return hex(compute())
  } catch {
    return undefined
  }
}

/** noble's half of these is in packages/core/test/crypto/Portable.test.ts. */
describe("public vectors: node:crypto where Crypto offers less", () => {
  it.skipIf(!isPresent(EXPANDED))("ML-KEM-768 with expanded secret keys", () => {
    const file = load(EXPANDED, wycheproof({ dk: Text, c: Text, K: Schema.optionalKey(Text) }, {}))
    const tests = file.testGroups.flatMap((group) => group.tests)
    for (const { K, c, dk, result, tcId } of tests) {
      const expected = result === "valid" ? K : undefined
      assert.strictEqual(attempt(() => decapsulate(expandedKey(bytes(dk)), bytes(c))), expected, `${tcId}`)
    }
    say(`node:crypto ran ${tests.length} of ${EXPANDED}`)
  })

  it.skipIf(!isPresent(ARGON2))("Argon2id with a secret and associated data", () => {
    const { vectors } = load(
      ARGON2,
      Schema.Struct({
        vectors: Schema.Array(Schema.Struct({
          password: Text,
          salt: Text,
          secret: Text,
          associated_data: Text,
          iterations: Schema.Int,
          memory_kib: Schema.Int,
          parallelism: Schema.Int,
          tag_length: Schema.Int,
          tag: Text
        }))
      })
    )
    for (const vector of vectors) {
      const tag = argon2Sync("argon2id", {
        message: bytes(vector.password),
        nonce: bytes(vector.salt),
        secret: bytes(vector.secret),
        associatedData: bytes(vector.associated_data),
        parallelism: vector.parallelism,
        memory: vector.memory_kib,
        passes: vector.iterations,
        tagLength: vector.tag_length
      })
      assert.strictEqual(hex(tag), vector.tag)
    }
    say(`node:crypto ran ${vectors.length} of ${ARGON2}`)
  })
})
