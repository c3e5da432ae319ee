/**
 * A device's data file in which one bit has turned over, anywhere: it opens and has everything as it was written, or it
 * says what is wrong with a tagged error. It never shows something else, and never breaks in another way.
 */
import { openSotto } from "@sotto/runtime-node/open"
import { RelayKey } from "@sotto/schema/Id"
import { relayAddressToText } from "@sotto/schema/Ticket"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { Workplace } from "./Workplace.ts"

const FLIPS = 60
/** No relay answers there. */
const NOBODY = relayAddressToText({ url: "ws://127.0.0.1:9/", key: RelayKey.make(new Uint8Array(32)) })

/** Places that differ from run to run of the loop, and not from run to run of the test. */
const makeDraw = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x8000_0000
  }
}

const valuesIn = async (dir: string): Promise<ReadonlyArray<string>> => {
  await using sotto = await openSotto({ dir })
  const values: Array<string> = []
  for await (const entry of sotto.entries()) {
    for (const { action } of entry.ops) if (action._tag === "Put") values.push(Buffer.from(action.value).toString())
  }
  await sotto.push("goes on")
  return values
}

const tagOf = (failure: unknown): unknown =>
  failure instanceof Error && "_tag" in failure ? failure._tag : `no tag: ${String(failure)}`

describe("a device's file with one bit turned over", () => {
  it(`is as it was, or refused with a tagged error, ${FLIPS} times`, async () => {
    using place = new Workplace()
    const home = place.at("device")
    const written: Array<string> = []
    {
      await using sotto = await openSotto({ dir: home, relay: NOBODY, label: "Laptop" })
      for (let n = 0; n < 60; n++) {
        const value = `value ${n} ${"x".repeat(300)}`
        await sotto.push(value, { collection: n % 2 === 0 ? "even" : "odd" })
        written.push(value)
      }
    }
    const genuine = fs.readFileSync(path.join(home, "sotto.db"))
    const key = fs.readFileSync(path.join(home, "device.key"))
    const draw = makeDraw(7)
    const seen = new Map<unknown, number>()
    for (let flip = 0; flip < FLIPS; flip++) {
      const spoilt = Buffer.from(genuine)
      let at = 0
      do at = Math.floor(draw() * genuine.length)
      while (spoilt[at] === 0)
      spoilt[at] = (spoilt[at] ?? 0) ^ (1 << Math.floor(draw() * 8))
      const dir = place.at(`flip-${flip}`)
      fs.mkdirSync(dir, { mode: 0o700 })
      fs.writeFileSync(path.join(dir, "sotto.db"), spoilt, { mode: 0o600 })
      fs.writeFileSync(path.join(dir, "device.key"), key, { mode: 0o600 })
      const outcome = await valuesIn(dir).then(
        (values) => {
          assert.deepStrictEqual([...values].sort(), [...written].sort(), `bit at ${at}`)
          return "whole"
        },
        (failure: unknown) => tagOf(failure)
      )
      assert.include(["whole", "StoreFailed", "KeystoreFailed", "IdentityDamaged"], outcome, `bit at ${at}`)
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
    }
    // Else it was not the data that was hit.
    assert.isAbove(seen.get("StoreFailed") ?? 0, FLIPS / 4)
  })
})
