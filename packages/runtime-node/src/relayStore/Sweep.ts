/**
 * What a sweep deletes (`RelayStore.sweep`), cut into transactions that are each short: the relay goes on between them.
 *
 * A call goes through three stages: rows that every active device acknowledged, rows that expired, ids to forget. Each
 * stops at the limit. Only routes that may have something to delete are looked at: those that keep rows and let go by
 * acknowledgement, and those with a row that is due.
 */
import type { RelayStore, RelayStoreFailed } from "@sotto/core/relay/RelayStore"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { DatabaseSync } from "node:sqlite"
import { integer } from "../NodeSqlite.ts"
import type { EnvelopeTable } from "./EnvelopeTable.ts"
import type { GroupCommit } from "./GroupCommit.ts"
import type { RouteTable } from "./RouteTable.ts"
import type { TagTable } from "./TagTable.ts"

type When = Parameters<RelayStore["Service"]["sweep"]>[0]

/** Routes looked at, and rows deleted, in one transaction. */
const ROUTES_PER_STEP = 500
const ROWS_PER_STEP = 1000

export interface Swept {
  readonly acknowledged: number
  readonly expired: number
  readonly forgotten: number
}

export const make = (database: DatabaseSync, group: GroupCommit, tables: {
  readonly routes: RouteTable
  readonly envelopes: EnvelopeTable
  readonly tags: TagTable
}): (when: When) => Effect.Effect<Swept, RelayStoreFailed> => {
  const { envelopes, routes, tags } = tables
  const due = database.prepare(
    `SELECT gid FROM head INDEXED BY head_due
     WHERE next_expiry_millis IS NOT NULL AND next_expiry_millis <= ? ORDER BY next_expiry_millis, gid LIMIT ?`
  )
  const step = <A>(write: () => A) => group.submit("sweep", 0, () => {
    const done = write()
    return Result.succeed(() => done)
  })

  /** Returns where to go on, `undefined` at the end. */
  const acknowledgedStep = (from: number, when: When, limit: number) => {
    let deleted = 0
    let last: number | undefined
    for (const { gid, lowest, through } of tags.next(from, when.activeSinceMillis, ROUTES_PER_STEP)) {
      if (through >= lowest) {
        const route = routes.findByNumber(gid)
        if (route !== undefined) deleted += envelopes.deleteThrough(route, through, limit - deleted)
      }
      last = gid
      if (deleted === limit) return { deleted, next: gid - 1 }
    }
    return { deleted, next: last }
  }

  const acknowledged = Effect.fnUntraced(function*(when: When) {
    let deleted = 0
    let from: number | undefined = 0
    while (from !== undefined && deleted < when.limit) {
      const at: number = from
      const limit = Math.min(ROWS_PER_STEP, when.limit - deleted)
      const done = yield* step(() => acknowledgedStep(at, when, limit))
      deleted += done.deleted
      from = done.next
    }
    return deleted
  })

  const expiredStep = (when: When, limit: number) => {
    let deleted = 0
    const rows = due.all(when.nowMillis, ROUTES_PER_STEP)
    for (const row of rows) {
      const route = routes.findByNumber(integer(row, "gid"))
      if (route === undefined) continue
      const above = tags.through(route, when.activeSinceMillis)
      deleted += envelopes.deleteExpired(route, above, when.nowMillis, limit - deleted)
      if (deleted === limit) break
    }
    return { deleted, more: rows.length > 0 }
  }

  const expired = Effect.fnUntraced(function*(when: When) {
    let deleted = 0
    while (deleted < when.limit) {
      const limit = Math.min(ROWS_PER_STEP, when.limit - deleted)
      const done = yield* step(() => expiredStep(when, limit))
      deleted += done.deleted
      // A due route whose rows all wait for the next sweep (acknowledged, but above its limit) deletes nothing now.
      if (!done.more || done.deleted === 0) break
    }
    return deleted
  })

  const forgotten = Effect.fnUntraced(function*(when: When) {
    let count = 0
    while (count < when.limit) {
      const limit = Math.min(ROWS_PER_STEP, when.limit - count)
      const done = yield* step(() => envelopes.forget(when.knownSinceMillis, limit))
      count += done
      if (done < limit) break
    }
    return count
  })

  return Effect.fn("RelayStore.sweep")(function*(when: When) {
    return {
      acknowledged: yield* acknowledged(when),
      expired: yield* expired(when),
      forgotten: yield* forgotten(when)
    }
  })
}
