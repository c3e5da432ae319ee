/** `sotto verify` over a real directory: sound as it is, and with a row taken out and one spoilt. */
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "vitest"
import { makePair, write } from "../process/devices.ts"
import { expectCode, linesOf, Stage, text } from "../process/Stage.ts"

/** What somebody does to the rows of a device's store. */
const inStore = (home: string, change: (database: DatabaseSync) => void): void => {
  const database = new DatabaseSync(path.join(home, "sotto.db"))
  change(database)
  database.close()
}

describe("sotto verify", () => {
  it("finds a device sound, and names what does not agree when it is not", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const nothing = expectCode(await stage.run(stage.home("laptop"), ["verify"]), 1)
    assert.strictEqual(linesOf(nothing, "error")[0]?.["tag"], "NotSetUp")

    const { laptop } = await makePair(stage, relay)
    await write(laptop, "one")
    await relay.child.stop("SIGTERM")
    expectCode(await stage.run(laptop, ["push", "two"]), 3)
    const [sound] = linesOf(expectCode(await stage.run(laptop, ["verify"]), 0), "verified")
    assert.deepInclude(sound, { sound: true, problems: 0, entries: 3, relays: 1, unsent: 1, gaps: 0 })

    // A name is gone (table 8), and the outbox (table 10) does not read.
    inStore(laptop, (database) => {
      const [first] = database.prepare("SELECT key FROM pair WHERE substr(key, 1, 1) = x'08' ORDER BY key").all()
      database.prepare("DELETE FROM pair WHERE key = ?").run(first?.["key"] ?? null)
      database.exec("UPDATE pair SET value = x'00' WHERE substr(key, 1, 1) = x'0a'")
    })
    const damaged = expectCode(await stage.run(laptop, ["verify"]), 1)
    const problems = linesOf(damaged, "problem")
    assert.sameMembers(problems.map(({ kind }) => kind), ["index", "row"])
    assert.isTrue(problems.every((line) => text(line, "next").length > 20))
    assert.deepInclude(linesOf(damaged, "verified")[0], { sound: false, problems: 2, entries: 3 })
    // Nothing was changed: the next look finds the same.
    const again = expectCode(await stage.run(laptop, ["verify"]), 1)
    assert.deepStrictEqual(linesOf(again, "problem"), problems)
  })
})
