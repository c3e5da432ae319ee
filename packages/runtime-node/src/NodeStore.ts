/**
 * A device's `Store` on Node: one table of keys and values in a SQLite file (`NodeSqlite` says what that keeps to). One
 * `commit` is one transaction and one sync to disk.
 *
 * The directory holds `sotto.db` and belongs to one device and one process: a relay's, a newer release's and one that is
 * in use are refused.
 */
import { Store, StoreFailed } from "@sotto/core/Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { APPLICATION_ID, MIGRATIONS } from "./migrations/device.ts"
import * as NodeSqlite from "./NodeSqlite.ts"

export interface NodeStoreOptions {
  /** Made 0700 when it is not there. */
  readonly directory: string
  /** The file may not grow beyond this many pages of 8 KiB; default: as the disk allows. */
  readonly pagesMax?: number
}

const failed = ({ detail, operation, reason }: NodeSqlite.SqliteFailed) =>
  new StoreFailed({ reason, operation, detail })

/** Opens the directory's store; it is closed with the scope. */
export const make = Effect.fn("NodeStore.make")(function*(
  options: NodeStoreOptions
): Effect.fn.Return<Store["Service"], StoreFailed, Scope.Scope> {
  const sqlite = yield* Effect.mapError(
    NodeSqlite.open({ ...options, applicationId: APPLICATION_ID, migrations: MIGRATIONS }),
    failed
  )
  const attempt = <A>(operation: string, run: () => A) => Effect.mapError(NodeSqlite.attempt(operation, run), failed)
  const { database } = sqlite
  const get = database.prepare("SELECT value FROM pair WHERE key = ?")
  const inRange = "SELECT key, value FROM pair WHERE key >= ? AND key < ? ORDER BY key"
  const ascending = database.prepare(`${inRange} ASC LIMIT ?`)
  const descending = database.prepare(`${inRange} DESC LIMIT ?`)
  const put = database.prepare(
    "INSERT INTO pair (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
  )
  const remove = database.prepare("DELETE FROM pair WHERE key = ?")
  return Store.of({
    get: (key) =>
      attempt("get", () => {
        const row = get.get(key)
        return row === undefined ? undefined : NodeSqlite.bytes(row, "value")
      }),
    scan: ({ from, limit, reverse, to }) =>
      attempt("scan", () =>
        (reverse === true ? descending : ascending).all(from, to, limit).map((row) => ({
          key: NodeSqlite.bytes(row, "key"),
          value: NodeSqlite.bytes(row, "value")
        }))),
    commit: (writes) =>
      writes.length === 0 ? Effect.void : attempt("commit", () =>
        sqlite.transaction(() => {
          for (const { key, value } of writes) {
            if (value === undefined) remove.run(key)
            else put.run(key, value)
          }
        }))
  })
})

/** `Store` in a directory of this machine. */
export const layer = (options: NodeStoreOptions): Layer.Layer<Store, StoreFailed> => Layer.effect(Store, make(options))
