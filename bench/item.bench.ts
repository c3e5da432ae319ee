/**
 * What the graph of items does in a second of this machine's processor, over its tables in memory: 100,000 operations taken
 * in, as new items, as edits and in the worst order, queries over them, and conflicts merged; and the heap that they take.
 */
import * as Collection from "@sotto/core/item/Collection"
import * as Graph from "@sotto/core/item/Graph"
import { Author, type ItemEntry, OpId, put } from "@sotto/core/item/Item"
import type { ItemStore } from "@sotto/core/item/ItemStore"
import * as MemoryItemStore from "@sotto/core/item/MemoryItemStore"
import { fields, threeWayMap } from "@sotto/core/item/merge/ThreeWayMap"
import * as Query from "@sotto/core/item/Query"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

interface Figure {
  readonly what: string
  readonly value: number
  readonly unit: string
}

const OPS = 100_000
const ITEMS = 10_000
const PAGE = 1_000
const CONFLICTS = 2_000
const QUERIES = 3
const ROUNDS = 3

const self = Author("11".repeat(32))
const other = Author("22".repeat(32))

const idAt = (name: string): OpId => OpId(createHash("sha256").update(name).digest("hex"))
const keyAt = (number: number): string => `items/${String(number % ITEMS).padStart(6, "0")}`
const value = (number: number): Uint8Array =>
  fields.encode(new Map([["title", Uint8Array.of(number & 0xff, 1)], ["body", new Uint8Array(64)]]))

const entryAt = (name: string, number: number, options: {
  readonly key: string
  readonly parents: ReadonlyArray<string>
  readonly author?: Author
}): ItemEntry => ({
  id: idAt(`${name} ${number}`),
  author: options.author ?? self,
  hlc: { millis: 1_790_000_000_000 + number, counter: 0 },
  ops: [{ collection: "bench", key: options.key, parents: options.parents.map(idAt), action: put(value(number)) }]
})

/** Each an item of its own. */
const creations = Array.from(
  { length: OPS },
  (_, number) => entryAt("new", number, { key: `new/${String(number).padStart(6, "0")}`, parents: [] })
)
/** Each item is written ten times. */
const edits = Array.from(
  { length: OPS },
  (_, number) =>
    entryAt("edit", number, { key: keyAt(number), parents: number < ITEMS ? [] : [`edit ${number - ITEMS}`] })
)
/** Two versions of each of some items. */
const forks = Array.from({ length: CONFLICTS }, (_, number) => {
  const options = { key: keyAt(number), parents: [`edit ${OPS - ITEMS + number}`] }
  return [
    entryAt("left", OPS + number, options),
    entryAt("right", OPS + number + 1, { ...options, author: other })
  ]
}).flat()

const cpuMillis = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** Processor time of one measurement, at least: its clock is coarse. */
const CPU_MILLIS = 400

/** How many in a second, as the median of some rounds. `run` does `count` of them, on what `prepare` makes. */
const rate = <A>(count: number, prepare: () => A, run: (prepared: A) => void): number =>
  median(Array.from({ length: ROUNDS }, () => {
    let [done, spent] = [0, 0]
    while (spent < CPU_MILLIS) {
      const prepared = prepare()
      const from = cpuMillis()
      run(prepared)
      spent += cpuMillis() - from
      done += count
    }
    return done / spent * 1000
  }))

const applyAll = (store: ItemStore<never>, entries: ReadonlyArray<ItemEntry>): void => {
  for (let at = 0; at < entries.length; at += PAGE) {
    for (let page = entries.slice(at, at + PAGE), more = true; more; page = []) {
      const outcome = Effect.runSync(Graph.apply(store, page))
      Effect.runSync(store.commit(outcome.writes))
      more = outcome.more
    }
  }
}

const storeOf = (...pages: ReadonlyArray<ReadonlyArray<ItemEntry>>): ItemStore<never> => {
  const store = MemoryItemStore.make()
  for (const page of pages) applyAll(store, page)
  return store
}

const heapBytes = (): number => {
  setFlagsFromString("--expose_gc")
  const collect: () => void = runInNewContext("gc")
  collect()
  collect()
  return getHeapStatistics().used_heap_size
}

/** Heap of the tables for each operation. The entries stay with who made them, and their parts are shared. */
const heapPerOp = (entries: ReadonlyArray<ItemEntry>): number => {
  const before = heapBytes()
  const store = storeOf(entries)
  const used = heapBytes() - before
  Effect.runSync(store.heads([]))
  return used / entries.length
}

const notes = Collection.make("bench", { form: Collection.bytes, merge: threeWayMap({ field: ({ local }) => local }) })

const measure = (add: (figure: Figure) => void): void => {
  const ops = "operations/s"
  add({ what: "new items", value: rate(OPS, MemoryItemStore.make, (store) => applyAll(store, creations)), unit: ops })
  add({
    what: "edits of 10,000 items",
    value: rate(OPS, MemoryItemStore.make, (store) => applyAll(store, edits)),
    unit: ops
  })
  const backwards = edits.toReversed()
  add({
    what: "edits, last first",
    value: rate(OPS, MemoryItemStore.make, (store) => applyAll(store, backwards)),
    unit: ops
  })

  const store = storeOf(creations, edits)
  const query = (what: string, asked: Omit<Query.Query, "collection">) => {
    const ask = () => {
      for (let time = 0; time < QUERIES; time++) Effect.runSync(Query.run(store, { collection: "bench", ...asked }))
    }
    add({ what, value: rate(QUERIES, () => undefined, ask), unit: "queries/s" })
  }
  query("query: 100 items of a prefix", { prefix: "items/001", limit: 100 })
  query("query: 100 items behind 5,000", { prefix: "items/", offset: 5_000, limit: 100 })
  query("query: the last 100 by time of 110,000", { order: "time", reverse: true, limit: 100 })

  const forked = storeOf(edits, forks)
  const views = () => {
    for (let number = 0; number < CONFLICTS; number++) {
      Effect.runSync(Collection.view(forked, notes, keyAt(number), self))
    }
  }
  views()
  add({ what: "two versions merged with their base", value: rate(CONFLICTS, () => forked, views), unit: "merges/s" })
  add({ what: "heap, an item written once", value: heapPerOp(creations), unit: "bytes/operation" })
  add({ what: "heap, items written ten times", value: heapPerOp(edits), unit: "bytes/operation" })
}

const text = ({ unit, value, what }: Figure): string =>
  `${what.padEnd(40)} ${String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",").padStart(12)} ${unit}`

/** @public */
export const run = ({ json }: { readonly json: boolean }): void => {
  const figures: Array<Figure> = []
  measure((figure) => {
    figures.push(figure)
    if (!json) console.log(text(figure))
  })
  if (json) console.log(JSON.stringify({ unit: "per second of processor time", figures }))
}
