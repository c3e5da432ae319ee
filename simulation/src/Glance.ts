/**
 * Runs an Effect in one instant, outside the schedule of every process: for looking at what a program holds.
 *
 * 1. Nothing is drawn, no clock is moved, no task of a process is taken: the run goes on as if nobody had looked.
 * 2. What can not be answered at once is taken back.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scheduler from "effect/Scheduler"
import type { Kernel } from "./Kernel.ts"
import type { VirtualClock } from "./VirtualClock.ts"

/** What the Effect comes to in this instant, or undefined when it has to wait. */
export const at = <A, E>(
  kernel: Kernel,
  clock: VirtualClock,
  effect: Effect.Effect<A, E>
): Exit.Exit<A, E> | undefined => {
  const scheduler = new AtOnce()
  const context = Context.empty().pipe(
    Context.add(Scheduler.Scheduler, scheduler),
    Context.add(Clock.Clock, still(kernel, clock)),
    Context.add(Logger.CurrentLoggers, new Set())
  )
  const fiber = Effect.runForkWith(context)(effect)
  scheduler.drain()
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) return exit
  fiber.interruptUnsafe()
  scheduler.drain()
  return undefined
}

class AtOnce implements Scheduler.Scheduler {
  readonly executionMode = "sync"
  private tasks: Array<() => void> = []
  private readonly dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      this.tasks.push(task)
    },
    flush: () => this.drain()
  }

  shouldYield(): boolean {
    return false
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  drain(): void {
    for (const task of this.tasks.splice(0)) task()
    if (this.tasks.length > 0) this.drain()
  }
}

/** A clock that reading does not move, and on which nothing ever waits to the end. */
const still = (kernel: Kernel, clock: VirtualClock): Clock.Clock => {
  const wallMicros = () => clock.glanceWallMicros()
  const currentTimeMillisUnsafe = () => Math.floor(wallMicros() / 1000)
  const currentTimeNanosUnsafe = () => BigInt(wallMicros()) * 1000n
  const monotonicTimeNanosUnsafe = () => BigInt(kernel.nowMicros()) * 1000n
  return {
    currentTimeMillisUnsafe,
    currentTimeNanosUnsafe,
    monotonicTimeNanosUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
    sleep: () => Effect.never
  }
}
