/**
 * Devices of one space at one or two relays that are honest, over everything else that can go wrong: in the end all hold
 * the same, and nothing that was answered for is lost.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import * as NoDefect from "@sotto/simulation/invariant/NoDefect"
import type { NodeLoss } from "@sotto/simulation/Simulation"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Entries from "../invariant/entries.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"

/** A device that is put back to an older state of its own learns everything again: that is no excuse. */
const lossExpected = (losses: ReadonlyArray<NodeLoss>): ReadonlyArray<string> =>
  losses
    .filter(({ kind, kindOfNode }) => kindOfNode !== "client" || kind !== "restore")
    .map(({ file, kind, node }) => `${node}: ${kind} of ${file}`)

const inner = Simulation.make({
  name: "sync",
  nodes: {
    relay: RelayNode.make({ count: [1, 2], seed: Prepared.seedRelay }),
    client: ClientNode.make({ count: [2, 4], enter: Prepared.seedDevice })
  },
  knobs: (draws) => ({ crypto: draws.chance(0.05) ? "real" : "fake" }),
  faults: { calls: ["commit", "committed", "connect", "append", "appended", "random"] },
  invariants: [
    Entries.authenticity,
    Entries.atMostOnce,
    Entries.noSequenceReuse,
    Durability.monotonicCursors,
    Durability.readYourWrites,
    Durability.noAckedLoss,
    Secrecy.noNonceReuse,
    Secrecy.noFalseAccusation,
    Convergence.make({ among: ["client"] }),
    NoDefect.make()
  ],
  phases: { liveness: "3 minutes" },
  lossExpected
})

/** The simulation, over a prepared space. */
export const sync: Simulation.Simulation = Bounds.within(inner)
