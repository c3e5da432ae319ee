/**
 * The primitives of suite `01` on Node, each on the native and on the portable backend in the same run, and what the
 * engine makes of them (an envelope sealed and opened: KDF, commitment and cipher). Absolute figures depend on the machine;
 * the ratios are what `NodeCrypto` is there for.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Portable from "@sotto/core/crypto/Portable"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"

type CryptoService = Crypto["Service"]

/** One thing to time: `prepare` makes what it needs once per backend, and answers the operation. */
interface Case {
  readonly name: string
  /** Bytes that one operation works on, where throughput is of interest. */
  readonly bytes?: number
  /** Operations that one call does; one unless given. */
  readonly operations?: number
  readonly prepare: (crypto: CryptoService) => () => unknown
}

interface Figure {
  readonly name: string
  /** Microseconds for one operation, the best of several rounds. */
  readonly nodeMicros: number
  readonly portableMicros: number
  /** How many times faster Node is. */
  readonly ratio: number
  /** MB/s (10^6 bytes), where the case works on bytes. */
  readonly nodeMegabytes?: number
  readonly portableMegabytes?: number
}

const KIB = 1024
const zeros = (length: number): Uint8Array => new Uint8Array(length)
const sizes: ReadonlyArray<readonly [name: string, bytes: number]> = [["1 KiB", KIB], ["64 KiB", 64 * KIB]]

const overSizes = (name: string, prepare: (crypto: CryptoService, data: Uint8Array) => () => unknown) =>
  sizes.map(([size, bytes]): Case => ({
    name: `${name}, ${size}`,
    bytes,
    prepare: (crypto) => prepare(crypto, crypto.random(bytes))
  }))

const hashing: ReadonlyArray<Case> = [
  ...overSizes("SHA-256", ({ sha256 }, data) => () => sha256(data)),
  ...overSizes("SHA-512", ({ sha512 }, data) => () => sha512(data)),
  ...overSizes("BLAKE3", ({ blake3 }, data) => () => blake3(data)),
  { name: "HMAC-SHA-256, 120 bytes", prepare: ({ hmac, random }) => hmac.bind(undefined, random(32), random(120)) },
  {
    name: "HKDF-Expand to 64 bytes",
    prepare: ({ hkdfExpand, random }) => hkdfExpand.bind(undefined, random(32), random(120), 64)
  }
]

const sealing: ReadonlyArray<Case> = [
  ...overSizes(
    "XChaCha20-Poly1305 seal",
    ({ aead, random }, data) => aead.seal.bind(undefined, random(32), random(24), random(64), data)
  ),
  ...overSizes("XChaCha20-Poly1305 open", ({ aead, random }, data) => {
    const key = random(32), nonce = random(24), associated = random(64)
    return aead.open.bind(undefined, key, nonce, associated, aead.seal(key, nonce, associated, data))
  }),
  ...overSizes(
    "ChaCha20-Poly1305 seal",
    ({ channelAead, random }, data) => channelAead.seal.bind(undefined, random(32), random(12), zeros(0), data)
  ),
  {
    name: "envelope open, 1 KiB (KDF, commitment, cipher)",
    bytes: KIB,
    prepare: ({ aead, equal, hkdfExpand, random }) => {
      const epochKey = random(32), info = random(120), nonce = random(24), associated = random(64)
      const derive = () => hkdfExpand(epochKey, info, 64)
      const commitment = derive().slice(32)
      const sealed = aead.seal(derive().subarray(0, 32), nonce, associated, random(KIB))
      return () => {
        const derived = derive()
        return equal(derived.subarray(32), commitment) && aead.open(derived.subarray(0, 32), nonce, associated, sealed)
      }
    }
  }
]

const signedOnes = ({ random, signature }: CryptoService, count: number) => {
  const seed = random(32)
  const { publicKey } = signature.keyPair(seed)
  return Array.from({ length: count }, () => {
    const message = random(200)
    return { publicKey, message, signature: signature.sign(seed, message) }
  })
}

const signing: ReadonlyArray<Case> = [
  {
    name: "Ed25519 key pair",
    prepare: ({ random, signature }) => signature.keyPair.bind(undefined, random(32))
  },
  {
    name: "Ed25519 sign",
    prepare: ({ random, signature }) => signature.sign.bind(undefined, random(32), random(200))
  },
  {
    name: "Ed25519 verify",
    prepare: (crypto) => {
      const signed = signedOnes(crypto, 16)
      let next = 0
      return () => {
        const one = signed[next++ % signed.length]
        return one !== undefined && crypto.signature.verify(one.publicKey, one.message, one.signature)
      }
    }
  },
  {
    name: "Ed25519 verifyMany of 512, each",
    operations: 512,
    prepare: (crypto) => {
      const signed = signedOnes(crypto, 512)
      return () => Effect.runPromise(crypto.signature.verifyMany(signed))
    }
  }
]

const agreeing: ReadonlyArray<Case> = [
  {
    name: "X25519 key pair",
    prepare: ({ random, x25519 }) => x25519.keyPair.bind(undefined, random(32))
  },
  {
    name: "X25519 shared secret",
    prepare: ({ random, x25519 }) =>
      x25519.sharedSecret.bind(undefined, random(32), x25519.keyPair(random(32)).publicKey)
  },
  ...(["mlKem", "xWing"] as const).flatMap((kem): ReadonlyArray<Case> => {
    const name = { mlKem: "ML-KEM-768", xWing: "X-Wing" }[kem]
    const pair = (crypto: CryptoService) => crypto[kem].keyPair(crypto.random(crypto[kem].seedBytes))
    return [
      {
        name: `${name} key pair`,
        prepare: (crypto) => crypto[kem].keyPair.bind(undefined, crypto.random(crypto[kem].seedBytes))
      },
      {
        name: `${name} encapsulate`,
        prepare: (crypto) => {
          const { publicKey } = pair(crypto)
          return () => crypto[kem].encapsulate(publicKey)
        }
      },
      {
        name: `${name} encapsulate, given randomness`,
        prepare: (crypto) =>
          crypto[kem].encapsulate.bind(undefined, pair(crypto).publicKey, crypto.random(crypto[kem].randomnessBytes))
      },
      {
        name: `${name} decapsulate`,
        prepare: (crypto) => {
          const { publicKey, secretKey } = pair(crypto)
          const made = crypto[kem].encapsulate(publicKey)
          return () => made !== undefined && crypto[kem].decapsulate(secretKey, made.ciphertext)
        }
      }
    ]
  }),
  {
    name: "ristretto255 multiply",
    prepare: ({ random, ristretto }) =>
      ristretto.multiply.bind(undefined, ristretto.scalar(random(64)), ristretto.fromUniform(random(64)))
  }
]

const password: Case = {
  name: `Argon2id, ${Limit.passwordMemoryKibMin / KIB} MiB t=${Limit.passwordIterationsMin}`,
  prepare: ({ passwordKey, random }) => {
    const parameters = {
      memoryKib: Limit.passwordMemoryKibMin,
      iterations: Limit.passwordIterationsMin,
      parallelism: Limit.passwordParallelism,
      salt: random(16)
    }
    return () => Effect.runPromise(passwordKey(zeros(16), parameters))
  }
}

const ROUNDS = 8
const ROUND_MILLIS = 30

/** Microseconds of one operation in one round. */
const round = async (operation: () => unknown): Promise<number> => {
  const start = performance.now()
  let count = 0, passed = 0
  do {
    const answer = operation()
    if (answer instanceof Promise) await answer
    count++
    passed = performance.now() - start
  } while (passed < ROUND_MILLIS)
  return passed * 1000 / count
}

/** The backends take turns, so that what else the machine does meets both. */
const measure = async (one: Case, node: CryptoService, portable: CryptoService): Promise<Figure> => {
  const onNode = one.prepare(node), onPortable = one.prepare(portable)
  let nodeBest = Infinity, portableBest = Infinity
  for (let turn = 0; turn < ROUNDS; turn++) {
    nodeBest = Math.min(nodeBest, await round(onNode))
    portableBest = Math.min(portableBest, await round(onPortable))
  }
  const operations = one.operations ?? 1
  const nodeMicros = nodeBest / operations, portableMicros = portableBest / operations
  return {
    name: one.name,
    nodeMicros: rounded(nodeMicros),
    portableMicros: rounded(portableMicros),
    ratio: rounded(portableMicros / nodeMicros),
    ...(one.bytes !== undefined && {
      nodeMegabytes: rounded(one.bytes / nodeMicros),
      portableMegabytes: rounded(one.bytes / portableMicros)
    })
  }
}

/** Three figures are more than a shared machine can promise. */
const rounded = (value: number): number => Number(value.toPrecision(3))

const row = ({ name, nodeMegabytes, nodeMicros, portableMegabytes, portableMicros, ratio }: Figure): string =>
  [
    name.padEnd(48),
    `${nodeMicros} µs`.padStart(12),
    `${portableMicros} µs`.padStart(12),
    `${ratio} ×`.padStart(9),
    nodeMegabytes === undefined ? "" : `${nodeMegabytes} / ${portableMegabytes} MB/s`.padStart(20)
  ].join(" ").trimEnd()

/** Times every primitive on both backends and prints a table, or with `json` one object. @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const service = Effect.service(Crypto)
  const node = await Effect.runPromise(Effect.provide(service, NodeCrypto.layer))
  const portable = await Effect.runPromise(Effect.provide(service, Portable.layer))
  const figures: Array<Figure> = []
  if (!json) console.log(`${"".padEnd(48)} ${"node".padStart(12)} ${"portable".padStart(12)} ${"ratio".padStart(9)}`)
  for (const one of [...hashing, ...sealing, ...signing, ...agreeing, password]) {
    const figure = await measure(one, node, portable)
    figures.push(figure)
    if (!json) console.log(row(figure))
  }
  if (json) console.log(JSON.stringify({ bench: "crypto", node: process.version, figures }))
}
