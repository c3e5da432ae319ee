/** All of a relay's storage, to hold one against another; a line for each row, so that what differs is soon told. */
import { sha256 } from "@noble/hashes/sha2.js"
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { Position } from "@sotto/schema/Id"
import type { CopiedRow } from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"

type Store = RelayStore["Service"]

export interface RouteDump {
  readonly route: string
  /** Of its record. */
  readonly record: string
  readonly rows: ReadonlyArray<string>
  readonly ids: ReadonlyArray<string>
}

const sorted = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Bytes.toHex(value)
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1))
    : value
}

/** Any value of ours as text, the same for equal ones; bytes as hex. */
const textOf = (value: unknown): string => JSON.stringify(value, (_, each: unknown) => sorted(each))

const lineOf = (row: CopiedRow): string =>
  textOf(row._tag === "Kept" ? { ...row, envelope: sha256(row.envelope) } : row)

/** All that a store keeps and that has to survive, read through `copy`. */
export const dump = Effect.fnUntraced(function*(store: Store) {
  const dumps: Array<RouteDump> = []
  for (const { position, route } of yield* store.copy.routes({ after: null, limit: 10_000 })) {
    const rows: Array<CopiedRow> = []
    let from = Position.make(1)
    for (;;) {
      const page = yield* store.copy.rows({ route, from, has: () => false, bytesMax: 1e9, staged: false })
      rows.push(...page.rows)
      if (page.record !== null) {
        dumps.push({
          route: Bytes.toHex(route),
          record: textOf(page.record),
          rows: rows.map(lineOf),
          ids: rows.map(({ id }) => Bytes.toHex(id))
        })
        break
      }
      from = Position.make(page.through + 1)
      if (from > position + 1) throw new Error("no record at the end")
    }
  }
  return dumps
})
