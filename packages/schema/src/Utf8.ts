/** Text to bytes where a key or a name is hashed (protocol.md §3): strict UTF-8 on every platform. */
import * as Utf8 from "./internal/utf8.ts"

/** The UTF-8 bytes of well-formed text, in a fresh array. Throws a RangeError for a lone surrogate: a bug of the caller. */
export const encode = (text: string): Uint8Array => {
  const length = Utf8.byteLength(text)
  if (length < 0) throw new RangeError("text with a lone surrogate has no UTF-8 form")
  const out = new Uint8Array(length)
  Utf8.write(text, out, 0)
  return out
}

/** The text that the bytes are, or undefined when they are not UTF-8. */
export const decode = (bytes: Uint8Array): string | undefined => Utf8.read(bytes, 0, bytes.length)
