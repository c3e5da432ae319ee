/**
 * Everything that a device stands on, on Node: the one place where its parts are put together. A directory holds
 * `sotto.db`, and `device.key` unless SOTTO_KEY_FILE puts the key elsewhere.
 *
 * A key is made only together with the device that it seals: where the device is there and its key is not, that is a
 * failure, not a reason for another key.
 */
import type { Crypto, CryptoUnavailable } from "@sotto/core/Crypto"
import type { Keystore, KeystoreFailed } from "@sotto/core/Keystore"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Attempts from "@sotto/core/pairing/Attempts"
import { Store, type StoreFailed } from "@sotto/core/Store"
import type { Transport } from "@sotto/core/Transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as NodeCrypto from "./NodeCrypto.ts"
import * as NodeKeystore from "./NodeKeystore.ts"
import * as NodeStore from "./NodeStore.ts"
import * as NodeTransport from "./NodeTransport.ts"

export interface NodeDeviceOptions {
  /** Made 0700 when it is not there. One process at a time has it. */
  readonly directory: string
  /** Opens a key file that has one; stands before a key that is made now. */
  readonly passphrase?: Redacted.Redacted<string>
  /** Asked when the key file has a passphrase and none was given. */
  readonly askPassphrase?: Effect.Effect<Redacted.Redacted<string>, KeystoreFailed>
}

const keystore = (
  { askPassphrase, directory, passphrase }: NodeDeviceOptions
): Layer.Layer<Keystore, KeystoreFailed | StoreFailed, Store | Crypto> =>
  Layer.unwrap(Effect.gen(function*() {
    const store = yield* Store
    const options = {
      file: NodeKeystore.fileOf(directory),
      create: (yield* Ledger.device.get(store, "")) === undefined
    }
    const opened = NodeKeystore.layer({ ...options, ...passphrase === undefined ? {} : { passphrase } })
    if (askPassphrase === undefined) return opened
    return Layer.catchTag(opened, "KeystoreFailed", (error) =>
      error.reason === "passphraseNeeded"
        ? Layer.unwrap(Effect.map(askPassphrase, (given) => NodeKeystore.layer({ ...options, passphrase: given })))
        : Layer.effectContext(Effect.fail(error)))
  }))

/** A device's parts in a directory of this machine. */
export const layer = (
  options: NodeDeviceOptions
): Layer.Layer<
  Store | Keystore | Crypto | Transport | Attempts.Attempts,
  KeystoreFailed | StoreFailed | CryptoUnavailable
> =>
  Layer.mergeAll(Attempts.layer, NodeTransport.layer, keystore(options)).pipe(
    Layer.provideMerge(NodeStore.layer(options)),
    Layer.provideMerge(NodeCrypto.layer)
  )
