/**
 * Opening the next epoch (protocol.md §9): a fresh key for everyone who remains, wrapped to each device's X-Wing key.
 * Always after a removal; also to heal from a key that may have leaked, and where two epochs were opened at once.
 *
 * 1. The operation commits to the new key: everyone who opens a wrap gets the same one, or knows that it was cheated.
 * 2. A wrap says nothing to who can't open it; their number is a power of two, their order that of random-looking tags.
 * 3. Each wrap has its own KEM secret and is bound to space, epoch, commitment and device.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type DeviceId, Epoch, type SpaceId } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import { type Cutoff, type EpochSecret, type KeyWrap, type MemberOp, ROLE } from "@sotto/schema/Space"
import type { Suite } from "@sotto/schema/Suite"
import type { Crypto } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import { wrapCount } from "./Authority.ts"
import { type EpochKeys, makeEpoch } from "./Keys.ts"
import * as Membership from "./Membership.ts"
import { allEpochs, type SpaceState } from "./SpaceState.ts"

type CryptoService = Crypto["Service"]

const KEY_BYTES = 32
const TAG_BYTES = 16
const NONCE = new Uint8Array(24)
const SEALED_BYTES = KEY_BYTES + 16
const WRAP_CIPHERTEXT_BYTES = 1120

/** What opens an epoch, before anyone has seen it. */
export interface Prepared {
  readonly op: MemberOp
  readonly secret: EpochSecret
  /** The administrators' seed of the new epoch, 32 bytes. */
  readonly adminSeed: Uint8Array
  /** The author's new wrapping seed: `Device.rewrap` once the operation is stored. */
  readonly wrappingSeed: Uint8Array
  /** Devices whose wrapping key is not valid: they get nothing, and have to be paired anew. */
  readonly skipped: ReadonlyArray<DeviceId>
}

/**
 * Builds the operation that removes devices (possibly none) and opens the next epoch. `cutoffs` are where the removed
 * devices' chains stand, as far as the author has seen them. Undefined when this device lacks the current epoch's key.
 */
export const prepare = (options: {
  readonly crypto: CryptoService
  readonly state: SpaceState
  readonly signer: Membership.Signer
  readonly removed: ReadonlyArray<DeviceId>
  readonly cutoffs: ReadonlyArray<Cutoff>
  readonly nowMillis: number
}): Prepared | undefined => {
  const { crypto, cutoffs, nowMillis, removed, signer, state } = options
  const { membership, spaceId } = state
  const { suite } = state.keys
  const current = state.epochs.get(membership.roster.epoch)
  if (current === undefined) return undefined
  const secret: EpochSecret = { epoch: Epoch.make(membership.roster.epoch + 1), key: crypto.random(KEY_BYTES) }
  const adminSeed = crypto.random(KEY_BYTES)
  const wrappingSeed = crypto.random(crypto.xWing.seedBytes)
  const { commit } = makeEpoch({ crypto, suite, spaceId, ...secret })
  const wraps: Array<KeyWrap> = []
  const skipped: Array<DeviceId> = []
  const gone = new Set(removed.map(Bytes.toHex))
  const remaining = Membership.members(membership).filter(({ id }) => !gone.has(Bytes.toHex(id)))
  for (const { id, role, wrapping } of remaining) {
    const payload = role >= ROLE.admin ? Bytes.concat(secret.key, adminSeed) : secret.key
    const bound = { suite, spaceId, epoch: secret.epoch, commit, device: id }
    const wrap = wrapTo(crypto, bound, current, wrapping, payload)
    if (wrap === undefined) skipped.push(id)
    else wraps.push(wrap)
  }
  while (wraps.length < wrapCount(remaining.length)) wraps.push(dummy(crypto))
  wraps.sort((a, b) => Bytes.compare(a.tag, b.tag))
  const op = Membership.build(crypto, membership, signer, {
    nowMillis,
    action: {
      _tag: "Rekey",
      removed,
      cutoffs,
      epoch: secret.epoch,
      commit,
      wrapping: crypto.xWing.keyPair(wrappingSeed).publicKey,
      wraps
    }
  })
  return { op, secret, adminSeed, wrappingSeed, skipped }
}

/** What a wrap is bound to. */
interface Bound {
  readonly suite: Suite
  readonly spaceId: SpaceId
  /** The epoch that it opens. */
  readonly epoch: Epoch
  readonly commit: Uint8Array
  readonly device: DeviceId
}

const boundBytes = ({ commit, device, epoch, spaceId, suite }: Bound): Uint8Array =>
  label(suite, Purpose.wrap, spaceId, Bytes.u32(epoch), commit, device)

const wrapKey = (crypto: CryptoService, bound: Bound, sharedSecret: Uint8Array): Uint8Array => {
  const context = boundBytes(bound)
  return crypto.hkdfExpand(crypto.hkdfExtract(context, sharedSecret), context, KEY_BYTES)
}

/** By which a device finds its wrap: random-looking to who lacks the epoch before. */
const wrapTag = (crypto: CryptoService, { device, epoch, suite }: Bound, before: EpochKeys): Uint8Array =>
  crypto.hmac(Secret.reveal(before.tagKey), label(suite, Purpose.wrapTag, device, Bytes.u32(epoch)))
    .slice(0, TAG_BYTES)

const wrapTo = (
  crypto: CryptoService,
  bound: Bound,
  before: EpochKeys,
  publicKey: Uint8Array,
  payload: Uint8Array
): KeyWrap | undefined => {
  const encapsulated = crypto.xWing.encapsulate(publicKey)
  if (encapsulated === undefined) return undefined
  const key = wrapKey(crypto, bound, encapsulated.sharedSecret)
  return {
    tag: wrapTag(crypto, bound, before),
    ciphertext: encapsulated.ciphertext,
    // The key is used once: a fixed nonce is as good as any.
    sealed: crypto.aead.seal(key, NONCE, boundBytes(bound), payload)
  }
}

const dummy = (crypto: CryptoService): KeyWrap => ({
  tag: crypto.random(TAG_BYTES),
  ciphertext: crypto.random(WRAP_CIPHERTEXT_BYTES),
  sealed: crypto.random(SEALED_BYTES)
})

/** What a wrap held for this device: hand it to `SpaceState.withEpoch`, which checks the commitment. */
export interface Unwrapped {
  readonly secret: EpochSecret
  readonly adminSeed: Uint8Array | undefined
}

/**
 * Opens this device's wrap of a Rekey operation. `wrapping` are the device's X-Wing seeds, newest first: the author may
 * have wrapped to one that was replaced meanwhile. Undefined when there is none for it, or it does not open.
 */
export const unwrap = (crypto: CryptoService, state: SpaceState, options: {
  readonly op: MemberOp
  readonly device: DeviceId
  readonly wrapping: ReadonlyArray<Secret.Secret>
}): Unwrapped | undefined => {
  const { device, op: { body: { action } }, wrapping } = options
  if (action._tag !== "Rekey") return undefined
  const { commit, epoch, wraps } = action
  const bound: Bound = { suite: state.keys.suite, spaceId: state.spaceId, epoch, commit, device }
  for (const before of allEpochs(state, epoch - 1)) {
    const tag = wrapTag(crypto, bound, before)
    const wrap = wraps.find((candidate) => Bytes.equals(candidate.tag, tag))
    if (wrap === undefined) continue
    for (const seed of wrapping) {
      const payload = openWrap(crypto, bound, Secret.reveal(seed), wrap)
      if (payload !== undefined) return payload
    }
  }
  return undefined
}

const openWrap = (crypto: CryptoService, bound: Bound, seed: Uint8Array, wrap: KeyWrap): Unwrapped | undefined => {
  const sharedSecret = crypto.xWing.decapsulate(seed, wrap.ciphertext)
  if (sharedSecret === undefined) return undefined
  const payload = crypto.aead.open(wrapKey(crypto, bound, sharedSecret), NONCE, boundBytes(bound), wrap.sealed)
  if (payload === undefined || (payload.length !== KEY_BYTES && payload.length !== 2 * KEY_BYTES)) return undefined
  return {
    secret: { epoch: bound.epoch, key: payload.slice(0, KEY_BYTES) },
    adminSeed: payload.length === KEY_BYTES ? undefined : payload.slice(KEY_BYTES)
  }
}
