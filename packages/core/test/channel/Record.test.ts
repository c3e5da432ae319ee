import { assert, describe, it } from "@effect/vitest"
import { concat, EMPTY } from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Cipher from "../../src/channel/Cipher.ts"
import * as NoisePrimitives from "../../src/channel/NoisePrimitives.ts"
import * as Record from "../../src/channel/Record.ts"
import { crypto, flipped, message } from "./kit.ts"

const primitives = NoisePrimitives.fromCrypto(crypto)
const cipher = () => Cipher.make(primitives, new Uint8Array(32).fill(9))
const writerOf = (rekey = Record.REKEY) => Record.makeWriter(cipher(), 0, rekey)
const readerOf = () => Record.makeReader(cipher())

/** All connection messages of some messages that are sent together. */
const seal = (writer: Record.Writer, messages: ReadonlyArray<Uint8Array>, nowMillis = 0): Array<Uint8Array> => {
  const carriers = messages.flatMap((each) => writer.add(each, nowMillis))
  return [...carriers, ...writer.flush()]
}

const openAll = (reader: Record.Reader, carriers: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> =>
  carriers.flatMap((carrier) => {
    const opened = reader.open(carrier)
    return Result.isSuccess(opened) ? opened.success : assert.fail(opened.failure.message)
  })

const reasonOf = (result: Result.Result<unknown, { readonly reason: string }>) =>
  Result.isFailure(result) ? result.failure.reason : "none"

/** A sealed record of one's own making. */
const record = (flag: number, body: Uint8Array, by = cipher()): Uint8Array => {
  const sealed = by.seal(concat(Uint8Array.of(flag), body))
  return concat(Uint8Array.of(sealed.length >>> 8, sealed.length & 0xff), sealed)
}

/** The body of a record that several messages share. */
const many = (...lengths: ReadonlyArray<number>): Uint8Array =>
  concat(...lengths.map((length) => concat(Uint8Array.of(length >>> 8, length & 0xff), message(length, 1))))

const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.nat(2000) },
  { weight: 1, arbitrary: fc.integer({ min: 65_500, max: 65_540 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 * Record.BODY_BYTES_MAX, 262_148, Limit.messageBytesMax) }
)

describe("Record", () => {
  it("every message comes back, in order, whatever its size and company", () => {
    fc.assert(
      fc.property(fc.array(fc.array(sizes, { maxLength: 5 }), { maxLength: 4 }), (batches) => {
        const writer = writerOf(), reader = readerOf()
        batches.forEach((batch, index) => {
          const messages = batch.map((size, at) => message(size, index * 16 + at))
          const carriers = seal(writer, messages)
          assert.deepStrictEqual(openAll(reader, carriers), messages)
          for (const { length } of carriers) assert.isAtMost(length, Limit.carrierBytesMax)
        })
      }),
      { numRuns: 30 }
    )
  })

  it("small messages share a connection message, a large one takes several", () => {
    const writer = writerOf()
    assert.strictEqual(seal(writer, Array.from({ length: 100 }, () => message(100, 1))).length, 1)
    assert.strictEqual(seal(writer, [message(Limit.messageBytesMax, 1)]).length, 5)
    assert.strictEqual(seal(writer, [message(Record.BODY_BYTES_MAX * 4, 1)]).length, 1)
  })

  it("messages that are sent together are sealed together, up to a count and a size", () => {
    const sealsOf = (lengths: ReadonlyArray<number>) => {
      let seals = 0
      const counting = cipher()
      const writer = Record.makeWriter({ ...counting, seal: (bytes) => (seals++, counting.seal(bytes)) }, 0)
      const messages = lengths.map((length) => message(length, 1))
      assert.deepStrictEqual(openAll(readerOf(), seal(writer, messages)), messages)
      return seals
    }
    assert.strictEqual(sealsOf(Array.from({ length: Record.MANY_MAX }, () => 10)), 1)
    assert.strictEqual(sealsOf(Array.from({ length: Record.MANY_MAX + 1 }, () => 10)), 2)
    assert.strictEqual(sealsOf([32_000, 32_000]), 1)
    assert.strictEqual(sealsOf([40_000, 40_000]), 2)
    assert.strictEqual(sealsOf([10, 0, 10]), 3)
    assert.strictEqual(sealsOf([10, 70_000, 10, 10]), 4)
  })

  it("refuses shared messages that are one, too many, empty, or not whole", () => {
    const tooMany = many(...Array.from({ length: Record.MANY_MAX + 1 }, () => 1))
    for (
      const body of [
        EMPTY,
        many(5),
        tooMany,
        many(5, 0),
        many(0, 0),
        many(5, 5).subarray(1),
        many(5, 5).subarray(0, 11),
        many(5, 5).subarray(0, 8)
      ]
    ) {
      assert.strictEqual(reasonOf(readerOf().open(record(3, body))), "record")
    }
    assert.deepStrictEqual(readerOf().open(record(3, many(5, 5))), Result.succeed([message(5, 1), message(5, 1)]))
  })

  it("dies for a message above the limit", () => {
    assert.throws(() => writerOf().add(new Uint8Array(Limit.messageBytesMax + 1), 0), RangeError)
  })

  it("refuses a replayed, a reordered and a dropped connection message", () => {
    const [a, b, c] = [1, 2, 3].map((fill) => [message(10, fill)])
    const writer = writerOf()
    const [first = EMPTY, second = EMPTY, third = EMPTY] = [a, b, c].flatMap((each) => seal(writer, each ?? []))
    const replayed = readerOf()
    openAll(replayed, [first])
    assert.strictEqual(reasonOf(replayed.open(first)), "record")
    assert.strictEqual(reasonOf(readerOf().open(second)), "record")
    const dropped = readerOf()
    openAll(dropped, [first])
    assert.strictEqual(reasonOf(dropped.open(third)), "record")
  })

  it("refuses any flipped bit and any cut, and opens nothing after it", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(7), fc.boolean(), (at, bit, cut) => {
        const writer = writerOf(), reader = readerOf()
        const [carrier = EMPTY] = seal(writer, [message(40, 1), message(60, 2)])
        const next = seal(writer, [message(5, 3)])
        const wrong = cut ? carrier.subarray(0, at % carrier.length) : flipped(carrier, at % carrier.length, bit)
        const opened = reader.open(wrong)
        assert.strictEqual(reasonOf(opened), "record")
        assert.strictEqual(reasonOf(reader.open(next[0] ?? EMPTY)), "record")
        assert.strictEqual(reasonOf(reader.open(carrier)), "record")
      }),
      { numRuns: 300 }
    )
  })

  it("a cut between two records shows with the next message", () => {
    const writer = writerOf(), reader = readerOf()
    const large = message(Record.BODY_BYTES_MAX, 1)
    const [carrier = EMPTY] = seal(writer, [large, message(60, 2)])
    assert.deepStrictEqual(reader.open(carrier.subarray(0, 2 + Limit.recordBytesMax)), Result.succeed([large]))
    assert.strictEqual(reasonOf(reader.open(seal(writer, [message(5, 3)])[0] ?? EMPTY)), "record")
  })

  it("refuses other traffic: empty, without a whole length, without a whole record, a length that is too short", () => {
    for (
      const bytes of [
        EMPTY,
        Uint8Array.of(0),
        Uint8Array.of(0, 40, 1),
        Uint8Array.of(0, 3, 1, 2, 3),
        new Uint8Array(500)
      ]
    ) {
      assert.strictEqual(reasonOf(readerOf().open(bytes)), "record")
    }
  })

  it("refuses the other direction's records", () => {
    const back = Record.makeWriter(Cipher.make(primitives, new Uint8Array(32).fill(8)), 0)
    assert.strictEqual(reasonOf(readerOf().open(seal(back, [message(3, 1)])[0] ?? EMPTY)), "record")
  })

  it("refuses unknown flags, pieces that are not full, and a rekey out of place", () => {
    const full = message(Record.BODY_BYTES_MAX, 0)
    const by = cipher()
    const inPieces = concat(record(0, full, by), record(2, EMPTY, by))
    const again = cipher()
    const manyInPieces = concat(record(0, full, again), record(3, many(1, 1), again))
    for (
      const bytes of [
        record(3, EMPTY),
        record(0, EMPTY),
        record(0, full.subarray(1)),
        record(2, Uint8Array.of(1)),
        inPieces,
        manyInPieces
      ]
    ) {
      assert.strictEqual(reasonOf(readerOf().open(bytes)), "record")
    }
  })

  it("refuses what is too large before it is opened or kept", () => {
    let opened = 0
    const counting = cipher()
    const reader = Record.makeReader({
      ...counting,
      open: (sealed) => {
        opened++
        return counting.open(sealed)
      }
    })
    const by = cipher()
    const pieces = Math.floor(Limit.messageBytesMax / Record.BODY_BYTES_MAX)
    for (let i = 0; i < pieces; i++) {
      assert.deepStrictEqual(reader.open(record(0, message(Record.BODY_BYTES_MAX, 0), by)), Result.succeed([]))
    }
    const rest = Limit.messageBytesMax - pieces * Record.BODY_BYTES_MAX
    assert.strictEqual(reasonOf(reader.open(record(1, message(rest + 1, 0), by))), "oversized")
    assert.strictEqual(opened, pieces)
    assert.strictEqual(reasonOf(readerOf().open(new Uint8Array(Limit.carrierBytesMax + 1))), "oversized")
  })

  it("rekeys by bytes: the old key opens nothing after it", () => {
    const writer = writerOf({ bytes: 100, millis: 1e9 }), reader = readerOf()
    const old = cipher()
    for (let i = 0; i < 20; i++) {
      assert.deepStrictEqual(openAll(reader, seal(writer, [message(60, i)])), [message(60, i)])
    }
    // Two messages of 60 bytes, then a rekey: with a cipher that does not follow, the third message is lost.
    const deaf = Record.makeReader({ ...old, rekey: () => {} })
    const again = writerOf({ bytes: 100, millis: 1e9 })
    openAll(deaf, seal(again, [message(60, 0), message(60, 1)]))
    assert.strictEqual(reasonOf(deaf.open(seal(again, [message(60, 2)])[0] ?? EMPTY)), "record")
  })

  it("rekeys by time, when there is something to send", () => {
    const rekeys: Array<number> = []
    const counting = cipher()
    let sent = 0
    const writer = Record.makeWriter({ ...counting, rekey: () => rekeys.push(sent) && counting.rekey() }, 0, {
      bytes: 1e9,
      millis: 1000
    })
    const reader = readerOf()
    for (const nowMillis of [0, 999, 1000, 1500, 2000, 9000]) {
      assert.deepStrictEqual(openAll(reader, seal(writer, [message(1, sent)], nowMillis)), [message(1, sent)])
      sent++
    }
    assert.deepStrictEqual(rekeys, [2, 4, 5])
  })

  it("the protocol's policy is the limits'", () => {
    assert.deepStrictEqual(Record.REKEY, { bytes: Limit.rekeyBytes, millis: Limit.rekeyMillis })
  })
})
