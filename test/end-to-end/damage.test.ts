/**
 * A data directory that is damaged, cut short, or of a newer release: nothing starts on it, nothing is changed in it,
 * and with a good copy in its place everything goes on.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { copyOf, makeNewer, putBack, spoilPages } from "../process/damage.ts"
import { settle, write } from "../process/devices.ts"
import { expectCode, linesOf, type RunningRelay, Stage, text, valuesOf } from "../process/Stage.ts"

/** What may be wrong with a data file, and the reason that is told. */
const DAMAGES: ReadonlyArray<readonly [reason: string, damage: (file: string) => void]> = [
  ["corrupt", spoilPages],
  ["corrupt", (file) => fs.truncateSync(file, Math.floor(fs.statSync(file).size / 2))],
  ["version", makeNewer]
]

describe("a relay's damaged directory", () => {
  it("is refused and left as it is; a device keeps what it writes meanwhile, and sends it when a backup is there", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    await write(laptop, "x".repeat(50_000))
    await relay.child.stop("SIGTERM")
    const backup = copyOf(relay.data)
    const file = path.join(relay.data, "sotto.db")
    for (const [reason, damage] of DAMAGES) {
      damage(file)
      const before = fs.readFileSync(file)
      const args = ["relay", "--port", String(relay.port), "--data", relay.data, "--json"]
      const ended = expectCode(await stage.children.start(args, { input: "" }).ended, 1)
      assert.lengthOf(linesOf(ended, "listening"), 0)
      const [error] = linesOf(ended, "error")
      assert.strictEqual(text(error, "tag"), "RelayStoreFailed")
      assert.include(text(error, "message"), `(${reason}: `)
      assert.isTrue(fs.readFileSync(file).equals(before), reason)
      putBack(relay.data, backup)
    }
    assert.strictEqual(linesOf(expectCode(await stage.run(laptop, ["push", "meanwhile"]), 3), "error").length, 1)
    const again: RunningRelay = await stage.relay({ port: relay.port, data: relay.data })
    assert.strictEqual(again.key, relay.key)
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), ["x".repeat(50_000), "meanwhile"])
  })
})

describe("a device's damaged directory", () => {
  it("is refused and left as it is; with a good copy what waited goes out", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    await relay.child.stop("SIGTERM")
    expectCode(await stage.run(laptop, ["push", "-"], { input: "waits ".repeat(8000) }), 3)
    const copy = copyOf(laptop)
    const file = path.join(laptop, "sotto.db")
    for (const [reason, damage] of DAMAGES.filter((_, i) => i !== 1)) {
      damage(file)
      const before = fs.readFileSync(file)
      const [error] = linesOf(expectCode(await stage.run(laptop, ["push", "lost?"]), 1), "error")
      assert.strictEqual(text(error, "tag"), "StoreFailed")
      assert.include(text(error, "message"), `(${reason}: `)
      assert.isTrue(fs.readFileSync(file).equals(before), reason)
      putBack(laptop, copy)
    }
    await stage.relay({ port: relay.port, data: relay.data })
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), ["waits ".repeat(8000)])
  })
})
