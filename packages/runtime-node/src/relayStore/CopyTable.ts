/**
 * A relay's data file as a standby reads and writes it (`RelayCopy`). Its functions are synchronous and run inside the
 * transaction of the caller.
 *
 * A route's counts (`kept`, `usedBytes`) count its staged rows, too: `abandon` deletes these as any others.
 */
import type { Crypto } from "@sotto/core/Crypto"
import { CopyDiffers, type CopyPage, type RelayCopy } from "@sotto/core/relay/RelayCopy"
import * as Bytes from "@sotto/schema/Bytes"
import { AckTag, EnvelopeId, Lane, Position, type RouteId } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import { type CopiedRow, type PositionRange, type RouteRecord, type RowSum, SPAN } from "@sotto/schema/Standby"
import type { DatabaseSync } from "node:sqlite"
import { bytes, fixed, integer, integerOr, type Row } from "../NodeSqlite.ts"
import type { IdTable } from "./IdTable.ts"
import { NEVER, type Route, type RouteTable } from "./RouteTable.ts"

/** What a row costs beside its envelope. */
const ROW_BYTES = 96

const BETWEEN = "gid = ?1 AND position BETWEEN ?2 AND ?3"
const LIVE = `envelope INDEXED BY envelope_live WHERE bytes IS NOT NULL AND ${BETWEEN}`
const GONE = `envelope INDEXED BY envelope_gone_at WHERE bytes IS NULL AND ${BETWEEN}`
const COLUMNS = "n, gid, position, id, lane, appended_millis, expires_millis, length(bytes) AS size"

const prepare = (database: DatabaseSync) => ({
  // The upper bits and the lower ones apart: each sum stays exact.
  live: database.prepare(
    `SELECT count(*) AS kept, count(expires_millis) AS expiring, coalesce(sum(expires_millis >> 20), 0) AS high,
       coalesce(sum(expires_millis & 1048575), 0) AS low FROM ${LIVE}`
  ),
  gone: database.prepare(`SELECT count(*) AS gone FROM ${GONE}`),
  rows: database.prepare(
    `SELECT ${COLUMNS} FROM ${LIVE} UNION ALL SELECT ${COLUMNS} FROM ${GONE} ORDER BY position`
  ),
  body: database.prepare("SELECT bytes FROM envelope WHERE n = ?"),
  tags: database.prepare("SELECT tag, mark, seen_millis FROM tag WHERE gid = ? ORDER BY tag"),
  deleteTags: database.prepare("DELETE FROM tag WHERE gid = ?"),
  insertTag: database.prepare("INSERT INTO tag (gid, tag, mark, seen_millis) VALUES (?, ?, ?, ?)"),
  insert: database.prepare(
    `INSERT INTO envelope (gid, position, appended_millis, expires_millis, lane, id, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`
  ),
  empty: database.prepare("UPDATE envelope SET bytes = NULL, expires_millis = NULL WHERE n = ?"),
  expire: database.prepare("UPDATE envelope SET expires_millis = ? WHERE n = ?"),
  remove: database.prepare("DELETE FROM envelope WHERE n = ?"),
  stage: database.prepare("INSERT OR IGNORE INTO staged (gid) VALUES (?)"),
  unstage: database.prepare("DELETE FROM staged WHERE gid = ?"),
  staged: database.prepare("SELECT gid FROM staged")
})

/**
 * The table, once it is asked for. Only then there is an index of deleted envelopes by their place: it takes room with
 * every deletion, which a relay without a standby spares, above all on a disk that is full.
 */
export const whenAsked = (...of: ConstructorParameters<typeof CopyTable>): () => CopyTable => {
  let table: CopyTable | undefined
  return () => {
    if (table !== undefined) return table
    of[0].exec("CREATE INDEX IF NOT EXISTS envelope_gone_at ON envelope (gid, position) WHERE bytes IS NULL")
    table = new CopyTable(...of)
    return table
  }
}

/** A row that is here: `size` is `undefined` without its envelope. */
interface Here {
  readonly row: Row
  readonly n: number
  readonly id: Uint8Array
  readonly size: number | undefined
  readonly expires: number
}

const hereOf = (row: Row): Here => ({
  row,
  n: integer(row, "n"),
  id: fixed(row, "id", 32),
  size: row["size"] === null ? undefined : integer(row, "size"),
  expires: integerOr(row, "expires_millis", NEVER)
})

/** For cutting groups of writes. */
export const weightOf = ({ rows }: CopyPage): number =>
  rows.reduce((sum, row) => sum + (row._tag === "Kept" ? row.envelope.length : 0), 0)

export class CopyTable {
  readonly #sql: ReturnType<typeof prepare>
  readonly #crypto: Pick<Crypto["Service"], "sha256">
  readonly #routes: RouteTable
  readonly #ids: IdTable

  constructor(database: DatabaseSync, crypto: Pick<Crypto["Service"], "sha256">, tables: {
    readonly routes: RouteTable
    readonly ids: IdTable
  }) {
    this.#sql = prepare(database)
    this.#crypto = crypto
    this.#routes = tables.routes
    this.#ids = tables.ids
  }

  sum({ gid }: Route, { from, to }: PositionRange): RowSum {
    const live = this.#sql.live.get(gid, from, to) ?? {}
    return {
      kept: integer(live, "kept"),
      expiring: integer(live, "expiring"),
      expiryHigh: integer(live, "high"),
      expiryLow: integer(live, "low"),
      gone: integer(this.#sql.gone.get(gid, from, to) ?? {}, "gone")
    }
  }

  page(route: Route, { bytesMax, from, has, staged }: Parameters<RelayCopy["rows"]>[0]): CopyPage {
    const { epoch, gid, keys, quotaBytes, retention } = route
    const rows: Array<CopiedRow> = []
    let through = Math.min(from + SPAN - 1, staged ? NEVER : route.position)
    let sum = 0
    for (const row of this.#sql.rows.all(gid, from, through)) {
      const position = Position.make(integer(row, "position"))
      const isSent = row["size"] !== null && !has(position)
      sum += ROW_BYTES + (isSent ? integer(row, "size") : 0)
      if (rows.length > 0 && sum > bytesMax) {
        through = position - 1
        break
      }
      rows.push(this.#copied(row, position, isSent))
    }
    const whole = through >= route.position && sum <= bytesMax
    return {
      epoch,
      keys,
      retention,
      quotaBytes,
      position: Position.make(route.position),
      through: Position.make(Math.max(0, through)),
      rows,
      record: whole ? this.#record(route) : null
    }
  }

  #copied(row: Row, position: Position, isSent: boolean): CopiedRow {
    const id = EnvelopeId.make(fixed(row, "id", 32))
    const appendedMillis = integer(row, "appended_millis")
    if (row["size"] === null) return { _tag: "Gone", position, id, appendedMillis }
    const expiresMillis = row["expires_millis"] === null ? null : integer(row, "expires_millis")
    if (!isSent) return { _tag: "Known", position, id, expiresMillis }
    const lane = Lane.make(fixed(row, "lane", 8))
    const envelope = bytes(this.#sql.body.get(integer(row, "n")) ?? {}, "bytes")
    return { _tag: "Kept", position, id, lane, appendedMillis, expiresMillis, envelope }
  }

  #record(route: Route): RouteRecord {
    const { chain, epoch, gid, keys, lowest, opHash, past, position, quotaBytes, retention } = route
    const tags = this.#sql.tags.all(gid).map((row) => ({
      tag: AckTag.make(fixed(row, "tag", 16)),
      mark: Position.make(integer(row, "mark")),
      seenMillis: integer(row, "seen_millis")
    }))
    return {
      epoch,
      keys,
      retention,
      quotaBytes,
      opHash,
      past,
      position: Position.make(position),
      chain,
      lowest: Position.make(lowest),
      tags
    }
  }

  /** Changes nothing when it answers that the two differ. */
  apply(id: RouteId, from: number, page: CopyPage): CopyDiffers | undefined {
    const route = this.#routes.find(id)
    const here = new Map(
      (route === undefined ? [] : this.#sql.rows.all(route.gid, from, page.through))
        .map((row) => [integer(row, "position"), hereOf(row)])
    )
    const detail = rowsDiffer(route?.position ?? 0, here, page.rows) ?? this.#endDiffers(route, from, page)
    if (detail !== undefined) return new CopyDiffers({ detail })
    this.#write(route ?? this.#routes.open({ ...page, route: id }), here, page)
    return undefined
  }

  /** Why this cannot be the end of the log that is here. */
  #endDiffers(route: Route | undefined, from: number, { record, rows }: CopyPage): string | undefined {
    if (record === null) return undefined
    const { chain: begun, position } = route ?? { chain: new Uint8Array(32), position: 0 }
    if (record.position < position) return "the log there ends before the one here"
    let chain: Uint8Array = begun
    let count = 0
    const link = (id: EnvelopeId) => {
      chain = this.#crypto.sha256(Proof.chainLink(chain, id))
      count++
    }
    const staged = route === undefined ? [] : this.#sql.rows.iterate(route.gid, position + 1, from - 1)
    for (const row of staged) link(EnvelopeId.make(fixed(row, "id", 32)))
    for (const row of rows) if (row.position > position) link(row.id)
    // Some are forgotten over there: then the chain tells nothing.
    return count !== record.position - position || Bytes.equals(chain, record.chain)
      ? undefined
      : "the logs went different ways"
  }

  #write(route: Route, here: Map<number, Here>, page: CopyPage): void {
    this.#routes.touch(route)
    for (const row of page.rows) {
      this.#writeRow(route, here.get(row.position), row)
      here.delete(row.position)
    }
    this.#remove(route, Array.from(here.values()))
    if (page.record !== null) this.#writeRecord(route, page.record)
    else if (page.through > route.position) this.#sql.stage.run(route.gid)
  }

  #writeRow(route: Route, before: Here | undefined, row: CopiedRow): void {
    if (row._tag === "Gone") {
      if (before === undefined) {
        this.#insert(route, row, new Uint8Array(8), null, null)
      } else if (before.size !== undefined) {
        this.#sql.empty.run(before.n)
        route.kept--
        route.usedBytes -= before.size
      }
      return
    }
    const { expiresMillis } = row
    route.nextExpiryMillis = Math.min(route.nextExpiryMillis, expiresMillis ?? NEVER)
    if (before !== undefined) {
      if (before.expires !== (expiresMillis ?? NEVER)) this.#sql.expire.run(expiresMillis, before.n)
    } else if (row._tag === "Kept") {
      this.#insert(route, row, row.lane, expiresMillis, row.envelope)
      route.kept++
      route.usedBytes += row.envelope.length
    }
  }

  #insert(
    { gid }: Route,
    { appendedMillis, id, position }: Extract<CopiedRow, { readonly appendedMillis: number }>,
    lane: Uint8Array,
    expiresMillis: number | null,
    envelope: Uint8Array | null
  ): void {
    const { lastInsertRowid } = this.#sql.insert.run(gid, position, appendedMillis, expiresMillis, lane, id, envelope)
    this.#ids.add(gid, id, { n: Number(lastInsertRowid), position })
  }

  #remove(route: Route, rows: ReadonlyArray<Here>): void {
    if (rows.length === 0) return
    this.#ids.forget(rows.map(({ row }) => row))
    for (const { n, size } of rows) {
      this.#sql.remove.run(n)
      if (size === undefined) continue
      route.kept--
      route.usedBytes -= size
    }
    this.#ids.forgotten()
  }

  #writeRecord(route: Route, record: RouteRecord): void {
    const { gid } = route
    route.epoch = record.epoch
    route.keys = record.keys
    route.quotaBytes = record.quotaBytes
    route.opHash = record.opHash.slice()
    route.past = record.past
    route.position = record.position
    route.chain = record.chain.slice()
    route.lowest = record.lowest
    this.#routes.saveEpoch(route)
    this.#routes.saveQuota(route)
    this.#sql.deleteTags.run(gid)
    for (const { mark, seenMillis, tag } of record.tags) this.#sql.insertTag.run(gid, tag, mark, seenMillis)
    this.#sql.unstage.run(gid)
  }

  /** Drops staged rows, and routes that are nothing else. */
  abandon(): void {
    for (const row of this.#sql.staged.all()) {
      const gid = integer(row, "gid")
      const route = this.#routes.findByNumber(gid)
      this.#sql.unstage.run(gid)
      if (route === undefined) continue
      this.#routes.touch(route)
      this.#remove(route, this.#sql.rows.all(gid, route.position + 1, Number.MAX_SAFE_INTEGER).map(hereOf))
      if (route.position === 0) this.#routes.remove(route)
    }
  }
}

/** Why these rows cannot be what is here now, later. */
const rowsDiffer = (
  end: number,
  here: ReadonlyMap<number, Here>,
  rows: ReadonlyArray<CopiedRow>
): string | undefined => {
  for (const row of rows) {
    const before = here.get(row.position)
    if (before === undefined) {
      if (row.position <= end) return "an entry is there that is forgotten here"
      if (row._tag === "Known") return "an entry is named that is not here"
    } else if (!Bytes.equals(before.id, row.id)) return "another entry stands at a position"
    else if (row._tag !== "Gone" && before.size === undefined) return "an entry is kept there that is deleted here"
  }
  return undefined
}
