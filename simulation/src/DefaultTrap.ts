/**
 * Effect's default services, which an Effect gets that is run from an empty context, lent to the process that runs it.
 *
 * The default of each reference is one object, which anybody may ask for. While events run it has members of its own
 * that ask the running process, so that a nested `Effect.runFork` takes part in virtual time.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import type { Ground, Patch, Subject } from "./Trap.ts"

export const patches = (ground: Ground): ReadonlyArray<Patch> => [
  ...scheduler(ground),
  ...clock(ground),
  ...random(ground),
  ...telemetry(ground)
]

const scheduler = (ground: Ground): ReadonlyArray<Patch> => {
  const target = Context.get(Context.empty(), Scheduler.Scheduler)
  const original = { makeDispatcher: target.makeDispatcher.bind(target), shouldYield: target.shouldYield.bind(target) }
  /** Who ran the fiber first; a fiber never changes its process. */
  const subjects = new WeakMap<object, Subject>()
  const shouldYield = (fiber: Fiber.Fiber<unknown, unknown>): boolean => {
    let subject = subjects.get(fiber)
    if (subject === undefined) {
      subject = ground.current
      if (subject === undefined) return original.shouldYield(fiber)
      subjects.set(fiber, subject)
    }
    return subject.scheduler.shouldYield(fiber)
  }
  const makeDispatcher = () => ground.current?.scheduler.makeDispatcher() ?? original.makeDispatcher()
  return [
    { target, key: "shouldYield", value: shouldYield },
    { target, key: "makeDispatcher", value: makeDispatcher }
  ]
}

const clock = (ground: Ground): ReadonlyArray<Patch> => {
  const target = Context.get(Context.empty(), Clock.Clock)
  const original: Clock.Clock = {
    currentTimeMillis: target.currentTimeMillis,
    currentTimeNanos: target.currentTimeNanos,
    monotonicTimeNanos: target.monotonicTimeNanos,
    currentTimeMillisUnsafe: target.currentTimeMillisUnsafe.bind(target),
    currentTimeNanosUnsafe: target.currentTimeNanosUnsafe.bind(target),
    monotonicTimeNanosUnsafe: target.monotonicTimeNanosUnsafe.bind(target),
    sleep: target.sleep.bind(target)
  }
  const of = (): Clock.Clock => ground.current?.clock ?? original
  const members: Clock.Clock = {
    currentTimeMillis: Effect.suspend(() => of().currentTimeMillis),
    currentTimeNanos: Effect.suspend(() => of().currentTimeNanos),
    monotonicTimeNanos: Effect.suspend(() => of().monotonicTimeNanos),
    currentTimeMillisUnsafe: () => of().currentTimeMillisUnsafe(),
    currentTimeNanosUnsafe: () => of().currentTimeNanosUnsafe(),
    monotonicTimeNanosUnsafe: () => of().monotonicTimeNanosUnsafe(),
    sleep: (duration) => of().sleep(duration)
  }
  return Object.entries(members).map(([key, value]) => ({ target, key, value }))
}

const random = (ground: Ground): ReadonlyArray<Patch> => {
  const target = Context.get(Context.empty(), Random.Random)
  const original = { int: target.nextIntUnsafe.bind(target), double: target.nextDoubleUnsafe.bind(target) }
  return [
    { target, key: "nextIntUnsafe", value: () => ground.current?.random.nextIntUnsafe() ?? original.int() },
    {
      target,
      key: "nextDoubleUnsafe",
      value: () => ground.current?.random.nextDoubleUnsafe() ?? original.double()
    }
  ]
}

const telemetry = (ground: Ground): ReadonlyArray<Patch> => {
  const span = Tracer.nativeTracer.span.bind(Tracer.nativeTracer)
  const log = Logger.defaultLogger.log.bind(Logger.defaultLogger)
  return [
    {
      target: Tracer.nativeTracer,
      key: "span",
      value: (options: Parameters<Tracer.Tracer["span"]>[0]) => ground.current?.tracer.span(options) ?? span(options)
    },
    {
      target: Logger.defaultLogger,
      key: "log",
      value: (options: Logger.Options<unknown>) =>
        ground.current === undefined ? log(options) : ground.current.logger.log(options)
    }
  ]
}
