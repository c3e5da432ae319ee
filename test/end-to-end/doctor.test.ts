/** `sotto doctor` names the cause when something does not sync. What cannot be arranged here is in Diagnosis.test.ts. */
import * as fs from "node:fs"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "vitest"
import type { Ended } from "../process/Child.ts"
import { settle, shareRelay, write } from "../process/devices.ts"
import { expectCode, linesOf, type RunningRelay, Stage, valuesOf } from "../process/Stage.ts"

const anyRelay = shareRelay()

const causeOf = (ended: Ended) => linesOf(ended, "diagnosis")[0]?.["cause"]

/** A device with something at its relay. */
const synced = async (stage: Stage, relay: RunningRelay): Promise<string> => {
  const laptop = stage.home("laptop")
  await settle(laptop, relay, "Laptop")
  await write(laptop, "x")
  return laptop
}

describe("doctor", () => {
  it("finds a device that syncs healthy", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = await synced(stage, relay)
    const ended = expectCode(await stage.run(laptop, ["doctor"]), 0)
    assert.deepInclude(linesOf(ended, "diagnosis")[0], { healthy: true, cause: null })
    const checks = linesOf(ended, "check")
    assert.deepStrictEqual(checks.filter((check) => check["result"] !== "ok"), [])
    const names = checks.map((check) => check["name"])
    for (
      const name of [
        "home",
        "key",
        "store",
        "device",
        "address",
        "name",
        "port",
        "relay-key",
        "handshake",
        "version",
        "clock",
        "route",
        "quota",
        "outbox",
        "evidence",
        "quarantine"
      ]
    ) assert.include(names, name)
  })

  it("says that nothing is set up, and sets nothing up", async () => {
    await using stage = new Stage()
    const ended = expectCode(await stage.run(stage.home("nobody"), ["doctor"]), 1)
    assert.strictEqual(causeOf(ended), "home")
    assert.isFalse(fs.existsSync(stage.home("nobody")))
  })

  it("sees a home and a key that others can read", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = await synced(stage, relay)
    fs.chmodSync(laptop, 0o755)
    assert.strictEqual(causeOf(expectCode(await stage.run(laptop, ["doctor"]), 1)), "home")
    fs.chmodSync(laptop, 0o700)
    const key = fs.readdirSync(laptop).find((name) => name.endsWith(".key")) ?? ""
    fs.chmodSync(path.join(laptop, key), 0o604)
    assert.strictEqual(causeOf(expectCode(await stage.run(laptop, ["doctor"]), 1)), "key")
  })

  it("sees a relay that is down, and one that is another", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = await synced(stage, relay)
    await relay.child.stop("SIGTERM")
    assert.strictEqual(causeOf(expectCode(await stage.run(laptop, ["doctor"]), 1)), "port")
    await stage.relay({ port: relay.port, data: stage.place.at("other") })
    assert.strictEqual(causeOf(expectCode(await stage.run(laptop, ["doctor"]), 1)), "relay-key")
  })

  it("sees a relay that forgot the space, which the next command mends", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = await synced(stage, relay)
    await relay.child.stop("SIGTERM")
    const database = new DatabaseSync(path.join(relay.data, "sotto.db"))
    for (const table of ["route", "head", "past_epoch", "tag", "envelope"]) database.exec(`DELETE FROM ${table}`)
    database.close()
    await stage.relay({ port: relay.port, data: relay.data })
    const ended = expectCode(await stage.run(laptop, ["doctor"]), 1)
    assert.strictEqual(causeOf(ended), "route")
    assert.include(JSON.stringify(linesOf(ended, "diagnosis")), "reset")
    await stage.push(laptop, "y")
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), ["x", "y"])
    expectCode(await stage.run(laptop, ["doctor"]), 0)
  })

  it("sees a quota that is used up", async () => {
    await using stage = new Stage()
    const relay = await stage.relay({ env: { SOTTO_RELAY_ROUTE_BYTES_MAX: "40000" } })
    const laptop = await synced(stage, relay)
    const refused = await stage.run(laptop, ["push", "-"], { input: new Uint8Array(60_000) })
    assert.include([3, 4], refused.code)
    assert.strictEqual(causeOf(expectCode(await stage.run(laptop, ["doctor"]), 1)), "quota")
    // What the relay does not take is here all the same, and stands nowhere.
    const pulled = await stage.pull(laptop)
    assert.deepStrictEqual(pulled.map((line) => line["position"]), [1, null])
    assert.deepStrictEqual(valuesOf(pulled), ["x", "\0".repeat(60_000)])
  })

  it("says that another process has the directory", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = await synced(stage, relay)
    const follower = stage.children.start(["pull", "--follow", "--json"], { home: laptop })
    await follower.line("entry")
    const ended = expectCode(await stage.run(laptop, ["doctor"]), 1)
    assert.strictEqual(causeOf(ended), "store")
    assert.include(JSON.stringify(ended.lines), "locked")
  })
})
