/**
 * Devices of one space at one or two relays that are honest, over everything else that can go wrong: in the end all hold
 * the same, and nothing that was answered for is lost. In one run of five the relays delete what all have acknowledged.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import * as Quiescence from "@sotto/simulation/invariant/Quiescence"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Items from "../invariant/items.ts"
import * as Keeping from "../invariant/keeping.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ItemCommands from "../items/Commands.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Transit from "../node/Transit.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

const inner = Simulation.make({
  name: "sync",
  nodes: {
    relay: RelayNode.make({
      count: [1, 2],
      seed: Prepared.seedRelay,
      settings: Transit.settings,
      storage: Transit.storage
    }),
    client: ClientNode.make({ count: [2, 4], enter: Prepared.seedDevice, also: ItemCommands.commands })
  },
  knobs: (draws) => ({
    crypto: draws.chance(0.05) ? "real" : "fake",
    retention: draws.chance(0.2) ? "transit" : "durable",
    items: draws.chance(0.25)
  }),
  faults: { calls: Everywhere.calls },
  workload: { perSecond: [0.3, 4], commandsMax: 80 },
  invariants: [
    ...Everywhere.invariants(),
    Keeping.promptDelivery,
    Keeping.nothingSetAside,
    Keeping.nothingMissed,
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Secrecy.understood,
    ...Items.invariants(),
    Convergence.make({ among: ["client"], restSeconds: Everywhere.NOTICE_SECONDS }),
    Quiescence.make({ messagesPerNodePerSecond: 20 })
  ],
  required: { nodes: { relay: 1, client: 1 } },
  phases: { liveness: "3 minutes" }
})

const bounded = Bounds.within(inner)

/** The simulation, over a prepared space. */
export const sync: Simulation.Simulation = {
  ...bounded,
  expand: (seed, strategy) => ItemCommands.withItems(Transit.bound(bounded.expand(seed, strategy)), seed)
}
