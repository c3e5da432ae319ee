/** Devices that sync without a relay between them, by the command line alone. */
import { openSotto } from "@sotto/runtime-node/open"
import * as fs from "node:fs"
import { afterAll, assert, describe, it } from "vitest"
import type { Child } from "../process/Child.ts"
import { admit, makePair, settle } from "../process/devices.ts"
import { RecordingProxy } from "../process/RecordingProxy.ts"
import { expectCode, linesOf, Stage, text } from "../process/Stage.ts"

interface Serving {
  readonly child: Child
  readonly url: string
  readonly port: number
}

const serve = async (stage: Stage, home: string, port = 0): Promise<Serving> => {
  const child = stage.children.start(["serve", "--port", String(port), "--json"], { home })
  const url = text(await child.line("serving"), "url")
  return { child, url, port: Number(new URL(url).port) }
}

/** What a device has, whether or not a relay is in reach. */
const valuesIn = async (dir: string): Promise<ReadonlyArray<string>> => {
  await using sotto = await openSotto({ dir })
  const values: Array<string> = []
  for await (const entry of sotto.entries()) {
    for (const { action } of entry.ops) if (action._tag === "Put") values.push(Buffer.from(action.value).toString())
  }
  return values.sort()
}

/** Two devices that met at a relay, which is gone for good. */
const pairOf = async (stage: Stage) => {
  const relay = await stage.relay()
  return { relay, ...await makePair(stage, relay) }
}

/** Three of one space, that the phone let the tablet into; all know of each other, and their relay is gone for good. */
const threeApart = async (stage: Stage) => {
  const { laptop, phone, relay } = await pairOf(stage)
  const tablet = stage.home("tablet")
  await admit(phone, tablet, "Tablet")
  // The laptop hears of the tablet through the relay, which is gone after that.
  await stage.pull(laptop)
  await relay.child.stop("SIGKILL")
  return { laptop, phone, tablet }
}

/** Two devices that met once, for all tests that only need them apart: each gets copies of their directories. */
const met = new Stage()
afterAll(() => met[Symbol.asyncDispose]())

const meet = async () => {
  const pair = await pairOf(met)
  await pair.relay.child.stop("SIGKILL")
  return pair
}
let meeting: ReturnType<typeof meet> | undefined

const apart = async (stage: Stage) => {
  const pair = await (meeting ??= meet())
  const [laptop, phone] = [stage.home("laptop"), stage.home("phone")]
  for (const [from, to] of [[pair.laptop, laptop], [pair.phone, phone]] as const) {
    fs.cpSync(from, to, { recursive: true })
  }
  return { laptop, phone }
}

/** Writes a value without a relay. */
const note = async (dir: string, value: string) => {
  await using sotto = await openSotto({ dir })
  await sotto.push(value)
}

/** Syncs with what serves; answers how many envelopes came and went. */
const sync = async (stage: Stage, home: string, url: string) => {
  const [line] = linesOf(expectCode(await stage.run(home, ["sync", url]), 0), "synced")
  if (line === undefined) throw new Error("sync said nothing")
  return { label: line["label"], received: line["received"], sent: line["sent"] }
}

const failure = async (stage: Stage, home: string, url: string, code: number) => {
  const [line] = linesOf(expectCode(await stage.run(home, ["sync", url]), code), "error")
  return line
}

describe("two devices whose relay is gone", () => {
  it("bring each other up to date, and say what moved", async () => {
    await using stage = new Stage()
    const { laptop, phone } = await apart(stage)
    expectCode(await stage.run(laptop, ["push", "laptop 1"]), 3)
    await note(laptop, "laptop 2")
    await note(phone, "phone")
    const serving = await serve(stage, laptop)
    assert.deepStrictEqual(await sync(stage, phone, serving.url), { label: "Laptop", received: 2, sent: 1 })
    assert.deepStrictEqual(await sync(stage, phone, serving.url), { label: "Laptop", received: 0, sent: 0 })
    await serving.child.line("left")
    const ended = expectCode(await serving.child.stop("SIGINT"), 0)
    assert.deepInclude(linesOf(ended, "met")[0], { label: "Phone" })
    assert.deepInclude(linesOf(ended, "left")[0], { label: "Phone", received: 1, sent: 2 })
    assert.deepInclude(linesOf(ended, "stopped")[0], { what: "device" })
    const all = ["laptop 1", "laptop 2", "phone"]
    assert.deepStrictEqual(await valuesIn(laptop), all)
    assert.deepStrictEqual(await valuesIn(phone), all)
  })

  it("lose nothing, and get nothing twice, when the serving one is killed in the middle", async () => {
    await using stage = new Stage()
    const { laptop, phone } = await apart(stage)
    const written = await write(laptop, 2000)
    const serving = await serve(stage, laptop)
    await using proxy = await RecordingProxy.to(serving.port)
    const url = `ws://127.0.0.1:${proxy.port}/`
    const held = proxy.holdAfter(1_500_000)
    const syncing = stage.run(phone, ["sync", url])
    await held
    await serving.child.stop("SIGKILL")
    proxy.cut()
    proxy.mend()
    const [error] = linesOf(expectCode(await syncing, 3), "error")
    assert.strictEqual(text(error, "tag"), "PeerUnreachable")
    const before = await valuesIn(phone)
    assert.isAbove(before.length, 0)
    assert.isBelow(before.length, 2000)

    const again = await serve(stage, laptop)
    proxy.target = again.port
    const { received } = await sync(stage, phone, url)
    assert.strictEqual(received, 2000 - before.length)
    assert.deepStrictEqual(await valuesIn(phone), written)
    expectCode(await again.child.stop("SIGTERM"), 0)
    assert.deepStrictEqual(await valuesIn(laptop), written)
  })
})

/** Writes that many values without a relay, each as an entry of its own; answers them. */
const write = async (dir: string, count: number): Promise<ReadonlyArray<string>> => {
  await using sotto = await openSotto({ dir })
  const values: Array<string> = []
  while (values.length < count) {
    // One lane for each that is written at the same time: they share a commit, and no entry.
    await Promise.all(Array.from({ length: 100 }, (_, lane) => {
      const value = `${values.length} `.padEnd(1000, "x")
      values.push(value)
      return sotto.push(value, { collection: `lane ${lane}` })
    }))
  }
  return values.sort()
}

describe("three devices", () => {
  it("pass on what the others wrote, along a chain", async () => {
    await using stage = new Stage()
    const { laptop, phone, tablet } = await threeApart(stage)
    for (const home of [laptop, phone, tablet]) await note(home, `from ${home.split("/").at(-1)}`)
    const all = ["from laptop", "from phone", "from tablet"]

    const first = await serve(stage, laptop)
    assert.deepStrictEqual(await sync(stage, phone, first.url), { label: "Laptop", received: 1, sent: 1 })
    expectCode(await first.child.stop("SIGINT"), 0)
    const middle = await serve(stage, phone)
    assert.deepStrictEqual(await sync(stage, tablet, middle.url), { label: "Phone", received: 2, sent: 1 })
    assert.deepStrictEqual(await valuesIn(tablet), all)
    assert.deepStrictEqual(await sync(stage, laptop, middle.url), { label: "Phone", received: 1, sent: 0 })
    assert.deepStrictEqual(await valuesIn(laptop), all)
  })

  it("get what comes while they stay connected, and connect again by themselves", async () => {
    await using stage = new Stage()
    const { laptop, phone, tablet } = await threeApart(stage)
    await note(tablet, "from the tablet")
    const middle = await serve(stage, phone)
    const following = stage.children.start(["sync", middle.url, "--follow", "--json"], { home: laptop })
    await following.line("synced")
    await sync(stage, tablet, middle.url)
    await following.line("moved", (line) => line["received"] === 1)

    await middle.child.stop("SIGKILL")
    await following.line("notice", (line) => text(line, "message").includes("Trying again in"))
    await note(phone, "from the phone")
    await serve(stage, phone, middle.port)
    await following.line("synced", (line) => line["received"] === 1)
    expectCode(await following.stop("SIGINT"), 130)
    assert.deepStrictEqual(await valuesIn(laptop), ["from the phone", "from the tablet"])
  })
})

describe("a device that serves", () => {
  it("lets in no device of another space, and none that it does not know yet", async () => {
    await using stage = new Stage()
    const { laptop, phone, relay } = await pairOf(stage)
    await stage.push(laptop, "secret")
    const stranger = stage.home("stranger")
    await settle(stranger, relay, "Stranger")
    const tablet = stage.home("tablet")
    await admit(laptop, tablet, "Tablet")
    await relay.child.stop("SIGKILL")

    const serving = await serve(stage, phone)
    const other = await failure(stage, stranger, serving.url, 4)
    assert.strictEqual(text(other, "tag"), "PeerRefused")
    assert.include(text(other, "message"), "not a device of this space")
    assert.deepStrictEqual(await valuesIn(stranger), [])
    const early = await failure(stage, tablet, serving.url, 4)
    assert.include(text(early, "message"), "does not know this device as a member")
    const notice = await serving.child.line("notice")
    assert.include(text(notice, "message"), "not known here as a member")
    expectCode(await serving.child.stop("SIGINT"), 0)
    // With the one that let it in, it goes.
    const host = await serve(stage, laptop)
    await sync(stage, tablet, host.url)
    await sync(stage, phone, host.url)
    expectCode(await host.child.stop("SIGINT"), 0)
    const again = await serve(stage, phone)
    assert.deepStrictEqual(await sync(stage, tablet, again.url), { label: "Phone", received: 0, sent: 0 })
  })

  it("is missed with an exit code that says so", async () => {
    await using stage = new Stage()
    const { laptop, phone } = await apart(stage)
    const relay = await stage.relay()
    const serving = await serve(stage, laptop)
    const inUse = stage.children.start(["serve", "--port", String(serving.port), "--json"], { home: phone })
    assert.strictEqual(text(linesOf(expectCode(await inUse.ended, 1), "error")[0], "tag"), "ListenFailed")
    // Its directory is in use as well.
    expectCode(await stage.run(laptop, ["push", "x"]), 1)
    expectCode(await serving.child.stop("SIGINT"), 0)
    const nobody = await failure(stage, phone, serving.url, 3)
    assert.strictEqual(text(nobody, "tag"), "PeerUnreachable")
    assert.include(text(nobody, "message"), "sotto serve")
    const aRelay = await failure(stage, phone, `ws://127.0.0.1:${relay.port}/`, 3)
    assert.include(text(aRelay, "message"), "the address of a relay")
    for (const url of ["phone", "http://127.0.0.1:1/", relay.address]) {
      assert.strictEqual(text(await failure(stage, phone, url, 2), "tag"), "UsageWrong")
    }
    expectCode(await stage.run(stage.home("nobody"), ["serve"]), 1)
  })
})

describe("a device and its relays", () => {
  it("compare what they have", async () => {
    await using stage = new Stage()
    const { laptop, phone, relay } = await pairOf(stage)
    await stage.push(laptop, "one")
    const [line] = linesOf(expectCode(await stage.run(phone, ["sync"]), 0), "synced")
    assert.deepInclude(line, { url: `ws://127.0.0.1:${relay.port}/`, device: null, received: 0, sent: 0 })
    assert.deepStrictEqual(await valuesIn(phone), ["one"])
    await relay.child.stop("SIGTERM")
    assert.strictEqual(
      text(linesOf(expectCode(await stage.run(phone, ["sync"]), 3), "error")[0], "tag"),
      "NotConnected"
    )
  })
})
