/** Each limit that a wire type holds: the value at the limit passes, one more is a bug to write. */
import { assert, describe, it } from "@effect/vitest"
import { callRequestCodec } from "@sotto/schema/Call"
import * as Codec from "@sotto/schema/Codec"
import { CertificateBody } from "@sotto/schema/Device"
import { Action, Op, UnsignedEntry } from "@sotto/schema/Entry"
import { ClientFrame, RelayFrame } from "@sotto/schema/Frame"
import { Limit } from "@sotto/schema/Limit"
import { MailboxMessage, RelayAddress, WelcomeBody } from "@sotto/schema/Pairing"
import { MemberAction } from "@sotto/schema/Space"
import type * as Schema from "effect/Schema"
import * as Fixture from "./kit/fixtures.ts"

const bytes = (length: number) => new Uint8Array(length)
const ids = (count: number, sizeBytes = 32) => Array.from({ length: count }, () => bytes(sizeBytes))
const text = (length: number) => "x".repeat(length)

const op = { collection: "", key: "", parents: [], action: { _tag: "Delete" } }
const rekey = { _tag: "Rekey", removed: [], cutoffs: [], epoch: 2, commit: bytes(32), wrapping: bytes(1216), wraps: [] }
const cutoff = { device: bytes(32), lane: bytes(8), seq: 0, hash: bytes(32) }
const push = { _tag: "Push", handle: 1, request: 1 }
const page = { _tag: "Page", handle: 1, request: 1, more: false, head: Fixture.head }
const publish = { _tag: "Publish", handle: 1 }
const pull = { _tag: "Pull", handle: 1, request: 1, after: 0 }

type Case = readonly [keyof typeof Limit, string, Schema.Codec<unknown, unknown>, (size: number) => unknown]

const cases: ReadonlyArray<Case> = [
  ["inlineValueBytesMax", "Put", Action, (n) => ({ _tag: "Put", value: bytes(n) })],
  ["collectionBytesMax", "Op", Op, (n) => ({ ...op, collection: text(n) })],
  ["keyBytesMax", "Op", Op, (n) => ({ ...op, key: text(n) })],
  ["parentsMax", "Op", Op, (n) => ({ ...op, parents: ids(n) })],
  [
    "opsMax",
    "UnsignedEntry",
    UnsignedEntry,
    (n) => ({ ...Fixture.unsignedEntries.smallest, ops: Array.from({ length: n }, () => op) })
  ],
  ["labelBytesMax", "CertificateBody", CertificateBody, (n) => ({ ...Fixture.certificateBody, label: text(n) })],
  ["labelBytesMax", "Relabel", MemberAction, (n) => ({ _tag: "Relabel", device: bytes(32), label: text(n) })],
  ["membersMax", "Rekey.removed", MemberAction, (n) => ({ ...rekey, removed: ids(n) })],
  [
    "membersMax",
    "Rekey.cutoffs",
    MemberAction,
    (n) => ({ ...rekey, cutoffs: Array.from({ length: n }, () => cutoff) })
  ],
  [
    "membersMax",
    "WelcomeBody.log",
    WelcomeBody,
    (n) => ({ ...Fixture.welcomeBody, log: Array.from({ length: n }, () => Fixture.memberOps.relabel) })
  ],
  ["pushEnvelopesMax", "Push", ClientFrame, (n) => ({ ...push, envelopes: ids(n, 0) })],
  ["pageEnvelopesMax", "Pull", ClientFrame, (n) => ({ ...pull, limit: n })],
  [
    "pageEnvelopesMax",
    "Page",
    RelayFrame,
    (n) => ({ ...page, placed: ids(n, 0).map((envelope) => ({ position: 1, envelope })) })
  ],
  ["messageBytesMax", "Push", ClientFrame, (n) => ({ ...push, envelopes: [bytes(n)] })],
  ["presenceBytesMax", "Publish", ClientFrame, (n) => ({ ...publish, envelope: bytes(n) })],
  ["presenceBytesMax", "Presence", RelayFrame, (n) => ({ _tag: "Presence", handle: 1, envelope: bytes(n) })],
  ["mailboxBytesMax", "Sealed", MailboxMessage, (n) => ({ _tag: "Sealed", message: bytes(n) })],
  ["relayUrlBytesMax", "RelayAddress", RelayAddress, (n) => ({ ...Fixture.relayAddress, url: text(n) })]
]

describe("limits of wire types", () => {
  it.each(cases)("%s: %s", (name, at, schema, make) => {
    const codec = Codec.make(schema, at)
    const most = codec.encode(make(Limit[name]))
    assert.deepStrictEqual(codec.encode(make(Limit[name])), most)
    assert.strictEqual(codec.decode(most)._tag, "Success")
    assert.throws(() => codec.encode(make(Limit[name] + 1)), RangeError, at)
  })

  it("a control message with the largest payload is a control message", () => {
    const call = (size: number) =>
      callRequestCodec.encode({ _tag: "Call", id: 0xffff_ffff, method: text(32), payload: bytes(size) })
    const most = Limit.controlBytesMax - 64
    assert.isAtMost(1 + call(most).length, Limit.controlBytesMax)
    assert.throws(() => call(most + 1), RangeError)
  })
})
