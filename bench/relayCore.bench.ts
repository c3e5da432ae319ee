/**
 * What the relay itself costs (`core/relay`), on Node's primitives. Its clients run in another thread, behind message
 * ports, so the CPU of this thread is the relay's alone: port, channel, checks, storage, signatures, fan-out. In µs of
 * CPU per push and per envelope (or per delivery), which is what to compare between machines, and KiB of this thread's
 * heap per idle connection.
 */
import type { Crypto } from "@sotto/core/Crypto"
import * as Hints from "@sotto/core/relay/Hints"
import * as MemoryRelayStore from "@sotto/core/relay/MemoryRelayStore"
import * as Relay from "@sotto/core/relay/Relay"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { MessageChannel, Worker } from "node:worker_threads"
import { connectionOf, type Task } from "./worker/relayClients.ts"

interface Work {
  readonly what: string
  readonly store: "memory" | "sqlite"
  readonly writers: number
  readonly readers: number
  readonly pushes: number
  readonly envelopesPerPush: number
  readonly inFlight: number
}

interface Figure extends Work {
  readonly pushesPerSecond: number
  readonly cpuMicrosPerPush: number
  readonly cpuMicrosPerEnvelope: number
  readonly cpuMicrosPerDelivery: number
}

const ENVELOPE_BYTES = 1112 // 1 KiB of plaintext, sealed
const BILLION = 1_000_000_000

/** No rate limit in the way: what is measured is the work. */
const settings = {
  limits: {
    messagesPerSecond: BILLION,
    messagesBurst: BILLION,
    routeMessagesPerSecond: BILLION,
    connectsPerMinute: BILLION,
    unauthenticatedPerAddressMax: BILLION,
    routeBytesMax: Number.MAX_SAFE_INTEGER,
    pushesInFlightMax: 4096,
    unauthenticatedMillis: BILLION
  }
}

const withStore = async <A>(
  kind: Work["store"],
  use: (store: Layer.Layer<RelayStore, unknown, Crypto>) => Promise<A>
) => {
  if (kind === "memory") return use(MemoryRelayStore.layer())
  const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
  mkdirSync(base, { recursive: true })
  const directory = mkdtempSync(join(base, "bench-"))
  try {
    return await use(NodeRelayStore.layer({ directory }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** One relay here, its clients there; `measure` gets the start signal and the promise of the end. */
const withClients = <A>(work: Work, measure: (start: () => void, done: Promise<void>) => Promise<A>): Promise<A> =>
  withStore(work.store, (store) =>
    Effect.runPromise(
      Effect.gen(function*() {
        const relay = yield* Relay.make(settings)
        const channels = Array.from({ length: work.writers + work.readers }, () => new MessageChannel())
        for (const { port1 } of channels) yield* Effect.forkScoped(Effect.flatMap(connectionOf(port1), relay.serve))
        const ports = channels.map(({ port2 }) => port2)
        const { envelopesPerPush, inFlight, pushes, writers } = work
        const task: Task = {
          ports,
          writers,
          pushes,
          envelopesPerPush,
          inFlight,
          envelopeBytes: ENVELOPE_BYTES,
          relayKey: relay.relayKey,
          relayKeys: relay.keys
        }
        const worker = new Worker(new URL("worker/relayClients.ts", import.meta.url), {
          workerData: task,
          transferList: ports
        })
        const said = (text: string) =>
          new Promise<void>((resolve, reject) => {
            worker.on("message", (message) => message === text ? resolve() : undefined)
            worker.on("error", () => reject(new Error("the clients' thread failed; it says above why")))
          })
        const ready = said("ready"), done = said("done")
        done.catch(() => undefined)
        yield* Effect.promise(() => ready)
        const measured = yield* Effect.promise(() => measure(() => worker.postMessage("start"), done))
        worker.postMessage("end")
        yield* Effect.promise(() => new Promise((resolve) => worker.once("exit", resolve)))
        return measured
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.mergeAll(store, Hints.layerLocal).pipe(Layer.provideMerge(NodeCrypto.layer))),
        Effect.provideService(References.MinimumLogLevel, "Error")
      )
    ))

const cpuMicros = () => {
  const { system, user } = process.threadCpuUsage()
  return user + system
}

const runOne = (work: Work): Promise<Figure> =>
  withClients(work, async (start, done) => {
    const cpu = cpuMicros(), from = performance.now()
    start()
    await done
    const micros = cpuMicros() - cpu
    const envelopes = work.pushes * work.envelopesPerPush
    return {
      ...work,
      pushesPerSecond: Math.round(work.pushes / (performance.now() - from) * 1000),
      cpuMicrosPerPush: micros / work.pushes,
      cpuMicrosPerEnvelope: micros / envelopes,
      cpuMicrosPerDelivery: work.readers === 0 ? 0 : micros / envelopes / work.readers
    }
  })

const IDLE = 150
const AWAKE_MILLIS = 30_000

/** KiB of this thread's heap for each connection that is attached and idle. */
const idleKib = async (): Promise<number> => {
  setFlagsFromString("--expose_gc")
  const collect: () => void = runInNewContext("gc")
  const used = () => {
    collect()
    collect()
    const { malloced_memory, used_heap_size } = getHeapStatistics()
    return (used_heap_size + malloced_memory) / 1024
  }
  const at = (readers: number) =>
    withClients(
      { what: "idle", store: "memory", writers: 1, readers, pushes: 0, envelopesPerPush: 1, inFlight: 1 },
      async (start, done) => {
        // What serves calls is put away when there were none for a while.
        await setTimeout(AWAKE_MILLIS)
        const kib = used()
        start()
        await done
        return kib
      }
    )
  const few = await at(1)
  return (await at(IDLE + 1) - few) / IDLE
}

const WORKS: ReadonlyArray<Work> = (["memory", "sqlite"] as const).flatMap((store) => [
  { what: "1 connection", store, writers: 1, readers: 0, pushes: 40_000, envelopesPerPush: 1, inFlight: 256 },
  { what: "8 connections", store, writers: 8, readers: 0, pushes: 40_000, envelopesPerPush: 1, inFlight: 256 },
  { what: "batches", store, writers: 1, readers: 0, pushes: 800, envelopesPerPush: 100, inFlight: 16 },
  { what: "fan-out to 32", store, writers: 1, readers: 32, pushes: 5_000, envelopesPerPush: 1, inFlight: 64 }
])

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  await runOne({
    what: "warm",
    store: "memory",
    writers: 2,
    readers: 1,
    pushes: 10_000,
    envelopesPerPush: 1,
    inFlight: 256
  })
  const figures: Array<Figure> = []
  for (const work of WORKS) {
    const figure = await runOne(work)
    figures.push(figure)
    if (json) continue
    const { cpuMicrosPerDelivery, cpuMicrosPerEnvelope, cpuMicrosPerPush, pushesPerSecond, store, what } = figure
    console.log(
      `${store.padEnd(7)} ${what.padEnd(14)} ${String(pushesPerSecond).padStart(7)} pushes/s  ` +
        `${cpuMicrosPerPush.toFixed(1).padStart(7)} µs/push  ${
          cpuMicrosPerEnvelope.toFixed(1).padStart(6)
        } µs/envelope` +
        (cpuMicrosPerDelivery > 0 ? `  ${cpuMicrosPerDelivery.toFixed(1)} µs/delivery` : "")
    )
  }
  const idle = await idleKib()
  console.log(json ? JSON.stringify({ figures, idleKib: idle }) : `idle    ${idle.toFixed(1)} KiB/connection`)
}
