import { Limit } from "@sotto/schema/Limit"
import { assert, describe, it } from "vitest"
import { call, startHarness } from "./harness.ts"

const main = new URL("./fixture/smoke.ts", import.meta.url)

describe("the browser of the tests", () => {
  it("runs an Effect program from our sources in a page", async () => {
    await using harness = await startHarness({ main })
    const tab = await harness.open()
    assert.strictEqual(await call(tab, "add", 40, 2), 42)
    assert.strictEqual(await call(tab, "envelopeBytesMax"), Limit.envelopeBytesMax)
    assert.deepStrictEqual(harness.problems, [])
  })

  it("keeps what a page stored when the browser is closed, and when it crashes", async () => {
    await using harness = await startHarness({ main })
    await call(await harness.open(), "keep", "a")
    await harness.restart()
    assert.strictEqual(await call(await harness.open(), "kept"), "a")
    await call(await harness.open(), "keep", "b")
    await harness.crash()
    assert.strictEqual(await call(await harness.open(), "kept"), "b")
    assert.deepStrictEqual(harness.problems, [])
  })

  it("collects what the page complains about", async () => {
    await using harness = await startHarness({ main })
    await call(await harness.open(), "complain")
    assert.lengthOf(harness.problems, 2)
    assert.include(harness.problems, "uncaught: on purpose")
    assert.match(harness.problems.join("\n"), /console: .*404/)
  })
})
