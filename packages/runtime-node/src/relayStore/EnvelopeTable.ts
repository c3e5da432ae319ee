/**
 * The envelopes of a relay's data file: appended, read in pages, pruned. Its functions are synchronous and run inside the
 * transaction of the caller; a route that they change is touched first.
 *
 * A deleted envelope keeps its row without bytes, so that its id still answers with its position.
 */
import type { Crypto } from "@sotto/core/Crypto"
import type { IdPage, Incoming, Page, Places, RelayStore, StoredEnvelope } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { EnvelopeId, type Lane, Position } from "@sotto/schema/Id"
import * as Proof from "@sotto/schema/Proof"
import { QuotaExceeded } from "@sotto/schema/RelayError"
import type { DatabaseSync } from "node:sqlite"
import { bytes, fixed, integer, integerOr, type Row } from "../NodeSqlite.ts"
import type { IdTable } from "./IdTable.ts"
import { NEVER, type Route, type RouteTable } from "./RouteTable.ts"

type Service = RelayStore["Service"]
type Read = Parameters<Service["read"]>[0]
type ReadAt = Parameters<Service["readAt"]>[0]
type Ids = Parameters<Service["ids"]>[0]
type Asked = Parameters<Service["places"]>[0]

/** Where one of an append's envelopes stands, and whether it was there before. */
export interface Placed {
  readonly position: number
  readonly duplicate: boolean
}

const LIVE = "envelope INDEXED BY envelope_live WHERE gid = ? AND bytes IS NOT NULL"
const IN_LANES = "lane IN (SELECT unhex(value) FROM json_each(?))"

const prepare = (database: DatabaseSync) => ({
  insert: database.prepare(
    `INSERT INTO envelope (gid, position, appended_millis, expires_millis, lane, id, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`
  ),
  page: database.prepare(`SELECT position, bytes FROM ${LIVE} AND position > ? ORDER BY position LIMIT ?`),
  pageOfLanes: database.prepare(
    `SELECT position, bytes FROM ${LIVE} AND position > ? AND ${IN_LANES} ORDER BY position LIMIT ?`
  ),
  at: database.prepare(`SELECT position, bytes FROM ${LIVE} AND position = ?`),
  ids: database.prepare(`SELECT position, id FROM ${LIVE} AND position > ? ORDER BY position LIMIT ?`),
  idsOfLanes: database.prepare(
    `SELECT position, id FROM ${LIVE} AND position > ? AND ${IN_LANES} ORDER BY position LIMIT ?`
  ),
  count: database.prepare(`SELECT count(*) AS kept FROM ${LIVE} AND position BETWEEN ? AND ?`),
  countOfLanes: database.prepare(`SELECT count(*) AS kept FROM ${LIVE} AND position BETWEEN ? AND ? AND ${IN_LANES}`),
  places: database.prepare(`SELECT position FROM ${LIVE} AND position BETWEEN ? AND ? ORDER BY position`),
  placesOfLanes: database.prepare(
    `SELECT position FROM ${LIVE} AND position BETWEEN ? AND ? AND ${IN_LANES} ORDER BY position`
  ),
  lowest: database.prepare(`SELECT min(position) AS lowest FROM ${LIVE} AND position >= ?`),
  nextExpiry: database.prepare(`SELECT min(expires_millis) AS next FROM ${LIVE}`),
  byNumber: database.prepare(
    "SELECT n, length(bytes) AS size, expires_millis FROM envelope WHERE n = ? AND bytes IS NOT NULL"
  ),
  through: database.prepare(`SELECT n, length(bytes) AS size FROM ${LIVE} AND position <= ? ORDER BY position LIMIT ?`),
  expired: database.prepare(
    `SELECT n, length(bytes) AS size FROM ${LIVE} AND position > ? AND expires_millis <= ? ORDER BY position LIMIT ?`
  ),
  empty: database.prepare("UPDATE envelope SET bytes = NULL, expires_millis = NULL WHERE n = ?"),
  expire: database.prepare("UPDATE envelope SET expires_millis = ? WHERE n = ?"),
  gone: database.prepare(
    `SELECT n, gid, id FROM envelope INDEXED BY envelope_gone WHERE bytes IS NULL AND appended_millis < ?
     ORDER BY appended_millis, n LIMIT ?`
  ),
  forget: database.prepare("DELETE FROM envelope WHERE n = ?")
})

const inLanes = (lanes: ReadonlyArray<Lane>): string => JSON.stringify(lanes.map(Bytes.toHex))

const placeOf = ({ chain, lowest, position }: Route): Pick<Page, "position" | "chain" | "lowest"> => ({
  position: Position.make(position),
  chain: chain.slice(),
  lowest: Position.make(lowest)
})

/** The first rows, at most `limit` and at most `bytesMax` bytes (but one at least). */
const pageOf = (route: Route, rows: Iterable<Row>, limit: number, bytesMax: number): Page => {
  const envelopes: Array<StoredEnvelope> = []
  let sum = 0
  let more = false
  for (const row of rows) {
    const body = bytes(row, "bytes")
    sum += body.length
    if (envelopes.length >= limit || (envelopes.length > 0 && sum > bytesMax)) {
      more = true
      break
    }
    envelopes.push({ position: Position.make(integer(row, "position")), bytes: body })
  }
  return { envelopes, more, ...placeOf(route) }
}

/** What an append comes to, before anything is written. */
interface Plan {
  readonly placed: ReadonlyArray<Placed>
  readonly fresh: ReadonlyArray<Incoming>
  readonly freshBytes: number
}

export class EnvelopeTable {
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

  /** Places all, or refuses all and changes nothing. */
  append(
    route: Route,
    envelopes: ReadonlyArray<Incoming>,
    nowMillis: number,
    expiresMillis: number
  ): ReadonlyArray<Placed> | QuotaExceeded {
    const { fresh, freshBytes, placed } = this.#plan(route, envelopes)
    if (fresh.length === 0) return placed
    const { gid, quotaBytes, usedBytes } = route
    if (freshBytes > 0 && usedBytes + freshBytes > quotaBytes) return new QuotaExceeded({ usedBytes, quotaBytes })
    this.#routes.touch(route)
    const expires = expiresMillis === NEVER ? null : expiresMillis
    for (const { bytes, id, lane } of fresh) {
      route.position++
      route.chain = this.#crypto.sha256(Proof.chainLink(route.chain, id))
      const { lastInsertRowid } = this.#sql.insert.run(gid, route.position, nowMillis, expires, lane, id, bytes)
      this.#ids.add(gid, id, { n: Number(lastInsertRowid), position: route.position })
    }
    route.kept += fresh.length
    route.usedBytes += freshBytes
    route.nextExpiryMillis = Math.min(route.nextExpiryMillis, expiresMillis)
    return placed
  }

  #plan(route: Route, envelopes: ReadonlyArray<Incoming>): Plan {
    const placed: Array<Placed> = []
    const fresh: Array<Incoming> = []
    const inBatch = envelopes.length > 1 ? new Map<string, number>() : undefined
    let { position } = route
    let freshBytes = 0
    for (const envelope of envelopes) {
      const key = inBatch === undefined ? "" : Bytes.toHex(envelope.id)
      const before = this.#ids.find(route.gid, envelope.id)?.position ?? inBatch?.get(key)
      if (before !== undefined) {
        placed.push({ position: before, duplicate: true })
        continue
      }
      position++
      inBatch?.set(key, position)
      placed.push({ position, duplicate: false })
      fresh.push(envelope)
      freshBytes += envelope.bytes.length
    }
    return { placed, fresh, freshBytes }
  }

  read(route: Route, { after, bytesMax, lanes, limit }: Read): Page {
    const from = Math.max(after, route.lowest - 1)
    const rows = lanes.length === 0
      ? this.#sql.page.iterate(route.gid, from, limit + 1)
      : this.#sql.pageOfLanes.iterate(route.gid, from, inLanes(lanes), limit + 1)
    return pageOf(route, rows, limit, bytesMax)
  }

  readAt(route: Route, { bytesMax, positions }: ReadAt): Page {
    return pageOf(route, this.#rowsAt(route, positions), positions.length, bytesMax)
  }

  /** One look each, and none beyond what is taken: as a list in one statement they would all be read to be sorted. */
  *#rowsAt(route: Route, positions: ReadonlyArray<Position>): Generator<Row> {
    for (const at of positions) {
      const row = this.#sql.at.get(route.gid, at)
      if (row !== undefined) yield row
    }
  }

  ids(route: Route, { after, lanes, limit }: Ids): IdPage {
    const from = Math.max(after, route.lowest - 1)
    const rows = lanes.length === 0
      ? this.#sql.ids.all(route.gid, from, limit + 1)
      : this.#sql.idsOfLanes.all(route.gid, from, inLanes(lanes), limit + 1)
    const ids = rows.slice(0, limit).map((row) => ({
      position: Position.make(integer(row, "position")),
      id: EnvelopeId.make(fixed(row, "id", 32))
    }))
    return { ids, more: rows.length > limit, ...placeOf(route), removed: route.position - route.kept }
  }

  places(route: Route, { lanes, ranges }: Asked): Places {
    const [count, places] = lanes.length === 0
      ? [this.#sql.count, this.#sql.places]
      : [this.#sql.countOfLanes, this.#sql.placesOfLanes]
    const among = lanes.length === 0 ? [] : [inLanes(lanes)]
    const found = ranges.map((range) => {
      const where = [route.gid, range.from, range.to, ...among]
      return integer(count.get(...where) ?? {}, "kept") === range.count
        ? undefined
        : places.all(...where).map((row) => Position.make(integer(row, "position")))
    })
    return { places: found, removed: route.position - route.kept }
  }

  /** Answers how many of the ids were there. */
  prune(route: Route, ids: ReadonlyArray<EnvelopeId>, nowMillis: number, expiresMillis: number): number {
    this.#routes.reshape(route)
    const seen = new Set<number>()
    for (const id of ids) {
      const n = this.#ids.find(route.gid, id)?.n
      if (n === undefined || seen.has(n)) continue
      const row = this.#sql.byNumber.get(n)
      if (row === undefined) continue
      seen.add(n)
      if (expiresMillis <= nowMillis) this.#delete(route, row)
      else if (expiresMillis < integerOr(row, "expires_millis", NEVER)) {
        this.#sql.expire.run(expiresMillis, n)
        route.nextExpiryMillis = Math.min(route.nextExpiryMillis, expiresMillis)
      }
    }
    this.#raiseLowest(route)
    return seen.size
  }

  /** Deletes at most `limit` of the rows up to `through`, the lowest first. */
  deleteThrough(route: Route, through: number, limit: number): number {
    return this.#deleteAll(route, this.#sql.through.all(route.gid, through, limit))
  }

  /** Deletes at most `limit` expired rows above `after`, the lowest first. */
  deleteExpired(route: Route, after: number, nowMillis: number, limit: number): number {
    const deleted = this.#deleteAll(route, this.#sql.expired.all(route.gid, after, nowMillis, limit))
    route.nextExpiryMillis = integerOr(this.#sql.nextExpiry.get(route.gid) ?? {}, "next", NEVER)
    return deleted
  }

  /** Forgets at most `limit` deleted rows that were appended before `knownSinceMillis`. */
  forget(knownSinceMillis: number, limit: number): number {
    const rows = this.#sql.gone.all(knownSinceMillis, limit)
    if (rows.length === 0) return 0
    this.#ids.forget(rows)
    for (const row of rows) this.#sql.forget.run(integer(row, "n"))
    this.#ids.forgotten()
    if (this.#routes.isWatched) this.#tellForgotten(rows)
    return rows.length
  }

  #tellForgotten(rows: ReadonlyArray<Row>): void {
    for (const gid of new Set(rows.map((row) => integer(row, "gid")))) {
      const route = this.#routes.findByNumber(gid)
      if (route !== undefined) this.#routes.reshape(route)
    }
  }

  #deleteAll(route: Route, rows: ReadonlyArray<Row>): number {
    this.#routes.reshape(route)
    for (const row of rows) this.#delete(route, row)
    if (rows.length > 0) this.#raiseLowest(route)
    return rows.length
  }

  #delete(route: Route, row: Row): void {
    this.#sql.empty.run(integer(row, "n"))
    route.kept--
    route.usedBytes -= integer(row, "size")
  }

  /** `lowest` may have gone: looks for the one that is it now. */
  #raiseLowest(route: Route): void {
    route.lowest = integerOr(this.#sql.lowest.get(route.gid, route.lowest) ?? {}, "lowest", route.position + 1)
  }
}
