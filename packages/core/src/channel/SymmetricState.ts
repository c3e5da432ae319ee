/**
 * Noise's SymmetricState and the CipherState inside it (rev 34 §5.1, §5.2), as values: each operation answers a new one,
 * so a message that does not open leaves nothing behind.
 */
import { concat, EMPTY } from "@sotto/schema/Bytes"
import type { NoisePrimitives } from "./NoisePrimitives.ts"

/** Bytes of a symmetric key. */
export const KEY_BYTES = 32

/** Bytes that a seal adds. */
export const TAG_BYTES = 16

/** One less than Noise allows would be 2^64 − 2; a JavaScript number counts surely to here, and nothing comes close. */
export const NONCE_MAX = Number.MAX_SAFE_INTEGER

/** `h`, `ck`, and the key with its count of messages. No key: what is "encrypted" passes in the clear. */
export interface SymmetricState {
  readonly hash: Uint8Array
  readonly chainingKey: Uint8Array
  readonly key: Uint8Array | undefined
  readonly nonce: number
}

/** A nonce: four zero bytes, then the counter in the cipher's order. */
export const nonceBytes = (primitives: NoisePrimitives, counter: number): Uint8Array => {
  const nonce = new Uint8Array(12)
  const little = primitives.nonceOrder === "little"
  let rest = counter
  for (let i = 0; i < 8; i++) {
    nonce[little ? 4 + i : 11 - i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return nonce
}

/** Noise's HKDF (§4.3): chained HMAC, not RFC 5869 with an info. */
const hkdf = (
  primitives: NoisePrimitives,
  chainingKey: Uint8Array,
  input: Uint8Array
): readonly [Uint8Array, Uint8Array, () => Uint8Array] => {
  const { hmac } = primitives
  const temporary = hmac(chainingKey, input)
  const first = hmac(temporary, Uint8Array.of(1))
  const second = hmac(temporary, concat(first, Uint8Array.of(2)))
  return [first, second, () => hmac(temporary, concat(second, Uint8Array.of(3)))]
}

const cipherKey = (output: Uint8Array): Uint8Array => output.slice(0, KEY_BYTES)

/** The state of a protocol name. One longer than the hash is hashed. */
export const initialize = (primitives: NoisePrimitives, protocolName: string): SymmetricState => {
  const name = Uint8Array.from(protocolName, (character) => character.charCodeAt(0))
  const hash = new Uint8Array(primitives.hashBytes)
  if (name.length <= primitives.hashBytes) hash.set(name)
  else hash.set(primitives.hash(name))
  return { hash, chainingKey: hash, key: undefined, nonce: 0 }
}

export const mixHash = (primitives: NoisePrimitives, state: SymmetricState, data: Uint8Array): SymmetricState => ({
  ...state,
  hash: primitives.hash(concat(state.hash, data))
})

export const mixKey = (primitives: NoisePrimitives, state: SymmetricState, input: Uint8Array): SymmetricState => {
  const [chainingKey, key] = hkdf(primitives, state.chainingKey, input)
  return { hash: state.hash, chainingKey, key: cipherKey(key), nonce: 0 }
}

export const mixKeyAndHash = (
  primitives: NoisePrimitives,
  state: SymmetricState,
  input: Uint8Array
): SymmetricState => {
  const [chainingKey, hash, key] = hkdf(primitives, state.chainingKey, input)
  return { ...mixHash(primitives, state, hash), chainingKey, key: cipherKey(key()), nonce: 0 }
}

/** The ciphertext and the state after it. */
export const encryptAndHash = (
  primitives: NoisePrimitives,
  state: SymmetricState,
  plaintext: Uint8Array
): { readonly state: SymmetricState; readonly ciphertext: Uint8Array } => {
  if (state.key === undefined) return { state: mixHash(primitives, state, plaintext), ciphertext: plaintext }
  const ciphertext = primitives.aead.seal(state.key, nonceBytes(primitives, state.nonce), state.hash, plaintext)
  return { state: { ...mixHash(primitives, state, ciphertext), nonce: state.nonce + 1 }, ciphertext }
}

/** The plaintext and the state after it, or `undefined` when it does not open. */
export const decryptAndHash = (
  primitives: NoisePrimitives,
  state: SymmetricState,
  ciphertext: Uint8Array
): { readonly state: SymmetricState; readonly plaintext: Uint8Array } | undefined => {
  if (state.key === undefined) return { state: mixHash(primitives, state, ciphertext), plaintext: ciphertext.slice() }
  const plaintext = primitives.aead.open(state.key, nonceBytes(primitives, state.nonce), state.hash, ciphertext)
  if (plaintext === undefined) return undefined
  return { state: { ...mixHash(primitives, state, ciphertext), nonce: state.nonce + 1 }, plaintext }
}

/** The two keys of the transport: the initiator's, then the responder's. */
export const split = (primitives: NoisePrimitives, state: SymmetricState): readonly [Uint8Array, Uint8Array] => {
  const [first, second] = hkdf(primitives, state.chainingKey, EMPTY)
  return [cipherKey(first), cipherKey(second)]
}
