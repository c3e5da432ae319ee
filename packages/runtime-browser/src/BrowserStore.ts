/** `Store` on IndexedDB: one object store with binary keys, which IndexedDB orders by bytes as the contract asks. */
import { type Pair, Store, type StoreFailed } from "@sotto/core/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database, ENTRIES, request, storeFailed, transact } from "./Database.ts"

const bytesOf = (value: unknown): Uint8Array | undefined =>
  value instanceof Uint8Array ? value : value instanceof ArrayBuffer ? new Uint8Array(value) : undefined

const missing = (operation: string) => storeFailed(operation, new DOMException("a row is not bytes", "DataError"))

/** A key of its own buffer: IndexedDB compares the bytes of the view. */
const keyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)

/** Requests of one transaction are answered in their order: with the last one all are there. */
const valuesOf = (
  database: IDBDatabase,
  keys: ReadonlyArray<Uint8Array>
): Effect.Effect<ReadonlyArray<Uint8Array | undefined>, StoreFailed> =>
  Effect.callback((resume) => {
    const values: Array<Uint8Array | undefined> = []
    const transaction = database.transaction(ENTRIES, "readonly")
    const store = transaction.objectStore(ENTRIES)
    let isWhole = true
    transaction.oncomplete = () => resume(isWhole ? Effect.succeed(values) : Effect.fail(missing("get")))
    transaction.onabort = () => resume(Effect.fail(storeFailed("get", transaction.error)))
    for (const key of keys) {
      const asked = store.get(keyOf(key))
      asked.onsuccess = () => {
        const value = asked.result === undefined ? undefined : bytesOf(asked.result)
        isWhole &&= asked.result === undefined || value !== undefined
        values.push(value)
      }
    }
  })

const make = (database: IDBDatabase): Store["Service"] => {
  const entries = () => database.transaction(ENTRIES, "readonly").objectStore(ENTRIES)

  /** Keys and values of one range come in one transaction: two requests, answered in order. */
  const forward = (range: IDBKeyRange, limit: number): Effect.Effect<ReadonlyArray<Pair>, StoreFailed> =>
    Effect.suspend(() => {
      const store = entries()
      const found: { keys?: ReadonlyArray<unknown> } = {}
      const keys = store.getAllKeys(range, limit)
      keys.onsuccess = () => {
        found.keys = keys.result
      }
      return Effect.flatMap(
        request("scan", () => store.getAll(range, limit)),
        (values: ReadonlyArray<unknown>) => pairs(found.keys ?? [], values)
      )
    })

  const pairs = (keys: ReadonlyArray<unknown>, values: ReadonlyArray<unknown>) => {
    const out: Array<Pair> = []
    for (const [at, rawKey] of keys.entries()) {
      const key = bytesOf(rawKey), value = bytesOf(values[at])
      if (key === undefined || value === undefined) return Effect.fail(missing("scan"))
      out.push({ key, value })
    }
    return Effect.succeed(out)
  }

  const backward = (range: IDBKeyRange, limit: number): Effect.Effect<ReadonlyArray<Pair>, StoreFailed> =>
    Effect.callback<ReadonlyArray<Pair>, StoreFailed>((resume) => {
      const keys: Array<unknown> = [], values: Array<unknown> = []
      const asked = entries().openCursor(range, "prev")
      asked.onerror = () => resume(Effect.fail(storeFailed("scan", asked.error)))
      asked.onsuccess = () => {
        const cursor = asked.result
        if (cursor === null || keys.length >= limit) return resume(pairs(keys, values))
        keys.push(cursor.key)
        values.push(cursor.value)
        cursor.continue()
      }
    })

  return Store.of({
    get: (key) =>
      Effect.flatMap(request("get", () => entries().get(keyOf(key))), (value: unknown) => {
        if (value === undefined) return Effect.succeed(undefined)
        const bytes = bytesOf(value)
        return bytes === undefined ? Effect.fail(missing("get")) : Effect.succeed(bytes)
      }),
    getMany: (keys) => keys.length === 0 ? Effect.succeed([]) : valuesOf(database, keys),
    scan: ({ from, limit, reverse, to }) =>
      Effect.suspend(() => {
        // IndexedDB refuses a range that is empty by its bounds.
        if (limit <= 0 || indexedDB.cmp(keyOf(from), keyOf(to)) >= 0) return Effect.succeed([])
        const range = IDBKeyRange.bound(keyOf(from), keyOf(to), false, true)
        return reverse === true ? backward(range, limit) : forward(range, limit)
      }),
    commit: (writes) =>
      transact(database, ENTRIES, "commit", (store) => {
        for (const { key, value } of writes) {
          if (value === undefined) store.delete(keyOf(key))
          else store.put(new Uint8Array(value), keyOf(key))
        }
      })
  })
}

export const layer: Layer.Layer<Store, never, Database> = Layer.effect(Store, Effect.map(Database, make))
