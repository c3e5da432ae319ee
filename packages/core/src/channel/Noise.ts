/**
 * The Noise engine (rev 34; hybrids as clatter 2.2): a handshake as a value, and one step for each message. Which bytes
 * the two sides speak follows from the pattern, the primitives and nothing else; `docs/spec/channel.md` has the table.
 *
 * 1. A step answers a new state. What a failed step read is forgotten; whoever runs a handshake gives up after one.
 * 2. In a hybrid pattern `e` and `s` are pairs: X25519, then ML-KEM. Each is hashed, sealed and (with a pre-shared key)
 *    mixed by itself. `ekem` goes in the clear and through MixKey, `skem` sealed and through MixKeyAndHash.
 * 3. No message is longer than 65,535 bytes, in either direction.
 * 4. An all-zero agreement, a KEM key that fails its check and a seal that does not open end the handshake.
 */
import { concat, EMPTY } from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import * as Cipher from "./Cipher.ts"
import type { NoisePrimitives } from "./NoisePrimitives.ts"
import { type Pattern, type Role, senderOf, type Token } from "./Pattern.ts"
import * as Symmetric from "./SymmetricState.ts"

/** A public key: X25519, and ML-KEM in a hybrid pattern (empty otherwise). */
export interface PublicKey {
  readonly dh: Uint8Array
  readonly kem: Uint8Array
}

/** A key pair of one side. `kemSecret` is the 64-byte seed. */
export interface PrivateKey {
  readonly public: PublicKey
  readonly dhSecret: Uint8Array
  readonly kemSecret: Uint8Array
}

/** Why a step failed. `turn`: no message of this side is due; `length`: too short or too long for the pattern. */
export type Failure = "turn" | "length" | "public-key" | "authentication"

/** What both sides must agree on, and what this one brings. */
export interface Options {
  readonly primitives: NoisePrimitives
  readonly pattern: Pattern
  readonly role: Role
  /** Never empty: two known implementations differ on an empty one. */
  readonly prologue: Uint8Array
  /** Secrets of ephemeral keys, drawn in the order of the tokens. */
  readonly random: (length: number) => Uint8Array
  /** Randomness of encapsulations, for a run that is reproduced; without it the KEM draws its own, which is faster. */
  readonly kemRandom?: (length: number) => Uint8Array
  readonly static?: PrivateKey
  /** The responder's key, for an initiator whose pattern knows it before. */
  readonly remoteStatic?: PublicKey
  /** 32 bytes each, in the order of their tokens. */
  readonly psks?: ReadonlyArray<Uint8Array>
}

/** A handshake between two messages. */
export interface Handshake {
  readonly options: Options
  /** Messages that went by, of both sides. */
  readonly position: number
  readonly symmetric: Symmetric.SymmetricState
  readonly ephemeral: PrivateKey | undefined
  readonly remoteEphemeral: PublicKey | undefined
  readonly remoteStatic: PublicKey | undefined
  readonly psksUsed: number
}

/** A finished handshake. The hash is fresh on each run and names it: a signature over it cannot be replayed. */
export interface Established {
  readonly handshakeHash: Uint8Array
  readonly send: Cipher.Cipher
  readonly receive: Cipher.Cipher
  readonly remoteStatic: PublicKey | undefined
}

/** The full name: `Noise_hybridNK_25519+MLKEM768_ChaChaPoly_SHA256`. */
export const protocolName = (pattern: Pattern, { names }: NoisePrimitives): string => {
  const keys = pattern.hybrid ? `${names.dh}+${names.kem}` : names.dh
  return `Noise_${pattern.name}_${keys}_${names.cipher}_${names.hash}`
}

const bug = (what: string): never => {
  throw new RangeError(what)
}

/** A key pair from its secrets; the KEM's is only looked at in a hybrid pattern. */
export const privateKey = (
  primitives: NoisePrimitives,
  secrets: { readonly dh: Uint8Array; readonly kem?: Uint8Array }
): PrivateKey => ({
  public: {
    dh: primitives.dh.keyPair(secrets.dh).publicKey,
    kem: secrets.kem === undefined ? EMPTY : primitives.kem.keyPair(secrets.kem).publicKey
  },
  dhSecret: secrets.dh,
  kemSecret: secrets.kem ?? EMPTY
})

/** The state before the first message. Throws a RangeError when what the pattern needs is missing: a bug. */
export const initialize = (options: Options): Handshake => {
  const { pattern, primitives, prologue, psks = [], remoteStatic, role } = options
  if (prologue.length === 0) bug("a handshake needs a prologue")
  if (psks.length !== pattern.psks || psks.some((psk) => psk.length !== Symmetric.KEY_BYTES)) {
    bug(`${pattern.name} takes ${pattern.psks} pre-shared keys of ${Symmetric.KEY_BYTES} bytes`)
  }
  let symmetric = Symmetric.initialize(primitives, protocolName(pattern, primitives))
  symmetric = Symmetric.mixHash(primitives, symmetric, prologue)
  const known = pattern.responderKnown
    ? (role === "initiator" ? remoteStatic : options.static?.public) ?? bug(`${pattern.name} needs the responder's key`)
    : undefined
  if (known !== undefined) {
    symmetric = Symmetric.mixHash(primitives, symmetric, known.dh)
    if (pattern.hybrid) symmetric = Symmetric.mixHash(primitives, symmetric, known.kem)
  }
  return {
    options,
    position: 0,
    symmetric,
    ephemeral: undefined,
    remoteEphemeral: undefined,
    remoteStatic: role === "initiator" ? known : undefined,
    psksUsed: 0
  }
}

/** The tokens of the next message when `role` is to send it. */
const tokensFor = (handshake: Handshake, sender: Role): ReadonlyArray<Token> | undefined =>
  senderOf(handshake.position) === sender ? handshake.options.pattern.messages[handshake.position] : undefined

const other = (role: Role): Role => role === "initiator" ? "responder" : "initiator"

/** The next message of this side, with `payload` (sealed as soon as the pattern has a key; else in the clear). */
export const write = (
  handshake: Handshake,
  payload: Uint8Array
): Result.Result<{ readonly handshake: Handshake; readonly message: Uint8Array }, Failure> => {
  const tokens = tokensFor(handshake, handshake.options.role)
  if (tokens === undefined) return Result.fail("turn")
  const parts: Array<Uint8Array> = []
  let state = handshake
  for (const token of tokens) {
    const written = writeToken(state, token)
    if (typeof written === "string") return Result.fail(written)
    state = written.handshake
    parts.push(...written.parts)
  }
  const sealed = Symmetric.encryptAndHash(state.options.primitives, state.symmetric, payload)
  const message = concat(...parts, sealed.ciphertext)
  if (message.length > Limit.recordBytesMax) return Result.fail("length")
  return Result.succeed({
    handshake: { ...state, symmetric: sealed.state, position: state.position + 1 },
    message
  })
}

/** Takes the next message of the other side and answers its payload. */
export const read = (
  handshake: Handshake,
  message: Uint8Array
): Result.Result<{ readonly handshake: Handshake; readonly payload: Uint8Array }, Failure> => {
  const tokens = tokensFor(handshake, other(handshake.options.role))
  if (tokens === undefined) return Result.fail("turn")
  if (message.length > Limit.recordBytesMax) return Result.fail("length")
  const input: Input = { bytes: message, at: 0 }
  let state = handshake
  for (const token of tokens) {
    const after = readToken(state, token, input)
    if (typeof after === "string") return Result.fail(after)
    state = after
  }
  const { primitives } = state.options
  const rest = message.subarray(input.at)
  if (state.symmetric.key !== undefined && rest.length < Symmetric.TAG_BYTES) return Result.fail("length")
  const opened = Symmetric.decryptAndHash(primitives, state.symmetric, rest)
  if (opened === undefined) return Result.fail("authentication")
  return Result.succeed({
    handshake: { ...state, symmetric: opened.state, position: state.position + 1 },
    payload: opened.plaintext
  })
}

/** The transport keys, once every message of the pattern went by; `undefined` before. */
export const finish = (handshake: Handshake): Established | undefined => {
  const { options: { pattern, primitives, role }, remoteStatic, symmetric } = handshake
  if (handshake.position < pattern.messages.length) return undefined
  const [initiator, responder] = Symmetric.split(primitives, symmetric)
  const sends = role === "initiator" ? initiator : responder
  const receives = role === "initiator" ? responder : initiator
  return {
    handshakeHash: symmetric.hash,
    send: Cipher.make(primitives, sends),
    receive: Cipher.make(primitives, receives),
    remoteStatic
  }
}

// -- tokens ------------------------------------------------------------------------------------------------------------

interface Input {
  readonly bytes: Uint8Array
  at: number
}

interface Written {
  readonly handshake: Handshake
  readonly parts: ReadonlyArray<Uint8Array>
}

const take = (input: Input, length: number): Uint8Array | undefined => {
  if (input.bytes.length - input.at < length) return undefined
  const taken = input.bytes.slice(input.at, input.at + length)
  input.at += length
  return taken
}

const withSymmetric = (handshake: Handshake, symmetric: Symmetric.SymmetricState): Handshake => ({
  ...handshake,
  symmetric
})

/** MixHash of an ephemeral key's part, and MixKey where a pre-shared key asks for it. */
const mixEphemeral = (handshake: Handshake, part: Uint8Array): Handshake => {
  const { pattern, primitives } = handshake.options
  const hashed = Symmetric.mixHash(primitives, handshake.symmetric, part)
  return withSymmetric(handshake, pattern.psks > 0 ? Symmetric.mixKey(primitives, hashed, part) : hashed)
}

const mixPsk = (handshake: Handshake): Handshake => {
  const { primitives, psks = [] } = handshake.options
  const psk = psks[handshake.psksUsed] ?? bug("a pre-shared key is missing")
  return {
    ...handshake,
    symmetric: Symmetric.mixKeyAndHash(primitives, handshake.symmetric, psk),
    psksUsed: handshake.psksUsed + 1
  }
}

/** A DH token: the first letter is the initiator's key, the second the responder's. */
const mixDh = (handshake: Handshake, token: "ee" | "es" | "se" | "ss"): Handshake | Failure => {
  const { primitives, role } = handshake.options
  const mine = token[role === "initiator" ? 0 : 1]
  const theirs = token[role === "initiator" ? 1 : 0]
  const local = mine === "e" ? handshake.ephemeral : handshake.options.static
  const remote = theirs === "e" ? handshake.remoteEphemeral : handshake.remoteStatic
  if (local === undefined || remote === undefined) return bug(`${token} without its keys`)
  const shared = primitives.dh.sharedSecret(local.dhSecret, remote.dh)
  if (shared === undefined) return "public-key"
  return withSymmetric(handshake, Symmetric.mixKey(primitives, handshake.symmetric, shared))
}

const writeToken = (handshake: Handshake, token: Token): Written | Failure => {
  switch (token) {
    case "e":
      return writeEphemeral(handshake)
    case "s":
      return writeStatic(handshake)
    case "psk":
      return { handshake: mixPsk(handshake), parts: [] }
    case "ekem":
    case "skem":
      return encapsulate(handshake, token)
    case "ee":
    case "es":
    case "se":
    case "ss": {
      const mixed = mixDh(handshake, token)
      return typeof mixed === "string" ? mixed : { handshake: mixed, parts: [] }
    }
  }
}

const writeEphemeral = (handshake: Handshake): Written => {
  const { pattern, primitives, random } = handshake.options
  const dhSecret = random(primitives.dh.secretKeyBytes)
  const ephemeral = privateKey(
    primitives,
    pattern.hybrid ? { dh: dhSecret, kem: random(primitives.kem.seedBytes) } : { dh: dhSecret }
  )
  const parts = pattern.hybrid ? [ephemeral.public.dh, ephemeral.public.kem] : [ephemeral.public.dh]
  return { handshake: parts.reduce(mixEphemeral, { ...handshake, ephemeral }), parts }
}

const writeStatic = (handshake: Handshake): Written => {
  const { pattern, primitives, static: local } = handshake.options
  if (local === undefined) return bug("a static key is missing")
  let symmetric = handshake.symmetric
  const parts: Array<Uint8Array> = []
  for (const part of pattern.hybrid ? [local.public.dh, local.public.kem] : [local.public.dh]) {
    const sealed = Symmetric.encryptAndHash(primitives, symmetric, part)
    symmetric = sealed.state
    parts.push(sealed.ciphertext)
  }
  return { handshake: withSymmetric(handshake, symmetric), parts }
}

const encapsulate = (handshake: Handshake, token: "ekem" | "skem"): Written | Failure => {
  const { kemRandom, primitives } = handshake.options
  const remote = token === "ekem" ? handshake.remoteEphemeral : handshake.remoteStatic
  if (remote === undefined) return bug(`${token} without its key`)
  const made = primitives.kem.encapsulate(remote.kem, kemRandom?.(primitives.kem.randomnessBytes))
  if (made === undefined) return "public-key"
  const { ciphertext, sharedSecret } = made
  if (token === "ekem") {
    const hashed = Symmetric.mixHash(primitives, handshake.symmetric, ciphertext)
    return {
      handshake: withSymmetric(handshake, Symmetric.mixKey(primitives, hashed, sharedSecret)),
      parts: [ciphertext]
    }
  }
  const sealed = Symmetric.encryptAndHash(primitives, handshake.symmetric, ciphertext)
  return {
    handshake: withSymmetric(handshake, Symmetric.mixKeyAndHash(primitives, sealed.state, sharedSecret)),
    parts: [sealed.ciphertext]
  }
}

const readToken = (handshake: Handshake, token: Token, input: Input): Handshake | Failure => {
  switch (token) {
    case "e":
      return readEphemeral(handshake, input)
    case "s":
      return readStatic(handshake, input)
    case "psk":
      return mixPsk(handshake)
    case "ekem":
    case "skem":
      return decapsulate(handshake, token, input)
    case "ee":
    case "es":
    case "se":
    case "ss":
      return mixDh(handshake, token)
  }
}

const readEphemeral = (handshake: Handshake, input: Input): Handshake | Failure => {
  const { pattern, primitives } = handshake.options
  const dh = take(input, primitives.dh.publicKeyBytes)
  const kem = pattern.hybrid ? take(input, primitives.kem.publicKeyBytes) : EMPTY
  if (dh === undefined || kem === undefined) return "length"
  const remoteEphemeral = { dh, kem }
  return (pattern.hybrid ? [dh, kem] : [dh]).reduce(mixEphemeral, { ...handshake, remoteEphemeral })
}

/** Takes sealed bytes of a known plaintext length. */
const openPart = (
  handshake: Handshake,
  input: Input,
  plaintextBytes: number
): { readonly handshake: Handshake; readonly plaintext: Uint8Array } | Failure => {
  const { primitives } = handshake.options
  const sealed = take(input, plaintextBytes + (handshake.symmetric.key === undefined ? 0 : Symmetric.TAG_BYTES))
  if (sealed === undefined) return "length"
  const opened = Symmetric.decryptAndHash(primitives, handshake.symmetric, sealed)
  if (opened === undefined) return "authentication"
  return { handshake: withSymmetric(handshake, opened.state), plaintext: opened.plaintext }
}

const readStatic = (handshake: Handshake, input: Input): Handshake | Failure => {
  const { pattern, primitives } = handshake.options
  const dh = openPart(handshake, input, primitives.dh.publicKeyBytes)
  if (typeof dh === "string") return dh
  if (!pattern.hybrid) return { ...dh.handshake, remoteStatic: { dh: dh.plaintext, kem: EMPTY } }
  const kem = openPart(dh.handshake, input, primitives.kem.publicKeyBytes)
  if (typeof kem === "string") return kem
  return { ...kem.handshake, remoteStatic: { dh: dh.plaintext, kem: kem.plaintext } }
}

const decapsulate = (handshake: Handshake, token: "ekem" | "skem", input: Input): Handshake | Failure => {
  const { primitives } = handshake.options
  const local = token === "ekem" ? handshake.ephemeral : handshake.options.static
  if (local === undefined) return bug(`${token} without its key`)
  if (token === "ekem") {
    const ciphertext = take(input, primitives.kem.ciphertextBytes)
    if (ciphertext === undefined) return "length"
    const hashed = Symmetric.mixHash(primitives, handshake.symmetric, ciphertext)
    const shared = primitives.kem.decapsulate(local.kemSecret, ciphertext)
    if (shared === undefined) return "public-key"
    return withSymmetric(handshake, Symmetric.mixKey(primitives, hashed, shared))
  }
  const opened = openPart(handshake, input, primitives.kem.ciphertextBytes)
  if (typeof opened === "string") return opened
  const shared = primitives.kem.decapsulate(local.kemSecret, opened.plaintext)
  if (shared === undefined) return "public-key"
  const { handshake: after } = opened
  return withSymmetric(after, Symmetric.mixKeyAndHash(primitives, after.symmetric, shared))
}
