/**
 * A clock that is wrong by more than the ten minutes that devices forgive each other (protocol.md §4, §8): it keeps
 * nobody from pairing or writing; what is dated ahead waits until its time has come, and nothing vanishes.
 */
import { assert, describe, it } from "vitest"
import type { Ended, Launch } from "../process/Child.ts"
import { settle, shareRelay, write } from "../process/devices.ts"
import { clockAhead } from "../process/shiftedClock.ts"
import { expectCode, linesOf, Stage, text, valuesOf } from "../process/Stage.ts"

/** Beyond `Limit.clockAheadMillisMax`, and beyond the time of a link. */
const WRONG = 11
/** A little later than that on the other clock. */
const LATER = 3

const anyRelay = shareRelay()

const checkOf = (ended: Ended, name: string) => linesOf(ended, "check").find((line) => line["name"] === name)

const pulled = async (stage: Stage, home: string, launch: Launch = {}) =>
  valuesOf(linesOf(expectCode(await stage.run(home, ["pull"], launch), 0), "entry"))

const pushed = async (stage: Stage, home: string, value: string, launch: Launch = {}) =>
  expectCode(await stage.run(home, ["push", value], launch), 0)

/** Shows a link with the host's clock, and joins by it with the guest's. */
const pairByLink = async (stage: Stage, host: [string, Launch], guest: [string, Launch]) => {
  const showing = stage.children.start(["pair", "--yes", "--json"], { home: host[0], input: "", ...host[1] })
  const url = text(await showing.line("code"), "url")
  expectCode(await stage.run(guest[0], ["join", url, "--name", "Phone", "--yes"], guest[1]), 0)
  expectCode(await showing.ended, 0)
}

describe("a device's clock", () => {
  it("that is ahead: it pairs by a fresh link, and what it writes waits on the others until its time", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    await write(laptop, "in time")
    const ahead = clockAhead(WRONG)
    await pairByLink(stage, [laptop, {}], [phone, ahead])
    await pushed(stage, phone, "from the future", ahead)

    assert.deepStrictEqual(await pulled(stage, phone, ahead), ["in time", "from the future"])
    assert.deepStrictEqual(await pulled(stage, laptop), ["in time"])
    const told = expectCode(await stage.run(laptop, ["doctor"]), 0)
    assert.include(text(checkOf(told, "quarantine"), "detail"), "clock")
    const cause = linesOf(expectCode(await stage.run(phone, ["doctor"], ahead), 1), "diagnosis")[0]?.["cause"]
    assert.strictEqual(cause, "clock")

    // It is never counted out: when its time has come it is there, at its place, and is waiting no more.
    assert.deepStrictEqual(await pulled(stage, laptop, clockAhead(LATER)), ["in time", "from the future"])
    const after = expectCode(await stage.run(laptop, ["doctor"], clockAhead(LATER)), 0)
    assert.strictEqual(checkOf(after, "quarantine")?.["result"], "ok")
  })

  it("that is behind: it pairs, is read at once, and has the others' entries when its own time has come", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    await write(laptop, "in time")
    const behind = clockAhead(-WRONG)
    await pairByLink(stage, [laptop, {}], [phone, behind])
    await pushed(stage, phone, "from the past", behind)
    assert.deepStrictEqual(await pulled(stage, laptop), ["in time", "from the past"])
    assert.deepStrictEqual(await pulled(stage, phone, behind), ["from the past"])
    assert.deepStrictEqual(await pulled(stage, phone, clockAhead(LATER - WRONG)), ["in time", "from the past"])
  })

  it("that is ahead on the device that shows the code, and is set right: the new one comes in, nothing is lost", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    const ahead = clockAhead(WRONG)
    expectCode(await stage.run(laptop, ["init", "--relay", relay.address, "--name", "Laptop"], ahead), 0)
    await pushed(stage, laptop, "from the future", ahead)
    await pairByLink(stage, [laptop, ahead], [phone, {}])
    await pushed(stage, phone, "in time")
    await pushed(stage, laptop, "set right")
    assert.deepStrictEqual(await pulled(stage, phone), ["in time"])
    assert.deepStrictEqual(await pulled(stage, phone, clockAhead(LATER)), ["from the future", "in time", "set right"])
  })
})

describe("a relay's clock", () => {
  it("that is ahead, and then behind, is no misconduct and keeps nobody out", async () => {
    await using stage = new Stage()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    let relay = await stage.relay(clockAhead(WRONG))
    await settle(laptop, relay, "Laptop")
    await pairByLink(stage, [laptop, {}], [phone, {}])
    await stage.push(laptop, "ahead")
    await relay.child.stop("SIGTERM")
    relay = await stage.relay({ port: relay.port, data: relay.data, ...clockAhead(-WRONG) })
    await stage.push(phone, "behind")
    assert.deepStrictEqual(await pulled(stage, laptop), ["ahead", "behind"])
    const told = expectCode(await stage.run(laptop, ["doctor"]), 1)
    assert.strictEqual(checkOf(told, "evidence")?.["result"], "ok")
    assert.strictEqual(linesOf(told, "diagnosis")[0]?.["cause"], "clock")
  })
})
