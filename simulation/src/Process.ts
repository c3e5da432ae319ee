/**
 * One incarnation of one node: a program, run on a scheduler, a clock and randomness of its own.
 *
 * 1. `crash` is hard: no finaliser runs, and nothing of the process ever runs again, whoever wakes its fibers.
 * 2. `stop` is graceful: the program is interrupted, its finalisers run, and that takes virtual time.
 * 3. A process ends when its program does. What it left behind (detached fibers, timers) ends with it.
 * 4. All that it draws comes from streams named by node and incarnation: the same whatever other nodes do.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as SecureRandoms from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as EffectScheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import type { Hosted, Kernel } from "./Kernel.ts"
import type * as Preemption from "./Preemption.ts"
import * as Scheduler from "./Scheduler.ts"
import type * as Seed from "./Seed.ts"
import * as Telemetry from "./Telemetry.ts"
import * as VirtualClock from "./VirtualClock.ts"

/** What a process has from the kernel without being given it. */
export type Services = SecureRandom

export interface Options<A, E, R> {
  readonly node: string
  /** Which life of the node it is: 0, 1, …. Each draws from streams of its own. */
  readonly incarnation?: number | undefined
  readonly program: Effect.Effect<A, E, R | Services>
  /** What the program needs. The kernel's scheduler, clock, randomness, tracer and logger come over it. */
  readonly context: Context.Context<R>
  /** The device's clock, which lives on from incarnation to incarnation; without one, a right one. */
  readonly clock?: VirtualClock.VirtualClock | undefined
  readonly policy?: Scheduler.Policy | undefined
  readonly preemption?: Preemption.Preemption | undefined
  /** Told of every fiber of the process that dies of a defect, whether or not somebody awaits it. */
  readonly onDefect?: ((cause: Cause.Cause<unknown>) => void) | undefined
  /** Writes down where the schedule left first-in-first-out (`tape`). */
  readonly record?: boolean | undefined
}

/** `exited`: its program came to its end, by itself or stopped. */
export type State = "starting" | "running" | "stopping" | "exited" | "crashed"

/** An Effect that a process runs for somebody outside: a workload's command, a probe. */
export interface Call<A, E> {
  /** Undefined while it runs, and for ever when the process ended first. */
  readonly exit: Exit.Exit<A, E> | undefined
  readonly onExit: (observe: (exit: Exit.Exit<A, E>) => void) => void
}

export interface Process<A = unknown, E = unknown, R = never> extends Hosted {
  readonly node: string
  readonly incarnation: number
  readonly state: State
  /** How the program ended. */
  readonly exit: Exit.Exit<A, E> | undefined
  readonly deviceClock: VirtualClock.VirtualClock
  /** What the program runs with. */
  readonly context: Context.Context<R | Services>
  /** Where the schedule left first-in-first-out, when it is recorded. */
  readonly tape: Scheduler.Tape
  /** Operations of Effect done so far. */
  readonly operations: number
  /** Whether it is in a pause. */
  readonly paused: boolean
  /** Told once, at the end of the program; not after a crash. */
  readonly onExit: (observe: (exit: Exit.Exit<A, E>) => void) => void
  /**
   * Ends it at once. Called from inside the process itself, the operation that runs comes to its end; what must not
   * happen after the crash is written as `Effect.andThen(process.die)`.
   */
  readonly crash: (reason?: string) => void
  /** Crashes the process that runs it, and never goes on. */
  readonly die: Effect.Effect<never>
  /** Interrupts the program; it exits once its finalisers ran. */
  readonly stop: () => void
  /** Nothing of it runs for so long; what was due meanwhile runs then. */
  readonly pause: (micros: number) => void
  /** Runs something inside the process that came from outside: at once, or at the end of a pause. */
  readonly enter: (run: () => void) => void
  /** Runs an Effect as a fiber of the process. */
  readonly call: <A2, E2>(effect: Effect.Effect<A2, E2, R | Services>) => Call<A2, E2>
}

/** Starts a process; its program begins with the next event of this instant. */
export const start = <A, E, R>(kernel: Kernel, options: Options<A, E, R>): Process<A, E, R> =>
  new Incarnation(kernel, options)

/** Whether a process ended as it should not: by a defect, or by an error that nobody handled. */
export const isFailed = (process: Process): boolean =>
  process.exit?._tag === "Failure" && !Cause.hasInterruptsOnly(process.exit.cause)

class Incarnation<A, E, R> implements Process<A, E, R> {
  readonly node: string
  readonly incarnation: number
  readonly context: Context.Context<R | Services>
  readonly deviceClock: VirtualClock.VirtualClock
  readonly scheduler: Scheduler.ProcessScheduler
  readonly clock: Clock.Clock
  readonly random: Random.Random
  readonly tracer: Tracer.Tracer
  readonly logger: Logger.Logger<unknown, void>
  readonly ambient: Seed.Draws
  readonly promises = new Map<number, string>()
  readonly die: Effect.Effect<never> = Effect.suspend(() => {
    this.crash()
    return Effect.never
  })
  state: State = "starting"
  exit: Exit.Exit<A, E> | undefined = undefined
  alive = true
  private readonly kernel: Kernel
  private readonly telemetry: Telemetry.Telemetry
  private readonly observers: Array<(exit: Exit.Exit<A, E>) => void> = []
  private fiber: Fiber.Fiber<A, E> | undefined = undefined
  private timers = 0
  private pausedUntil = 0

  constructor(kernel: Kernel, options: Options<A, E, R>) {
    const { incarnation = 0, node } = options
    const draws = (subject: string) => kernel.draws(`process ${node} ${subject}`, incarnation)
    this.kernel = kernel
    this.node = node
    this.incarnation = incarnation
    this.scheduler = new Scheduler.ProcessScheduler(
      { host: kernel.host, process: this, recorder: kernel.trace },
      {
        policy: options.policy,
        preemption: options.preemption,
        record: options.record,
        draws: draws("schedule")
      }
    )
    this.deviceClock = options.clock ?? new VirtualClock.VirtualClock(kernel, {
      epochMillis: kernel.epochMillis,
      onBusyWait: (message) => kernel.fail("clock", message, node)
    })
    this.clock = VirtualClock.service(this.deviceClock, (delay, run) => this.after(delay, run))
    this.random = randomOf(draws("random"))
    this.ambient = draws("ambient")
    const number = kernel.host.enter(this)
    this.telemetry = Telemetry.make({ recorder: kernel.trace, node, number })
    this.tracer = this.telemetry.tracer
    this.logger = this.telemetry.logger
    const context = options.onDefect === undefined ? options.context : watched(options.context, options.onDefect)
    this.context = this.provide(context, draws("entropy"))
    kernel.host.scheduleFor(this, 0, () => this.boot(options.program))
  }

  get busy(): boolean {
    return this.alive && (this.timers > 0 || this.scheduler.busy || this.paused || this.state === "starting")
  }

  get tape(): Scheduler.Tape {
    return this.scheduler.tape
  }

  get operations(): number {
    return this.scheduler.operations
  }

  get paused(): boolean {
    return this.alive && this.kernel.nowMicros() < this.pausedUntil
  }

  get openSpans(): ReadonlyArray<string> {
    return Array.from(this.telemetry.openSpans, (span) => span.name)
  }

  after(delayMicros: number, run: () => void): () => void {
    this.timers++
    let pending = true
    const settle = () => {
      if (pending) this.timers--
      pending = false
    }
    const cancel = this.kernel.host.scheduleFor(this, delayMicros, () => {
      settle()
      this.enter(run)
    })
    return () => {
      settle()
      cancel()
    }
  }

  onExit(observe: (exit: Exit.Exit<A, E>) => void): void {
    if (this.exit === undefined) this.observers.push(observe)
    else observe(this.exit)
  }

  crash(reason?: string): void {
    if (!this.alive) return
    this.kernel.trace.note(this.node, "crash", reason === undefined ? undefined : { reason })
    this.end("crashed")
  }

  stop(): void {
    if (!this.alive || this.state === "stopping") return
    this.kernel.trace.note(this.node, "stop")
    this.state = "stopping"
    this.kernel.host.scheduleFor(this, 0, () => {
      this.kernel.host.current = this
      this.fiber?.interruptUnsafe()
    })
  }

  pause(micros: number): void {
    if (!this.alive) return
    this.kernel.trace.note(this.node, "pause", { micros })
    this.pausedUntil = Math.max(this.pausedUntil, this.kernel.nowMicros() + micros)
    this.scheduler.halt()
    this.kernel.host.scheduleFor(this, micros, () => {
      if (this.kernel.nowMicros() < this.pausedUntil) return
      this.kernel.trace.note(this.node, "resume")
      this.scheduler.resume()
    })
  }

  call<A2, E2>(effect: Effect.Effect<A2, E2, R | Services>): Call<A2, E2> {
    const call = new Calling<A2, E2>()
    this.kernel.host.scheduleFor(this, 0, () => {
      this.kernel.host.current = this
      Effect.runForkWith(this.context)(effect).addObserver((exit) => call.settle(exit))
    })
    return call
  }

  private boot(program: Effect.Effect<A, E, R | Services>): void {
    this.kernel.trace.cause = this.kernel.trace.note(this.node, "boot", { incarnation: this.incarnation })
    this.kernel.host.current = this
    if (this.state === "starting") this.state = "running"
    this.fiber = Effect.runForkWith(this.context)(program)
    this.fiber.addObserver((exit) => this.finish(exit))
  }

  private finish(exit: Exit.Exit<A, E>): void {
    if (!this.alive) return
    this.exit = exit
    const failed = exit._tag === "Failure" ? Telemetry.failure(exit.cause) : null
    const defect = exit._tag === "Failure" && Cause.hasDies(exit.cause)
    this.kernel.trace.note(this.node, "exit", { failed, defect })
    this.end("exited")
    for (const observe of this.observers) observe(exit)
  }

  /** What comes in a pause waits for its end, in its order among the tasks. */
  enter(run: () => void): void {
    if (!this.alive) return
    this.kernel.host.current = this
    if (this.paused) this.scheduler.makeDispatcher().scheduleTask(run, 0)
    else run()
  }

  private end(state: State): void {
    this.state = state
    this.alive = false
    this.scheduler.kill()
    this.kernel.host.leave(this)
  }

  private provide(context: Context.Context<R>, entropy: Seed.Draws): Context.Context<R | Services> {
    return context.pipe(
      Context.add(EffectScheduler.Scheduler, this.scheduler),
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, this.random),
      Context.add(Tracer.Tracer, this.tracer),
      Context.add(Logger.CurrentLoggers, new Set([this.logger])),
      Context.add(SecureRandom, SecureRandoms.make((size) => entropy.bytes(size)))
    )
  }
}

class Calling<A, E> implements Call<A, E> {
  exit: Exit.Exit<A, E> | undefined = undefined
  private readonly observers: Array<(exit: Exit.Exit<A, E>) => void> = []

  onExit(observe: (exit: Exit.Exit<A, E>) => void): void {
    if (this.exit === undefined) this.observers.push(observe)
    else observe(this.exit)
  }

  settle(exit: Exit.Exit<A, E>): void {
    this.exit = exit
    for (const observe of this.observers) observe(exit)
  }
}

/** Effect tells what becomes of each fiber to the service that counts them. */
const watched = <R>(context: Context.Context<R>, onDefect: (cause: Cause.Cause<unknown>) => void): Context.Context<R> =>
  Context.add(context, Metric.FiberRuntimeMetrics, {
    recordFiberStart: () => undefined,
    recordFiberEnd: (_, exit) => {
      if (exit._tag === "Failure" && Cause.hasDies(exit.cause)) onDefect(exit.cause)
    }
  })

const randomOf = (draws: Seed.Draws): Random.Random => ({
  nextDoubleUnsafe: () => draws.unit(),
  nextIntUnsafe: () =>
    Math.floor(draws.unit() * (Number.MAX_SAFE_INTEGER - Number.MIN_SAFE_INTEGER + 1)) + Number.MIN_SAFE_INTEGER
})
