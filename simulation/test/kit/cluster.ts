/** A small cluster that gossips over a lossy link made of a kernel's timeline: enough work to tell two runs apart. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Kernel from "../../src/Kernel.ts"
import type * as Preemption from "../../src/Preemption.ts"
import * as Process from "../../src/Process.ts"
import type * as Scheduler from "../../src/Scheduler.ts"

export interface Options extends Partial<Kernel.Options> {
  readonly nodes?: number
  readonly policy?: Scheduler.Policy
  readonly preemption?: Preemption.Preemption
}

/** What a run is known by. */
export interface Run {
  readonly hash: string
  readonly events: number
  readonly size: number
}

const POLICIES: ReadonlyArray<Scheduler.Policy> = [
  { kind: "fifo" },
  { kind: "random" },
  { kind: "pct", depth: 3, operations: 5_000 }
]

/** Starts the cluster; the seed picks policy, preemption and a crash unless the options do. */
export const start = (seed: bigint, options: Options = {}): Kernel.Kernel => {
  const kernel = Kernel.make({ seed, ...options })
  const swarm = kernel.draws("swarm")
  const policy = options.policy ?? swarm.pick(POLICIES)
  const preemption = options.preemption ?? { p: swarm.pick([0, 0.02, 0.1]), delayMicros: { low: 1, high: 20_000 } }
  const nodes = options.nodes ?? 4
  const inboxes = new Map<number, (value: number) => void>()
  let messages = 0
  const send = (from: number, to: number, value: number) => {
    const draws = kernel.draws(`link ${from}>${to}`, messages++)
    const cause = kernel.trace.note(`n${from}`, "send", { to, value })
    if (draws.chance(0.1)) return
    kernel.schedule(draws.between(500, 30_000), () => {
      kernel.trace.cause = kernel.trace.note(`n${to}`, "recv", { from, value }, cause)
      inboxes.get(to)?.(value)
    })
  }
  const boot = (i: number, incarnation: number) =>
    Process.start(kernel, {
      node: `n${i}`,
      incarnation,
      context: Context.empty(),
      policy,
      preemption,
      program: node(i, nodes, (to, value) => send(i, to, value), (offer) => inboxes.set(i, offer))
    })
  const running = Array.from({ length: nodes }, (_, i) => boot(i, 0))
  const victim = swarm.int(nodes)
  kernel.schedule(swarm.between(100_000, 900_000), () => {
    inboxes.delete(victim)
    running[victim]?.crash()
    kernel.schedule(200_000, () => boot(victim, 1))
  })
  return kernel
}

/** Runs the cluster for a second of its own. */
export const run = (seed: bigint, options: Options = {}): Run => {
  const kernel = start(seed, options)
  kernel.run({ micros: 1_000_000 })
  return { hash: kernel.trace.hash, events: kernel.events, size: kernel.trace.size }
}

const node = (
  i: number,
  nodes: number,
  send: (to: number, value: number) => void,
  listen: (offer: (value: number) => void) => void
) =>
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<number>()
    listen((value) => Queue.offerUnsafe(queue, value))
    const permits = yield* Semaphore.make(2)
    let sum = 0
    const apply = (value: number) =>
      permits.withPermit(Effect.gen(function*() {
        const before = sum
        yield* Effect.sleep(yield* Random.nextIntBetween(1, 5))
        sum = (before * 31 + value) % 1_000_003
      }))
    yield* Effect.forkChild(
      Effect.forever(Effect.flatMap(Queue.take(queue), (value) => Effect.forkChild(apply(value))))
    )
    const gossip = Effect.gen(function*() {
      const to = yield* Random.nextIntBetween(0, nodes - 1)
      yield* Effect.logDebug("gossip", to)
      yield* Effect.log("sum", sum)
      send(to, sum + i)
    })
    yield* Effect.repeat(Effect.withSpan(gossip, "gossip"), Schedule.jittered(Schedule.spaced("40 millis")))
  })
