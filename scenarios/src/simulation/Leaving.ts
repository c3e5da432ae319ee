/**
 * A device is removed from a space without a relay, while it writes and while the others, who hear of it one after the
 * other, write on top of what it wrote. In the end all who stay show the same entries and the same items.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Effect from "effect/Effect"
import * as Durability from "../invariant/durability.ts"
import * as Items from "../invariant/items.ts"
import * as Meeting from "../invariant/meeting.ts"
import * as ItemCommands from "../items/Commands.ts"
import * as Removal from "../leaving/Removal.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as Peers from "../peers/Meeting.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

const inner = Bounds.within(Simulation.make({
  name: "leaving",
  nodes: {
    client: ClientNode.make({
      count: [3, 4],
      enter: Prepared.seedDevice,
      beside: (handle) => Effect.andThen(Effect.sync(() => Removal.tellDevice(handle)), Peers.attend(handle)),
      also: { ...Peers.commands, ...ItemCommands.commands, ...Removal.commands }
    })
  },
  knobs: (draws) => ({ crypto: draws.chance(0.03) ? "real" : "fake", items: draws.chance(0.75) }),
  faults: { calls: Everywhere.calls, without: ["lie", "rot", "misdirected", "restore", "evict"] },
  workload: { perSecond: [0.3, 3], commandsMax: 60 },
  invariants: [
    Meeting.membersPart,
    ...Everywhere.invariants(),
    Durability.noAckedLoss,
    ...Items.invariants(),
    Convergence.make({ among: ["client"], restSeconds: Everywhere.NOTICE_SECONDS })
  ],
  // Who was removed is off in the end: healed, it would never come to hold what the others hold.
  required: { nodes: { client: 2 }, phases: ["heal"] },
  phases: { liveness: "3 minutes" }
}))

/** The simulation, over a prepared space. */
export const leaving: Simulation.Simulation = {
  ...inner,
  expand: (seed, strategy) => ItemCommands.withItems(Removal.apply(inner.expand(seed, strategy), seed), seed)
}
