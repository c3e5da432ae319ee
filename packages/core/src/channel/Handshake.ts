/**
 * The three handshakes that Sotto speaks (protocol.md §8), each as two sides that take turns. All are hybrid: whoever
 * records today and has a quantum computer tomorrow must still break X25519 and ML-KEM both.
 *
 *   relay     hybridNK      client → relay     the relay is known by its pinned key, the client stays nameless
 *   pairing   hybridNNpsk0  device → device    both know a secret from the code or ticket
 *   peer      hybridXX      device → device    each learns the other's static key, hidden from everybody else
 *
 * 1. The pattern is fixed by the protocol and stands in the handshake's hash: nothing is negotiated.
 * 2. After one failed step a handshake only fails.
 */
import { EMPTY } from "@sotto/schema/Bytes"
import type { RelayKey } from "@sotto/schema/Id"
import { label, Purpose } from "@sotto/schema/Purpose"
import type { RelayKeys } from "@sotto/schema/Relay"
import { PROTOCOL_VERSION, SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Crypto, EntropyUnavailable } from "../Crypto.ts"
import * as Secret from "../Secret.ts"
import * as Noise from "./Noise.ts"
import * as NoisePrimitives from "./NoisePrimitives.ts"
import * as Pattern from "./Pattern.ts"
import type { RelayIdentity } from "./RelayKeyring.ts"

type CryptoService = Crypto["Service"]

/** A step that did not come out; `step` counts from 1. It says what, never with which bytes. */
export class HandshakeFailed extends Schema.TaggedError<HandshakeFailed>()("HandshakeFailed", {
  protocol: Schema.Literals(["relay", "pairing", "peer"]),
  step: Schema.Int,
  reason: Schema.Literals(["turn", "length", "public-key", "authentication", "payload", "entropy", "given-up"])
}) {
  override get message() {
    return `The ${this.protocol} handshake failed at message ${this.step} (${this.reason}). ` +
      "Nothing was sent or accepted; start again, and check that both sides mean each other."
  }
}

/** One side of a handshake. */
export interface Handshake {
  /** The next message, when it is this side's turn. */
  readonly write: () => Result.Result<Uint8Array, HandshakeFailed>
  /** Takes the other side's message, when it is its turn. */
  readonly read: (message: Uint8Array) => Result.Result<void, HandshakeFailed>
  /** The keys, after the last message; `undefined` before, and for ever once a step failed. */
  readonly established: () => Noise.Established | undefined
}

const RELAY = Pattern.make("hybridNK")
const PAIRING = Pattern.make("hybridNN", 0)
const PEER = Pattern.make("hybridXX")

/** Bytes of each message of the handshake with a relay: ciphertext or tag around X25519 and ML-KEM keys. */
export const RELAY_MESSAGE_BYTES = 2320

const run = (protocol: HandshakeFailed["protocol"], options: Noise.Options): Handshake => {
  let state: Noise.Handshake | HandshakeFailed = Noise.initialize(options)

  const fail = (reason: HandshakeFailed["reason"], position: number) => {
    const failed = new HandshakeFailed({ protocol, step: position + 1, reason })
    state = failed
    return Result.fail(failed)
  }
  const givenUp = (failed: HandshakeFailed) =>
    Result.fail(new HandshakeFailed({ protocol, step: failed.step, reason: "given-up" }))

  const step = <A extends { readonly handshake: Noise.Handshake }>(
    take: (handshake: Noise.Handshake) => Result.Result<A, Noise.Failure>
  ): Result.Result<A, HandshakeFailed> => {
    const before = state
    if (before instanceof HandshakeFailed) return givenUp(before)
    try {
      const taken = take(before)
      if (Result.isFailure(taken)) return fail(taken.failure, before.position)
      state = taken.success.handshake
      return Result.succeed(taken.success)
    } catch (error) {
      if (error instanceof EntropyUnavailable) return fail("entropy", before.position)
      throw error
    }
  }

  return {
    write: () => Result.map(step((handshake) => Noise.write(handshake, EMPTY)), ({ message }) => message),
    read: (message) => {
      const taken = step((handshake) => Noise.read(handshake, message))
      if (Result.isFailure(taken)) return Result.fail(taken.failure)
      const { handshake, payload } = taken.success
      return payload.length === 0 ? Result.succeed(undefined) : fail("payload", handshake.position - 1)
    },
    established: () => state instanceof HandshakeFailed ? undefined : Noise.finish(state)
  }
}

/** L("relay") relayKey version prelude: a prelude that was changed on the way fails the handshake. */
const relayPrologue = (relayKey: RelayKey, prelude: Uint8Array): Uint8Array =>
  label(SUITE_DEFAULT, Purpose.relayPrologue, relayKey, Uint8Array.of(PROTOCOL_VERSION), prelude)

/** The client's side. `relayKeys` were checked against `relayKey` before. */
export const relayInitiator = (crypto: CryptoService, options: {
  readonly relayKey: RelayKey
  readonly relayKeys: RelayKeys
  readonly prelude: Uint8Array
}): Handshake =>
  run("relay", {
    primitives: NoisePrimitives.fromCrypto(crypto),
    pattern: RELAY,
    role: "initiator",
    prologue: relayPrologue(options.relayKey, options.prelude),
    random: crypto.random,
    remoteStatic: { dh: options.relayKeys.x25519, kem: options.relayKeys.mlKem }
  })

/** The relay's side. */
export const relayResponder = (crypto: CryptoService, options: {
  readonly identity: RelayIdentity
  readonly prelude: Uint8Array
}): Handshake => {
  const { keys, mlKem, relayKey, x25519 } = options.identity
  return run("relay", {
    primitives: NoisePrimitives.fromCrypto(crypto),
    pattern: RELAY,
    role: "responder",
    prologue: relayPrologue(relayKey, options.prelude),
    random: crypto.random,
    static: {
      public: { dh: keys.x25519, kem: keys.mlKem },
      dhSecret: Secret.reveal(x25519),
      kemSecret: Secret.reveal(mlKem)
    }
  })
}

/** Either side of a pairing. The new device is the initiator; the prologue and the 32-byte secret come from the code. */
export const pairing = (crypto: CryptoService, options: {
  readonly role: Pattern.Role
  readonly psk: Secret.Secret
  readonly prologue: Uint8Array
}): Handshake =>
  run("pairing", {
    primitives: NoisePrimitives.fromCrypto(crypto),
    pattern: PAIRING,
    role: options.role,
    prologue: options.prologue,
    random: crypto.random,
    psks: [Secret.reveal(options.psk)]
  })

/**
 * Either side between two devices. Each learns the other's static keys (`established().remoteStatic`) and must then ask
 * whose they are: the handshake only shows that the other side has them. `context` is whatever both sides know before.
 */
export const peer = (crypto: CryptoService, options: {
  readonly role: Pattern.Role
  readonly x25519: Secret.Secret
  readonly mlKem: Secret.Secret
  readonly context: Uint8Array
}): Handshake => {
  const primitives = NoisePrimitives.fromCrypto(crypto)
  return run("peer", {
    primitives,
    pattern: PEER,
    role: options.role,
    prologue: label(SUITE_DEFAULT, Purpose.peerPrologue, Uint8Array.of(PROTOCOL_VERSION), options.context),
    random: crypto.random,
    static: Noise.privateKey(primitives, { dh: Secret.reveal(options.x25519), kem: Secret.reveal(options.mlKem) })
  })
}
