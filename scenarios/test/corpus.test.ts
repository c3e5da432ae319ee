/** Scenarios in which the simulator found a bug. They are run first, and for ever. */
import { byzantine } from "@sotto/scenarios/simulation/Byzantine"
import { leaving } from "@sotto/scenarios/simulation/Leaving"
import { members } from "@sotto/scenarios/simulation/Members"
import { pairing } from "@sotto/scenarios/simulation/Pairing"
import { peers } from "@sotto/scenarios/simulation/Peers"
import { sync } from "@sotto/scenarios/simulation/Sync"
import * as Corpus from "@sotto/simulation/Corpus"
import * as fs from "node:fs"
import { assert, describe, it } from "vitest"

const folder = new URL("../corpus/", import.meta.url)

describe("what was found once", () => {
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".json"))) {
    it(`stays mended: ${file}`, () => {
      const entry = Corpus.fromText(fs.readFileSync(new URL(file, folder), "utf8"))
      assert(typeof entry !== "string", `${file} does not parse`)
      const { detail, result } = Corpus.verify(entry, [sync, pairing, byzantine, members, peers, leaving])
      assert.strictEqual(result, "as-expected", detail)
    })
  }
})
