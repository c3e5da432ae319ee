import { assert, describe, it } from "@effect/vitest"
import * as Id from "@sotto/schema/Id"
import * as Text from "@sotto/schema/Text"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"

/** Each kind, with its prefix, its size and the text of some bytes. */
const kinds = [
  { kind: "DeviceId", prefix: "dev", size: 32, text: (b: Uint8Array) => Text.toText("DeviceId", Id.DeviceId.make(b)) },
  { kind: "SpaceId", prefix: "spc", size: 32, text: (b: Uint8Array) => Text.toText("SpaceId", Id.SpaceId.make(b)) },
  { kind: "RouteId", prefix: "rte", size: 32, text: (b: Uint8Array) => Text.toText("RouteId", Id.RouteId.make(b)) },
  {
    kind: "EnvelopeId",
    prefix: "env",
    size: 32,
    text: (b: Uint8Array) => Text.toText("EnvelopeId", Id.EnvelopeId.make(b))
  },
  { kind: "RelayKey", prefix: "rly", size: 32, text: (b: Uint8Array) => Text.toText("RelayKey", Id.RelayKey.make(b)) },
  {
    kind: "MailboxId",
    prefix: "mbx",
    size: 16,
    text: (b: Uint8Array) => Text.toText("MailboxId", Id.MailboxId.make(b))
  },
  { kind: "Lane", prefix: "lan", size: 8, text: (b: Uint8Array) => Text.toText("Lane", Id.Lane.make(b)) },
  { kind: "AckTag", prefix: "ack", size: 16, text: (b: Uint8Array) => Text.toText("AckTag", Id.AckTag.make(b)) },
  {
    kind: "EntryHash",
    prefix: "ent",
    size: 32,
    text: (b: Uint8Array) => Text.toText("EntryHash", Id.EntryHash.make(b))
  }
] as const

const reasonOf = (kind: Text.Kind, text: string) => {
  const result = Text.fromText(kind, text)
  return Result.isFailure(result) ? result.failure.reason : "accepted"
}

it("crc24 is that of RFC 9580", () => {
  assert.deepStrictEqual(Text.crc24(new TextEncoder().encode("123456789")), Uint8Array.of(0x21, 0xcf, 0x02))
  assert.deepStrictEqual(Text.crc24(new Uint8Array(0)), Uint8Array.of(0xb7, 0x04, 0xce))
})

describe.each(kinds)("$kind", ({ kind, prefix, size, text }) => {
  const bytes = fc.uint8Array({ minLength: size, maxLength: size })

  it("comes back from its text, which begins with its prefix", () => {
    fc.assert(fc.property(bytes, (before) => {
      const form = text(before)
      assert.match(form, new RegExp(`^${prefix}_[${SYMBOLS}]{${Math.ceil(((size + 3) * 8) / 5)}}$`))
      assert.deepStrictEqual(Uint8Array.from(Result.getOrThrow(Text.fromText(kind, form))), before)
    }))
  })

  it("refuses each change of one symbol", () => {
    const form = text(Uint8Array.from({ length: size }, (_, i) => i * 37 + 11))
    for (let at = 0; at < form.length; at++) {
      for (const symbol of [...Array.from(SYMBOLS), "_", "-", " ", "i", "l", "o", "u", "A", "é"]) {
        if (symbol === form[at]) continue
        assert.notStrictEqual(reasonOf(kind, form.slice(0, at) + symbol + form.slice(at + 1)), "accepted")
      }
    }
  })

  it("refuses other lengths, cases, prefixes and what stands around", () => {
    const form = text(Uint8Array.from({ length: size }, (_, i) => 255 - i))
    for (const other of [form.slice(0, -1), `${form}0`, `${prefix}_`]) {
      assert.strictEqual(reasonOf(kind, other), "length")
    }
    for (const other of ["", form.toUpperCase(), ` ${form}`, form.replace("_", "-"), `xxx${form.slice(3)}`]) {
      assert.strictEqual(reasonOf(kind, other), "prefix")
    }
    assert.notStrictEqual(reasonOf(kind, `${form}\n`), "accepted")
    for (const other of kinds) {
      if (other.prefix !== prefix) assert.strictEqual(reasonOf(other.kind, form), "prefix")
    }
  })

  it("takes any text as it comes", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (random) => {
      assert.notStrictEqual(reasonOf(kind, random), "accepted")
      assert.notStrictEqual(reasonOf(kind, `${prefix}_${random}`), "accepted")
    }))
  })
})

it("refuses pad bits that are not zero", () => {
  const form = Text.toText("Lane", Id.Lane.make(new Uint8Array(8).fill(1)))
  const last = SYMBOLS.indexOf(form.slice(-1))
  assert.strictEqual(reasonOf("Lane", form.slice(0, -1) + (SYMBOLS[last + 1] ?? "")), "padding")
})

it("says what was expected and what to do, but not what it was given", () => {
  const result = Text.fromText("DeviceId", "dev_secretsecret")
  assert.isTrue(Result.isFailure(result))
  if (Result.isFailure(result)) {
    assert.include(result.failure.message, "DeviceId")
    assert.include(result.failure.message, "copy it again")
    assert.notInclude(JSON.stringify(result.failure) + result.failure.message, "secretsecret")
  }
})
