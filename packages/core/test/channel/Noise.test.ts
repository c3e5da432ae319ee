import { assert, describe, it } from "@effect/vitest"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { x25519 } from "@noble/curves/ed25519.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import { concat, EMPTY } from "@sotto/schema/Bytes"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Cipher from "../../src/channel/Cipher.ts"
import * as Noise from "../../src/channel/Noise.ts"
import * as Pattern from "../../src/channel/Pattern.ts"
import { NONCE_MAX } from "../../src/channel/SymmetricState.ts"
import { CARRIED, OWN } from "./carriedVectors.ts"
import { counted, flipped } from "./kit.ts"
import { noblePrimitives } from "./noblePrimitives.ts"
import { fromHex, runVector, toHex, type Vector } from "./vectorRun.ts"

const primitives = noblePrimitives("ChaChaPoly", "SHA256")
const PROLOGUE = fromHex("736f74746f")

describe("vectors", () => {
  for (const vector of [...CARRIED, ...OWN]) it(`${vector.name}`, () => runVector(vector))
})

/** hybridNK and hybridNNpsk0 once more, straight down from Noise's text and noble alone. */
describe("by hand", () => {
  const makeState = (name: string) => {
    let hash: Uint8Array = sha256(Buffer.from(name))
    let chainingKey = hash
    let key: Uint8Array = EMPTY
    let nonce = 0
    const mixHash = (data: Uint8Array) => {
      hash = sha256(concat(hash, data))
    }
    const hkdf = (input: Uint8Array) => {
      const temporary = hmac(sha256, chainingKey, input)
      const one = hmac(sha256, temporary, Uint8Array.of(1))
      const two = hmac(sha256, temporary, concat(one, Uint8Array.of(2)))
      return [one, two, hmac(sha256, temporary, concat(two, Uint8Array.of(3)))] as const
    }
    const mixKey = (input: Uint8Array) => {
      ;[chainingKey, key] = hkdf(input)
      nonce = 0
    }
    const mixKeyAndHash = (input: Uint8Array) => {
      const [one, two, three] = hkdf(input)
      chainingKey = one
      mixHash(two)
      key = three
      nonce = 0
    }
    const seal = (plaintext: Uint8Array) => {
      const counter = new Uint8Array(12)
      counter[4] = nonce++
      mixHash(key.length === 0 ? plaintext : chacha20poly1305(key, counter, hash).encrypt(plaintext))
    }
    return { mixHash, mixKey, mixKeyAndHash, seal, hash: () => toHex(hash), split: () => hkdf(EMPTY) }
  }
  const sealed = (key: Uint8Array, text: string) =>
    toHex(chacha20poly1305(key, new Uint8Array(12)).encrypt(fromHex(text)))
  const named = (name: string): Vector => OWN.find((vector) => vector.name.includes(name)) ?? assert.fail(name)
  const drawsOf = (vector: Vector, side: "initiator" | "responder") => vector[side].draws.map(fromHex)
  const at = <A>(items: ReadonlyArray<A>, index: number): A => items[index] ?? assert.fail(`nothing at ${index}`)

  const finish = (vector: Vector, state: ReturnType<typeof makeState>) => {
    const [first, second] = state.split()
    assert.strictEqual(state.hash(), vector.handshakeHash)
    assert.strictEqual(sealed(first, at(vector.messages, 2).payload), at(vector.messages, 2).ciphertext)
    assert.strictEqual(sealed(second, at(vector.messages, 3).payload), at(vector.messages, 3).ciphertext)
  }

  it("hybridNK", () => {
    const vector = named("hybridNK")
    const s = makeState(vector.name)
    const [m1, eA, kemA] = drawsOf(vector, "initiator")
    const [m2, eB, kemB] = drawsOf(vector, "responder")
    const staticB = fromHex(vector.responder.static ?? "")
    const staticKemB = ml_kem768.keygen(fromHex(vector.responder.staticKem ?? "")).publicKey
    s.mixHash(fromHex(vector.prologue))
    s.mixHash(x25519.getPublicKey(staticB))
    s.mixHash(staticKemB)
    const skem = ml_kem768.encapsulate(staticKemB, m1)
    s.seal(skem.cipherText)
    s.mixKeyAndHash(skem.sharedSecret)
    s.mixHash(x25519.getPublicKey(eA ?? EMPTY))
    s.mixHash(ml_kem768.keygen(kemA).publicKey)
    s.mixKey(x25519.getSharedSecret(eA ?? EMPTY, x25519.getPublicKey(staticB)))
    s.seal(EMPTY)
    assert.strictEqual(s.hash(), at(vector.messages, 0).hash)
    const ekem = ml_kem768.encapsulate(ml_kem768.keygen(kemA).publicKey, m2)
    s.mixHash(ekem.cipherText)
    s.mixKey(ekem.sharedSecret)
    s.mixHash(x25519.getPublicKey(eB ?? EMPTY))
    s.mixHash(ml_kem768.keygen(kemB).publicKey)
    s.mixKey(x25519.getSharedSecret(eB ?? EMPTY, x25519.getPublicKey(eA ?? EMPTY)))
    s.seal(EMPTY)
    finish(vector, s)
  })

  it("hybridNNpsk0", () => {
    const vector = named("hybridNNpsk0")
    const s = makeState(vector.name)
    const [eA, kemA] = drawsOf(vector, "initiator")
    const [m, eB, kemB] = drawsOf(vector, "responder")
    const mixBoth = (part: Uint8Array) => {
      s.mixHash(part)
      s.mixKey(part)
    }
    s.mixHash(fromHex(vector.prologue))
    s.mixKeyAndHash(fromHex(at(vector.psks, 0)))
    mixBoth(x25519.getPublicKey(eA ?? EMPTY))
    mixBoth(ml_kem768.keygen(kemA).publicKey)
    s.seal(EMPTY)
    assert.strictEqual(s.hash(), at(vector.messages, 0).hash)
    const ekem = ml_kem768.encapsulate(ml_kem768.keygen(kemA).publicKey, m)
    s.mixHash(ekem.cipherText)
    s.mixKey(ekem.sharedSecret)
    mixBoth(x25519.getPublicKey(eB ?? EMPTY))
    mixBoth(ml_kem768.keygen(kemB).publicKey)
    s.mixKey(x25519.getSharedSecret(eB ?? EMPTY, x25519.getPublicKey(eA ?? EMPTY)))
    s.seal(EMPTY)
    finish(vector, s)
  })
})

describe("patterns", () => {
  it("names carry their modifiers", () => {
    assert.strictEqual(
      Noise.protocolName(Pattern.make("hybridNN", 0), primitives),
      "Noise_hybridNNpsk0_25519+MLKEM768_ChaChaPoly_SHA256"
    )
    assert.strictEqual(
      Noise.protocolName(Pattern.make("XX", 0, 3), primitives),
      "Noise_XXpsk0+psk3_25519_ChaChaPoly_SHA256"
    )
  })

  it("refuses a modifier for a message that is not there", () => {
    assert.throws(() => Pattern.make("NN", 3), RangeError)
  })

  it("refuses to encrypt under a pre-shared key before randomness of one's own", () => {
    assert.throws(() => Pattern.make("hybridNK", 0), RangeError)
    assert.throws(() => Pattern.make("hybridIK", 0), RangeError)
    assert.doesNotThrow(() => Pattern.make("hybridXX", 0))
  })
})

interface Run {
  readonly pattern: Pattern.Pattern
  readonly initiator: Noise.Handshake
  readonly responder: Noise.Handshake
}

const PSK = new Uint8Array(32).fill(7)

/** Both sides of a pattern, with every key that it may need. */
const begin = (
  name: Pattern.PatternName,
  psks: ReadonlyArray<number> = [],
  other: Partial<Noise.Options> = {}
): Run => {
  const pattern = Pattern.make(name, ...psks)
  const keyOf = (fill: number) =>
    Noise.privateKey(primitives, {
      dh: new Uint8Array(32).fill(fill),
      ...(pattern.hybrid && { kem: new Uint8Array(64).fill(fill) })
    })
  const [a, b] = [keyOf(1), keyOf(2)]
  const shared = { primitives, pattern, prologue: PROLOGUE, psks: psks.map(() => PSK) }
  return {
    pattern,
    initiator: Noise.initialize({
      ...shared,
      role: "initiator",
      random: counted(3),
      static: a,
      remoteStatic: b.public,
      ...other
    }),
    responder: Noise.initialize({ ...shared, role: "responder", random: counted(4), static: b })
  }
}

type Change = (message: Uint8Array, index: number) => Uint8Array

/** Runs a handshake to its end, or to the failure of a step. */
const complete = ({ pattern, ...sides }: Run, change: Change = (message) => message) => {
  let { initiator, responder } = sides
  for (let index = 0; index < pattern.messages.length; index++) {
    const sends = index % 2 === 0
    const written = Noise.write(sends ? initiator : responder, EMPTY)
    if (Result.isFailure(written)) return written.failure
    const read = Noise.read(sends ? responder : initiator, change(written.success.message, index))
    if (Result.isFailure(read)) return read.failure
    initiator = sends ? written.success.handshake : read.success.handshake
    responder = sends ? read.success.handshake : written.success.handshake
  }
  return { initiator: Noise.finish(initiator), responder: Noise.finish(responder) }
}

const ALL = [
  ["NN", []],
  ["NN", [0, 2]],
  ["NK", []],
  ["NK", [1]],
  ["XX", []],
  ["XX", [0, 1, 2, 3]],
  ["IK", []],
  ["IK", [2]],
  ["hybridNN", []],
  ["hybridNN", [0]],
  ["hybridNK", []],
  ["hybridXX", []],
  ["hybridXX", [3]],
  ["hybridIK", []]
] as const satisfies ReadonlyArray<readonly [Pattern.PatternName, ReadonlyArray<number>]>

describe("handshake", () => {
  for (const [name, psks] of ALL) {
    it(`${name} ${psks.join("+")} ends with equal hashes and keys that fit`, () => {
      const done = complete(begin(name, psks))
      assert.isObject(done)
      if (typeof done === "string") return
      const { initiator, responder } = done
      assert.deepStrictEqual(initiator?.handshakeHash, responder?.handshakeHash)
      const sealed = initiator?.send.seal(PROLOGUE) ?? EMPTY
      assert.deepStrictEqual(responder?.receive.open(sealed), PROLOGUE)
      assert.deepStrictEqual(initiator?.receive.open(responder?.send.seal(PROLOGUE) ?? EMPTY), PROLOGUE)
      assert.isUndefined(initiator?.receive.open(sealed))
    })
  }

  it("hybrid message sizes are those that were measured", () => {
    const sizes = (name: Pattern.PatternName, psks: ReadonlyArray<number> = []) => {
      const found: Array<number> = []
      complete(begin(name, psks), (message) => {
        found.push(message.length)
        return message
      })
      return found
    }
    assert.deepStrictEqual(sizes("hybridXX"), [1216, 3568, 2368, 1120])
    assert.deepStrictEqual(sizes("hybridNK"), [2320, 2320])
    assert.deepStrictEqual(sizes("hybridNN", [0]), [1232, 2320])
  })

  it("any flipped bit of any message fails it, then or at the next message", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ALL),
        fc.nat(3),
        fc.nat(),
        fc.nat(7),
        ([name, psks], message, at, bit) => {
          const run = begin(name, psks)
          const target = message % run.pattern.messages.length
          const done = complete(
            run,
            (bytes, index) => index === target ? flipped(bytes, at % bytes.length, bit) : bytes
          )
          assert.isString(done)
        }
      ),
      { numRuns: 150 }
    )
  })

  it("any cut message fails it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.nat(3), fc.nat(), ([name, psks], message, length) => {
        const run = begin(name, psks)
        const target = message % run.pattern.messages.length
        const done = complete(
          run,
          (bytes, index) => index === target ? bytes.subarray(0, length % bytes.length) : bytes
        )
        assert.isString(done)
      }),
      { numRuns: 60 }
    )
  })

  it("another prologue, key or pre-shared key fails at the first sealed message", () => {
    assert.strictEqual(complete(begin("hybridNK", [], { prologue: Uint8Array.of(1) })), "authentication")
    assert.strictEqual(complete(begin("hybridNN", [0], { psks: [new Uint8Array(32)] })), "authentication")
    const stranger = Noise.privateKey(primitives, {
      dh: new Uint8Array(32).fill(9),
      kem: new Uint8Array(64).fill(9)
    })
    assert.strictEqual(complete(begin("hybridNK", [], { remoteStatic: stranger.public })), "authentication")
  })

  it("refuses an all-zero agreement", () => {
    assert.strictEqual(
      complete(begin("NN"), (message, index) => index === 0 ? new Uint8Array(32) : message),
      "public-key"
    )
    const { initiator } = begin("NK", [], { remoteStatic: { dh: new Uint8Array(32), kem: EMPTY } })
    assert.deepStrictEqual(Noise.write(initiator, EMPTY), Result.fail("public-key"))
  })

  it("refuses a KEM key that fails its modulus check", () => {
    const done = complete(begin("hybridNN"), (message, index) => {
      const changed = message.slice()
      if (index === 0) changed.fill(0xff, 32, 64)
      return changed
    })
    assert.strictEqual(done, "public-key")
  })

  it("refuses what is above 65,535 bytes in both directions", () => {
    const { initiator, responder } = begin("NN")
    assert.deepStrictEqual(Noise.write(initiator, new Uint8Array(65_504)), Result.fail("length"))
    assert.isTrue(Result.isSuccess(Noise.write(initiator, new Uint8Array(65_503))))
    assert.deepStrictEqual(Noise.read(responder, new Uint8Array(65_536)), Result.fail("length"))
  })

  it("keeps to turns", () => {
    const { initiator, responder } = begin("NN")
    assert.deepStrictEqual(Noise.write(responder, EMPTY), Result.fail("turn"))
    assert.deepStrictEqual(Noise.read(initiator, EMPTY), Result.fail("turn"))
    assert.isUndefined(Noise.finish(initiator))
  })

  it("dies without a prologue, a key or a pre-shared key that the pattern needs", () => {
    const options = {
      primitives,
      pattern: Pattern.make("NN"),
      role: "initiator",
      prologue: PROLOGUE,
      random: counted(1)
    } as const
    assert.throws(() => Noise.initialize({ ...options, prologue: EMPTY }), RangeError)
    assert.throws(() => Noise.initialize({ ...options, pattern: Pattern.make("NK") }), RangeError)
    assert.throws(() => Noise.initialize({ ...options, pattern: Pattern.make("NN", 0) }), RangeError)
    assert.throws(() => Noise.initialize({ ...options, pattern: Pattern.make("NN", 0), psks: [EMPTY] }), RangeError)
  })
})

describe("cipher", () => {
  const key = () => new Uint8Array(32).fill(5)

  it("opens in order, once", () => {
    const send = Cipher.make(primitives, key()), receive = Cipher.make(primitives, key())
    const first = send.seal(Uint8Array.of(1)), second = send.seal(Uint8Array.of(2))
    assert.isUndefined(receive.open(second))
    assert.deepStrictEqual(receive.open(first), Uint8Array.of(1))
    assert.isUndefined(receive.open(first))
    assert.deepStrictEqual(receive.open(second), Uint8Array.of(2))
  })

  it("counts in its own byte order beyond 32 bits", () => {
    for (const cipher of ["ChaChaPoly", "AESGCM"] as const) {
      const set = noblePrimitives(cipher, "SHA256")
      const nonce = new Uint8Array(12)
      new DataView(nonce.buffer).setBigUint64(4, 0x1_0000_0002n, cipher === "ChaChaPoly")
      const sealed = Cipher.make(set, key(), 0x1_0000_0002).seal(PROLOGUE)
      assert.deepStrictEqual(sealed, set.aead.seal(key(), nonce, EMPTY, PROLOGUE))
    }
  })

  it("ends when its nonces are used up", () => {
    const cipher = Cipher.make(primitives, key(), NONCE_MAX - 1)
    const last = cipher.seal(PROLOGUE)
    assert.throws(() => cipher.seal(PROLOGUE), RangeError)
    const receive = Cipher.make(primitives, key(), NONCE_MAX - 1)
    assert.deepStrictEqual(receive.open(last), PROLOGUE)
    assert.isUndefined(receive.open(last))
  })

  it("rekeys as the text says, and goes on counting", () => {
    const cipher = Cipher.make(primitives, key(), 3)
    cipher.rekey()
    const highest = fromHex("00000000ffffffffffffffff")
    const next = chacha20poly1305(key(), highest).encrypt(new Uint8Array(32)).slice(0, 32)
    const nonce = fromHex("000000000300000000000000")
    assert.deepStrictEqual(cipher.seal(PROLOGUE), chacha20poly1305(next, nonce).encrypt(PROLOGUE))
  })
})
