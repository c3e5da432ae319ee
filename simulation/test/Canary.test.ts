/** What leaks is found in every form that it may leak in, and nothing else is. */
import * as fc from "fast-check"
import { Buffer } from "node:buffer"
import { assert, describe, it } from "vitest"
import * as Canary from "../src/Canary.ts"
import * as Seed from "../src/Seed.ts"

const scanner = Canary.scanner(["top-secret-token"])

const forms: { readonly [form: string]: (text: string) => string | Uint8Array } = {
  raw: (text) => text,
  hex: (text) => Buffer.from(text).toString("hex"),
  "upper hex": (text) => Buffer.from(text).toString("hex").toUpperCase(),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
  "UTF-16LE": (text) => Buffer.from(text, "utf16le"),
  "UTF-16BE": (text) => Buffer.from(text, "utf16le").swap16()
}

describe("canaries", () => {
  it("are sixteen characters, and differ", () => {
    const canaries = Array.from({ length: 1_000 }, (_, k) => Canary.draw(Seed.draws(1n, "canary", k)))
    assert.strictEqual(new Set(canaries).size, 1_000)
    assert.isTrue(canaries.every((canary) => /^kanari[0-9a-hjkmnp-tv-z]{10}$/.test(canary)))
  })

  it("are found in every form, whatever is around them, at any place", () => {
    const ascii = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
      maxLength: 40
    })
    const secret = fc.oneof(
      fc.bigInt({ min: 0n, max: 1_000n }).map((seed) => Canary.draw(Seed.draws(seed, "canary"))),
      fc.constant("top-secret-token")
    )
    const rest = fc.tuple(ascii, ascii, fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(forms)), secret, rest, (form, text, [left, right, before, after]) => {
        const formed = forms[form]?.(`${left}${text}${right}`) ?? ""
        const bytes = Buffer.concat([before, Buffer.from(formed), after])
        assert.isDefined(scanner.bytes(bytes), form)
        if (typeof formed === "string") assert.isDefined(scanner.text(formed), form)
      }),
      { numRuns: 2_000 }
    )
  })

  it("are not found where there are none", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.string({ maxLength: 200 }), (bytes, text) => {
      assert.isUndefined(scanner.bytes(bytes))
      assert.isUndefined(scanner.text(text))
    }))
    for (const near of ["kanar", "kanar1", "Kanari", "k a n a r i", "top-secret-toke", "anarikanar"]) {
      assert.isUndefined(scanner.text(near))
    }
  })

  it("say which secret it was, and in which form", () => {
    assert.deepStrictEqual(pick(scanner.text("…top-secret-token…")), ["top-secret-token", "raw"])
    assert.deepStrictEqual(pick(scanner.text(Buffer.from("xkanari").toString("hex"))), ["kanari", "hex"])
    assert.deepStrictEqual(pick(scanner.text("kkkanari")), ["kanari", "raw"])
  })
})

const pick = (found: Canary.Found | undefined) => [found?.secret, found?.form]
