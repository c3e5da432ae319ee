/**
 * The relay as it ships (its own process, SQLite on disk, an fsync before each answer) beside a bare `ws` hub that keeps
 * nothing, on the same machine in the same run: durable writes from one writer to two readers, the wait for one, a new
 * device that catches up, and memory. CPU is that of the server process alone. Each throughput is that of a server which
 * has worked for a while: what came before it is not counted, for the relay and for the hub.
 */
import { Crypto } from "@sotto/core/Crypto"
import { openFace } from "@sotto/core/Face"
import { Transport } from "@sotto/core/Transport"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeDevice from "@sotto/runtime-node/NodeDevice"
import * as NodeTransport from "@sotto/runtime-node/NodeTransport"
import { joinSotto, openSotto } from "@sotto/runtime-node/open"
import type { Op } from "@sotto/schema/Entry"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { hubIdle, hubPaced, hubThroughput } from "./worker/hubLoad.ts"
import * as Load from "./worker/relayLoad.ts"
import { type ServerProcess, startServer } from "./worker/ServerProcess.ts"

const RELAY = new URL("./worker/relayProcess.ts", import.meta.url)
const HUB = new URL("./worker/hubProcess.ts", import.meta.url)

const READERS = 2
const IN_FLIGHT = 256
const IDLE_CONNECTIONS = 1000
/** Turns before a server counts as warm, and those that count. */
const WARMING_TURNS = 2
const TURNS = 3
const CATCH_UP_VALUES = 100_000

/** Envelopes as `npm run bench -- seal` makes them of one value of 256 bytes, and of 100. */
const WORKLOADS = [
  { what: "1 value of 256 bytes a write", values: 1, envelopeBytes: 632, pushes: 20_000 },
  { what: "100 values of 256 bytes a write", values: 100, envelopeBytes: 28_760, pushes: 1_000 }
]

type Row = Readonly<Record<string, string | number>>

const services = Layer.merge(Layer.orDie(NodeCrypto.layer), NodeTransport.layer)

const runLoad = <A>(effect: Effect.Effect<A, unknown, Layer.Success<typeof services> | Scope.Scope>) =>
  Effect.runPromise(
    Effect.scoped(effect).pipe(
      Effect.orDie,
      Effect.provide(services),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  )

const addressOf = (server: ServerProcess) => Effect.orDie(Effect.fromResult(relayAddressFromText(server.address)))

interface Measured {
  readonly seconds: number
  readonly cpuMicros: number
}

/** Server CPU and wall time around `work`. */
const measured = async (server: ServerProcess, work: () => Promise<void>): Promise<Measured> => {
  const before = await server.usage()
  const begun = performance.now()
  await work()
  const seconds = (performance.now() - begun) / 1000
  return { seconds, cpuMicros: (await server.usage()).cpuMicros - before.cpuMicros }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
const round = (value: number, digits = 1): number => Number(value.toFixed(digits))

type Work = (typeof WORKLOADS)[number]

const relayThroughput = (relay: ServerProcess, work: Work, route: number) =>
  runLoad(Effect.gen(function*() {
    const address = yield* addressOf(relay)
    const writer = yield* Load.attach(address, route)
    const readers = yield* Effect.forEach(Array.from({ length: READERS }), () => Load.attach(address, route))
    const frames = Load.pushFrames(yield* Crypto, writer, work)
    return yield* Effect.promise(() =>
      measured(relay, () =>
        runLoad(Effect.gen(function*() {
          const reading = yield* Effect.forEach(readers, (one) => Effect.forkChild(Load.read(one, work.pushes)))
          yield* Load.write(writer, frames, IN_FLIGHT)
          for (const reader of reading) yield* Fiber.join(reader)
        })))
    )
  }))

const throughput = async (relay: ServerProcess, hub: ServerProcess): Promise<ReadonlyArray<Row>> => {
  const rows: Array<Row> = []
  for (const [at, work] of WORKLOADS.entries()) {
    const ours: Array<Measured> = []
    const bare: Array<Measured> = []
    for (let turn = 0; turn < WARMING_TURNS + TURNS; turn++) {
      const onRelay = await relayThroughput(relay, work, 10 * at + turn + 1)
      const onHub = await measured(
        hub,
        () => hubThroughput(hub.address, { ...work, readers: READERS, inFlight: IN_FLIGHT })
      )
      if (turn < WARMING_TURNS) continue
      ours.push(onRelay)
      bare.push(onHub)
    }
    for (const [name, turns] of [["relay", ours], ["bare ws hub", bare]] as const) {
      const seconds = median(turns.map((turn) => turn.seconds))
      const cpuMicros = median(turns.map((turn) => turn.cpuMicros))
      rows.push({
        what: work.what,
        server: name,
        "writes/s": Math.round(work.pushes / seconds),
        "values/s": Math.round(work.pushes * work.values / seconds),
        "CPU µs/write": round(cpuMicros / work.pushes),
        "CPU µs/value": round(cpuMicros / work.pushes / work.values, 2)
      })
    }
  }
  return rows
}

/** The hubs before and after the relay count together: the disk and the machine change from second to second. */
const latency = async (
  relay: ServerProcess,
  { durable, hub }: { readonly durable: ServerProcess; readonly hub: ServerProcess }
): Promise<ReadonlyArray<Row>> => {
  const work = { pushes: 100, envelopeBytes: 632, everyMillis: 20 }
  const waits = { relay: Array<number>(), hub: Array<number>(), durable: Array<number>() }
  for (let turn = 0; turn < 3; turn++) {
    waits.hub.push(...await hubPaced(hub.address, work))
    waits.durable.push(...await hubPaced(durable.address, work))
    waits.relay.push(
      ...await runLoad(Effect.gen(function*() {
        const writer = yield* Load.attach(yield* addressOf(relay), 100 + turn)
        return yield* Load.writePaced(writer, Load.pushFrames(yield* Crypto, writer, work), work.everyMillis)
      }))
    )
  }
  const row = (server: string, each: ReadonlyArray<number>): Row => ({
    what: "50 writes a second",
    server,
    "p50 ms": round(median(each), 2),
    "p99 ms": round(each.toSorted((a, b) => a - b)[Math.floor(each.length * 0.99)] ?? 0, 2)
  })
  return [
    row("relay", waits.relay),
    row("bare ws hub", waits.hub),
    row("ws hub that syncs each write", waits.durable)
  ]
}

/** A transport that counts what it receives. */
const counting = (count: (bytes: number) => void) =>
  Layer.effect(
    Transport,
    Effect.map(Transport, ({ connect }) => ({
      connect: (address: Parameters<typeof connect>[0]) =>
        Effect.map(connect(address), (connection) => ({
          ...connection,
          receive: Effect.tap(connection.receive, (messages) =>
            Effect.sync(() => {
              for (const { length } of messages) count(length)
            }))
        }))
    }))
  )

const catchUp = async (relay: ServerProcess, base: string): Promise<ReadonlyArray<Row>> => {
  const writer = await openSotto({ dir: join(base, "writer"), label: "writer", relay: relay.address })
  const op = (): Op => ({
    collection: "notes",
    key: "",
    parents: [],
    action: { _tag: "Put", value: crypto.getRandomValues(new Uint8Array(100)) }
  })
  for (let n = 0; n < CATCH_UP_VALUES; n += 100) await writer.pushAll(Array.from({ length: 100 }, op))
  await writer.settled()
  const fresh = join(base, "fresh")
  const joined = Promise.withResolvers<void>()
  await writer.pair({
    onCode: ({ url }) => {
      joinSotto({ dir: fresh, label: "fresh", from: { url } }).then(joined.resolve, joined.reject)
    },
    approve: () => true
  })
  await joined.promise

  let wireBytes = 0
  const layer = counting((bytes) => wireBytes += bytes).pipe(
    Layer.provideMerge(NodeDevice.layer({ directory: fresh }))
  )
  const begun = performance.now()
  const cpuBefore = process.cpuUsage()
  const device = await Effect.runPromise(openFace(layer, { label: "fresh" }))
  await device.settled()
  const seconds = (performance.now() - begun) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  let values = 0
  for await (const { ops } of device.entries()) values += ops.filter(({ action }) => action._tag === "Put").length
  await device.close()
  await writer.close()
  if (values !== CATCH_UP_VALUES) throw new Error(`the fresh device has ${values} of ${CATCH_UP_VALUES} values`)
  return [{
    what: `a new device catches up ${CATCH_UP_VALUES} values of 100 bytes, verified and saved`,
    "values/s": Math.round(CATCH_UP_VALUES / seconds),
    "client CPU µs/value": round((cpu.user + cpu.system) / CATCH_UP_VALUES, 2),
    "wire bytes/value": round(wireBytes / CATCH_UP_VALUES)
  }]
}

/**
 * Of two processes that have done nothing else, after a collection: what connections keep, not their garbage. The first
 * thousand also make the process compile what a connection needs and give its heap room; the second find that there.
 */
const memory = async (relay: ServerProcess, hub: ServerProcess): Promise<ReadonlyArray<Row>> => {
  const row = async (
    server: string,
    process: ServerProcess,
    connected: (then: () => Promise<void>) => Promise<void>
  ) => {
    const resident = async () => (await process.keeps()).residentBytes
    const kib = (bytes: number) => round(bytes / 1024 / IDLE_CONNECTIONS)
    const idle = await resident()
    let first = 0
    let second = 0
    await connected(async () => {
      first = await resident()
      await connected(async () => {
        second = await resident()
      })
    })
    return {
      what: "resident memory",
      server,
      "idle MiB": round(idle / 2 ** 20),
      [`KiB each of ${IDLE_CONNECTIONS} connections`]: kib(first - idle),
      [`KiB each of ${IDLE_CONNECTIONS} more`]: kib(second - first)
    }
  }
  const onRelay = (then: () => Promise<void>) =>
    runLoad(Effect.gen(function*() {
      const address = yield* addressOf(relay)
      yield* Effect.forEach(Array.from({ length: IDLE_CONNECTIONS }), () => Load.attach(address, 200), {
        concurrency: 16,
        discard: true
      })
      yield* Effect.promise(then)
    }))
  const ours = await row("relay", relay, onRelay)
  return [ours, await row("bare ws hub", hub, (then) => hubIdle(hub.address, IDLE_CONNECTIONS, then))]
}

/** What one sync of this disk costs: no durable answer can be quicker. */
const syncTimes = (base: string): ReadonlyArray<Row> => {
  const file = openSync(join(base, "sync"), "w")
  const block = new Uint8Array(4096)
  const waits = Array.from({ length: 100 }, () => {
    const begun = performance.now()
    writeSync(file, block)
    fdatasyncSync(file)
    return performance.now() - begun
  })
  closeSync(file)
  return [{ what: "fdatasync of 4 KiB", "p50 ms": round(median(waits), 2) }]
}

/** A directory on the disk of the checkout: a temporary one may be memory. */
const workplace = () => {
  const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
  mkdirSync(base, { recursive: true })
  return mkdtempSync(join(base, "bench-"))
}

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const base = workplace()
  const sections: Record<string, ReadonlyArray<Row>> = {}
  const show = (name: string, rows: ReadonlyArray<Row>) => {
    sections[name] = rows
    if (!json) console.table(rows)
  }
  try {
    const start = (module: URL, name: string, args: ReadonlyArray<string> = []) =>
      startServer(module, { file: join(base, `${name}.mjs`), args })
    await using relay = await start(RELAY, "relay", [join(base, "relay")])
    await using hub = await start(HUB, "hub")
    await using durable = await start(HUB, "durable", [join(base, "durable.log")])
    show("disk", syncTimes(base))
    show("throughput", await throughput(relay, hub))
    show("latency", await latency(relay, { durable, hub }))
    show("catchUp", await catchUp(relay, base))
    // A fresh process: memory that earlier work has grown would hide what a connection takes.
    await using quietRelay = await start(RELAY, "quietRelay", [join(base, "quietRelay")])
    await using quietHub = await start(HUB, "quietHub")
    show("memory", await memory(quietRelay, quietHub))
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  if (json) console.log(JSON.stringify(sections))
}
