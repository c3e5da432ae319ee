import { assert, describe, it } from "@effect/vitest"
import { type Refusal, refusalCodec } from "@sotto/schema/Frame"
import {
  fromRefusal,
  MailboxUnavailable,
  numberOf,
  QuotaExceeded,
  RateLimited,
  REFUSALS,
  RelayError,
  toRefusal
} from "@sotto/schema/RelayError"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const reasonOf = (refusal: Refusal) => {
  const result = fromRefusal(refusal)
  return Result.isFailure(result) ? result.failure.reason : result.success._tag
}

describe("RelayError", () => {
  it.prop("comes back from a refusal, through its bytes", [Arbitrary.schema(RelayError)], ([error]) => {
    const refusal = Result.getOrThrow(refusalCodec.decode(refusalCodec.encode(toRefusal(error))))
    const back = Result.getOrThrow(fromRefusal(refusal))
    assert.strictEqual(back._tag, error._tag)
    assert.isTrue(back instanceof Error)
    assert.deepStrictEqual(Object.entries(back), Object.entries(error))
    assert.strictEqual(refusal.number, numberOf(error))
    assert.strictEqual(back.message, error.message)
  })

  it("has stable numbers", () => {
    assert.deepStrictEqual(Object.fromEntries(REFUSALS.map(({ number, tag }) => [tag, number])), {
      InvalidMessage: 1000,
      UnknownRoute: 1001,
      Unauthorized: 1002,
      DeviceRevoked: 1003,
      NotOwner: 1004,
      RateLimited: 2000,
      EnvelopeTooLarge: 2001,
      QuotaExceeded: 2002,
      InvalidWakeEndpoint: 2003,
      MailboxUnavailable: 2004,
      Overloaded: 3000,
      ShuttingDown: 3001,
      Standby: 3002
    })
  })

  it("has a row, a number and a message for each member of the union", () => {
    assert.strictEqual(REFUSALS.length, RelayError.members.length)
    assert.strictEqual(new Set(REFUSALS.map(({ number }) => number)).size, REFUSALS.length)
    for (const { number, tag } of REFUSALS) {
      const refusal = { number, detail: tag === "MailboxUnavailable" ? "full" : "", a: 0, b: 0 }
      const error = Result.getOrThrow(fromRefusal(refusal))
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(error.number, number)
      assert.match(error.message, /\.$/)
      assert.isTrue(Schema.is(RelayError)(error))
    }
  })

  it("puts each field where the table says", () => {
    assert.deepStrictEqual(toRefusal(new RateLimited({ scope: "push", retryAfterMillis: 250 })), {
      number: 2000,
      detail: "push",
      a: 250,
      b: 0
    })
    assert.deepStrictEqual(toRefusal(new QuotaExceeded({ usedBytes: 7, quotaBytes: 9 })), {
      number: 2002,
      detail: "",
      a: 7,
      b: 9
    })
    assert.strictEqual(toRefusal(new MailboxUnavailable({ reason: "crowded" })).detail, "crowded")
  })

  it("refuses unknown numbers, unknown reasons and fields that a number does not use", () => {
    assert.strictEqual(reasonOf({ number: 9999, detail: "", a: 0, b: 0 }), "unknown-tag")
    assert.strictEqual(reasonOf({ number: 2004, detail: "bored", a: 0, b: 0 }), "out-of-range")
    assert.strictEqual(reasonOf({ number: 2000, detail: "x".repeat(33), a: 0, b: 0 }), "out-of-range")
    assert.strictEqual(reasonOf({ number: 3000, detail: "", a: 86_400_001, b: 0 }), "out-of-range")
    assert.strictEqual(reasonOf({ number: 1001, detail: "more", a: 0, b: 0 }), "not-canonical")
    assert.strictEqual(reasonOf({ number: 1000, detail: "", a: 1, b: 0 }), "not-canonical")
    assert.strictEqual(reasonOf({ number: 3001, detail: "", a: 1, b: 1 }), "not-canonical")
  })
})
