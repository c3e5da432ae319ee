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
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { integer } from "../NodeSqlite.ts"
import type { EnvelopeTable } from "./EnvelopeTable.ts"
import type { GroupCommit } from "./GroupCommit.ts"
import type { RouteTable } from "./RouteTable.ts"
import type { TagTable } from "./TagTable.ts"

type When = Parameters<RelayStore["Service"]["sweep"]>[0]

/** Routes looked at, and rows deleted, in one transaction. */
const ROUTES_PER_STEP = 500
const ROWS_PER_STEP = 1000

export class Sweep {
  readonly #group: GroupCommit
  readonly #routes: RouteTable
  readonly #envelopes: EnvelopeTable
  readonly #tags: TagTable
  readonly #due: StatementSync

  constructor(database: DatabaseSync, group: GroupCommit, tables: {
    readonly routes: RouteTable
    readonly envelopes: EnvelopeTable
    readonly tags: TagTable
  }) {
    this.#group = group
    this.#routes = tables.routes
    this.#envelopes = tables.envelopes
    this.#tags = tables.tags
    this.#due = database.prepare(
      `SELECT gid FROM head INDEXED BY head_due
       WHERE next_expiry_millis IS NOT NULL AND next_expiry_millis <= ? ORDER BY next_expiry_millis, gid LIMIT ?`
    )
  }

  readonly run = Effect.fn("RelayStore.sweep")({ self: this }, function*(when: When) {
    const acknowledged = yield* this.#acknowledged(when)
    const expired = yield* this.#expired(when)
    return { acknowledged, expired, forgotten: yield* this.#forgotten(when) }
  })

  /** A transaction. */
  #step<A>(write: () => A): Effect.Effect<A, RelayStoreFailed> {
    return this.#group.submit("sweep", 0, () => {
      const done = write()
      return Result.succeed(() => done)
    })
  }

  readonly #acknowledged = Effect.fnUntraced({ self: this }, function*(when: When) {
    let deleted = 0
    let from: number | undefined = 0
    while (from !== undefined && deleted < when.limit) {
      const at: number = from
      const limit = Math.min(ROWS_PER_STEP, when.limit - deleted)
      const done = yield* this.#step(() => this.#acknowledgedStep(at, when, limit))
      deleted += done.deleted
      from = done.next
    }
    return deleted
  })

  /** `next` is where to go on, `undefined` at the end. */
  #acknowledgedStep(from: number, when: When, limit: number) {
    let deleted = 0
    let last: number | undefined
    for (const { gid, lowest, through } of this.#tags.next(from, when.activeSinceMillis, ROUTES_PER_STEP)) {
      const route = through >= lowest ? this.#routes.findByNumber(gid) : undefined
      if (route !== undefined) deleted += this.#envelopes.deleteThrough(route, through, limit - deleted)
      if (deleted === limit) return { deleted, next: gid - 1 }
      last = gid
    }
    return { deleted, next: last }
  }

  readonly #expired = Effect.fnUntraced({ self: this }, function*(when: When) {
    let deleted = 0
    while (deleted < when.limit) {
      const limit = Math.min(ROWS_PER_STEP, when.limit - deleted)
      const done = yield* this.#step(() => this.#expiredStep(when, limit))
      deleted += done
      // None: no route is due, or what is due there was acknowledged too and waits for the next sweep.
      if (done === 0) break
    }
    return deleted
  })

  #expiredStep(when: When, limit: number): number {
    let deleted = 0
    for (const row of this.#due.all(when.nowMillis, ROUTES_PER_STEP)) {
      const route = this.#routes.findByNumber(integer(row, "gid"))
      if (route === undefined) continue
      const above = this.#tags.through(route, when.activeSinceMillis)
      deleted += this.#envelopes.deleteExpired(route, above, when.nowMillis, limit - deleted)
      if (deleted === limit) break
    }
    return deleted
  }

  readonly #forgotten = Effect.fnUntraced({ self: this }, function*(when: When) {
    let count = 0
    while (count < when.limit) {
      const limit = Math.min(ROWS_PER_STEP, when.limit - count)
      const done = yield* this.#step(() => this.#envelopes.forget(when.knownSinceMillis, limit))
      count += done
      if (done < limit) break
    }
    return count
  })
}
