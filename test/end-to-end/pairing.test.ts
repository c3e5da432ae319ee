/** Pairing by the command line alone (protocol.md §8): what people do, and what they do wrong. */
import * as PairingCode from "@sotto/schema/PairingCode"
import * as Result from "effect/Result"
import { assert, describe, it } from "vitest"
import { settle, shareRelay } from "../process/devices.ts"
import { expectCode, linesOf, Stage, text, valuesOf } from "../process/Stage.ts"

/** A well-formed code for the same mailbox, with another secret. */
const otherSecret = (code: string, guess: number): string => {
  const parsed = Result.getOrThrow(PairingCode.parse(code))
  return PairingCode.format({ ...parsed, secret: parsed.secret.map((byte) => byte ^ guess) })
}

// All of this file comes from one address; people take longer.
const anyRelay = shareRelay({
  env: { SOTTO_RELAY_MAILBOX_CLAIMS_PER_TEN_MINUTES: "1000", SOTTO_RELAY_CONNECTS_PER_MINUTE: "10000" }
})

const mistype = (code: string): string => (code.startsWith("0") ? "1" : "0") + code.slice(1)

describe("two devices and a third", () => {
  it("pair by code, write both ways, and all see the same", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone, tablet] = [stage.home("laptop"), stage.home("phone"), stage.home("tablet")]
    await stage.init(laptop, relay.address, "Laptop")
    await stage.push(laptop, "before anybody came")

    const paired = await stage.pair(laptop, phone, relay.address, "Phone")
    const [request] = linesOf(paired.host, "request")
    const asked = linesOf(paired.guest, "step").find((line) => Array.isArray(line["emoji"]) && line["emoji"].length > 0)
    assert.strictEqual(text(request, "label"), "Phone")
    assert.deepStrictEqual(request?.["emoji"], asked?.["emoji"])
    assert.lengthOf(Array.isArray(request?.["emoji"]) ? request["emoji"] : [], 7)
    assert.strictEqual(
      text(linesOf(paired.host, "paired")[0], "device"),
      text(linesOf(paired.guest, "joined")[0], "device")
    )

    await stage.push(phone, "from the phone", ["--collection", "notes", "--key", "k"])
    await stage.push(laptop, "from the laptop")

    await stage.pair(phone, tablet, relay.address, "Tablet")
    await stage.push(tablet, "from the tablet")

    const all = [await stage.pull(laptop), await stage.pull(phone), await stage.pull(tablet)]
    assert.deepStrictEqual(valuesOf(all[0] ?? []), [
      "before anybody came",
      "from the phone",
      "from the laptop",
      "from the tablet"
    ])
    assert.deepStrictEqual(all[1], all[0])
    assert.deepStrictEqual(all[2], all[0])
    const labels = async (home: string) =>
      linesOf(expectCode(await stage.run(home, ["devices"]), 0), "device").map((line) => text(line, "label")).sort()
    assert.deepStrictEqual(await labels(laptop), ["Laptop", "Phone", "Tablet"])
    assert.deepStrictEqual(await labels(tablet), ["Laptop", "Phone", "Tablet"])
  })

  it("pair by link", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    expectCode(await stage.run(phone, ["join", offer.url, "--name", "Phone", "--yes"]), 0)
    expectCode(await offer.child.ended, 0)
    await stage.push(laptop, "hello")
    assert.deepStrictEqual(valuesOf(await stage.pull(phone)), ["hello"])
  })

  it("ask on both sides unless told not to", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    const host = stage.children.start(["pair", "--json"], { home: laptop })
    const code = text(await host.line("code"), "code")
    const guest = stage.children.start(["join", code, "--relay", relay.address, "--json"], { home: phone })
    await host.line("question")
    host.say("y")
    await guest.line("question")
    guest.say("y")
    expectCode(await host.ended, 0)
    expectCode(await guest.ended, 0)
  })
})

describe("a code", () => {
  it("that was mistyped is caught on this device, and can be typed again", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    for (const wrong of [mistype(offer.code), offer.code.slice(1), `${offer.code}0`]) {
      // No relay answers at this address: whoever asked one would not say "typo".
      const ended = await stage.run(phone, [
        "join",
        wrong,
        "--relay",
        `ws://127.0.0.1:9/#${relay.key}`,
        "--name",
        "Phone",
        "--yes"
      ])
      expectCode(ended, 2)
      assert.strictEqual(linesOf(ended, "error")[0]?.["tag"], "PairingCodeTypo")
    }
    expectCode(await stage.run(phone, ["join", offer.code, "--relay", relay.address, "--name", "Phone", "--yes"]), 0)
    expectCode(await offer.child.ended, 0)
  })

  it("that is wrong costs a try, and the third wrong one kills it", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    const guess = (n: number) =>
      stage.run(stage.home("thief"), ["join", otherSecret(offer.code, n), "--relay", relay.address, "--yes"])
    const failures: Array<string> = []
    for (const n of [1, 2, 3]) failures.push(text(linesOf(expectCode(await guess(n), 4), "error")[0], "message"))
    assert.include(failures[0], "2 tries left")
    assert.include(failures[2], "now dead, on purpose")
    expectCode(await offer.child.ended, 4)
    const late = await stage.run(stage.home("phone"), ["join", offer.code, "--relay", relay.address, "--yes"])
    expectCode(late, 4)
    assert.lengthOf(linesOf(expectCode(await stage.run(laptop, ["devices"]), 0), "device"), 1)
  })

  it("works once", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    const join = (name: string) =>
      stage.run(stage.home(name), ["join", offer.code, "--relay", relay.address, "--name", name, "--yes"])
    expectCode(await join("phone"), 0)
    const second = expectCode(await join("thief"), 4)
    assert.include(["PairingFailed", "MailboxUnavailable"], linesOf(second, "error")[0]?.["tag"])
    const stranger = expectCode(await stage.run(stage.home("thief"), ["pull"]), 1)
    assert.lengthOf(linesOf(stranger, "entry"), 0)
  })

  it("that is not up at the relay is refused", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    await offer.child.stop("SIGINT")
    const ended = await stage.run(stage.home("phone"), ["join", offer.code, "--relay", relay.address, "--yes"])
    expectCode(ended, 4)
  })

  it("ends: a link past its time is refused", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const offer = await stage.offer(laptop)
    const old = offer.url.replace(/&e=\d+/, "&e=1000000000000")
    const ended = expectCode(await stage.run(stage.home("phone"), ["join", old, "--yes"]), 4)
    assert.include(text(linesOf(ended, "error")[0], "message"), "time is over")
  })

  it("is worth nothing when the other side says no", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
    await settle(laptop, relay, "Laptop")
    const host = stage.children.start(["pair", "--json"], { home: laptop })
    const code = text(await host.line("code"), "code")
    const guest = stage.run(phone, ["join", code, "--relay", relay.address, "--yes"])
    await host.line("question")
    host.say("n")
    expectCode(await host.ended, 4)
    const declined = expectCode(await guest, 4)
    assert.include(text(linesOf(declined, "error")[0], "message"), "did not let this one in")
    assert.lengthOf(linesOf(expectCode(await stage.run(laptop, ["devices"]), 0), "device"), 1)
  })
})
