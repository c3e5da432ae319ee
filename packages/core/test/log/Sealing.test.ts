import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { type Entry, entryCodec, type Op, unsignedEntryCodec } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import { EntryHash, Epoch, type Lane, Seq, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { label, Purpose } from "@sotto/schema/Purpose"
import * as fc from "fast-check"
import * as EntryBytes from "../../src/internal/entryBytes.ts"
import type { Reason } from "../../src/log/Quarantine.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import * as Secret from "../../src/Secret.ts"
import { LANE_ZERO, makeEpoch } from "../../src/space/Keys.ts"
import type { SpaceState } from "../../src/space/SpaceState.ts"
import { control, expectFailure, expectSuccess, invite, makeSpace, NOW, put } from "../kit/seededSpace.ts"

const space = makeSpace("sealing")
const { crypto, identity, state } = space
const other = makeSpace("another space")
const { keys } = state
const epoch = (() => {
  const found = state.epochs.get(1)
  if (found === undefined) throw new Error("no epoch")
  return found
})()

const entryOf = (ops: ReadonlyArray<Op>, more: Partial<Entry> = {}): Entry => ({
  device: identity.id,
  seq: Seq.make(1),
  prev: EntryHash.make(new Uint8Array(32)),
  hlc: { millis: NOW, counter: 0 },
  lastHead: null,
  ops,
  signature: null,
  ...more
})

const headerOf = (header: Partial<Envelope.Header> = {}) =>
  Envelope.encodeHeader({ suite: 1, kind: 1, epoch: Epoch.make(1), lane: keys.laneOf("notes"), ...header })

const random32 = new Uint8Array(32).fill(9)

const sealWith = (headerBytes: Uint8Array, plaintext: Uint8Array, from: SpaceState = state) => {
  const epochKeys = from.epochs.get(1)
  if (epochKeys === undefined) throw new Error("no epoch")
  return Sealing.seal(crypto, { keys: from.keys, epoch: epochKeys, headerBytes, plaintext, random32 }).bytes
}

const sealEntry = (entry: Entry, header: Partial<Envelope.Header> = {}) =>
  sealWith(headerOf(header), entryCodec.encode(entry))

/** Seals a plaintext as it is, without the padding that `seal` adds. */
const sealRaw = (headerBytes: Uint8Array, padded: Uint8Array) => {
  const nonce = new Uint8Array(24).fill(3)
  const info = label(1, Purpose.envelope, keys.spaceId, headerBytes, nonce)
  const both = crypto.hkdfExpand(Secret.reveal(epoch.encryptKey), info, 64)
  const commitment = both.slice(32)
  const sealed = crypto.aead.seal(
    both.slice(0, 32),
    nonce,
    label(1, Purpose.envelope, keys.spaceId, headerBytes, commitment),
    padded
  )
  return Envelope.assemble(headerBytes, nonce, commitment, sealed)
}

const reasonOf = (bytes: Uint8Array, at: SpaceState = state): Reason => {
  const error = expectFailure(Sealing.open(crypto, at, bytes))
  assert.strictEqual(error._tag, "Quarantined")
  return error.reason
}

const patched = (bytes: Uint8Array, at: number, value: number) => {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}

const note = entryOf([put("notes", "a", "hello")])
const sealed = sealEntry(note)

const arbitraryOps = fc.array(
  fc.record({
    key: fc.string({ maxLength: 20, unit: "binary" }).filter((text) => text.isWellFormed()),
    value: fc.uint8Array({ maxLength: 2000 }),
    parents: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 3 })
  }),
  { minLength: 1, maxLength: 30 }
).map((list) => {
  const seen = new Set<string>()
  return list.filter(({ key }) => key === "" || (!seen.has(key) && seen.add(key))).map(({ key, parents, value }) =>
    put("notes", key, value, parents.map((parent) => EntryHash.make(new Uint8Array(parent))))
  )
})

describe("sealing and opening", () => {
  it("gives back what was sealed, for any operations, signed or not", () => {
    fc.assert(
      fc.property(arbitraryOps, fc.boolean(), (ops, isSigned) => {
        const signature = isSigned ? Signature.make(new Uint8Array(64).fill(5)) : null
        const entry = entryOf(ops, { signature })
        const bytes = sealEntry(entry)
        const opened = expectSuccess(Sealing.open(crypto, state, bytes))
        assert.deepStrictEqual(opened.entry, entry)
        assert.deepStrictEqual(opened.id, crypto.blake3(bytes))
        assert.strictEqual(bytes.length, Sealing.envelopeBytesOf(entryCodec.encode(entry).length))
        const { device, hlc, lastHead, prev, seq } = entry
        const unsigned = unsignedEntryCodec.encode({ device, hlc, lastHead, ops, prev, seq })
        const expected = Sealing.entryHash(crypto, keys, headerOf(), unsigned)
        assert.deepStrictEqual(opened.hash, expected)
      }),
      { numRuns: 60 }
    )
  })

  it("hashes an entry without its signature, and does not change what it lends", () => {
    const signed = entryOf(note.ops, { signature: Signature.make(new Uint8Array(64).fill(1)) })
    const hash = expectSuccess(Sealing.open(crypto, state, sealed)).hash
    assert.deepStrictEqual(expectSuccess(Sealing.open(crypto, state, sealEntry(signed))).hash, hash)
    const otherHeader = sealEntry(entryOf([put("tasks", "a", "hello")]), { lane: keys.laneOf("tasks") })
    assert.notDeepEqual(expectSuccess(Sealing.open(crypto, state, otherHeader)).hash, hash)
    const encoded = entryCodec.encode(signed)
    const before = encoded.slice()
    EntryBytes.withUnsigned(encoded, signed, () => undefined)
    assert.deepStrictEqual(encoded, before)
  })

  it("takes an entry's bytes apart and together exactly as the codecs do", () => {
    fc.assert(fc.property(arbitraryOps, fc.integer({ min: 0, max: 300 }), (some, count) => {
      const ops = [...some, ...Array.from({ length: count }, () => put("notes", "", "x"))]
      const { device, hlc, lastHead, prev, seq } = entryOf(ops)
      const fields = { device, hlc, lastHead, prev, seq }
      const unsigned = EntryBytes.assemble(fields, ops.map((op) => EntryBytes.opCodec.encode(op)))
      assert.deepStrictEqual(unsigned, unsignedEntryCodec.encode({ ...fields, ops }))
      for (const signature of [null, Signature.make(new Uint8Array(64).fill(8))]) {
        const entry = entryOf(ops, { signature })
        const encoded = EntryBytes.withSignature(unsigned, signature)
        assert.deepStrictEqual(encoded, entryCodec.encode(entry))
        EntryBytes.withUnsigned(encoded, entry, (lent) => assert.deepStrictEqual(lent.slice(), unsigned))
      }
    }))
  })

  it("opens control entries and entries that span collections in lane zero", () => {
    const { op } = invite(crypto, space, "phone")
    const members = sealEntry(entryOf([control(op)]), { kind: 2, lane: LANE_ZERO })
    assert.strictEqual(expectSuccess(Sealing.open(crypto, state, members)).header.kind, 2)
    const nothing = sealEntry(entryOf([]), { kind: 2, lane: LANE_ZERO })
    assert.isTrue(expectSuccess(Sealing.open(crypto, state, nothing)).entry.ops.length === 0)
    const both = entryOf([put("notes", "a", "1"), put("tasks", "a", "2")])
    assert.isTrue(
      Bytes.isZero(expectSuccess(Sealing.open(crypto, state, sealEntry(both, { lane: LANE_ZERO }))).header.lane)
    )
  })

  it("shows no lanes when the policy hides them", () => {
    const hidden = makeSpace("hidden lanes", { lanes: 1 })
    const entry = entryOf([put("notes", "a", "1")])
    assert.deepStrictEqual(Sealing.laneOf(hidden.state, entry), LANE_ZERO)
    const bytes = sealWith(
      headerOf({ lane: hidden.state.keys.laneOf("notes") }),
      entryCodec.encode(entry),
      hidden.state
    )
    assert.strictEqual(reasonOf(bytes, hidden.state), "lane")
  })
})

describe("the checks of a receiver, each failing alone", () => {
  const unknownEpoch = sealWith(headerOf({ epoch: Epoch.make(2) }), entryCodec.encode(note))
  const junk = new Uint8Array(300).fill(0xc1)
  const wrongPadding = () => {
    const padded = new Uint8Array(256)
    padded.set(entryCodec.encode(note))
    padded[255] = 1
    return padded
  }
  const trailing = () => {
    // One bucket too many, all zero: the length itself would carry a message.
    const padded = new Uint8Array(272)
    padded.set(entryCodec.encode(note))
    return padded
  }
  const { op } = invite(crypto, space, "phone")
  const cases: ReadonlyArray<readonly [string, Uint8Array, Reason]> = [
    ["version", patched(sealed, 0, 2), "version"],
    ["a suite that exists but is not the space's", patched(sealed, 1, 2), "suite"],
    ["a suite that does not exist", patched(sealed, 1, 9), "suite"],
    ["an unknown kind", patched(sealed, 2, 9), "kind"],
    ["presence among entries", patched(sealed, 2, 3), "kind"],
    ["a vault manifest among entries", patched(sealed, 2, 4), "kind"],
    ["flags", patched(sealed, 3, 1), "flags"],
    ["epoch zero", patched(sealed, 7, 0), "epoch"],
    ["too short", sealed.slice(0, Envelope.ENVELOPE_BYTES_MIN - 1), "size"],
    ["nothing", Bytes.EMPTY, "size"],
    ["too long", Bytes.concat(sealed, new Uint8Array(Limit.envelopeBytesMax)), "size"],
    ["an epoch that is not known", unknownEpoch, "epoch-unknown"],
    ["another space", sealWith(headerOf(), entryCodec.encode(note), other.state), "commitment"],
    ["a changed commitment", patched(sealed, 50, (sealed[50] ?? 0) ^ 1), "commitment"],
    ["a changed tag", patched(sealed, sealed.length - 1, (sealed.at(-1) ?? 0) ^ 1), "tag"],
    ["not an entry", sealWith(headerOf(), junk), "entry"],
    ["padding that is not zero", sealRaw(headerOf(), wrongPadding()), "entry"],
    ["padding of the wrong length", sealRaw(headerOf(), trailing()), "entry"],
    ["no operations", sealEntry(entryOf([])), "entry"],
    ["one item twice", sealEntry(entryOf([put("notes", "a", "1"), put("notes", "a", "2")])), "entry"],
    ["a control operation among data", sealEntry(entryOf([put("notes", "a", "1"), control(op)])), "entry"],
    ["data in a control entry", sealEntry(note, { kind: 2, lane: LANE_ZERO }), "entry"],
    [
      "a control operation with a key",
      sealEntry(entryOf([{ ...control(op), key: "k" }]), { kind: 2, lane: LANE_ZERO }),
      "entry"
    ],
    ["another collection's lane", sealEntry(note, { lane: keys.laneOf("tasks") }), "lane"],
    ["lane zero for one collection", sealEntry(note, { lane: LANE_ZERO }), "lane"],
    [
      "a collection's lane for two",
      sealEntry(entryOf([put("notes", "a", "1"), put("tasks", "b", "2")])),
      "lane"
    ]
  ]
  for (const [name, bytes, reason] of cases) {
    it(`${name}: ${reason}`, () => assert.strictEqual(reasonOf(bytes), reason))
  }

  it("opens what stands between those cases", () => {
    expectSuccess(Sealing.open(crypto, state, sealed))
    expectSuccess(Sealing.open(
      crypto,
      state,
      sealRaw(
        headerOf(),
        (() => {
          const padded = new Uint8Array(256)
          padded.set(entryCodec.encode(note))
          return padded
        })()
      )
    ))
    expectSuccess(Sealing.open(crypto, state, sealEntry(entryOf([put("notes", "", "1"), put("notes", "", "2")]))))
  })

  it("reports the first check of the canonical order when several fail", () => {
    // From an envelope in which everything is wrong, each repair shows the next reason.
    const everything = sealWith(headerOf({ lane: keys.laneOf("tasks") }), junk, other.state)
    const wrong = [[0, 2], [1, 2], [2, 9], [3, 1]] as const
    let bytes = patched(everything, 7, 2)
    for (const [at, value] of wrong) bytes = patched(bytes, at, value)
    const seen: Array<Reason> = []
    for (const [at, value] of [[0, 1], [1, 1], [2, 1], [3, 0], [7, 1]] as const) {
      seen.push(reasonOf(bytes))
      bytes = patched(bytes, at, value)
    }
    seen.push(reasonOf(bytes))
    assert.deepStrictEqual(seen, ["version", "suite", "kind", "flags", "epoch-unknown", "commitment"])
    const inner = sealWith(headerOf({ lane: keys.laneOf("tasks") }), junk)
    assert.strictEqual(reasonOf(patched(inner, inner.length - 1, (inner.at(-1) ?? 0) ^ 1)), "tag")
    assert.strictEqual(reasonOf(inner), "entry")
  })

  it("says the same to the network whatever failed", () => {
    // What could leave this device is the reason's name alone; it is `waiting` for an epoch and final otherwise.
    for (const [, bytes, reason] of cases) {
      const error = expectFailure(Sealing.open(crypto, state, bytes))
      assert.strictEqual(error.waiting, reason === "epoch-unknown")
      assert.deepStrictEqual(Object.keys(error).sort(), ["_tag", "fork", "reason"])
    }
  })
})

describe("attacks on an envelope", () => {
  it("refuses a flip of any bit of any byte", () => {
    fc.assert(
      fc.property(fc.nat({ max: sealed.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
        expectFailure(Sealing.open(crypto, state, patched(sealed, at, (sealed[at] ?? 0) ^ (1 << bit))))
      }),
      { numRuns: 400 }
    )
    for (let at = 0; at < Envelope.SEALED_AT; at++) {
      expectFailure(Sealing.open(crypto, state, patched(sealed, at, (sealed[at] ?? 0) ^ 0x40)))
    }
  })

  it("refuses any part of one envelope in another", () => {
    const second = sealWith(headerOf(), entryCodec.encode(entryOf([put("notes", "b", "other")])))
    assert.strictEqual(second.length, sealed.length)
    const parts = [[16, 40], [40, 72], [72, sealed.length], [16, 72], [40, sealed.length]] as const
    for (const [from, to] of parts) {
      const spliced = sealed.slice()
      spliced.set(second.subarray(from, to), from)
      expectFailure(Sealing.open(crypto, state, spliced))
    }
  })

  it("binds the header, lane, epoch and space to the key", () => {
    const twoEpochs: SpaceState = {
      ...state,
      epochs: new Map(state.epochs).set(
        2,
        makeEpoch({ crypto, suite: 1, spaceId: state.spaceId, epoch: Epoch.make(2), key: Secret.reveal(epoch.secret) })
      )
    }
    assert.strictEqual(reasonOf(patched(sealed, 7, 2), twoEpochs), "commitment")
    const otherLane = sealed.slice()
    otherLane.set(keys.laneOf("tasks"), 8)
    assert.strictEqual(reasonOf(otherLane), "commitment")
    assert.strictEqual(reasonOf(patched(sealed, 2, 2)), "commitment")
    // The same epoch secret in another space.
    const twin: SpaceState = {
      ...other.state,
      epochs: new Map([[
        1,
        makeEpoch({
          crypto,
          suite: 1,
          spaceId: other.state.spaceId,
          epoch: Epoch.make(1),
          key: Secret.reveal(epoch.secret)
        })
      ]])
    }
    assert.strictEqual(reasonOf(sealed, twin), "commitment")
  })

  it("does not open one ciphertext under two keys", () => {
    // A member who knows two epoch keys wants one envelope to mean different things to two devices. Whatever ciphertext
    // it finds, the commitment in the bytes belongs to one of the keys alone.
    const forked: SpaceState = {
      ...state,
      epochs: new Map([[
        1,
        makeEpoch({
          crypto,
          suite: 1,
          spaceId: state.spaceId,
          epoch: Epoch.make(1),
          key: new Uint8Array(32).fill(1)
        })
      ]])
    }
    expectSuccess(Sealing.open(crypto, state, sealed))
    assert.strictEqual(reasonOf(sealed, forked), "commitment")
    // And it is checked before the tag: with the key's own commitment the same bytes fail at the tag.
    const info = label(1, Purpose.envelope, state.spaceId, sealed.slice(0, 16), sealed.slice(16, 40))
    const forkedEpoch = forked.epochs.get(1)
    assert.isDefined(forkedEpoch)
    const both = crypto.hkdfExpand(Secret.reveal(forkedEpoch.encryptKey), info, 64)
    const swapped = sealed.slice()
    swapped.set(both.subarray(32), 40)
    assert.strictEqual(reasonOf(swapped, forked), "tag")
    assert.strictEqual(reasonOf(swapped), "commitment")
  })
})

describe("the hedged nonce", () => {
  const nonceOf = (bytes: Uint8Array) => Bytes.toHex(bytes.subarray(16, 40))
  const with32 = (random: Uint8Array, plaintext: Uint8Array, lane: Lane = keys.laneOf("notes")) =>
    Sealing.seal(crypto, { keys, epoch, headerBytes: headerOf({ lane }), plaintext, random32: random }).bytes

  it("differs for every plaintext and header even with a dead generator", () => {
    const dead = new Uint8Array(32)
    const nonces = new Set<string>()
    for (let i = 0; i < 200; i++) {
      nonces.add(nonceOf(with32(dead, entryCodec.encode(entryOf([put("notes", `${i}`, "")])))))
    }
    nonces.add(nonceOf(with32(dead, entryCodec.encode(note), keys.laneOf("tasks"))))
    nonces.add(nonceOf(with32(dead, entryCodec.encode(note))))
    assert.strictEqual(nonces.size, 202)
  })

  it("degrades to equal envelopes for equal plaintexts, and no further", () => {
    const dead = new Uint8Array(32)
    assert.deepStrictEqual(with32(dead, entryCodec.encode(note)), with32(dead, entryCodec.encode(note)))
  })

  it("differs for one plaintext with a live generator", () => {
    const plaintext = entryCodec.encode(note)
    assert.notStrictEqual(nonceOf(with32(crypto.random(32), plaintext)), nonceOf(with32(crypto.random(32), plaintext)))
  })
})

describe("sizes", () => {
  it("fits the longest plaintext into the largest envelope", () => {
    assert.strictEqual(Sealing.plaintextBytesMax(), 1_032_192)
    assert.isAtMost(Sealing.envelopeBytesOf(Sealing.plaintextBytesMax()), Limit.envelopeBytesMax)
    assert.isAbove(Sealing.envelopeBytesOf(Sealing.plaintextBytesMax() + 1), Limit.envelopeBytesMax)
  })

  it("hides the length of short entries", () => {
    const sizes = new Set<number>()
    for (let length = 0; length < 90; length++) {
      sizes.add(sealEntry(entryOf([put("notes", "a", "x".repeat(length))])).length)
    }
    assert.deepStrictEqual([...sizes], [72 + 256 + 16])
  })
})
