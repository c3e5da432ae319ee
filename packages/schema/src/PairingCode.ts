/**
 * The short code that one types to pair (protocol.md §8): sixteen symbols, `XXXX-XXXX-XXXX-XXXX`.
 *
 * ```
 * 7 mailbox (35 bits) | 8 secret (40 bits) | 1 check
 * ```
 *
 * The check symbol makes Σ α^i · s_i = 0 in GF(32) (x⁵ + x² + 1, α = x), i from 0 to 15. α has order 31, so the sixteen
 * weights differ and none is zero. Hence each changed symbol, each swap of two symbols (neighbours or not), and each pair
 * of equal symbols changed alike breaks the sum: all of the common typing errors are caught before the secret is tried,
 * and cost none of the few guesses.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Crockford from "./internal/crockford.ts"

/** The two halves of a code. `secret` is one. */
export interface PairingCode {
  /** 35 bits as five bytes, big endian: the first is below 8. It finds the mailbox and is no secret from the relay. */
  readonly mailbox: Uint8Array
  /** 40 bits as five bytes: the password of CPace. Never sent, never logged. */
  readonly secret: Uint8Array
}

/** A code that was not typed as it was shown. */
export class PairingCodeTypo extends Schema.TaggedError<PairingCodeTypo>()("PairingCodeTypo", {
  reason: Schema.Literals(["length", "symbol", "check"])
}) {
  override get message() {
    return this.reason === "length"
      ? "A pairing code has sixteen letters and digits. This costs no guess: type it again."
      : "There is a typo in the pairing code. This costs no guess: compare it with the other device and type it again."
  }
}

const HALF_BYTES = 5
const MAILBOX_SYMBOLS = 7
const CODE_SYMBOLS = 16
/** Longer than any way to write a code. */
const TEXT_UNITS_MAX = 64

/** Powers of α, one for each place. */
const WEIGHTS: ReadonlyArray<number> = Array.from({ length: CODE_SYMBOLS }).reduce<Array<number>>(
  (powers) => [...powers, powers.length === 0 ? 1 : double(powers[powers.length - 1] ?? 0)],
  []
)

function double(value: number): number {
  return (value & 0x10) === 0 ? value << 1 : ((value << 1) & 0x1f) ^ 0x05
}

const multiply = (a: number, b: number): number => {
  let product = 0
  for (let bit = 4; bit >= 0; bit--) product = double(product) ^ ((b >>> bit) & 1 ? a : 0)
  return product
}

const sumOf = (symbols: ReadonlyArray<number>): number =>
  symbols.reduce((sum, symbol, place) => sum ^ multiply(WEIGHTS[place] ?? 0, symbol), 0)

/** The one symbol that completes fifteen others. */
const checkOf = (symbols: ReadonlyArray<number>): number => {
  const sum = sumOf(symbols)
  for (let check = 0; check < 32; check++) if (multiply(WEIGHTS[CODE_SYMBOLS - 1] ?? 0, check) === sum) return check
  return 0
}

/** A code from ten random bytes, of which 75 bits are used. Throws a RangeError for another count: a bug. */
export const make = (random: Uint8Array): PairingCode => {
  if (random.length !== 2 * HALF_BYTES) throw new RangeError("a pairing code is made from ten random bytes")
  const mailbox = Uint8Array.from(random.subarray(0, HALF_BYTES))
  mailbox[0] = (mailbox[0] ?? 0) & 0x07
  return { mailbox, secret: Uint8Array.from(random.subarray(HALF_BYTES)) }
}

/** Five bytes as eight values of five bits. */
const symbolsOf = (half: Uint8Array): ReadonlyArray<number> => Array.from(Crockford.encode(half), Crockford.valueOf)

/** The code as people see it: upper case, in four groups of four. */
export const format = (code: PairingCode): string => {
  const symbols = [...symbolsOf(code.mailbox).slice(1), ...symbolsOf(code.secret)]
  const text = [...symbols, checkOf(symbols)].map(Crockford.symbolOf).join("").toUpperCase()
  return `${text.slice(0, 4)}-${text.slice(4, 8)}-${text.slice(8, 12)}-${text.slice(12)}`
}

const halfOf = (symbols: string): Uint8Array => {
  const bytes = Crockford.decode(symbols)
  if (typeof bytes === "string") throw new RangeError("eight checked symbols are forty bits")
  return bytes
}

/** A typed code. Case, spaces and hyphens do not matter; I and L are read as 1, O as 0. */
export const parse = (text: string): Result.Result<PairingCode, PairingCodeTypo> => {
  if (text.length > TEXT_UNITS_MAX) return Result.fail(new PairingCodeTypo({ reason: "length" }))
  const typed = text.toLowerCase().replace(/[\s-]/g, "").replace(/[il]/g, "1").replace(/o/g, "0")
  if (typed.length !== CODE_SYMBOLS) return Result.fail(new PairingCodeTypo({ reason: "length" }))
  const symbols = Array.from(typed, Crockford.valueOf)
  if (symbols.includes(-1)) return Result.fail(new PairingCodeTypo({ reason: "symbol" }))
  if (sumOf(symbols) !== 0) return Result.fail(new PairingCodeTypo({ reason: "check" }))
  return Result.succeed({
    mailbox: halfOf(`0${typed.slice(0, MAILBOX_SYMBOLS)}`),
    secret: halfOf(typed.slice(MAILBOX_SYMBOLS, CODE_SYMBOLS - 1))
  })
}
