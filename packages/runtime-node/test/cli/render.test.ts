import type { Event } from "@sotto/runtime-node/cli/Event"
import { rowsOf } from "@sotto/runtime-node/cli/QrCode"
import { toJson, toText } from "@sotto/runtime-node/cli/render"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"

const plain = { color: false, qr: undefined }

const entry = (fields: Partial<Extract<Event, { type: "entry" }>>): Event => ({
  type: "entry",
  position: 7,
  index: 0,
  id: "env_x",
  hash: "ent_x",
  device: "dev_041061050r3gg28a1c60t3gf208h44rm2mb1e60s38d1rfg78y9w",
  seq: 1,
  time: "2026-11-21T10:12:00.000Z",
  collection: "notes",
  key: "k",
  action: "put",
  value: "hello",
  ...fields
})

const version = {
  id: "ent_x",
  device: "dev_041061050r3gg28a1c60t3gf208h44rm2mb1e60s38d1rfg78y9w",
  time: "2026-11-21T10:12:00.000Z",
  action: "put",
  value: "hello"
} as const

const item = { ...version, type: "item", collection: "notes", key: "k", conflict: true } as const

const code: Event = {
  type: "code",
  code: "0123-4567-89AB-CDEF",
  url: `sotto://pair?r=ws://127.0.0.1:4400/&k=rly_${"a".repeat(56)}&m=mbx_${"b".repeat(31)}&e=1790000000000#sec_${
    "c".repeat(56)
  }`,
  relay: `ws://127.0.0.1:4400/#rly_${"a".repeat(56)}`,
  expires: "2026-11-21T10:12:00.000Z"
}

const relayEvent = {
  type: "relay",
  relay: `wss://relay.example/#rly_${"a".repeat(56)}`,
  phase: "live",
  pending: 0,
  received: 7,
  head: 7,
  retry: null,
  failure: null,
  misbehaved: null,
  gapped: false
} as const

describe("text", () => {
  it("says of a relay what it lacks, what is in the way, and what to do when it was caught", () => {
    assert.strictEqual(
      toText(relayEvent, plain),
      "wss://relay.example/  rly_aaaaaaaa  live  has everything of this device; received 7 of 7"
    )
    const caught = toText({
      ...relayEvent,
      phase: "stopped",
      pending: 2,
      failure: { tag: "RelayMisbehaved", message: "It went back.\u001b[2J", retrying: false },
      misbehaved: "regress",
      gapped: true
    }, plain)
    assert.deepStrictEqual(caught.split("\n"), [
      "wss://relay.example/  rly_aaaaaaaa  stopped  lacks 2 entries; received 7 of 7",
      "    It went back.\\u{1b}[2J",
      "    caught: regress; `sotto relays trust rly_aaaaaaaa` goes on with it",
      "    not all of its log came from it: entries expired, were pruned, or are withheld"
    ])
    const { relay } = relayEvent
    assert.include(toText({ type: "added", relay, pending: 1, complete: false }, plain), "1 entry to be sent")
    assert.include(toText({ type: "added", relay, pending: 0, complete: true }, plain), "has everything")
    assert.include(toText({ type: "removed", relay, left: 1 }, plain), "1 relay left")
  })

  it("says what a relay is there for", () => {
    const event = { type: "listening", address: "ws://a/#rly_a", data: "/d", metrics: null, url: "ws://a/" } as const
    assert.include(toText({ ...event, replicates: null }, plain), "Give your devices this address:\n  ws://a/#rly_a")
    const standby = toText({ ...event, replicates: "ws://b/" }, plain)
    assert.include(standby, "standby of the relay at ws://b/")
    assert.include(standby, "http://a/health")
    assert.notInclude(standby, "rly_a")
  })

  it("says what verify looked at, and what is wrong", () => {
    const verified = {
      type: "verified",
      sound: true,
      problems: 0,
      entries: 1,
      chains: 2,
      signatures: 3,
      relays: 1,
      positions: 4,
      unsent: 0,
      waiting: 0,
      refused: 0,
      gaps: 0
    } as const
    assert.strictEqual(
      toText(verified, plain),
      "✓ All agrees.\n  Looked at 1 entry, 2 chains, 3 signatures, 4 positions of 1 relay."
    )
    assert.strictEqual(
      toText({ ...verified, sound: false, problems: 1, unsent: 2, refused: 1, gaps: 1 }, plain),
      "✗ 1 problem.\n  Looked at 1 entry, 2 chains, 3 signatures, 4 positions of 1 relay; 2 to be sent, 1 set aside, " +
        "1 gap that relays had left."
    )
    const problem = { type: "problem", kind: "row", where: "entry 1", detail: "\u001b[2J", next: "copy it" } as const
    assert.strictEqual(toText(problem, plain), "✗ row        entry 1: \\u{1b}[2J")
  })

  it("obeys no control character of what other devices wrote", () => {
    // Escape, bell, C1's CSI, and a change of the direction of writing.
    const nasty = "\u001b[2J\u0007\u009b31m\u202egnp.exe"
    const texts = [
      toText(entry({ value: nasty, collection: nasty, key: nasty }), plain),
      toText({ type: "request", device: "dev_x", label: nasty, emoji: [] }, plain),
      toText({
        type: "device",
        device: "dev_x",
        label: nasty,
        role: "admin",
        created: "2026-11-21T10:12:00.000Z",
        own: false,
        removed: false
      }, plain),
      toText({ ...item, collection: nasty, key: nasty, value: nasty }, plain),
      toText({ ...item, type: "value", value: nasty }, plain),
      toText({ ...item, ...version, type: "version", value: nasty, head: false, parents: [] }, plain),
      toText(
        {
          type: "conflict",
          collection: nasty,
          key: nasty,
          reason: "asked",
          versions: [{ ...version, value: nasty }, { ...version, action: "delete", value: null }]
        },
        plain
      )
    ]
    for (const text of texts) assert.notMatch(text, /(?!\n)[\p{Cc}\u202e]/u)
    assert.include(texts[0] ?? "", "\\u{1b}[2J")
  })

  it("tells of an item in conflict, of versions that were superseded, and shows a value alone", () => {
    assert.strictEqual(toText(item, plain), "notes/k  hello  (in conflict: `sotto conflicts`)")
    assert.strictEqual(toText({ ...item, type: "value" }, plain), "hello")
    const past = { ...item, ...version, type: "version", parents: [] } as const
    assert.include(toText({ ...past, head: false }, plain), "hello  (superseded)")
    assert.notInclude(toText({ ...past, head: true }, plain), "superseded")
    const { length } = toText({
      type: "conflict",
      collection: "notes",
      key: "k",
      reason: "asked",
      versions: [version, { ...version, action: "delete", value: null }]
    }, plain).split("\n")
    assert.strictEqual(length, 3)
  })

  it("keeps lines and letters of a value", () => {
    assert.include(toText(entry({ value: "één\n\tтри 三" }), plain), "één\n\tтри 三")
  })

  it("has no colours unless asked", () => {
    assert.notInclude(toText(code, plain), "\u001b")
    assert.include(toText(code, { color: true, qr: undefined }), "\u001b[1m")
  })

  it("draws a code that fits a terminal of 80 columns", () => {
    const rows = toText(code, { color: false, qr: rowsOf }).split("\n").filter((row) => /[█▀▄]/.test(row))
    assert.isAbove(rows.length, 20)
    assert.isAtMost(Math.max(...rows.map((row) => row.length)), 80)
  })

  it("says where a bare code is good", () => {
    const text = toText(code, plain)
    assert.include(text, "sotto join 0123-4567-89AB-CDEF --relay 'ws://127.0.0.1:4400/#rly_")
  })

  it("tells what is safe and what is not", () => {
    const status: Extract<Event, { type: "status" }> = {
      type: "status",
      state: "offline",
      device: "dev_x",
      label: "Laptop",
      space: "spc_x",
      pending: 2,
      quarantined: 0,
      relays: [{
        relay: "ws://127.0.0.1:1/#rly_x",
        phase: "waiting",
        pending: 2,
        received: 5,
        head: 5,
        retry: null,
        failure: { tag: "RelayUnreachable", message: "No answer.", retrying: true }
      }],
      failure: null
    }
    const text = toText(status, plain)
    assert.include(text, "2 changes saved on this device, not yet at a relay")
    assert.include(text, "No answer.")
    assert.include(toText({ ...status, state: "synced", pending: 0 }, plain), "stored at a relay")
  })
})

describe("json", () => {
  it("is one line for each event, whatever is in it", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => {
      const text = toJson(entry({ value, key: value }))
      assert.notInclude(text, "\n")
      assert.deepInclude(JSON.parse(text), { type: "entry", value, key: value })
    }))
  })
})
