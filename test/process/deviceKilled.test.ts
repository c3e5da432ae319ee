/**
 * A device that is killed while it writes: what it acknowledged to the app is there when it is opened again, once, and
 * reaches the relay (protocol.md §7).
 */
import { openSotto } from "@sotto/runtime-node/open"
import { assert, describe, it } from "vitest"
import { programPath } from "./command.ts"
import { admit, settle } from "./devices.ts"
import { Stage, text } from "./Stage.ts"

const KILLS = 12

const valuesIn = async (dir: string): Promise<ReadonlyArray<string>> => {
  await using sotto = await openSotto({ dir })
  await sotto.settled()
  const values: Array<string> = []
  for await (const entry of sotto.entries()) {
    for (const { action } of entry.ops) if (action._tag === "Put") values.push(Buffer.from(action.value).toString())
  }
  return values
}

describe("a device that is killed while it writes", () => {
  it(`loses nothing that it acknowledged, ${KILLS} times`, async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const saved: Array<string> = []
    for (let kill = 0; kill < KILLS; kill++) {
      const writer = stage.children.start([laptop, `round-${kill}`], { script: programPath("writer") })
      const until = `round-${kill} ${kill * 7}`
      await writer.line("saved", (line) => line["value"] === until)
      const ended = await writer.stop("SIGKILL")
      assert.strictEqual(ended.signal, "SIGKILL")
      saved.push(...ended.lines.map((line) => text(line, "value")))
    }
    assert.isAtLeast(saved.length, KILLS)
    const values = await valuesIn(laptop)
    assert.strictEqual(new Set(values).size, values.length, "no value came twice")
    assert.deepStrictEqual(saved.filter((value) => !values.includes(value)), [])
    // The same from the relay's side: a device that joins reads it all there.
    const phone = stage.home("phone")
    await admit(laptop, phone, "Phone")
    const received = new Set(await valuesIn(phone))
    assert.deepStrictEqual(saved.filter((value) => !received.has(value)), [])
    assert.strictEqual(received.size, values.length)
  })
})
