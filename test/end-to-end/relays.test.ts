/** A space at two relays by the command line alone: one is added, another one dies for good, and nothing is lost. */
import { openSotto } from "@sotto/runtime-node/open"
import * as fs from "node:fs"
import { assert, describe, it } from "vitest"
import type { Line } from "../process/Child.ts"
import { makePair, settle, shareRelay } from "../process/devices.ts"
import { expectCode, linesOf, type RunningRelay, Stage, text, valuesOf } from "../process/Stage.ts"

const relaysOf = async (stage: Stage, home: string): Promise<ReadonlyArray<Line>> =>
  linesOf(expectCode(await stage.run(home, ["relays", "ls"]), 0), "relay")

const errorOf = (lines: ReadonlyArray<Line>): unknown => lines[0]?.["tag"]

/** For what only needs one beside the relays that it is about. All commands of the file come from one address. */
const anyRelay = shareRelay({ env: { SOTTO_RELAY_CONNECTS_PER_MINUTE: "10000" } })

/** Its process is killed, and its disk is gone. */
const destroy = async (relay: RunningRelay): Promise<void> => {
  await relay.child.stop("SIGKILL")
  fs.rmSync(relay.data, { recursive: true })
}

describe("several relays", () => {
  it("keep everything when one of them is gone for good, for devices that have the other one's address", async () => {
    await using stage = new Stage()
    const first = await stage.relay({ data: stage.place.at("first") })
    const second = await stage.relay({ data: stage.place.at("second") })
    const [laptop, phone, tablet] = [stage.home("laptop"), stage.home("phone"), stage.home("tablet")]
    await stage.init(laptop, first.address, "Laptop")
    await stage.pair(laptop, phone, first.address, "Phone")
    await stage.push(laptop, "one")
    await stage.push(phone, "two")

    const [added] = linesOf(expectCode(await stage.run(laptop, ["relays", "add", second.address]), 0), "added")
    assert.deepInclude(added, { relay: second.address, pending: 0, complete: true })
    const listed = await relaysOf(stage, laptop)
    assert.deepStrictEqual(listed.map((line) => line["relay"]), [first.address, second.address])
    for (const line of listed) {
      assert.deepInclude(line, { phase: "live", pending: 0, received: line["head"], failure: null, misbehaved: null })
    }
    assert.isAtLeast(Number(listed[1]?.["head"]), 3, "the second one has the history, the phone's entry included")

    // What is written now goes to both, though a command waits for one.
    await stage.push(laptop, "three")
    const [atFirst, atSecond] = await relaysOf(stage, laptop)
    assert.deepStrictEqual([atFirst?.["pending"], atSecond?.["pending"]], [0, 0])
    await destroy(first)

    // The phone knows the first one alone: what is new is not lost, it is not there yet.
    expectCode(await stage.run(phone, ["push", "four"]), 3)
    const [there] = linesOf(expectCode(await stage.run(phone, ["relays", "add", second.address]), 0), "added")
    assert.deepInclude(there, { complete: true })
    const everything = ["one", "two", "three", "four"]
    assert.sameMembers([...valuesOf(await stage.pull(phone))], everything)
    assert.sameMembers([...valuesOf(await stage.pull(laptop))], everything)

    // One that is away is listed with what is in the way, and is in nobody's way.
    const [dead, alive] = await relaysOf(stage, laptop)
    assert.deepInclude(alive, { phase: "live", pending: 0 })
    assert.deepInclude(dead?.["failure"], { tag: "RelayUnreachable" })
    assert.isAtLeast(Number(dead?.["pending"]), 0)

    // A device that comes now is let in at the one that lives.
    const { child, code } = await stage.offer(laptop)
    assert.strictEqual(text(child.lines.find(({ type }) => type === "code"), "relay"), second.address)
    expectCode(await stage.run(tablet, ["join", code, "--relay", second.address, "--name", "Tablet", "--yes"]), 0)
    expectCode(await child.ended, 0)
    assert.sameMembers([...valuesOf(await stage.pull(tablet))], everything)

    for (const home of [laptop, phone]) {
      const [removed] = linesOf(expectCode(await stage.run(home, ["relays", "rm", first.address]), 0), "removed")
      assert.deepInclude(removed, { relay: first.address, left: 1 })
    }
    assert.sameMembers([...valuesOf(await stage.pull(laptop))], everything)
  })

  it("are named by address, URL or key; the last one is not taken away by mistake", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")

    const unknown = await stage.run(laptop, ["relays", "rm", "rly_nowhere"])
    assert.strictEqual(errorOf(linesOf(expectCode(unknown, 2), "error")), "UsageWrong")
    const typo = await stage.run(laptop, ["relays", "add", `${relay.address.slice(0, -1)}!`])
    assert.strictEqual(errorOf(linesOf(expectCode(typo, 2), "error")), "TextError")
    const last = await stage.run(laptop, ["relays", "rm", relay.key.slice(0, 12)])
    assert.strictEqual(errorOf(linesOf(expectCode(last, 1), "error")), "LastRelay")
    assert.strictEqual((await relaysOf(stage, laptop)).length, 1)

    // Added once more, it is left as it is.
    const again = expectCode(await stage.run(laptop, ["relays", "add", relay.address]), 0)
    assert.strictEqual(linesOf(again, "notice").length, 1)
    assert.strictEqual((await relaysOf(stage, laptop)).length, 1)

    expectCode(await stage.run(laptop, ["relays", "rm", relay.address.split("#")[0] ?? "", "--force"]), 0)
    assert.deepStrictEqual(await relaysOf(stage, laptop), [])
    const alone = await stage.run(laptop, ["push", "alone"])
    assert.deepInclude(linesOf(expectCode(alone, 3), "pushed")[0], { stored: false })
    expectCode(await stage.run(laptop, ["relays", "add", relay.address]), 0)
    assert.deepStrictEqual(valuesOf(await stage.pull(laptop)), ["alone"])
  })

  it("that are not reached, or are somebody else, are told apart", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const away = await stage.relay({ data: stage.place.at("away") })
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    const impostor = await stage.run(laptop, ["relays", "add", `ws://127.0.0.1:${relay.port}/#${away.key}`])
    assert.strictEqual(errorOf(linesOf(expectCode(impostor, 1), "error")), "RelayKeyMismatch")

    await away.child.stop("SIGKILL")
    const unreached = await stage.run(laptop, ["relays", "add", away.address])
    assert.strictEqual(errorOf(linesOf(expectCode(unreached, 3), "error")), "NotStored")
    assert.deepInclude(linesOf(unreached, "added")[0], { relay: away.address, complete: false })
    // It is one of them all the same, and what is written goes on at the other.
    await stage.push(laptop, "x")
    await stage.relay({ data: away.data, port: away.port })
    expectCode(await stage.run(laptop, ["relays", "add", away.address]), 0)
    const listed = await relaysOf(stage, laptop)
    assert.deepStrictEqual(listed.map((line) => [line["pending"], line["head"]]), [[0, 1], [0, 1]])
  })

  it("that refuse the space, or an entry of it, say so", async () => {
    await using stage = new Stage()
    const relay = await anyRelay()
    const closed = await stage.relay({
      data: stage.place.at("closed"),
      args: ["--access", "token"],
      env: { SOTTO_RELAY_TOKENS: "the token of the closed one" }
    })
    const narrow = await stage.relay({
      data: stage.place.at("narrow"),
      env: { SOTTO_RELAY_ENVELOPE_BYTES_MAX: "1500" }
    })
    const laptop = stage.home("laptop")
    await settle(laptop, relay, "Laptop")
    await stage.push(laptop, "x")
    await stage.push(laptop, "long ".repeat(400))

    const refused = expectCode(await stage.run(laptop, ["relays", "add", closed.address]), 4)
    assert.deepInclude(linesOf(refused, "added")[0], { complete: false })
    const token = { env: { SOTTO_RELAY_TOKEN: "the token of the closed one" } }
    const admitted = expectCode(await stage.run(laptop, ["relays", "add", closed.address], token), 4)
    assert.strictEqual(linesOf(admitted, "added")[0]?.["complete"], false, "it was added without the token")
    expectCode(await stage.run(laptop, ["relays", "rm", closed.address]), 0)
    expectCode(await stage.run(laptop, ["relays", "add", closed.address], token), 0)

    const tooSmall = expectCode(await stage.run(laptop, ["relays", "add", narrow.address]), 4)
    assert.deepInclude(linesOf(tooSmall, "added")[0], { complete: false, pending: 1 })
    assert.strictEqual(errorOf(linesOf(tooSmall, "error")), "EnvelopeTooLarge")
  })

  it("that a device was compared with, and did not read, hide nothing of what is here", async () => {
    await using stage = new Stage()
    const first = await anyRelay()
    const second = await stage.relay({ data: stage.place.at("second") })
    const { laptop, phone } = await makePair(stage, first)
    const all = Array.from({ length: 20 }, (_, at) => `${at}`)
    const running = await openSotto({ dir: laptop })
    for (const value of all) await running.push(value)
    await running.settled()
    await running.close()
    assert.deepStrictEqual(valuesOf(await stage.pull(phone)), all)
    expectCode(await stage.run(laptop, ["relays", "add", second.address]), 0)
    expectCode(await stage.run(phone, ["relays", "add", second.address]), 0)
    const pulled = linesOf(expectCode(await stage.run(phone, ["pull", "--relay", second.key]), 0), "entry")
    assert.deepStrictEqual(valuesOf(pulled), all)
    assert.isTrue(pulled.every((line) => line["position"] === null), "nobody read where it stands")
    expectCode(await stage.run(phone, ["verify"]), 0)
  })

  it("that went back to an older state are used again on request alone", async () => {
    await using stage = new Stage()
    const first = await anyRelay()
    const second = await stage.relay({ data: stage.place.at("second") })
    const laptop = stage.home("laptop")
    await settle(laptop, first, "Laptop")
    await stage.push(laptop, "yesterday")
    expectCode(await stage.run(laptop, ["relays", "add", second.address]), 0)
    await second.child.stop("SIGTERM")
    fs.cpSync(second.data, stage.place.at("copy"), { recursive: true })
    const again = await stage.relay({ data: second.data, port: second.port })
    await stage.push(laptop, "today")
    await again.child.stop("SIGTERM")
    fs.rmSync(second.data, { recursive: true })
    fs.cpSync(stage.place.at("copy"), second.data, { recursive: true })
    await stage.relay({ data: second.data, port: second.port })

    // The first command that reaches it finds out; on a slow machine that is not the first command.
    let caught = (await relaysOf(stage, laptop))[1]
    while (caught?.["phase"] !== "stopped") caught = (await relaysOf(stage, laptop))[1]
    assert.deepInclude(caught, { phase: "stopped", misbehaved: "regress" })
    await stage.push(laptop, "tomorrow")
    const [trusted] = linesOf(expectCode(await stage.run(laptop, ["relays", "trust", second.key]), 0), "trusted")
    assert.deepInclude(trusted, { complete: true, pending: 0 })
    const [, back] = await relaysOf(stage, laptop)
    assert.deepInclude(back, { phase: "live", pending: 0, misbehaved: null, head: 3 })
    const pulled = await stage.run(laptop, ["pull", "--relay", second.key])
    assert.sameMembers([...valuesOf(linesOf(expectCode(pulled, 0), "entry"))], ["yesterday", "today", "tomorrow"])
  })
})
