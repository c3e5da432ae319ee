import { assert, describe, it } from "@effect/vitest"
import * as NodeSqlClient from "@sotto/runtime-node/NodeSqlClient"
import * as NodeSqlite from "@sotto/runtime-node/NodeSqlite"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { DatabaseSync } from "node:sqlite"
import { temporaryDirectory } from "./kit/temporary.ts"

const makeClient = Effect.gen(function*() {
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(":memory:")),
    (database) => Effect.sync(() => database.close())
  )
  const sql = yield* NodeSqlClient.make(database)
  yield* sql`CREATE TABLE item (n INTEGER PRIMARY KEY, name TEXT UNIQUE, body BLOB, live INTEGER)`
  return sql
})

const names = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly name: string }>`SELECT name FROM item ORDER BY n`, (rows) => rows.map(({ name }) => name))
const put = (sql: SqlClient.SqlClient, name: string) => sql`INSERT INTO item ${sql.insert({ name })}`

describe("NodeSqlClient", () => {
  it.effect("values of every kind come back as they went in", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      yield* sql`INSERT INTO item ${
        sql.insert([
          { n: 1, name: "a", body: Uint8Array.of(1, 2), live: true },
          { n: 2, name: null, body: undefined, live: 0 }
        ])
      }`
      const rows = yield* sql`SELECT * FROM item ORDER BY n`
      assert.deepStrictEqual(rows.map((row) => ({ ...row })), [
        { n: 1, name: "a", body: Uint8Array.of(1, 2), live: 1 },
        { n: 2, name: null, body: null, live: 0 }
      ])
      assert.deepStrictEqual(yield* sql`SELECT n, n, name FROM item WHERE n = 1`.values, [[1, 1, "a"]])
      const large = yield* Effect.provideService(sql`SELECT 9007199254740993 AS n`, SqlClient.SafeIntegers, true)
      assert.strictEqual(large[0]?.["n"], 9_007_199_254_740_993n)
      assert.strictEqual((yield* Effect.exit(sql`SELECT ${{}} AS n`))._tag, "Failure")
    }))

  it.effect("a transaction is all or nothing, and one inside it too", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* put(sql, "a")
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(put(sql, "b"), Effect.fail("no"))))
        yield* sql.withTransaction(put(sql, "c"))
      }))
      yield* Effect.ignore(sql.withTransaction(Effect.andThen(put(sql, "d"), Effect.fail("no"))))
      assert.deepStrictEqual(yield* names(sql), ["a", "c"])
    }))

  it.effect("others wait for a transaction and do not see into it; an interrupted one leaves nothing", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      const entered = yield* Latch.make()
      const open = yield* Latch.make()
      const transaction = (name: string) =>
        sql.withTransaction(put(sql, name).pipe(Effect.andThen(entered.open), Effect.andThen(open.await)))
      const first = yield* Effect.forkChild(transaction("a"))
      yield* entered.await
      const other = yield* Effect.forkChild(names(sql))
      yield* Effect.yieldNow
      assert.isUndefined(other.pollUnsafe())
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(yield* Fiber.join(other), [])
      yield* open.open
      yield* transaction("b")
      assert.deepStrictEqual(yield* names(sql), ["b"])
    }))

  it.effect("failures have their kind", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      yield* put(sql, "a")
      const reason = <A, E extends { readonly reason: { readonly _tag: string } }>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), (error) => error.reason._tag)
      assert.strictEqual(yield* reason(put(sql, "a")), "UniqueViolation")
      assert.strictEqual(yield* reason(sql`INSERT INTO item (n, name) VALUES (1, 'x')`), "ConstraintError")
      assert.strictEqual(yield* reason(sql`SELECT nothing FROM nowhere`), "UnknownError")
      assert.strictEqual(yield* reason(sql`INSERT INTO nowhere VALUES (1)`), "UnknownError")
    }))

  it.effect("a stream goes on while other statements run", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      for (const part of [0, 1, 2]) {
        yield* sql`INSERT INTO item ${sql.insert(Arr.makeBy(200, (i) => ({ name: `${part}/${i}` })))}`
      }
      const seen = yield* sql<{ readonly n: number }>`SELECT n FROM item ORDER BY n`.stream.pipe(
        Stream.mapEffect(({ n }) => Effect.succeed(n)),
        Stream.runCollect
      )
      assert.deepStrictEqual(seen, Array.from({ length: 600 }, (_, i) => i + 1))
      const failed = yield* Effect.flip(Stream.runDrain(sql`SELECT nothing FROM nowhere`.stream))
      assert.strictEqual(failed._tag, "SqlError")
    }))

  it.effect("more statements than are kept prepared all work", () =>
    Effect.gen(function*() {
      const sql = yield* makeClient
      for (const round of [0, 1]) {
        for (let n = 0; n < 300; n++) {
          const rows = yield* sql`SELECT ${round} AS round, ${n} AS n, ${sql.literal(`${n}`)} AS text`
          assert.deepStrictEqual({ ...rows[0] }, { round, n, text: n })
        }
      }
    }))
})

describe("NodeSqlite", () => {
  it.effect("a commit is on disk when it answers: a log beside the file, synced at each commit", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const migrations = {
        "0001_init": Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql`CREATE TABLE a (n)`))
      }
      const { sql } = yield* NodeSqlite.open({ directory, applicationId: 7, migrations })
      assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`.values, [["wal"]])
      assert.deepStrictEqual(yield* sql`PRAGMA synchronous`.values, [[2]])
      assert.deepStrictEqual(yield* sql`PRAGMA foreign_keys`.values, [[1]])
      assert.deepStrictEqual(yield* sql`PRAGMA application_id`.values, [[7]])
    }))

  it.effect("steps of the schema that are missing are taken, all or none", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const run = (text: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.asVoid(sql.unsafe(text)))
      const steps = { "0001_init": run("CREATE TABLE a (n INTEGER)"), "0002_more": run("CREATE TABLE b (n INTEGER)") }
      const open = (migrations: NodeSqlite.Options["migrations"]) =>
        Effect.scoped(Effect.flatMap(NodeSqlite.open({ directory, applicationId: 7, migrations }), ({ sql }) =>
          Effect.map(
            sql<{ readonly name: string }>`SELECT name FROM sqlite_schema WHERE name IN ('a', 'b', 'c') ORDER BY name`,
            (rows) => rows.map(({ name }) => name)
          )))
      assert.deepStrictEqual(yield* open({ "0001_init": steps["0001_init"] }), ["a"])
      const broken = {
        ...steps,
        "0003_last": run("CREATE TABLE c (n INTEGER"),
        "0004_end": run("CREATE TABLE d (n INTEGER)")
      }
      assert.strictEqual((yield* Effect.exit(open(broken)))._tag, "Failure")
      assert.deepStrictEqual(yield* open({ "0001_init": steps["0001_init"] }), ["a"])
      assert.deepStrictEqual(yield* open(steps), ["a", "b"])
      const older = yield* Effect.flip(open({ "0001_init": steps["0001_init"] }))
      assert.strictEqual(older._tag === "SqliteFailed" ? older.reason : older._tag, "version")
    }))
})
