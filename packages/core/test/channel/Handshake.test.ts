import { assert, describe, it } from "@effect/vitest"
import { EntropyUnavailable } from "@sotto/core/Crypto"
import * as Secret from "@sotto/core/Secret"
import { EMPTY } from "@sotto/schema/Bytes"
import { RelayKey } from "@sotto/schema/Id"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Handshake from "../../src/channel/Handshake.ts"
import * as Noise from "../../src/channel/Noise.ts"
import * as NoisePrimitives from "../../src/channel/NoisePrimitives.ts"
import * as Prelude from "../../src/channel/Prelude.ts"
import * as RelayKeyring from "../../src/channel/RelayKeyring.ts"
import { crypto, flipped, identity } from "./kit.ts"

type Side = Handshake.Handshake

const prelude = Prelude.request("known")

const relay = (
  options: { readonly prelude?: Uint8Array; readonly relayKey?: RelayKey } = {}
): readonly [Side, Side] => [
  Handshake.relayInitiator(crypto, {
    relayKey: options.relayKey ?? identity.relayKey,
    relayKeys: identity.keys,
    prelude: options.prelude ?? prelude
  }),
  Handshake.relayResponder(crypto, { identity, prelude })
]

const secretOf = (fill: number, size = 32) => Secret.make(new Uint8Array(size).fill(fill))

const pairing = (psks: readonly [number, number] = [1, 1], prologue = Uint8Array.of(1)): readonly [Side, Side] => [
  Handshake.pairing(crypto, { role: "initiator", psk: secretOf(psks[0]), prologue }),
  Handshake.pairing(crypto, { role: "responder", psk: secretOf(psks[1]), prologue: Uint8Array.of(1) })
]

const peerKeys = [1, 2].map((fill) => ({ x25519: secretOf(fill), mlKem: secretOf(fill, 64) }))

const peer = (context = EMPTY): readonly [Side, Side] => {
  const [a, b] = peerKeys
  if (a === undefined || b === undefined) return assert.fail("two devices")
  return [
    Handshake.peer(crypto, { role: "initiator", ...a, context }),
    Handshake.peer(crypto, { role: "responder", ...b, context: EMPTY })
  ]
}

/** Takes turns until both are done or a step fails. */
const run = (
  [a, b]: readonly [Side, Side],
  change: (message: Uint8Array, index: number) => Uint8Array = (message) => message
): Handshake.HandshakeFailed | undefined => {
  for (let index = 0; a.established() === undefined || b.established() === undefined; index++) {
    const written = (index % 2 === 0 ? a : b).write()
    if (Result.isFailure(written)) return written.failure
    const read = (index % 2 === 0 ? b : a).read(change(written.success, index))
    if (Result.isFailure(read)) return read.failure
  }
  return undefined
}

const PROTOCOLS = { relay, pairing: () => pairing(), peer: () => peer() }

describe("Handshake", () => {
  for (const [name, make] of Object.entries(PROTOCOLS)) {
    it(`${name}: both sides end with one hash and keys that fit`, () => {
      const sides = make()
      assert.isUndefined(run(sides))
      const [a, b] = sides.map((side) => side.established())
      assert.deepStrictEqual(a?.handshakeHash, b?.handshakeHash)
      assert.deepStrictEqual(b?.receive.open(a?.send.seal(prelude) ?? EMPTY), prelude)
    })
  }

  it("each run has its own hash", () => {
    const [first, second] = [relay(), relay()]
    run(first)
    run(second)
    assert.notDeepEqual(first[0].established()?.handshakeHash, second[0].established()?.handshakeHash)
  })

  it("relay: both messages have the size that the relay checks first", () => {
    const sizes: Array<number> = []
    run(relay(), (message) => {
      sizes.push(message.length)
      return message
    })
    assert.deepStrictEqual(sizes, [Handshake.RELAY_MESSAGE_BYTES, Handshake.RELAY_MESSAGE_BYTES])
  })

  it("peer: each learns the other's static keys", () => {
    const sides = peer()
    run(sides)
    const primitives = NoisePrimitives.fromCrypto(crypto)
    const keyOf = (fill: number) =>
      Noise.privateKey(primitives, { dh: new Uint8Array(32).fill(fill), kem: new Uint8Array(64).fill(fill) }).public
    assert.deepStrictEqual(sides[0].established()?.remoteStatic, keyOf(2))
    assert.deepStrictEqual(sides[1].established()?.remoteStatic, keyOf(1))
  })

  it("a client stays nameless", () => {
    const sides = relay()
    run(sides)
    assert.isUndefined(sides[1].established()?.remoteStatic)
  })

  it("any flipped bit of any message fails it, and it stays failed", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(PROTOCOLS)),
        fc.nat(3),
        fc.nat(),
        fc.nat(7),
        (make, message, at, bit) => {
          const sides = make()
          let seen = 0
          const failed = run(sides, (bytes, index) => {
            seen = index
            return index === message ? flipped(bytes, at % bytes.length, bit) : bytes
          })
          if (failed === undefined) return assert.isBelow(seen, message)
          const reader = sides[seen % 2 === 0 ? 1 : 0]
          assert.isUndefined(reader.established())
          assert.isTrue(Result.isFailure(reader.write()))
          assert.isTrue(Result.isFailure(reader.read(new Uint8Array(2320))))
        }
      ),
      { numRuns: 60 }
    )
  })

  it("a prelude or a relay key that was exchanged on the way fails it", () => {
    assert.strictEqual(run(relay({ prelude: Prelude.request("ask") }))?.reason, "authentication")
    const other = RelayKey.make(crypto.sha256(identity.relayKey))
    assert.strictEqual(run(relay({ relayKey: other }))?.reason, "authentication")
  })

  it("another secret, prologue or context fails it at message 1 or 2", () => {
    assert.deepInclude(run(pairing([1, 2])), { step: 1, reason: "authentication" })
    assert.deepInclude(run(pairing([1, 1], Uint8Array.of(2))), { step: 1, reason: "authentication" })
    assert.deepInclude(run(peer(Uint8Array.of(1))), { step: 2, reason: "authentication" })
  })

  it("refuses what is out of turn, too short or too long, and a payload", () => {
    const failureOf = (side: Side, message: Uint8Array) => {
      const read = side.read(message)
      return Result.isFailure(read) ? read.failure.reason : "none"
    }
    assert.strictEqual(failureOf(relay()[0], EMPTY), "turn")
    assert.strictEqual(failureOf(relay()[1], EMPTY), "length")
    assert.strictEqual(failureOf(relay()[1], new Uint8Array(70_000)), "length")
    assert.strictEqual(failureOf(peer()[1], new Uint8Array(1217)), "payload")
  })

  it("leaves the randomness of encapsulations to the backend, which has the faster way to it", () => {
    const given: Array<Uint8Array | undefined> = []
    const watched = {
      ...crypto,
      mlKem: {
        ...crypto.mlKem,
        encapsulate: (publicKey: Uint8Array, randomness?: Uint8Array) => {
          given.push(randomness)
          return crypto.mlKem.encapsulate(publicKey, randomness)
        }
      }
    }
    const side = Handshake.relayInitiator(watched, { relayKey: identity.relayKey, relayKeys: identity.keys, prelude })
    assert.isTrue(Result.isSuccess(side.write()))
    assert.deepStrictEqual(given, [undefined])
  })

  it("dead entropy is a failure, not a defect", () => {
    const dead = {
      ...crypto,
      random: () => {
        throw new EntropyUnavailable()
      }
    }
    const side = Handshake.relayInitiator(dead, { relayKey: identity.relayKey, relayKeys: identity.keys, prelude })
    const written = side.write()
    assert.strictEqual(Result.isFailure(written) ? written.failure.reason : "none", "entropy")
  })
})

describe("RelayKeyring", () => {
  it("comes back from its bytes", () => {
    const decoded = RelayKeyring.decode(crypto, RelayKeyring.encode(identity))
    assert.isTrue(Result.isSuccess(decoded))
    if (Result.isFailure(decoded)) return
    assert.deepStrictEqual(decoded.success.keys, identity.keys)
    assert.deepStrictEqual(decoded.success.relayKey, identity.relayKey)
    assert.deepStrictEqual(Secret.reveal(decoded.success.mlKem), Secret.reveal(identity.mlKem))
  })

  it("refuses other bytes", () => {
    const bytes = RelayKeyring.encode(identity)
    for (const wrong of [EMPTY, bytes.subarray(1), bytes.subarray(0, 90), flipped(bytes, 1)]) {
      assert.isTrue(Result.isFailure(RelayKeyring.decode(crypto, wrong)))
    }
  })

  it("its key is the hash of all three public keys", () => {
    const { keys, relayKey } = identity
    const changed = [
      { ...keys, x25519: flipped(keys.x25519, 0) },
      { ...keys, mlKem: flipped(keys.mlKem, 1183) }
    ]
    for (const other of changed) assert.notDeepEqual(RelayKeyring.relayKeyOf(crypto, other), relayKey)
    assert.deepStrictEqual(RelayKeyring.relayKeyOf(crypto, keys), relayKey)
  })

  it("shows no secret", () => {
    assert.notMatch(JSON.stringify(identity), new RegExp(Array.from(Secret.reveal(identity.signing)).join(",")))
    assert.match(JSON.stringify(identity.mlKem), /redacted/)
  })
})
