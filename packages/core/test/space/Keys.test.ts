import { assert, describe, it } from "@effect/vitest"
import { ed25519 } from "@noble/curves/ed25519.js"
import { expand, extract, hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch, RelayKey, SpaceId } from "@sotto/schema/Id"
import * as Secret from "../../src/Secret.ts"
import * as Keys from "../../src/space/Keys.ts"
import { crypto, inputs, keyVectors } from "../kit/frozenVectors.ts"
import frozen from "./vectors/keys.json" with { type: "json" }

/** protocol.md §3 written down a second time, with nothing of ours in it. */
const text = new TextEncoder()
const L = (purpose: string, ...fields: ReadonlyArray<Uint8Array>): Uint8Array =>
  Uint8Array.from([
    ...text.encode("sotto1"),
    0,
    1,
    ...text.encode(purpose),
    0,
    ...fields.flatMap((field) => [field.length >> 8, field.length & 255, ...field])
  ])
const kdf = (prk: Uint8Array, purpose: string, ...fields: ReadonlyArray<Uint8Array>) =>
  expand(sha256, prk, L(purpose, ...fields), 32)
const hex = Bytes.toHex

describe("derivations", () => {
  it("stay byte for byte what they were", () => {
    assert.deepStrictEqual<unknown>(keyVectors(), frozen)
  })

  it("are those of the protocol, worked out independently", () => {
    const { deviceId, epochKey, relayKey, spaceId, spaceRoot } = inputs
    const nr = extract(sha256, spaceRoot, L("space-root", spaceId))
    const p = extract(sha256, epochKey, L("epoch", spaceId, Uint8Array.of(0, 0, 0, 7)))
    const a = extract(sha256, inputs.adminSeed, L("admin", spaceId))
    const v = extract(sha256, inputs.recoverySecret, L("recovery"))
    const expected = {
      deviceId: hex(sha256(L("device-id", ed25519.getPublicKey(inputs.signingSeed)))),
      lanes: Object.fromEntries(
        ["", "notes", "größer", "𝄞"].map((name) => [
          name,
          hex(hmac(sha256, kdf(nr, "lane"), L("lane", text.encode(name))).slice(0, 8))
        ])
      ),
      routeId: hex(kdf(nr, "rid", relayKey)),
      encryptKey: hex(kdf(p, "enc")),
      nonceKey: hex(kdf(p, "nonce")),
      contentKey: hex(kdf(p, "content")),
      tagKey: hex(kdf(p, "tag")),
      commit: hex(kdf(p, "epoch-commit")),
      writeCapability: hex(kdf(p, "wcap", relayKey)),
      readCapability: hex(kdf(p, "rcap", relayKey)),
      adminCapability: hex(kdf(a, "acap", relayKey)),
      ackTag: hex(hmac(sha256, kdf(p, "tag"), L("ack-tag", deviceId)).slice(0, 16)),
      recoverySigning: hex(kdf(v, "recovery-space", inputs.genesisRandom)),
      recoveryCapability: hex(kdf(v, "recovery-relay", spaceId, relayKey))
    }
    const { inputs: given, oldEpoch, suite } = frozen
    assert.deepStrictEqual<unknown>(frozen, { inputs: given, oldEpoch, suite, ...expected })
    // RFC 5869 from the other end: extract-and-expand in one call.
    const enc = hkdf(sha256, epochKey, L("epoch", spaceId, Uint8Array.of(0, 0, 0, 7)), L("enc"), 32)
    assert.strictEqual(hex(enc), frozen.encryptKey)
  })

  it("never come to the same for two purposes, spaces, epochs or relays", () => {
    const relays = [1, 2].map((byte) => RelayKey.make(new Uint8Array(32).fill(byte)))
    const all: Array<string> = []
    for (const byte of [1, 2]) {
      const spaceId = SpaceId.make(new Uint8Array(32).fill(byte))
      const space = Keys.make({ crypto, suite: 1, spaceId, spaceRoot: inputs.spaceRoot })
      const recovery = Keys.makeRecovery({ crypto, suite: 1, secret: inputs.spaceRoot })
      all.push(...["notes", "tasks"].map((name) => hex(space.laneOf(name))))
      for (const relay of relays) {
        all.push(hex(space.routeId(relay)), hex(recovery.capability(spaceId, relay).secretKey))
      }
      for (const number of [1, 2]) {
        const epoch = Epoch.make(number)
        const keys = Keys.makeEpoch({ crypto, suite: 1, spaceId, epoch, key: inputs.spaceRoot })
        all.push(
          ...[keys.encryptKey, keys.nonceKey, keys.contentKey, keys.tagKey].map((key) => hex(Secret.reveal(key)))
        )
        all.push(hex(keys.commit), hex(keys.ackTag(inputs.deviceId)))
        for (const relay of relays) {
          all.push(hex(keys.writeCapability(relay).secretKey), hex(keys.readCapability(relay).secretKey))
        }
      }
      const admin = Keys.makeAdmin({ crypto, suite: 1, spaceId, epoch: Epoch.make(1), seed: inputs.spaceRoot })
      for (const relay of relays) all.push(hex(admin.capability(relay).secretKey))
    }
    assert.strictEqual(new Set(all).size, all.length)
  })
})

describe("the secret of the epoch before", () => {
  const make = (key: Uint8Array, number = 7) =>
    Keys.makeEpoch({ crypto, suite: 1, spaceId: inputs.spaceId, epoch: Epoch.make(number), key })
  const epoch = make(inputs.epochKey)

  it("opens under the epoch that sealed it, and under no other", () => {
    const sealed = epoch.sealOld(inputs.epochKeyBefore)
    assert.deepStrictEqual(epoch.openOld(sealed), inputs.epochKeyBefore)
    assert.isUndefined(make(inputs.epochKey, 8).openOld(sealed))
    assert.isUndefined(make(inputs.epochKeyBefore).openOld(sealed))
    for (let at = 0; at < sealed.length; at++) {
      assert.isUndefined(epoch.openOld(sealed.map((byte, i) => i === at ? byte ^ 1 : byte)))
    }
    assert.isUndefined(epoch.openOld(new Uint8Array(10)))
  })

  it("is sealed under another nonce when it is another", () => {
    const [one, two] = [epoch.sealOld(inputs.epochKeyBefore), epoch.sealOld(inputs.adminSeed)]
    assert.notDeepEqual(one.slice(0, 24), two.slice(0, 24))
  })
})

describe("lanes", () => {
  it("stay the same however many there are", () => {
    const keys = Keys.make({ crypto, suite: 1, spaceId: inputs.spaceId, spaceRoot: inputs.spaceRoot })
    const lanes = Array.from({ length: 5000 }, (_, i) => hex(keys.laneOf(`${i}`)))
    assert.strictEqual(new Set(lanes).size, 5000)
    assert.deepStrictEqual(Array.from({ length: 5000 }, (_, i) => hex(keys.laneOf(`${i}`))), lanes)
    assert.isTrue(Bytes.isZero(Keys.LANE_ZERO))
  })

  it("differ for another root", () => {
    const other = Keys.make({ crypto, suite: 1, spaceId: inputs.spaceId, spaceRoot: inputs.epochKey })
    assert.notStrictEqual(hex(other.laneOf("notes")), frozen.lanes.notes)
  })
})
