/**
 * Effect's `SqlClient` over `node:sqlite`, which needs no install step: no published driver loads with the Effect that we
 * pin (docs/decision/0001-effect-4.md). It goes when one does.
 *
 * One connection behind a semaphore: a transaction that waits for anything else stops every other query. Statements are
 * prepared once and kept, the most recently used ones. `node:sqlite` is synchronous, so a long scan blocks the event loop.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlConnection from "effect/sql/SqlConnection"
import * as SqlError from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

type Rows = Effect.Success<ReturnType<SqlConnection.Connection["execute"]>>

/** Prepared statements that are kept. */
const PREPARED_MAX = 200
/** Rows that a stream hands on at once. */
const CHUNK_ROWS = 128

/** A client over an open database, for as long as that is open. */
export const make = (database: DatabaseSync): Effect.Effect<SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const connection = makeConnection(database)
    return yield* SqlClient.make({
      ...SqlClient.makeSqliteAcquirers({
        connection: Effect.succeed(connection),
        semaphore: yield* Semaphore.make(1),
        isTransaction: () => database.isTransaction
      }),
      compiler: Statement.makeCompilerSqlite(),
      driver: "node-sqlite",
      spanAttributes: [["db.system.name", "sqlite"]],
      beginTransaction: "BEGIN IMMEDIATE",
      prepareTransactionControls: true,
      releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`
    })
  }).pipe(Effect.provide(Reactivity.layer))

interface Prepared {
  readonly statement: StatementSync
  readonly hasRows: boolean
}

const makePrepare = (database: DatabaseSync) => {
  const kept = new Map<string, Prepared>()
  return (sql: string): Prepared => {
    let prepared = kept.get(sql)
    if (prepared === undefined) {
      const statement = database.prepare(sql)
      const oldest = kept.keys().next()
      prepared = { statement, hasRows: statement.columns().length > 0 }
      if (kept.size >= PREPARED_MAX && oldest.done === false) kept.delete(oldest.value)
    } else kept.delete(sql) // comes in again at the end: the least recently used stands first
    kept.set(sql, prepared)
    return prepared
  }
}

const makeConnection = (database: DatabaseSync): SqlConnection.Connection => {
  const prepare = makePrepare(database)
  const attempt = <A>(run: (safeIntegers: boolean) => A) =>
    Effect.withFiber<A, SqlError.SqlError>((fiber) => {
      try {
        return Effect.succeed(run(Context.get(fiber.context, SqlClient.SafeIntegers)))
      } catch (cause) {
        return Effect.fail(errorOf("execute statement", cause))
      }
    })
  const run = (sql: string, parameters: ReadonlyArray<unknown>, arrays: boolean) =>
    attempt((safeIntegers): Rows => {
      const { hasRows, statement } = prepare(sql)
      if (!hasRows) {
        statement.run(...parameters.map(bind))
        return []
      }
      statement.setReadBigInts(safeIntegers)
      statement.setReturnArrays(arrays)
      return statement.all(...parameters.map(bind))
    })
  const execute: SqlConnection.Connection["execute"] = (sql, parameters, transform) =>
    transform === undefined ? run(sql, parameters, false) : Effect.map(run(sql, parameters, false), transform)
  const executeValues: SqlConnection.Connection["executeValues"] = (sql, parameters) => run(sql, parameters, true)
  return {
    execute,
    executeUnprepared: execute,
    executeValues,
    executeValuesUnprepared: executeValues,
    executeRaw: (sql, parameters) =>
      attempt(() => {
        const { hasRows, statement } = prepare(sql)
        statement.setReturnArrays(false)
        return hasRows ? statement.all(...parameters.map(bind)) : statement.run(...parameters.map(bind))
      }),
    executeStream: (sql, parameters) =>
      // a statement of its own: a kept one is reset by its next run
      Stream.suspend(() =>
        Stream.fromIterable(database.prepare(sql).iterate(...parameters.map(bind)), { chunkSize: CHUNK_ROWS })
      ).pipe(Stream.catchDefect((cause) => Stream.fail(errorOf("stream rows", cause))))
  }
}

/** `node:sqlite` has `errcode`, the classifier reads `errno` and `message`. */
const errorOf = (operation: string, cause: unknown): SqlError.SqlError => {
  const errno = Predicate.hasProperty(cause, "errcode") ? cause.errcode : undefined
  const error = Object.assign(new Error(cause instanceof Error ? cause.message : "not an error", { cause }), { errno })
  return new SqlError.SqlError({
    reason: SqlError.classifySqliteError(error, { operation, message: `Failed to ${operation}` })
  })
}

const bind = (value: unknown): SQLInputValue => {
  if (value === undefined || value === null) return null
  if (typeof value === "boolean") return Number(value)
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") return value
  if (value instanceof Uint8Array) return value
  throw new TypeError(`a value of type ${typeof value} cannot be bound`)
}
