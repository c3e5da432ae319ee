/**
 * Every place at which a push and a pull can be cut off, one after the other: the process dies before and after each
 * operation of its disk and at each message that it sends. Two devices, one relay, one push by the first, one pull by the
 * second; nothing else goes wrong.
 */
import type { CrashLaw } from "@sotto/simulation/DiskImage"
import type { Fault, Point } from "@sotto/simulation/Fault"
import * as Convergence from "@sotto/simulation/invariant/Convergence"
import type { Report } from "@sotto/simulation/Report"
import type { Scenario } from "@sotto/simulation/Scenario"
import * as Simulation from "@sotto/simulation/Simulation"
import * as Durability from "../invariant/durability.ts"
import * as Secrecy from "../invariant/secrecy.ts"
import * as ClientNode from "../node/ClientNode.ts"
import * as RelayNode from "../node/RelayNode.ts"
import * as Prepared from "../Prepared.ts"
import * as Bounds from "./Bounds.ts"
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

const scenario = (faults: ReadonlyArray<Fault>): Scenario => ({
  ...crashPoints.expand(1n, "calm"),
  faults,
  workload: [
    { atMicros: 100_000, node: "client-1", name: "push", input: ["a", "item", "the one value"] },
    { atMicros: 500_000, node: "client-2", name: "pull", input: null }
  ]
})

const crashAt = (node: string, point: Point, disk: CrashLaw): Fault => ({
  kind: "crashAt",
  node,
  point,
  disk,
  downMicros: 200_000,
  notice: "reset"
})

const places = (k: number): ReadonlyArray<readonly [Point, CrashLaw]> => [
  [{ at: "send", k }, { kind: "none" }],
  ...(["before", "after"] as const).flatMap((phase) =>
    ([{ kind: "none" }, { kind: "torn" }] as const).map((law) =>
      [{ at: "disk", operation: "any", phase, k }, law] as const
    )
  )
]

const hasCrashed = ({ rows }: Report): boolean => rows.some(({ kind }) => kind === "crash")

/** Runs the world once for each place, until there is no such place any more, and answers all reports. */
export const runAll = (): ReadonlyArray<Report> => {
  const reports = [crashPoints.run(scenario([]), { trace: true })]
  for (const { name } of scenario([]).nodes) {
    let more = true
    for (let k = 0; more; k++) {
      const found = places(k).map(([point, law]) =>
        crashPoints.run(scenario([crashAt(name, point, law)]), { trace: true })
      )
      more = found.some(hasCrashed)
      if (more) reports.push(...found)
    }
  }
  return reports
}
