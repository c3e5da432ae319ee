/** What a relay keeps of its routes beside their logs. Its functions are synchronous; writes are inside the caller's transaction. */
import type { Write } from "@sotto/core/Store"
import type { DatabaseSync } from "node:sqlite"
import { bytes } from "../NodeSqlite.ts"
import type { Route } from "./RouteTable.ts"

const EMPTY = new Uint8Array(0)

const prepare = (database: DatabaseSync) => ({
  get: database.prepare("SELECT value FROM aside WHERE gid = ? AND key = ?"),
  // The index alone answers: a key is not empty.
  keys: database.prepare("SELECT key FROM aside WHERE gid = ? AND key > ? ORDER BY key LIMIT ?"),
  put: database.prepare(
    "INSERT INTO aside (gid, key, value) VALUES (?, ?, ?) ON CONFLICT (gid, key) DO UPDATE SET value = excluded.value"
  ),
  remove: database.prepare("DELETE FROM aside WHERE gid = ? AND key = ?")
})

/** For cutting groups of writes. */
export const weightOf = (writes: ReadonlyArray<Write>): number =>
  writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)

export class AsideTable {
  readonly #sql: ReturnType<typeof prepare>

  constructor(database: DatabaseSync) {
    this.#sql = prepare(database)
  }

  get({ gid }: Route, key: Uint8Array): Uint8Array | undefined {
    const row = this.#sql.get.get(gid, key)
    return row === undefined ? undefined : bytes(row, "value")
  }

  keys({ gid }: Route, after: Uint8Array | undefined, limit: number): ReadonlyArray<Uint8Array> {
    return this.#sql.keys.all(gid, after ?? EMPTY, limit).map((row) => bytes(row, "key"))
  }

  write({ gid }: Route, writes: ReadonlyArray<Write>): void {
    for (const { key, value } of writes) {
      if (value === undefined) this.#sql.remove.run(gid, key)
      else this.#sql.put.run(gid, key, value)
    }
  }
}
