/**
 * The disk is full under a whole device, and under a whole relay: each says so, keeps what it had said was saved, and
 * goes on when there is room. What storage itself does then is in test/process/diskFull.test.ts, and without a small
 * disk in NodeStore.test.ts and NodeRelayStore.test.ts.
 */
import { openSotto } from "@sotto/runtime-node/open"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { settle } from "../process/devices.ts"
import { canMount, SmallDisk } from "../process/SmallDisk.ts"
import { expectCode, Stage, valuesOf } from "../process/Stage.ts"

const value = (n: number) => `${n} ${"x".repeat(30_000)}`

describe.runIf(canMount)("a full disk", () => {
  it("under a device: what was not saved is not said to be, what was is there, and it goes on when there is room", async () => {
    await using stage = new Stage()
    using disk = new SmallDisk(12)
    const relay = await stage.relay()
    const home = path.join(disk.root, "laptop")
    await settle(home, relay, "Laptop")
    const saved: Array<string> = []
    {
      await using sotto = await openSotto({ dir: home })
      const save = async (n: number): Promise<string | undefined> => {
        try {
          await sotto.push(value(n))
          saved.push(value(n))
          return undefined
        } catch (failure) {
          return failure instanceof Error ? failure.message : String(failure)
        }
      }
      for (let n = 0; n < 5; n++) assert.isUndefined(await save(n))
      disk.fill()
      let refusal: string | undefined
      for (let n = 5; refusal === undefined && n < 500; n++) refusal = await save(n)
      assert.include(refusal, "(full: ")
      assert.include(refusal, "nothing that was saved before is lost")
      // The same process goes on, and so does a new one.
      disk.free()
      assert.isUndefined(await save(1000))
      await sotto.settled()
    }
    assert.deepStrictEqual(valuesOf(await stage.pull(home)), saved)
  })

  it("under a relay: it stays up, acknowledges nothing that it does not keep, and takes it all when there is room", async () => {
    await using stage = new Stage()
    using disk = new SmallDisk(16)
    const relay = await stage.relay({ data: path.join(disk.root, "relay") })
    await using laptop = await openSotto({ dir: stage.home("laptop"), relay: relay.address, label: "Laptop" })
    await (await laptop.push(value(0))).stored()
    disk.fill()
    const written = [value(0)]
    // As much as the room inside its files takes, and then some.
    for (let n = 1; n <= 60; n++) {
      await laptop.push(value(n))
      written.push(value(n))
    }
    const failed = new Promise<void>((resolve) => {
      const look = () => relay.child.stderr.includes("relay storage failed") ? resolve() : setTimeout(look, 20)
      look()
    })
    await failed
    assert.include(relay.child.stderr, "full")
    assert.strictEqual((await fetch(`http://127.0.0.1:${relay.port}/health`)).status, 200)
    assert.isAbove((await laptop.status()).pending, 0)

    disk.free()
    await laptop.settled()
    assert.strictEqual((await laptop.status()).pending, 0)
    assert.deepStrictEqual(await laptop.evidence(), [])
    assert.isNull(relay.child.process.exitCode)
    const phone = stage.home("phone")
    const code = Promise.withResolvers<string>()
    const hosting = laptop.pair({ onCode: (shown) => code.resolve(shown.url), approve: () => true })
    expectCode(await stage.run(phone, ["join", await code.promise, "--name", "Phone", "--yes"]), 0)
    await hosting
    assert.deepStrictEqual(valuesOf(await stage.pull(phone)), written)
  })
})

describe.runIf(!canMount)("a full disk", () => {
  it("is not tried here: it takes root on Linux to mount a small one", () => {
    process.stderr.write("NOT RUN: whole processes on a full disk need root on Linux\n")
  })
})
