import { assert, describe, it } from "@effect/vitest"
import * as PairingCode from "@sotto/schema/PairingCode"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
const random = fc.uint8Array({ minLength: 10, maxLength: 10 })
const reasonOf = (text: string) => {
  const result = PairingCode.parse(text)
  return Result.isFailure(result) ? result.failure.reason : "accepted"
}
const some = [
  new Uint8Array(10),
  new Uint8Array(10).fill(0xff),
  Uint8Array.from({ length: 10 }, (_, i) => i * 29 + 5),
  Uint8Array.from({ length: 10 }, (_, i) => 251 - i * 17)
].map((bytes) => PairingCode.format(PairingCode.make(bytes)))
const withoutHyphens = some.map((code) => code.replaceAll("-", ""))

describe("PairingCode", () => {
  it("comes back from its text", () => {
    fc.assert(fc.property(random, (bytes) => {
      const code = PairingCode.make(bytes)
      const text = PairingCode.format(code)
      assert.match(text, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/)
      assert.deepStrictEqual(PairingCode.parse(text), Result.succeed(code))
    }))
  })

  it("uses 75 of the 80 random bits, each of them", () => {
    const seen = new Set([PairingCode.format(PairingCode.make(new Uint8Array(10)))])
    for (let bit = 0; bit < 80; bit++) {
      const bytes = new Uint8Array(10)
      bytes[bit >>> 3] = 0x80 >>> (bit & 7)
      seen.add(PairingCode.format(PairingCode.make(bytes)))
    }
    assert.strictEqual(seen.size, 76)
  })

  it("keeps its halves apart: the mailbox says nothing of the secret", () => {
    const a = PairingCode.make(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    const b = PairingCode.make(Uint8Array.of(1, 2, 3, 4, 5, 60, 70, 80, 90, 100))
    assert.deepStrictEqual(a.mailbox, b.mailbox)
    assert.deepStrictEqual(a.secret, Uint8Array.of(6, 7, 8, 9, 10))
    assert.strictEqual(PairingCode.format(a).slice(0, 8), PairingCode.format(b).slice(0, 8))
  })

  it("is read however it is typed", () => {
    const code = PairingCode.make(Uint8Array.of(0, 0, 0x84, 0x21, 1, 0, 0, 0x84, 0x21, 0))
    const text = PairingCode.format(code)
    assert.match(text, /0.*1|1.*0/)
    const typed = [
      text.toLowerCase(),
      text.replaceAll("-", ""),
      text.replaceAll("-", " "),
      `  ${text}  `,
      text.replaceAll("0", "O"),
      text.replaceAll("0", "o"),
      text.replaceAll("1", "I"),
      text.replaceAll("1", "l"),
      Array.from(text).join(" ")
    ]
    for (const form of typed) assert.deepStrictEqual(PairingCode.parse(form), Result.succeed(code))
  })

  it.each(withoutHyphens)("%s: each changed symbol is caught", (code) => {
    for (let at = 0; at < 16; at++) {
      for (const symbol of SYMBOLS) {
        if (symbol !== code[at]) assert.strictEqual(reasonOf(code.slice(0, at) + symbol + code.slice(at + 1)), "check")
      }
    }
  })

  it.each(withoutHyphens)("%s: each swap of two symbols is caught", (code) => {
    for (let i = 0; i < 16; i++) {
      for (let j = i + 1; j < 16; j++) {
        const symbols = Array.from(code)
        const [a = "", b = ""] = [symbols[i], symbols[j]]
        symbols[i] = b
        symbols[j] = a
        assert.strictEqual(reasonOf(symbols.join("")), a === b ? "accepted" : "check")
      }
    }
  })

  it.each(withoutHyphens)("%s: each pair of equal symbols changed alike is caught", (code) => {
    const places = Array.from(code, (_, i) => i)
    const pairs = places.flatMap((i) => places.filter((j) => i < j && code[i] === code[j]).map((j) => [i, j] as const))
    for (const [i, j] of pairs) {
      for (const symbol of SYMBOLS.replace(code[i] ?? "", "")) {
        const changed = code.slice(0, i) + symbol + code.slice(i + 1, j) + symbol + code.slice(j + 1)
        assert.strictEqual(reasonOf(changed), "check")
      }
    }
  })

  it("lets one of 32 random texts pass, as one check symbol must", () => {
    let passed = 0
    for (const symbol of SYMBOLS) if (reasonOf(`ABCDEFGHJKMNPQR${symbol}`) === "accepted") passed++
    assert.strictEqual(passed, 1)
  })

  it("says what is wrong and that it costs no guess", () => {
    assert.strictEqual(reasonOf(""), "length")
    assert.strictEqual(reasonOf("0000-0000-0000-000"), "length")
    assert.strictEqual(reasonOf("0".repeat(17)), "length")
    assert.strictEqual(reasonOf(" ".repeat(65)), "length")
    assert.strictEqual(reasonOf("U000-0000-0000-0000"), "symbol")
    assert.strictEqual(reasonOf("0000-0000-0000-000é"), "symbol")
    const result = PairingCode.parse("0000-0000-0000-0001")
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) assert.include(result.failure.message, "costs no guess")
  })

  it("takes any text as it comes", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      const result = PairingCode.parse(text)
      if (Result.isSuccess(result)) assert.strictEqual(reasonOf(PairingCode.format(result.success)), "accepted")
    }))
  })

  it("is made from ten bytes", () => assert.throws(() => PairingCode.make(new Uint8Array(9)), RangeError))
})
