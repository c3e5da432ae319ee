/**
 * The world's heart: virtual time, what is scheduled in it, and the trace of what happened.
 *
 * A kernel is synchronous: `run` takes one event after the other and comes back. No promise, timer or thread of the
 * machine takes part, so the same seed and the same programs give the same trace.
 *
 * 1. Time is integer microseconds and moves only when an event is taken. Equal times run in the order of scheduling.
 * 2. A run always ends: too many events, or too many at one instant, is a failure with a name.
 * 3. Ambient time, randomness and timers are trapped while events run, and only then (Trap.ts).
 * 4. What an event schedules is caused by what the event's rows are caused by, or by the row it set as cause.
 */
import { type Event, EventQueue, type Owner } from "./EventQueue.ts"
import * as Seed from "./Seed.ts"
import type { Timeline } from "./Timeline.ts"
import * as Trace from "./Trace.ts"
import * as Trap from "./Trap.ts"

/** Why a run was given up. */
export interface Failure {
  /**
   * - `events`: more events than the budget allows.
   * - `instant`: so many events at one instant that time seems to stand still (fibers that only yield).
   * - `clock`: a process reads its clock again and again in one instant (it waits in a loop).
   * - `ambient`: a process used time, randomness, timers or promises of the machine, and traps throw.
   */
  readonly reason: "events" | "instant" | "clock" | "ambient"
  readonly message: string
  readonly node: string | undefined
  readonly tMicros: number
}

/** How a run ended: at its time, with nothing left to do, at its predicate, or failed. */
export type Outcome =
  | { readonly end: "time" | "quiet" | "predicate" }
  | { readonly end: "failed"; readonly failure: Failure }

export interface Until {
  /** Runs all events up to this time, included, then moves the clock there. */
  readonly micros?: number | undefined
  /** Asked after every event. */
  readonly predicate?: (() => boolean) | undefined
}

export interface Options {
  readonly seed: Seed.Seed
  /** Keeps the whole trace, not only the last rows. */
  readonly fullTrace?: boolean | undefined
  /** Wall clock of the world at time 0: the first of January 2026. */
  readonly epochMillis?: number | undefined
  /** Events of a kernel's whole life: 100 million. */
  readonly eventsMax?: number | undefined
  /** Events at one instant: 1 million. */
  readonly eventsPerInstantMax?: number | undefined
  /** What traps do: `throw` (the default), `virtualise` and report, or nothing. */
  readonly traps?: Trap.Mode | undefined
}

/** What the kernel knows of a process that it hosts. */
export interface Hosted extends Owner, Trap.Subject {
  /** Whether the process has something to do without anybody's help: a task, or a timer. */
  readonly busy: boolean
  /** Names of the spans that are open, outermost first. */
  readonly openSpans: ReadonlyArray<string>
}

export interface Kernel extends Timeline {
  readonly seed: Seed.Seed
  readonly epochMillis: number
  readonly trace: Trace.Trace
  /** The stream of a subject (Seed.ts). */
  readonly draws: (subject: string, counter?: number) => Seed.Draws
  /** Events run so far. */
  readonly events: number
  readonly failure: Failure | undefined
  /** Uses of the machine's time, randomness, timers and promises, by place. */
  readonly escapes: ReadonlyArray<Trap.Escape>
  /** Processes that are alive. */
  readonly processes: ReadonlySet<Hosted>
  /** Runs events until time, predicate, or quiet. Fails at once when the kernel has failed before. */
  readonly run: (until?: Until) => Outcome
  /** Runs one event; false when there is none or the kernel has failed. */
  readonly step: () => boolean
  /** When the next event is due, or undefined. */
  readonly nextMicros: () => number | undefined
  /** Gives the run up; the first failure stays. */
  readonly fail: (reason: Failure["reason"], message: string, node?: string) => void
  /** For a process. */
  readonly host: Host
}

/** What processes need of their kernel, and nobody else. */
export interface Host {
  /** Who runs: set by the process's scheduler before each operation, and by its timers. */
  current: Trap.Subject | undefined
  readonly traps: Trap.Traps
  /** The number of the process in its run. */
  readonly enter: (hosted: Hosted) => number
  readonly leave: (hosted: Hosted) => void
  /** As `schedule`, for events that die with their owner. */
  readonly scheduleFor: (owner: Owner, delayMicros: number, run: () => void) => () => void
  /** Adds an event at this instant; it can not be taken back. */
  readonly post: (event: Event) => void
}

export const make = (options: Options): Kernel => new Running(options)

class Running implements Kernel, Host {
  readonly seed: Seed.Seed
  readonly epochMillis: number
  readonly trace: Trace.Trace
  readonly draws: (subject: string, counter?: number) => Seed.Draws
  readonly processes = new Set<Hosted>()
  readonly traps: Trap.Traps
  readonly host: Host = this
  readonly nowMicros: () => number
  readonly schedule: (delayMicros: number, run: () => void) => () => void
  events = 0
  failure: Failure | undefined = undefined
  current: Trap.Subject | undefined = undefined
  private readonly queue = new EventQueue()
  private readonly eventsMax: number
  private readonly eventsPerInstantMax: number
  private instant = 0
  private hosted = 0
  private instantEvents = 0

  constructor(options: Options) {
    this.seed = options.seed
    this.epochMillis = options.epochMillis ?? 1_767_225_600_000
    this.eventsMax = options.eventsMax ?? 100_000_000
    this.eventsPerInstantMax = options.eventsPerInstantMax ?? 1_000_000
    this.draws = Seed.source(options.seed)
    this.nowMicros = () => this.queue.now
    this.schedule = (delayMicros, run) => this.add(undefined, delayMicros, run)
    this.trace = Trace.make({ timeline: this, full: options.fullTrace })
    this.traps = Trap.make(this, options.traps ?? "throw")
  }

  get escapes(): ReadonlyArray<Trap.Escape> {
    return this.traps.escapes
  }

  run(until: Until = {}): Outcome {
    return this.traps.during(() => this.loop(until.micros ?? Infinity, until.predicate))
  }

  step(): boolean {
    return this.traps.during(() => {
      const event = this.failure === undefined ? this.queue.take(Infinity) : undefined
      if (event !== undefined) this.perform(event)
      return event !== undefined
    })
  }

  nextMicros(): number | undefined {
    return this.queue.next()
  }

  fail(reason: Failure["reason"], message: string, node?: string): void {
    this.failure ??= { reason, message, node, tMicros: this.queue.now }
  }

  enter(hosted: Hosted): number {
    this.processes.add(hosted)
    return ++this.hosted
  }

  leave(hosted: Hosted): void {
    this.processes.delete(hosted)
  }

  scheduleFor(owner: Owner, delayMicros: number, run: () => void): () => void {
    return this.add(owner, delayMicros, run)
  }

  post(event: Event): void {
    this.queue.add(event, 0)
  }

  private add(owner: Owner | undefined, delayMicros: number, run: () => void): () => void {
    if (!(delayMicros >= 0) || !Number.isSafeInteger(delayMicros)) {
      throw new RangeError(`a delay is a whole number of microseconds, not ${delayMicros}`)
    }
    const event: Event = { run, owner, cause: this.trace.cause }
    this.queue.add(event, delayMicros)
    return () => {
      event.run = undefined
    }
  }

  private loop(micros: number, predicate: (() => boolean) | undefined): Outcome {
    for (;;) {
      if (this.failure !== undefined) return { end: "failed", failure: this.failure }
      const event = this.queue.take(micros)
      if (event === undefined) break
      this.perform(event)
      if (predicate !== undefined && predicate()) return { end: "predicate" }
    }
    if (micros === Infinity) return { end: "quiet" }
    if (this.queue.now < micros) this.queue.now = micros
    return { end: "time" }
  }

  private perform(event: Event): void {
    this.count()
    const { run } = event
    event.run = undefined
    this.current = undefined
    this.trace.cause = event.cause
    try {
      run?.()
    } finally {
      this.current = undefined
      this.trace.cause = undefined
    }
  }

  private count(): void {
    if (++this.events > this.eventsMax) this.fail("events", `more than ${this.eventsMax} events`)
    if (this.instant === this.queue.now) this.instantEvents++
    else {
      this.instant = this.queue.now
      this.instantEvents = 1
    }
    if (this.instantEvents > this.eventsPerInstantMax) {
      this.fail("instant", `more than ${this.eventsPerInstantMax} events at one instant: time does not move`)
    }
  }
}
