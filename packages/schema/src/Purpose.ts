/**
 * The one registry of derivation purposes (protocol.md §3). Every HKDF info, HMAC input, hash preimage and signature
 * input begins with `label(suite, purpose, …fields)`: `"sotto1" 00 suite purpose 00`, then each field with its length
 * in two bytes, big endian. Two different (purpose, fields) never give the same bytes.
 */
import type { Suite } from "./Suite.ts"

/** Every purpose there is; a test shows that none stands twice and none is a prefix of another with its terminator. */
export const Purpose = {
  deviceId: "device-id",
  relayKey: "relay-key",
  spaceId: "space-id",
  spaceRoot: "space-root",
  lane: "lane",
  routeId: "rid",
  epoch: "epoch",
  encrypt: "enc",
  nonce: "nonce",
  content: "content",
  tag: "tag",
  oldEpoch: "old",
  epochCommit: "epoch-commit",
  writeCapability: "wcap",
  readCapability: "rcap",
  admin: "admin",
  adminCapability: "acap",
  recovery: "recovery",
  recoverySpace: "recovery-space",
  recoveryRelay: "recovery-relay",
  envelope: "env",
  entry: "entry",
  ackTag: "ack-tag",
  chain: "chain",
  memberOp: "member-op",
  wrap: "wrap",
  wrapTag: "wrap-tag",
  signCertificate: "sign/cert",
  signGenesis: "sign/genesis",
  signMemberOp: "sign/member-op",
  signEntry: "sign/entry",
  signHead: "sign/head",
  signAttach: "sign/attach",
  signOpen: "sign/open",
  signEpoch: "sign/epoch",
  signStandby: "sign/standby",
  signJoin: "sign/join",
  signWelcome: "sign/welcome",
  signJoined: "sign/joined",
  relayPrologue: "relay",
  pairPrologue: "pair",
  peerPrologue: "peer",
  pairSid: "pair-sid",
  pairPsk: "pair-psk",
  pairEmoji: "pair-emoji",
  mailbox: "mailbox",
  vault: "vault",
  localStore: "local-store",
  shortId: "short-id",
  setRoot: "set-root",
  setProof: "set-proof",
  setMark: "set-mark"
} as const

export type Purpose = (typeof Purpose)[keyof typeof Purpose]

const PREFIX = [0x73, 0x6f, 0x74, 0x74, 0x6f, 0x31, 0x00] // "sotto1" 00

const headOf = (suite: Suite, purpose: Purpose): Uint8Array =>
  Uint8Array.of(...PREFIX, suite, ...Array.from(purpose, (letter) => letter.charCodeAt(0)), 0)

/** What every label begins with, made once: by suite, then purpose. */
const heads = new Map<Suite, Map<Purpose, Uint8Array>>()

const head = (suite: Suite, purpose: Purpose): Uint8Array => {
  const known = heads.get(suite)?.get(purpose)
  if (known !== undefined) return known
  const made = headOf(suite, purpose)
  const ofSuite = heads.get(suite) ?? new Map<Purpose, Uint8Array>()
  heads.set(suite, ofSuite.set(purpose, made))
  return made
}

/** Of the memory that labels share, and the longest that lies there. */
const SHARED_BYTES = 8192
const SHARED_MAX = 1024

let shared = new ArrayBuffer(SHARED_BYTES)
let sharedUsed = 0

/**
 * Fresh bytes of a label. Engines ask the system for memory for each array above some 64 bytes, which costs more than a
 * hash of it; labels are hashed and forgotten, three or more for each envelope, so many of them lie in one piece.
 */
const room = (length: number): Uint8Array => {
  if (length > SHARED_MAX) return new Uint8Array(length)
  if (sharedUsed + length > SHARED_BYTES) {
    shared = new ArrayBuffer(SHARED_BYTES)
    sharedUsed = 0
  }
  const bytes = new Uint8Array(shared, sharedUsed, length)
  sharedUsed += length
  return bytes
}

/**
 * `L(purpose)` followed by the length-prefixed fields. A field above 65,535 bytes is a bug: hash it first. What keeps a
 * label for long copies it: its memory may be shared with others.
 */
export const label = (suite: Suite, purpose: Purpose, ...fields: ReadonlyArray<Uint8Array>): Uint8Array => {
  const first = head(suite, purpose)
  let length = first.length
  for (const field of fields) {
    if (field.length > 0xffff) {
      throw new RangeError(`a field of ${purpose} has ${field.length} bytes, at most 65535 fit`)
    }
    length += 2 + field.length
  }
  const out = room(length)
  out.set(first)
  let at = first.length
  for (const field of fields) {
    out[at++] = field.length >>> 8
    out[at++] = field.length & 0xff
    out.set(field, at)
    at += field.length
  }
  return out
}
