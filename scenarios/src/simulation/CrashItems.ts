/**
 * Every place at which a device that keeps items can be cut off (`CrashPlaces`): while it writes and merges them, and while
 * it takes back what a removed device had written, with what was written on top. In the end it shows what another device
 * shows that nothing happened to.
 */
import type { Report } from "@sotto/simulation/Report"
import type { Command, Scenario } from "@sotto/simulation/Scenario"
import * as CrashPlaces from "./CrashPlaces.ts"
import { leaving as simulation } from "./Leaving.ts"

const put = (node: string, atMicros: number, merge: string, does = "put"): Command => ({
  atMicros,
  node,
  name: "item",
  input: { does, merge, key: "one", value: `${node} ${atMicros}` }
})

const sync = (node: string, input: string, atMicros: number): Command => ({ atMicros, node, name: "sync", input })

const drawn = simulation.expand(1n, "calm")

const GOES = "client-3"

const scenario: Scenario = {
  ...drawn,
  nodes: drawn.nodes.filter(({ name }) => name <= GOES),
  knobs: { crypto: "fake", items: true },
  faults: [],
  workload: [
    put("client-1", 100_000, "both"),
    put(GOES, 200_000, "both"),
    sync("client-2", "client-1", 300_000),
    sync("client-2", GOES, 500_000),
    // The others hear later of what comes now, and who removes it signs before that.
    { atMicros: 900_000, node: "client-1", name: "remove", input: { node: GOES, lagMillis: 600 } },
    put(GOES, 1_000_000, "both"),
    put("client-2", 1_100_000, "both"),
    sync("client-2", GOES, 1_200_000),
    put("client-2", 1_400_000, "both"),
    put("client-2", 1_450_000, "counter", "twice"),
    sync("client-2", "client-1", 1_700_000)
  ],
  phases: { ...drawn.phases, safetyMicros: 8_000_000, heal: ["client-1", "client-2"] }
}

/** Runs the world once for each place, and answers all reports. */
export const runAll = (): ReadonlyArray<Report> =>
  CrashPlaces.runAll({
    simulation,
    scenario,
    nodes: ["client-2"],
    onDisk: CrashPlaces.each,
    betweenMicros: [1_100_000, 2_500_000]
  })
