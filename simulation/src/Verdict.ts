/**
 * Hands what happens in a run to its invariants, and keeps what they say.
 *
 * A violation that data could not survive is no violation (`excusable`): the report says why instead.
 */
import type { Crossing } from "./Connection.ts"
import type * as Invariant from "./Invariant.ts"
import type { Phase, Violation } from "./Report.ts"
import type { Scenario } from "./Scenario.ts"
import type * as Trace from "./Trace.ts"
import type * as Workload from "./Workload.ts"

/** The run, without what belongs to one invariant. */
export type Stage = Omit<Invariant.World, "violated">

/** What the verdict needs of the run. */
export interface Court {
  readonly stage: Stage
  readonly trace: Trace.Trace
}

export class Verdict {
  readonly violations: Array<Violation> = []
  private readonly court: Court
  private readonly watches: ReadonlyArray<Invariant.Watch>
  private readonly observers: ReadonlyArray<(observation: Invariant.Observation) => void>
  private readonly rowWatchers: ReadonlyArray<(row: Trace.Row) => void>
  private readonly crossingWatchers: ReadonlyArray<(crossing: Crossing) => void>

  constructor(court: Court, invariants: ReadonlyArray<Invariant.Invariant>) {
    this.court = court
    this.watches = invariants.map((invariant) => invariant.begin(new View(court.stage, this, invariant)))
    this.observers = this.watches.flatMap((watch) => watch.onObservation ?? [])
    this.rowWatchers = this.watches.flatMap((watch) => watch.onRow ?? [])
    this.crossingWatchers = this.watches.flatMap((watch) => watch.onCrossing ?? [])
  }

  /** Whether anybody wants to see what crosses the network. */
  get watchesCrossings(): boolean {
    return this.crossingWatchers.length > 0
  }

  /** Whether anybody wants to know of fibers that die of a defect. */
  get watchesDefects(): boolean {
    return this.watches.some(({ onDefect }) => onDefect !== undefined)
  }

  /** For how long the world has to be seen at rest. */
  get restMicros(): number {
    return Math.max(0, ...this.watches.map((watch) => watch.restMicros ?? 0))
  }

  observation(observation: Invariant.Observation): void {
    for (const observe of this.observers) observe(observation)
  }

  row(row: Trace.Row): void {
    for (const see of this.rowWatchers) see(row)
  }

  crossing(crossing: Crossing): void {
    for (const see of this.crossingWatchers) see(crossing)
  }

  command(entry: Workload.Entry): void {
    for (const watch of this.watches) watch.onCommand?.(entry)
  }

  exited(exited: Invariant.Exited): void {
    for (const watch of this.watches) watch.onExit?.(exited)
  }

  defect(node: string, message: string): void {
    for (const watch of this.watches) watch.onDefect?.(node, message)
  }

  phase(phase: Phase): void {
    for (const watch of this.watches) watch.onPhase?.(phase)
  }

  /** Whether every invariant that can tell says that the world has come to rest; undefined when none can tell. */
  get settled(): boolean | undefined {
    const answers = this.watches.flatMap((watch) => watch.isSettled === undefined ? [] : [watch.isSettled()])
    return answers.length === 0 ? undefined : answers.every((settled) => settled)
  }

  end(): void {
    for (const watch of this.watches) watch.onEnd?.()
  }

  stopped(leaks: ReadonlyArray<{ readonly node: string; readonly what: string }>): void {
    for (const watch of this.watches) watch.onStopped?.(leaks)
  }

  restarted(): void {
    for (const watch of this.watches) watch.onRestarted?.()
  }

  /** Something does not hold. Said of a node once. */
  violated(violation: Pick<Violation, "invariant" | "message" | "node" | "kind">): void {
    const { stage, trace } = this.court
    const { invariant, message, node } = violation
    if (this.violations.some((before) => before.invariant === invariant && before.node === node)) return
    const row = trace.note(node ?? "", "violation", { invariant, message })
    this.violations.push({ ...violation, row, tMicros: stage.nowMicros(), phase: stage.phase })
  }
}

class View implements Invariant.World {
  private readonly stage: Stage
  private readonly verdict: Verdict
  private readonly invariant: Invariant.Invariant

  constructor(stage: Stage, verdict: Verdict, invariant: Invariant.Invariant) {
    this.stage = stage
    this.verdict = verdict
    this.invariant = invariant
  }

  get scenario(): Scenario {
    return this.stage.scenario
  }

  get phase(): Phase {
    return this.stage.phase
  }

  get nodes(): ReadonlyArray<Invariant.NodeView> {
    return this.stage.nodes
  }

  get history(): ReadonlyArray<Workload.Entry> {
    return this.stage.history
  }

  get lossExpected(): ReadonlyArray<string> {
    return this.stage.lossExpected
  }

  get healedMicros(): number | undefined {
    return this.stage.healedMicros
  }

  get settledMicros(): number | undefined {
    return this.stage.settledMicros
  }

  get stuck(): Invariant.World["stuck"] {
    return this.stage.stuck
  }

  nowMicros = (): number => this.stage.nowMicros()

  of = <M>(model: Workload.Model<M>): M => this.stage.of(model)

  violated = (message: string, node?: string, way?: { readonly kind: string }): void => {
    const { excusable, name } = this.invariant
    if (excusable && this.stage.lossExpected.length > 0) return
    this.verdict.violated({ invariant: name, message, ...(node === undefined ? {} : { node }), ...way })
  }
}
