/**
 * What `space/vectors/keys.json` and `log/vectors/envelope.json` hold, computed by the shipped code from fixed inputs.
 * `node --conditions=@sotto/source packages/core/test/kit/frozenVectors.ts` prints them; they were frozen with version 1
 * of the protocol, after Keys.test.ts and Vector.test.ts had agreed with them by a second implementation.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { entryCodec, type UnsignedEntry, unsignedEntryCodec } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import { DeviceId, EntryHash, Epoch, RelayKey, Seq, Signature, SigningKey, SpaceId } from "@sotto/schema/Id"
import * as Portable from "../../src/crypto/Portable.ts"
import { deviceIdOf } from "../../src/Device.ts"
import * as Padme from "../../src/internal/padme.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import * as Secret from "../../src/Secret.ts"
import * as Keys from "../../src/space/Keys.ts"

/** Bytes from..to, counting up: easy to type in another language. */
const count = (from: number, length = 32): Uint8Array => Uint8Array.from({ length }, (_, i) => (from + i) & 0xff)
const hex = Bytes.toHex

export const crypto = Portable.make({
  random: () => {
    throw new Error("vectors use no randomness")
  }
})

export const inputs = {
  spaceId: SpaceId.make(count(0x10)),
  spaceRoot: count(0x30),
  epoch: Epoch.make(7),
  epochKey: count(0x50),
  epochKeyBefore: count(0x58),
  adminSeed: count(0x70),
  recoverySecret: count(0x90),
  genesisRandom: count(0xa0),
  relayKey: RelayKey.make(count(0xb0)),
  deviceId: DeviceId.make(count(0xd0)),
  signingSeed: count(0xe0),
  random32: count(0xc0)
} as const

const space = Keys.make({ crypto, suite: 1, spaceId: inputs.spaceId, spaceRoot: inputs.spaceRoot })
const epoch = Keys.makeEpoch({
  crypto,
  suite: 1,
  spaceId: inputs.spaceId,
  epoch: inputs.epoch,
  key: inputs.epochKey
})

/** Every key and name that a space derives. */
export const keyVectors = () => {
  const { relayKey, spaceId } = inputs
  const admin = Keys.makeAdmin({ crypto, suite: 1, spaceId, epoch: inputs.epoch, seed: inputs.adminSeed })
  const recovery = Keys.makeRecovery({ crypto, suite: 1, secret: inputs.recoverySecret })
  const signing = SigningKey.make(crypto.signature.keyPair(inputs.signingSeed).publicKey)
  return {
    suite: 1,
    inputs: Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [name, typeof value === "number" ? value : hex(value)])
    ),
    deviceId: hex(deviceIdOf(crypto, 1, signing)),
    lanes: Object.fromEntries(["", "notes", "größer", "𝄞"].map((name) => [name, hex(space.laneOf(name))])),
    routeId: hex(space.routeId(relayKey)),
    encryptKey: hex(Secret.reveal(epoch.encryptKey)),
    nonceKey: hex(Secret.reveal(epoch.nonceKey)),
    contentKey: hex(Secret.reveal(epoch.contentKey)),
    tagKey: hex(Secret.reveal(epoch.tagKey)),
    commit: hex(epoch.commit),
    writeCapability: hex(epoch.writeCapability(relayKey).secretKey),
    readCapability: hex(epoch.readCapability(relayKey).secretKey),
    adminCapability: hex(admin.capability(relayKey).secretKey),
    ackTag: hex(epoch.ackTag(inputs.deviceId)),
    recoverySigning: hex(recovery.signing(inputs.genesisRandom).secretKey),
    recoveryCapability: hex(recovery.capability(spaceId, relayKey).secretKey),
    oldEpoch: hex(epoch.sealOld(inputs.epochKeyBefore))
  }
}

const notesLane = space.laneOf("notes")
const put = (key: string, value: Uint8Array) => ({
  collection: "notes",
  key,
  parents: [],
  action: { _tag: "Put" as const, value }
})

const fields = (seq: number, prev: EntryHash): Omit<UnsignedEntry, "ops"> => ({
  device: inputs.deviceId,
  seq: Seq.make(seq),
  prev,
  hlc: { millis: 1_790_000_000_000, counter: seq },
  lastHead: null
})

/** A batch of two entries: the first without a signature, the second, padded further, closing it. */
export const envelopeVectors = () => {
  const headerBytes = Envelope.encodeHeader({ suite: 1, kind: 1, epoch: inputs.epoch, lane: notesLane })
  let prev = EntryHash.make(new Uint8Array(32))
  const entries = [[put("a", count(0, 5))], [put("b", count(0, 300)), put("", count(9, 9))]].map((ops, index) => {
    const unsigned = { ...fields(index + 1, prev), ops }
    const unsignedBytes = unsignedEntryCodec.encode(unsigned)
    const hash = Sealing.entryHash(crypto, space, headerBytes, unsignedBytes)
    const signedBytes = Sealing.signedBytes(space, hash)
    const signature = index === 0 ? null : Signature.make(crypto.signature.sign(inputs.signingSeed, signedBytes))
    const plaintext = entryCodec.encode({ ...unsigned, signature })
    const { bytes, id } = Sealing.seal(crypto, {
      keys: space,
      epoch,
      headerBytes,
      plaintext,
      random32: inputs.random32
    })
    prev = hash
    return {
      unsigned: hex(unsignedBytes),
      entryHash: hex(hash),
      signature: signature === null ? null : hex(signature),
      plaintext: hex(plaintext),
      paddedBytes: Padme.paddedLength(plaintext.length),
      nonce: hex(bytes.subarray(16, 40)),
      commitment: hex(bytes.subarray(40, 72)),
      envelope: hex(bytes),
      id: hex(id)
    }
  })
  return { suite: 1, keys: "../../space/vectors/keys.json", header: hex(headerBytes), entries }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify({ keys: keyVectors(), envelope: envelopeVectors() }, null, 2)}\n`)
}
