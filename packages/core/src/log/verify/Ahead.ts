/** Rows that are read ahead: what a page of entries will look up, as one question to the store. */
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import type { Store, StoreFailed, Write } from "../../Store.ts"

type StoreService = Store["Service"]

/** The key of a row. */
export const keyOf = ({ key }: Write): Uint8Array => key

/** The store, with the rows of these keys as they are now in memory: `get` finds them there. */
export const readAhead = (
  store: StoreService,
  keys: ReadonlyArray<Uint8Array>
): Effect.Effect<StoreService, StoreFailed> =>
  Effect.map(store.getMany(keys), (values): StoreService => {
    const valueByHexKey = new Map(keys.map((key, i) => [Bytes.toHex(key), values[i]] as const))
    return {
      ...store,
      get: (key) => {
        const hex = Bytes.toHex(key)
        return valueByHexKey.has(hex) ? Effect.succeed(valueByHexKey.get(hex)) : store.get(key)
      }
    }
  })
