/**
 * A SQLite file through Node's own `node:sqlite`: opened with care, closed with its scope. `NodeStore` and
 * `NodeRelayStore` stand on it. Its schema, and whatever is not hot, goes through Effect's `SqlClient` (`NodeSqlClient`).
 *
 * Invariants:
 * 1. One process has the directory: a second one gets `locked`. The lock is SQLite's own on a file beside the data, so
 *    that the system lets go of it when a process dies, however it dies. Reading the data file from outside
 *    (`sqlite3 … .backup`) stays possible.
 * 2. A file of something else (`foreign`), of a newer release (`version`) or that does not read (`corrupt`) is refused
 *    before anything is written to it.
 * 3. A commit is on disk when it answers: WAL with `synchronous = FULL`.
 * 4. What SQLite fails with is a `SqliteFailed` with one of a few reasons; statements that are wrong are bugs and die.
 * 5. Directory 0700, files 0600.
 *
 * `node:sqlite` is synchronous: a transaction is one function that runs to its end, so nothing comes between its
 * statements, and a commit blocks the event loop for as long as the disk takes.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import { statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync, type SQLOutputValue } from "node:sqlite"
import * as NodeSqlClient from "./NodeSqlClient.ts"
import { prepareDirectory, prepareFile, type Refusal } from "./PrivateFile.ts"

/** What every store of ours turns into its own error; `detail` names files and SQLite's words, never data. */
export class SqliteFailed extends Schema.TaggedError<SqliteFailed>()("SqliteFailed", {
  reason: Schema.Literals(["full", "corrupt", "locked", "permission", "foreign", "version", "unavailable"]),
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `SQLite failed in ${this.operation} (${this.reason}: ${this.detail}). What was committed before is kept.`
  }
}
export type Reason = SqliteFailed["reason"]

export interface Options {
  readonly directory: string
  /** Four bytes in the file's header that say whose it is. */
  readonly applicationId: number
  /** The schema, one step for each version, by names as `effect/sql/Migrator` wants them: `0001_init`, `0002_…`. */
  readonly migrations: Readonly<Record<string, Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>>>
  /** Page cache, KiB. Default 8 MiB. */
  readonly cacheKib?: number
  /** The file may not grow beyond this many pages of 8 KiB; default: as the disk allows. */
  readonly pagesMax?: number
  /** A file up to this size is read whole at the start (`quick_check`); default 1 GiB, about a second. */
  readonly checkBytesMax?: number
}

/**
 * An open file. `database` and `transaction` are for what is hot: synchronous, so that nothing comes between statements;
 * what they throw is for `attempt`. A transaction of one is never begun inside one of the other.
 */
export interface Sqlite {
  readonly sql: SqlClient.SqlClient
  readonly database: DatabaseSync
  readonly path: string
  /** All or nothing, and on disk when it answers; what `run` throws rolls back. */
  readonly transaction: <A>(run: () => A) => A
}

/** A row by column. `integer`, `integerOr`, `bytes` and `fixed` read its values. */
export type Row = Readonly<Record<string, SQLOutputValue>>

const unfit = (column: string): never => {
  throw new SqliteFailed({ reason: "corrupt", operation: "read a row", detail: `${column} does not fit` })
}

export const integer = (row: Row, column: string): number => {
  const value = row[column]
  return typeof value === "number" ? value : unfit(column)
}

/** An integer column in which NULL stands for `otherwise`. */
export const integerOr = <A>(row: Row, column: string, otherwise: A): number | A =>
  row[column] === null ? otherwise : integer(row, column)

/** Exactly `length` bytes. */
export const fixed = (row: Row, column: string, length: number): Uint8Array => {
  const value = bytes(row, column)
  return value.length === length ? value : unfit(column)
}

/** A fresh array. */
export const bytes = (row: Row, column: string): Uint8Array => {
  const value = row[column]
  return value instanceof Uint8Array ? value : unfit(column)
}

/** The data file in its directory. */
export const FILE = "sotto.db"
const LOCK = "lock"
const PAGE_BYTES = 8192
const CHECKPOINT_PAGES = 2000
const WAL_BYTES_KEPT = 64 * 1024 * 1024
const CHECK_BYTES_MAX = 1024 * 1024 * 1024
const BUSY_MILLIS = 2000

/** Opens the data file of `directory`, or makes it. Closed with the scope. */
export const open = Effect.fn("NodeSqlite.open")(function*(
  options: Options
): Effect.fn.Return<Sqlite, SqliteFailed, Scope.Scope> {
  const { directory } = options
  const path = join(directory, FILE)
  yield* attempt("open", () => orRefuse(prepareDirectory(directory, FILE)))
  yield* lock(directory)
  yield* attempt("open", () => orRefuse(prepareFile(path)))
  const database = yield* Effect.acquireRelease(
    attempt("open", () => new DatabaseSync(path, { timeout: BUSY_MILLIS, enableForeignKeyConstraints: true })),
    (database) => Effect.sync(() => database.close())
  )
  const version = yield* attempt("open", () => {
    const version = recognise(database, options)
    configure(database, options, version === 0)
    check(database, path, options)
    return version
  })
  const sql = yield* NodeSqlClient.make(database)
  if (version < Object.keys(options.migrations).length) yield* migrate(database, sql, options)
  return make(database, sql, path)
})

const REASON_OF_REFUSAL = {
  missing: "unavailable",
  full: "full",
  permission: "permission",
  exposed: "permission",
  unavailable: "unavailable"
} as const

const orRefuse = (refusal: Refusal | undefined): void => {
  if (refusal === undefined) return
  throw new SqliteFailed({ reason: REASON_OF_REFUSAL[refusal.reason], operation: "open", detail: refusal.detail })
}

/** Holds the directory until the scope closes. */
const lock = (directory: string): Effect.Effect<void, SqliteFailed, Scope.Scope> => {
  const take = attempt("lock", () => {
    const path = join(directory, LOCK)
    orRefuse(prepareFile(path))
    const held = new DatabaseSync(path, { timeout: 0 })
    try {
      held.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
      return held
    } catch (cause) {
      held.close()
      throw failureOf("lock", cause)?.reason === "locked"
        ? new SqliteFailed({ reason: "locked", operation: "lock", detail: `another process uses ${directory}` })
        : cause
    }
  })
  return Effect.asVoid(Effect.acquireRelease(take, (held) => Effect.sync(() => held.close())))
}

const pragma = (database: DatabaseSync, text: string): SQLOutputValue =>
  Object.values(database.prepare(`PRAGMA ${text}`).get() ?? {})[0] ?? null

/** The version of the schema in the file, 0 for an empty one. Writes nothing. */
const recognise = (database: DatabaseSync, options: Options): number => {
  const fail = (reason: Reason, detail: string) => {
    throw new SqliteFailed({ reason, operation: "open", detail: `${options.directory} ${detail}` })
  }
  const applicationId = pragma(database, "application_id")
  const version = pragma(database, "user_version")
  if (applicationId === 0 && version === 0) {
    const tables = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get()
    if (tables === undefined) return 0
  }
  if (applicationId !== options.applicationId) return fail("foreign", "holds the data of something else")
  if (typeof version !== "number" || version < 1) return fail("corrupt", "has no version in its data file")
  const known = Object.keys(options.migrations).length
  if (version > known) {
    return fail("version", `was written by a newer release (schema ${version}, this one knows ${known})`)
  }
  return version
}

const configure = (database: DatabaseSync, options: Options, isNew: boolean): void => {
  if (isNew) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`)
  database.exec(
    `PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = ${-(options.cacheKib ?? 8192)}`
  )
  if (pragma(database, "journal_mode = WAL") !== "wal") {
    throw new SqliteFailed({
      reason: "unavailable",
      operation: "open",
      detail: `the file system of ${options.directory} has no shared memory for SQLite's write-ahead log`
    })
  }
  database.exec(
    `PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
     PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`
  )
  if (options.pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`)
}

const check = (database: DatabaseSync, path: string, options: Options): void => {
  if (statSync(path).size > (options.checkBytesMax ?? CHECK_BYTES_MAX)) return
  const found = pragma(database, "quick_check(1)")
  if (found !== "ok") {
    throw new SqliteFailed({ reason: "corrupt", operation: "open", detail: `${path}: ${String(found)}` })
  }
}

/** All missing steps, the file's owner and its version in one transaction. */
const migrate = (
  database: DatabaseSync,
  sql: SqlClient.SqlClient,
  { applicationId, migrations }: Options
): Effect.Effect<void, SqliteFailed> =>
  sql.withTransaction(
    Effect.andThen(
      Migrator.make({})({ loader: Migrator.fromRecord(migrations) }),
      Effect.sync(() =>
        database.exec(
          `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${Object.keys(migrations).length}`
        )
      )
    )
  ).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.catch((error) => fromSql("migrate", error._tag === "MigrationError" ? error.cause : error))
  )

/** What a statement of the client failed with, as ours. What is not SQLite's failure dies. */
export const fromSql = (operation: string, error: unknown): Effect.Effect<never, SqliteFailed> => {
  const cause = error instanceof SqlError.SqlError ? error.reason.cause : error
  const failed = failureOf(operation, Predicate.hasProperty(cause, "cause") ? cause.cause : cause)
  return failed === undefined ? Effect.die(error) : Effect.fail(failed)
}

const make = (database: DatabaseSync, sql: SqlClient.SqlClient, path: string): Sqlite => {
  const begin = database.prepare("BEGIN IMMEDIATE")
  const commit = database.prepare("COMMIT")
  const rollback = database.prepare("ROLLBACK")
  return {
    sql,
    database,
    path,
    transaction: (run) => {
      begin.run()
      try {
        const result = run()
        commit.run()
        return result
      } catch (cause) {
        if (database.isTransaction) rollback.run()
        throw cause
      }
    }
  }
}

/** Runs synchronous work on a file, its failure in the error channel. What is not SQLite's failure dies. */
export const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqliteFailed> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (cause) {
      const failed = failureOf(operation, cause)
      return failed === undefined ? Effect.die(cause) : Effect.fail(failed)
    }
  })

/** What SQLite (or the row readers above) failed with, or `undefined` for a bug. */
export const failureOf = (operation: string, cause: unknown): SqliteFailed | undefined => {
  if (cause instanceof SqliteFailed) return cause
  if (!(cause instanceof Error)) return undefined
  if ("code" in cause && cause.code === "ERR_INVALID_STATE") {
    return new SqliteFailed({ reason: "unavailable", operation, detail: "the store is closed" })
  }
  const code = codeOf(cause)
  const reason = code === undefined ? undefined : reasonOf(code)
  return reason === undefined
    ? undefined
    : new SqliteFailed({ reason, operation, detail: `${cause.message}, SQLite ${code}` })
}

const codeOf = (cause: unknown): number | undefined =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode : undefined

/** By primary result code (sqlite.org/rescode.html). Any other says that our statement is wrong. */
const REASON_BY_CODE: ReadonlyMap<number, Reason> = new Map<number, Reason>([
  [3, "permission"], // PERM
  [5, "locked"], // BUSY
  [6, "locked"], // LOCKED
  [7, "unavailable"], // NOMEM
  [8, "permission"], // READONLY
  [10, "unavailable"], // IOERR
  [11, "corrupt"], // CORRUPT
  [13, "full"], // FULL
  [14, "unavailable"], // CANTOPEN
  [15, "unavailable"], // PROTOCOL
  [22, "unavailable"], // NOLFS
  [26, "corrupt"] // NOTADB
])

/** By extended code, where it says more than the primary one. */
const REASON_BY_EXTENDED_CODE: ReadonlyMap<number, Reason> = new Map<number, Reason>([
  [4874, "full"], // IOERR_SHMSIZE: the index of the log cannot grow
  [5386, "full"], // IOERR_SHMMAP
  [8202, "corrupt"], // IOERR_DATA: a checksum of the file system
  [8458, "corrupt"] // IOERR_CORRUPTFS
])

const reasonOf = (code: number): Reason | undefined =>
  REASON_BY_EXTENDED_CODE.get(code) ?? REASON_BY_CODE.get(code & 0xff)
