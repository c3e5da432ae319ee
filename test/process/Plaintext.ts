/**
 * Looks for what must not be seen: marks that were written into values, labels and names, in every form in which
 * software tends to store text.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** A mark as it was found. */
export interface Leak {
  readonly where: string
  readonly mark: string
  readonly form: string
}

/** Base64 of a text that stands anywhere: three alignments, without the symbols that its neighbours share. */
const base64Forms = (mark: Buffer): ReadonlyArray<string> =>
  [0, 1, 2].map((lead) => {
    const text = Buffer.concat([Buffer.alloc(lead), mark]).toString("base64").replace(/=+$/, "")
    const firstWhole = lead === 0 ? 0 : lead + 1
    const whole = Math.floor(((lead + mark.length) * 8) / 6)
    return text.slice(firstWhole, whole)
  })

const formsOf = (mark: string): ReadonlyArray<readonly [form: string, bytes: Buffer]> => {
  const raw = Buffer.from(mark)
  const base64 = base64Forms(raw)
  return [
    ["raw", raw],
    ["hex", Buffer.from(raw.toString("hex"))],
    ["HEX", Buffer.from(raw.toString("hex").toUpperCase())],
    ["utf-16le", Buffer.from(mark, "utf16le")],
    ["utf-16be", Buffer.from(mark, "utf16le").swap16()],
    ["reversed", Buffer.from(raw).reverse()],
    ...base64.map((text, lead) => [`base64+${lead}`, Buffer.from(text)] as const),
    ...base64.map((text, lead) =>
      [`base64url+${lead}`, Buffer.from(text.replaceAll("+", "-").replaceAll("/", "_"))] as const
    )
  ]
}

/** Every mark that the bytes show, in any form. */
export const leaksIn = (where: string, bytes: Buffer, marks: ReadonlyArray<string>): ReadonlyArray<Leak> =>
  marks.flatMap((mark) =>
    formsOf(mark).flatMap(([form, needle]) => bytes.includes(needle) ? [{ where, mark, form }] : [])
  )

/** Every file below a directory. */
export const filesOf = (directory: string): ReadonlyArray<string> =>
  fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))

/** The same for every file below a directory, names included. */
export const leaksBelow = (directory: string, marks: ReadonlyArray<string>): ReadonlyArray<Leak> =>
  filesOf(directory).flatMap((file) => [
    ...leaksIn(file, fs.readFileSync(file), marks),
    ...leaksIn(`the name of ${file}`, Buffer.from(path.relative(directory, file)), marks)
  ])
