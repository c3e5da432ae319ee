/**
 * Which row has an envelope's id. Ids come in no order, so that an index of them that is kept with each append has a page
 * to write for almost every row: half of what an append cost. So the newest ids are in memory only, and are folded into
 * the table many at a time, in its order.
 *
 * 1. An id is found from its append on, whichever of the two it is in.
 * 2. Nothing is lost with the memory: the rows themselves hold their ids, and `id_fold` says from which row on they are to
 *    be read at the next start. So it is after a rollback, too.
 * 3. A row's number is used again once the last rows were forgotten: `id_fold` goes back with them.
 *
 * The table has the beginning of an id only, whoever looks compares the rest: a small one has few pages.
 */
import type { EnvelopeId } from "@sotto/schema/Id"
import type { DatabaseSync } from "node:sqlite"
import { bytes, integer, type Row } from "../NodeSqlite.ts"
import { headOf, type Known, RecentIds } from "./RecentIds.ts"

/** Ids in memory before they are folded, which takes some milliseconds of one commit. */
const FOLD_AT = 4096

const prepare = (database: DatabaseSync) => ({
  find: database.prepare(
    `SELECT envelope.n, envelope.position FROM id CROSS JOIN envelope ON envelope.n = id.n
     WHERE id.gid = ? AND id.head = ? AND envelope.id = ?`
  ),
  insert: database.prepare("INSERT INTO id (gid, head, n) VALUES (?, ?, ?)"),
  delete: database.prepare("DELETE FROM id WHERE gid = ? AND head = ? AND n = ?"),
  folded: database.prepare("UPDATE id_fold SET through = (SELECT max(n) FROM envelope)"),
  fallBack: database.prepare("UPDATE id_fold SET through = min(through, coalesce((SELECT max(n) FROM envelope), 0))"),
  rest: database.prepare("SELECT n, gid, position, id FROM envelope WHERE n > (SELECT through FROM id_fold)")
})

export class IdTable {
  readonly #sql: ReturnType<typeof prepare>
  readonly #recent = new RecentIds()
  readonly #foldAt: number

  constructor(database: DatabaseSync, foldAt = FOLD_AT) {
    this.#foldAt = foldAt
    this.#sql = prepare(database)
    this.#load()
  }

  find(gid: number, id: EnvelopeId): Known | undefined {
    const head = headOf(id)
    const recent = this.#recent.find(gid, head, id)
    if (recent !== undefined) return recent
    const row = this.#sql.find.get(gid, head, id)
    return row === undefined ? undefined : { n: integer(row, "n"), position: integer(row, "position") }
  }

  /** Of a row that was just inserted. */
  add(gid: number, id: EnvelopeId, known: Known): void {
    this.#recent.add(gid, headOf(id), id, known)
  }

  /** Before these rows go. */
  forget(rows: ReadonlyArray<Row>): void {
    this.#fold()
    for (const row of rows) this.#sql.delete.run(integer(row, "gid"), headOf(bytes(row, "id")), integer(row, "n"))
  }

  /** After rows went. */
  forgotten(): void {
    this.#sql.fallBack.run()
  }

  /** Last step inside a transaction. */
  save(): void {
    if (this.#recent.size >= this.#foldAt) this.#fold()
  }

  /** After a rollback. */
  discard(): void {
    this.#recent.clear()
    this.#load()
  }

  #load(): void {
    for (const row of this.#sql.rest.iterate()) {
      const id = bytes(row, "id")
      const known = { n: integer(row, "n"), position: integer(row, "position") }
      this.#recent.add(integer(row, "gid"), headOf(id), id, known)
    }
  }

  #fold(): void {
    if (this.#recent.size === 0) return
    for (const { gid, head, n } of this.#recent.sorted()) this.#sql.insert.run(gid, head, n)
    this.#sql.folded.run()
    this.#recent.clear()
  }
}
