/** What every `ItemStore` must do (core/src/item/ItemStore.ts), against a plain list of rows. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import {
  Author,
  compareIds,
  compareKeys,
  type ItemRef,
  nameOf,
  type Operation,
  OpId,
  put
} from "../../src/item/Item.ts"
import type { EntryRow, ItemStore, ItemWrite, KeyRange, OpRow } from "../../src/item/ItemStore.ts"

const COLLECTIONS = ["", "a", "ab"]
const KEYS = ["b", "bc", "bcd", "c", "ｚ", "😀", "é"]
const IDS = Array.from({ length: 6 }, (_, number) => OpId(String(number).repeat(64)))

const collection = fc.constantFrom(...COLLECTIONS)
const item: fc.Arbitrary<ItemRef> = fc.record({ collection, key: fc.constantFrom(...KEYS) })
const id = fc.constantFrom(...IDS)
const orGone = <A>(row: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> => fc.option(row, { nil: undefined, freq: 3 })

const operation = (name: OpId, said: number): Operation => ({
  id: name,
  author: Author("a".repeat(64)),
  hlc: { millis: said, counter: 0 },
  parents: [],
  action: put(Uint8Array.of(said)),
  generation: 0
})

const entryRow: fc.Arbitrary<EntryRow> = fc.oneof(
  fc.constant<EntryRow>({ _tag: "Applied" }),
  fc.constant<EntryRow>({ _tag: "Gone" }),
  fc.record({ of: id, missing: fc.uniqueArray(id, { maxLength: 3 }), gone: fc.boolean() }).map(
    ({ gone, missing, of }): EntryRow => {
      const { author, hlc, id } = operation(of, 1)
      return { _tag: "Waiting", entry: { id, author, hlc, ops: [] }, missing, gone }
    }
  )
)

const writeOf: fc.Arbitrary<ItemWrite> = fc.oneof(
  fc.record({ table: fc.constant("entry" as const), id, row: orGone(entryRow) }).map((write) => {
    // A row is of the entry whose name it stands under.
    const { id, row } = write
    return row?._tag === "Waiting" ? { ...write, row: { ...row, entry: { ...row.entry, id } } } : write
  }),
  fc.record({
    table: fc.constant("op" as const),
    item,
    id,
    row: orGone(fc.record({ said: fc.nat({ max: 9 }), known: fc.boolean(), children: fc.nat({ max: 1 }) }))
  }).map(({ id, row, ...write }): ItemWrite => ({
    ...write,
    id,
    row: row === undefined ? undefined : { op: row.known ? operation(id, row.said) : null, children: row.children }
  })),
  fc.record({ table: fc.constant("waiting" as const), missing: id, id, row: orGone(fc.constant(true as const)) }),
  fc.record({ table: fc.constant("contested" as const), item, row: orGone(fc.constant(true as const)) }),
  fc.record({ table: fc.constant("mark" as const), row: fc.nat() })
)

const rangeOf: fc.Arbitrary<KeyRange> = fc.record({
  collection,
  prefix: fc.constantFrom("", "b", "bc", "ｚ", "q"),
  after: fc.option(fc.constantFrom(...KEYS, "bb"), { nil: "" }),
  reverse: fc.boolean(),
  limit: fc.nat({ max: 8 })
}).map(({ after, ...range }) => after === "" ? range : { ...range, after })

const commits = fc.array(fc.tuple(fc.array(writeOf, { maxLength: 20, size: "max" }), rangeOf), {
  maxLength: 6,
  size: "max"
})

/** Rows by their keys, and nothing to find them with. */
class Plain {
  readonly #rowByKey = new Map<string, ItemWrite>()

  write(write: ItemWrite): void {
    const key = write.table === "entry"
      ? write.id
      : write.table === "waiting"
      ? `${write.missing} ${write.id}`
      : write.table === "mark"
      ? ""
      : `${nameOf(write.item)} ${write.table === "op" ? write.id : ""}`
    if (write.row === undefined) this.#rowByKey.delete(`${write.table} ${key}`)
    else this.#rowByKey.set(`${write.table} ${key}`, write)
  }

  of<T extends ItemWrite["table"]>(table: T): ReadonlyArray<Extract<ItemWrite, { readonly table: T }>> {
    const isOf = (write: ItemWrite): write is Extract<ItemWrite, { readonly table: T }> => write.table === table
    return [...this.#rowByKey.values()].filter(isOf)
  }

  entry(id: OpId): EntryRow | undefined {
    return this.of("entry").find((write) => write.id === id)?.row
  }

  op(item: ItemRef, id: OpId): OpRow | undefined {
    return this.of("op").find((write) => nameOf(write.item) === nameOf(item) && write.id === id)?.row
  }

  heads(item: ItemRef): ReadonlyArray<Operation> {
    return this.of("op").flatMap(({ item: other, row }) =>
      nameOf(other) === nameOf(item) && row !== undefined && row.op !== null && row.children === 0 ? [row.op] : []
    ).sort((a, b) => compareIds(a.id, b.id))
  }

  waiting(after: OpId, limit: number) {
    return this.of("entry").flatMap(({ row }) => row?._tag === "Waiting" ? [row] : [])
      .filter(({ entry }) => entry.id > after).sort((a, b) => compareIds(a.entry.id, b.entry.id)).slice(0, limit)
      .map(({ entry, missing }) => ({ entry, missing }))
  }

  keys(
    items: ReadonlyArray<ItemRef>,
    { after, collection, limit, prefix, reverse = false }: KeyRange
  ): ReadonlyArray<string> {
    const order = (a: string, b: string) => reverse ? compareKeys(b, a) : compareKeys(a, b)
    return [...new Set(items.filter((item) => item.collection === collection).map(({ key }) => key))]
      .filter((key) => key.startsWith(prefix) && (after === undefined || order(key, after) > 0))
      .sort(order).slice(0, limit)
  }

  scan(range: KeyRange) {
    const items = this.of("op").map(({ item }) => item).filter((item) => this.heads(item).length > 0)
    return this.keys(items, range).map((key) => ({
      collection: range.collection,
      key,
      heads: this.heads({ collection: range.collection, key })
    }))
  }
}

/** Asks both everything there is to ask. */
const assertAlike = (store: ItemStore<unknown>, plain: Plain, range: KeyRange): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const items = COLLECTIONS.flatMap((collection) => KEYS.map((key) => ({ collection, key })))
    const refs = items.flatMap((item) => IDS.map((id) => ({ item, id })))
    assert.deepStrictEqual(yield* store.entries(IDS), IDS.map((id) => plain.entry(id)))
    assert.strictEqual(yield* store.mark, plain.of("mark")[0]?.row ?? 0)
    assert.deepStrictEqual(yield* store.ops(refs), refs.map(({ id, item }) => plain.op(item, id)))
    assert.deepStrictEqual(yield* store.heads(items), items.map((item) => plain.heads(item)))
    const waiters = (yield* store.waitingFor(IDS)).map((ids) => ids.toSorted(compareIds))
    assert.deepStrictEqual(
      waiters,
      IDS.map((missing) =>
        plain.of("waiting").filter((write) => write.missing === missing).map((write) => write.id).sort(compareIds)
      )
    )
    for (const after of [OpId(""), ...IDS.slice(0, 3)]) {
      const page = { limit: range.limit, ...(after === "" ? {} : { after }) }
      assert.deepStrictEqual(yield* store.waiting(page), plain.waiting(after, range.limit))
    }
    for (const one of [range, ...WHOLE]) {
      assert.deepStrictEqual(yield* store.scan(one), plain.scan(one))
      const { collection, limit, prefix } = one
      const ascending = { collection, limit, prefix, ...(one.after === undefined ? {} : { after: one.after }) }
      const items = plain.of("contested").map((write) => write.item)
      assert.deepStrictEqual(yield* store.contested(ascending), plain.keys(items, ascending))
    }
  })

const WHOLE: ReadonlyArray<KeyRange> = COLLECTIONS.map((collection) => ({ collection, prefix: "", limit: 99 }))

/** `make` gives a store that holds nothing, each time anew. */
export const itemStoreConformance = (
  name: string,
  make: () => ItemStore<unknown>,
  { runs = 150 }: { readonly runs?: number } = {}
): void => {
  describe(`the item store ${name}`, () => {
    it("answers what was written, in the order that is promised", () => {
      let [scanned, contested] = [0, 0]
      fc.assert(
        fc.property(commits, (all) => {
          const [store, plain] = [make(), new Plain()]
          for (const [writes, range] of all) {
            Effect.runSync(Effect.orDie(store.commit(writes)))
            for (const write of writes) plain.write(write)
            Effect.runSync(Effect.orDie(assertAlike(store, plain, range)))
            for (const one of WHOLE) scanned += plain.scan(one).length
            contested += plain.of("contested").length
          }
        }),
        { numRuns: runs }
      )
      assert.isAbove(Math.min(scanned, contested), runs / 2)
    })

    it("changes nothing that it gave away", () => {
      const store = make()
      const at = { collection: "a", key: "b" }
      const [one, two] = [operation(IDS[0] ?? OpId(""), 1), operation(IDS[1] ?? OpId(""), 2)]
      const writeHead = (op: Operation, children: number) =>
        Effect.runSync(Effect.orDie(store.commit([{ table: "op", item: at, id: op.id, row: { op, children } }])))
      writeHead(one, 0)
      const before = Effect.runSync(Effect.orDie(store.heads([at])))
      writeHead(two, 0)
      writeHead(one, 1)
      assert.deepStrictEqual(before, [[one]])
      assert.deepStrictEqual(Effect.runSync(Effect.orDie(store.heads([at]))), [[two]])
    })
  })
}
