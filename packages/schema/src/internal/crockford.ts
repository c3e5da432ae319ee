/** Crockford's base32: 32 symbols without I, L, O and U, so that text can be read aloud and typed. Most significant bits first. */

const SYMBOLS = "0123456789abcdefghjkmnpqrstvwxyz"

/** The symbol of a value from 0 to 31, in lower case. */
export const symbolOf = (value: number): string => SYMBOLS.charAt(value & 0x1f)

/** The value of a lower-case symbol, or −1. */
export const valueOf = (symbol: string): number => symbol.length === 1 ? SYMBOLS.indexOf(symbol) : -1

/** Bytes as symbols; the last one is filled with zero bits. */
export const encode = (bytes: Uint8Array): string => {
  let text = ""
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += symbolOf(held >>> bits)
    }
  }
  return bits === 0 ? text : text + symbolOf(held << (5 - bits))
}

/** How many symbols so many bytes take. */
export const lengthOf = (sizeBytes: number): number => Math.ceil((sizeBytes * 8) / 5)

/** The bytes of `lengthOf(n)` symbols (the caller counts them), or what is wrong with them. */
export const decode = (text: string): Uint8Array | "symbol" | "padding" => {
  const out = new Uint8Array(Math.floor((text.length * 5) / 8))
  let at = 0
  let bits = 0
  let held = 0
  for (let i = 0; i < text.length; i++) {
    const value = valueOf(text.charAt(i))
    if (value < 0) return "symbol"
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      out[at++] = held >>> bits
    }
  }
  return (held & ((1 << bits) - 1)) !== 0 ? "padding" : out
}
