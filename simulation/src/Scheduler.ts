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
import * as Seed from "./Seed.ts"

export type Policy =
  | { readonly kind: "fifo" }
  /** Any ready task, each as likely as the next. */
  | { readonly kind: "random" }
  /** `operations` is about how many a process does in a run. */
  | { readonly kind: "pct"; readonly depth: number; readonly operations: number }
  /** What a tape says, first-in-first-out where it says nothing. */
  | { readonly kind: "replay"; readonly tape: Tape }

/**
 * Fibers are put aside before an operation with probability `p`, for a log-uniform time. Of PCT, the operations are its
 * own, and only the time is taken from here; a replay has both on its tape.
 */
export interface Preemption {
  readonly p: number
  readonly delayMicros: { readonly low: number; readonly high: number }
}

/** Where a run left first-in-first-out. An entry that is taken out means: as fifo does it. */
export interface Tape {
  /** By number of the choice (only those between two tasks or more count), which task in order of scheduling. */
  readonly picks: ReadonlyArray<readonly [choice: number, pick: number]>
  /** By number of the operation, for how long its fiber was put aside. */
  readonly preemptions: ReadonlyArray<readonly [operation: number, delayMicros: number]>
}

export interface Options {
  readonly policy?: Policy | undefined
  readonly preemption?: Preemption | undefined
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

const NEVER = 2 ** 30
const NOTHING_READY = "no task is ready"

export class ProcessScheduler implements EffectScheduler.Scheduler {
  readonly executionMode = "async"
  private readonly workshop: Workshop
  private readonly policy: Policy
  private readonly preemption: Preemption | undefined
  private readonly draws: Seed.Draws
  private readonly recording: boolean
  private readonly picks: Array<readonly [number, number]> = []
  private readonly preemptions: Array<readonly [number, number]> = []
  private readonly replayPicks: ReadonlyMap<number, number>
  private readonly replayPreemptions: ReadonlyArray<readonly [number, number]>
  private readonly changes: ReadonlyArray<number>
  private readonly ready: Array<Task> = []
  private readonly event: Event
  private readonly drainOne: () => void
  private armed = false
  private halted = false
  private choices = 0
  /** Operations until the next preemption, and how many were done when that was decided. */
  private countdown = NEVER
  private span = NEVER
  private operationsBefore = 0
  private next = Infinity
  private preempted = 0
  /** Set between `shouldYield` and the task that follows it. */
  private heldMicros: number | undefined = undefined
  private rank = 0
  private lowest = 0

  constructor(workshop: Workshop, options: Options) {
    this.workshop = workshop
    this.policy = options.policy ?? { kind: "fifo" }
    this.preemption = this.policy.kind === "replay" ? undefined : options.preemption
    this.draws = options.draws
    this.recording = options.record ?? false
    this.replayPicks = new Map(this.policy.kind === "replay" ? this.policy.tape.picks : [])
    this.replayPreemptions = this.policy.kind === "replay"
      ? this.policy.tape.preemptions.toSorted(([a], [b]) => a - b)
      : []
    this.changes = this.policy.kind === "pct" ? changePoints(this.policy, this.draws) : []
    this.event = { run: undefined, owner: workshop.process, cause: undefined }
    this.drainOne = () => this.drain()
    this.plan()
  }

  /** What was recorded so far. */
  get tape(): Tape {
    return { picks: this.picks.slice(), preemptions: this.preemptions.slice() }
  }

  /** Operations done so far. */
  get operations(): number {
    return this.operationsBefore + this.span - this.countdown
  }

  /** Whether a task is ready, or waits for the process to be woken up. */
  get busy(): boolean {
    return this.ready.length > 0
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    this.workshop.host.current = this.workshop.process
    if (this.halted) return true
    if (--this.countdown > 0) return fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
    return this.preempt()
  }

  makeDispatcher(): EffectScheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  /** Stops taking tasks; those that come are kept. */
  halt(): void {
    this.halted = true
  }

  resume(): void {
    this.halted = false
    this.arm()
  }

  /** Forgets all tasks, and those that come. */
  kill(): void {
    this.halted = true
    this.ready.length = 0
  }

  private readonly dispatcher: EffectScheduler.SchedulerDispatcher = {
    scheduleTask: (run, priority) => this.add(run, priority),
    flush: () => {
      while (!this.halted && this.ready.length > 0) this.runOne()
    }
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
    if (this.policy.kind === "replay") return Math.min(this.replayPicks.get(choice) ?? 0, candidates - 1)
    let best = 0
    for (let i = 1; i < candidates; i++) {
      if ((this.ready[i]?.rank ?? 0) > (this.ready[best]?.rank ?? 0)) best = i
    }
    return best
  }

  /** The countdown ended: the fiber that runs is put aside here, unless it is only that the countdown could not reach. */
  private preempt(): boolean {
    this.operationsBefore += this.span
    if (this.operationsBefore !== this.next) {
      this.count()
      return false
    }
    const delayMicros = this.delayMicros()
    if (this.policy.kind === "pct") this.rank = --this.lowest
    if (this.recording) this.preemptions.push([this.operationsBefore, delayMicros])
    this.heldMicros = delayMicros
    this.preempted++
    this.plan()
    return true
  }

  private delayMicros(): number {
    if (this.policy.kind === "replay") return this.replayPreemptions[this.preempted]?.[1] ?? 0
    if (this.preemption === undefined) return 0
    const { high, low } = this.preemption.delayMicros
    return low >= high ? low : Math.round(this.draws.logUniform(Math.max(1, low), high))
  }

  /** Decides at which operation a fiber is put aside next. */
  private plan(): void {
    this.next = this.nextPreemption()
    this.count()
  }

  private count(): void {
    this.span = Math.min(Math.max(1, this.next - this.operationsBefore), NEVER)
    this.countdown = this.span
  }

  private nextPreemption(): number {
    if (this.policy.kind === "replay") return this.replayPreemptions[this.preempted]?.[0] ?? Infinity
    if (this.policy.kind === "pct") return this.changes[this.preempted] ?? Infinity
    const p = this.preemption?.p ?? 0
    if (p <= 0) return Infinity
    // Geometric: how many operations pass until the one in 1/p that is hit.
    const gap = p >= 1 ? 1 : 1 + Math.floor(Seed.ln(1 - this.draws.unit()) / Seed.ln(1 - p))
    return this.operationsBefore + gap
  }
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
