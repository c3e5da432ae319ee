/** A directory of a test's own, below the system's for such things; gone after it. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

export class Workplace implements Disposable {
  readonly root: string

  constructor() {
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-"))
  }

  /** A path in it. */
  at(...names: ReadonlyArray<string>): string {
    return path.join(this.root, ...names)
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.root, { recursive: true, force: true, maxRetries: 5 })
  }
}
