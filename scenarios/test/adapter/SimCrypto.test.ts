import { assert, describe, it } from "@effect/vitest"
import type { Crypto } from "@sotto/core/Crypto"
import * as Cpace from "@sotto/core/pairing/Cpace"
import * as FakeCrypto from "@sotto/scenarios/adapter/FakeCrypto"
import { Mixer } from "@sotto/scenarios/adapter/Mixer"
import * as SimCrypto from "@sotto/scenarios/adapter/SimCrypto"
import * as Bytes from "@sotto/schema/Bytes"
import * as Seed from "@sotto/simulation/Seed"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

const stream = Seed.draws(1n, "test")
const random = (length: number) => stream.bytes(length)
const fake = FakeCrypto.make(random)
const real = SimCrypto.make({
  tier: "real",
  node: "n",
  random,
  record: new SimCrypto.SealRecord(),
  onReuse: () => undefined
})
const hex = Bytes.toHex
const text = (value: string) => new TextEncoder().encode(value)
const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe("Mixer", () => {
  const hash = (domain: number, ...parts: ReadonlyArray<Uint8Array>) => {
    const mixer = new Mixer().begin(domain)
    for (const part of parts) mixer.add(part)
    const out = new Uint8Array(32)
    mixer.finish(out, 0, 32)
    return hex(out)
  }

  it("tells all short inputs, their parts and their domains apart", () => {
    const seen = new Set<string>()
    let count = 0
    const see = (found: string) => {
      seen.add(found)
      count++
    }
    for (let length = 3; length < 70; length++) see(hash(1, new Uint8Array(length)))
    for (let a = 0; a < 256; a++) for (let b = 0; b < 256; b++) see(hash(1, Uint8Array.of(a, b)))
    for (let domain = 0; domain < 50; domain++) see(hash(domain + 2, Uint8Array.of(7)))
    see(hash(1, Uint8Array.of(1), Uint8Array.of(2)))
    see(hash(1, Uint8Array.of(1, 2), new Uint8Array(0)))
    see(hash(1, new Uint8Array(0), Uint8Array.of(1, 2)))
    assert.strictEqual(seen.size, count)
  })

  it("changes about half of its output for any changed bit", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, at) => {
      const changed = bytes.slice()
      const index = at % bytes.length
      changed[index] = (changed[index] ?? 0) ^ (1 << (at % 8))
      const a = Buffer.from(hash(1, bytes), "hex"), b = Buffer.from(hash(1, changed), "hex")
      let bits = 0
      for (let i = 0; i < 32; i++) for (let k = 0; k < 8; k++) bits += (((a[i] ?? 0) ^ (b[i] ?? 0)) >> k) & 1
      assert.isAbove(bits, 70)
      assert.isBelow(bits, 186)
    }))
  })
})

describe("FakeCrypto", () => {
  it("has the lengths of the real one", () => {
    const shapeOf = (crypto: Crypto["Service"]) => {
      const seed = new Uint8Array(32).fill(3)
      const kems = [crypto.mlKem, crypto.xWing].map((kem) => {
        const pair = kem.keyPair(new Uint8Array(kem.seedBytes).fill(1))
        const made = kem.encapsulate(pair.publicKey)
        return [pair.publicKey.length, pair.secretKey.length, made?.ciphertext.length, made?.sharedSecret.length]
      })
      const signing = crypto.signature.keyPair(seed)
      const nothing = new Uint8Array(0)
      return {
        kems,
        hashes: [crypto.sha256, crypto.sha512, crypto.blake3].map((hash) => hash(seed).length),
        macs: [crypto.hmac(seed, seed).length, crypto.hmacSha512(seed, seed).length],
        keys: [crypto.hkdfExtract(seed, seed).length, crypto.hkdfExpand(seed, seed, 77).length],
        sealed: [crypto.aead.seal(seed, new Uint8Array(24), nothing, seed).length],
        channel: [crypto.channelAead.seal(seed, new Uint8Array(12), nothing, nothing).length],
        signing: [signing.publicKey.length, crypto.signature.sign(seed, nothing).length],
        exchange: [crypto.x25519.keyPair(seed).publicKey.length],
        group: [crypto.ristretto.fromUniform(new Uint8Array(64)).length]
      }
    }
    assert.deepStrictEqual(shapeOf(fake), shapeOf(real))
  })

  it("opens what was sealed under the same key, nonce and data, and nothing else", () => {
    for (const aead of [fake.aead, fake.channelAead]) {
      fc.assert(
        fc.property(
          sized(32),
          sized(aead.nonceBytes),
          fc.uint8Array({ maxLength: 40 }),
          fc.uint8Array({ maxLength: 300 }),
          fc.nat(),
          (key, nonce, data, plaintext, at) => {
            const sealed = aead.seal(key, nonce, data, plaintext)
            assert.deepStrictEqual(aead.open(key, nonce, data, sealed), plaintext)
            const flip = (bytes: Uint8Array) =>
              bytes.length === 0
                ? Uint8Array.of(1)
                : bytes.with(at % bytes.length, (bytes[at % bytes.length] ?? 0) ^ (1 + at % 255))
            assert.isUndefined(aead.open(flip(key), nonce, data, sealed))
            assert.isUndefined(aead.open(key, flip(nonce), data, sealed))
            assert.isUndefined(aead.open(key, nonce, flip(data), sealed))
            assert.isUndefined(aead.open(key, nonce, data, flip(sealed)))
          }
        )
      )
    }
  })

  it("does not show what it seals", () => {
    const canary = text("a canary of some length, twice: a canary of some length")
    const sealed = fake.aead.seal(random(32), random(24), text("a canary"), canary)
    assert.strictEqual(Buffer.from(sealed).indexOf("canary"), -1)
    const zeros = fake.aead.seal(random(32), random(24), new Uint8Array(0), new Uint8Array(64))
    assert.isAbove(new Set(zeros).size, 30)
  })

  it("verifies a signature for its key and message only, as the one rule and many at once do", () => {
    fc.assert(fc.property(sized(32), sized(32), fc.uint8Array({ maxLength: 50 }), (seed, other, message) => {
      fc.pre(hex(seed) !== hex(other))
      const { publicKey, secretKey } = fake.signature.keyPair(seed)
      const signature = fake.signature.sign(secretKey, message)
      assert.deepStrictEqual(fake.signature.signer(secretKey)(message), signature)
      const wrongs = [
        { publicKey: fake.signature.keyPair(other).publicKey, message, signature },
        { publicKey, message: Bytes.concat(message, Uint8Array.of(0)), signature },
        { publicKey, message, signature: signature.with(5, (signature[5] ?? 0) ^ 1) },
        { publicKey, message, signature: signature.subarray(1) }
      ]
      const answers = Effect.runSync(fake.signature.verifyMany([{ publicKey, message, signature }, ...wrongs]))
      assert.deepStrictEqual(answers, [true, false, false, false, false])
      assert.isTrue(fake.signature.verify(publicKey, message, signature))
    }))
  })

  it("agrees on secrets with whom it should, and with nobody else", () => {
    const [a, b, c] = [1, 2, 3].map((n) => fake.x25519.keyPair(new Uint8Array(32).fill(n)))
    assert(a !== undefined && b !== undefined && c !== undefined)
    const shared = hex(fake.x25519.sharedSecret(a.secretKey, b.publicKey) ?? a.publicKey)
    assert.strictEqual(hex(fake.x25519.sharedSecret(b.secretKey, a.publicKey) ?? a.publicKey), shared)
    assert.notStrictEqual(hex(fake.x25519.sharedSecret(c.secretKey, a.publicKey) ?? a.publicKey), shared)
    assert.isUndefined(fake.x25519.sharedSecret(a.secretKey, new Uint8Array(32)))
    for (const kem of [fake.mlKem, fake.xWing]) {
      const pair = kem.keyPair(random(kem.seedBytes))
      const made = kem.encapsulate(pair.publicKey)
      assert(made !== undefined)
      assert.deepStrictEqual(kem.decapsulate(pair.secretKey, made.ciphertext), made.sharedSecret)
      assert.notDeepEqual(kem.decapsulate(random(kem.seedBytes), made.ciphertext), made.sharedSecret)
      assert.notDeepEqual(kem.decapsulate(pair.secretKey, made.ciphertext.with(9, 1)), made.sharedSecret)
    }
  })

  it("carries a password exchange: the same password agrees, another one does not", () => {
    const keyOf = (own: string, other: string) => {
      const side = (password: string, scalar: Uint8Array) => {
        const setting = { password: text(password), channel: text("c"), session: text("s") }
        return { scalar, element: Cpace.element(fake, setting, scalar) }
      }
      const a = side(own, fake.ristretto.scalar(random(64)))
      const b = side(other, fake.ristretto.scalar(random(64)))
      const parties = {
        initiator: { element: a.element, data: text("a") },
        responder: { element: b.element, data: text("b") }
      }
      return [
        Cpace.sharedKey(fake, { session: text("s"), scalar: a.scalar, remote: b.element, ...parties }),
        Cpace.sharedKey(fake, { session: text("s"), scalar: b.scalar, remote: a.element, ...parties })
      ].map((key) => hex(key ?? new Uint8Array(0)))
    }
    const [a, b] = keyOf("1234", "1234")
    assert.strictEqual(a, b)
    assert.strictEqual(a?.length, 128)
    const [c, d] = keyOf("1234", "1235")
    assert.notStrictEqual(c, d)
    assert.isUndefined(fake.ristretto.multiply(fake.ristretto.scalar(random(64)), new Uint8Array(32).fill(9)))
  })
})

describe("SealRecord", () => {
  it("sees a key and nonce under which two texts were sealed, by whichever process, in either tier", () => {
    for (const tier of ["real", "fake"] as const) {
      const record = new SimCrypto.SealRecord()
      const reuses: Array<SimCrypto.Reuse> = []
      const onReuse = (reuse: SimCrypto.Reuse) => void reuses.push(reuse)
      const on = (node: string) => SimCrypto.make({ tier, node, random, record, onReuse }).aead
      const key = random(32), nonce = random(24), nothing = new Uint8Array(0)
      on("a").seal(key, nonce, nothing, text("one"))
      on("b").seal(key, nonce, nothing, text("one"))
      on("b").seal(key, random(24), nothing, text("two"))
      assert.deepStrictEqual(reuses, [])
      on("b").seal(key, nonce, nothing, text("two"))
      assert.deepStrictEqual(reuses, [{ cipher: "aead", before: "a" }])
    }
  })
})

describe("the real tier", () => {
  const { signature } = real
  const seed = random(32)
  const message = text("a message")

  it("gives each caller key arrays of its own", () => {
    const first = signature.keyPair(seed)
    const before = hex(first.secretKey)
    first.secretKey.fill(0)
    first.publicKey.fill(0)
    const second = signature.keyPair(seed)
    assert.strictEqual(hex(second.secretKey), before)
    assert.isTrue(signature.verify(second.publicKey, message, signature.sign(second.secretKey, message)))
  })

  it("remembers of a signature no more than what it was asked", () => {
    const { publicKey, secretKey } = signature.keyPair(seed)
    const signed = signature.sign(secretKey, message)
    const other = signature.keyPair(random(32)).publicKey
    const flipped = signed.slice()
    flipped[3] = (flipped[3] ?? 0) ^ 1
    const asked = [
      { publicKey, message, signature: signed },
      { publicKey, message: text("another message"), signature: signed },
      { publicKey: other, message, signature: signed },
      { publicKey, message, signature: flipped },
      // The same bytes in a row, cut elsewhere.
      { publicKey, message: Bytes.concat(signed.subarray(63), message), signature: signed.subarray(0, 63) }
    ]
    for (let k = 0; k < 2; k++) {
      const one = asked.map((ask) => signature.verify(ask.publicKey, ask.message, ask.signature))
      assert.deepStrictEqual(one, [true, false, false, false, false])
      assert.deepStrictEqual(Effect.runSync(signature.verifyMany(asked)), one)
    }
  })
})
