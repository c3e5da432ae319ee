/** Writing with and without a relay in reach, by the command line alone. */
import { assert, describe, it } from "vitest"
import { makePair, settle, shareRelay, write } from "../process/devices.ts"
import { RecordingProxy } from "../process/RecordingProxy.ts"
import { expectCode, linesOf, Stage, text, valuesOf } from "../process/Stage.ts"

describe("what is written offline", () => {
  it("is saved, said to be, and arrives when a relay is back", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await stage.init(laptop, relay.address, "Laptop")
    await stage.pair(laptop, phone, relay.address, "Phone")
    await relay.child.stop("SIGTERM")

    for (const [home, value] of [[laptop, "laptop, offline"], [phone, "phone, offline"]] as const) {
      const ended = expectCode(await stage.run(home, ["push", value]), 3)
      assert.deepInclude(linesOf(ended, "pushed")[0], { stored: false, position: null })
      assert.strictEqual(linesOf(ended, "error")[0]?.["tag"], "NotStored")
    }
    const status = expectCode(await stage.run(laptop, ["status"]), 3)
    assert.deepInclude(linesOf(status, "status")[0], { state: "offline", pending: 1 })

    await stage.relay({ data: relay.data, port: relay.port })
    await stage.push(laptop, "laptop, online")
    await stage.pull(phone)
    const [one, other] = [await stage.pull(laptop), await stage.pull(phone)]
    assert.sameMembers([...valuesOf(one)], ["laptop, offline", "phone, offline", "laptop, online"])
    assert.deepStrictEqual(other, one)
    const positions = one.map((line) => Number(line["position"]))
    assert.deepStrictEqual(positions, [...positions].sort((a, b) => a - b))
    const synced = expectCode(await stage.run(laptop, ["status"]), 0)
    assert.deepInclude(linesOf(synced, "status")[0], { state: "synced", pending: 0 })
  })

  it("can be the very first thing", async () => {
    await using stage = new Stage()
    const first = await stage.relay()
    await first.child.stop("SIGTERM")
    const laptop = stage.home("laptop")
    const init = expectCode(await stage.run(laptop, ["init", "--relay", first.address, "--name", "Laptop"]), 3)
    assert.deepInclude(linesOf(init, "initialized")[0], { stored: false })
    expectCode(await stage.run(laptop, ["push", "hello"]), 3)
    await stage.relay({ data: first.data, port: first.port })
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), ["hello"])
  })
})

const anyRelay = shareRelay()

describe("push and pull", () => {
  it("take text, files and standard input, and give the same bytes back", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    await stage.push(laptop, "grüße, 世界")
    expectCode(await stage.run(laptop, ["push", "-"], { input: "from\nstandard input\n" }), 0)
    const binary = Uint8Array.of(0xff, 0x00, 0xfe)
    expectCode(await stage.run(laptop, ["push", "-", "--collection", "raw"], { input: binary }), 0)
    expectCode(await stage.run(laptop, ["push", "--", "--not-a-flag"]), 0)
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), [
      "grüße, 世界",
      "from\nstandard input\n",
      { base64: Buffer.from(binary).toString("base64") },
      "--not-a-flag"
    ])
  })

  it("follow what others write, from where one was", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const { laptop, phone } = await makePair(stage, relay)
    const first = await stage.push(laptop, "one")
    await write(laptop, "two")
    const follower = stage.children.start(["pull", "--follow", "--after", String(first["position"]), "--json"], {
      home: phone
    })
    await follower.line("entry", (line) => line["value"] === "two")
    await stage.push(laptop, "three")
    await follower.line("entry", (line) => line["value"] === "three")
    const ended = await follower.stop("SIGINT")
    assert.deepStrictEqual(valuesOf(linesOf(ended, "entry")), ["two", "three"])
  })

  it("refuse what no entry can hold, and save nothing", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const ended = expectCode(await stage.run(laptop, ["push", "-"], { input: new Uint8Array(64 * 1024 + 1) }), 1)
    assert.strictEqual(linesOf(ended, "error")[0]?.["tag"], "TooLarge")
    assert.lengthOf(await stage.pull(laptop), 0)
  })
})

describe("a line that is cut while a command runs", () => {
  it("loses nothing", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    await using proxy = await RecordingProxy.to(relay.port)
    const through = relay.address.replace(`:${relay.port}/`, `:${proxy.port}/`)
    const { laptop, phone } = await makePair(stage, { address: through })
    const follower = stage.children.start(["pull", "--follow", "--json"], { home: phone })
    await stage.push(laptop, "one")
    await follower.line("entry", (line) => line["value"] === "one")
    proxy.cut()
    expectCode(await stage.run(laptop, ["push", "two"]), 3)
    proxy.mend()
    await stage.push(laptop, "three")
    await follower.line("entry", (line) => line["value"] === "three")
    const ended = await follower.stop("SIGINT")
    assert.deepStrictEqual(valuesOf(linesOf(ended, "entry")), ["one", "two", "three"])
    assert.strictEqual(text(linesOf(ended, "entry")[0], "type"), "entry")
  })
})
