/** All of a relay's storage, to hold one against another. */
import type { RelayStore } from "@sotto/core/relay/RelayStore"
import * as Bytes from "@sotto/schema/Bytes"
import { Position } from "@sotto/schema/Id"
import type { CopiedRow, RouteRecord } from "@sotto/schema/Standby"
import * as Effect from "effect/Effect"

type Store = RelayStore["Service"]

export interface RouteDump {
  readonly route: string
  readonly record: RouteRecord | null
  readonly rows: ReadonlyArray<CopiedRow>
}

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
        dumps.push({ route: Bytes.toHex(route), record: page.record, rows })
        break
      }
      from = Position.make(page.through + 1)
      if (from > position + 1) throw new Error("no record at the end")
    }
  }
  return dumps
})
