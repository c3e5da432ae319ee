/**
 * What a device's side of core asks of the place where its key is (protocol.md §3): to seal the secrets that lie in the
 * `Store`, and to open them again. The key itself stays on the platform's side, apart from the store, so that a copy of
 * the store alone shows nothing.
 *
 * Sealed form: 01 | nonce 24 | ciphertext | tag 16, XChaCha20-Poly1305 under L("local-store") name.
 *
 * Invariants:
 * 1. What was sealed under one name does not open under another: one blob of a store cannot stand for another.
 * 2. A wrong key and changed bytes are told apart from all else, and never give bytes.
 * 3. No key, no plaintext and no passphrase is in an error.
 */
import * as Bytes from "@sotto/schema/Bytes"
import { label, Purpose } from "@sotto/schema/Purpose"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Crypto, EntropyUnavailable } from "./Crypto.ts"
import * as Secret from "./Secret.ts"

const NEXT = {
  missing:
    "Put the key back where it was: without it this device's secrets do not open. Other devices are not affected.",
  unreadable: "Nothing was changed. Check the owner and mode of the key file.",
  exposed:
    "Nothing was changed. Make it readable by its owner only (chmod 600), and pair this device anew if others may have read it.",
  damaged: "Put a good copy of the key file in its place. The secrets themselves were not touched.",
  wrongKey: "Use the key that belongs to this data; the sealed secrets were not touched.",
  changed:
    "These bytes are not what was stored; nothing else was touched. Put back a good copy, or pair this device anew.",
  passphraseNeeded: "Nothing was changed. Give the passphrase by environment, file or prompt and try again.",
  parameters:
    "They are outside what is safe to use: the file may have been tampered with. Nothing was opened; put back a good copy.",
  passphraseWrong: "Try again; nothing was changed, and there is no limit on tries.",
  entropy: "The platform gave no secure random bytes. Nothing was written; try again."
} as const

/** The device key cannot be used, or does not fit what it should open. `detail` says where, never what. */
export class KeystoreFailed extends Schema.TaggedError<KeystoreFailed>()("KeystoreFailed", {
  reason: Schema.Literals([
    "missing",
    "unreadable",
    "exposed",
    "damaged",
    "wrongKey",
    "changed",
    "passphraseNeeded",
    "passphraseWrong",
    "parameters",
    "entropy"
  ]),
  detail: Schema.String
}) {
  override get message() {
    return `The device key cannot be used (${this.reason}: ${this.detail}). ${NEXT[this.reason]}`
  }
}

/** Seals and opens under this device's key. `name` says what the bytes are (`device`, `space/<id>`), and is bound in. */
export class Keystore extends Context.Service<Keystore, {
  readonly seal: (name: string, plaintext: Uint8Array) => Effect.Effect<Uint8Array, KeystoreFailed>
  /** A fresh array that the caller owns: to be put into a `Secret`, or wiped. */
  readonly open: (name: string, sealed: Uint8Array) => Effect.Effect<Uint8Array, KeystoreFailed>
}>()("@sotto/core/Keystore") {}

/** Bytes of the key that `fromKey` takes. */
export const KEY_BYTES = 32

const VERSION = 1
const NONCE_BYTES = 24
const TAG_BYTES = 16

/** Sealed bytes are longer than what is in them by this much. */
export const OVERHEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

const boundTo = (name: string): Uint8Array => label(SUITE_DEFAULT, Purpose.localStore, Utf8.encode(name))

/** Sealed bytes under `key`, or `undefined` when the platform gave no random bytes for the nonce. */
export const sealWith = (
  crypto: Crypto["Service"],
  key: Uint8Array,
  name: string,
  plaintext: Uint8Array
): Uint8Array | undefined => {
  let nonce
  try {
    nonce = crypto.random(NONCE_BYTES)
  } catch (error) {
    if (error instanceof EntropyUnavailable) return undefined
    throw error
  }
  return Bytes.concat(Uint8Array.of(VERSION), nonce, crypto.aead.seal(key, nonce, boundTo(name), plaintext))
}

/** What `sealWith` was given, or `undefined` when the key, the name or the bytes are not the same. */
export const openWith = (
  crypto: Crypto["Service"],
  key: Uint8Array,
  name: string,
  sealed: Uint8Array
): Uint8Array | undefined => {
  if (sealed.length < OVERHEAD_BYTES || sealed[0] !== VERSION) return undefined
  return crypto.aead.open(key, sealed.subarray(1, 1 + NONCE_BYTES), boundTo(name), sealed.subarray(1 + NONCE_BYTES))
}

/** A keystore over 32 bytes that the platform keeps somewhere; every platform's `Layer` ends here. */
export const fromKey = (crypto: Crypto["Service"], key: Secret.Secret): Keystore["Service"] =>
  Keystore.of({
    seal: (name, plaintext) =>
      Effect.suspend(() => {
        const sealed = sealWith(crypto, Secret.reveal(key), name, plaintext)
        return sealed === undefined
          ? Effect.fail(new KeystoreFailed({ reason: "entropy", detail: name }))
          : Effect.succeed(sealed)
      }),
    open: (name, sealed) =>
      Effect.suspend(() => {
        const plaintext = openWith(crypto, Secret.reveal(key), name, sealed)
        return plaintext === undefined
          ? Effect.fail(
            new KeystoreFailed({ reason: sealed.length < OVERHEAD_BYTES ? "changed" : "wrongKey", detail: name })
          )
          : Effect.succeed(plaintext)
      })
  })

/**
 * A fresh key that ends with the scope: for tests, and for windows that must keep nothing.
 *
 * @public
 */
export const layerMemory: Layer.Layer<Keystore, EntropyUnavailable, Crypto> = Layer.effect(
  Keystore,
  Effect.gen(function*() {
    const crypto = yield* Crypto
    return fromKey(crypto, yield* Secret.scoped(yield* Secret.randomBytes(KEY_BYTES)))
  })
)
