/** What every pass over a store shares: what it looks at, and where it writes down what it finds. */
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Crypto } from "../../Crypto.ts"
import type { SpaceState } from "../../space/SpaceState.ts"
import type { Store, StoreFailed } from "../../Store.ts"
import type * as Ledger from "../Ledger.ts"
import type { Findings } from "./Findings.ts"
import type { Seen } from "./Seen.ts"

/** A relay in use, out of its two rows. */
export interface LookRelay {
  readonly number: Ledger.RelayNumber
  readonly row: Ledger.RelayRow
  readonly mark: Ledger.MarkRow
}

export interface Look {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly state: SpaceState
  /** This device. */
  readonly own: DeviceId
  readonly meta: Ledger.MetaRow
  readonly relays: ReadonlyMap<number, LookRelay>
  readonly findings: Findings
  /** Filled by the pass over the entries. */
  readonly seen: Seen
  /** Called with every page: how many more rows have been looked at. */
  readonly progress: (rows: number) => Effect.Effect<void>
}

/** Rows that are looked at together; of those that hold envelopes, fewer. */
const ROWS = 512
const ENVELOPE_ROWS = 16

/** Hands every row of a table on, page by page. What does not read is written down. */
export const each = Effect.fnUntraced(function*<K, A>(
  { findings, progress, store }: Pick<Look, "findings" | "progress" | "store">,
  table: Ledger.Table<K, A>,
  take: (rows: ReadonlyArray<{ readonly key: K; readonly row: A }>) => Effect.Effect<void, StoreFailed>,
  holds: "rows" | "envelopes" = "rows"
): Effect.fn.Return<void, StoreFailed> {
  const limit = holds === "rows" ? ROWS : ENVELOPE_ROWS
  let after: Uint8Array | undefined
  while (true) {
    const page = yield* table.look(store, { limit, ...(after === undefined ? {} : { after }) })
    const rows: Array<{ readonly key: K; readonly row: A }> = []
    for (const { at, found } of page) {
      if (Result.isSuccess(found)) rows.push(found.success)
      else findings.add("row", `table ${table.name}, row ${Bytes.toHex(at)}`, found.failure.detail)
    }
    yield* take(rows)
    yield* progress(page.length)
    after = page.at(-1)?.at
    if (page.length < limit) return
  }
})
