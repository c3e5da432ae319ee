/**
 * The real tier of cryptography: what Node computes, byte for byte as on every platform, on this thread and over the
 * process's own randomness.
 *
 * The one curve that Node lacks is core's own. It multiplies secrets with a blinded factor (scalar + r · order), and takes
 * r from the platform, whatever source core gives for keys. The product does not depend on r, but no process of a
 * simulation may ask the platform for anything: so while such a call runs, the platform's source is one that always says
 * the same.
 */
import type { Crypto } from "@sotto/core/Crypto"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"

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

/** Node's backend that draws from `random`. */
export const make = (random: Service["random"]): Service => {
  const crypto = NodeCrypto.make({ random, backend: "simulated" })
  const { ristretto } = crypto
  return { ...crypto, ristretto: { ...ristretto, multiply: steadily(ristretto.multiply) } }
}
