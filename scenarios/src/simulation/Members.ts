/**
 * Who belongs, while things go wrong: devices that come in, members that change each other's roles at once, some that
 * write in the names of others, and a stranger at the door. In the end all know the same members and the same entries.
 */
import { Crypto } from "@sotto/core/Crypto"
import { Keystore } from "@sotto/core/Keystore"
import * as Directory from "@sotto/core/log/Directory"
import { Store } from "@sotto/core/Store"
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type * as Node from "@sotto/simulation/Node"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Effect from "effect/Effect"
import * as Durability from "../invariant/durability.ts"
import * as Items from "../invariant/items.ts"
import * as Keeping from "../invariant/keeping.ts"
import * as Membership from "../invariant/membership.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ItemCommands from "../items/Commands.ts"
import * as Admission from "../members/Admission.ts"
import * as Aim from "../members/Aim.ts"
import * as Device from "../members/Device.ts"
import * as Insider from "../members/Insider.ts"
import * as Joiner from "../members/Joiner.ts"
import * as Letters from "../members/Letters.ts"
import * as Neighbour from "../members/Neighbour.ts"
import * as Stranger from "../members/Stranger.ts"
import * as Watched from "../members/Watched.ts"
import { commands as usual } from "../node/Commands.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
import * as Everywhere from "./Everywhere.ts"

/** Puts the device into the prepared space; the first thing that it does there is to talk too much. */
const enter = (host: Node.Base) =>
  Effect.gen(function*() {
    yield* Prepared.seedDevice(host)
    const state = yield* Directory.readState({ crypto: yield* Crypto, keystore: yield* Keystore, store: yield* Store })
    if (state === undefined) return
    const { key } = yield* Letters.relay(host)
    Letters.tellRoute(host, state.keys.routeId(key))
  })

const commands = { ...usual, ...Admission.commands, ...ItemCommands.commands }

/** A device that is put back to an older state of its own learns everything again: that excuses nothing, at one relay. */
const lossExpected = (losses: ReadonlyArray<Simulation.NodeLoss>): ReadonlyArray<string> =>
  losses
    .filter(({ kind, kindOfNode }) => kind !== "restore" || (kindOfNode !== "client" && kindOfNode !== "joiner"))
    .map(({ file, kind, node }) => `${node}: ${kind} of ${file}`)

const inner = Simulation.make({
  name: "members",
  nodes: {
    relay: Watched.make({ count: 1, seed: Prepared.seedRelay }),
    spare: Watched.make({ count: [0, 1] }),
    client: Device.make({
      count: [2, 3],
      enter,
      beside: Admission.attend,
      commands: { ...commands, ...Insider.commands }
    }),
    joiner: Joiner.make({ count: [0, 2], commands }),
    neighbour: Neighbour.make([0, 1]),
    stranger: Stranger.make([0, 1])
  },
  knobs: (draws) => ({
    crypto: draws.chance(0.03) ? "real" : "fake",
    limits: Watched.limits(draws),
    aim: Aim.draw(draws),
    items: draws.chance(0.25)
  }),
  faults: { calls: [...Everywhere.calls.filter((name) => name !== "random"), "read"] },
  invariants: [
    Membership.strangersKeptOut,
    Membership.datedInOrder,
    Membership.routesApart,
    Keeping.sealedTight,
    Keeping.workBounded,
    Keeping.keptOnce,
    Keeping.promptDelivery,
    ...Everywhere.invariants(),
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Secrecy.understood,
    ...Items.invariants(),
    Convergence.make({
      among: ["client", "joiner"],
      restSeconds: Everywhere.NOTICE_SECONDS,
      except: Membership.isUnheardOf
    }),
    Keeping.spareHasAll
  ],
  required: { nodes: { relay: 1, client: 1 }, knobs: ["aim"] },
  phases: { liveness: "3 minutes" },
  lossExpected
})

const bounded = Bounds.within(inner)

/**
 * What a device that is put back had sent to a spare relay only, it cannot know before it writes again: where one is put
 * back, to a copy or to what it began with, nobody takes a spare relay on.
 */
const withoutSpares = (scenario: Scenario): Scenario =>
  scenario.faults.some(({ kind }) => kind === "restore" || kind === "evict")
    ? { ...scenario, workload: scenario.workload.filter(({ name }) => name !== "spare") }
    : scenario

/**
 * The simulation, over a prepared space. All are healed: what only the spare relay has of a device that is gone, nobody
 * brings to the others.
 */
export const members: Simulation.Simulation = {
  ...bounded,
  expand: (seed, strategy) => {
    const scenario = bounded.expand(seed, strategy)
    const aimed = Aim.apply({ ...scenario, phases: { ...scenario.phases, heal: "all" } }, seed)
    return ItemCommands.withItems(withoutSpares(aimed), seed)
  }
}
