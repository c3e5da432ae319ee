/**
 * What a device does in a second: values written one after the other and many at once, each durable before it is
 * answered, and 100,000 values of another device read from a relay, opened, checked and stored. On Node's primitives,
 * over a store in memory and one in a SQLite file, with the relay in the same thread: its work is in the figures.
 */
import type { Client } from "@sotto/core/Client"
import type { Store } from "@sotto/core/Store"
import { makeMemory } from "@sotto/core/Store"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import type { Op } from "@sotto/schema/Entry"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as World from "../packages/core/test/kit/World.ts"

type Kind = "memory" | "sqlite"

interface Figure {
  readonly what: string
  readonly store: Kind
  readonly values: number
  readonly valuesPerSecond: number
}

const BILLION = 1_000_000_000
const VALUES = 100_000
const VALUES_PER_ENTRY = 100

/** No rate limit in the way: what is measured is the work. */
const settings = {
  limits: {
    messagesPerSecond: BILLION,
    messagesBurst: BILLION,
    routeMessagesPerSecond: BILLION,
    routeBytesMax: Number.MAX_SAFE_INTEGER
  }
}

const storeOf = (kind: Kind): Effect.Effect<Store["Service"], never, Scope.Scope> => {
  if (kind === "memory") return Effect.sync(makeMemory)
  const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
  return Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(base, { recursive: true })
      return mkdtempSync(join(base, "bench-"))
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ).pipe(Effect.flatMap((directory) => Effect.orDie(NodeStore.make({ directory }))))
}

const value = (i: number): Uint8Array => Utf8.encode(`value number ${i} of a device that writes a lot of them`)

const entry = (from: number): ReadonlyArray<Op> =>
  Array.from({ length: VALUES_PER_ENTRY }, (_, k) => ({
    collection: "values",
    key: `${from + k}`,
    parents: [],
    action: { _tag: "Put", value: value(from + k) }
  }))

const timed = Effect.fnUntraced(function*(
  what: string,
  store: Kind,
  values: number,
  work: Effect.Effect<unknown, unknown>
) {
  const from = performance.now()
  yield* Effect.orDie(work)
  const millis = performance.now() - from
  const figure: Figure = { what, store, values, valuesPerSecond: Math.round(values / millis * 1000) }
  return figure
})

const writes = Effect.fnUntraced(function*(kind: Kind) {
  const world = yield* World.make
  const host = yield* world.makeDevice("writer", yield* storeOf(kind))
  yield* World.create(host, "writer", [])
  const client: Client["Service"] = yield* host.open
  const push = (i: number) => client.push(value(i))
  const count = kind === "memory" ? 5000 : 1000
  const numbers = Array.from({ length: count }, (_, i) => i)
  return [
    yield* timed("write, one by one", kind, count, Effect.forEach(numbers, push, { discard: true })),
    yield* timed(
      "write, 256 at once",
      kind,
      count * 10,
      Effect.forEach(Array.from({ length: count * 10 }, (_, i) => i), push, { concurrency: 256, discard: true })
    )
  ]
})

/** `together`: how many entries of the writer share a signature. */
const catchUp = Effect.fnUntraced(function*(kind: Kind, together: number) {
  const world = yield* World.make
  const relay = yield* world.makeRelay({ settings })
  const writer = yield* World.found(world, "writer", [relay])
  yield* writer.client().settled
  const reader = yield* World.admit(world, writer, "reader", 3, yield* storeOf(kind))
  const starts = Array.from({ length: VALUES / VALUES_PER_ENTRY }, (_, i) => i * VALUES_PER_ENTRY)
  yield* Effect.orDie(
    Effect.forEach(starts, (from) => writer.client().pushAll(entry(from)), { concurrency: together, discard: true })
  )
  yield* writer.client().settled
  const what = together === 1 ? "catch up, each entry signed" : "catch up, signed in batches"
  const read = Effect.gen(function*() {
    const client = yield* reader.open
    yield* client.pull
  })
  return yield* timed(what, kind, VALUES, read)
})

const all = Effect.gen(function*() {
  const figures: Array<Figure> = []
  for (const kind of ["memory", "sqlite"] as const) {
    figures.push(...(yield* Effect.scoped(writes(kind))))
    figures.push(yield* Effect.scoped(catchUp(kind, 100)))
    figures.push(yield* Effect.scoped(catchUp(kind, 1)))
  }
  return figures
})

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const figures = await Effect.runPromise(
    all.pipe(
      Effect.provide(Layer.orDie(NodeCrypto.layer)),
      Effect.provideService(References.MinimumLogLevel, "Error")
    )
  )
  if (json) return console.log(JSON.stringify({ figures }))
  for (const { store, values, valuesPerSecond, what } of figures) {
    console.log(
      `${store.padEnd(7)} ${what.padEnd(28)} ${String(values).padStart(7)} values  ` +
        `${String(valuesPerSecond).padStart(7)} values/s`
    )
  }
}
