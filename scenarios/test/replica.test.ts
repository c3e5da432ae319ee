/**
 * Scenarios that people wrote down one by one: networks, handshakes, devices that write at once, several relays, and
 * devices without one. Each runs with fixed seeds under every invariant; what other tests cover is listed with them.
 */
import { peers } from "@sotto/scenarios/simulation/Peers"
import { sync } from "@sotto/scenarios/simulation/Sync"
import type { Simulation } from "@sotto/simulation/Simulation"
import * as fs from "node:fs"
import { afterAll, assert, describe, it } from "vitest"
import { COVERED } from "./kit/covered.ts"
import { type Drill, run } from "./kit/drill.ts"
import { network } from "./kit/network.ts"
import { meetings, relays } from "./kit/relays.ts"

/** An even one: everything is restarted from its disks in the end. Hundreds of others run in `sync` and `peers`. */
const SEEDS = [2n] as const

const rows: Array<readonly [scenario: string, seeds: string, result: string]> = []

const runAll = (simulation: Simulation, drills: { readonly [name: string]: Drill }) => {
  it.each(Object.entries(drills))("%s", { timeout: 60_000 }, (name, drill) => {
    const found = SEEDS.flatMap((seed) => run(simulation, drill, seed).map((line) => `seed ${seed}: ${line}`))
    rows.push([name, SEEDS.join(", "), found.length === 0 ? "holds" : "BROKEN"])
    assert.deepStrictEqual(found, [])
  })
}

describe("networks, handshakes, and devices at one relay", () => runAll(sync, network))
describe("several relays", () => runAll(sync, relays))
describe("devices without a relay", () => runAll(peers, meetings))

describe("what other tests cover", () => {
  it.each(COVERED)("$scenario", ({ file, scenario, title }) => {
    const text = fs.readFileSync(file, "utf8")
    rows.push([scenario, file, "its own test"])
    assert.include(text, title, file)
  })
})

afterAll(() => {
  const line = ([scenario, seeds, result]: readonly [string, string, string]) =>
    `${scenario.padEnd(60)} ${seeds.padEnd(50)} ${result}`
  process.stdout.write([["scenario", "seeds, or test", "result"] as const, ...rows].map(line).join("\n") + "\n")
})
