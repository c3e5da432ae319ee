/**
 * New devices come into a space while things go wrong: codes are typed wrong, offers are cancelled, refused and run out,
 * processes die in the middle. Who was let in comes to hold what all others hold; who was not holds nothing.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Letting from "../invariant/letting.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Guest from "../pairing/Guest.ts"
import { invite } from "../pairing/Invite.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

/** The simulation, over a prepared space. */
export const pairing: Simulation.Simulation = Bounds.within(Simulation.make({
  name: "pairing",
  nodes: {
    relay: RelayNode.make({ count: [1, 1], seed: Prepared.seedRelay }),
    client: ClientNode.make({ count: [1, 2], enter: Prepared.seedDevice, also: { invite } }),
    guest: Guest.make([1, 2])
  },
  knobs: (draws) => ({ crypto: draws.chance(0.03) ? "real" : "fake" }),
  faults: { calls: Everywhere.calls, without: ["evict", "restore"] },
  workload: { perSecond: [0.5, 2], commandsMax: 40 },
  invariants: [
    Letting.approvedOnly,
    Letting.codesLast,
    Letting.crowdedIsDead,
    ...Everywhere.invariants(),
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Secrecy.understood,
    Convergence.make({ among: ["client", "guest"], restSeconds: Everywhere.NOTICE_SECONDS })
  ],
  required: { nodes: { relay: 1, client: 1 } },
  phases: { liveness: "3 minutes" }
}))
