import { cacheDirectory, makeCacheDirectory } from "@sotto/runtime-node/cli/CacheDirectory"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "vitest"

describe("the cache of compiled code", () => {
  it("is in the user's own cache, as each system has it", () => {
    const home = os.homedir()
    assert.strictEqual(cacheDirectory("linux", {}), path.join(home, ".cache/sotto/code"))
    assert.strictEqual(cacheDirectory("linux", { XDG_CACHE_HOME: "/caches" }), "/caches/sotto/code")
    assert.strictEqual(
      cacheDirectory("darwin", { XDG_CACHE_HOME: "/caches" }),
      path.join(home, "Library/Caches/sotto/code")
    )
    assert.strictEqual(cacheDirectory("win32", { LOCALAPPDATA: "/local" }), "/local/sotto/code")
  })

  it("is made for this user alone, below a home that exists, and found again", () => {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), "sotto-cache-"))
    try {
      const at = (name: string) => cacheDirectory("linux", { XDG_CACHE_HOME: path.join(home, name) })
      assert.isTrue(makeCacheDirectory(at(".cache")))
      assert.isTrue(makeCacheDirectory(at(".cache")))
      assert.strictEqual(fs.statSync(at(".cache")).mode & 0o777, 0o700)
      assert.isFalse(makeCacheDirectory(at("nowhere/.cache")))
      assert.isFalse(fs.existsSync(path.join(home, "nowhere")))
      fs.writeFileSync(path.join(home, "file"), "")
      assert.isFalse(makeCacheDirectory(at("file")))
    } finally {
      fs.rmSync(home, { recursive: true })
    }
  })

  it("is never relative to where a command runs", () => {
    for (const given of ["", "caches", "./caches"]) {
      assert.isTrue(path.isAbsolute(cacheDirectory("linux", { XDG_CACHE_HOME: given })), given)
    }
  })
})
