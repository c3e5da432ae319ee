/**
 * A protocol in a world: a seed expands to a scenario, a scenario runs to a report.
 *
 * 1. Both are synchronous and depend on nothing but their arguments: the same seed, the same report.
 * 2. Nothing is shared by two runs.
 */
import type * as Duration from "effect/Duration"
import type { Crossing } from "./Connection.ts"
import type { Disk, DiskLaw, Loss } from "./Disk.ts"
import * as Expand from "./Expand.ts"
import type { Fault, FaultKind } from "./Fault.ts"
import type { Invariant } from "./Invariant.ts"
import type { LinkLaw } from "./Link.ts"
import type { Network, NetworkLaw } from "./Network.ts"
import type * as Node from "./Node.ts"
import * as Phases from "./Phases.ts"
import type { Report } from "./Report.ts"
import * as Required from "./Required.ts"
import type { Json, Scenario } from "./Scenario.ts"
import type * as Scheduler from "./Scheduler.ts"
import type { Draws, Seed } from "./Seed.ts"
import * as StackTraces from "./StackTraces.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"
import type * as Trap from "./Trap.ts"
import { World } from "./World.ts"

export interface RunOptions {
  /** Keeps every row, and where errors were made: without it, errors have no stack. Does not change what happens. */
  readonly trace?: boolean
  /** Keeps what the probes said, each time that it changed: for a picture. Asks them at every row, which costs more. */
  readonly states?: boolean
  readonly eventsMax?: number
  /** Writes down where schedules left first-in-first-out: the report has `tapes`. */
  readonly record?: boolean
}

export interface Simulation {
  readonly name: string
  /** Without a strategy, the seed picks one after the portfolio. */
  readonly expand: (seed: Seed, strategy?: string) => Scenario
  readonly strategies: ReadonlyArray<string>
  /** Throws when the scenario is none of this simulation, or lacks what it requires. */
  readonly run: (scenario: Scenario, options?: RunOptions) => Report
  /** What shrinking leaves in its scenarios. */
  readonly required?: Required.Required
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
    /** `corruption` comes only when it is asked for here: an honest transport has none. */
    readonly also?: ReadonlyArray<"corruption">
    readonly custom?: ReadonlyArray<CustomFault>
    /** Names that programs pass to `host.attempt`: their calls fail, and are crashed at. */
    readonly calls?: ReadonlyArray<string>
  }
  readonly workload?: {
    /** Commands of all nodes together: 0.5 to 5. */
    readonly perSecond?: readonly [low: number, high: number]
    /** No more commands than that: 200. */
    readonly commandsMax?: number
  }
  readonly invariants: ReadonlyArray<Invariant>
  /** What a scenario has to have: without it, it would fail for another reason than the program. */
  readonly required?: Required.Required
  readonly phases?: {
    /** 20 seconds. */
    readonly safety?: Duration.Input
    /** At most 60 seconds. */
    readonly liveness?: Duration.Input
    /** The longest that a node is offline in the strategy of that name: 2 hours. Programs that are busy make days slow. */
    readonly offline?: Duration.Input
  }
  /** Why data can not survive what faults destroyed; without it, every loss of a disk is a reason. */
  readonly lossExpected?: (losses: ReadonlyArray<NodeLoss>) => ReadonlyArray<string>
  readonly traps?: Trap.Mode
}

/** A simulation. Throws when it requires what its seeds do not draw. */
export const make = (definition: Definition): Simulation => {
  const { name, required = {} } = definition
  const wrong = Required.fault(required, leastOf(definition))
  if (wrong !== undefined) throw new RangeError(`${name}: ${wrong}`)
  return {
    name,
    strategies: Expand.strategies,
    required,
    expand: (seed, strategy) => Expand.expand(definition, seed, strategy),
    run: (scenario, options = {}) => {
      if (scenario.simulation !== name) {
        throw new RangeError(`a scenario of ${scenario.simulation} does not run in ${name}`)
      }
      const missing = Required.lacking(required, scenario)
      if (missing !== undefined) throw new RangeError(missing)
      const world = new World(definition, scenario, options)
      const states = options.states === true ? watchStates(world) : []
      const run = () => world.kernel.host.traps.during(() => Phases.run(world))
      if (options.trace === true) run()
      else StackTraces.within(0, run)
      return reportOf(world, states)
    }
  }
}

/** How many nodes of each kind there are at least. */
const leastOf = ({ nodes }: Definition): { readonly [kind: string]: number } =>
  Object.fromEntries(Object.entries(nodes).map(([kind, { count: [least] }]) => [kind, least]))

/** What the probes say, each time that it changes. */
const watchStates = (world: World): Report["states"] => {
  const states: Array<Report["states"][number]> = []
  const last = new Map<string, string>()
  const changed = new Set<string>()
  world.kernel.trace.onRow(({ node }) => changed.add(node))
  world.onEvent = () => {
    for (const name of changed) {
      const state = world.machine(name)?.glance()?.state
      const text = JSON.stringify(state)
      if (state === undefined || last.get(name) === text) continue
      last.set(name, text)
      const { trace } = world.kernel
      states.push({ row: trace.size - 1, tMicros: world.kernel.nowMicros(), node: name, state })
    }
    changed.clear()
  }
  return states
}

const reportOf = (world: World, states: Report["states"]): Report => {
  const { coverage, kernel, scenario, verdict } = world
  const { violations } = verdict
  const report: Report = {
    scenario,
    ok: violations.length === 0,
    violations,
    events: kernel.events,
    simulatedMicros: kernel.nowMicros(),
    traceHash: kernel.trace.hash,
    lossExpected: world.lossExpected,
    marks: coverage.marks,
    situations: coverage.situations,
    stuck: world.stuck.map(({ node, waits }) => ({ node, waits })),
    rows: kernel.trace.rows(),
    states
  }
  return world.record ? { ...report, tapes: tapesOf(world) } : report
}

const tapesOf = (world: World): NonNullable<Report["tapes"]> => {
  const tapes: { [node: string]: Scheduler.Tape } = {}
  for (const machine of world.machines) {
    machine.allTapes().forEach((tape, k) => {
      tapes[k === 0 ? machine.name : `${machine.name}#${k}`] = tape
    })
  }
  return tapes
}
