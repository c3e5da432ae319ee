/**
 * What the simulator does in a second of this machine's processor: events of the kernel and of Effect's TestClock on the
 * same ping, runs of a small protocol and of the real client and relay, virtual time when little happens, the cost of
 * tracing, and the heap of an idle node.
 *
 * A ping: each node has a timer of 100 ms; it sends to its neighbour, which answers. Messages take 5 ms.
 */
import * as Thread from "@sotto/simulation/cli/Thread"
import * as Kernel from "@sotto/simulation/Kernel"
import * as Process from "@sotto/simulation/Process"
import type { Simulation } from "@sotto/simulation/Simulation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Worker } from "node:worker_threads"
import * as Notes from "../simulation/test/kit/notes.ts"
import type { Kind, Round } from "./worker/seeds.ts"

interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
}

const ROUNDS = 5
const CPU_MILLIS = 2_000
const QUIET_ROUNDS = 6
const LATENCY_MICROS = 5_000
const BEAT_MILLIS = 100

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

// -- the ping --------------------------------------------------------------------------------------------------------------

interface Message {
  readonly from: number
  readonly ping: boolean
}

/** What happened in a ping: timers and messages, and what was an event to the kernel. */
interface Pinged {
  happenings: number
  events: number
  cpuMillis: number
}

type Send = (from: number, to: number, ping: boolean) => Effect.Effect<void>

/** Two fibers: one that beats, one that answers. */
const node = (self: number, nodes: number, inbox: Queue.Queue<Message>, send: Send, count: () => void, beat: number) =>
  Effect.gen(function*() {
    yield* Effect.forkChild(Effect.forever(Effect.flatMap(Queue.take(inbox), ({ from, ping }) => {
      count()
      return ping ? send(self, from, false) : Effect.void
    })))
    return yield* Effect.forever(Effect.flatMap(Effect.sleep(beat), () => {
      count()
      return send(self, (self + 1) % nodes, true)
    }))
  })

const startKernel = (nodes: number, beat: number, pinged: Pinged): Kernel.Kernel => {
  const kernel = Kernel.make({ seed: 1n, eventsMax: Number.MAX_SAFE_INTEGER })
  const inboxes: Array<Queue.Queue<Message>> = []
  const send: Send = (from, to, ping) =>
    Effect.sync(() => {
      kernel.schedule(LATENCY_MICROS, () => {
        const inbox = inboxes[to]
        if (inbox !== undefined) Queue.offerUnsafe(inbox, { from, ping })
      })
    })
  for (let self = 0; self < nodes; self++) {
    Process.start(kernel, {
      node: `n${self}`,
      context: Context.empty(),
      program: Effect.gen(function*() {
        const inbox = yield* Queue.unbounded<Message>()
        inboxes[self] = inbox
        return yield* node(self, nodes, inbox, send, () => pinged.happenings++, beat)
      })
    })
  }
  return kernel
}

/** Runs in slices of a virtual second until enough processor time is used. */
const pingKernel = (nodes: number): Pinged => {
  const pinged: Pinged = { happenings: 0, events: 0, cpuMillis: 0 }
  const kernel = startKernel(nodes, BEAT_MILLIS, pinged)
  const from = cpuMillis()
  for (let seconds = 1; pinged.cpuMillis < CPU_MILLIS; seconds++) {
    kernel.run({ micros: seconds * 1_000_000 })
    pinged.cpuMillis = cpuMillis() - from
  }
  return { ...pinged, events: kernel.events }
}

const pingTestClock = (nodes: number): Promise<Pinged> =>
  Effect.gen(function*() {
    const pinged: Pinged = { happenings: 0, events: 0, cpuMillis: 0 }
    const inboxes = yield* Effect.forEach(Array.from({ length: nodes }), () => Queue.unbounded<Message>())
    const send: Send = (from, to, ping) => {
      const inbox = inboxes[to]
      return inbox === undefined ? Effect.void : Effect.asVoid(
        Effect.forkDetach(Effect.delay(Queue.offer(inbox, { from, ping }), LATENCY_MICROS / 1000))
      )
    }
    for (const [self, inbox] of inboxes.entries()) {
      yield* Effect.forkChild(node(self, nodes, inbox, send, () => pinged.happenings++, BEAT_MILLIS))
    }
    const from = cpuMillis()
    while (pinged.cpuMillis < CPU_MILLIS) {
      yield* TestClock.adjust(1000)
      pinged.cpuMillis = cpuMillis() - from
    }
    return pinged
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)

const pings = async (nodes: number): Promise<ReadonlyArray<Figure>> => {
  const kernel = Array.from({ length: ROUNDS }, () => pingKernel(nodes))
  const clock: Array<Pinged> = []
  for (let round = 0; round < ROUNDS; round++) clock.push(await pingTestClock(nodes))
  const rate = (all: ReadonlyArray<Pinged>, of: "events" | "happenings") =>
    median(all.map((one) => one[of] / one.cpuMillis * 1000))
  return [
    { what: `ping, ${nodes} nodes, kernel`, value: rate(kernel, "events"), unit: "events/s" },
    { what: `ping, ${nodes} nodes, kernel`, value: rate(kernel, "happenings"), unit: "timers and messages/s" },
    { what: `ping, ${nodes} nodes, TestClock`, value: rate(clock, "happenings"), unit: "timers and messages/s" }
  ]
}

// -- heap ------------------------------------------------------------------------------------------------------------------

const FEW = 100
const MANY = 2_100

/** KiB of heap for each node that beats once an hour. */
const heapKib = (): number => {
  setFlagsFromString("--expose_gc")
  const collect: () => void = runInNewContext("gc")
  const pinged: Pinged = { happenings: 0, events: 0, cpuMillis: 0 }
  const used = (nodes: number): number => {
    const kernel = startKernel(nodes, 3_600_000, pinged)
    kernel.run({ micros: 10_000_000 })
    collect()
    collect()
    const kib = getHeapStatistics().used_heap_size / 1024
    kernel.run({ micros: 10_000_001 })
    return kib
  }
  used(FEW)
  const few = used(FEW)
  return (used(MANY) - few) / (MANY - FEW)
}

// -- simulations -----------------------------------------------------------------------------------------------------------

interface Ran {
  readonly seedsPerSecond: number
  readonly eventsPerSecond: number
  readonly timesRealTime: number
}

/**
 * The quietest of some rounds of each kind, over the same seeds, in turns: another one's work on a shared machine makes a
 * round slower, and nothing makes it faster.
 */
const quietest = async (kinds: ReadonlyArray<Kind>): Promise<ReadonlyArray<Ran>> => {
  const threads: Array<{ readonly thread: Worker; best: Round | undefined }> = []
  for (const kind of kinds) {
    const thread = Thread.start(new URL("worker/seeds.ts", import.meta.url), kind)
    await once(thread, "message")
    threads.push({ thread, best: undefined })
  }
  for (let round = 0; round < QUIET_ROUNDS; round++) {
    for (const one of threads) {
      one.thread.postMessage("round")
      const [took]: Array<Round> = await once(one.thread, "message")
      if (took !== undefined && took.cpuMillis < (one.best?.cpuMillis ?? Infinity)) one.best = took
    }
  }
  await Promise.all(threads.map(({ thread }) => thread.terminate()))
  return threads.flatMap(({ best }) => best === undefined ? [] : [ranOf(best)])
}

const ranOf = ({ cpuMillis, events, seeds, simulatedMicros }: Round): Ran => {
  const seconds = cpuMillis / 1000
  return {
    seedsPerSecond: seeds / seconds,
    eventsPerSecond: events / seconds,
    timesRealTime: simulatedMicros / 1e6 / seconds
  }
}

/** With and without every row kept, in turns: how much longer a seed takes. */
const traceOverhead = (simulation: Simulation): number => {
  const scenarios = Array.from({ length: 30 }, (_, i) => simulation.expand(BigInt(i + 1), "swarm"))
  const spent = (trace: boolean) => {
    const from = cpuMillis()
    for (const scenario of scenarios) simulation.run(scenario, { trace })
    return cpuMillis() - from
  }
  spent(true)
  spent(false)
  return median(Array.from({ length: ROUNDS }, () => spent(true) / spent(false))) - 1
}

const sample = async (): Promise<ReadonlyArray<Figure>> => {
  const [swarm, quiet] = await quietest([
    { simulation: "notes", strategy: "swarm", seeds: 300 },
    { simulation: "notes", strategy: "calm", quiet: true, seeds: 10 }
  ])
  const many = Notes.simulation(undefined, { nodes: { peer: { ...Notes.peer(undefined), count: [100, 100] } } })
  const scenario = many.expand(1n, "calm")
  const from = cpuMillis()
  const report = many.run(scenario)
  const seconds = (cpuMillis() - from) / 1000
  return [
    ...shown("notes, 3-5 nodes, swarm", swarm, ["seedsPerSecond", "eventsPerSecond", "timesRealTime"]),
    ...shown("notes, 3-5 nodes, quiet", quiet, ["timesRealTime"]),
    { what: `notes, ${scenario.nodes.length} nodes, calm`, value: report.events / seconds, unit: "events/s" },
    {
      what: `notes, ${scenario.nodes.length} nodes, calm`,
      value: report.simulatedMicros / 1e6 / seconds,
      unit: "× real time"
    },
    { what: "notes, every row kept", value: traceOverhead(Notes.simulation()) * 100, unit: "% more" }
  ]
}

/**
 * Three clients and one relay, faults and what follows until the world is at rest: by tier of cryptography, with a cold
 * restart where the seed has one (one of four), with items (one of four).
 */
const real = async (): Promise<ReadonlyArray<Figure>> => {
  if (!existsSync(new URL("../scenarios/src/simulation/Sync.ts", import.meta.url))) return []
  const [fake, cold, authentic, items, quiet] = await quietest([
    { simulation: "sync", strategy: "swarm", crypto: "fake", seeds: 150 },
    { simulation: "sync", strategy: "swarm", crypto: "fake", coldRestart: true, seeds: 150 },
    { simulation: "sync", strategy: "swarm", crypto: "real", seeds: 75 },
    { simulation: "sync", strategy: "swarm", crypto: "fake", items: true, seeds: 75 },
    { simulation: "sync", strategy: "calm", crypto: "fake", quiet: true, seeds: 60 }
  ])
  return [
    ...shown("client and relay, fake cipher", fake, ["seedsPerSecond", "eventsPerSecond"]),
    ...shown("client and relay, fake cipher, cold restarts", cold, ["seedsPerSecond", "eventsPerSecond"]),
    ...shown("client and relay, real cipher", authentic, ["seedsPerSecond", "eventsPerSecond"]),
    ...shown("client and relay, fake cipher, items", items, ["seedsPerSecond", "eventsPerSecond"]),
    ...shown("client and relay, quiet", quiet, ["timesRealTime"])
  ]
}

const UNITS = { seedsPerSecond: "seeds/s", eventsPerSecond: "events/s", timesRealTime: "× real time" } as const

const shown = (what: string, ran: Ran | undefined, of: ReadonlyArray<keyof Ran>): ReadonlyArray<Figure> =>
  ran === undefined ? [] : of.map((field) => ({ what, value: ran[field], unit: UNITS[field] }))

const text = ({ unit, value, what }: Figure): string => {
  const shown = value < 100 ? value.toFixed(1) : String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",")
  return `${what.padEnd(48)} ${shown.padStart(12)} ${unit}`
}

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const figures: Array<Figure> = []
  const add = (more: ReadonlyArray<Figure>) => {
    figures.push(...more)
    if (!json) { for (const figure of more) console.log(text(figure)) }
  }
  pingKernel(10)
  for (const nodes of [10, 100]) add(await pings(nodes))
  add([{ what: "idle node", value: heapKib(), unit: "KiB of heap" }])
  add(await sample())
  add(await real())
  if (json) console.log(JSON.stringify({ unit: "per second of processor time", figures }))
}
