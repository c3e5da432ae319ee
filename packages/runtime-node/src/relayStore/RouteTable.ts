/**
 * The routes of a relay's data file, with the ones in use kept in memory. One process has the file (`NodeSqlite`), so
 * what is in memory is what is on disk, but for what the transaction under way has changed.
 *
 * 1. Whoever changes a route inside a transaction calls `touch` first; `save` then writes each touched head once, however
 *    many appends changed it.
 * 2. After a rollback the touched routes are forgotten, and read from disk again.
 */
import { Epoch, Position, RouteId, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { CapabilityKeys, Retention } from "@sotto/schema/Relay"
import type { PastEpoch, RouteState } from "@sotto/core/relay/RelayStore"
import type { DatabaseSync } from "node:sqlite"
import { bytes, integer, integerOr, type Row, SqliteFailed } from "../NodeSqlite.ts"

/** No expiry, in the place of one. */
export const NEVER = Number.POSITIVE_INFINITY

/** A route in memory: what it was opened with, and its head. */
export interface Route {
  readonly gid: number
  readonly route: RouteId
  readonly retention: Retention
  readonly quotaBytes: number
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

export interface RouteTable {
  readonly find: (route: RouteId) => Route | undefined
  readonly findByNumber: (gid: number) => Route | undefined
  readonly open: (opened: Pick<RouteState, "route" | "epoch" | "keys" | "retention" | "quotaBytes">) => Route
  readonly touch: (route: Route) => void
  /** Writes the epoch that `route` has now; `past` whole. */
  readonly saveEpoch: (route: Route) => void
  readonly save: () => void
  readonly settle: () => void
  readonly discard: () => void
  readonly totals: () => Totals
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

const keyOf = (route: Uint8Array): string => Buffer.from(route.buffer, route.byteOffset, route.length).toString("latin1")

const SELECT = "SELECT route.*, head.* FROM route JOIN head USING (gid)"

export const make = (database: DatabaseSync): RouteTable => {
  const byRoute = database.prepare(`${SELECT} WHERE route = ?`)
  const byNumber = database.prepare(`${SELECT} WHERE gid = ?`)
  const pastOf = database.prepare("SELECT * FROM past_epoch WHERE gid = ? ORDER BY epoch")
  const insertRoute = database.prepare(
    `INSERT INTO route (route, epoch, write_key, read_key, admin_key, recovery_key, op_hash, quota_bytes, retention, ttl,
       ttl_millis)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING gid`
  )
  const insertHead = database.prepare(
    `INSERT INTO head (gid, transit, position, lowest, kept, used_bytes, next_expiry_millis, chain)
     VALUES (?, ?, 0, 1, 0, 0, NULL, ?)`
  )
  const updateHead = database.prepare(
    `UPDATE head SET position = ?, lowest = ?, kept = ?, used_bytes = ?, next_expiry_millis = ?, chain = ? WHERE gid = ?`
  )
  const updateEpoch = database.prepare(
    `UPDATE route SET epoch = ?, write_key = ?, read_key = ?, admin_key = ?, recovery_key = ?, op_hash = ? WHERE gid = ?`
  )
  const deletePast = database.prepare("DELETE FROM past_epoch WHERE gid = ?")
  const insertPast = database.prepare("INSERT INTO past_epoch (gid, epoch, read_key, position, chain, millis) VALUES (?, ?, ?, ?, ?, ?)")
  const counted = database.prepare(
    "SELECT count(*) AS routes, coalesce(sum(kept), 0) AS envelopes, coalesce(sum(used_bytes), 0) AS bytes FROM head"
  ).get() ?? {}
  const total = {
    routes: integer(counted, "routes"),
    envelopes: integer(counted, "envelopes"),
    bytes: integer(counted, "bytes")
  }

  const cached = new Map<string, Route>()
  const keyByNumber = new Map<number, string>()
  /** What the touched ones counted for before. */
  const touched = new Map<Route, { readonly kept: number; readonly usedBytes: number; readonly isNew: boolean }>()

  const keep = (key: string, route: Route): Route => {
    cached.set(key, route)
    keyByNumber.set(route.gid, key)
    return route
  }
  const drop = (key: string, route: Route): void => {
    cached.delete(key)
    keyByNumber.delete(route.gid)
  }
  const load = (row: Row | undefined): Route | undefined => {
    if (row === undefined) return undefined
    const route = fromRow(row, pastOf.all(integer(row, "gid")))
    return keep(keyOf(route.route), route)
  }

  return {
    find: (route) => {
      const key = keyOf(route)
      const found = cached.get(key)
      if (found === undefined) return load(byRoute.get(route))
      cached.delete(key) // the least recently used stands first
      cached.set(key, found)
      return found
    },
    findByNumber: (gid) => {
      const key = keyByNumber.get(gid)
      return (key === undefined ? undefined : cached.get(key)) ?? load(byNumber.get(gid))
    },
    open: ({ epoch, keys, quotaBytes, retention, route }) => {
      const opHash = new Uint8Array(32)
      const { name, ttl, ttlMillis } = toColumns(retention)
      const { admin, read, recovery, write } = keys
      const inserted = insertRoute.get(route, epoch, write, read, admin, recovery, opHash, quotaBytes, name, ttl, ttlMillis)
      const gid = integer(inserted ?? {}, "gid")
      insertHead.run(gid, name === "transit" ? 1 : 0, opHash)
      const opened = load(byNumber.get(gid))
      if (opened === undefined) throw new Error(`route ${gid} was inserted and is not there`)
      touched.set(opened, { kept: 0, usedBytes: 0, isNew: true })
      return opened
    },
    touch: (route) => {
      if (!touched.has(route)) touched.set(route, { kept: route.kept, usedBytes: route.usedBytes, isNew: false })
    },
    saveEpoch: ({ epoch, gid, keys, opHash, past }) => {
      updateEpoch.run(epoch, keys.write, keys.read, keys.admin, keys.recovery, opHash, gid)
      deletePast.run(gid)
      for (const each of past) insertPast.run(gid, each.epoch, each.read, each.position, each.chain, each.millis)
    },
    save: () => {
      for (const { chain, gid, kept, lowest, nextExpiryMillis, position, usedBytes } of touched.keys()) {
        const next = nextExpiryMillis === NEVER ? null : nextExpiryMillis
        updateHead.run(position, lowest, kept, usedBytes, next, chain, gid)
      }
    },
    settle: () => {
      for (const [route, before] of touched) {
        if (before.isNew) total.routes++
        total.envelopes += route.kept - before.kept
        total.bytes += route.usedBytes - before.usedBytes
      }
      touched.clear()
      for (const [key, route] of cached) {
        if (cached.size <= CACHED_MAX) break
        drop(key, route)
      }
    },
    discard: () => {
      for (const route of touched.keys()) drop(keyOf(route.route), route)
      touched.clear()
    },
    totals: () => ({ ...total })
  }
}

const fromRow = (row: Row, past: ReadonlyArray<Row>): Route => ({
  gid: integer(row, "gid"),
  route: RouteId.make(bytes(row, "route")),
  epoch: Epoch.make(integer(row, "epoch")),
  keys: {
    write: SigningKey.make(bytes(row, "write_key")),
    read: SigningKey.make(bytes(row, "read_key")),
    admin: SigningKey.make(bytes(row, "admin_key")),
    recovery: SigningKey.make(bytes(row, "recovery_key"))
  },
  retention: toRetention(row),
  opHash: bytes(row, "op_hash"),
  quotaBytes: integer(row, "quota_bytes"),
  past: past.slice(-Limit.pastEpochsMax).map((each) => ({
    epoch: Epoch.make(integer(each, "epoch")),
    read: SigningKey.make(bytes(each, "read_key")),
    position: Position.make(integer(each, "position")),
    chain: bytes(each, "chain"),
    millis: integer(each, "millis")
  })),
  position: integer(row, "position"),
  chain: bytes(row, "chain"),
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
  switch (row.retention) {
    case "durable":
      return { _tag: "Durable" }
    case "vault":
      return { _tag: "Vault" }
    case "transit":
      return { _tag: "Transit", ttl: toTtl(row) }
    default:
      throw new SqliteFailed({ reason: "corrupt", operation: "read a route", detail: "retention is not one of ours" })
  }
}

const toTtl = (row: Row) => {
  switch (row.ttl) {
    case "never":
      return { _tag: "Never" } as const
    case "millis":
      return { _tag: "Millis", millis: integer(row, "ttl_millis") } as const
    default:
      return { _tag: "Default" } as const
  }
}
