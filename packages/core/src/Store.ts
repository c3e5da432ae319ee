/**
 * What a device's side of core asks of storage: one ordered map from byte keys to byte values, with atomic, durable
 * batches. SQLite, IndexedDB and the simulator's disk are small adapters of it, checked by one conformance suite.
 *
 * Invariants that every Layer keeps:
 * 1. `commit` is all or nothing, and durable when it answers.
 * 2. Reads see every commit that answered before they began.
 * 3. Keys are ordered by bytes (`Bytes.compare`).
 * 4. Values come back as fresh arrays that the caller owns.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/**
 * The platform's storage failed. `full`: no space; `corrupt`: it no longer reads; `locked`: another process has it;
 * `foreign`: it is something else's; `version`: a newer release wrote it.
 */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  reason: Schema.Literals(["full", "corrupt", "locked", "permission", "foreign", "version", "unavailable"]),
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    const next = {
      full: "Free space and try again: nothing that was saved before is lost.",
      corrupt: "Copy the directory away before anything else; other devices and the relay still hold what was sent.",
      locked: "Nothing was changed. Close the other process that uses this directory.",
      permission: "Nothing was changed. Check the owner and mode of the directory.",
      foreign: "Nothing was changed there: name another directory.",
      version: "Nothing was changed there: use that release, or a newer one.",
      unavailable: "What was saved before is kept. Try again; if it stays, look at the detail."
    }[this.reason]
    return `Storage failed in ${this.operation} (${this.reason}: ${this.detail}). ${next}`
  }
}

/** A write of a batch; `value` absent deletes. */
export interface Write {
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

export interface Pair {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Keys from `from` (included) to `to` (not included), ascending unless `reverse`, at most `limit`. */
export interface Range {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly limit: number
  readonly reverse?: boolean
}

export class Store extends Context.Service<Store, {
  readonly get: (key: Uint8Array) => Effect.Effect<Uint8Array | undefined, StoreFailed>
  /** The values of some keys, in their order, as `get` has each: one question to the platform, or a few. */
  readonly getMany: (
    keys: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<ReadonlyArray<Uint8Array | undefined>, StoreFailed>
  readonly scan: (range: Range) => Effect.Effect<ReadonlyArray<Pair>, StoreFailed>
  readonly commit: (writes: ReadonlyArray<Write>) => Effect.Effect<void, StoreFailed>
}>()("@sotto/core/Store") {}

/** Keys that may come one by one without the others being sorted anew. */
const INSERTED_MAX = 64

/** The place of the first key that is not below `key`. */
const lowerBound = (sorted: ReadonlyArray<string>, key: string): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? "") < key) low = middle + 1
    else high = middle
  }
  return low
}

/** The keys in their order. Few that are new are put in their places; many are sorted in with the others. */
const mergeKeys = (sorted: Array<string>, added: ReadonlySet<string>): void => {
  if (added.size > INSERTED_MAX) {
    for (const key of added) sorted.push(key)
    sorted.sort()
  } else for (const key of added) sorted.splice(lowerBound(sorted, key), 0, key)
}

/** A map in memory, for tests and for windows that must keep nothing. */
export const makeMemory = (): Store["Service"] => {
  const valueByHexKey = new Map<string, Pair>()
  const sorted: Array<string> = []
  const added = new Set<string>()
  const keys = () => {
    mergeKeys(sorted, added)
    added.clear()
    return sorted
  }
  return Store.of({
    get: (key) => Effect.sync(() => valueByHexKey.get(Bytes.toHex(key))?.value.slice()),
    getMany: (keys) => Effect.sync(() => keys.map((key) => valueByHexKey.get(Bytes.toHex(key))?.value.slice())),
    scan: ({ from, limit, reverse, to }) =>
      Effect.sync(() => {
        const all = keys()
        const first = lowerBound(all, Bytes.toHex(from))
        const end = lowerBound(all, Bytes.toHex(to))
        const inside = reverse === true
          ? all.slice(Math.max(first, end - limit), end).reverse()
          : all.slice(first, Math.min(end, first + limit))
        const found: Array<Pair> = []
        for (const key of inside) {
          const pair = valueByHexKey.get(key)
          if (pair !== undefined) found.push({ key: pair.key.slice(), value: pair.value.slice() })
        }
        return found
      }),
    commit: (writes) =>
      Effect.sync(() => {
        for (const { key, value } of writes) {
          const hex = Bytes.toHex(key)
          if (value !== undefined) {
            if (!valueByHexKey.has(hex)) added.add(hex)
            valueByHexKey.set(hex, { key: key.slice(), value: value.slice() })
          } else if (valueByHexKey.delete(hex) && !added.delete(hex)) sorted.splice(lowerBound(sorted, hex), 1)
        }
      })
  })
}

export const layerMemory: Layer.Layer<Store> = Layer.sync(Store, makeMemory)
