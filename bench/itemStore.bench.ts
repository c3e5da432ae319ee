/**
 * What items cost that a device keeps: 100,000 of them in a SQLite file, sealed, on Node's primitives. Taken in from a log,
 * written and read one by one, and how long the first question takes after a start: when they are kept, when they have to be
 * built from the log, and when they are built in memory. All by the clock, commits synced to disk included.
 */
import { Crypto } from "@sotto/core/Crypto"
import * as Collection from "@sotto/core/item/Collection"
import * as DurableItemStore from "@sotto/core/item/DurableItemStore"
import * as Graph from "@sotto/core/item/Graph"
import { Author, type ItemEntry, OpId, put } from "@sotto/core/item/Item"
import type { ItemStore } from "@sotto/core/item/ItemStore"
import * as MemoryItemStore from "@sotto/core/item/MemoryItemStore"
import * as Query from "@sotto/core/item/Query"
import * as Keystore from "@sotto/core/Keystore"
import * as ItemFeed from "@sotto/core/log/ItemFeed"
import * as Journal from "@sotto/core/log/Journal"
import * as Secret from "@sotto/core/Secret"
import { Store } from "@sotto/core/Store"
import * as NodeCrypto from "@sotto/runtime-node/NodeCrypto"
import * as NodeStore from "@sotto/runtime-node/NodeStore"
import type { Op } from "@sotto/schema/Entry"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as World from "../packages/core/test/kit/World.ts"

interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
}
type Add = (figure: Figure) => void

const ITEMS = 100_000
const EDITED = 10_000
const PAGE = 1_000
const READS = 2_000
const WRITES = 500
const OPS_PER_ENTRY = 100

const self = Author("11".repeat(32))
const idAt = (name: string): OpId => OpId(createHash("sha256").update(name).digest("hex"))
const keyAt = (number: number): string => `items/${String(number).padStart(6, "0")}`
const valueAt = (number: number): Uint8Array => new Uint8Array(100).fill(number & 0xff)

const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const base = fileURLToPath(new URL("../.tmp/", import.meta.url))
    mkdirSync(base, { recursive: true })
    return mkdtempSync(join(base, "bench-"))
  }),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const bytesIn = (directory: string): number =>
  readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0)

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/** Processor time of some work: what waits for a disk, and for others of this machine, is not in it. */
const cpuOf = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<number, never, R> =>
  Effect.gen(function*() {
    const from = cpuMillis()
    yield* Effect.orDie(work)
    return cpuMillis() - from
  })

const entryAt = (name: string, number: number, key: string, parents: ReadonlyArray<string>): ItemEntry => ({
  id: idAt(`${name} ${number}`),
  author: self,
  hlc: { millis: 1_790_000_000_000 + number, counter: 0 },
  ops: [{ collection: "bench", key, parents: parents.map(idAt), action: put(valueAt(number)) }]
})

const applyAll = <E>(store: ItemStore<E>, entries: ReadonlyArray<ItemEntry>, page = PAGE): Effect.Effect<void, E> =>
  Effect.gen(function*() {
    for (let at = 0; at < entries.length; at += page) {
      const { writes } = yield* Graph.apply(store, entries.slice(at, at + page))
      yield* store.commit(writes)
    }
  })

/** Places that follow each other in no order. */
const scattered = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, number) => (number * 7919 + 13) % ITEMS)

const stored = (add: Add): Effect.Effect<void, never, Crypto | Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* directory
    const store = yield* Effect.orDie(NodeStore.make({ directory: folder }))
    const crypto = yield* Crypto
    const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
    const items = yield* DurableItemStore.make({ crypto, keystore, store })
    const rate = (what: string, count: number, work: Effect.Effect<unknown, unknown>) =>
      Effect.map(cpuOf(work), (millis) => add({ what, value: count / millis * 1000, unit: "/s" }))
    const creations = scattered(ITEMS).map((number) => entryAt("new", number, keyAt(number), []))
    yield* rate("taken in: new items, an entry each", ITEMS, applyAll(items, creations))
    add({ what: "on disk, an item with a value of 100 bytes", value: bytesIn(folder) / ITEMS, unit: "bytes" })
    const edits = scattered(EDITED).map((number) => entryAt("edit", number, keyAt(number), [`new ${number}`]))
    yield* rate("taken in: edits", EDITED, applyAll(items, edits))
    const later = scattered(WRITES).map((number) => entryAt("later", number, keyAt(number), [`edit ${number}`]))
    yield* rate("one edit a commit", WRITES, applyAll(items, later, 1))
    const notes = Collection.make("bench", { form: Collection.bytes })
    yield* rate(
      "items read by key",
      READS,
      Effect.forEach(scattered(READS), (number) => Collection.view(items, notes, keyAt(number), self))
    )
    const asked = { collection: "bench", prefix: "items/05", limit: 100 }
    yield* rate("pages of 100 items of a prefix", 100, Effect.repeat(Query.run(items, asked), { times: 99 }))
  })

const opAt = (number: number): Op => ({
  collection: "bench",
  key: keyAt(number),
  parents: [],
  action: { _tag: "Put", value: valueAt(number) }
})

/** A device whose log says of 100,000 items what they are. */
const opened = (add: Add) =>
  Effect.gen(function*() {
    const folder = yield* directory
    const world = yield* World.make
    const host = yield* world.makeDevice("bench", yield* Effect.orDie(NodeStore.make({ directory: folder })))
    yield* World.create(host, "bench", [])
    yield* host.open
    for (let at = 0; at < ITEMS; at += OPS_PER_ENTRY) {
      yield* Effect.orDie(host.client().pushAll(Array.from({ length: OPS_PER_ENTRY }, (_, k) => opAt(at + k))))
    }
    const identity = host.identity()
    yield* host.close
    const withFeed = (
      what: string,
      storeOf: (journal: Journal.Journal) => Effect.Effect<DurableItemStore.DurableItemStore, never, Scope.Scope>
    ) =>
      Effect.scoped(host.run(Effect.gen(function*() {
        const parts = { crypto: yield* Crypto, store: yield* Store, keystore: yield* Keystore.Keystore, identity }
        const from = [performance.now(), cpuMillis()] as const
        const journal = yield* Effect.orDie(Journal.open(parts))
        const feed = yield* ItemFeed.make(journal, yield* storeOf(journal))
        yield* Effect.orDie(feed.current)
        yield* Effect.orDie(feed.items.query({ collection: "bench", limit: 100 }))
        add({ what, value: cpuMillis() - from[1], unit: "ms" })
        add({ what: `${what}, by the clock`, value: performance.now() - from[0], unit: "ms" })
      })))
    const inMemory = () => Effect.sync(() => ({ ...MemoryItemStore.make(), drop: Effect.void }))
    yield* withFeed("first page, items built in memory", inMemory)
    yield* withFeed("first page, items built from the log", DurableItemStore.make)
    yield* withFeed("first page, items kept", DurableItemStore.make)
  })

/** @public */
export const run = async ({ json }: { readonly json: boolean }): Promise<void> => {
  const figures: Array<Figure> = []
  const add: Add = (figure) => {
    figures.push(figure)
    if (!json) console.log(text(figure))
  }
  await Effect.runPromise(
    Effect.andThen(Effect.scoped(stored(add)), Effect.scoped(opened(add))).pipe(
      Effect.provide(Layer.orDie(NodeCrypto.layer)),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  )
  if (json) console.log(JSON.stringify({ unit: "by the clock", figures }))
}

const text = ({ unit, value, what }: Figure): string =>
  `${what.padEnd(46)} ${String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",").padStart(10)} ${unit}`
