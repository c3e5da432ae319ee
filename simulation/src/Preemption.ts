/**
 * Where a process's fibers are put aside, and for how long.
 *
 * 1. A fiber that was put aside does at least one operation before it is again, so every program gets on.
 * 2. The first operation after a fiber was taken up is spared, as Effect's own scheduler spares it. Effect counts on it: a
 *    fiber that was interrupted before it began, and was put aside with nothing but its end to do, would begin after all.
 * 3. A place is named by fiber (in order of appearance) and by the operation of that fiber, counted as if it had never
 *    been put aside: so a tape stays true when entries are taken out of it.
 */
import type * as Fiber from "effect/Fiber"
import * as Seed from "./Seed.ts"

/** For how long a fiber is put aside: log-uniform, or at once into the queue when both are 0. */
export interface DelayLaw {
  readonly low: number
  readonly high: number
}

/** Before an operation with probability `p`, for a time after the law. */
export interface Preemption {
  readonly p: number
  readonly delayMicros: DelayLaw
}

/** One place where a fiber was put aside. */
export type Aside = readonly [fiber: number, operation: number, delayMicros: number]

export type Plan =
  | { readonly kind: "chance"; readonly p: number; readonly delayMicros: DelayLaw }
  /** At these operations of the process, in ascending order. */
  | { readonly kind: "points"; readonly points: ReadonlyArray<number>; readonly delayMicros: DelayLaw }
  | { readonly kind: "replay"; readonly asides: ReadonlyArray<Aside> }

type AnyFiber = Fiber.Fiber<unknown, unknown>

interface Progress {
  readonly ordinal: number
  operations: number
  /** Delays by operation, for a replay. */
  readonly due: Map<number, number> | undefined
}

/** How far a countdown goes at once. */
const FAR = 2 ** 30

/** Operations that Effect's loop does to come back to the one before which the fiber was put aside. */
const RETURN_OPERATIONS = 2

export class Preemptor {
  /** Operations of the process until something has to be decided. Its scheduler counts it down. */
  countdown = FAR
  /** Whether each operation of each fiber has to be counted: `step` instead of `countdown`. */
  readonly tracking: boolean
  /** What happened so far, when recording. */
  readonly asides: Array<Aside> = []
  private readonly plan: Plan
  private readonly draws: Seed.Draws
  private readonly recording: boolean
  private readonly due = new Map<number, Map<number, number>>()
  private readonly progress = new WeakMap<AnyFiber, Progress>()
  /** How many more hits a fiber is spared, while it comes back to where it was put aside. */
  private readonly returning = new WeakMap<AnyFiber, number>()
  private fibers = 0
  private span = FAR
  private before = 0
  private next = Infinity
  private hits = 0

  constructor(plan: Plan, draws: Seed.Draws, recording: boolean) {
    this.plan = plan
    this.draws = draws
    this.recording = recording
    this.tracking = recording || plan.kind === "replay"
    for (const [fiber, operation, delay] of plan.kind === "replay" ? plan.asides : []) {
      this.due.set(fiber, (this.due.get(fiber) ?? new Map()).set(operation, delay))
    }
    this.aim()
  }

  /** Operations of the process so far. */
  get operations(): number {
    return this.before + this.span - this.countdown
  }

  /** The countdown is at its end. Answers for how long the fiber is put aside, or undefined when it is not. */
  hit(fiber: AnyFiber): number | undefined {
    this.before += this.span
    if (this.before !== this.next) {
      this.count()
      return undefined
    }
    if (fiber.currentOpCount === 1 || this.isReturning(fiber)) {
      this.next++
      this.count()
      return undefined
    }
    const delay = this.plan.kind === "replay" ? 0 : this.delay(this.plan.delayMicros)
    this.returning.set(fiber, RETURN_OPERATIONS)
    this.hits++
    this.aim()
    return delay
  }

  /** As the countdown and `hit`, counting the fiber's own operations too. */
  step(fiber: AnyFiber): number | undefined {
    const progress = this.progressOf(fiber)
    progress.operations++
    this.countdown--
    if (progress.due === undefined) {
      const delay = this.countdown > 0 ? undefined : this.hit(fiber)
      return delay === undefined ? undefined : this.aside(progress, delay)
    }
    const delay = progress.due.get(progress.operations)
    if (this.countdown <= 0) this.hit(fiber)
    if (delay === undefined) return undefined
    progress.due.delete(progress.operations)
    return this.aside(progress, delay)
  }

  private isReturning(fiber: AnyFiber): boolean {
    const spared = this.returning.get(fiber)
    if (spared === undefined) return false
    if (spared === 1 || fiber.currentOpCount > RETURN_OPERATIONS) this.returning.delete(fiber)
    else this.returning.set(fiber, spared - 1)
    return fiber.currentOpCount <= RETURN_OPERATIONS
  }

  private aside(progress: Progress, delay: number): number {
    if (this.recording) this.asides.push([progress.ordinal, progress.operations, delay])
    progress.operations -= RETURN_OPERATIONS
    return delay
  }

  private progressOf(fiber: AnyFiber): Progress {
    let progress = this.progress.get(fiber)
    if (progress === undefined) {
      const ordinal = this.fibers++
      const due = this.plan.kind === "replay" ? this.due.get(ordinal) ?? new Map<number, number>() : undefined
      progress = { ordinal, operations: 0, due }
      this.progress.set(fiber, progress)
    }
    return progress
  }

  private delay({ high, low }: DelayLaw): number {
    if (low >= high) return low
    return Math.round(this.draws.logUniform(Math.max(1, low), high))
  }

  /** Decides before which operation of the process a fiber is put aside next. */
  private aim(): void {
    this.next = this.nextHit()
    this.count()
  }

  private count(): void {
    this.span = Math.min(Math.max(1, this.next - this.before), FAR)
    this.countdown = this.span
  }

  private nextHit(): number {
    if (this.plan.kind === "replay") return Infinity
    if (this.plan.kind === "points") return this.plan.points[this.hits] ?? Infinity
    const { p } = this.plan
    if (p <= 0) return Infinity
    // Geometric: how many operations pass until the one in 1/p that is hit.
    const passed = p >= 1 ? 0 : Math.floor(Seed.ln(1 - this.draws.unit()) / Seed.ln(1 - p))
    return this.before + 1 + passed
  }
}
