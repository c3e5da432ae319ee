/**
 * Texts that are nowhere else, and the search for them in whatever form they leak.
 *
 * All canaries begin alike, so one automaton finds every one of them in one pass over the bytes: raw, hexadecimal,
 * base64 (at each of its three alignments, both alphabets) and UTF-16 (both byte orders).
 *
 * The automaton is that of Aho and Corasick, "Efficient string matching" (Communications of the ACM, 1975). Where nothing
 * has begun, bytes are skipped after Commentz-Walter, "A string matching algorithm fast on the average" (ICALP 1979).
 */
import type { Draws } from "./Seed.ts"

/** How every canary begins. */
const PREFIX = "kanari"

const SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"
const SYMBOLS_COUNT = 10

/** Sixteen characters. */
export const draw = (draws: Draws): string => {
  let text = PREFIX
  for (let k = 0; k < SYMBOLS_COUNT; k++) text += SYMBOLS.charAt(draws.int(SYMBOLS.length))
  return text
}

/** What was found: which text, in which form. */
export interface Found {
  readonly secret: string
  readonly form: string
}

export interface Scanner {
  readonly bytes: (bytes: Uint8Array) => Found | undefined
  readonly text: (text: string) => Found | undefined
}

/** A scanner for canaries, and for secrets of one's own (ASCII, at least 6 characters). */
export const scanner = (secrets: ReadonlyArray<string> = []): Scanner => {
  const automaton = new Automaton([PREFIX, ...secrets].flatMap(patternsOf))
  return {
    bytes: (bytes) => automaton.scanBytes(bytes),
    text: (text) => automaton.scanText(text)
  }
}

interface Pattern extends Found {
  readonly codes: ReadonlyArray<number>
}

const patternsOf = (secret: string): ReadonlyArray<Pattern> => {
  const codes = codesOf(secret)
  const hex = codes.map((code) => code.toString(16).padStart(2, "0")).join("")
  const base64 = [0, 1, 2].map((shift) => base64Of(codes, shift))
  const texts = [
    ["hex", hex],
    ["hex", hex.toUpperCase()],
    ...base64.map((text) => ["base64", text] as const),
    ...base64.map((text) => ["base64url", text.replaceAll("+", "-").replaceAll("/", "_")] as const)
  ] as const
  return [
    { secret, form: "raw", codes },
    ...texts.map(([form, text]) => ({ secret, form, codes: codesOf(text) })),
    { secret, form: "UTF-16LE", codes: codes.flatMap((code) => [code, 0]) },
    { secret, form: "UTF-16BE", codes: codes.flatMap((code) => [0, code]) }
  ]
}

const codesOf = (text: string): ReadonlyArray<number> =>
  Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/** The symbols that depend on these bytes alone when `shift` bytes come before them. */
const base64Of = (codes: ReadonlyArray<number>, shift: number): string => {
  const bits = codes.map((code) => code.toString(2).padStart(8, "0")).join("")
  let text = ""
  for (let at = (6 - ((shift * 8) % 6)) % 6; at + 6 <= bits.length; at += 6) {
    text += BASE64.charAt(Number.parseInt(bits.slice(at, at + 6), 2))
  }
  return text
}

const ALPHABET = 256

class Automaton {
  /** The state after a state and a byte. */
  private readonly next: Int32Array
  /** By state, the pattern that ends there. */
  private readonly found: ReadonlyArray<Pattern | undefined>
  /** By state, 1 where a pattern ends. */
  private readonly ends: Uint8Array
  /** The length of the shortest pattern. */
  private readonly least: number
  /** By byte, how far no pattern can begin when that byte is `least` − 1 further on. */
  private readonly skips: Uint8Array

  constructor(patterns: ReadonlyArray<Pattern>) {
    const size = 1 + patterns.reduce((sum, { codes }) => sum + codes.length, 0)
    const next = new Int32Array(size * ALPHABET).fill(-1)
    const found = Array.from({ length: size }, (): Pattern | undefined => undefined)
    let states = 1
    for (const pattern of patterns) {
      let state = 0
      for (const code of pattern.codes) {
        const at = state * ALPHABET + code
        if (next[at] === -1) next[at] = states++
        state = next[at] ?? 0
      }
      found[state] ??= pattern
    }
    this.next = next
    this.found = found
    link(next, found)
    this.ends = Uint8Array.from(found, (pattern) => pattern === undefined ? 0 : 1)
    this.least = Math.min(...patterns.map(({ codes }) => codes.length))
    this.skips = skipsOf(patterns, this.least)
  }

  // Everything that travels or is stored goes through here, so neither of the two calls anything for a byte.
  scanBytes(bytes: Uint8Array): Found | undefined {
    const { ends, least, next, skips } = this
    let state = 0
    for (let at = 0; at < bytes.length; at++) {
      if (state === 0) {
        // Nothing has begun: most bytes of a ciphertext need not be looked at.
        let skip = 1
        while (skip > 0 && at + least <= bytes.length) {
          skip = skips[bytes[at + least - 1] ?? 0] ?? 0
          at += skip
        }
        if (at + least > bytes.length) return undefined
      }
      state = next[state * ALPHABET + (bytes[at] ?? 0)] ?? 0
      if (ends[state] === 1) return this.found[state]
    }
    return undefined
  }

  scanText(text: string): Found | undefined {
    const { ends, next } = this
    let state = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      state = code < ALPHABET ? next[state * ALPHABET + code] ?? 0 : 0
      if (ends[state] === 1) return this.found[state]
    }
    return undefined
  }
}

const skipsOf = (patterns: ReadonlyArray<Pattern>, least: number): Uint8Array => {
  const skips = new Uint8Array(ALPHABET).fill(Math.min(least, 255))
  for (const { codes } of patterns) {
    for (let at = 0; at < least; at++) {
      const code = codes[at] ?? 0
      skips[code] = Math.min(skips[code] ?? 0, least - 1 - at)
    }
  }
  return skips
}

/** Fills in where to go on when the next byte fits no pattern, breadth first. */
const link = (next: Int32Array, found: Array<Pattern | undefined>): void => {
  const fallback = new Int32Array(found.length)
  const queue: Array<number> = [0]
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    const base = state * ALPHABET
    const fallbackBase = (fallback[state] ?? 0) * ALPHABET
    found[state] ??= found[fallback[state] ?? 0]
    for (let code = 0; code < ALPHABET; code++) {
      const target = next[base + code] ?? -1
      const otherwise = state === 0 ? 0 : next[fallbackBase + code] ?? 0
      if (target === -1) next[base + code] = otherwise
      else {
        fallback[target] = otherwise
        queue.push(target)
      }
    }
  }
}
