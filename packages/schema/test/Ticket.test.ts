import { assert, describe, it } from "@effect/vitest"
import { RelayKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { PairingTicket } from "@sotto/schema/Pairing"
import * as Ticket from "@sotto/schema/Ticket"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const URLS = [
  "ws://relay.example/",
  "wss://relay.example/",
  "ws://127.0.0.1:8080/",
  "ws://[::1]:8080/",
  "wss://[2001:db8::7]/",
  "wss://a/",
  "wss://relay.example:65535/sotto/v1",
  "wss://relay.example/a-b_c~d.e/"
]
const NOT_URLS = [
  "",
  "relay.example",
  "http://relay.example/",
  "https://relay.example/",
  "WS://relay.example/",
  "ws://relay.example",
  "ws:///",
  "ws://Relay.example/",
  "ws://user@relay.example/",
  "ws://user:pass@relay.example/",
  "ws://relay.example/?a=b",
  "ws://relay.example/#a",
  "ws://relay.example/a b",
  "ws://relay.example/%2e%2e/",
  "ws://relay.example/../x",
  "ws://relay.example/.",
  "ws://relay.example:/",
  "ws://relay.example:0/",
  "ws://relay.example:080/",
  "ws://relay.example:65536/",
  "ws://relay.example:123456/",
  "ws://-relay.example/",
  "ws://relay.example-/",
  "ws://rélay.example/",
  "ws://[::1/",
  "ws://::1/",
  " ws://relay.example/",
  "ws://relay.example/\n",
  `ws://relay.example/${"a".repeat(512)}`
]
const key = RelayKey.make(new Uint8Array(32).fill(7))
const url = fc.constantFrom(...URLS)
const ticket = (relayUrl: string): PairingTicket => ({
  relay: { url: relayUrl, key },
  mailbox: PairingTicket.fields.mailbox.make(new Uint8Array(16).fill(2)),
  expiresMillis: 1_700_000_000_000,
  secret: new Uint8Array(32).fill(3)
})
const addressReason = (text: string) => {
  const result = Ticket.relayAddressFromText(text)
  return Result.isFailure(result) ? result.failure.reason : "accepted"
}
const ticketReason = (text: string) => {
  const result = Ticket.pairingTicketFromText(text)
  return Result.isFailure(result) ? result.failure.reason : "accepted"
}
const substitutes = Array.from("0aZ:/?#&=%@ _.[")

/** Every text that differs in one place must be refused or be the one text of what it gives. */
const neighbours = (text: string, check: (changed: string) => void) => {
  for (let at = 0; at < text.length; at++) {
    for (const symbol of substitutes) if (symbol !== text[at]) check(text.slice(0, at) + symbol + text.slice(at + 1))
    check(text.slice(0, at) + text.slice(at + 1))
    check(`${text.slice(0, at)}0${text.slice(at)}`)
  }
}

describe("relay address", () => {
  it.each(URLS)("%s comes back", (relayUrl) => {
    const text = Ticket.relayAddressToText({ url: relayUrl, key })
    assert.strictEqual(text.indexOf(relayUrl), 0)
    assert.deepStrictEqual(Ticket.relayAddressFromText(text), Result.succeed({ url: relayUrl, key }))
    assert.strictEqual(new URL(text).href, text)
  })

  it.each(NOT_URLS)("%j is no relay's", (relayUrl) => {
    assert.isFalse(Ticket.isRelayUrl(relayUrl))
    assert.throws(() => Ticket.relayAddressToText({ url: relayUrl, key }), RangeError)
    assert.notStrictEqual(addressReason(`${relayUrl}#rly_`), "accepted")
  })

  it("says what is wrong", () => {
    const text = Ticket.relayAddressToText({ url: "ws://a/", key })
    assert.strictEqual(addressReason("ws://a/"), "prefix")
    assert.strictEqual(addressReason("ws://a/#"), "prefix")
    assert.strictEqual(addressReason("http://a/#"), "url")
    assert.strictEqual(addressReason(text.slice(0, -1)), "length")
    assert.strictEqual(addressReason(text.replace(/.$/, (last) => last === "0" ? "1" : "0")), "checksum")
    assert.strictEqual(addressReason("ws://a/".padEnd(2000, "a")), "length")
  })

  it("has one text for each address", () => {
    neighbours(Ticket.relayAddressToText({ url: "wss://relay.example:8443/", key }), (changed) => {
      const result = Ticket.relayAddressFromText(changed)
      if (Result.isSuccess(result)) assert.strictEqual(Ticket.relayAddressToText(result.success), changed)
    })
  })
})

describe("pairing ticket", () => {
  it.prop("comes back from its text", [Arbitrary.schema(PairingTicket)], ([random]) => {
    for (const relayUrl of URLS) {
      const before = { ...random, relay: { ...random.relay, url: relayUrl } }
      const text = Ticket.pairingTicketToText(before)
      assert.deepStrictEqual(Ticket.pairingTicketFromText(text), Result.succeed(before))
      assert.strictEqual(new URL(text).searchParams.get("r"), relayUrl)
      assert.strictEqual(new URL(text).href, text)
    }
  })

  it("has one text for each ticket, and its secret is guarded", () => {
    const before = ticket("ws://[::1]:8080/")
    const text = Ticket.pairingTicketToText(before)
    const secretAt = text.indexOf("#")
    neighbours(text, (changed) => {
      const result = Ticket.pairingTicketFromText(changed)
      if (Result.isFailure(result)) return
      assert.strictEqual(Ticket.pairingTicketToText(result.success), changed)
      assert.strictEqual(changed.slice(changed.indexOf("#")), text.slice(secretAt))
      assert.deepStrictEqual(result.success.relay.key, key)
      assert.deepStrictEqual(result.success.mailbox, before.mailbox)
    })
  })

  it("says what is wrong, before it decodes anything long", () => {
    const text = Ticket.pairingTicketToText(ticket("ws://a/"))
    assert.strictEqual(ticketReason(text.padEnd(Limit.ticketBytesMax + 1, "0")), "length")
    assert.strictEqual(ticketReason(text.replace("sotto:", "http:")), "url")
    assert.strictEqual(ticketReason(text.replace("e=", "x=")), "url")
    assert.strictEqual(ticketReason(`${text}&z=1`), "url")
    assert.strictEqual(ticketReason(text.replace("e=1700000000000", "e=01700000000000")), "url")
    assert.strictEqual(ticketReason(text.replace("e=1700000000000", "e=9007199254740992")), "expiry")
    assert.strictEqual(ticketReason(text.replace("ws://a/", "ws%3A//a/")), "url")
    assert.strictEqual(ticketReason(text.replace("k=rly", "k=dev")), "prefix")
    assert.strictEqual(ticketReason(text.replace("#sec_", "#key_")), "prefix")
  })

  it("has the brackets of an address in one form", () => {
    const text = Ticket.pairingTicketToText(ticket("ws://[::1]:8080/"))
    for (const other of [text.replace("%5B", "["), text.replace("%5D", "]"), text.replace("%5B", "%5b")]) {
      assert.notStrictEqual(other, text)
      assert.strictEqual(ticketReason(other), "url")
    }
  })

  it("shows no part of the secret in its error", () => {
    const text = Ticket.pairingTicketToText(ticket("ws://a/"))
    const result = Ticket.pairingTicketFromText(text.slice(0, -1))
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.deepStrictEqual(Object.fromEntries(Object.entries(result.failure)), {
        _tag: "TextError",
        expected: "PairingTicket",
        reason: "length"
      })
    }
  })

  it("takes any text as it comes", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), url, (random, relayUrl) => {
      for (const text of [random, `sotto://pair?r=${random}`, `sotto://pair?r=${relayUrl}&k=${random}`]) {
        assert.notStrictEqual(ticketReason(text), "accepted")
        assert.notStrictEqual(addressReason(text), "accepted")
      }
    }))
  })
})
