/** A small file system of a test's own, for what happens when it is full. Only root on Linux may mount one. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const mount = (...args: ReadonlyArray<string>) => execFileSync("mount", args, { stdio: "ignore" })

const writeUntilFull = (file: number, bytes: Uint8Array): void => {
  try {
    for (;;) fs.writeSync(file, bytes)
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "ENOSPC") throw cause
  }
}

export class SmallDisk implements Disposable {
  readonly root: string
  readonly #ballast: string

  constructor(megabytes: number) {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-disk-"))
    mount("-t", "tmpfs", "-o", `size=${megabytes}m,mode=0700`, "tmpfs", this.root)
    this.#ballast = path.join(this.root, "ballast")
  }

  /** Takes all the room that is left. */
  fill(): void {
    const file = fs.openSync(this.#ballast, "w")
    for (const size of [65_536, 4096, 1]) writeUntilFull(file, new Uint8Array(size))
    fs.closeSync(file)
  }

  /** Gives it back. */
  free(): void {
    fs.rmSync(this.#ballast)
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["--lazy", this.root], { stdio: "ignore" })
    fs.rmSync(this.root, { recursive: true, force: true })
  }
}

/** Whether there can be one here. */
export const canMount = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false
  try {
    new SmallDisk(1)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
})()
