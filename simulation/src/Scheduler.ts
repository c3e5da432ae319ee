/**
 * The scheduler of one process: which of its ready tasks runs next, and where a fiber is interrupted on its way.
 *
 * Effect asks `shouldYield` before every operation, so each `yield*` is a place where another fiber may come in
 * between; the task of the fiber that is put aside is the very next one that Effect schedules.
 *
 * 1. One task is one event of the kernel, so processes take turns at the same instant.
 * 2. A halted process (paused, or dead) puts every fiber aside that anybody wakes up. Dead ones are never taken up.
 * 3. What differs from first-in-first-out is on the tape; the tape alone repeats it.
 *
 * PCT: "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010). A task has a random rank,
 * the highest runs, and at `depth` − 1 random operations whoever runs falls below all others.
 */
import type * as Fiber from "effect/Fiber"
import type * as EffectScheduler from "effect/Scheduler"
import type { Event } from "./EventQueue.ts"
import type { Host, Hosted } from "./Kernel.ts"
import * as Preemption from "./Preemption.ts"
import type * as Seed from "./Seed.ts"

export type Policy =
  | { readonly kind: "fifo" }
  /** Any ready task, each as likely as the next. */
  | { readonly kind: "random" }
  /** `operations` is about how many a process does in a run. */
  | { readonly kind: "pct"; readonly depth: number; readonly operations: number }
  /** What a tape says, first-in-first-out where it says nothing. */
  | { readonly kind: "replay"; readonly tape: Tape }

/** Where a run left first-in-first-out. An entry that is taken out means: as fifo does it. */
export interface Tape {
  /** By number of the choice (only those between two tasks or more count), which task in order of scheduling. */
  readonly picks: ReadonlyArray<readonly [choice: number, pick: number]>
  readonly asides: ReadonlyArray<Preemption.Aside>
}

export interface Options {
  readonly policy?: Policy | undefined
  /** Of PCT, only the delays are taken from here; a replay has everything on its tape. */
  readonly preemption?: Preemption.Preemption | undefined
  /** Writes the tape. */
  readonly record?: boolean | undefined
  readonly draws: Seed.Draws
}

/** The process whose scheduler it is, and what it is hosted by. */
export interface Workshop {
  readonly host: Pick<Host, "current" | "post">
  readonly process: Hosted
  readonly recorder: { cause: number | undefined }
}

interface Task {
  readonly run: () => void
  readonly priority: number
  readonly rank: number
  readonly cause: number | undefined
}

const NOTHING_READY = "no task is ready"

export class ProcessScheduler implements EffectScheduler.Scheduler {
  readonly executionMode = "async"
  private readonly workshop: Workshop
  private readonly policy: Policy
  private readonly preemptor: Preemption.Preemptor
  private readonly draws: Seed.Draws
  private readonly recording: boolean
  private readonly picks: Array<readonly [number, number]> = []
  private readonly replayed: ReadonlyMap<number, number>
  private readonly ready: Array<Task> = []
  private readonly event: Event
  private readonly drainOne: () => void
  private armed = false
  private halted = false
  /** Halted, or each operation of each fiber is counted. */
  private careful: boolean
  private choices = 0
  /** Set between `shouldYield` and the task that follows it. */
  private heldMicros: number | undefined = undefined
  private rank = 0
  private lowest = 0

  constructor(workshop: Workshop, options: Options) {
    const { draws, policy = { kind: "fifo" }, record = false } = options
    this.workshop = workshop
    this.policy = policy
    this.draws = draws
    this.recording = record
    this.replayed = new Map(policy.kind === "replay" ? policy.tape.picks : [])
    this.preemptor = new Preemption.Preemptor(planOf(policy, options.preemption, draws), draws, record)
    this.careful = this.preemptor.tracking
    this.event = { run: undefined, owner: workshop.process, cause: undefined }
    this.drainOne = () => this.drain()
  }

  /** What was recorded so far. */
  get tape(): Tape {
    return { picks: this.picks.slice(), asides: this.preemptor.asides.slice() }
  }

  /** Operations done so far. */
  get operations(): number {
    return this.preemptor.operations
  }

  /** Whether a task is ready, or waits for the process to be woken up. */
  get busy(): boolean {
    return this.ready.length > 0
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    this.workshop.host.current = this.workshop.process
    if (this.careful) return this.shouldYieldCarefully(fiber)
    if (--this.preemptor.countdown > 0) return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
    return this.hold(this.preemptor.hit(fiber)) || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): EffectScheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  /** Stops taking tasks; those that come are kept. */
  halt(): void {
    this.halted = true
    this.careful = true
  }

  resume(): void {
    this.halted = false
    this.careful = this.preemptor.tracking
    this.arm()
  }

  /** Forgets all tasks, and those that come. */
  kill(): void {
    this.halt()
    this.ready.length = 0
  }

  private readonly dispatcher: EffectScheduler.SchedulerDispatcher = {
    scheduleTask: (run, priority) => this.add(run, priority),
    flush: () => {
      while (!this.halted && this.ready.length > 0) this.runOne()
    }
  }

  private shouldYieldCarefully(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (this.halted || this.hold(this.preemptor.step(fiber))) return true
    return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  /** Remembers for how long the fiber that runs is put aside: its task is the next that comes. */
  private hold(delayMicros: number | undefined): boolean {
    if (delayMicros === undefined) return false
    if (this.policy.kind === "pct") this.rank = --this.lowest
    this.heldMicros = delayMicros
    return true
  }

  private add(run: () => void, priority: number): void {
    const held = this.heldMicros
    this.heldMicros = undefined
    if (!this.workshop.process.alive) return
    const rank = this.policy.kind !== "pct" ? 0 : held === undefined ? this.draws.u32() + 1 : this.rank
    const task = { run, priority, rank, cause: this.workshop.recorder.cause }
    if (held === undefined || held === 0) this.put(task)
    else this.workshop.process.after(held, () => this.put(task))
  }

  private put(task: Task): void {
    let at = this.ready.length
    while (at > 0 && (this.ready[at - 1]?.priority ?? 0) > task.priority) at--
    if (at === this.ready.length) this.ready.push(task)
    else this.ready.splice(at, 0, task)
    this.arm()
  }

  private arm(): void {
    if (this.armed || this.halted || this.ready.length === 0) return
    this.armed = true
    this.event.run = this.drainOne
    this.workshop.host.post(this.event)
  }

  private drain(): void {
    this.armed = false
    if (this.halted || this.ready.length === 0) return
    this.runOne()
    this.arm()
  }

  private runOne(): void {
    const task = this.choose()
    this.workshop.host.current = this.workshop.process
    this.workshop.recorder.cause = task.cause
    this.rank = task.rank
    task.run()
  }

  private choose(): Task {
    const { ready } = this
    if (ready.length > 1) {
      const pick = this.pick()
      if (pick !== 0) {
        for (const task of ready.splice(pick, 1)) return task
      }
    }
    const task = ready.shift()
    if (task === undefined) throw new Error(NOTHING_READY)
    return task
  }

  /** Which of the tasks of the most urgent priority comes, in order of scheduling. */
  private pick(): number {
    if (this.policy.kind === "fifo") return 0
    const [first] = this.ready
    let candidates = 1
    while (candidates < this.ready.length && this.ready[candidates]?.priority === first?.priority) candidates++
    if (candidates === 1) return 0
    const choice = this.choices++
    const pick = this.decide(choice, candidates)
    if (this.recording && pick !== 0) this.picks.push([choice, pick])
    return pick
  }

  private decide(choice: number, candidates: number): number {
    if (this.policy.kind === "random") return this.draws.int(candidates)
    if (this.policy.kind === "replay") return Math.min(this.replayed.get(choice) ?? 0, candidates - 1)
    let best = 0
    for (let i = 1; i < candidates; i++) {
      if ((this.ready[i]?.rank ?? 0) > (this.ready[best]?.rank ?? 0)) best = i
    }
    return best
  }
}

const planOf = (
  policy: Policy,
  preemption: Preemption.Preemption = { p: 0, delayMicros: { low: 0, high: 0 } },
  draws: Seed.Draws
): Preemption.Plan => {
  const { delayMicros, p } = preemption
  if (policy.kind === "replay") return { kind: "replay", asides: policy.tape.asides }
  if (policy.kind === "pct") return { kind: "points", points: changePoints(policy, draws), delayMicros }
  return { kind: "chance", p, delayMicros }
}

const changePoints = (
  policy: { readonly depth: number; readonly operations: number },
  draws: Seed.Draws
): ReadonlyArray<number> => {
  const points = new Set<number>()
  const count = Math.min(policy.depth - 1, policy.operations)
  while (points.size < count) points.add(1 + draws.int(policy.operations))
  return [...points].sort((a, b) => a - b)
}
