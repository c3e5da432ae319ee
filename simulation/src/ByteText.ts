/** Bytes as text, one UTF-16 unit for each: the same order, and a key for maps. */

/** Eight at a time: a text that grows by one byte after the other is a tree of as many pieces. */
export const of = (bytes: Uint8Array): string => {
  let text = ""
  let at = 0
  for (; at + 8 <= bytes.length; at += 8) {
    text += String.fromCharCode(
      bytes[at] ?? 0,
      bytes[at + 1] ?? 0,
      bytes[at + 2] ?? 0,
      bytes[at + 3] ?? 0,
      bytes[at + 4] ?? 0,
      bytes[at + 5] ?? 0,
      bytes[at + 6] ?? 0,
      bytes[at + 7] ?? 0
    )
  }
  for (; at < bytes.length; at++) text += String.fromCharCode(bytes[at] ?? 0)
  return text
}
