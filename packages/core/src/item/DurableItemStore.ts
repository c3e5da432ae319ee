/**
 * An `ItemStore` over a device's `Store`, all rows sealed (`durable/Layout`). It begins with nothing in memory: a question
 * reads the rows that it is about, and what is kept of them is bounded.
 *
 * 1. One question or commit at a time: nobody reads half of a commit, also where it takes several reads.
 * 2. A commit that failed may have been made all the same: what is in memory is forgotten then, and read again.
 * 3. Rows that do not open or read, and those of another version, are `ItemsDamaged`; `drop` makes it a store that holds
 *    nothing.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Crypto, EntropyUnavailable } from "../Crypto.ts"
import * as Entropy from "../internal/entropy.ts"
import type { Keystore, KeystoreFailed } from "../Keystore.ts"
import { type Store, StoreFailed } from "../Store.ts"
import * as Layout from "./durable/Layout.ts"
import { KEY_BYTES, Rows } from "./durable/Rows.ts"
import { stateWrite, Tables } from "./durable/Tables.ts"
import { OpId } from "./Item.ts"
import type { ItemStore } from "./ItemStore.ts"

/** Why a durable store does not answer. */
export type ItemStoreFailed = StoreFailed | KeystoreFailed | EntropyUnavailable | Layout.ItemsDamaged

export interface DurableItemStore extends ItemStore<ItemStoreFailed> {
  /** Removes everything, also what does not read. */
  readonly drop: Effect.Effect<void, StoreFailed>
}

/** Where the rows are, and what they are sealed with. */
export interface Parts {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly keystore: Keystore["Service"]
}

/** The items that a device keeps. Nothing is read before the first question; keys are wiped with the scope. */
export const make = Effect.fn("DurableItemStore.make")(function*(
  parts: Parts
): Effect.fn.Return<DurableItemStore, never, Scope.Scope> {
  const permit = yield* Semaphore.make(1)
  let opened: Tables | undefined
  let isClosed = false
  const forget = () => {
    opened?.close()
    opened = undefined
  }
  yield* Effect.addFinalizer(() =>
    permit.withPermit(Effect.sync(() => {
      isClosed = true
      forget()
    }))
  )
  const tables: Effect.Effect<Tables, ItemStoreFailed> = Effect.suspend(() => {
    if (isClosed) return Effect.fail(CLOSED)
    return opened !== undefined ? Effect.succeed(opened) : Effect.map(open(parts), (made) => opened = made)
  })
  const asked = <A>(ask: (tables: Tables) => Effect.Effect<A, ItemStoreFailed>): Effect.Effect<A, ItemStoreFailed> =>
    permit.withPermit(Effect.flatMap(tables, ask))
  return {
    entries: (ids) => asked((tables) => tables.entries(ids)),
    ops: (refs) => asked((tables) => tables.ops(refs)),
    heads: (items) => asked((tables) => tables.heads(items)),
    waitingFor: (missing) => asked((tables) => tables.waitingFor(missing)),
    waiting: ({ after = OpId(""), limit }) => asked((tables) => tables.waiting(after, limit)),
    scan: (range) => asked((tables) => tables.scan(range)),
    contested: (range) => asked((tables) => tables.contested(range)),
    mark: asked((tables) => Effect.sync(() => tables.mark())),
    commit: (writes) =>
      asked((tables) =>
        Effect.flatMap(tables.prepare(writes), ({ committed, writes }) =>
          Effect.uninterruptible(
            Effect.andThen(parts.store.commit(writes), Effect.sync(committed)).pipe(
              Effect.onError(() => Effect.sync(forget))
            )
          ))
      ),
    drop: permit.withPermit(Effect.suspend(() => {
      forget()
      return dropAll(parts.store)
    }))
  }
})

const CLOSED = new StoreFailed({ reason: "unavailable", operation: "items", detail: "closed" })

// -- opening -----------------------------------------------------------------------------------------------------------

const LAYOUT_KEY = Layout.singleKey(Layout.TABLE.layout)
const STATE_KEY = Layout.singleKey(Layout.TABLE.state)

/** Under which the keystore seals the key of the rows. */
const SEALED_AS = "items"

const damaged = (detail: string) => new Layout.ItemsDamaged({ detail })

const open = Effect.fnUntraced(function*(parts: Parts): Effect.fn.Return<Tables, ItemStoreFailed> {
  const bytes = yield* parts.store.get(LAYOUT_KEY)
  if (bytes === undefined) return yield* begin(parts)
  const layout = Layout.layoutCodec.decode(bytes)
  if (Result.isFailure(layout)) return yield* damaged("the layout does not read")
  const { sealedKey, version } = layout.success
  if (version !== Layout.VERSION) return yield* damaged(`layout ${version}`)
  const rows = yield* openRows(parts, sealedKey)
  const [state] = yield* Effect.tapError(rows.get([STATE_KEY]), () => Effect.sync(() => rows.close()))
  const decoded = state === undefined ? undefined : Layout.stateCodec.decode(state)
  if (decoded !== undefined && Result.isSuccess(decoded)) return new Tables(rows, decoded.success)
  rows.close()
  return yield* damaged("the state is missing, or does not read")
})

/** A key that does not open any more is as good as none. */
const openRows = ({ crypto, keystore, store }: Parts, sealedKey: Uint8Array) =>
  Effect.mapBoth(keystore.open(SEALED_AS, sealedKey), {
    onFailure: (failure) =>
      failure.reason === "wrongKey" || failure.reason === "changed" ? damaged("its key does not open") : failure,
    onSuccess: (key) => {
      const rows = new Rows(crypto, store, key)
      key.fill(0)
      return rows
    }
  })

/** A store that holds nothing. */
const begin = Effect.fnUntraced(
  function*({ crypto, keystore, store }: Parts): Effect.fn.Return<Tables, ItemStoreFailed> {
    const left = yield* store.scan({ from: Layout.FIRST, to: Layout.END, limit: 1 })
    if (left.length > 0) return yield* damaged("rows without a layout")
    const key = yield* Entropy.attempt(() => crypto.random(KEY_BYTES))
    const rows = new Rows(crypto, store, key)
    const sealedKey = yield* Effect.ensuring(keystore.seal(SEALED_AS, key), Effect.sync(() => key.fill(0)))
    yield* store.commit([
      { key: LAYOUT_KEY, value: Layout.layoutCodec.encode({ version: Layout.VERSION, sealedKey }) },
      yield* Entropy.attempt(() => stateWrite(rows))
    ])
    return new Tables(rows, Layout.EMPTY_STATE)
  }
)

// -- dropping ----------------------------------------------------------------------------------------------------------

/** Bytes of rows that are read to be removed, about. */
const DROP_BYTES = 1024 * 1024

/** The layout goes first: what is left of the others when this ends early is dropped the next time. */
const dropAll = Effect.fnUntraced(function*(store: Store["Service"]): Effect.fn.Return<void, StoreFailed> {
  yield* store.commit([{ key: LAYOUT_KEY }])
  let limit = 64
  while (true) {
    const rows = yield* store.scan({ from: Layout.FIRST, to: Layout.END, limit })
    if (rows.length === 0) return
    yield* store.commit(rows.map(({ key }) => ({ key })))
    const bytes = rows.reduce((sum, { value }) => sum + value.length, 0)
    limit = bytes > DROP_BYTES ? Math.max(16, limit >> 1) : Math.min(4096, limit * 2)
  }
})
