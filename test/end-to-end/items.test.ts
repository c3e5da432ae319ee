/** Items by the command line alone: written, listed, in conflict, and decided about, by processes that come and go. */
import { assert, describe, it } from "vitest"
import type { Line } from "../process/Child.ts"
import { makePair, settle } from "../process/devices.ts"
import { expectCode, linesOf, Stage, text, valuesOf } from "../process/Stage.ts"

/** Lines of a command that has to end well. */
const lines = async (
  stage: Stage,
  home: string,
  type: string,
  args: ReadonlyArray<string>
): Promise<ReadonlyArray<Line>> => linesOf(expectCode(await stage.run(home, args), 0), type)

const itemsOf = async (stage: Stage, home: string, args: ReadonlyArray<string> = []) =>
  (await lines(stage, home, "item", ["ls", ...args])).map((line) => [line["collection"], line["key"], line["value"]])

describe("items", () => {
  it("are put, got, listed, looked back at and deleted", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const [first] = await lines(stage, laptop, "pushed", ["put", "notes", "milk", "one bottle"])
    assert.deepInclude(first, { collection: "notes", key: "milk", stored: true })
    await lines(stage, laptop, "pushed", ["put", "notes", "milk", "two bottles"])
    await lines(stage, laptop, "pushed", ["put", "notes", "bread", "--", "--rye"])
    expectCode(await stage.run(laptop, ["put", "raw", "bytes", "-"], { input: Uint8Array.of(0xff) }), 0)

    const [value] = await lines(stage, laptop, "value", ["get", "notes", "milk"])
    assert.deepInclude(value, {
      collection: "notes",
      key: "milk",
      action: "put",
      value: "two bottles",
      conflict: false
    })
    assert.deepStrictEqual(await itemsOf(stage, laptop), [
      ["notes", "bread", "--rye"],
      ["notes", "milk", "two bottles"],
      ["raw", "bytes", { base64: "/w==" }]
    ])
    assert.deepStrictEqual(await itemsOf(stage, laptop, ["notes", "--prefix", "m"]), [["notes", "milk", "two bottles"]])

    const versions = await lines(stage, laptop, "version", ["history", "notes", "milk"])
    assert.deepStrictEqual(valuesOf(versions), ["two bottles", "one bottle"])
    assert.deepStrictEqual(versions.map((line) => line["head"]), [true, false])
    assert.deepStrictEqual(versions[0]?.["parents"], [first?.["hash"]], "a version has its entry's hash for a name")

    await lines(stage, laptop, "pushed", ["rm", "notes", "milk"])
    const gone = expectCode(await stage.run(laptop, ["get", "notes", "milk"]), 1)
    assert.strictEqual(linesOf(gone, "error")[0]?.["tag"], "NoItem")
    assert.strictEqual(linesOf(expectCode(await stage.run(laptop, ["rm", "notes", "milk"]), 1), "error").length, 1)
    assert.deepStrictEqual(await itemsOf(stage, laptop, ["notes"]), [["notes", "bread", "--rye"]])
    expectCode(await stage.run(laptop, ["put", "notes", "", "no key"]), 2)
  })

  it("that two devices changed without knowing of it are listed on both, and decided about once", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const { laptop, phone } = await makePair(stage, relay)
    await lines(stage, laptop, "pushed", ["put", "notes", "milk", "one bottle"])
    await lines(stage, laptop, "pushed", ["put", "notes", "bread", "rye"])
    assert.deepStrictEqual(await itemsOf(stage, phone), [["notes", "bread", "rye"], ["notes", "milk", "one bottle"]])

    await relay.child.stop("SIGTERM")
    const offline = expectCode(await stage.run(laptop, ["put", "notes", "milk", "two bottles"]), 3)
    assert.deepInclude(linesOf(offline, "pushed")[0], { stored: false })
    expectCode(await stage.run(phone, ["put", "notes", "milk", "none"]), 3)
    expectCode(await stage.run(laptop, ["rm", "notes", "bread"]), 3)
    expectCode(await stage.run(phone, ["put", "notes", "bread", "wheat"]), 3)
    const [here] = await lines(stage, phone, "value", ["get", "notes", "milk"])
    assert.strictEqual(here?.["value"], "none", "what is here can be read without a relay")

    await stage.relay({ data: relay.data, port: relay.port })
    await lines(stage, laptop, "item", ["ls"])
    for (const home of [phone, laptop]) {
      const found = await lines(stage, home, "conflict", ["conflicts"])
      assert.deepStrictEqual(found.map((line) => line["key"]), ["bread", "milk"])
      assert.isTrue((await lines(stage, home, "item", ["ls"])).every((line) => line["conflict"] === true))
    }

    const [milk] = (await lines(stage, laptop, "version", ["history", "notes", "milk"]))
      .filter((line) => line["value"] === "none")
    if (milk === undefined) throw new Error("the phone's version is not there")
    const wrong = await stage.run(laptop, ["resolve", "notes", "milk", "--head", text(milk, "id"), "--value", "both"])
    assert.strictEqual(linesOf(expectCode(wrong, 2), "error")[0]?.["tag"], "UsageWrong")
    await lines(stage, laptop, "pushed", ["resolve", "notes", "milk", "--head", text(milk, "id")])
    await lines(stage, phone, "pushed", ["resolve", "notes", "bread", "--value", "wheat, then"])
    for (const home of [laptop, phone]) {
      assert.deepStrictEqual(await lines(stage, home, "conflict", ["conflicts", "notes"]), [])
      assert.deepStrictEqual(await itemsOf(stage, home), [["notes", "bread", "wheat, then"], ["notes", "milk", "none"]])
    }
    const again = expectCode(await stage.run(laptop, ["resolve", "notes", "milk", "--delete"]), 1)
    assert.strictEqual(linesOf(again, "error")[0]?.["tag"], "NoConflict")
  })
})
