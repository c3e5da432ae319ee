/**
 * The one Ed25519 rule (protocol.md §4), the same on every backend: s < L, A canonical and not of small order,
 * encode(sB − kA) equal to R byte for byte.
 *
 * Libraries disagree about odd signatures (cofactored or not, small orders, encodings that are not canonical), so a
 * member could make one that some devices accept and others refuse, and split a space. Hence three parts:
 * 1. `isAdmissible`: what no verifier may decide for itself, checked before any of them is asked.
 * 2. R of small order, which no honest signer makes: some verifiers refuse it (Node 26), others do not (Node 20), so
 *    noble's points decide, on every backend.
 * 3. The rest is the backend's: its equation must be the one without the cofactor. The self-test has signatures that
 *    tell; the 914 CCTV vectors show the answers equal.
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import { bytesToNumberLE } from "@noble/curves/utils.js"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import type { Signed } from "../Crypto.ts"
import { fromHex } from "../internal/hex.ts"

const PUBLIC_KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** Answers whether `signature` of `message` is right for `publicKey`. Arguments of a wrong length are simply wrong. */
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/** L = 2^252 + 27742317777372353535851937790883648493, the order of the base point, little endian. */
const ORDER = fromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

/** p = 2^255 − 19, little endian: an encoded y must be below it. */
const FIELD = fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")

/**
 * The y coordinates of the eight points of small order (0; 1; −1; and ±y8 of the points of order 8), little endian. With
 * either sign bit they are ten encodings: the eight of RFC 8032, and x = 0 written with a sign.
 */
const SMALL_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
].map(fromHex)

/** Whether the little-endian number in `bytes` is below `bound`; both are 32 bytes. Not constant time. */
const isBelow = (bytes: Uint8Array, bound: Uint8Array): boolean => {
  for (let i = bound.length - 1; i >= 0; i--) {
    const difference = (bytes[i] ?? 0) - (bound[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** Whether 32 bytes hold a scalar below the group order: s of a signature, or a ristretto255 scalar. */
export const isReduced = (scalar: Uint8Array): boolean => isBelow(scalar, ORDER)

/** The y coordinate of an encoded point: everything but the sign bit of x. */
const yOf = (point: Uint8Array): Uint8Array => {
  const y = new Uint8Array(point) // not slice(): that of a Buffer is no copy
  y[31] = (y[31] ?? 0) & 0x7f
  return y
}

const isSmallOrder = (y: Uint8Array): boolean => SMALL_ORDER.some((small) => Bytes.equals(small, y))

/** The public key's part of the rule: 32 bytes, y below p, not a point of small order. It may still be no point. */
export const isAdmissibleKey = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return false
  const y = yOf(publicKey)
  return isBelow(y, FIELD) && !isSmallOrder(y)
}

/** Everything of the rule but the equation. */
const isAdmissible = (publicKey: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === SIGNATURE_BYTES && isReduced(signature.slice(32)) && isAdmissibleKey(publicKey)

/** The rule's answer where no backend is to be asked; `undefined` where the backend decides. */
export const withoutBackend = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): boolean | undefined => {
  if (!isAdmissible(publicKey, signature)) return false
  return isSmallOrder(yOf(signature.slice(0, 32))) ? equationHolds(publicKey, message, signature) : undefined
}

/** The rule over a backend's verifier. */
export const withRule = (backend: Verify): Verify => (publicKey, message, signature) =>
  withoutBackend(publicKey, message, signature) ?? backend(publicKey, message, signature)

type Point = InstanceType<typeof ed25519.Point>

/** A point from its encoding, or undefined for a y that is on no point of the curve. */
const decode = (encoded: Uint8Array): Point | undefined => {
  try {
    return ed25519.Point.fromBytes(encoded)
  } catch {
    return undefined
  }
}

/** The equation with noble's points, for admissible input. Signatures are public: not constant time. */
export const equationHolds: Verify = (publicKey, message, signature) => {
  const a = decode(publicKey)
  if (a === undefined) return false
  const r = signature.subarray(0, 32)
  const k = ed25519.Point.Fn.create(bytesToNumberLE(sha512(Bytes.concat(r, publicKey, message))))
  const s = bytesToNumberLE(signature.subarray(32))
  return Bytes.equals(ed25519.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes(), r)
}

/** The rule with nothing but noble. */
export const verify: Verify = withRule(equationHolds)

/** `verify` for many, in order, with `perTurn` of them between two chances for other fibers to run. */
export const verifyEach = (check: Verify, perTurn: number) =>
  Effect.fnUntraced(function*(signed: ReadonlyArray<Signed>) {
    const answers: Array<boolean> = []
    for (const { message, publicKey, signature } of signed) {
      if (answers.length > 0 && answers.length % perTurn === 0) yield* Effect.yieldNow
      answers.push(check(publicKey, message, signature))
    }
    return answers
  })
