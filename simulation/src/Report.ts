/** What became of a run. */
import type { Json, Scenario } from "./Scenario.ts"
import type * as Trace from "./Trace.ts"

/** In order; `restart` only where the scenario asks for it. */
export type Phase = "boot" | "safety" | "heal" | "liveness" | "audit" | "restart"

/** Something that must hold, and did not. */
export interface Violation {
  readonly invariant: string
  readonly message: string
  readonly node?: string
  /** Which of the ways to be broken that its invariant knows. Shrinking keeps it. */
  readonly kind?: string
  /** The row after which it was seen. */
  readonly row?: number
  readonly tMicros: number
  readonly phase: Phase
}

export interface Report {
  readonly scenario: Scenario
  /** No violation. */
  readonly ok: boolean
  /** In the order in which they were seen; the first is the one that the run is about. */
  readonly violations: ReadonlyArray<Violation>
  readonly events: number
  readonly simulatedMicros: number
  readonly traceHash: string
  /** Why losing something would be no fault of the program. Empty: it would be. */
  readonly lossExpected: ReadonlyArray<string>
  /** How often the program said that something happened. */
  readonly marks: { readonly [name: string]: number }
  /** What kind of thing happened while what was wrong: coverage. */
  readonly situations: ReadonlyArray<string>
  /** Why it did not come to rest, by node, where it did not. */
  readonly stuck: ReadonlyArray<{ readonly node: string; readonly waits: string }>
  /** The last 5,000, or all with `trace`. */
  readonly rows: ReadonlyArray<Trace.Row>
  /** What the probes said, each time that it changed, with `trace`. */
  readonly states: ReadonlyArray<{
    readonly row: number
    readonly tMicros: number
    readonly node: string
    readonly state: Json
  }>
  /** Where the schedules of nodes left first-in-first-out, with `record`: `Scenario.tapes` that repeats this run. */
  readonly tapes?: NonNullable<Scenario["tapes"]>
}
