/**
 * `Crypto` in a browser: the portable backend, with WebCrypto where it is faster and may be asynchronous. That is one
 * thing: checking the signatures of a page of entries (`npm run bench -- browser` shows by how much).
 */
import { Crypto, type CryptoUnavailable, type Signed } from "@sotto/core/Crypto"
import * as Ed25519 from "@sotto/core/crypto/Ed25519"
import * as Portable from "@sotto/core/crypto/Portable"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Public keys that stay imported: the devices of the spaces that are open. */
const KEYS_MAX = 256

/** What WebCrypto calls it. */
const ALGORITHM = { name: "Ed25519" }

const importKey = (publicKey: Uint8Array): Promise<CryptoKey> =>
  globalThis.crypto.subtle.importKey("raw", new Uint8Array(publicKey), ALGORITHM, true, ["verify"])

/** Imported keys by their bytes, the least recently used forgotten first. */
const makeKeys = () => {
  const keyByText = new Map<string, Promise<CryptoKey>>()
  return (publicKey: Uint8Array): Promise<CryptoKey> => {
    const text = publicKey.join()
    const known = keyByText.get(text)
    const key = known ?? importKey(publicKey)
    keyByText.delete(text)
    keyByText.set(text, key)
    const [oldest] = keyByText.keys()
    if (keyByText.size > KEYS_MAX && oldest !== undefined) keyByText.delete(oldest)
    return key
  }
}

/** The rule of `Ed25519`, with the browser's equation; a key that the browser will not import is checked with noble's. */
const makeVerify = () => {
  const keyOf = makeKeys()
  return async ({ message, publicKey, signature }: Signed): Promise<boolean> => {
    const decided = Ed25519.withoutBackend(publicKey, message, signature)
    if (decided !== undefined) return decided
    try {
      const key = await keyOf(publicKey)
      return await globalThis.crypto.subtle.verify(ALGORITHM, key, new Uint8Array(signature), new Uint8Array(message))
    } catch {
      return Ed25519.equationHolds(publicKey, message, signature)
    }
  }
}

/** The portable backend with the browser's signatures, after the portable self-test. */
export const layer: Layer.Layer<Crypto, CryptoUnavailable> = Layer.effect(
  Crypto,
  Effect.map(Crypto, (portable) => {
    const verify = makeVerify()
    return Crypto.of({
      ...portable,
      backend: "browser",
      signature: {
        ...portable.signature,
        verifyMany: (signed) => Effect.promise(() => Promise.all(signed.map(verify)))
      }
    })
  })
).pipe(Layer.provide(Portable.layer))
