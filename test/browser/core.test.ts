import { assert, it } from "vitest"
import { call, startHarness } from "./harness.ts"

it("core's own tests pass in the page", async () => {
  const runner = new URL("./pageRunner.ts", import.meta.url)
  await using harness = await startHarness(
    { main: new URL("./fixture/core.ts", import.meta.url) },
    { alias: { "@effect/vitest": runner, vitest: runner }, inject: new URL("./fixture/globals.ts", import.meta.url) }
  )
  const result = await call(await harness.open(), "run")
  assert.deepInclude(result, { failed: [] })
  assert(typeof result === "object" && result !== null && "passed" in result && typeof result.passed === "number")
  assert.isAbove(result.passed, 100)
  assert.deepStrictEqual(harness.problems, [])
}, 120_000)
