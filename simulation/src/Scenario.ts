/**
 * Everything that happens in one run, as plain JSON: a seed expands to a scenario, a scenario runs to a report.
 *
 * Shrinking and editing by hand work on the scenario, never on the seed. What is not written here (how long a message
 * takes, which task comes first) is drawn from the seed, by subject: taking one line out leaves the rest as it was.
 *
 * Times of faults and commands count from the beginning of the safety phase, when every node was ready.
 */
import type { DiskLaw } from "./Disk.ts"
import type { Fault } from "./Fault.ts"
import type { LinkLaw } from "./Link.ts"
import type { NetworkLaw } from "./Network.ts"
import type { Preemption } from "./Preemption.ts"
import type * as Scheduler from "./Scheduler.ts"

export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** One node: its name, how its fibers are scheduled, and how wrong its clock is. */
export interface NodePlan {
  /** Kind and number: `client-1`. */
  readonly name: string
  readonly kind: string
  readonly policy: Scheduler.Policy
  readonly preemption: Preemption
  readonly clock: { readonly skewMicros: number; readonly driftPpm: number }
}

/** Something that the workload asks of a node. */
export interface Command {
  readonly atMicros: number
  readonly node: string
  readonly name: string
  readonly input: Json
}

export interface Phases {
  readonly safetyMicros: number
  /** The longest that the world may take to come to rest once it is healed. */
  readonly livenessMicros: number
  /** Who is healed. The others are dead for ever from then on. */
  readonly heal: "all" | ReadonlyArray<string>
  /** Whether all nodes are restarted from their disks in the end, to see whether they are as before. */
  readonly coldRestart: boolean
}

export interface Scenario {
  readonly format: 1
  /** The name of the simulation that it belongs to. */
  readonly simulation: string
  /** `Seed.toText`: everything that is not written here is drawn from it. */
  readonly seed: string
  /** Which strategy made it. Says nothing about how it runs. */
  readonly strategy: string
  readonly nodes: ReadonlyArray<NodePlan>
  readonly network: Partial<NetworkLaw>
  readonly link: Partial<LinkLaw>
  readonly disk: Partial<DiskLaw>
  /** The author's own: page sizes, tiers of cryptography. */
  readonly knobs: { readonly [name: string]: Json }
  readonly faults: ReadonlyArray<Fault>
  readonly workload: ReadonlyArray<Command>
  readonly phases: Phases
  /** What nodes do that have a tape, in place of what their policy would. */
  readonly tapes?: { readonly [node: string]: Scheduler.Tape }
}
