import { assert, describe, it } from "vitest"
import { call, startHarness } from "./harness.ts"

const main = new URL("./fixture/store.ts", import.meta.url)

describe("storage in the browser", () => {
  it("conforms to the contract of Store", async () => {
    await using harness = await startHarness({ main })
    const result = await call(await harness.open(), "conform")
    assert.deepInclude(result, { failed: [] })
    assert.deepStrictEqual(harness.problems, [])
  }, 120_000)

  it("belongs to one tab at a time, and is free again when that one is closed", async () => {
    await using harness = await startHarness({ main })
    const first = await harness.open()
    const second = await harness.open()
    assert.strictEqual(await call(first, "hold", "a"), "open")
    assert.strictEqual(await call(second, "hold", "a"), "locked")
    assert.strictEqual(await call(second, "hold", "b"), "open")
    await first.close()
    const third = await harness.open()
    assert.strictEqual(await call(third, "hold", "a"), "open")
  })

  it("keeps its key and what it seals over a restart and a crash of the browser", async () => {
    await using harness = await startHarness({ main })
    const secret = "c0ffee".repeat(8)
    assert.strictEqual(await call(await harness.open(), "keepSealed", "device", secret), false)
    await harness.restart()
    assert.strictEqual(await call(await harness.open(), "readSealed", "device"), secret)
    await harness.crash()
    assert.strictEqual(await call(await harness.open(), "readSealed", "device"), secret)
  })
})
