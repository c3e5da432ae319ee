/**
 * What a space derives from its secrets (protocol.md §3). `KDF(prk, purpose, fields…, n)` is HKDF-Expand with the label
 * of that purpose; every label names the suite, so no two suites share a key.
 *
 * 1. A key is derived where it is used and goes no further than its purpose.
 * 2. Capabilities and the route differ at each relay: two relays that compare notes learn nothing.
 * 3. Secrets stay inside `Secret`; `KeyPair`s are handed out for one use and not kept here.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { AckTag, type DeviceId, type Epoch, Lane, type RelayKey, RouteId, type SpaceId } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import type { Suite } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import type { Crypto, KeyPair } from "../Crypto.ts"
import * as Secret from "../Secret.ts"

export type CryptoService = Crypto["Service"]

/** The lane of entries that span collections, and of every entry where the policy hides lanes. */
export const LANE_ZERO: Lane = Lane.make(new Uint8Array(8))

const LANES_REMEMBERED_MAX = 4096
const NONCE_BYTES = 24
const KEY_BYTES = 32
const SHORT_ID_KEY_BYTES = 16

/** What stays the same for the life of a space. */
export interface SpaceKeys {
  readonly suite: Suite
  readonly spaceId: SpaceId
  /** The stable secret that the others are made from; part of a welcome. */
  readonly spaceRoot: Secret.Secret
  /** Keyed hash of a collection's name: equal names meet in one lane, and only members can tell which. */
  readonly laneOf: (collection: string) => Lane
  /** What a relay knows this space by. */
  readonly routeId: (relayKey: RelayKey) => RouteId
  /** 16 bytes that short ids of envelopes are made with (`reconcile/`); relays are told. */
  readonly shortIdKey: (epoch: Epoch) => Uint8Array
}

/** The keys that do not change: made once, when a space is created or opened. `spaceRoot` is copied. */
export const make = (options: {
  readonly crypto: CryptoService
  readonly suite: Suite
  readonly spaceId: SpaceId
  readonly spaceRoot: Uint8Array
}): SpaceKeys => {
  const { crypto, spaceId, suite } = options
  const root = crypto.hkdfExtract(label(suite, Purpose.spaceRoot, spaceId), options.spaceRoot)
  const laneKey = Secret.make(crypto.hkdfExpand(root, label(suite, Purpose.lane), KEY_BYTES))
  const routeRoot = Secret.make(root)
  const remembered = new Map<string, Lane>()
  return {
    suite,
    spaceId,
    spaceRoot: Secret.make(options.spaceRoot.slice()),
    laneOf: (collection) => {
      const known = remembered.get(collection)
      if (known !== undefined) return known
      const input = label(suite, Purpose.lane, Utf8.encode(collection))
      const lane = Lane.make(crypto.hmac(Secret.reveal(laneKey), input).slice(0, 8))
      if (remembered.size < LANES_REMEMBERED_MAX) remembered.set(collection, lane)
      return lane
    },
    routeId: (relayKey) =>
      RouteId.make(crypto.hkdfExpand(Secret.reveal(routeRoot), label(suite, Purpose.routeId, relayKey), KEY_BYTES)),
    shortIdKey: (epoch) =>
      crypto.hkdfExpand(Secret.reveal(routeRoot), label(suite, Purpose.shortId, Bytes.u32(epoch)), SHORT_ID_KEY_BYTES)
  }
}

/** The keys of one epoch. */
export interface EpochKeys {
  readonly epoch: Epoch
  /** The epoch's own secret; part of a welcome and of the wraps of a rekey. */
  readonly secret: Secret.Secret
  /** Stands in the operation that opens the epoch, so that nobody can hand out two different keys for it. */
  readonly commit: Uint8Array
  readonly encryptKey: Secret.Secret
  readonly nonceKey: Secret.Secret
  readonly contentKey: Secret.Secret
  readonly tagKey: Secret.Secret
  readonly writeCapability: (relayKey: RelayKey) => KeyPair
  readonly readCapability: (relayKey: RelayKey) => KeyPair
  /** The name under which a device acknowledges at relays during this epoch. */
  readonly ackTag: (deviceId: DeviceId) => AckTag
  /** Seals the secret of the epoch before, for members who may read what was written before they came. */
  readonly sealOld: (secret: Uint8Array) => Uint8Array
  /** What `sealOld` sealed; undefined when it was not sealed under this epoch, or was changed. */
  readonly openOld: (sealed: Uint8Array) => Uint8Array | undefined
}

/** The keys of an epoch. `key` (32 random bytes) is copied. */
export const makeEpoch = (options: {
  readonly crypto: CryptoService
  readonly suite: Suite
  readonly spaceId: SpaceId
  readonly epoch: Epoch
  readonly key: Uint8Array
}): EpochKeys => {
  const { crypto, epoch, spaceId, suite } = options
  const epochBytes = Bytes.u32(epoch)
  const root = crypto.hkdfExtract(label(suite, Purpose.epoch, spaceId, epochBytes), options.key)
  const derive = (purpose: Purpose, ...fields: ReadonlyArray<Uint8Array>) =>
    crypto.hkdfExpand(root, label(suite, purpose, ...fields), KEY_BYTES)
  const tagKey = Secret.make(derive(Purpose.tag))
  const capability = (purpose: Purpose) => {
    return (relayKey: RelayKey) => crypto.signature.keyPair(derive(purpose, relayKey))
  }
  return {
    epoch,
    secret: Secret.make(options.key.slice()),
    commit: derive(Purpose.epochCommit),
    encryptKey: Secret.make(derive(Purpose.encrypt)),
    nonceKey: Secret.make(derive(Purpose.nonce)),
    contentKey: Secret.make(derive(Purpose.content)),
    tagKey,
    writeCapability: capability(Purpose.writeCapability),
    readCapability: capability(Purpose.readCapability),
    ackTag: (deviceId) =>
      AckTag.make(crypto.hmac(Secret.reveal(tagKey), label(suite, Purpose.ackTag, deviceId)).slice(0, 16)),
    ...oldEpoch({ crypto, suite, spaceId, epochBytes, key: Secret.make(derive(Purpose.oldEpoch)) })
  }
}

/**
 * nonce 24 ‖ ciphertext 32 ‖ tag 16. The nonce is made from what is sealed and a key is derived for each nonce, so two
 * devices may seal, and even seal different secrets, without ever sharing a key stream.
 */
const oldEpoch = ({ crypto, epochBytes, key, spaceId, suite }: {
  readonly crypto: CryptoService
  readonly suite: Suite
  readonly spaceId: SpaceId
  readonly epochBytes: Uint8Array
  readonly key: Secret.Secret
}): Pick<EpochKeys, "sealOld" | "openOld"> => {
  const bound = (...fields: ReadonlyArray<Uint8Array>) => label(suite, Purpose.oldEpoch, spaceId, epochBytes, ...fields)
  const keyFor = (nonce: Uint8Array) => crypto.hkdfExpand(Secret.reveal(key), bound(nonce), KEY_BYTES)
  return {
    sealOld: (secret) => {
      const nonce = crypto.hmac(Secret.reveal(key), bound(secret)).slice(0, NONCE_BYTES)
      return Bytes.concat(nonce, crypto.aead.seal(keyFor(nonce), nonce, bound(), secret))
    },
    openOld: (sealed) => {
      if (sealed.length < NONCE_BYTES) return undefined
      const nonce = sealed.slice(0, NONCE_BYTES)
      return crypto.aead.open(keyFor(nonce), nonce, bound(), sealed.subarray(NONCE_BYTES))
    }
  }
}

/** What administrators hold beside the epoch's key: they alone may move a relay to the next epoch. */
export interface AdminKeys {
  readonly epoch: Epoch
  /** Part of an administrator's welcome and wrap. */
  readonly secret: Secret.Secret
  readonly capability: (relayKey: RelayKey) => KeyPair
}

/** The administrators' keys of an epoch. `seed` (32 random bytes, new with each epoch) is copied. */
export const makeAdmin = (options: {
  readonly crypto: CryptoService
  readonly suite: Suite
  readonly spaceId: SpaceId
  readonly epoch: Epoch
  readonly seed: Uint8Array
}): AdminKeys => {
  const { crypto, epoch, seed, spaceId, suite } = options
  const root = Secret.make(crypto.hkdfExtract(label(suite, Purpose.admin, spaceId), seed))
  return {
    epoch,
    secret: Secret.make(seed.slice()),
    capability: (relayKey) => {
      const info = label(suite, Purpose.adminCapability, relayKey)
      return crypto.signature.keyPair(crypto.hkdfExpand(Secret.reveal(root), info, KEY_BYTES))
    }
  }
}

/** What the recovery secret (24 words) gives for one suite. */
export interface RecoveryKeys {
  /** The key that a genesis names. It comes from the genesis' random bytes, since the space's id comes after it. */
  readonly signing: (random: Uint8Array) => KeyPair
  /** Overrides the administrators at one relay. */
  readonly capability: (spaceId: SpaceId, relayKey: RelayKey) => KeyPair
}

/** The recovery keys of a person. `secret` is the 32 bytes that the words stand for. */
export const makeRecovery = (options: {
  readonly crypto: CryptoService
  readonly suite: Suite
  readonly secret: Uint8Array
}): RecoveryKeys => {
  const { crypto, secret, suite } = options
  const root = Secret.make(crypto.hkdfExtract(label(suite, Purpose.recovery), secret))
  const derive = (purpose: Purpose, ...fields: ReadonlyArray<Uint8Array>) =>
    crypto.signature.keyPair(crypto.hkdfExpand(Secret.reveal(root), label(suite, purpose, ...fields), KEY_BYTES))
  return {
    signing: (random) => derive(Purpose.recoverySpace, random),
    capability: (spaceId, relayKey) => derive(Purpose.recoveryRelay, spaceId, relayKey)
  }
}
