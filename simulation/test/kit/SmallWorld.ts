/** Virtual time and one kind of process, to try a virtual service without the kernel. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scheduler from "effect/Scheduler"
import type { Owner } from "../../src/Connection.ts"
import { type Draws, draws } from "../../src/Seed.ts"
import type { Timeline } from "../../src/Timeline.ts"
import * as Trace from "../../src/Trace.ts"

interface Event {
  readonly atMicros: number
  readonly order: number
  readonly run: () => void
}

/** @public */
export class SmallTimeline implements Timeline {
  private now = 0
  private orders = 0
  private events: Array<Event> = []

  readonly nowMicros = () => this.now

  readonly schedule = (delayMicros: number, run: () => void) => {
    const event = { atMicros: this.now + delayMicros, order: this.orders++, run }
    const later = this.events.findIndex((other) => other.atMicros > event.atMicros)
    this.events.splice(later < 0 ? this.events.length : later, 0, event)
    return () => {
      this.events = this.events.filter((other) => other !== event)
    }
  }

  /** Runs until nothing is scheduled, or until a time. */
  run(untilMicros = Number.MAX_SAFE_INTEGER) {
    for (;;) {
      const event = this.events[0]
      if (event === undefined || event.atMicros > untilMicros) break
      this.events.shift()
      this.now = event.atMicros
      event.run()
    }
    if (untilMicros < Number.MAX_SAFE_INTEGER) this.now = untilMicros
  }
}

/**
 * A process that can die; its fibers yield at each operation with the chance `preempt`. Well below a half: to come back
 * from a yield is an operation too, so at a half they get nowhere.
 */
export class SmallProcess implements Owner {
  readonly node: string
  private readonly timeline: Timeline
  private readonly luck: Draws
  private readonly preempt: number
  private living = true

  constructor(timeline: Timeline, node: string, preempt = 0, seed = 1n) {
    this.timeline = timeline
    this.node = node
    this.preempt = preempt
    this.luck = draws(seed, `preempt/${node}`)
  }

  readonly alive = () => this.living

  kill() {
    this.living = false
  }

  fork<A, E>(effect: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void = () => undefined) {
    const dispatcher = {
      scheduleTask: (task: () => void) => {
        this.timeline.schedule(0, () => {
          if (this.living) task()
        })
      },
      flush: () => undefined
    }
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      shouldYield: () => !this.living || this.luck.unit() < this.preempt,
      makeDispatcher: () => dispatcher
    }
    const fiber = Effect.runFork(effect, { scheduler })
    fiber.addObserver(onExit)
    return fiber
  }
}

export const smallWorld = () => {
  const timeline = new SmallTimeline()
  const recorder = Trace.make({ timeline, full: true })
  return {
    timeline,
    recorder,
    process: (node: string, preempt = 0, seed = 1n) => new SmallProcess(timeline, node, preempt, seed)
  }
}

export const utf8 = (text: string) => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
