/**
 * Entries into envelopes and back (protocol.md §4): padding, nonce, key and commitment, and the checks of a receiver up
 * to the lane. What is about the author and the order of entries is in Chain.ts.
 *
 * 1. The nonce is made of fresh randomness and of what is sealed: with a dead generator, equal plaintexts show and
 *    nothing else happens.
 * 2. Every envelope has its own key, committed to in its bytes: no ciphertext opens under two keys.
 * 3. Towards the network every failure to open is the same. The reason stays on this device.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { type Entry, entryCodec } from "@sotto/schema/Entry"
import * as Envelope from "@sotto/schema/Envelope"
import { EntryHash, EnvelopeId, type Lane } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { label, Purpose } from "@sotto/schema/Purpose"
import * as Result from "effect/Result"
import type { Crypto } from "../Crypto.ts"
import { withUnsigned } from "../internal/entryBytes.ts"
import * as Padme from "../internal/padme.ts"
import * as Secret from "../Secret.ts"
import { type EpochKeys, LANE_ZERO, type SpaceKeys } from "../space/Keys.ts"
import { allEpochs, type SpaceState } from "../space/SpaceState.ts"
import { type Quarantined, quarantined } from "./Quarantine.ts"

type CryptoService = Crypto["Service"]

const KEY_BYTES = 32

/** The longest encoded entry that an envelope of `envelopeBytes` holds once it is padded and sealed. */
export const plaintextBytesMax = (envelopeBytes: number = Limit.envelopeBytesMax): number =>
  Padme.unpaddedMax(envelopeBytes - Envelope.SEALED_AT - Envelope.TAG_BYTES)

/** The bytes of an envelope whose plaintext has this length. */
export const envelopeBytesOf = (plaintextBytes: number): number =>
  Envelope.SEALED_AT + Padme.paddedLength(plaintextBytes) + Envelope.TAG_BYTES

/** The name of an envelope: the BLAKE3 of all its bytes. */
export const envelopeId = (crypto: CryptoService, bytes: Uint8Array): EnvelopeId =>
  EnvelopeId.make(crypto.blake3(bytes))

/** What `prev` and a signature name: the header and the entry without its signature. */
export const entryHash = (
  crypto: CryptoService,
  { spaceId, suite }: SpaceKeys,
  headerBytes: Uint8Array,
  unsigned: Uint8Array
): EntryHash =>
  EntryHash.make(crypto.sha256(label(suite, Purpose.entry, spaceId, headerBytes, crypto.sha256(unsigned))))

/** What a device signs to make an entry, and all that it is chained to, count. */
export const signedBytes = ({ suite }: SpaceKeys, hash: EntryHash): Uint8Array => label(suite, Purpose.signEntry, hash)

interface MessageKey {
  readonly key: Uint8Array
  readonly commitment: Uint8Array
}

const messageKey = (
  crypto: CryptoService,
  { spaceId, suite }: SpaceKeys,
  epoch: EpochKeys,
  headerBytes: Uint8Array,
  nonce: Uint8Array
): MessageKey => {
  const info = label(suite, Purpose.envelope, spaceId, headerBytes, nonce)
  const both = crypto.hkdfExpand(Secret.reveal(epoch.encryptKey), info, KEY_BYTES + Envelope.COMMITMENT_BYTES)
  // Views would cost more: they give so short an array memory outside of the heap.
  return { key: both.slice(0, KEY_BYTES), commitment: both.slice(KEY_BYTES) }
}

const associatedData = ({ spaceId, suite }: SpaceKeys, headerBytes: Uint8Array, commitment: Uint8Array): Uint8Array =>
  label(suite, Purpose.envelope, spaceId, headerBytes, commitment)

/**
 * Seals encoded bytes, which it pads. `random32` is 32 fresh random bytes; `headerBytes` are `Envelope.encodeHeader` of
 * this suite, and the epoch that `epoch` has the keys of.
 */
export const seal = (crypto: CryptoService, options: {
  readonly keys: SpaceKeys
  readonly epoch: EpochKeys
  readonly headerBytes: Uint8Array
  readonly plaintext: Uint8Array
  readonly random32: Uint8Array
}): { readonly bytes: Uint8Array; readonly id: EnvelopeId } => {
  const { epoch, headerBytes, keys, plaintext, random32 } = options
  const padded = Padme.pad(plaintext)
  const input = label(keys.suite, Purpose.nonce, random32, headerBytes, crypto.sha256(padded))
  const nonce = crypto.hmac(Secret.reveal(epoch.nonceKey), input).slice(0, Envelope.NONCE_BYTES)
  const { commitment, key } = messageKey(crypto, keys, epoch, headerBytes, nonce)
  const sealed = crypto.aead.seal(key, nonce, associatedData(keys, headerBytes, commitment), padded)
  const bytes = Envelope.assemble(headerBytes, nonce, commitment, sealed)
  return { bytes, id: envelopeId(crypto, bytes) }
}

/** An envelope's plaintext, with its padding. */
export interface Unsealed {
  readonly header: Envelope.Header
  readonly headerBytes: Uint8Array
  readonly plaintext: Uint8Array
}

/** The checks from the version to the tag, in their order. `kinds` are those that belong where the envelope came from. */
export const unseal = (
  crypto: CryptoService,
  state: SpaceState,
  kinds: ReadonlyArray<Envelope.Kind>,
  bytes: Uint8Array
): Result.Result<Unsealed, Quarantined> => {
  const { keys } = state
  const parsed = Envelope.parse(bytes)
  if (Result.isFailure(parsed)) {
    const { reason } = parsed.failure
    const isOtherSuite = reason !== "version" && bytes.length > 1 && bytes[1] !== keys.suite
    return Result.fail(quarantined(isOtherSuite ? "suite" : reason))
  }
  const { commitment, header, headerBytes, nonce, sealed } = parsed.success
  if (header.suite !== keys.suite) return Result.fail(quarantined("suite"))
  if (!kinds.includes(header.kind)) return Result.fail(quarantined("kind"))
  const candidates = allEpochs(state, header.epoch)
  if (candidates.length === 0) return Result.fail(quarantined("epoch-unknown"))
  for (const epoch of candidates) {
    const derived = messageKey(crypto, keys, epoch, headerBytes, nonce)
    if (!crypto.equal(derived.commitment, commitment)) continue
    const plaintext = crypto.aead.open(derived.key, nonce, associatedData(keys, headerBytes, commitment), sealed)
    return plaintext === undefined
      ? Result.fail(quarantined("tag"))
      : Result.succeed({ header, headerBytes, plaintext })
  }
  return Result.fail(quarantined("commitment"))
}

/** An entry as it came out of its envelope: well-formed and in its lane, its author not checked yet. */
export interface OpenedEnvelope {
  readonly id: EnvelopeId
  readonly header: Envelope.Header
  readonly entry: Entry
  readonly hash: EntryHash
}

const ENTRY_KINDS: ReadonlyArray<Envelope.Kind> = [Envelope.KIND.data, Envelope.KIND.control]

/** Opens an envelope of an entry. The entry may hold views of memory that belongs to it; `bytes` can be reused. */
export const open = (
  crypto: CryptoService,
  state: SpaceState,
  bytes: Uint8Array
): Result.Result<OpenedEnvelope, Quarantined> => {
  const unsealed = unseal(crypto, state, ENTRY_KINDS, bytes)
  if (Result.isFailure(unsealed)) return Result.fail(unsealed.failure)
  const { header, headerBytes, plaintext } = unsealed.success
  const decoded = entryCodec.decodePrefix(plaintext)
  if (Result.isFailure(decoded)) return Result.fail(quarantined("entry"))
  const { length, value: entry } = decoded.success
  if (!Padme.isPadding(plaintext, length) || !isWellFormed(entry, header.kind)) {
    return Result.fail(quarantined("entry"))
  }
  if (!Bytes.equals(header.lane, laneOf(state, entry))) return Result.fail(quarantined("lane"))
  const hash = withUnsigned(
    plaintext.subarray(0, length),
    entry,
    (unsigned) => entryHash(crypto, state.keys, headerBytes, unsigned)
  )
  return Result.succeed({ id: envelopeId(crypto, bytes), header, entry, hash })
}

/**
 * What the codec does not know: control operations stand alone in control entries, and an entry speaks of an item once.
 * A control entry without operations carries a head and a signature for what came before it, and nothing else.
 */
const isWellFormed = ({ ops }: Entry, kind: Envelope.Kind): boolean => {
  if (kind === Envelope.KIND.control) {
    return ops.every(({ action, collection, key, parents }) =>
      action._tag === "Control" && collection === "" && key === "" && parents.length === 0
    )
  }
  if (ops.length === 0 || ops.some(({ action }) => action._tag === "Control")) return false
  return ops.length === 1 || new Set(ops.map(itemKey)).size === ops.length
}

/** The item of an operation, as a map's key. Operations with an empty key are items of their own. */
const itemKey = ({ collection, key }: Entry["ops"][number], place: number): string =>
  key === "" ? `${place}` : `${collection.length}:${collection}${key}`

/** The lane that an entry belongs to: that of its collection, or zero when it spans several or the policy hides lanes. */
export const laneOf = ({ genesis, keys }: Pick<SpaceState, "genesis" | "keys">, { ops }: Pick<Entry, "ops">): Lane => {
  const first = ops[0]
  if (first === undefined || first.action._tag === "Control" || genesis.body.policy.lanes === 1) return LANE_ZERO
  const isOne = ops.length === 1 || ops.every(({ collection }) => collection === first.collection)
  return isOne ? keys.laneOf(first.collection) : LANE_ZERO
}
