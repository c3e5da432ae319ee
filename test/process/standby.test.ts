/**
 * A relay, its standby in a process of its own, and two devices (docs/operate/relay.md, "A standby"): both relays are killed
 * while devices write, the copy comes to be the same; and when the relay is gone for good before all was copied, the
 * standby takes its place and nothing is lost.
 */
import { Crypto } from "@sotto/core/Crypto"
import type { SottoHandle } from "@sotto/core/Face"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as pause } from "node:timers/promises"
import { assert, describe, it } from "vitest"
import { dump } from "../../packages/core/test/kit/storeDump.ts"
import { type RunningRelay, Stage } from "./Stage.ts"

/** As an operator would, while the relay runs. */
const backUp = (relay: RunningRelay, directory: string): void => {
  fs.mkdirSync(directory, { mode: 0o700 })
  const file = path.join(directory, "sotto.db")
  const database = new DatabaseSync(path.join(relay.data, "sotto.db"), { readOnly: true })
  database.exec(`VACUUM INTO '${file}'`)
  database.close()
  fs.chmodSync(file, 0o600)
}

const dumpOf = (directory: string) =>
  Effect.gen(function*() {
    return yield* dump(yield* NodeRelayStore.make({ directory }, yield* Crypto))
  }).pipe(Effect.scoped, Effect.provide(NodeCrypto.layer), Effect.runPromise)

const health = async (relay: RunningRelay) => {
  const response = await fetch(`http://127.0.0.1:${relay.port}/health`)
  return { status: response.status, text: (await response.text()).trim() }
}

const LEVEL = "standby following lag 0.0 s 0 positions"

/** Waits until a standby has been level for as long as it takes to hear of a change. */
const level = async (standby: RunningRelay): Promise<void> => {
  for (let seen = 0; seen < 3; await pause(400)) seen = (await health(standby)).text === LEVEL ? seen + 1 : 0
}

const writeMany = async (sotto: SottoHandle, name: string, count: number): Promise<ReadonlyArray<string>> => {
  const ids: Array<string> = []
  for (let n = 0; n < count; n++) {
    const receipt = await sotto.push(`${name} ${n}`, { collection: name })
    ids.push(Bytes.toHex(receipt.id))
    await pause(2)
  }
  return ids
}

/** Waits until the device names its relay as one that went back, and has it go on with it; answers the reasons. */
const goOn = async (sotto: SottoHandle): Promise<ReadonlyArray<string>> => {
  for (;;) {
    const [relay] = await sotto.relays.list()
    if (relay !== undefined && relay.misbehaved !== null) {
      await sotto.relays.trustAgain(relay.address.key)
      return [relay.misbehaved.evidence.reason]
    }
    await pause(50)
  }
}

const idsOf = async (sotto: SottoHandle): Promise<ReadonlySet<string>> => {
  const ids: Array<string> = []
  for await (const { id } of sotto.entries()) ids.push(Bytes.toHex(id))
  return new Set(ids.toSorted((a, b) => a < b ? -1 : 1))
}

describe("a relay and its standby", () => {
  it("are killed at any moment; the one takes the place of the other, and nothing is lost", async () => {
    await using stage = new Stage()
    let first = await stage.relay()
    await using laptop = await openSotto({ dir: stage.home("laptop"), relay: first.address, label: "Laptop" })
    const offered = Promise.withResolvers<string>()
    const hosting = laptop.pair({ onCode: ({ url }) => offered.resolve(url), approve: () => true })
    await joinSotto({ dir: stage.home("phone"), from: { url: await offered.promise }, label: "Phone" })
    await hosting
    await using phone = await openSotto({ dir: stage.home("phone") })
    const written = [...await writeMany(laptop, "before", 20)]
    await laptop.settled()

    const copy = stage.place.at("standby")
    backUp(first, copy)
    const follow = () => stage.relay({ data: copy, args: ["--replicate", first.address] })
    let standby = await follow()
    assert.strictEqual((await standby.child.line("listening"))["replicates"], `ws://127.0.0.1:${first.port}/`)
    assert.strictEqual((await health(standby)).status, 503)

    const writing = Promise.all([writeMany(laptop, "a", 60), writeMany(phone, "b", 60)])
    await pause(150)
    await standby.child.stop("SIGKILL")
    standby = await follow()
    await pause(150)
    await first.child.stop("SIGKILL")
    first = await stage.relay({ port: first.port, data: first.data })
    await Promise.all([laptop.wake(), phone.wake()])
    written.push(...(await writing).flat())
    await Promise.all([laptop.settled(), phone.settled()])
    await level(standby)
    await standby.child.stop("SIGKILL")
    await pause(50)

    // The relay acknowledges what the standby never hears of, and is gone.
    written.push(...await writeMany(laptop, "late", 10))
    await laptop.settled()
    await first.child.stop("SIGKILL")
    const [had, has] = [await dumpOf(first.data), await dumpOf(copy)]
    assert.deepStrictEqual(has[0]?.rows, had[0]?.rows.slice(0, has[0]?.rows.length))
    assert.isAtLeast((had[0]?.rows.length ?? 0) - (has[0]?.rows.length ?? 0), 10)

    const heir = await stage.relay({ port: first.port, data: copy })
    assert.strictEqual(heir.address, first.address)
    assert.deepStrictEqual(await health(heir), { status: 200, text: "ok" })
    await Promise.all([laptop.wake(), phone.wake()])
    const reasons = await Promise.all([goOn(laptop), goOn(phone)])
    assert.deepStrictEqual(reasons, [["regress"], ["regress"]])
    written.push(...await writeMany(phone, "after", 5))
    await Promise.all([laptop.settled(), phone.settled()])
    await laptop.pull()
    await phone.pull()
    const [onLaptop, onPhone] = [await idsOf(laptop), await idsOf(phone)]
    assert.deepStrictEqual(written.filter((id) => !onLaptop.has(id)), [])
    assert.deepStrictEqual(onPhone, onLaptop)
    await heir.child.stop("SIGTERM")

    const [route] = await dumpOf(copy)
    const ids = new Set(route?.ids)
    assert.deepStrictEqual(written.filter((id) => !ids.has(id)), [])
    assert.deepStrictEqual(await phone.quarantine(), [])
    assert.strictEqual(stage.children.running, 0)
  })

  it("says what is missing when there is no backup", async () => {
    await using stage = new Stage()
    const relay = await stage.relay()
    const ended = await stage.children.run(["relay", "--data", stage.place.at("none"), "--replicate", relay.address])
    assert.strictEqual(ended.code, 1)
    const [line] = ended.lines
    assert.strictEqual(line?.["tag"], "StandbyWithoutKey")
    assert.include(String(line?.["message"]), "put a backup")
  })
})
