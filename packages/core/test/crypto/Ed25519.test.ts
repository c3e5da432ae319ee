/** The one rule, case by case; the 914 CCTV vectors are in test/interop. */
import { assert, describe, it } from "@effect/vitest"
import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Ed25519 from "@sotto/core/crypto/Ed25519"
import * as Effect from "effect/Effect"

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const message = new Uint8Array(Buffer.from("a message"))
const seed = new Uint8Array(32).fill(9)
const publicKey = ed25519.getPublicKey(seed)
const signature = ed25519.sign(message, seed)

const L = 2n ** 252n + 27742317777372353535851937790883648493n
const P = 2n ** 255n - 19n

const littleEndian = (number: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * i)) & 0xffn))

/** R = B·r and s = r + k·a, for any key, A and r: what the holder of a secret scalar can make. */
const craft = (a: bigint, publicKey: Uint8Array, r: Uint8Array, scalar: bigint): Uint8Array => {
  const k = ed25519.Point.Fn.create(
    BigInt(`0x${Buffer.from(sha512(Buffer.concat([r, publicKey, message]))).reverse().toString("hex")}`)
  )
  return new Uint8Array(Buffer.concat([r, littleEndian((scalar + k * a) % L)]))
}

const never: Ed25519.Verify = () => assert.fail("a backend was asked")

describe("Ed25519", () => {
  it("accepts what an ordinary signer makes, and only for its key and message", () => {
    assert.isTrue(Ed25519.verify(publicKey, message, signature))
    assert.isFalse(Ed25519.verify(publicKey, new Uint8Array(3), signature))
    assert.isFalse(Ed25519.verify(ed25519.getPublicKey(seed.with(0, 1)), message, signature))
  })

  it("asks no backend about s = s + L, or s out of range", () => {
    const s = BigInt(`0x${Buffer.from(signature.slice(32)).reverse().toString("hex")}`)
    for (const wrong of [s + L, L, 2n ** 256n - 1n]) {
      const malleable = new Uint8Array(Buffer.concat([signature.slice(0, 32), littleEndian(wrong)]))
      assert.isFalse(Ed25519.withRule(never)(publicKey, message, malleable))
    }
    assert.isTrue(Ed25519.isReduced(littleEndian(L - 1n)))
    assert.isFalse(Ed25519.isReduced(littleEndian(L)))
    assert.isFalse(Ed25519.isReduced(littleEndian(L + 1n)))
    assert.isTrue(Ed25519.isReduced(new Uint8Array(32)))
  })

  it("knows every encoding of a point of small order, and refuses them as keys", () => {
    const encodings = new Set(ED25519_TORSION_SUBGROUP)
    for (const known of ED25519_TORSION_SUBGROUP) { // the same y with either sign
      const encoded = bytes(known)
      encodings.add(Buffer.from(encoded.with(31, (encoded[31] ?? 0) ^ 0x80)).toString("hex"))
    }
    assert.strictEqual(encodings.size, 10)
    for (const encoding of encodings) {
      assert.isFalse(Ed25519.isAdmissibleKey(bytes(encoding)), encoding)
      assert.isFalse(Ed25519.withRule(never)(bytes(encoding), message, signature))
      // the equation holds for s = 0 and R = −k·A when A is the identity: still refused
      assert.isFalse(Ed25519.verify(bytes(encoding), message, new Uint8Array(64).with(0, 1)))
    }
  })

  it("refuses keys that are not canonical: y from p to 2^255 − 1, with either sign", () => {
    for (let y = P; y < 2n ** 255n; y++) {
      for (const sign of [0n, 2n ** 255n]) assert.isFalse(Ed25519.isAdmissibleKey(littleEndian(y + sign)))
    }
    assert.isTrue(Ed25519.isAdmissibleKey(littleEndian(P - 2n)))
    assert.isTrue(Ed25519.isAdmissibleKey(littleEndian(2n)))
    assert.isTrue(Ed25519.isAdmissibleKey(publicKey))
  })

  it("refuses arguments of a wrong length without asking", () => {
    const rule = Ed25519.withRule(never)
    for (const length of [0, 31, 33]) assert.isFalse(rule(new Uint8Array(length), message, signature))
    for (const length of [0, 63, 65]) assert.isFalse(rule(publicKey, message, new Uint8Array(length)))
  })

  it("decides about R of small order itself, by the equation", () => {
    const a = 5n
    const key = ed25519.Point.BASE.multiply(a).toBytes()
    const identity = new Uint8Array(32).with(0, 1)
    const right = craft(a, key, identity, 0n)
    assert.isTrue(Ed25519.withRule(never)(key, message, right))
    assert.isFalse(Ed25519.withRule(never)(key, new Uint8Array(1), right))
    // the same point, written with a sign: encode() never gives that
    const odd = craft(a, key, identity.with(31, 0x80), 0n)
    assert.isFalse(Ed25519.withRule(never)(key, message, odd))
  })

  it("does not multiply by the cofactor", () => {
    const torsion = ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[3] ?? "")
    const r = ed25519.Point.BASE.multiply(7n).add(torsion).toBytes()
    const a = 5n
    const key = ed25519.Point.BASE.multiply(a).toBytes()
    const crafted = craft(a, key, r, 7n)
    assert.isTrue(ed25519.verify(crafted, message, key, { zip215: true })) // a cofactored verifier takes it
    assert.isFalse(Ed25519.verify(key, message, crafted))
  })

  it("refuses a key that is on no point of the curve", () => {
    const noPoint = littleEndian(2n)
    assert.throws(() => ed25519.Point.fromBytes(noPoint))
    assert.isFalse(Ed25519.verify(noPoint, message, signature))
  })

  it("asks the backend about everything else, and believes it", () => {
    const asked: Array<ReadonlyArray<Uint8Array>> = []
    const answering = (answer: boolean) =>
      Ed25519.withRule((...given) => {
        asked.push(given)
        return answer
      })
    assert.isTrue(answering(true)(publicKey, message, signature))
    assert.isFalse(answering(false)(publicKey, message, signature))
    assert.deepEqual(asked, [[publicKey, message, signature], [publicKey, message, signature]])
  })

  it.effect("checks many in order, and lets others run between turns", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const check: Ed25519.Verify = (_, message) => {
        order.push(`check ${message[0]}`)
        return message[0] !== 1
      }
      const signed = [0, 1, 2, 3].map((n) => ({ publicKey, message: Uint8Array.of(n), signature }))
      yield* Effect.forkChild(Effect.sync(() => order.push("other")))
      assert.deepEqual(yield* Ed25519.verifyEach(check, 2)(signed), [true, false, true, true])
      assert.deepEqual(order, ["check 0", "check 1", "other", "check 2", "check 3"])
    }))
})
