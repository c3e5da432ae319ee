/** Acknowledgement tags of a relay's routes: how far the device behind each opaque tag has read, and when it was seen. */
import type { AckTag } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import type { DatabaseSync } from "node:sqlite"
import { integer, integerOr } from "../NodeSqlite.ts"
import type { Route } from "./RouteTable.ts"

export interface TagTable {
  /** Raises the tag's mark, to the route's position at most, and answers it. */
  readonly raise: (route: Route, tag: AckTag, position: number, nowMillis: number) => number
  /** What all tags seen since then have acknowledged; 0 for none, and for a route that keeps what is acknowledged. */
  readonly through: (route: Route, activeSinceMillis: number) => number
  /**
   * The next `count` transit routes above `gid` that keep rows, each with its lowest row and what all its active tags
   * have acknowledged (0 for no such tag). None = there are no more.
   */
  readonly next: (gid: number, activeSinceMillis: number, count: number) => ReadonlyArray<Waiting>
}

export interface Waiting {
  readonly gid: number
  readonly lowest: number
  readonly through: number
}

export const make = (database: DatabaseSync): TagTable => {
  const one = database.prepare("SELECT n, mark, seen_millis FROM tag WHERE gid = ? AND tag = ?")
  const count = database.prepare("SELECT count(*) AS tags FROM tag WHERE gid = ?")
  const deleteOldest = database.prepare(
    "DELETE FROM tag WHERE n = (SELECT n FROM tag WHERE gid = ? ORDER BY seen_millis, n LIMIT 1)"
  )
  const insert = database.prepare("INSERT INTO tag (gid, tag, mark, seen_millis) VALUES (?, ?, ?, ?)")
  const update = database.prepare("UPDATE tag SET mark = ?, seen_millis = ? WHERE n = ?")
  const lowestMark = database.prepare("SELECT min(mark) AS through FROM tag WHERE gid = ? AND seen_millis >= ?")
  const next = database.prepare(
    `SELECT gid, lowest, (SELECT min(mark) FROM tag WHERE tag.gid = head.gid AND seen_millis >= ?) AS through
     FROM head INDEXED BY head_pending WHERE transit = 1 AND kept > 0 AND gid > ? ORDER BY gid LIMIT ?`
  )
  return {
    raise: (route, tag, position, nowMillis) => {
      const before = one.get(route.gid, tag)
      if (before === undefined) {
        if (integer(count.get(route.gid) ?? {}, "tags") >= Limit.ackTagsMax) deleteOldest.run(route.gid)
        const mark = Math.min(route.position, position)
        insert.run(route.gid, tag, mark, nowMillis)
        return mark
      }
      const mark = Math.min(route.position, Math.max(integer(before, "mark"), position))
      update.run(mark, Math.max(integer(before, "seen_millis"), nowMillis), integer(before, "n"))
      return mark
    },
    through: (route, activeSinceMillis) =>
      route.retention._tag === "Transit"
        ? integerOr(lowestMark.get(route.gid, activeSinceMillis) ?? {}, "through", 0)
        : 0,
    next: (gid, activeSinceMillis, count) =>
      next.all(activeSinceMillis, gid, count).map((row) => ({
        gid: integer(row, "gid"),
        lowest: integer(row, "lowest"),
        through: integerOr(row, "through", 0)
      }))
  }
}
