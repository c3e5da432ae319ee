/**
 * The real tier of cryptography: what Node computes, byte for byte as on every platform, on this thread and over the
 * process's own randomness.
 *
 * The one curve that Node lacks is core's own. It multiplies secrets with a blinded factor (scalar + r · order), and takes
 * r from the platform, whatever source core gives for keys. The product does not depend on r, but no process of a
 * simulation may ask the platform for anything: so while such a call runs, the platform's source is one that always says
 * the same.
 *
 * Every node verifies what every other one did, and each start derives the same keys: answers that depend on nothing but
 * the arguments are remembered for the process, so that the work is done once and what follows from it each time.
 */
import type { Crypto, KeyPair } from "@sotto/core/Crypto"
import * as Ed25519 from "@sotto/core/crypto/Ed25519"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as Bytes from "@sotto/schema/Bytes"
import * as ByteText from "@sotto/simulation/ByteText"

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

/** Answers that are remembered, of each function. */
const REMEMBERED_MAX = 16_384

/** A function of bytes that does its work once for the same ones, for some time. */
const remembering = <A>() => {
  const known = new Map<string, A>()
  return (parts: ReadonlyArray<Uint8Array>, work: () => A): A => {
    const name = ByteText.of(Bytes.concat(...parts))
    const before = known.get(name)
    if (before !== undefined) return before
    if (known.size >= REMEMBERED_MAX) known.clear()
    const answer = work()
    known.set(name, answer)
    return answer
  }
}

const verified = remembering<boolean>()
const pairs = {
  signature: remembering<KeyPair>(),
  x25519: remembering<KeyPair>(),
  mlKem: remembering<KeyPair>(),
  xWing: remembering<KeyPair>()
}

/** The key pair of a seed, as arrays of the caller's own: it may wipe them. */
const keyPairOf = (kind: keyof typeof pairs, derive: (seed: Uint8Array) => KeyPair) => (seed: Uint8Array): KeyPair => {
  const { publicKey, secretKey } = pairs[kind]([seed], () => derive(seed))
  return { publicKey: publicKey.slice(), secretKey: secretKey.slice() }
}

/** As many as Node's backend checks in one turn. */
const VERIFY_PER_TURN = 16

/** Node's backend that draws from `random`. */
export const make = (random: Service["random"]): Service => {
  const crypto = NodeCrypto.make({ random, backend: "simulated" })
  const { mlKem, ristretto, signature, x25519, xWing } = crypto
  // Key and signature have one length each, or it is refused whatever the message.
  const verify: Ed25519.Verify = (publicKey, message, signed) =>
    publicKey.length === 32 && signed.length === 64 &&
    verified([publicKey, signed, message], () => signature.verify(publicKey, message, signed))
  return {
    ...crypto,
    signature: {
      ...signature,
      keyPair: keyPairOf("signature", signature.keyPair),
      verify,
      verifyMany: Ed25519.verifyEach(verify, VERIFY_PER_TURN)
    },
    x25519: { ...x25519, keyPair: keyPairOf("x25519", x25519.keyPair) },
    mlKem: { ...mlKem, keyPair: keyPairOf("mlKem", mlKem.keyPair) },
    xWing: { ...xWing, keyPair: keyPairOf("xWing", xWing.keyPair) },
    ristretto: { ...ristretto, multiply: steadily(ristretto.multiply) }
  }
}
