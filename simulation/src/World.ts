/**
 * The world of one run: a kernel, a network, the devices of the scenario, and who watches them.
 *
 * It knows what things are; what happens when is in `Phases.ts`, what goes wrong in `Injector.ts`.
 */
import { Coverage } from "./Coverage.ts"
import { History } from "./History.ts"
import type * as Invariant from "./Invariant.ts"
import * as Kernel from "./Kernel.ts"
import { type Ending, type Ground, Machine, seedOf } from "./Machine.ts"
import { Network } from "./Network.ts"
import type * as Node from "./Node.ts"
import type { Phase } from "./Report.ts"
import type { Json, Scenario } from "./Scenario.ts"
import type { Definition, NodeLoss, RunOptions } from "./Simulation.ts"
import { Tally } from "./Tally.ts"
import type * as Trace from "./Trace.ts"
import { type Stage, Verdict } from "./Verdict.ts"
import type * as Workload from "./Workload.ts"

/** A run that goes on for longer than so many events has lost its way. */
const EVENTS_MAX = 10_000_000

/** Rows by which the world speaks of itself: they say nothing of what the program does. */
const OWN_ROWS: ReadonlySet<string> = new Set(["mark", "violation", "fault", "fault.end", "phase"])

/** Is told of the k-th call of its name that a machine makes: may kill the process there, or let the call fail. */
type CallHook = (machine: Machine, call: string, k: number) => "fail" | void

export class World implements Ground {
  readonly definition: Definition
  readonly scenario: Scenario
  readonly kernel: Kernel.Kernel
  readonly network: Network
  readonly facts: Node.Facts
  readonly record: boolean
  readonly coverage = new Coverage()
  readonly history: History
  readonly machines: ReadonlyArray<Machine>
  readonly verdict: Verdict
  phase: Phase = "boot"
  healedMicros: number | undefined = undefined
  settledMicros: number | undefined = undefined
  /** `way`: which kind of thing it waits for. */
  stuck: ReadonlyArray<{ readonly node: string; readonly waits: string; readonly way: string }> = []
  /** Is called after every event, and must change nothing. */
  onEvent: (() => void) | undefined = undefined
  private readonly callHooks: Array<CallHook> = []
  private readonly equippedHooks: Array<(machine: Machine) => void> = []
  private readonly calls = new Tally()
  /** Kinds of rows, by what was observed. */
  private readonly observations = new Map<string, string>()
  private readonly namesByKind = new Map<string, Array<string>>()
  private readonly reasons: Array<string> = []

  constructor(definition: Definition, scenario: Scenario, options: RunOptions) {
    const { invariants } = definition
    this.definition = definition
    this.scenario = scenario
    this.record = options.record ?? false
    this.kernel = Kernel.make({
      seed: seedOf(scenario),
      fullTrace: options.trace,
      eventsMax: options.eventsMax ?? EVENTS_MAX,
      traps: definition.traps
    })
    const { kernel } = this
    this.network = new Network({
      timeline: kernel,
      seed: kernel.seed,
      recorder: kernel.trace,
      law: scenario.network,
      link: scenario.link,
      ...(definition.classify === undefined ? {} : { classify: definition.classify })
    })
    this.facts = factsOf(kernel.trace)
    this.history = new History({
      timeline: kernel,
      recorder: kernel.trace,
      of: (model) => model.of(this),
      onEnded: (entry, defect) => this.answered(entry, defect)
    })
    this.machines = scenario.nodes.map((plan) => this.place(plan))
    this.verdict = new Verdict({ stage: new View(this), trace: kernel.trace }, invariants)
    kernel.trace.onRow((row) => this.see(row))
    if (this.verdict.watchesCrossings) this.network.observe((crossing) => this.verdict.crossing(crossing))
  }

  /** Those that are not dead for ever. */
  get core(): ReadonlyArray<Machine> {
    return this.machines.filter((machine) => machine.core)
  }

  /** Why losing something would be no fault of the program. */
  get lossExpected(): ReadonlyArray<string> {
    const losses: Array<NodeLoss> = this.machines.flatMap((machine) =>
      machine.disk.losses.map((loss) => ({ ...loss, node: machine.name, kindOfNode: machine.plan.kind }))
    )
    if (losses.length === 0) return this.reasons
    const explain = this.definition.lossExpected ?? everyLoss
    return [...explain(losses), ...this.reasons]
  }

  /** Whether the run is over: something does not hold, or the kernel gave up. */
  readonly isOver = (): boolean => this.verdict.violations.length > 0 || this.kernel.failure !== undefined

  /** Lets time pass, until something does not hold. */
  pass(micros: number, isDone?: () => boolean): void {
    const predicate = () => {
      this.onEvent?.()
      return this.isOver() || (isDone !== undefined && isDone())
    }
    if (!this.isOver()) this.kernel.run({ micros: this.kernel.nowMicros() + micros, predicate })
    const { failure } = this.kernel
    if (failure === undefined || this.verdict.violations.length > 0) return
    const node = failure.node === undefined ? {} : { node: failure.node }
    this.verdict.violated({ invariant: `run ends (${failure.reason})`, message: failure.message, ...node })
  }

  enter(phase: Phase): void {
    this.phase = phase
    this.coverage.enter(phase)
    this.kernel.trace.note("", "phase", { phase })
    this.verdict.phase(phase)
  }

  machine(name: string): Machine | undefined {
    return this.machines.find((machine) => machine.name === name)
  }

  expectLoss(why: string): void {
    this.reasons.push(why)
  }

  onCall(hook: CallHook): void {
    this.callHooks.push(hook)
  }

  /** Is called for every device, now and whenever it gets another disk. */
  onEquipped(hook: (machine: Machine) => void): void {
    this.equippedHooks.push(hook)
    for (const machine of this.machines) hook(machine)
  }

  readonly namesOf = (kind: string): ReadonlyArray<string> => this.namesByKind.get(kind) ?? []

  readonly marked = (machine: Machine, name: string): void => {
    this.coverage.mark(name)
    this.kernel.trace.note(machine.name, "mark", { name })
  }

  readonly observed = (machine: Machine, what: string, data: Json): void => {
    let kind = this.observations.get(what)
    if (kind === undefined) this.observations.set(what, kind = `observe.${what}`)
    this.kernel.trace.note(machine.name, kind, payloadOf(data))
    const { incarnation, name, plan } = machine
    this.verdict.observation({ node: name, kind: plan.kind, incarnation, what, data })
  }

  readonly attempted = (machine: Machine, call: string): boolean => {
    const k = this.calls.next(machine.name, call)
    let allowed = true
    for (const hook of this.callHooks) allowed = hook(machine, call, k) !== "fail" && allowed
    return allowed
  }

  readonly ended = (machine: Machine, ending: Ending): void => {
    this.verdict.exited({ node: machine.name, ...ending })
  }

  get defect(): Ground["defect"] {
    const { verdict } = this
    return verdict.watchesDefects ? ({ name }, message) => verdict.defect(name, message) : undefined
  }

  readonly left = (machine: Machine): void => this.history.lose(machine.name)

  readonly equipped = (machine: Machine): void => {
    for (const hook of this.equippedHooks) hook(machine)
  }

  private place(plan: Scenario["nodes"][number]): Machine {
    const kind = this.definition.nodes[plan.kind]
    if (kind === undefined) throw new RangeError(`${plan.name} is of a kind that is not there: ${plan.kind}`)
    const names = this.namesByKind.get(plan.kind) ?? []
    this.namesByKind.set(plan.kind, names)
    names.push(plan.name)
    this.network.name(plan.name, plan.name)
    return new Machine(this, plan, kind, names.length - 1)
  }

  private see(row: Trace.Row): void {
    if (!OWN_ROWS.has(row.kind)) this.coverage.see(row)
    this.verdict.row(row)
  }

  private answered(entry: Workload.Entry, defect: boolean): void {
    this.verdict.command(entry)
    if (!defect) return
    const message = `${entry.name}: ${entry.error ?? ""}`
    this.verdict.exited({ node: entry.node, failed: true, defect: true, message, excused: false })
  }
}

const everyLoss = (losses: ReadonlyArray<NodeLoss>): ReadonlyArray<string> => [
  ...new Set(losses.map(({ file, kind, node }) => `${node}: ${kind}${file === "" ? "" : ` of ${file}`}`))
]

const factsOf = (recorder: Trace.Recorder): Node.Facts => {
  const facts = new Map<string, Json>()
  return {
    publish: (name, value) => {
      facts.set(name, value)
      recorder.note("", "fact", { name })
    },
    lookup: (name) => facts.get(name)
  }
}

/** Longer texts are cut in rows. */
const TEXT_MAX = 200

const payloadOf = (data: Json): Trace.Payload => {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return { data: textOf(data) }
  const payload: { [key: string]: ReturnType<typeof textOf> } = {}
  for (const [key, value] of Object.entries(data)) payload[key] = textOf(value)
  return payload
}

const textOf = (value: Json): string | number | boolean | null => {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`
}

/** A world, as invariants see it. */
class View implements Stage {
  readonly nodes: ReadonlyArray<Invariant.NodeView>
  private readonly world: World

  constructor(world: World) {
    this.world = world
    this.nodes = world.machines.map((machine) => new MachineView(machine))
  }

  get scenario(): Scenario {
    return this.world.scenario
  }

  get phase(): Phase {
    return this.world.phase
  }

  get history(): ReadonlyArray<Workload.Entry> {
    return this.world.history.entries
  }

  get lossExpected(): ReadonlyArray<string> {
    return this.world.lossExpected
  }

  get healedMicros(): number | undefined {
    return this.world.healedMicros
  }

  get settledMicros(): number | undefined {
    return this.world.settledMicros
  }

  get stuck(): World["stuck"] {
    return this.world.stuck
  }

  nowMicros = (): number => this.world.kernel.nowMicros()

  of = <M>(model: Workload.Model<M>): M => model.of(this.world)
}

class MachineView implements Invariant.NodeView {
  private readonly machine: Machine
  readonly name: string
  readonly kind: string
  readonly trust: "trusted" | "untrusted"
  readonly persistent: boolean

  constructor(machine: Machine) {
    this.machine = machine
    this.name = machine.name
    this.kind = machine.plan.kind
    this.trust = machine.kind.trust
    this.persistent = machine.kind.persistent
  }

  get alive(): boolean {
    return this.machine.alive
  }

  get incarnation(): number {
    return this.machine.incarnation
  }

  get core(): boolean {
    return this.machine.core
  }

  get probe(): Node.Probe | undefined {
    return this.machine.probe
  }

  get losses(): number {
    return this.machine.disk.losses.length
  }

  get diskBytes(): number {
    return this.machine.disk.usedBytes
  }

  files = (): ReadonlyArray<{ readonly file: string; readonly bytes: Uint8Array }> => this.machine.disk.contents()
}
