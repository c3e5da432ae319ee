import { assert, describe, it } from "@effect/vitest"
import type { RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as NodeSqlClient from "@sotto/runtime-node/NodeSqlClient"
import { type Sqlite, SqliteFailed } from "@sotto/runtime-node/NodeSqlite"
import * as GroupCommit from "@sotto/runtime-node/relayStore/GroupCommit"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { DatabaseSync } from "node:sqlite"

/** A database in memory that keeps a record of what happened to it. */
const makeGroup = Effect.fnUntraced(function*(failing?: (transaction: number) => unknown) {
  const database = new DatabaseSync(":memory:")
  database.exec("CREATE TABLE written (n INTEGER)")
  const insert = database.prepare("INSERT INTO written VALUES (?)")
  const events: Array<string> = []
  let transactions = 0
  const sqlite: Sqlite = {
    sql: yield* NodeSqlClient.make(database),
    database,
    path: ":memory:",
    transaction: (run) => {
      transactions++
      database.exec("BEGIN")
      try {
        const result = run()
        const cause = failing?.(transactions)
        if (cause !== undefined) throw cause
        database.exec("COMMIT")
        return result
      } catch (cause) {
        database.exec("ROLLBACK")
        throw cause
      }
    }
  }
  const group = yield* GroupCommit.make(sqlite, {
    beforeCommit: () => events.push("before"),
    committed: () => events.push("committed"),
    rolledBack: () => events.push("rolled back")
  })
  return {
    group,
    events,
    transactions: () => transactions,
    written: () => database.prepare("SELECT n FROM written ORDER BY rowid").all().map((row) => row["n"]),
    put: (n: number) =>
      group.submit("put", 10, () => {
        insert.run(n)
        return Result.succeed(() => `${n} after ${events.at(-1)}`)
      }),
    refuse: (n: number) => group.submit("put", 10, (): Result.Result<() => string, string> => Result.fail(`no ${n}`)),
    breakOff: (n: number) =>
      group.submit("put", 10, (): Result.Result<() => string> => {
        insert.run(n)
        throw new TypeError(`bug ${n}`)
      })
  }
})

const all = <A, E>(effects: ReadonlyArray<Effect.Effect<A, E>>) => Effect.all(effects, { concurrency: "unbounded" })
const storageFails = (reason: SqliteFailed["reason"]) =>
  new SqliteFailed({ reason, operation: "commit", detail: "a test" })

describe("GroupCommit", () => {
  it.effect("what is submitted in one turn is one transaction, in order, answered after its commit", () =>
    Effect.gen(function*() {
      const { put, transactions, written } = yield* makeGroup()
      const answers = yield* all([1, 2, 3, 4].map(put))
      assert.deepStrictEqual(answers, [1, 2, 3, 4].map((n) => `${n} after committed`))
      assert.deepStrictEqual([transactions(), written()], [1, [1, 2, 3, 4]])
      yield* put(5)
      assert.strictEqual(transactions(), 2)
    }))

  it.effect("a refusal is one's own", () =>
    Effect.gen(function*() {
      const { put, refuse, transactions, written } = yield* makeGroup()
      const results = yield* all([Effect.orDie(put(1)), Effect.flip(refuse(2)), Effect.orDie(put(3))])
      assert.strictEqual(results[1], "no 2")
      assert.deepStrictEqual([transactions(), written()], [1, [1, 3]])
    }))

  it.effect("a bug in one write rolls the group back, and costs only that write", () =>
    Effect.gen(function*() {
      const { breakOff, events, put, written } = yield* makeGroup()
      const exits = yield* all([Effect.exit(put(1)), Effect.exit(breakOff(2)), Effect.exit(put(3))])
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true])
      const broken = exits[1]
      assert.isTrue(broken !== undefined && Exit.isFailure(broken) && Cause.hasDies(broken.cause))
      assert.deepStrictEqual(written(), [1, 3])
      assert.strictEqual(events.filter((event) => event === "rolled back").length, 2)
    }))

  it.effect("when storage fails, all fail with that, once, and the next group goes on", () =>
    Effect.gen(function*() {
      const { put, transactions, written } = yield* makeGroup((n) => n === 1 ? storageFails("full") : undefined)
      const failures = yield* all([1, 2, 3].map((n) => Effect.flip(put(n))))
      assert.deepStrictEqual(failures.map((failure: RelayStoreFailed) => failure.reason), ["full", "full", "full"])
      assert.deepStrictEqual([transactions(), written()], [1, []])
      yield* put(4)
      assert.deepStrictEqual(written(), [4])
    }))

  it.effect("a write that was interrupted before its transaction does not happen", () =>
    Effect.gen(function*() {
      const { put, written } = yield* makeGroup()
      const fiber = yield* Effect.forkChild(put(1), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* put(2)
      assert.deepStrictEqual(written(), [2])
    }))

  it.effect("the end commits what was submitted, and takes nothing more", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { put, written } = yield* Scope.provide(makeGroup(), scope)
      const fiber = yield* Effect.forkChild(put(1), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(written(), [1])
      assert.strictEqual(yield* Fiber.join(fiber), "1 after committed")
      assert.strictEqual((yield* Effect.flip(put(2))).reason, "unavailable")
      assert.deepStrictEqual(written(), [1])
    }))

  it.effect("a transaction is bounded in bytes and in writes", () =>
    Effect.gen(function*() {
      const { group, put, transactions, written } = yield* makeGroup()
      yield* all(Array.from({ length: 5 }, () => group.submit("large", 3 * 1024 * 1024, () => Result.succeed(() => 0))))
      assert.strictEqual(transactions(), 3)
      yield* all(Array.from({ length: 2500 }, (_, n) => put(n)))
      assert.strictEqual(transactions(), 6)
      assert.strictEqual(written().length, 2500)
    }))
})
