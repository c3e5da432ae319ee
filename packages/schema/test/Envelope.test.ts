import { assert, describe, it } from "@effect/vitest"
import * as Envelope from "@sotto/schema/Envelope"
import { Epoch, Lane } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const header: Envelope.Header = {
  suite: 1,
  kind: Envelope.KIND.data,
  epoch: Epoch.make(0x0102_0304),
  lane: Lane.make(Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1))
}
const nonce = new Uint8Array(Envelope.NONCE_BYTES).fill(0xaa)
const commitment = new Uint8Array(Envelope.COMMITMENT_BYTES).fill(0xbb)
const sealed = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(0xcc)
const smallest = Envelope.ENVELOPE_BYTES_MIN - Envelope.SEALED_AT
const envelope = Envelope.assemble(Envelope.encodeHeader(header), nonce, commitment, sealed(smallest))

const sizes = Arbitrary.map(Arbitrary.schema(Epoch), (epoch) => smallest + (epoch % 1000))

const reasonOf = (bytes: Uint8Array) => {
  const result = Envelope.parse(bytes)
  return Result.isFailure(result) ? result.failure.reason : "accepted"
}
const changed = (at: number, value: number) => {
  const bytes = envelope.slice()
  bytes[at] = value
  return bytes
}

describe("Envelope", () => {
  it("has the layout of its drawing", () => {
    assert.deepStrictEqual(
      envelope.subarray(0, 16),
      Uint8Array.of(1, 1, 1, 0, 1, 2, 3, 4, 8, 7, 6, 5, 4, 3, 2, 1)
    )
    assert.strictEqual(envelope[16], 0xaa)
    assert.strictEqual(envelope[40], 0xbb)
    assert.strictEqual(envelope[72], 0xcc)
    assert.strictEqual(envelope.length, 72 + 256 + 16)
  })

  it.prop("parse gives back what assemble was given", [Arbitrary.schema(Envelope.Header), sizes], ([before, size]) => {
    const headerBytes = Envelope.encodeHeader(before)
    const bytes = Envelope.assemble(headerBytes, nonce, commitment, sealed(size))
    const parts = Result.getOrThrow(Envelope.parse(bytes))
    assert.deepStrictEqual(parts, { header: before, headerBytes, nonce, commitment, sealed: sealed(size) })
    assert.deepStrictEqual(Envelope.encodeHeader(parts.header), headerBytes)
    assert.strictEqual(parts.sealed.buffer, bytes.buffer)
  })

  it("accepts no header that is not the header of what it says", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (random) => {
      const bytes = envelope.slice()
      bytes.set(random)
      const result = Envelope.parse(bytes)
      if (Result.isSuccess(result)) assert.deepStrictEqual(Envelope.encodeHeader(result.success.header), random)
    }))
  })

  it("checks in order: version, suite, kind, flags, epoch, size", () => {
    assert.strictEqual(reasonOf(new Uint8Array(344)), "version")
    assert.strictEqual(reasonOf(changed(0, 2)), "version")
    assert.strictEqual(reasonOf(changed(1, 0)), "suite")
    assert.strictEqual(reasonOf(changed(1, 3)), "suite")
    assert.strictEqual(reasonOf(changed(2, 0)), "kind")
    assert.strictEqual(reasonOf(changed(2, 5)), "kind")
    assert.strictEqual(reasonOf(changed(3, 1)), "flags")
    assert.strictEqual(reasonOf(changed(3, 0x80)), "flags")
    const noEpoch = envelope.slice()
    noEpoch.fill(0, 4, 8)
    assert.strictEqual(reasonOf(noEpoch), "epoch")
    const wrong = [[3, 1, "flags"], [2, 9, "kind"], [1, 9, "suite"], [0, 9, "version"]] as const
    const bytes = noEpoch.subarray(0, 100)
    for (const [at, value, reason] of wrong) {
      bytes[at] = value
      assert.strictEqual(reasonOf(bytes), reason)
    }
  })

  it("is neither too small nor too large", () => {
    for (const size of [0, 15, 16, 72, envelope.length - 1]) {
      assert.strictEqual(reasonOf(envelope.subarray(0, size)), "size")
    }
    const large = new Uint8Array(Limit.envelopeBytesMax + 1)
    large.set(envelope)
    assert.strictEqual(reasonOf(large), "size")
    assert.strictEqual(reasonOf(large.subarray(0, Limit.envelopeBytesMax)), "accepted")
  })

  it("gives plain bytes from a Buffer, and a lane of its own", () => {
    const source = Buffer.from(envelope)
    const { header: { lane }, nonce: found } = Result.getOrThrow(Envelope.parse(source))
    source.fill(0)
    assert.deepStrictEqual(lane, header.lane)
    assert.strictEqual(Object.getPrototypeOf(found), Uint8Array.prototype)
  })

  it("takes no part of a wrong length", () => {
    const good = Envelope.encodeHeader(header)
    assert.throws(() => Envelope.assemble(good.subarray(1), nonce, commitment, sealed(smallest)), RangeError)
    assert.throws(() => Envelope.assemble(good, nonce.subarray(1), commitment, sealed(smallest)), RangeError)
    assert.throws(() => Envelope.assemble(good, nonce, commitment.subarray(1), sealed(smallest)), RangeError)
    assert.throws(() => Envelope.assemble(good, nonce, commitment, sealed(smallest - 1)), RangeError)
    const most = Limit.envelopeBytesMax - Envelope.SEALED_AT
    assert.strictEqual(Envelope.assemble(good, nonce, commitment, sealed(most)).length, Limit.envelopeBytesMax)
    assert.throws(() => Envelope.assemble(good, nonce, commitment, sealed(most + 1)), RangeError)
  })

  it("encodes no header that is none", () => {
    const lane = Lane.make(new Uint8Array(7), { disableChecks: true })
    assert.throws(() => Envelope.encodeHeader({ ...header, lane }), RangeError)
    const epoch = Epoch.make(0, { disableChecks: true })
    assert.throws(() => Envelope.encodeHeader({ ...header, epoch }), RangeError)
  })
})
