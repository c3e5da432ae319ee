/**
 * A large space on a device, over SQLite on both sides, with the relay in the same thread: how long the device takes to
 * open it and what memory it needs then; what one new entry costs at the relay's and at another device; what it costs to
 * compare everything with the relay, and to compare with a relay that has all but one entry, with sets that are built, saved,
 * and opened again by a later process, at the device and at the relay; what it takes to look everything through. Times are the clock's, and the processor's of all sides together.
 *
 * SOTTO_BENCH_ENTRIES says how many entries (100,000 unless given).
 */
import type { Client } from "@sotto/core/Client"
import { Crypto } from "@sotto/core/Crypto"
import * as Sotto from "@sotto/core/Sotto"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeRelayStore from "@sotto/runtime-node/NodeRelayStore"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import type { Op } from "@sotto/schema/Entry"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as World from "../packages/core/test/kit/World.ts"

interface Figure {
  readonly what: string
  readonly millis: number
  readonly cpuMillis: number
  /** Of the whole process, over what it was before. */
  readonly memoryMiB: number
}

const ENTRIES = Number(process.env["SOTTO_BENCH_ENTRIES"] ?? 100_000)
const BILLION = 1_000_000_000
/** By when the relay has saved its set. */
const SAVED_MILLIS = 2000 + ENTRIES / 20

/** No rate limit in the way: what is measured is the work. */
const settings = {
  limits: {
    messagesPerSecond: BILLION,
    messagesBurst: BILLION,
    routeMessagesPerSecond: BILLION,
    routeBytesMax: Number.MAX_SAFE_INTEGER
  }
}

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
    mkdirSync(base, { recursive: true })
    return mkdtempSync(join(base, "bench-"))
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** Writes of one item never share an entry. */
const value = (i: number): ReadonlyArray<Op> => [{
  collection: "values",
  key: `${Math.floor(i / 512)}`,
  parents: [],
  action: { _tag: "Put", value: Utf8.encode(`value number ${i}`) }
}]

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const residentMiB = (): number => {
  // More than once: what arrays leave behind is given back late.
  for (let i = 0; i < 3; i++) if (typeof collect === "function") collect()
  return process.memoryUsage().rss / 2 ** 20
}

const timed = Effect.fnUntraced(function*<A, E, R>(what: string, work: Effect.Effect<A, E, R>) {
  const before = residentMiB()
  const [from, cpuFrom] = [performance.now(), cpuMillis()]
  yield* Effect.orDie(work)
  const [millis, spent] = [performance.now() - from, cpuMillis() - cpuFrom]
  const figure: Figure = { what, millis, cpuMillis: spent, memoryMiB: residentMiB() - before }
  if (process.env["SOTTO_BENCH_PROGRESS"] !== undefined) console.error(line(figure))
  return figure
})

const line = ({ cpuMillis, memoryMiB, millis, what }: Figure): string =>
  `${what.padEnd(64)} ${millis.toFixed(1).padStart(10)} ms  ${cpuMillis.toFixed(1).padStart(10)} ms of processor  ` +
  `${memoryMiB.toFixed(1).padStart(8)} MiB`

/** Bytes of a folder's files. */
const megabytesOf = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 1e6

const fill = (client: Client["Service"], from: number, count: number) =>
  Effect.forEach(Array.from({ length: count }, (_, i) => from + i), (i) => client.pushAll(value(i)), {
    concurrency: 512,
    discard: true
  })

const all = Effect.gen(function*() {
  const crypto = yield* Crypto
  const figures: Array<Figure> = []
  const world = yield* World.make
  const [relayFolder, writerFolder, readerFolder] = [yield* folder, yield* folder, yield* folder]
  const relayStore = yield* NodeRelayStore.make({ directory: relayFolder }, crypto)
  const relay = yield* world.makeRelay({ settings, store: relayStore })
  const writer = yield* world.makeDevice("writer", yield* NodeStore.make({ directory: writerFolder }))
  yield* World.create(writer, "writer", [relay])
  yield* writer.open
  figures.push(
    yield* timed(
      `${ENTRIES} entries, written and stored at the relay`,
      Effect.gen(function*() {
        for (let from = 0; from < ENTRIES; from += 20_000) {
          yield* fill(writer.client(), from, Math.min(20_000, ENTRIES - from))
          yield* writer.client().settled
        }
      })
    )
  )
  const reader = yield* World.admit(world, writer, "reader", 3, yield* NodeStore.make({ directory: readerFolder }))
  yield* writer.client().settled
  yield* reader.open
  figures.push(yield* timed("read by another device", reader.client().pull))
  yield* reader.close
  figures.push(yield* timed("opened again", reader.open))
  yield* reader.client().pull
  figures.push(
    yield* timed(
      "one new entry, written, stored and read by the other",
      Effect.gen(function*() {
        yield* writer.client().pushAll(value(ENTRIES))
        yield* writer.client().settled
        yield* reader.client().pull
      })
    )
  )
  figures.push(yield* timed("compared with the relay, sets built on both sides", reader.client().reconcile))
  figures.push(yield* timed("compared again", reader.client().reconcile))
  yield* writer.client().pushAll(value(ENTRIES + 1))
  yield* writer.client().settled
  figures.push(yield* timed("one new entry, and compared", reader.client().reconcile))
  figures.push(yield* timed("closed, with the set saved", reader.close))
  yield* reader.open
  yield* reader.client().pull
  figures.push(yield* timed("compared, with the device's set opened again", reader.client().reconcile))
  figures.push(yield* timed("closed, with nothing to save", reader.close))
  // Between its writes, a set that is being saved waits.
  yield* Effect.sleep(SAVED_MILLIS)
  yield* relay.stop
  yield* relay.start
  yield* reader.open
  yield* reader.client().pull
  figures.push(yield* timed("compared, with the relay's set opened again, too", reader.client().reconcile))
  yield* reader.close
  figures.push(yield* timed("everything that the device has saved, looked through", reader.run(Sotto.verify())))
  const megabytes = {
    relay: megabytesOf(relayFolder),
    writer: megabytesOf(writerFolder),
    reader: megabytesOf(readerFolder)
  }
  return { figures, megabytes }
})

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const { figures, megabytes } = await Effect.runPromise(
    Effect.scoped(all).pipe(
      Effect.orDie,
      Effect.provide(Layer.orDie(NodeCrypto.layer)),
      Effect.provideService(References.MinimumLogLevel, "Error")
    )
  )
  if (json) return console.log(JSON.stringify({ entries: ENTRIES, figures, megabytes }))
  for (const figure of figures) console.log(line(figure))
  for (const [who, size] of Object.entries(megabytes)) console.log(`on the disk of the ${who}: ${size.toFixed(1)} MB`)
}
