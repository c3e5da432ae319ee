/**
 * A protocol in a world: a seed expands to a scenario, a scenario runs to a report.
 *
 * 1. Both are synchronous and depend on nothing but their arguments: the same seed, the same report.
 * 2. Nothing is shared by two runs.
 */
import type * as Duration from "effect/Duration"
import type { Crossing } from "./Connection.ts"
import type { Disk, DiskLaw, Loss } from "./Disk.ts"
import type { Fault, FaultKind } from "./Fault.ts"
import type { Invariant } from "./Invariant.ts"
import type { LinkLaw } from "./Link.ts"
import type { Network, NetworkLaw } from "./Network.ts"
import type * as Node from "./Node.ts"
import type { Report } from "./Report.ts"
import type { Json, Scenario } from "./Scenario.ts"
import type { Draws, Seed } from "./Seed.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"
import type * as Trap from "./Trap.ts"

export interface RunOptions {
  /** Keeps every row, and what the probes said. Does not change what happens. */
  readonly trace?: boolean
  readonly eventsMax?: number
}

export interface Simulation {
  readonly name: string
  /** Without a strategy, the seed picks one after the portfolio. */
  readonly expand: (seed: Seed, strategy?: string) => Scenario
  readonly strategies: ReadonlyArray<string>
  readonly run: (scenario: Scenario, options?: RunOptions) => Report
}

/** What a fault of the author's own can reach. */
export interface FaultWorld {
  readonly timeline: Timeline
  readonly recorder: Recorder
  readonly network: Network
  readonly disk: (node: string) => Disk
  readonly nodes: (kind?: string) => ReadonlyArray<string>
  /** Kills the process of a node and starts it again after a while. */
  readonly crash: (node: string, downMicros: number) => void
  readonly facts: Node.Facts
  /** Draws of this fault. */
  readonly draws: Draws
  /** Says why losing something is no fault of the program from now on. */
  readonly expectLoss: (why: string) => void
}

export interface CustomFault {
  readonly name: string
  /** What it does this time, or undefined: it does not come. */
  readonly draw: (
    draws: Draws,
    situation: { readonly nodes: (kind?: string) => ReadonlyArray<string>; readonly safetyMicros: number }
  ) => Omit<Extract<Fault, { readonly kind: "custom" }>, "kind" | "name"> | undefined
  /** The answer lifts it: after its duration, or when the world is healed. */
  readonly apply: (world: FaultWorld, fault: Extract<Fault, { readonly kind: "custom" }>) => (() => void) | void
}

/** Something durable that a fault destroyed. */
export interface NodeLoss extends Loss {
  readonly node: string
  readonly kindOfNode: string
}

export interface Definition {
  readonly name: string
  readonly nodes: { readonly [kind: string]: Node.Kind }
  readonly network?: Partial<NetworkLaw>
  readonly link?: Partial<LinkLaw>
  readonly disk?: Partial<DiskLaw>
  /** Names what a message is, for rows and coverage. */
  readonly classify?: (crossing: Crossing) => string | undefined
  /** What else the seed decides. */
  readonly knobs?: (draws: Draws) => { readonly [name: string]: Json }
  readonly faults?: {
    readonly without?: ReadonlyArray<FaultKind>
    readonly custom?: ReadonlyArray<CustomFault>
  }
  readonly workload?: {
    /** Commands of all nodes together: 0.5 to 5. */
    readonly perSecond?: readonly [low: number, high: number]
    /** No more commands than that: 200. */
    readonly commandsMax?: number
  }
  readonly invariants: ReadonlyArray<Invariant>
  readonly phases?: {
    /** 20 seconds. */
    readonly safety?: Duration.Input
    /** At most 60 seconds. */
    readonly liveness?: Duration.Input
  }
  /** Why data can not survive what faults destroyed; without it, every loss of a disk is a reason. */
  readonly lossExpected?: (losses: ReadonlyArray<NodeLoss>) => ReadonlyArray<string>
  readonly traps?: Trap.Mode
}

/** A simulation. */
export const make = (definition: Definition): Simulation => ({
  name: definition.name,
  strategies: ["calm", "swarm", "storm", "offline", "pct", "inject"],
  expand: () => {
    throw new Error("not built yet")
  },
  run: () => {
    throw new Error("not built yet")
  }
})
