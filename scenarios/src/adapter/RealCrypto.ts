/**
 * The real tier of cryptography: core's portable backend, synchronously, over the process's own randomness.
 *
 * Its curves multiply secrets with a blinded factor (scalar + r · order), and take r from the platform, whatever source
 * core gives for keys. The product does not depend on r, but no process of a simulation may ask the platform for
 * anything: so while such a call runs, the platform's source is one that always says the same.
 */
import type { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"

type Service = Crypto["Service"]

const SOURCE = "getRandomValues"

const platform: unknown = Reflect.get(globalThis, "crypto")

/** What blinds: any bytes do. */
const same = (bytes: Uint8Array): Uint8Array => bytes.fill(0x55)

/** The call, while the platform's source of randomness always says the same. */
const steadily = <Args extends ReadonlyArray<unknown>, A>(call: (...args: Args) => A) => (...args: Args): A => {
  if (typeof platform !== "object" || platform === null) return call(...args)
  const before = Object.getOwnPropertyDescriptor(platform, SOURCE)
  Object.defineProperty(platform, SOURCE, { configurable: true, writable: true, value: same })
  try {
    return call(...args)
  } finally {
    if (before === undefined) Reflect.deleteProperty(platform, SOURCE)
    else Object.defineProperty(platform, SOURCE, before)
  }
}

const kem = (backend: Service["mlKem"]): Service["mlKem"] => ({
  ...backend,
  keyPair: steadily(backend.keyPair),
  encapsulate: steadily(backend.encapsulate),
  decapsulate: steadily(backend.decapsulate)
})

/** The portable backend that draws from `random`. */
export const make = (random: Service["random"]): Service => {
  const crypto = Portable.make({ random, backend: "simulated" })
  const { ristretto, signature, x25519 } = crypto
  return {
    ...crypto,
    signature: {
      ...signature,
      keyPair: steadily(signature.keyPair),
      sign: steadily(signature.sign),
      signer: (secretKey) => steadily(signature.signer(secretKey))
    },
    x25519: { keyPair: steadily(x25519.keyPair), sharedSecret: steadily(x25519.sharedSecret) },
    mlKem: kem(crypto.mlKem),
    xWing: kem(crypto.xWing),
    ristretto: { ...ristretto, multiply: steadily(ristretto.multiply) }
  }
}
