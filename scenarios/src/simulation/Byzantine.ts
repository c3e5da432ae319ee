/**
 * Devices of one space at one relay that lies to them, over a network that breaks: none ever shows what was not written,
 * and each either comes to hold what the others hold, or notices.
 */
import type { FaultWorld } from "@sotto/simulation/Simulation"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Hiding from "../byzantine/Hiding.ts"
import * as Lie from "../byzantine/Lie.ts"
import * as LyingRelay from "../byzantine/LyingRelay.ts"
import * as Deception from "../invariant/deception.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

const DOWN_MICROS = 20_000

/** The relay begins to lie, by a restart; it ends with another one, when the fault is lifted. */
const faultOf = (kind: Lie.Kind): Simulation.CustomFault => ({
  name: Lie.faultOf(kind),
  draw: (draws, { nodes, safetyMicros }) => {
    const clients = nodes("client")
    const some = clients.filter(() => draws.chance(0.5))
    return {
      node: "relay",
      atMicros: draws.int(safetyMicros),
      durationMicros: Math.round(draws.logUniform(200_000, safetyMicros)),
      input: { kind, clients: some.length === 0 ? [draws.pick(clients)] : some, k: draws.between(1, 6) }
    }
  },
  apply: (world, { input, node = "relay" }) => {
    world.facts.publish(Lie.factOf(node), input)
    restart(world, node)
    return () => {
      if (world.facts.lookup(Lie.factOf(node)) !== input) return
      world.facts.publish(Lie.factOf(node), null)
      restart(world, node)
    }
  }
})

const restart = (world: FaultWorld, node: string): void => world.crash(node, DOWN_MICROS)

const inner = Bounds.within(Simulation.make({
  name: "byzantine",
  nodes: {
    relay: LyingRelay.make(),
    client: ClientNode.make({ count: [2, 4], enter: Prepared.seedDevice, also: Hiding.commands })
  },
  knobs: (draws) => ({ crypto: draws.chance(0.03) ? "real" : "fake" }),
  faults: {
    calls: Everywhere.calls,
    custom: Lie.KINDS.map(faultOf),
    without: ["lie", "rot", "readError", "shortRead", "misdirected", "full", "restore", "evict"]
  },
  workload: { perSecond: [0.5, 3], commandsMax: 60 },
  invariants: [...Everywhere.invariants(), Deception.evidenceKept, Deception.deceptionNoticed],
  required: { nodes: { relay: 1, client: 1 } },
  phases: { liveness: "3 minutes" }
}))

/** The simulation, over a prepared space; the relay has another one to take entries from. */
export const byzantine: Simulation.Simulation = {
  ...inner,
  expand: (seed, strategy) => Hiding.apply(inner.expand(seed, strategy), seed),
  run: (scenario, options) => {
    Prepared.strangersForScenario(scenario)
    return inner.run(scenario, options)
  }
}
