/** Values for the frozen vectors: every member of every union, edges of the ranges, nothing random. */
import { Epoch, Lane } from "@sotto/schema/Id"

/** Bytes that differ from place to place and from seed to seed, so that a swapped or shifted field shows. */
export const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seed * 29 + i * 7 + (i >>> 5)) & 0xff)

const MILLIS = 1_767_225_600_000 // 2026-01-01T00:00:00Z

export const certificateBody = {
  suite: 1,
  signing: pattern(32, 1),
  wrapping: pattern(1216, 2),
  noise: { x25519: pattern(32, 3), mlKem: pattern(1184, 4) },
  label: "Ada’s laptop 💻",
  createdMillis: MILLIS
}
export const certificate = { body: certificateBody, signature: pattern(64, 5) }

export const genesisBody = {
  suite: 1,
  creator: certificate,
  recovery: pattern(32, 6),
  policy: { lanes: 0, history: 1 },
  random: pattern(32, 7)
}
export const genesis = { body: genesisBody, signature: pattern(64, 8) }

const memberOpBody = (action: object, parents: ReadonlyArray<Uint8Array>) => ({
  author: pattern(32, 10),
  parents,
  epoch: 1,
  createdMillis: MILLIS + 1,
  action
})
const memberOp = (action: object, parents: ReadonlyArray<Uint8Array> = [pattern(32, 11)]) => ({
  body: memberOpBody(action, parents),
  signature: pattern(64, 12)
})
export const memberOps = {
  "add a member": memberOp({ _tag: "AddMember", certificate, role: 2 }, []),
  "set a role": memberOp({ _tag: "SetRole", device: pattern(32, 13), role: 3 }),
  "rekey": memberOp({
    _tag: "Rekey",
    removed: [pattern(32, 13)],
    cutoffs: [{ device: pattern(32, 13), lane: pattern(8, 14), seq: 128, hash: pattern(32, 15) }],
    epoch: 2,
    commit: pattern(32, 16),
    wrapping: pattern(1216, 17),
    wraps: [{ tag: pattern(16, 18), ciphertext: pattern(1120, 19), sealed: pattern(48, 20) }]
  }, [pattern(32, 11), pattern(32, 21)]),
  "relabel": memberOp({ _tag: "Relabel", device: pattern(32, 13), label: "" })
}
export const memberOpBodies = Object.fromEntries(Object.entries(memberOps).map(([name, { body }]) => [name, body]))

export const headBody = {
  relay: pattern(32, 30),
  route: pattern(32, 31),
  position: 70_000,
  chain: pattern(32, 32),
  lowest: 65_536,
  millis: MILLIS + 2
}
export const head = { body: headBody, signature: pattern(64, 33) }
export const emptyHead = {
  body: { ...headBody, position: 0, chain: new Uint8Array(32), lowest: 1 },
  signature: pattern(64, 34)
}

export const contentRef = {
  address: pattern(32, 40),
  sizeBytes: Number.MAX_SAFE_INTEGER,
  salt: pattern(24, 41),
  commitment: pattern(32, 42),
  epoch: 0xffff_ffff,
  mediaType: "image/jpeg",
  preview: null
}

const put = (key: string, value: Uint8Array) => ({
  collection: "notes",
  key,
  parents: [],
  action: { _tag: "Put", value }
})
export const unsignedEntries = {
  "smallest": {
    device: pattern(32, 50),
    seq: 1,
    prev: new Uint8Array(32),
    hlc: { millis: 0, counter: 0 },
    lastHead: null,
    ops: []
  },
  "one of each operation": {
    device: pattern(32, 50),
    seq: 256,
    prev: pattern(32, 51),
    hlc: { millis: 0xffff_ffff_ffff, counter: 0xffff },
    lastHead: head,
    ops: [
      put("", new Uint8Array(0)),
      { ...put("größe", pattern(300, 52)), parents: [pattern(32, 53), pattern(32, 54)] },
      { collection: "photos", key: "1", parents: [], action: { _tag: "PutContent", content: contentRef } },
      { collection: "photos", key: "2", parents: [pattern(32, 55)], action: { _tag: "Delete" } },
      {
        collection: "",
        key: "",
        parents: [],
        action: { _tag: "Control", op: memberOps["set a role"] }
      }
    ]
  },
  "sixteen operations": {
    device: pattern(32, 50),
    seq: 2,
    prev: pattern(32, 56),
    hlc: { millis: MILLIS, counter: 1 },
    lastHead: emptyHead,
    ops: Array.from({ length: 16 }, (_, i) => put(`item-${i}`, pattern(i, 57)))
  }
}
export const entries = Object.fromEntries(
  Object.entries(unsignedEntries).flatMap(([name, unsigned]) => [
    [`${name}, unsigned`, { ...unsigned, signature: null }],
    [`${name}, signed`, { ...unsigned, signature: pattern(64, 58) }]
  ])
)

const envelopeBytes = pattern(344, 60)
export const clientFrames = {
  "push": { _tag: "Push", handle: 1, request: 7, envelopes: [envelopeBytes, pattern(345, 61)] },
  "subscribe to all": {
    _tag: "Subscribe",
    handle: 1,
    request: 8,
    after: 0,
    lanes: [],
    creditBytes: 2_097_152
  },
  "subscribe to two lanes": {
    _tag: "Subscribe",
    handle: 65_535,
    request: 0xffff_ffff,
    after: Number.MAX_SAFE_INTEGER,
    lanes: [pattern(8, 63), new Uint8Array(8)],
    creditBytes: 1
  },
  "unsubscribe": { _tag: "Unsubscribe", handle: 1 },
  "credit": { _tag: "Credit", handle: 1, bytes: 65_536 },
  "publish": { _tag: "Publish", handle: 1, envelope: envelopeBytes },
  "ping": { _tag: "Ping", request: 9 },
  "pull": { _tag: "Pull", handle: 1, request: 10, after: 255, limit: 1000 },
  "begin to reconcile all": {
    _tag: "Reconcile",
    handle: 1,
    request: 11,
    begin: { key: pattern(16, 64), keyEpoch: 1, lanes: [] },
    message: pattern(187, 65)
  },
  "begin to reconcile two lanes": {
    _tag: "Reconcile",
    handle: 65_535,
    request: 0xffff_ffff,
    begin: { key: pattern(16, 66), keyEpoch: 0xffff_ffff, lanes: [pattern(8, 63), new Uint8Array(8)] },
    message: pattern(13, 67)
  },
  "go on reconciling": { _tag: "Reconcile", handle: 1, request: 12, begin: null, message: pattern(20, 68) }
}
const placed = [{ position: 70_000, envelope: envelopeBytes }]
export const relayFrames = {
  "pushed": { _tag: "Pushed", handle: 1, request: 7, positions: [69_999, 70_000], head },
  "deliver with head": { _tag: "Deliver", handle: 1, placed, head },
  "deliver without head": { _tag: "Deliver", handle: 1, placed, head: null },
  "page": { _tag: "Page", handle: 1, request: 10, placed: [], more: false, head: emptyHead },
  "page, more": { _tag: "Page", handle: 1, request: 10, placed, more: true, head },
  "presence": { _tag: "Presence", handle: 1, envelope: envelopeBytes },
  "pong": { _tag: "Pong", request: 9 },
  "refused": {
    _tag: "Refused",
    handle: 1,
    request: 7,
    refusal: { number: 2002, detail: "", a: 104_857_601, b: 104_857_600 }
  },
  "go away": { _tag: "GoAway", retryAfterMillis: 5000 },
  "epoch changed": { _tag: "EpochChanged", handle: 1, epoch: 2 },
  "reconciled": { _tag: "Reconciled", handle: 1, request: 11, message: pattern(17, 69), head }
}
export const peerFrames = {
  "begin to compare": { _tag: "Reconcile", request: 1, keyEpoch: 2, message: pattern(40, 64) },
  "go on comparing": { _tag: "Reconcile", request: 0xffff_ffff, keyEpoch: null, message: pattern(300, 65) },
  "answer": { _tag: "Reconciled", request: 1, message: pattern(41, 66) },
  "envelopes": { _tag: "Envelopes", request: 2, envelopes: [envelopeBytes, pattern(345, 61)], more: true },
  "no more envelopes": { _tag: "Envelopes", request: 2, envelopes: [], more: false },
  "offer": { _tag: "Offer", request: 3, envelopes: [envelopeBytes] },
  "taken": { _tag: "Taken", request: 3 },
  "ping": { _tag: "Ping", request: 4 },
  "pong": { _tag: "Pong", request: 4 },
  "refused": { _tag: "Refused", request: 0, refusal: { number: 1002, detail: "not a member", a: 0, b: 0 } }
}

export const mailboxMessages = {
  "offer": { _tag: "Offer", version: 1, nonce: pattern(16, 70), expiresMillis: MILLIS + 600_000 },
  "cpace a": { _tag: "CpaceA", nonce: pattern(16, 71), element: pattern(32, 72) },
  "cpace b": { _tag: "CpaceB", element: pattern(32, 73) },
  "confirm a": { _tag: "ConfirmA", tag: pattern(64, 74) },
  "confirm b": { _tag: "ConfirmB", tag: pattern(64, 75) },
  "noise a": { _tag: "NoiseA", message: pattern(1232, 76) },
  "noise b": { _tag: "NoiseB", message: pattern(1136, 77) },
  "sealed": { _tag: "Sealed", message: pattern(100, 78) },
  "abort": { _tag: "Abort", reason: "declined" }
}

export const relayAddress = { url: "wss://relay.example/", key: pattern(32, 80) }
export const welcomeBody = {
  genesis,
  log: [memberOps["set a role"]],
  spaceRoot: pattern(32, 81),
  epochs: [{ epoch: 1, key: pattern(32, 82) }, { epoch: 2, key: pattern(32, 83) }],
  admin: null,
  relays: [relayAddress],
  logHead: pattern(32, 84)
}
export const pairingMessages = {
  "join": { _tag: "Join", certificate, signature: pattern(64, 85) },
  "welcome": { _tag: "Welcome", device: pattern(32, 10), body: welcomeBody, signature: pattern(64, 86) },
  "welcome to an administrator": {
    _tag: "Welcome",
    device: pattern(32, 10),
    body: { ...welcomeBody, log: [], admin: pattern(32, 87), relays: [] },
    signature: pattern(64, 88)
  },
  "joined": { _tag: "Joined", signature: pattern(64, 89) },
  "declined": { _tag: "Declined", reason: "not now" }
}

export const envelopes = {
  "data": { suite: 1, kind: 1, epoch: Epoch.make(1), lane: Lane.make(pattern(8, 90)), sealedBytes: 272 },
  "control, lane hidden": {
    suite: 1,
    kind: 2,
    epoch: Epoch.make(256),
    lane: Lane.make(new Uint8Array(8)),
    sealedBytes: 288
  },
  "presence": { suite: 1, kind: 3, epoch: Epoch.make(65_536), lane: Lane.make(pattern(8, 91)), sealedBytes: 272 },
  "vault manifest, suite 2": {
    suite: 2,
    kind: 4,
    epoch: Epoch.make(0xffff_ffff),
    lane: Lane.make(pattern(8, 92)),
    sealedBytes: 272
  }
} as const

const opened = {
  epoch: 2,
  keys: { write: pattern(32, 120), read: pattern(32, 121), admin: pattern(32, 122), recovery: pattern(32, 123) },
  retention: { _tag: "Transit", ttl: { _tag: "Default" } },
  quotaBytes: 104_857_600
}
export const standbyRequests = {
  "prove": { _tag: "Prove", request: 1, signature: pattern(64, 124) },
  "first routes": { _tag: "Routes", request: 2, after: null },
  "more routes": { _tag: "Routes", request: 3, after: pattern(32, 125) },
  "measure": {
    _tag: "Measure",
    request: 4,
    route: pattern(32, 125),
    ranges: [{ from: 1, to: 4096 }, { from: 4097, to: 4097 }]
  },
  "rows": { _tag: "Rows", request: 5, route: pattern(32, 125), from: 70_000, have: pattern(32, 126) },
  "changes": { _tag: "Changes", request: 0xffff_ffff }
}
export const standbyAnswers = {
  "proved": { _tag: "Proved", request: 1 },
  "no more routes": { _tag: "RoutePage", request: 2, routes: [] },
  "routes": { _tag: "RoutePage", request: 3, routes: [{ route: pattern(32, 125), position: 70_000 }] },
  "measured": {
    _tag: "Measured",
    request: 4,
    sums: [{ kept: 4000, expiring: 2, expiryHigh: 3_370_000, expiryLow: 77, gone: 96 }]
  },
  "rows, more": {
    _tag: "RowPage",
    request: 5,
    ...opened,
    position: 70_003,
    through: 70_002,
    rows: [
      {
        _tag: "Kept",
        position: 70_000,
        id: pattern(32, 127),
        lane: pattern(8, 128),
        appendedMillis: MILLIS,
        expiresMillis: null,
        envelope: envelopeBytes
      },
      { _tag: "Known", position: 70_001, id: pattern(32, 129), expiresMillis: MILLIS + 1 },
      { _tag: "Gone", position: 70_002, id: pattern(32, 130), appendedMillis: MILLIS }
    ],
    record: null
  },
  "the end of a log": {
    _tag: "RowPage",
    request: 6,
    ...opened,
    position: 70_003,
    through: 70_003,
    rows: [],
    record: {
      ...opened,
      opHash: pattern(32, 131),
      past: [{ epoch: 1, read: pattern(32, 132), position: 128, chain: pattern(32, 133), millis: MILLIS }],
      position: 70_003,
      chain: pattern(32, 134),
      lowest: 69_000,
      tags: [{ tag: pattern(16, 135), mark: 70_000, seenMillis: MILLIS + 2 }]
    }
  },
  "changed": {
    _tag: "Changed",
    request: 7,
    changes: [{ route: pattern(32, 125), position: 70_004, rows: true }],
    lost: false
  },
  "too much changed": { _tag: "Changed", request: 8, changes: [], lost: true },
  "refused": { _tag: "Refused", request: 1, refusal: { number: 1002, detail: "not its key", a: 0, b: 0 } }
}
