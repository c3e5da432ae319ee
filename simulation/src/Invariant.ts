/**
 * What must hold, whatever goes wrong. An invariant is begun anew with each run, and watches what it asks for.
 *
 * The library is in `invariant/`, one file each. What a program does inside, it tells by `host.observe(kind, data)`.
 */
import type { Crossing } from "./Connection.ts"
import type * as Node from "./Node.ts"
import type { Phase } from "./Report.ts"
import type { Json, Scenario } from "./Scenario.ts"
import type * as Trace from "./Trace.ts"
import type * as Workload from "./Workload.ts"

/** What a program said by `host.observe`. */
export interface Observation {
  readonly node: string
  readonly kind: string
  readonly incarnation: number
  readonly what: string
  readonly data: Json
}

/** One node, as invariants see it. */
export interface NodeView {
  readonly name: string
  readonly kind: string
  readonly trust: "trusted" | "untrusted"
  readonly persistent: boolean
  readonly alive: boolean
  readonly incarnation: number
  /** It takes part in the liveness phase: it is not dead for ever. */
  readonly core: boolean
  /** What it showed when it was last asked; undefined when it is down or did not answer. */
  readonly probe: Node.Probe | undefined
  /** How often a fault destroyed something durable of it. */
  readonly losses: number
  /** What its disk holds, in bytes. */
  readonly diskBytes: number
  /** All bytes on its disk, file by file. */
  readonly files: () => ReadonlyArray<{ readonly file: string; readonly bytes: Uint8Array }>
}

/** The run, as invariants see it. */
export interface World {
  readonly scenario: Scenario
  readonly nowMicros: () => number
  readonly phase: Phase
  readonly nodes: ReadonlyArray<NodeView>
  readonly history: ReadonlyArray<Workload.Entry>
  /** Why losing something would be no fault of the program. */
  readonly lossExpected: ReadonlyArray<string>
  /** When the world was healed. */
  readonly healedMicros: number | undefined
  /** When it came to rest after that. */
  readonly settledMicros: number | undefined
  /** Why nodes do not come to rest. */
  readonly stuck: ReadonlyArray<{ readonly node: string; readonly waits: string }>
  readonly of: <M>(model: Workload.Model<M>) => M
  /** Something does not hold. `kind` tells apart what an invariant watches that can be broken in several ways. */
  readonly violated: (message: string, node?: string, way?: { readonly kind: string }) => void
}

/** A process that ended by itself. */
export interface Exited {
  readonly node: string
  /** It failed: by an error, or by a defect. */
  readonly failed: boolean
  readonly defect: boolean
  readonly message: string
  /** A fault that a program may fail of had touched it. */
  readonly excused: boolean
}

/** What an invariant watches in one run. */
export interface Watch {
  readonly onObservation?: (observation: Observation) => void
  /** Every message that is put on a wire. */
  readonly onCrossing?: (crossing: Crossing) => void
  readonly onRow?: (row: Trace.Row) => void
  readonly onExit?: (exited: Exited) => void
  /** A fiber of a node died of a defect, whether or not somebody awaits it. */
  readonly onDefect?: (node: string, message: string) => void
  /** A command ended. */
  readonly onCommand?: (entry: Workload.Entry) => void
  /** A phase begins. */
  readonly onPhase?: (phase: Phase) => void
  /** Asked again and again in the liveness phase, right after the probes: whether the world has come to rest. */
  readonly isSettled?: () => boolean
  /** How long the world has to be seen at rest. */
  readonly restMicros?: number
  /** The world came to rest, or its time is over (`world.settledMicros` tells). */
  readonly onEnd?: () => void
  /** All nodes were asked to end, and had time to. `leaks`: what of the world they still had when they had. */
  readonly onStopped?: (leaks: ReadonlyArray<{ readonly node: string; readonly what: string }>) => void
  /** All nodes were started again from their disks, and came to rest. */
  readonly onRestarted?: () => void
}

export interface Invariant {
  readonly name: string
  /** Losing data that can not survive is a reason for it not to hold. */
  readonly excusable: boolean
  readonly begin: (world: World) => Watch
}

/** An invariant. `excusable`: it need not hold in a run in which data could not survive; otherwise it always must. */
export const make = (
  name: string,
  begin: (world: World) => Watch,
  options: { readonly excusable?: boolean } = {}
): Invariant => ({ name, excusable: options.excusable ?? false, begin })

/** A field of what a program said; undefined when it is not there. */
export const field = (data: Json, name: string): Json | undefined =>
  isRecord(data) && Object.hasOwn(data, name) ? data[name] : undefined

/** A field of what a program said, as text: strings as they are, the rest as JSON. */
export const textField = (data: Json, name: string): string => {
  const value = field(data, name)
  return typeof value === "string" ? value : JSON.stringify(value ?? null)
}

const isRecord = (data: Json): data is { readonly [name: string]: Json } =>
  typeof data === "object" && data !== null && !Array.isArray(data)
