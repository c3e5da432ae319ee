/** What the command line refuses, and how it says so: exit codes and tags that scripts rely on. */
import { openSotto } from "@sotto/runtime-node/open"
import { RelayKey } from "@sotto/schema/Id"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { type Ended } from "../process/Child.ts"
import { settle, shareRelay, write } from "../process/devices.ts"
import { filesOf } from "../process/Plaintext.ts"
import { expectCode, linesOf, Stage, text } from "../process/Stage.ts"

const anyRelay = shareRelay()

const tagOf = (ended: Ended): string => text(linesOf(ended, "error")[0], "tag")

describe("a relay", () => {
  it("says that its port is in use", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const second = stage.children.start([
      "relay",
      "--port",
      String(relay.port),
      "--data",
      stage.place.at("other"),
      "--json"
    ], { input: "" })
    const ended = expectCode(await second.ended, 1)
    assert.include(text(linesOf(ended, "error")[0], "message"), String(relay.port))
  })

  it("does not share its directory with another one", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const second = stage.children.start(["relay", "--port", "0", "--data", relay.data, "--json"], { input: "" })
    const ended = expectCode(await second.ended, 1)
    assert.include(text(linesOf(ended, "error")[0], "message"), "locked")
  })

  it("ends in order when it is told to, and is the same relay afterwards", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const again = signal === "SIGTERM" ? relay : await stage.relay({ data: relay.data })
      assert.strictEqual(again.key, relay.key)
      const ended = expectCode(await again.child.stop(signal), 0)
      assert.lengthOf(linesOf(ended, "stopped"), 1)
    }
  })
})

describe("a device", () => {
  it("speaks to no other relay than the one that it was told", async () => {
    await using stage = new Stage()
    const one = await anyRelay()
    const other = await stage.relay({ data: stage.place.at("other") })
    const laptop = stage.home("laptop")
    const wrong = one.address.replace(one.key, other.key)
    assert.strictEqual(tagOf(expectCode(await stage.run(laptop, ["init", "--relay", wrong]), 1)), "RelayKeyMismatch")
    await stage.init(laptop, one.address, "Laptop")
  })

  it("does not take an address with a typing error", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    const typo = relay.address.slice(0, -1) + (relay.address.endsWith("0") ? "1" : "0")
    for (const wrong of [typo, "relay.example", relay.address.split("#")[0] ?? ""]) {
      assert.strictEqual(tagOf(expectCode(await stage.run(laptop, ["init", "--relay", wrong]), 2)), "TextError")
    }
    assert.isFalse(fs.existsSync(laptop))
  })

  it("is set up once", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    const first = await stage.init(laptop, relay.address, "Laptop")
    expectCode(await stage.run(laptop, ["init", "--relay", relay.address]), 1)
    expectCode(await stage.run(laptop, ["join", "0000-0000-0000-0000", "--relay", relay.address, "--yes"]), 1)
    const status = expectCode(await stage.run(laptop, ["status"]), 0)
    assert.strictEqual(linesOf(status, "status")[0]?.["device"], first["device"])
  })

  it("says when there is none", async () => {
    await using stage = new Stage()
    for (const args of [["push", "x"], ["pull"], ["status"], ["devices"], ["pair"]]) {
      const ended = expectCode(await stage.run(stage.home("nobody"), args), 1)
      assert.include(text(linesOf(ended, "error")[0], "message"), "sotto init")
    }
    assert.isFalse(fs.existsSync(stage.home("nobody")))
  })

  it("does not work without its key, with an exposed one, or with another's", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    await settle(phone, relay, "Phone")
    const keyOf = (home: string): string => {
      const found = filesOf(home).find((file) => file.endsWith(".key"))
      if (found === undefined) throw new Error("no key file")
      return found
    }
    const key = keyOf(laptop)
    const genuine = fs.readFileSync(key)
    const failure = async () => linesOf(expectCode(await stage.run(laptop, ["status"]), 1), "error")[0]

    fs.chmodSync(key, 0o644)
    assert.include(text(await failure(), "message"), "exposed")
    fs.chmodSync(key, 0o600)

    fs.copyFileSync(keyOf(phone), key)
    assert.strictEqual(text(await failure(), "tag"), "KeystoreFailed")
    fs.writeFileSync(key, genuine.subarray(1))
    assert.strictEqual(text(await failure(), "tag"), "KeystoreFailed")
    fs.rmSync(key)
    assert.include(text(await failure(), "message"), "missing")

    fs.writeFileSync(key, genuine, { mode: 0o600 })
    expectCode(await stage.run(laptop, ["status"]), 0)
  })

  it("takes no directory of something else", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    await relay.child.stop("SIGTERM")
    const before = filesOf(relay.data).length
    const ended = expectCode(await stage.run(relay.data, ["init", "--relay", relay.address]), 1)
    assert.strictEqual(tagOf(ended), "StoreFailed")
    assert.lengthOf(filesOf(relay.data), before)
    const laptop = stage.home("laptop")
    await (await openSotto({ dir: laptop, relay: relay.address })).close()
    const asRelay = stage.children.start(["relay", "--port", "0", "--data", laptop, "--json"], { input: "" })
    expectCode(await asRelay.ended, 1)
  })

  it("is one process at a time", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    await write(laptop, "x")
    const follower = stage.children.start(["pull", "--follow", "--json"], { home: laptop })
    await follower.line("entry")
    const ended = expectCode(await stage.run(laptop, ["push", "y"]), 1)
    assert.include(text(linesOf(ended, "error")[0], "message"), "locked")
  })
})

describe("the command line", () => {
  it("tells wrong use by its exit code, in JSON as well", async () => {
    await using stage = new Stage()
    const home = stage.home("nobody")
    for (
      const args of [["no-such-command"], ["push", "--no-such-flag"], ["init"], ["join"], ["pull", "--after", "x"]]
    ) {
      const ended = expectCode(await stage.run(home, args), 2)
      assert.isAbove(linesOf(ended, "error").length, 0)
      assert.lengthOf(ended.lines, linesOf(ended, "error").length)
    }
    expectCode(await stage.run(home, ["join", "0000-0000-0000-0000", "--yes"]), 2)
    for (const name of ["", "é".repeat(33)]) {
      const address = relayAddressToText({ url: "ws://127.0.0.1:9/", key: RelayKey.make(new Uint8Array(32)) })
      const ended = expectCode(await stage.run(home, ["init", "--relay", address, "--name", name]), 2)
      assert.include(text(linesOf(ended, "error")[0], "message"), "a name of 1 to 64 bytes")
    }
    const limit = stage.children.start(["relay", "--port", "0", "--data", stage.place.at("relay"), "--json"], {
      input: "",
      env: { SOTTO_RELAY_SESSIONS_MAX: "many" }
    })
    assert.include(text(linesOf(expectCode(await limit.ended, 2), "error")[0], "message"), "SOTTO_RELAY_SESSIONS_MAX")
    assert.isFalse(fs.existsSync(stage.place.at("relay")))
  })

  it("has help that names the exit codes", async () => {
    await using stage = new Stage()
    const child = stage.children.start(["--help"], { input: "" })
    expectCode(await child.ended, 0)
    assert.include(child.output.replace(/\s+/g, " "), "3 offline")
    assert.notInclude(child.output, "\u001b")
  })
})

describe("what lies on disk", () => {
  it("is its owner's alone", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await stage.init(laptop, relay.address, "Laptop")
    await stage.push(laptop, "x")
    for (const root of [laptop, relay.data]) {
      const directories = [root, ...new Set(filesOf(root).map((file) => path.dirname(file)))]
      for (const directory of directories) assert.strictEqual(fs.statSync(directory).mode & 0o777, 0o700, directory)
      for (const file of filesOf(root)) assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600, file)
    }
  })
})
