/**
 * What a relay, its disk, its logs, its metrics and the network get to see (threat model, "an honest but curious relay"):
 * none of what was written, in no form.
 */
import * as fs from "node:fs"
import { assert, describe, it } from "vitest"
import { leaksBelow, leaksIn } from "../process/Plaintext.ts"
import { RecordingProxy } from "../process/RecordingProxy.ts"
import { expectCode, Stage } from "../process/Stage.ts"

/** Unlikely to come about by chance, long enough for every alignment of base64. */
const MARKS = {
  value: "MARK-value-plaintext-7fQ2",
  file: "MARK-binary-plaintext-8gR3",
  collection: "MARK-collection-9hS4",
  key: "MARK-item-key-1jT5",
  laptop: "MARK-label-laptop-2kU6",
  phone: "MARK-label-phone-3mV7"
}
const marks = Object.values(MARKS)

describe("the scanner", () => {
  it("finds a mark in each form that it knows", () => {
    const forms: ReadonlyArray<(text: string) => Buffer> = [
      (text) => Buffer.from(text),
      (text) => Buffer.from(Buffer.from(text).toString("hex")),
      (text) => Buffer.from(Buffer.from(text).toString("hex").toUpperCase()),
      (text) => Buffer.from(text, "utf16le"),
      (text) => Buffer.from(text, "utf16le").swap16(),
      (text) => Buffer.from(text).reverse(),
      ...["", "a", "ab"].map((lead) => (text: string) =>
        Buffer.from(Buffer.from(`${lead}${text}zz`).toString("base64"))
      )
    ]
    for (const form of forms) {
      const bytes = Buffer.concat([Buffer.alloc(7, 0xee), form(MARKS.value), Buffer.alloc(5, 0xee)])
      assert.isAbove(leaksIn("here", bytes, marks).length, 0)
      assert.isTrue(leaksIn("here", bytes, marks).every(({ mark }) => mark === MARKS.value))
    }
    assert.lengthOf(leaksIn("here", Buffer.alloc(100_000, "x"), marks), 0)
  })
})

describe("a relay and the network", () => {
  it("see nothing of values, keys, collections and labels", async () => {
    await using stage = new Stage()
    const relay = await stage.relay({ args: ["--metrics-port", "0", "--log-level", "debug"] })
    await using proxy = await RecordingProxy.to(relay.port)
    const through = relay.address.replace(`:${relay.port}/`, `:${proxy.port}/`)
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await stage.init(laptop, through, MARKS.laptop)
    const paired = await stage.pair(laptop, phone, through, MARKS.phone)
    await stage.push(laptop, MARKS.value, ["--collection", MARKS.collection, "--key", MARKS.key])
    expectCode(await stage.run(phone, ["push", "-"], { input: Buffer.from(`\u0000${MARKS.file}`) }), 0)
    assert.lengthOf(await stage.pull(phone), 2)
    assert.lengthOf(await stage.pull(laptop), 2)

    // The marks are where they belong: else nothing here would be proved.
    assert.include(JSON.stringify(await stage.pull(laptop)), MARKS.value)
    assert.include(JSON.stringify(paired.host.lines), MARKS.phone)

    assert.isNotNull(relay.metrics)
    const page = Buffer.from(await (await fetch(relay.metrics ?? "")).arrayBuffer())
    assert.isAbove(page.length, 100)
    await relay.child.stop("SIGTERM")
    assert.isAbove(proxy.captured.length, 10_000)
    const leaks = [
      ...leaksBelow(relay.data, marks),
      ...leaksIn("the network", proxy.captured, marks),
      ...leaksIn("the relay's output", Buffer.from(relay.child.output), marks),
      ...leaksIn("the relay's log", Buffer.from(relay.child.stderr), marks),
      ...leaksIn("the metrics", page, marks)
    ]
    assert.deepStrictEqual(leaks, [])
    // Nor does a device keep its keys in the open: who copies the store without the key file has nothing.
    const store = Buffer.concat(
      fs.readdirSync(laptop).filter((name) => name.startsWith("sotto.db")).map((name) =>
        fs.readFileSync(`${laptop}/${name}`)
      )
    )
    assert.isAbove(store.length, 1000)
    assert.isFalse(store.includes(Buffer.from(MARKS.laptop)), "the label lies sealed in the device's store")
  })
})
