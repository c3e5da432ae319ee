import { assert, describe, it } from "@effect/vitest"
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { ed25519 } from "@noble/curves/ed25519.js"
import { blake3 } from "@noble/hashes/blake3.js"
import { expand } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Bytes from "@sotto/schema/Bytes"
import { envelopeVectors, inputs } from "../kit/frozenVectors.ts"
import keys from "../space/vectors/keys.json" with { type: "json" }
import frozen from "./vectors/envelope.json" with { type: "json" }

const text = new TextEncoder()
const L = (purpose: string, ...fields: ReadonlyArray<Uint8Array>): Uint8Array =>
  Uint8Array.from([
    ...text.encode("sotto1"),
    0,
    1,
    ...text.encode(purpose),
    0,
    ...fields.flatMap((field) => [field.length >> 8, field.length & 255, ...field])
  ])
const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const hex = Bytes.toHex

describe("envelopes", () => {
  it("stay byte for byte what they were", () => {
    assert.deepStrictEqual<unknown>(envelopeVectors(), frozen)
  })

  it("are what the protocol says, worked out independently", () => {
    const header = bytes(frozen.header)
    assert.strictEqual(frozen.header, `01010100${"00000007"}${keys.lanes.notes}`)
    for (const entry of frozen.entries) {
      const padded = new Uint8Array(entry.paddedBytes)
      padded.set(bytes(entry.plaintext))
      const input = L("nonce", inputs.random32, header, sha256(padded))
      const nonce = hmac(sha256, bytes(keys.nonceKey), input).slice(0, 24)
      const both = expand(sha256, bytes(keys.encryptKey), L("env", inputs.spaceId, header, nonce), 64)
      const commitment = both.slice(32)
      const associated = L("env", inputs.spaceId, header, commitment)
      const sealed = xchacha20poly1305(both.slice(0, 32), nonce, associated).encrypt(padded)
      const envelope = Bytes.concat(header, nonce, commitment, sealed)
      assert.strictEqual(hex(envelope), entry.envelope)
      assert.strictEqual(hex(blake3(envelope)), entry.id)
      const hash = sha256(L("entry", inputs.spaceId, header, sha256(bytes(entry.unsigned))))
      assert.strictEqual(hex(hash), entry.entryHash)
      if (entry.signature === null) continue
      assert.isTrue(
        ed25519.verify(bytes(entry.signature), L("sign/entry", hash), ed25519.getPublicKey(inputs.signingSeed))
      )
    }
  })

  it("are padded by Padmé from 256 bytes on; one is unsigned, one is signed", () => {
    for (const { paddedBytes, plaintext } of frozen.entries) {
      const length = plaintext.length / 2
      const exponent = Math.floor(Math.log2(length))
      const bucket = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1))
      assert.strictEqual(paddedBytes, Math.max(256, Math.ceil(length / bucket) * bucket))
    }
    assert.deepStrictEqual(frozen.entries.map(({ paddedBytes }) => paddedBytes), [256, 496])
    assert.deepStrictEqual(frozen.entries.map(({ signature }) => signature === null), [true, false])
  })
})
