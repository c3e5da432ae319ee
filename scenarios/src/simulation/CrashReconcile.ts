/**
 * Every place at which two sides that compare what they have can be cut off (`CrashPlaces`): a device and a relay, and two
 * devices. Each has entries that the other one lacks; in the end both have all of them.
 */
import * as Invariant from "@sotto/simulation/Invariant"
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type { Report } from "@sotto/simulation/Report"
import type { Command, Scenario } from "@sotto/simulation/Scenario"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Keeping from "../invariant/keeping.ts"
import * as Meeting from "../invariant/meeting.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as Kept from "../node/Kept.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Peers from "../peers/Meeting.ts"
import * as Prepared from "../Prepared.ts"
import * as Said from "../Said.ts"
import { isUntold, nameOf, truth } from "../Truth.ts"
import * as Bounds from "./Bounds.ts"
import * as CrashPlaces from "./CrashPlaces.ts"
import * as Everywhere from "./Everywhere.ts"

const invariants = () => [
  ...Everywhere.invariants(),
  Keeping.nothingSetAside,
  Durability.noAckedLoss,
  Secrecy.noFalseAccusation,
  Convergence.make({ among: ["client"] })
]

const push = (node: string, atMicros: number, k = 0): Command => ({
  atMicros,
  node,
  name: "push",
  input: ["a", "", `${node} ${k}`]
})

const link = (from: string, to: string, atMicros: number, durationMicros: number) => ({
  kind: "partition" as const,
  between: { shape: "link" as const, from, to },
  atMicros,
  durationMicros
})

// -- a device and a relay ----------------------------------------------------------------------------------------------

/** The relay that was compared with keeps, in the end, all that the device shows which compared. */
const relayHasAll = Invariant.make("relayHasAll", (world) => {
  const known = world.of(truth)
  const kept = new Set<string>()
  return {
    onObservation: (observation) => {
      known.hear(observation)
      const { data, node, what } = observation
      if (what === "kept" && node === "relay-2") kept.add(Said.text(data, "id"))
    },
    onEnd: () => {
      for (const [op, id] of known.readingByNode.get("client-2")?.idByOp ?? []) {
        if (!isUntold(op) && !kept.has(id)) world.violated(`has not ${nameOf(op)}`, "relay-2")
      }
    }
  }
})

const withRelay: Simulation.Simulation = Bounds.within(Simulation.make({
  name: "crashreconcile",
  nodes: {
    relay: RelayNode.make({ count: [2, 2], seed: Prepared.seedRelay, storage: Kept.tell }),
    client: ClientNode.make({ count: [2, 2], enter: Prepared.seedDevice })
  },
  knobs: () => ({ crypto: "fake" }),
  invariants: [...invariants(), relayHasAll],
  phases: { safety: "8 seconds", liveness: "2 minutes" }
}))

/** As many as make it worth the while to compare before a log is read. */
const SHARED = 15

const drawn = withRelay.expand(1n, "calm")

/**
 * The second device cannot reach the second relay while the first one writes what comes to it over the first relay; then
 * each of them writes to one relay only. It compares itself with the second relay when it reaches it. The first device is
 * off by then, for good: what it wrote last comes from that relay or from nowhere.
 */
const atRelay: Scenario = {
  ...drawn,
  faults: [
    link("client-2", "relay-2", 1, 1_200_000),
    link("client-1", "relay-1", 900_000, drawn.phases.safetyMicros),
    {
      kind: "crash",
      node: "client-1",
      atMicros: 1_250_000,
      downMicros: drawn.phases.safetyMicros,
      disk: { kind: "none" },
      notice: "reset"
    }
  ],
  workload: [
    ...Array.from({ length: SHARED }, (_, k) => push("client-1", 100_000 + 30_000 * k, k)),
    push("client-1", 1_000_000, SHARED),
    push("client-2", 1_000_000),
    { atMicros: 1_300_000, node: "client-2", name: "wake", input: null }
  ],
  phases: { ...drawn.phases, heal: ["relay-1", "relay-2", "client-2"] }
}

/** Runs the world once for each place of a conversation between a device and a relay, and answers all reports. */
export const runAtRelay = (): ReadonlyArray<Report> =>
  CrashPlaces.runAll({
    simulation: withRelay,
    scenario: atRelay,
    nodes: ["client-2", "relay-2"],
    onDisk: CrashPlaces.each,
    betweenMicros: [1_300_000, 1_600_000]
  })

// -- two devices -------------------------------------------------------------------------------------------------------

const withoutRelay: Simulation.Simulation = Bounds.within(Simulation.make({
  name: "crashpeers",
  nodes: {
    client: ClientNode.make({ count: [2, 2], enter: Prepared.seedDevice, beside: Peers.attend, also: Peers.commands })
  },
  knobs: () => ({ crypto: "fake" }),
  invariants: [Meeting.membersMeet, ...invariants(), Meeting.metIsSame],
  phases: { safety: "8 seconds", liveness: "2 minutes" }
}))

const betweenDevices: Scenario = {
  ...withoutRelay.expand(1n, "calm"),
  faults: [],
  workload: [
    ...["client-1", "client-2"].flatMap((node) => [push(node, 100_000, 0), push(node, 200_000, 1)]),
    { atMicros: 500_000, node: "client-2", name: "sync", input: "client-1" }
  ]
}

/** Runs the world once for each place of a conversation between two devices, and answers all reports. */
export const runBetweenDevices = (): ReadonlyArray<Report> =>
  CrashPlaces.runAll({
    simulation: withoutRelay,
    scenario: betweenDevices,
    onDisk: CrashPlaces.each,
    betweenMicros: [500_000, 1_500_000]
  })
