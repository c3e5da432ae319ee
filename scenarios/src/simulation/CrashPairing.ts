/**
 * Every place at which pairing can be cut off (`CrashPlaces`): one device, one relay, one guest that is offered a code, and
 * another one later. In the end the guest is in, whatever became of the first code; and the space has these two devices and
 * no other.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Invariant from "@sotto/simulation/Invariant"
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type { Report } from "@sotto/simulation/Report"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Workload from "@sotto/simulation/Workload"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Durability from "../invariant/durability.ts"
import * as Letting from "../invariant/letting.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Guest from "../pairing/Guest.ts"
import { invite } from "../pairing/Invite.ts"
import * as Prepared from "../Prepared.ts"
import * as Said from "../Said.ts"
import * as Bounds from "./Bounds.ts"
import * as CrashPlaces from "./CrashPlaces.ts"
import * as Everywhere from "./Everywhere.ts"

/** Tells who is in the space, as this device sees it. */
const members = Workload.command({
  weight: 0,
  input: Schema.Null,
  draw: () => null,
  run: ({ client, host }: ClientNode.Handle) =>
    Effect.map(client.devices, (all) => {
      host.observe("members", { devices: all.filter(({ removed }) => !removed).map(({ id }) => Bytes.toHex(id)) })
    })
})

/** Whoever came in is a member, once, and nobody else became one. */
const whole = Invariant.make("paired", (world) => {
  let inside: string | undefined
  const countByNode = new Map<string, number>()
  return {
    onObservation: ({ data, kind, node, what }) => {
      if (what === "device" && kind === "guest") inside = Said.text(data, "device")
      if (what !== "members") return
      const devices = Said.field(data, "devices")
      if (!Array.isArray(devices)) return
      const before = countByNode.get(node)
      countByNode.set(node, devices.length)
      if (before === undefined) return
      if (inside === undefined) return world.violated("nobody came in", "guest-1")
      if (devices.length !== before + 1 || !devices.includes(inside)) {
        world.violated(`of ${before} members there came to be ${devices.length}`, node)
      }
    }
  }
})

const simulation: Simulation.Simulation = Bounds.within(Simulation.make({
  name: "crashpairing",
  nodes: {
    relay: RelayNode.make({ count: [1, 1], seed: Prepared.seedRelay }),
    client: ClientNode.make({ count: [1, 2], enter: Prepared.seedDevice, also: { invite, members } }),
    guest: Guest.make([1, 1])
  },
  knobs: () => ({ crypto: "fake", careful: true }),
  invariants: [
    whole,
    Letting.approvedOnly,
    Letting.codesLast,
    ...Everywhere.invariants(),
    Durability.noAckedLoss,
    Secrecy.noFalseAccusation,
    Convergence.make({ among: ["client", "guest"] })
  ],
  phases: { safety: "80 seconds", liveness: "2 minutes" }
}))

const offer = (k: number) => ({ k, approve: true, cancelMillis: 0, lookMillis: 100 })

const drawn = simulation.expand(1n, "calm")

const scenario = {
  ...drawn,
  nodes: drawn.nodes.filter(({ name }) => name !== "client-2"),
  faults: [],
  workload: [
    { atMicros: 400_000, node: "client-1", name: "members", input: null },
    { atMicros: 500_000, node: "client-1", name: "invite", input: offer(0) },
    { atMicros: 40_000_000, node: "client-1", name: "invite", input: offer(1) },
    { atMicros: 79_000_000, node: "client-1", name: "members", input: null }
  ]
}

/** Runs the world once for each place, and answers all reports. */
export const runAll = (): ReadonlyArray<Report> =>
  CrashPlaces.runAll({ simulation, scenario, onDisk: CrashPlaces.each, betweenMicros: [500_000, 900_000] })
