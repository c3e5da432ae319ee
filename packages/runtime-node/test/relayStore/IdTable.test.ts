import { assert, describe, it } from "@effect/vitest"
import { APPLICATION_ID, MIGRATIONS } from "@sotto/runtime-node/migrations/relay"
import * as NodeSqlite from "@sotto/runtime-node/NodeSqlite"
import { IdTable } from "@sotto/runtime-node/relayStore/IdTable"
import { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { temporaryDirectory } from "../kit/temporary.ts"

/** Few, and some begin alike. */
const idOf = (n: number) => {
  const id = new Uint8Array(32).fill(n % 3)
  id[31] = n
  return EnvelopeId.make(id)
}
const GIDS = [1, 2]
const NAMES = Array.from({ length: 24 }, (_, n) => n)
const FOLD_AT = 6

type Command =
  | { readonly what: "append"; readonly ids: ReadonlyArray<readonly [number, number]>; readonly commit: boolean }
  | { readonly what: "forget"; readonly newest: boolean; readonly count: number; readonly commit: boolean }
  | { readonly what: "reopen" }

const appended = fc.array(fc.tuple(fc.constantFrom(...GIDS), fc.constantFrom(...NAMES)), { minLength: 1, maxLength: 8 })
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("append"), ids: appended, commit: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant("forget"),
      newest: fc.boolean(),
      count: fc.integer({ min: 1, max: 20 }),
      commit: fc.boolean()
    })
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("reopen") }) }
)

interface Entry {
  readonly gid: number
  readonly name: number
  readonly n: number
  readonly position: number
}

describe("IdTable", () => {
  it.effect("finds what was appended, and nothing that was rolled back or forgotten", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const { database } = yield* NodeSqlite.open({ directory, applicationId: APPLICATION_ID, migrations: MIGRATIONS })
      const insert = database.prepare(
        "INSERT INTO envelope (gid, position, appended_millis, lane, id) VALUES (?, ?, 0, x'00', ?)"
      )
      const remove = database.prepare("DELETE FROM envelope WHERE n = ?")
      const rows = database.prepare("SELECT n, gid, id FROM envelope ORDER BY n")
      let numbersUsedAgain = 0
      let folds = 0

      /** Runs in a transaction, and answers what is there after it. */
      const transact = (
        table: IdTable,
        before: ReadonlyArray<Entry>,
        commit: boolean,
        run: () => ReadonlyArray<Entry>
      ) => {
        database.exec("BEGIN")
        const after = run()
        table.save()
        database.exec(commit ? "COMMIT" : "ROLLBACK")
        if (!commit) table.discard()
        return commit ? after : before
      }
      const append = (table: IdTable, entries: ReadonlyArray<Entry>, ids: ReadonlyArray<readonly [number, number]>) => {
        const after = [...entries]
        for (const [gid, name] of ids) {
          if (table.find(gid, idOf(name)) !== undefined) continue
          const position = after.length + 1
          const n = Number(insert.run(gid, position, idOf(name)).lastInsertRowid)
          table.add(gid, idOf(name), { n, position })
          after.push({ gid, name, n, position })
        }
        return after
      }
      const forget = (table: IdTable, entries: ReadonlyArray<Entry>, newest: boolean, count: number) => {
        const all = rows.all()
        const gone = newest ? all.slice(-count) : all.slice(0, count)
        table.forget(gone)
        for (const row of gone) remove.run(NodeSqlite.integer(row, "n"))
        table.forgotten()
        const numbers = new Set(gone.map((row) => NodeSqlite.integer(row, "n")))
        return entries.filter(({ n }) => !numbers.has(n))
      }

      fc.assert(
        fc.property(fc.array(command, { minLength: 1, maxLength: 25 }), (commands) => {
          database.exec("DELETE FROM envelope; DELETE FROM id; UPDATE id_fold SET through = 0")
          let table = new IdTable(database, FOLD_AT)
          let entries: ReadonlyArray<Entry> = []
          let highest = 0
          for (const each of commands) {
            const before = entries
            if (each.what === "append") {
              entries = transact(table, before, each.commit, () => append(table, before, each.ids))
            } else if (each.what === "forget") {
              entries = transact(table, before, each.commit, () => forget(table, before, each.newest, each.count))
            } else table = new IdTable(database, FOLD_AT)
            for (const { n } of entries.slice(before.length)) if (n <= highest) numbersUsedAgain++
            highest = Math.max(highest, ...entries.map(({ n }) => n))
            for (const gid of GIDS) {
              for (const name of NAMES) {
                const found = entries.find((entry) => entry.gid === gid && entry.name === name)
                const expected = found === undefined ? undefined : { n: found.n, position: found.position }
                assert.deepStrictEqual(table.find(gid, idOf(name)), expected)
              }
            }
          }
          if (NodeSqlite.integer(database.prepare("SELECT through FROM id_fold").get() ?? {}, "through") > 0) folds++
        }),
        { numRuns: 300 }
      )
      assert.isAbove(numbersUsedAgain, 20)
      assert.isAbove(folds, 100)
    }))

  it.effect("what is in memory for long is folded, and found as before", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const { database } = yield* NodeSqlite.open({ directory, applicationId: APPLICATION_ID, migrations: MIGRATIONS })
      const table = new IdTable(database)
      const ids = Array.from({ length: 10_000 }, (_, n) => {
        const id = new Uint8Array(32)
        new DataView(id.buffer).setUint32(n % 50 === 0 ? 20 : 0, n * 2_654_435_761)
        return EnvelopeId.make(id)
      })
      const insert = database.prepare(
        "INSERT INTO envelope (gid, position, appended_millis, lane, id) VALUES (7, ?, 0, x'00', ?)"
      )
      database.exec("BEGIN")
      ids.forEach((id, at) => {
        table.add(7, id, { n: Number(insert.run(at + 1, id).lastInsertRowid), position: at + 1 })
        if (at % 100 === 99) table.save()
      })
      database.exec("COMMIT")
      for (const opened of [table, new IdTable(database)]) {
        ids.forEach((id, at) => assert.strictEqual(opened.find(7, id)?.position, at + 1))
      }
      const folded = NodeSqlite.integer(database.prepare("SELECT count(*) AS count FROM id").get() ?? {}, "count")
      assert.isAbove(folded, 8000)
      assert.isBelow(folded, 10_000)
    }))

  it.effect("of a file that had an index before has every id", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const options = { directory, applicationId: APPLICATION_ID }
      yield* Effect.scoped(Effect.gen(function*() {
        const migrations = { "0001_init": MIGRATIONS["0001_init"] }
        const { database } = yield* NodeSqlite.open({ ...options, migrations })
        const insert = database.prepare(
          "INSERT INTO envelope (gid, position, appended_millis, lane, id) VALUES (?, ?, 0, x'00', ?)"
        )
        database.exec("BEGIN")
        for (const name of NAMES) for (const gid of GIDS) insert.run(gid, name + 1, idOf(name))
        database.exec("COMMIT")
      }))
      const { database } = yield* NodeSqlite.open({ ...options, migrations: MIGRATIONS })
      const foundIn = (table: IdTable) =>
        GIDS.flatMap((gid) => NAMES.map((name) => table.find(gid, idOf(name))?.position))
      const all = GIDS.flatMap(() => NAMES.map((name) => name + 1))
      const table = new IdTable(database, FOLD_AT)
      assert.deepStrictEqual(foundIn(table), all)
      table.save()
      const count = NodeSqlite.integer(database.prepare("SELECT count(*) AS count FROM id").get() ?? {}, "count")
      assert.strictEqual(count, all.length)
      assert.deepStrictEqual(foundIn(table), all)
    }))
})
