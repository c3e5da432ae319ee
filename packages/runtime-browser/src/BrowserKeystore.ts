/**
 * `Keystore` in a browser: 32 random bytes, sealed by an AES-GCM key that the browser keeps and does not hand out
 * (`extractable: false`). A copy of the profile's files gives the browser's key to whoever can read them; a script of
 * another origin, or a backup of this origin's data, does not.
 */
import { Crypto } from "@sotto/core/Crypto"
import { fromKey, KEY_BYTES, Keystore, KeystoreFailed } from "@sotto/core/Keystore"
import * as Secret from "@sotto/core/Secret"
import type { StoreFailed } from "@sotto/core/Store"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { Database, KEYS, request, transact } from "./Database.ts"

const ROW = "device"
const NONCE_BYTES = 12

interface Row {
  readonly wrapping: CryptoKey
  readonly sealed: Uint8Array<ArrayBuffer>
}

const isRow = (value: unknown): value is Row =>
  Predicate.hasProperty(value, "wrapping") && value.wrapping instanceof CryptoKey &&
  Predicate.hasProperty(value, "sealed") && value.sealed instanceof Uint8Array

const damaged = () => new KeystoreFailed({ reason: "damaged", detail: "the key kept by this browser" })

const create = Effect.fnUntraced(function*(database: IDBDatabase) {
  const key = yield* Secret.randomBytes(KEY_BYTES).pipe(
    Effect.mapError(() => new KeystoreFailed({ reason: "entropy", detail: "a new device key" }))
  )
  const nonce = globalThis.crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  const row = yield* Effect.tryPromise({
    try: async (): Promise<Row> => {
      const wrapping = await globalThis.crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
        "encrypt",
        "decrypt"
      ])
      const sealed = await globalThis.crypto.subtle.encrypt(
        { name: "AES-GCM", iv: nonce },
        wrapping,
        new Uint8Array(key)
      )
      return { wrapping, sealed: new Uint8Array(Bytes.concat(nonce, new Uint8Array(sealed))) }
    },
    catch: () => new KeystoreFailed({ reason: "unreadable", detail: "WebCrypto, which needs a secure page" })
  })
  yield* transact(database, KEYS, "create key", (store) => void store.put(row, ROW))
  return key
})

const open = ({ sealed, wrapping }: Row) =>
  Effect.tryPromise({
    try: async () => {
      const iv = sealed.subarray(0, NONCE_BYTES)
      const opened = await globalThis.crypto.subtle.decrypt(
        { name: "AES-GCM", iv },
        wrapping,
        sealed.subarray(NONCE_BYTES)
      )
      return new Uint8Array(opened)
    },
    catch: damaged
  })

/** The key of this device's database, made on first use and wiped with the scope. */
export const layer: Layer.Layer<Keystore, KeystoreFailed | StoreFailed, Database | Crypto> = Layer.effect(
  Keystore,
  Effect.gen(function*() {
    const database = yield* Database
    const crypto = yield* Crypto
    const row: unknown = yield* request(
      "read key",
      () => database.transaction(KEYS, "readonly").objectStore(KEYS).get(ROW)
    )
    if (row !== undefined && !isRow(row)) return yield* damaged()
    const key = row === undefined ? yield* create(database) : yield* open(row)
    return fromKey(crypto, yield* Secret.scoped(key))
  })
)
