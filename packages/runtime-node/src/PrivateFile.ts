/**
 * Directories and files that only their owner may read (threat model, "a copy of the disk"): data directories are 0700
 * and what is in them 0600. What others could read or replace is refused with the command that mends it; only what is
 * plainly ours is tightened silently.
 *
 * Windows has no such modes: there the checks are left to the profile directory's own protection.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** Why a path cannot be used. `exposed`: others may read or write it. */
export interface Refusal {
  readonly reason: "missing" | "full" | "permission" | "exposed" | "unavailable"
  readonly detail: string
}

const OTHERS = 0o077

const hasModes = process.platform !== "win32"

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

/** What an error of the file system means; anything else is a bug and goes on. */
const refusalOf = (cause: unknown): Refusal => {
  const code = codeOf(cause)
  if (!(cause instanceof Error) || code === undefined) throw cause
  const detail = cause.message
  switch (code) {
    case "ENOENT":
      return { reason: "missing", detail }
    case "ENOSPC":
    case "EDQUOT":
      return { reason: "full", detail }
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return { reason: "permission", detail }
    default:
      return { reason: "unavailable", detail }
  }
}

const exposed = (target: string, mode: number): Refusal => ({
  reason: "exposed",
  detail: `${target} is open to other users (mode ${(mode & 0o777).toString(8)}); chmod go-rwx ${target}`
})

const strange = (target: string): Refusal => ({ reason: "permission", detail: `${target} belongs to another user` })

/**
 * Makes `directory` (with its parents) or checks the one that is there. One that is open to others is tightened when it
 * is empty or holds `mark`, a file of ours; else it is refused, since it may be something else's.
 */
export const prepareDirectory = (directory: string, mark: string): Refusal | undefined => {
  try {
    makeDirectory(directory)
    const stat = fs.statSync(directory)
    if (!stat.isDirectory()) return { reason: "unavailable", detail: `${directory} is not a directory` }
    if (!hasModes) return undefined
    const uid = process.getuid?.()
    if (uid !== 0 && stat.uid !== uid) return strange(directory)
    if ((stat.mode & OTHERS) === 0) return undefined
    const names = fs.readdirSync(directory)
    if (names.length > 0 && !names.includes(mark)) return exposed(directory, stat.mode)
    fs.chmodSync(directory, 0o700)
    return undefined
  } catch (cause) {
    return refusalOf(cause)
  }
}

/** With its parents. Asked for them at once, Node reports a file system that is read-only as a missing directory. */
const makeDirectory = (directory: string): void => {
  try {
    fs.mkdirSync(directory, { mode: 0o700 })
  } catch (cause) {
    const code = codeOf(cause)
    if (code === "ENOENT") fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    else if (code !== "EEXIST") throw cause
  }
}

/** Makes an empty file 0600, or tightens the one that is there (inside a directory that `prepareDirectory` passed). */
export const prepareFile = (file: string): Refusal | undefined => {
  try {
    fs.closeSync(fs.openSync(file, "wx", 0o600))
    return undefined
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") return refusalOf(cause)
  }
  try {
    const stat = fs.statSync(file)
    if (!stat.isFile()) return { reason: "unavailable", detail: `${file} is not a file` }
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK)
    if (hasModes && (stat.mode & OTHERS) !== 0) fs.chmodSync(file, 0o600)
    return undefined
  } catch (cause) {
    return refusalOf(cause)
  }
}

/** Reads a small file that must be closed to others, at most `bytesMax`. */
export const readPrivate = (file: string, bytesMax: number): Uint8Array | Refusal => {
  let descriptor: number | undefined
  try {
    descriptor = fs.openSync(file, "r")
    const stat = fs.fstatSync(descriptor)
    if (!stat.isFile()) return { reason: "unavailable", detail: `${file} is not a file` }
    if (hasModes && (stat.mode & OTHERS) !== 0) return exposed(file, stat.mode)
    if (stat.size > bytesMax) {
      return { reason: "unavailable", detail: `${file} has ${stat.size} bytes: not one of ours` }
    }
    return new Uint8Array(fs.readFileSync(descriptor))
  } catch (cause) {
    return refusalOf(cause)
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/**
 * Writes a new file 0600, wholly or not at all, and durably: it stands under its name only once its bytes are on disk.
 * A file that is there is not replaced: `false`.
 */
export const writeNewPrivate = (file: string, bytes: Uint8Array): boolean | Refusal => {
  const draft = `${file}.${process.pid}.new`
  try {
    makeDirectory(path.dirname(file))
    fs.writeFileSync(draft, bytes, { mode: 0o600, flush: true })
    try {
      fs.linkSync(draft, file)
    } catch (cause) {
      if (codeOf(cause) === "EEXIST") return false
      throw cause
    } finally {
      fs.unlinkSync(draft)
    }
    syncDirectory(path.dirname(file))
    return true
  } catch (cause) {
    return refusalOf(cause)
  }
}

/** Puts `bytes` in the place of `file`, wholly or not at all, and durably. */
export const replacePrivate = (file: string, bytes: Uint8Array): Refusal | undefined => {
  const draft = `${file}.${process.pid}.new`
  try {
    fs.writeFileSync(draft, bytes, { mode: 0o600, flush: true })
    fs.renameSync(draft, file)
    syncDirectory(path.dirname(file))
    return undefined
  } catch (cause) {
    return refusalOf(cause)
  }
}

const syncDirectory = (directory: string): void => {
  if (!hasModes) return
  const descriptor = fs.openSync(directory, "r")
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
