/** What a failing disk and a wrong hand do to a data file. */
import * as fs from "node:fs"
import { DatabaseSync } from "node:sqlite"

const PAGE_BYTES = 8192

/** Overwrites the beginning of every page from the third on, as if a controller had written elsewhere's bytes there. */
export const spoilPages = (file: string): void => {
  const descriptor = fs.openSync(file, "r+")
  try {
    const { size } = fs.fstatSync(descriptor)
    for (let at = 2 * PAGE_BYTES; at < size; at += PAGE_BYTES) {
      fs.writeSync(descriptor, new Uint8Array(64).fill(0xa5), 0, 64, at)
    }
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Says that a release wrote it that knows more of the schema than this one. */
export const makeNewer = (file: string): void => {
  const database = new DatabaseSync(file)
  database.exec("PRAGMA user_version = 1000")
  database.close()
}

/** Everything in a directory, by name. */
export const copyOf = (directory: string): ReadonlyMap<string, Buffer> =>
  new Map(fs.readdirSync(directory).map((name) => [name, fs.readFileSync(`${directory}/${name}`)]))

/** Puts a copy back as it was. */
export const putBack = (directory: string, copy: ReadonlyMap<string, Buffer>): void => {
  for (const name of fs.readdirSync(directory)) fs.rmSync(`${directory}/${name}`)
  for (const [name, bytes] of copy) fs.writeFileSync(`${directory}/${name}`, bytes, { mode: 0o600 })
}
