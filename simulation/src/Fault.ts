/**
 * What goes wrong in a run, as plain data.
 *
 * A fault has a time (from the beginning of the safety phase) or a point that it is aimed at, counted from the beginning
 * of the world. One that lasts has a duration; whatever lasts at the end of the safety phase is lifted by healing.
 */
import type { DiskKind, DiskReason } from "./Disk.ts"
import type { CrashLaw } from "./DiskImage.ts"
import type { Latency } from "./Link.ts"
import type { Json } from "./Scenario.ts"

export type Direction = "both" | "in" | "out"

/** Some directed pairs of nodes (`Partition.ts` says what the shapes mean). */
export type Between =
  | { readonly shape: "everywhere" }
  | { readonly shape: "link"; readonly from: string; readonly to: string }
  /** Between a side and the other (or everybody else). */
  | {
    readonly shape: "sets"
    readonly side: ReadonlyArray<string>
    readonly other?: ReadonlyArray<string>
    readonly direction: Direction
  }
  | { readonly shape: "isolate"; readonly node: string; readonly direction: Direction }
  /** Each node sees its two neighbours only. */
  | { readonly shape: "ring"; readonly nodes: ReadonlyArray<string> }
  /** Two halves that see each other through one node only. */
  | {
    readonly shape: "bridge"
    readonly left: ReadonlyArray<string>
    readonly middle: string
    readonly right: ReadonlyArray<string>
  }

/** A point in what a node does, the k-th of its kind, from 0. */
export type Point =
  | {
    readonly at: "disk"
    readonly operation: DiskKind | "any"
    readonly phase: "before" | "after"
    readonly k: number
  }
  | { readonly at: "send" | "connect"; readonly k: number }
  /** A row of the trace, of any kind or of one. */
  | { readonly at: "event"; readonly event?: string; readonly k: number }
  /** A call that the program passes through `host.attempt(name)`. */
  | { readonly at: "call"; readonly name: string; readonly k: number }

interface Timed {
  readonly atMicros: number
}

interface Lasting extends Timed {
  readonly durationMicros: number
}

interface OnLinks extends Lasting {
  readonly between: Between
}

interface OnNode extends Timed {
  readonly node: string
}

interface LastingOnNode extends Lasting {
  readonly node: string
}

/** The process dies hard, its disk loses power after a law, and it is started again after a while. */
interface Death {
  readonly node: string
  readonly downMicros: number
  readonly disk: CrashLaw
  /** Whether the others hear of it (`reset`), or their connections stay half open. */
  readonly notice: "reset" | "never"
}

export type Fault =
  // Links.
  | (OnLinks & { readonly kind: "latency"; readonly latency: Latency })
  | (OnLinks & { readonly kind: "loss"; readonly p: number; readonly onConnection: "retransmit" | "reset" })
  /** Datagrams only: connections have no duplicates and keep their order. */
  | (OnLinks & { readonly kind: "duplication"; readonly p: number; readonly lagMicros: number })
  | (OnLinks & { readonly kind: "reorder"; readonly p: number; readonly lagMicros: number })
  | (OnLinks & { readonly kind: "corruption"; readonly p: number })
  | (OnLinks & { readonly kind: "bandwidth"; readonly bytesPerSecond: number })
  /** Longer messages never get through. */
  | (OnLinks & { readonly kind: "blackHole"; readonly bytes: number })
  | (OnLinks & { readonly kind: "partition" })
  /** Everything waits where it is. */
  | (OnLinks & { readonly kind: "clog" })
  /** One after the other is clogged, then in another order freed. */
  | (Timed & { readonly kind: "swizzle"; readonly nodes: ReadonlyArray<string>; readonly everyMicros: number })
  /** Open connections are torn. */
  | (Timed & { readonly kind: "reset"; readonly between: Between })
  /** No network at all: what the node opens fails at once. */
  | (LastingOnNode & { readonly kind: "offline" })
  // Processes.
  | (Timed & Death & { readonly kind: "crash" })
  | (Death & { readonly kind: "crashAt"; readonly point: Point })
  /** Stopped gracefully, and started again. */
  | (OnNode & { readonly kind: "stop"; readonly downMicros: number })
  | (LastingOnNode & { readonly kind: "pause" })
  // Disks.
  /** A sync answers and does nothing. */
  | (LastingOnNode & { readonly kind: "lie" })
  /** A bit flips for good. */
  | (OnNode & { readonly kind: "rot"; readonly file?: string })
  | (LastingOnNode & { readonly kind: "readError"; readonly p: number })
  | (LastingOnNode & { readonly kind: "shortRead"; readonly p: number })
  | (LastingOnNode & { readonly kind: "misdirected"; readonly p: number })
  | (LastingOnNode & { readonly kind: "slowDisk"; readonly latency: Latency })
  /** No more than so many bytes fit on top of what is there. */
  | (LastingOnNode & { readonly kind: "full"; readonly freeBytes: number })
  /** The process dies; what was durable `ageMicros` before is put back in place of everything; it starts again. */
  | (OnNode & { readonly kind: "restore"; readonly ageMicros: number; readonly downMicros: number })
  /** The process dies, its disk is emptied, it starts again. */
  | (OnNode & { readonly kind: "evict"; readonly downMicros: number })
  // Clocks.
  | (OnNode & { readonly kind: "jump"; readonly micros: number })
  | (LastingOnNode & { readonly kind: "drift"; readonly ppm: number })
  | (LastingOnNode & { readonly kind: "freeze" })
  // Services.
  /** An operation fails, once. `reason` is how a disk says it. */
  | { readonly kind: "error"; readonly node: string; readonly point: Point; readonly reason: DiskReason }
  /** One of the author's own (`Simulation.CustomFault`). */
  | {
    readonly kind: "custom"
    readonly name: string
    readonly node?: string
    readonly atMicros: number
    readonly durationMicros?: number
    readonly input: Json
  }

export type FaultKind = Fault["kind"]
