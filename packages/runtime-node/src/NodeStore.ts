/**
 * A device's `Store` on Node: one table of keys and values in a SQLite file (`NodeSqlite` says what that keeps to). One
 * `commit` is one transaction and one sync to disk.
 *
 * The directory holds `sotto.db` and belongs to one device and one process: a relay's, a newer release's and one that is
 * in use are refused.
 */
import { type Pair, Store, StoreFailed, type Write } from "@sotto/core/Store"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { APPLICATION_ID, MIGRATIONS } from "./migrations/device.ts"
import * as NodeSqlite from "./NodeSqlite.ts"

export interface NodeStoreOptions {
  /** Made 0700 when it is not there. */
  readonly directory: string
  /** The file may not grow beyond this many pages of 8 KiB; default: as the disk allows. */
  readonly pagesMax?: number
}

/** Rows of the driver have no prototype. */
const pairsOf = (rows: ReadonlyArray<Pair>): ReadonlyArray<Pair> => rows.map(({ key, value }) => ({ key, value }))

const failed = ({ detail, operation, reason }: NodeSqlite.SqliteFailed) =>
  new StoreFailed({ reason, operation, detail })

/** A statement's failure as the store's. */
const orFail = (operation: string) => <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, StoreFailed> =>
  effect.pipe(Effect.catch((error) => Effect.mapError(NodeSqlite.fromSql(operation, error), failed)))

/** Opens the directory's store; it is closed with the scope. */
export const make = Effect.fn("NodeStore.make")(function*(
  options: NodeStoreOptions
): Effect.fn.Return<Store["Service"], StoreFailed, Scope.Scope> {
  const { sql } = yield* Effect.mapError(
    NodeSqlite.open({ ...options, applicationId: APPLICATION_ID, migrations: MIGRATIONS }),
    failed
  )
  return Store.of({
    get: (key) =>
      sql<{ readonly value: Uint8Array }>`SELECT value FROM pair WHERE key = ${key}`.pipe(
        Effect.map((rows) => rows[0]?.value),
        orFail("get")
      ),
    getMany: (keys) => keys.length === 0 ? Effect.succeed([]) : orFail("get")(read(sql, keys)),
    scan: ({ from, limit, reverse, to }) =>
      (reverse === true
        ? sql<Pair>`SELECT key, value FROM pair WHERE key >= ${from} AND key < ${to} ORDER BY key DESC LIMIT ${limit}`
        : sql<Pair>`SELECT key, value FROM pair WHERE key >= ${from} AND key < ${to} ORDER BY key ASC LIMIT ${limit}`)
        .pipe(Effect.map(pairsOf), orFail("scan")),
    commit: (writes) => writes.length === 0 ? Effect.void : orFail("commit")(sql.withTransaction(write(sql, writes)))
  })
})

/** Many rows a statement; few lengths, so that each is prepared once. */
const STATEMENT_ROWS = [256, 64, 16, 4, 1]

const write = Effect.fnUntraced(function*(sql: SqlClient, writes: ReadonlyArray<Write>) {
  const puts: Array<Pair> = []
  const deleted: Array<Uint8Array> = []
  for (const { key, value } of lastOfEach(writes)) {
    if (value === undefined) deleted.push(key)
    else puts.push({ key, value })
  }
  for (const part of parts(puts)) {
    const rows = sql.insert(Arr.map(part, ({ key, value }) => ({ key, value })))
    yield* sql`INSERT INTO pair ${rows} ON CONFLICT (key) DO UPDATE SET value = excluded.value`
  }
  for (const part of parts(deleted)) yield* sql`DELETE FROM pair WHERE ${sql.in("key", part)}`
})

const read = Effect.fnUntraced(function*(sql: SqlClient, keys: ReadonlyArray<Uint8Array>) {
  const valueByKey = new Map<string, Uint8Array>()
  for (const part of parts(keys)) {
    const rows = yield* sql<Pair>`SELECT key, value FROM pair WHERE ${sql.in("key", part)}`
    for (const { key, value } of rows) valueByKey.set(textOf(key), value)
  }
  // A key that is asked for twice gets an array of its own each time.
  const isTwice = valueByKey.size < keys.length
  return keys.map((key) => {
    const value = valueByKey.get(textOf(key))
    return isTwice ? value?.slice() : value
  })
})

/** A key as the key of a map. */
const textOf = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString("latin1")

/** A batch happens in its order: of several writes to one key only the last is seen. */
const lastOfEach = (writes: ReadonlyArray<Write>): Iterable<Write> => {
  if (writes.length === 1) return writes
  const byKey = new Map<string, Write>()
  for (const write of writes) byKey.set(textOf(write.key), write)
  return byKey.values()
}

const parts = function*<A>(rows: ReadonlyArray<A>): Generator<Arr.NonEmptyReadonlyArray<A>> {
  let at = 0
  for (const length of STATEMENT_ROWS) {
    for (; at + length <= rows.length; at += length) {
      const part = rows.slice(at, at + length)
      if (Arr.isReadonlyArrayNonEmpty(part)) yield part
    }
  }
}

/** `Store` in a directory of this machine. */
export const layer = (options: NodeStoreOptions): Layer.Layer<Store, StoreFailed> => Layer.effect(Store, make(options))
