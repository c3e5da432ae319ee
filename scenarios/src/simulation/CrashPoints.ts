/**
 * Every place at which a push and a pull can be cut off (`CrashPlaces`): two devices, one relay, one push by the first, one
 * pull by the second.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type { Report } from "@sotto/simulation/Report"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as CrashPlaces from "./CrashPlaces.ts"
import * as Everywhere from "./Everywhere.ts"

/**
 * One push and one pull, which the strategy `calm` never disturbs.
 *
 * @public
 */
export const crashPoints: Simulation.Simulation = Bounds.within(Simulation.make({
  name: "crashpoints",
  nodes: {
    relay: RelayNode.make({ count: [1, 1], seed: Prepared.seedRelay }),
    client: ClientNode.make({ count: [2, 2], enter: Prepared.seedDevice })
  },
  knobs: () => ({ crypto: "fake" }),
  invariants: [
    ...Everywhere.invariants(),
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Convergence.make({ among: ["client"] })
  ],
  phases: { safety: "8 seconds", liveness: "2 minutes" }
}))

const simulation = crashPoints

const scenario = {
  ...simulation.expand(1n, "calm"),
  faults: [],
  workload: [
    { atMicros: 100_000, node: "client-1", name: "push", input: ["a", "item", "the one value"] },
    { atMicros: 500_000, node: "client-2", name: "pull", input: null }
  ]
}

/** Runs the world once for each place, and answers all reports. */
export const runAll = (): ReadonlyArray<Report> => CrashPlaces.runAll({ simulation, scenario, onDisk: CrashPlaces.all })
