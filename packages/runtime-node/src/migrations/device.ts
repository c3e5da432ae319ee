/** The schema of a device's data file, one step a version. A step is never edited once it was released. */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

/** "SoDv" in the file's header. */
export const APPLICATION_ID = 0x536f_4476

// Not WITHOUT ROWID: measured, values above a quarter page cost twice the room there, and random keys four times the work.
const init = Effect.flatMap(
  SqlClient,
  (sql) => Effect.asVoid(sql`CREATE TABLE pair (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT`)
)

export const MIGRATIONS = { "0001_init": init }
