/** The schema of a relay's data file, one step a version. A step is never edited once it was released. */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

/** "SoRl" in the file's header. */
export const APPLICATION_ID = 0x536f_526c

/**
 * A route has a small number (`gid`) that its rows carry in place of its id. What changes with each append (`head`) is
 * apart from what does not (`route`): many heads share a page, so that a commit writes few.
 *
 * An envelope is one row of a table that only grows at its end (not WITHOUT ROWID: measured, bodies in the leaves of a
 * sorted tree cost three times the room). A deleted one keeps its row without `bytes`: that is how an id is known after
 * its envelope is gone, until a sweep forgets it. `envelope_live` alone answers what a sweep and a filtered read ask.
 */
const INIT = [
  `CREATE TABLE route (
     gid INTEGER PRIMARY KEY,
     route BLOB NOT NULL UNIQUE,
     epoch INTEGER NOT NULL,
     write_key BLOB NOT NULL,
     read_key BLOB NOT NULL,
     admin_key BLOB NOT NULL,
     recovery_key BLOB NOT NULL,
     op_hash BLOB NOT NULL,
     quota_bytes INTEGER NOT NULL,
     retention TEXT NOT NULL CHECK (retention IN ('transit', 'durable', 'vault')),
     ttl TEXT CHECK (ttl IN ('default', 'millis', 'never')),
     ttl_millis INTEGER
   ) STRICT`,
  `CREATE TABLE head (
     gid INTEGER PRIMARY KEY,
     transit INTEGER NOT NULL,
     position INTEGER NOT NULL,
     lowest INTEGER NOT NULL,
     kept INTEGER NOT NULL,
     used_bytes INTEGER NOT NULL,
     next_expiry_millis INTEGER,
     chain BLOB NOT NULL
   ) STRICT`,
  `CREATE INDEX head_pending ON head (gid) WHERE transit = 1 AND kept > 0`,
  `CREATE INDEX head_due ON head (next_expiry_millis) WHERE next_expiry_millis IS NOT NULL`,
  `CREATE TABLE past_epoch (
     gid INTEGER NOT NULL,
     epoch INTEGER NOT NULL,
     read_key BLOB NOT NULL,
     position INTEGER NOT NULL,
     chain BLOB NOT NULL,
     millis INTEGER NOT NULL,
     PRIMARY KEY (gid, epoch)
   ) STRICT`,
  `CREATE TABLE tag (
     n INTEGER PRIMARY KEY,
     gid INTEGER NOT NULL,
     tag BLOB NOT NULL,
     mark INTEGER NOT NULL,
     seen_millis INTEGER NOT NULL,
     UNIQUE (gid, tag)
   ) STRICT`,
  `CREATE TABLE envelope (
     n INTEGER PRIMARY KEY,
     gid INTEGER NOT NULL,
     position INTEGER NOT NULL,
     appended_millis INTEGER NOT NULL,
     expires_millis INTEGER,
     lane BLOB NOT NULL,
     id BLOB NOT NULL,
     bytes BLOB
   ) STRICT`,
  `CREATE INDEX envelope_by_id ON envelope (gid, substr(id, 1, 8))`,
  `CREATE INDEX envelope_live ON envelope (gid, position, expires_millis, lane) WHERE bytes IS NOT NULL`,
  `CREATE INDEX envelope_gone ON envelope (appended_millis) WHERE bytes IS NULL`,
  `CREATE TABLE secret (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT`
]

/** At a standby: routes with rows beyond their end. */
const STAGED = [`CREATE TABLE staged (gid INTEGER PRIMARY KEY) STRICT`]

/**
 * Which row has an id, but for the newest (`relayStore/IdTable.ts`), in place of an index that was kept with each append.
 * `through` of 0 says that all of them are still to be put in, which the next commit does.
 */
const IDS = [
  `DROP INDEX envelope_by_id`,
  `CREATE TABLE id (
     gid INTEGER NOT NULL,
     head INTEGER NOT NULL,
     n INTEGER NOT NULL,
     PRIMARY KEY (gid, head, n)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE id_fold (through INTEGER NOT NULL) STRICT`,
  `INSERT INTO id_fold VALUES (0)`
]

/** What the relay keeps of a route beside its log: large values, which have no place in the leaves of a sorted tree. */
const ASIDE = [
  `CREATE TABLE aside (
     n INTEGER PRIMARY KEY,
     gid INTEGER NOT NULL,
     key BLOB NOT NULL,
     value BLOB NOT NULL,
     UNIQUE (gid, key)
   ) STRICT`
]

const run = (statements: ReadonlyArray<string>) =>
  Effect.flatMap(
    SqlClient,
    (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
  )

export const MIGRATIONS = {
  "0001_init": run(INIT),
  "0002_staged": run(STAGED),
  "0003_ids": run(IDS),
  "0004_aside": run(ASIDE)
}
