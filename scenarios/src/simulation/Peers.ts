/**
 * Devices of one space without a relay, or with one that is out of reach until the end, connected to each other over a
 * network that breaks: what one of them has comes to all, and to the relay when there is one.
 *
 * No disk forgets what it answered for: a device that is put back to an older state reads a relay before it writes
 * again, and here there is none.
 */
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Seed from "@sotto/simulation/Seed"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Items from "../invariant/items.ts"
import * as Keeping from "../invariant/keeping.ts"
import * as Meeting from "../invariant/meeting.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ItemCommands from "../items/Commands.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as Hanging from "../node/Hanging.ts"
import * as Kept from "../node/Kept.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Peers from "../peers/Meeting.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

const inner = Bounds.within(Simulation.make({
  name: "peers",
  nodes: {
    relay: RelayNode.make({ count: [0, 1], seed: Prepared.seedRelay, storage: Kept.tell }),
    client: ClientNode.make({
      count: [2, 4],
      enter: Prepared.seedDevice,
      beside: Peers.attend,
      also: { ...Peers.commands, ...ItemCommands.commands }
    })
  },
  knobs: (draws) => ({ crypto: draws.chance(0.03) ? "real" : "fake", items: draws.chance(0.25) }),
  faults: {
    calls: Everywhere.calls,
    custom: [Hanging.fault],
    without: ["lie", "rot", "misdirected", "restore", "evict"]
  },
  workload: { perSecond: [0.3, 3], commandsMax: 60 },
  invariants: [
    Meeting.membersMeet,
    ...Everywhere.invariants(),
    Keeping.nothingSetAside,
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Secrecy.understood,
    ...Items.invariants(),
    Convergence.make({ among: ["client"], restSeconds: Everywhere.NOTICE_SECONDS }),
    Meeting.relaysHaveAll,
    Meeting.metIsSame
  ],
  required: { nodes: { client: 1 } },
  phases: { liveness: "3 minutes" }
}))

/** The relay can't be reached for the first part of the time, or for all of it, until the world is healed. */
const withoutRelay = (scenario: Scenario, seed: Seed.Seed): Scenario => {
  const relays = scenario.nodes.flatMap(({ kind, name }) => kind === "relay" ? [name] : [])
  const { safetyMicros } = scenario.phases
  const draws = Seed.draws(seed, "the relay is away")
  const durationMicros = Math.round(safetyMicros * (draws.chance(0.5) ? 1 : 0.5 + draws.unit() / 2))
  const away = relays.map((node) => ({
    kind: "partition" as const,
    between: { shape: "isolate" as const, node, direction: "both" as const },
    atMicros: 0,
    durationMicros
  }))
  return { ...scenario, faults: [...away, ...scenario.faults] }
}

/** The simulation, over a prepared space. */
export const peers: Simulation.Simulation = {
  ...inner,
  expand: (seed, strategy) =>
    ItemCommands.withItems(withoutRelay(Hanging.whileMeeting(inner.expand(seed, strategy), seed), seed), seed)
}
