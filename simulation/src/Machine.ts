/**
 * One device of the world: its disk and its clock, which outlive the processes that run on it, and those processes.
 *
 * 1. At most one process of a device is alive.
 * 2. A crash takes the process, its connections and what its disk had not made durable, in one instant.
 * 3. A process that failed is started again, as a supervisor would; one that came to its end is not.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Owner } from "./Connection.ts"
import { Disk, type DiskLaw } from "./Disk.ts"
import type { CrashLaw } from "./DiskImage.ts"
import * as Files from "./Files.ts"
import * as Glance from "./Glance.ts"
import type { Kernel } from "./Kernel.ts"
import type { Network } from "./Network.ts"
import type * as Node from "./Node.ts"
import * as Process from "./Process.ts"
import type { Json, NodePlan, Scenario } from "./Scenario.ts"
import type * as Scheduler from "./Scheduler.ts"
import * as Seed from "./Seed.ts"
import * as Socket from "./Socket.ts"
import { VirtualClock } from "./VirtualClock.ts"

/** How a process ended by itself. */
export interface Ending {
  readonly failed: boolean
  readonly defect: boolean
  readonly message: string
  /** It was stopped, or it failed after a fault had touched it. */
  readonly excused: boolean
}

/** What a device needs of its world. */
export interface Ground {
  readonly kernel: Kernel
  readonly network: Network
  readonly scenario: Scenario
  readonly facts: Node.Facts
  readonly record: boolean
  readonly namesOf: (kind: string) => ReadonlyArray<string>
  readonly marked: (machine: Machine, name: string) => void
  readonly observed: (machine: Machine, what: string, data: Json) => void
  /** False: the call fails. */
  readonly attempted: (machine: Machine, call: string) => boolean
  readonly ended: (machine: Machine, ending: Ending) => void
  /** A fiber died of a defect. Undefined: nobody wants to know. */
  readonly defect: ((machine: Machine, message: string) => void) | undefined
  /** The process of the machine is gone, however it went. */
  readonly left: (machine: Machine) => void
  /** A device got a disk. */
  readonly equipped: (machine: Machine) => void
}

/** How a process dies. */
export interface Death {
  readonly downMicros: number
  readonly disk: CrashLaw
  readonly notice: "reset" | "never"
}

/** How long a supervisor waits. */
const RESTART_MICROS = 1_000_000

export class Machine {
  readonly name: string
  readonly plan: NodePlan
  readonly kind: Node.Kind
  readonly index: number
  readonly clock: VirtualClock
  disk: Disk
  incarnation = -1
  /** It is not dead for ever. */
  core = true
  /** A fault that programs may fail of has touched this incarnation. */
  harmed = false
  /** What it showed when it was last asked. */
  probe: Node.Probe | undefined = undefined
  process: Process.Process | undefined = undefined
  life: Node.Life | undefined = undefined
  /** It came to its end by itself. */
  done = false
  /** What it failed of when it was last alive. */
  lastFailure = ""
  /** What it still had of the world when it had stopped gracefully. */
  leaks: ReadonlyArray<string> = []
  private readonly ground: Ground
  private owner: Owner | undefined = undefined
  private restart: (() => void) | undefined = undefined
  private restarting = true
  private asking = false
  private stopping = false
  private readonly tapes: Array<Scheduler.Tape> = []
  private readonly diskLaws = new Set<Partial<DiskLaw>>()
  private readonly soundDisk: DiskLaw

  constructor(ground: Ground, plan: NodePlan, kind: Node.Kind, index: number) {
    this.ground = ground
    this.plan = plan
    this.name = plan.name
    this.kind = kind
    this.index = index
    this.clock = new VirtualClock(ground.kernel, {
      epochMillis: ground.kernel.epochMillis,
      skewMicros: plan.clock.skewMicros,
      driftPpm: plan.clock.driftPpm,
      onBusyWait: (message) => ground.kernel.fail("clock", message, plan.name)
    })
    this.disk = this.equip()
    this.soundDisk = this.disk.law
  }

  get alive(): boolean {
    return this.process?.alive === true
  }

  get ready(): boolean {
    return this.alive && this.life?.isReady() === true
  }

  /** It will be started again without anybody's help. */
  get returning(): boolean {
    return this.restart !== undefined
  }

  /** Starts a process, unless one is alive or the device is dead for ever. */
  start(): void {
    if (this.alive || !this.core) return
    this.cancelRestart()
    const { kernel, scenario } = this.ground
    const incarnation = ++this.incarnation
    this.harmed = this.diskLaws.size > 0
    this.done = false
    this.stopping = false
    const holder: { process?: Process.Process } = {}
    const owner: Owner = {
      node: this.name,
      alive: () => holder.process?.alive ?? true,
      enter: (run) => holder.process?.enter(run)
    }
    const life = this.kind.begin(this.base(owner, incarnation), () => kernel.trace.note(this.name, "ready"))
    const tape = scenario.tapes?.[incarnation === 0 ? this.name : `${this.name}#${incarnation}`]
    const { defect } = this.ground
    const process = Process.start(kernel, {
      node: this.name,
      incarnation,
      program: Effect.scoped(life.program),
      context: Context.empty(),
      clock: this.clock,
      policy: tape === undefined ? this.plan.policy : { kind: "replay", tape },
      preemption: this.plan.preemption,
      record: this.ground.record,
      onDefect: defect === undefined ? undefined : (cause) => defect(this, messageOf(cause))
    })
    holder.process = process
    this.owner = owner
    this.life = life
    this.process = process
    process.onExit((exit) => this.finish(process, exit))
  }

  /** Kills the process. Nothing happens when none is alive. */
  crash(death: Death): void {
    const { owner, process } = this
    if (process?.alive !== true || owner === undefined) return
    process.crash()
    this.ground.network.kill(owner, death.notice === "never" ? { kind: "never" } : undefined)
    if (this.kind.persistent) this.disk.crash(death.disk)
    else {
      this.disk = this.equip()
      this.applyDiskLaw()
    }
    this.leave(process)
    this.startAfter(death.downMicros)
  }

  /** Kills the process, alive or not, changes what is on the disk, and starts it again after a while. */
  replace(downMicros: number, change: () => void): void {
    this.crash({ downMicros, disk: { kind: "all" }, notice: "reset" })
    this.cancelRestart()
    change()
    this.startAfter(downMicros)
  }

  /** Another law for the disk, on top of what holds. The answer takes it back. */
  changeDisk(law: Partial<DiskLaw>): () => void {
    this.diskLaws.add(law)
    this.applyDiskLaw()
    return () => {
      this.diskLaws.delete(law)
      this.applyDiskLaw()
    }
  }

  /** Asks the process to end. It is started again `downMicros` after it did, unless that is undefined. */
  stop(downMicros?: number): void {
    if (this.process?.alive !== true) return
    this.stopping = true
    this.process.onExit(() => {
      if (downMicros !== undefined) this.startAfter(downMicros)
    })
    this.process.stop()
  }

  /** From now on, a process that ended stays so. */
  retire(): void {
    this.restarting = false
    this.cancelRestart()
  }

  /** Processes are started again, as in the beginning. */
  unretire(): void {
    this.restarting = true
  }

  /** Asks what it shows. Answers at once, unless its probe has to wait; then it is `asked` while it does. */
  ask(): void {
    if (this.asking) return
    this.probe = undefined
    const probe = this.ready ? this.life?.probe() : undefined
    if (probe === undefined) return
    const glanced = Glance.at(this.ground.kernel, this.clock, probe)
    if (glanced !== undefined) {
      this.probe = glanced._tag === "Success" ? glanced.value : { pending: "an answer of its probe, which fails" }
      return
    }
    this.asking = true
    const { process } = this
    process?.call(probe).onExit((exit) => {
      if (this.process !== process) return
      this.asking = false
      this.probe = exit._tag === "Success" ? exit.value : { pending: "an answer of its probe, which fails" }
    })
  }

  /** Its probe has not answered yet. */
  get asked(): boolean {
    return this.asking
  }

  /** What it shows in this instant; undefined when it would have to wait for that. Changes nothing. */
  glance(): Node.Probe | undefined {
    const probe = this.ready ? this.life?.probe() : undefined
    const exit = probe === undefined ? undefined : Glance.at(this.ground.kernel, this.clock, probe)
    return exit?._tag === "Success" ? exit.value : undefined
  }

  /** Where its schedules left first-in-first-out, by incarnation. */
  allTapes(): ReadonlyArray<Scheduler.Tape> {
    return this.process?.alive === true ? [...this.tapes, this.process.tape] : this.tapes
  }

  private base(owner: Owner, incarnation: number): Node.Base {
    const { facts, namesOf, network, scenario } = this.ground
    return {
      name: this.name,
      kind: this.plan.kind,
      index: this.index,
      incarnation,
      network: Socket.host(network, owner),
      files: Files.make(this.disk, owner),
      disk: this.disk,
      knobs: scenario.knobs,
      others: (kind) => namesOf(kind).filter((name) => name !== this.name),
      facts,
      mark: (name) => this.ground.marked(this, name),
      observe: (what, data) => this.ground.observed(this, what, data),
      attempt: (call) => this.ground.attempted(this, call)
    }
  }

  private finish(process: Process.Process, exit: Exit.Exit<unknown, unknown>): void {
    const { owner } = this
    if (this.process !== process || owner === undefined) return
    const failed = Process.isFailed(process)
    this.leaks = [...this.ground.network.held(owner), ...process.openSpans.map((span) => `span ${span}`)]
    this.ground.network.kill(owner)
    this.leave(process)
    this.done = !failed && !this.stopping
    this.lastFailure = failed && exit._tag === "Failure" ? messageOf(exit.cause) : ""
    this.ground.ended(this, {
      failed,
      defect: exit._tag === "Failure" && Cause.hasDies(exit.cause),
      message: this.lastFailure,
      excused: this.harmed
    })
    if (failed) this.startAfter(RESTART_MICROS)
  }

  private leave(process: Process.Process): void {
    if (this.ground.record) this.tapes[this.incarnation] = process.tape
    this.life = undefined
    this.asking = false
    this.probe = undefined
    this.ground.left(this)
  }

  private startAfter(micros: number): void {
    if (!this.restarting || !this.core || this.restart !== undefined) return
    this.restart = this.ground.kernel.schedule(micros, () => {
      this.restart = undefined
      this.start()
    })
  }

  private cancelRestart(): void {
    this.restart?.()
    this.restart = undefined
  }

  private applyDiskLaw(): void {
    let law = this.soundDisk
    for (const change of this.diskLaws) law = { ...law, ...change }
    this.disk.law = law
  }

  private equip(): Disk {
    const { kernel, scenario } = this.ground
    this.disk = new Disk({
      timeline: kernel,
      seed: kernel.seed,
      recorder: kernel.trace,
      node: this.name,
      law: scenario.disk
    })
    this.ground.equipped(this)
    return this.disk
  }
}

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/** The seed of a scenario. Dies when it is none. */
export const seedOf = (scenario: Scenario): Seed.Seed => {
  const seed = Seed.fromText(scenario.seed)
  if (seed === undefined) throw new RangeError(`${scenario.seed} is no seed`)
  return seed
}
