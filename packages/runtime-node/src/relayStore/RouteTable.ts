/**
 * The routes of a relay's data file, with the ones in use kept in memory. One process has the file (`NodeSqlite`), so
 * what is in memory is what is on disk, but for what the transaction under way has changed.
 *
 * 1. Whoever changes a route inside a transaction calls `touch` first; `save` then writes each touched head once, however
 *    many appends changed it.
 * 2. After a rollback the touched routes are forgotten, and read from disk again.
 */
import type { RelayCopy } from "@sotto/core/relay/RelayCopy"
import type { PastEpoch, RouteState } from "@sotto/core/relay/RelayStore"
import { Epoch, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { CapabilityKeys, Retention, Ttl } from "@sotto/schema/Relay"
import type { DatabaseSync } from "node:sqlite"
import { fixed, integer, integerOr, type Row, SqliteFailed } from "../NodeSqlite.ts"

/** No expiry, in the place of one. */
export const NEVER = Number.POSITIVE_INFINITY

/** A route in memory: what it was opened with, and its head. */
export interface Route {
  readonly gid: number
  readonly route: RouteId
  readonly retention: Retention
  quotaBytes: number
  epoch: Epoch
  keys: CapabilityKeys
  opHash: Uint8Array
  past: ReadonlyArray<PastEpoch>
  position: number
  chain: Uint8Array
  lowest: number
  kept: number
  usedBytes: number
  /** No row expires before this. */
  nextExpiryMillis: number
}

export interface Totals {
  readonly routes: number
  readonly envelopes: number
  readonly bytes: number
}

/** Routes kept in memory; about a kilobyte each. */
const CACHED_MAX = 10_000

/** A copy for the outside: nothing in it changes later. */
export const stateOf = (route: Route): RouteState => ({
  route: route.route,
  epoch: route.epoch,
  keys: route.keys,
  retention: route.retention,
  position: Position.make(route.position),
  chain: route.chain.slice(),
  lowest: Position.make(route.lowest),
  usedBytes: route.usedBytes,
  quotaBytes: route.quotaBytes,
  opHash: route.opHash.slice(),
  past: route.past.slice()
})

const keyOf = (route: Uint8Array): string =>
  Buffer.from(route.buffer, route.byteOffset, route.length).toString("latin1")

const SELECT = "SELECT route.*, head.* FROM route JOIN head USING (gid)"

const prepare = (database: DatabaseSync) => ({
  byRoute: database.prepare(`${SELECT} WHERE route = ?`),
  byNumber: database.prepare(`${SELECT} WHERE gid = ?`),
  past: database.prepare("SELECT * FROM past_epoch WHERE gid = ? ORDER BY epoch"),
  insertRoute: database.prepare(
    `INSERT INTO route (route, epoch, write_key, read_key, admin_key, recovery_key, op_hash, quota_bytes, retention, ttl,
       ttl_millis)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING gid`
  ),
  insertHead: database.prepare(
    `INSERT INTO head (gid, transit, position, lowest, kept, used_bytes, next_expiry_millis, chain)
     VALUES (?, ?, 0, 1, 0, 0, NULL, ?)`
  ),
  updateHead: database.prepare(
    `UPDATE head SET position = ?, lowest = ?, kept = ?, used_bytes = ?, next_expiry_millis = ?, chain = ? WHERE gid = ?`
  ),
  updateEpoch: database.prepare(
    `UPDATE route SET epoch = ?, write_key = ?, read_key = ?, admin_key = ?, recovery_key = ?, op_hash = ? WHERE gid = ?`
  ),
  updateQuota: database.prepare("UPDATE route SET quota_bytes = ? WHERE gid = ?"),
  after: database.prepare(
    "SELECT route, position FROM route JOIN head USING (gid) WHERE route > ? ORDER BY route LIMIT ?"
  ),
  staged: database.prepare("SELECT gid FROM staged LIMIT 1"),
  deleteRoute: database.prepare("DELETE FROM route WHERE gid = ?"),
  deleteHead: database.prepare("DELETE FROM head WHERE gid = ?"),
  deletePast: database.prepare("DELETE FROM past_epoch WHERE gid = ?"),
  deleteAside: database.prepare("DELETE FROM aside WHERE gid = ?"),
  insertPast: database.prepare(
    "INSERT INTO past_epoch (gid, epoch, read_key, position, chain, millis) VALUES (?, ?, ?, ?, ?, ?)"
  ),
  count: database.prepare(
    "SELECT count(*) AS routes, coalesce(sum(kept), 0) AS envelopes, coalesce(sum(used_bytes), 0) AS bytes FROM head"
  )
})

/** What a touched route counted for before. */
interface Before {
  readonly kept: number
  readonly usedBytes: number
  readonly isNew: boolean
}

type Watcher = Parameters<RelayCopy["watch"]>[0]

export class RouteTable {
  readonly #sql: ReturnType<typeof prepare>
  readonly #totals: { routes: number; envelopes: number; bytes: number }
  /** The least recently used first. */
  readonly #cached = new Map<string, Route>()
  readonly #keyByNumber = new Map<number, string>()
  readonly #touched = new Map<Route, Before>()
  /** Touched routes of which more than the end of the log changed; kept while somebody watches. */
  readonly #reshaped = new Set<Route>()
  readonly #removed = new Set<Route>()
  readonly #watchers = new Set<Watcher>()

  constructor(database: DatabaseSync) {
    this.#sql = prepare(database)
    const row = this.#sql.count.get() ?? {}
    this.#totals = {
      routes: integer(row, "routes"),
      envelopes: integer(row, "envelopes"),
      bytes: integer(row, "bytes")
    }
  }

  find(route: RouteId): Route | undefined {
    const key = keyOf(route)
    const found = this.#cached.get(key)
    if (found === undefined) return this.#load(this.#sql.byRoute.get(route))
    this.#cached.delete(key)
    this.#cached.set(key, found)
    return found
  }

  findByNumber(gid: number): Route | undefined {
    const key = this.#keyByNumber.get(gid)
    return (key === undefined ? undefined : this.#cached.get(key)) ?? this.#load(this.#sql.byNumber.get(gid))
  }

  /** A new one. */
  open(opened: Pick<RouteState, "route" | "epoch" | "keys" | "retention" | "quotaBytes">): Route {
    const { epoch, keys: { admin, read, recovery, write }, quotaBytes, retention, route } = opened
    const opHash = new Uint8Array(32)
    const { name, ttl, ttlMillis } = toColumns(retention)
    const columns = [route, epoch, write, read, admin, recovery, opHash, quotaBytes, name, ttl, ttlMillis]
    const gid = integer(this.#sql.insertRoute.get(...columns) ?? {}, "gid")
    this.#sql.insertHead.run(gid, name === "transit" ? 1 : 0, opHash)
    const made = this.findByNumber(gid)
    if (made === undefined) throw new Error(`route ${gid} was inserted and is not there`)
    this.#touched.set(made, { kept: 0, usedBytes: 0, isNew: true })
    return made
  }

  touch(route: Route): void {
    if (this.#touched.has(route)) return
    this.#touched.set(route, { kept: route.kept, usedBytes: route.usedBytes, isNew: false })
  }

  /** As `touch`, for a change of rows that are there. */
  reshape(route: Route): void {
    this.touch(route)
    if (this.isWatched) this.#reshaped.add(route)
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0
  }

  watch(told: Watcher): () => void {
    this.#watchers.add(told)
    return () => {
      this.#watchers.delete(told)
    }
  }

  /** The routes after `after`, or the first ones, in the order of their ids. */
  after(after: RouteId | null, limit: number): ReadonlyArray<{ readonly route: RouteId; readonly position: Position }> {
    return this.#sql.after.all(after ?? new Uint8Array(0), limit).map((row) => ({
      route: RouteId.make(fixed(row, "route", 32)),
      position: Position.make(integer(row, "position"))
    }))
  }

  /** Whether rows beyond a route's end were copied. */
  areStaged(): boolean {
    return this.#sql.staged.get() !== undefined
  }

  /** Writes the quota that `route` has now. */
  saveQuota({ gid, quotaBytes }: Route): void {
    this.#sql.updateQuota.run(quotaBytes, gid)
  }

  /** As if it had never been opened. */
  remove(route: Route): void {
    this.touch(route)
    this.#removed.add(route)
    const { deleteAside, deleteHead, deletePast, deleteRoute } = this.#sql
    for (const statement of [deleteRoute, deleteHead, deletePast, deleteAside]) statement.run(route.gid)
  }

  /** Writes the epoch that `route` has now, and its past ones. */
  saveEpoch({ epoch, gid, keys, opHash, past }: Route): void {
    this.#sql.updateEpoch.run(epoch, keys.write, keys.read, keys.admin, keys.recovery, opHash, gid)
    this.#sql.deletePast.run(gid)
    for (const each of past) {
      this.#sql.insertPast.run(gid, each.epoch, each.read, each.position, each.chain, each.millis)
    }
  }

  /** Writes the touched heads: the last step inside a transaction. */
  save(): void {
    for (const { chain, gid, kept, lowest, nextExpiryMillis, position, usedBytes } of this.#touched.keys()) {
      const next = nextExpiryMillis === NEVER ? null : nextExpiryMillis
      this.#sql.updateHead.run(position, lowest, kept, usedBytes, next, chain, gid)
    }
  }

  /** After a commit. */
  settle(): void {
    for (const [route, before] of this.#touched) {
      if (before.isNew) this.#totals.routes++
      this.#totals.envelopes += route.kept - before.kept
      this.#totals.bytes += route.usedBytes - before.usedBytes
    }
    if (this.isWatched) this.#tell()
    if (this.#removed.size > 0) this.#forgetRemoved()
    this.#touched.clear()
    for (const [key, route] of this.#cached) {
      if (this.#cached.size <= CACHED_MAX) break
      this.#drop(key, route)
    }
  }

  /** After a rollback. */
  discard(): void {
    for (const route of this.#touched.keys()) this.#drop(keyOf(route.route), route)
    this.#touched.clear()
    this.#reshaped.clear()
    this.#removed.clear()
  }

  #forgetRemoved(): void {
    for (const route of this.#removed) {
      this.#totals.routes--
      this.#drop(keyOf(route.route), route)
    }
    this.#removed.clear()
  }

  #tell(): void {
    for (const route of this.#touched.keys()) {
      const change = { route: route.route, position: Position.make(route.position), rows: this.#reshaped.has(route) }
      for (const told of this.#watchers) told(change)
    }
    this.#reshaped.clear()
  }

  totals(): Totals {
    return { ...this.#totals }
  }

  #load(row: Row | undefined): Route | undefined {
    if (row === undefined) return undefined
    const route = fromRow(row, this.#sql.past.all(integer(row, "gid")))
    const key = keyOf(route.route)
    this.#cached.set(key, route)
    this.#keyByNumber.set(route.gid, key)
    return route
  }

  #drop(key: string, route: Route): void {
    this.#cached.delete(key)
    this.#keyByNumber.delete(route.gid)
  }
}

const fromRow = (row: Row, past: ReadonlyArray<Row>): Route => ({
  gid: integer(row, "gid"),
  route: RouteId.make(fixed(row, "route", 32)),
  epoch: Epoch.make(integer(row, "epoch")),
  keys: {
    write: SigningKey.make(fixed(row, "write_key", 32)),
    read: SigningKey.make(fixed(row, "read_key", 32)),
    admin: SigningKey.make(fixed(row, "admin_key", 32)),
    recovery: SigningKey.make(fixed(row, "recovery_key", 32))
  },
  retention: toRetention(row),
  opHash: fixed(row, "op_hash", 32),
  quotaBytes: integer(row, "quota_bytes"),
  past: past.slice(-Limit.pastEpochsMax).map((each) => ({
    epoch: Epoch.make(integer(each, "epoch")),
    read: SigningKey.make(fixed(each, "read_key", 32)),
    position: Position.make(integer(each, "position")),
    chain: fixed(each, "chain", 32),
    millis: integer(each, "millis")
  })),
  position: integer(row, "position"),
  chain: fixed(row, "chain", 32),
  lowest: integer(row, "lowest"),
  kept: integer(row, "kept"),
  usedBytes: integer(row, "used_bytes"),
  nextExpiryMillis: integerOr(row, "next_expiry_millis", NEVER)
})

const NAME = { Transit: "transit", Durable: "durable", Vault: "vault" } as const
const TTL_NAME = { Default: "default", Millis: "millis", Never: "never" } as const

const toColumns = (retention: Retention) => {
  const name = NAME[retention._tag]
  if (retention._tag !== "Transit") return { name, ttl: null, ttlMillis: null }
  const { ttl } = retention
  return { name, ttl: TTL_NAME[ttl._tag], ttlMillis: ttl._tag === "Millis" ? ttl.millis : null }
}

const toRetention = (row: Row): Retention => {
  if (row["retention"] === "durable") return { _tag: "Durable" }
  if (row["retention"] === "vault") return { _tag: "Vault" }
  if (row["retention"] === "transit") return { _tag: "Transit", ttl: toTtl(row) }
  throw new SqliteFailed({ reason: "corrupt", operation: "read a route", detail: "retention is not one of ours" })
}

const toTtl = (row: Row): Ttl => {
  if (row["ttl"] === "default") return { _tag: "Default" }
  if (row["ttl"] === "never") return { _tag: "Never" }
  return { _tag: "Millis", millis: integer(row, "ttl_millis") }
}
