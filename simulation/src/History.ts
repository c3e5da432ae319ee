/**
 * What was asked of the nodes, and what became of it.
 *
 * 1. Every command is in the history exactly once, from the moment at which it is asked.
 * 2. `ok` means that the command answered before its process ended: whoever asked may rely on it.
 */
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import type { Machine } from "./Machine.ts"
import type { Command, Json } from "./Scenario.ts"
import type { Timeline } from "./Timeline.ts"
import type { Recorder } from "./Trace.ts"
import type * as Workload from "./Workload.ts"

class Asked implements Workload.Entry {
  readonly i: number
  readonly node: string
  readonly kind: string
  readonly incarnation: number
  readonly name: string
  readonly input: Json
  readonly invokedMicros: number
  readonly row: number
  endedMicros: number | undefined = undefined
  outcome: Workload.Outcome = "pending"
  result: Json | undefined = undefined
  error: string | undefined = undefined
  defect = false

  constructor(i: number, machine: Machine, command: Command, at: { readonly tMicros: number; readonly row: number }) {
    this.i = i
    this.node = machine.name
    this.kind = machine.plan.kind
    this.incarnation = machine.incarnation
    this.name = command.name
    this.input = command.input
    this.invokedMicros = at.tMicros
    this.row = at.row
  }
}

export interface Options {
  readonly timeline: Pick<Timeline, "nowMicros">
  readonly recorder: Recorder
  readonly onEnded: (entry: Workload.Entry, defect: boolean) => void
  readonly of: Workload.Context["of"]
}

export class History {
  readonly entries: Array<Workload.Entry> = []
  private readonly open = new Set<Asked>()
  private readonly options: Options

  constructor(options: Options) {
    this.options = options
  }

  /** Whether any command has not ended. */
  get busy(): boolean {
    return this.open.size > 0
  }

  /** Asks a node. */
  invoke(machine: Machine, command: Command): void {
    const { recorder, timeline } = this.options
    const i = this.entries.length
    const row = recorder.note(machine.name, "command", { command: i, name: command.name })
    const entry = new Asked(i, machine, command, { tMicros: timeline.nowMicros(), row })
    this.entries.push(entry)
    const context: Workload.Context = {
      node: machine.name,
      incarnation: machine.incarnation,
      entry,
      history: this.entries,
      of: this.options.of
    }
    const { process } = machine
    const effect = machine.ready ? machine.life?.command(command.name, command.input, context) : undefined
    if (effect === undefined || process === undefined) return this.end(entry, "unreached")
    this.open.add(entry)
    process.call(effect).onExit((exit) => this.answered(entry, exit))
  }

  /** The process of a node is gone: what it was asked is lost. */
  lose(node: string): void {
    for (const entry of this.open) {
      if (entry.node === node) this.end(entry, "lost")
    }
  }

  private answered(entry: Asked, exit: Exit.Exit<Json | void, unknown>): void {
    if (entry.outcome !== "pending") return
    if (exit._tag === "Success") {
      entry.result = exit.value === undefined ? undefined : exit.value
      return this.end(entry, "ok")
    }
    if (Cause.hasInterruptsOnly(exit.cause)) return this.end(entry, "lost")
    const error = Cause.squash(exit.cause)
    entry.error = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    entry.defect = Cause.hasDies(exit.cause)
    this.end(entry, "failed")
  }

  private end(entry: Asked, outcome: Workload.Outcome): void {
    this.open.delete(entry)
    entry.outcome = outcome
    entry.endedMicros = this.options.timeline.nowMicros()
    this.options.recorder.note(
      entry.node,
      "answer",
      { command: entry.i, name: entry.name, outcome, error: entry.error ?? null },
      entry.row
    )
    this.options.onEnded(entry, entry.defect)
  }
}
