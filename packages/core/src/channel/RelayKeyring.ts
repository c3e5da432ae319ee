/**
 * A relay's keys (protocol.md §3): what it signs heads with, and the static keys of its channels. Clients pin the hash
 * of the public ones, `RelayKey`, and check everything else against it.
 */
import * as Codec from "@sotto/schema/Codec"
import { RelayKey, SigningKey } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import type { RelayKeys } from "@sotto/schema/Relay"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import { fixedBytes } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"
import * as Secret from "../Secret.ts"

type CryptoService = Crypto["Service"]

/** A relay as itself knows it. */
export interface RelayIdentity {
  readonly keys: RelayKeys
  readonly relayKey: RelayKey
  /** Ed25519 seed, 32 bytes. */
  readonly signing: Secret.Secret
  /** X25519 secret key, 32 bytes. */
  readonly x25519: Secret.Secret
  /** ML-KEM-768 seed, 64 bytes. */
  readonly mlKem: Secret.Secret
}

const Seeds = Schema.Struct({
  version: Schema.Literals([1]),
  signing: fixedBytes(32),
  x25519: fixedBytes(32),
  mlKem: fixedBytes(64)
})

const seedsCodec = Codec.make(Seeds, "RelaySeeds")

/** Under which name a relay's storage keeps its secrets. */
export const KEPT_AS = "relay-identity"

/** What clients pin: SHA-256(L("relay-key") signing x25519 mlKem). */
export const relayKeyOf = (crypto: CryptoService, keys: RelayKeys): RelayKey =>
  RelayKey.make(crypto.sha256(label(SUITE_DEFAULT, Purpose.relayKey, keys.signing, keys.x25519, keys.mlKem)))

const fromSeeds = (crypto: CryptoService, seeds: Omit<typeof Seeds.Type, "version">): RelayIdentity => {
  const keys: RelayKeys = {
    signing: SigningKey.make(crypto.signature.keyPair(seeds.signing).publicKey),
    x25519: crypto.x25519.keyPair(seeds.x25519).publicKey,
    mlKem: crypto.mlKem.keyPair(seeds.mlKem).publicKey
  }
  return {
    keys,
    relayKey: relayKeyOf(crypto, keys),
    signing: Secret.make(seeds.signing),
    x25519: Secret.make(seeds.x25519),
    mlKem: Secret.make(seeds.mlKem)
  }
}

/** A new relay. Throws `EntropyUnavailable` when the platform has no random bytes. */
export const generate = (crypto: CryptoService): RelayIdentity =>
  fromSeeds(crypto, { signing: crypto.random(32), x25519: crypto.random(32), mlKem: crypto.random(64) })

/** The secrets as bytes, in the open: for the relay's own storage. */
export const encode = (identity: RelayIdentity): Uint8Array =>
  seedsCodec.encode({
    version: 1,
    signing: Secret.reveal(identity.signing),
    x25519: Secret.reveal(identity.x25519),
    mlKem: Secret.reveal(identity.mlKem)
  })

/** The relay whose secrets these are. */
export const decode = (crypto: CryptoService, bytes: Uint8Array): Result.Result<RelayIdentity, Codec.CodecError> =>
  Result.map(seedsCodec.decode(bytes.slice()), (seeds) => fromSeeds(crypto, seeds))
