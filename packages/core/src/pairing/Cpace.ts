/**
 * CPace over ristretto255 with SHA-512 (draft-irtf-cfrg-cpace-21, `CPACE-RISTR255-SHA512`), initiator and responder.
 *
 * Two sides that know the same short password get the same 64-byte key; one that guesses learns from a run only whether
 * this one guess was right. Confirmation tags follow the draft's explicit key confirmation. Pure functions: randomness
 * is an argument.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Crypto } from "../Crypto.ts"

type CryptoService = Crypto["Service"]

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const DSI = ascii("CPaceRistretto255")
const DSI_ISK = ascii("CPaceRistretto255_ISK")
const DSI_MAC = ascii("CPaceMac")
/** Input block of SHA-512: the generator string is padded so that the password fills the first one alone. */
const HASH_BLOCK_BYTES = 128

/** The draft's `prepend_len`: the length as LEB128, then the bytes. */
const withLength = (bytes: Uint8Array): Uint8Array => {
  const prefix: Array<number> = []
  let rest = bytes.length
  do {
    prefix.push(rest < 128 ? rest : (rest & 0x7f) | 0x80)
    rest >>>= 7
  } while (rest > 0)
  return Bytes.concat(Uint8Array.from(prefix), bytes)
}

/** The draft's `lv_cat`. */
export const lengthValue = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Bytes.concat(...parts.map(withLength))

/** What both sides must agree on before they begin. */
export interface Setting {
  /** The password-related string: here the secret part of a code. */
  readonly password: Uint8Array
  /** Who speaks to whom, and where. */
  readonly channel: Uint8Array
  /** Session id, fresh for each run. */
  readonly session: Uint8Array
}

/** One side's public share with its associated data. */
export interface Party {
  readonly element: Uint8Array
  readonly data: Uint8Array
}

/** The draft's `calculate_generator`, encoded (32 bytes). */
const generator = (crypto: CryptoService, { channel, password, session }: Setting): Uint8Array => {
  const padding = Math.max(0, HASH_BLOCK_BYTES - 1 - withLength(password).length - withLength(DSI).length)
  return crypto.ristretto.fromUniform(
    crypto.sha512(lengthValue(DSI, password, new Uint8Array(padding), channel, session))
  )
}

/**
 * One side's share (32 bytes). `scalar` is 32 bytes, little endian, reduced: `crypto.ristretto.scalar` of 64 random
 * bytes, used once. A zero scalar is a bug and dies.
 */
export const element = (crypto: CryptoService, setting: Setting, scalar: Uint8Array): Uint8Array => {
  const product = crypto.ristretto.multiply(scalar, generator(crypto, setting))
  if (product === undefined) throw new RangeError("a CPace scalar is not zero")
  return product
}

/** The shared key (64 bytes); `undefined` when the other side's element is invalid. */
export const sharedKey = (crypto: CryptoService, input: {
  readonly session: Uint8Array
  readonly scalar: Uint8Array
  readonly remote: Uint8Array
  readonly initiator: Party
  readonly responder: Party
}): Uint8Array | undefined => {
  const product = crypto.ristretto.multiply(input.scalar, input.remote)
  if (product === undefined) return undefined
  return crypto.sha512(Bytes.concat(
    lengthValue(DSI_ISK, input.session, product),
    lengthValue(input.initiator.element, input.initiator.data),
    lengthValue(input.responder.element, input.responder.data)
  ))
}

/** A side's confirmation tag (64 bytes) over its own share. */
export const confirmation = (crypto: CryptoService, input: {
  readonly session: Uint8Array
  readonly key: Uint8Array
  readonly party: Party
}): Uint8Array =>
  crypto.hmacSha512(
    crypto.sha512(Bytes.concat(DSI_MAC, input.session, input.key)),
    lengthValue(input.party.element, input.party.data)
  )
