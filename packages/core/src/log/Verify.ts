/**
 * Looks a device's whole store through, and says what does not agree: entries, chains, signatures, what is noted of the
 * relays' logs, and the rows that lead to others. It reads, and changes nothing; nothing of it needs a network.
 *
 * ```
 * entries ─▶ known, placed, outbox       each entry leads to its rows,
 *    ▲          │      │      │           and each row leads back to its entry
 *    └──────────┴──────┴──────┘
 * ```
 *
 * 1. It goes page by page: a store of any size takes ten bytes of memory for each entry, and the ends of the chains; after
 *    them, where sets of ids are saved, 110 bytes for each id.
 * 2. A row that does not read is a problem that is named, and the others are looked at all the same.
 * 3. Nobody else may change the store meanwhile: what is looked at first would not fit what comes later.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { DeviceId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { Crypto } from "../Crypto.ts"
import type { SpaceState } from "../space/SpaceState.ts"
import { type Store, StoreFailed } from "../Store.ts"
import * as Ledger from "./Ledger.ts"
import * as Entries from "./verify/Entries.ts"
import { Findings, type Problem } from "./verify/Findings.ts"
import * as IdSets from "./verify/IdSets.ts"
import * as Indexes from "./verify/Indexes.ts"
import { each, type Look, type LookRelay } from "./verify/Look.ts"
import * as Positions from "./verify/Positions.ts"
import { Seen } from "./verify/Seen.ts"
import { Unsent } from "./verify/Unsent.ts"

export { NEXT, type Problem } from "./verify/Findings.ts"

/** How far it is: rows that were looked at, of about as many. */
export interface Progress {
  readonly rows: number
  readonly of: number
}

export interface Options {
  readonly crypto: Crypto["Service"]
  readonly store: Store["Service"]
  readonly state: SpaceState
  /** The device whose store it is. */
  readonly device: DeviceId
  /** Called after every page. */
  readonly progress?: (progress: Progress) => Effect.Effect<void>
}

/** What was looked at, and what was found. */
export interface Report {
  readonly entries: number
  readonly chains: number
  readonly signatures: number
  readonly relays: number
  /** Positions that are noted of the relays' logs. */
  readonly positions: number
  /** Entries in the relays' outboxes. */
  readonly unsent: number
  /** Envelopes that may still be accepted, and ones that were refused. */
  readonly waiting: number
  readonly refused: number
  /** Places where a chain goes on above entries that the relays had lost. */
  readonly gaps: number
  /** The first thousand, in the order in which they were found; `found` counts all. */
  readonly problems: ReadonlyArray<Problem>
  readonly found: number
}

/** Looks everything through. Fails where the storage itself does, or the counters of the directory are not there. */
export const run = Effect.fn("Verify.run")(function*(options: Options): Effect.fn.Return<Report, StoreFailed> {
  const { crypto, device, progress = () => Effect.void, state, store } = options
  const meta = yield* Ledger.meta.get(store, "")
  if (meta === undefined || meta.version !== Ledger.LAYOUT_VERSION) {
    const detail = meta === undefined ? "no counters" : `layout ${meta.version}`
    return yield* new StoreFailed({ reason: "corrupt", operation: "verify the store", detail })
  }
  const findings = new Findings()
  const relays = yield* readRelays({ store, findings, progress: () => Effect.void }, meta)
  // Each entry has a row of its own and one for its name; each position has one.
  const of = 2 * meta.ordinal + [...relays.values()].reduce((sum, { mark }) => sum + mark.cursor, 0)
  let rows = 0
  const seen = new Seen()
  const look: Look = {
    crypto,
    store,
    state,
    own: device,
    meta,
    relays,
    findings,
    seen,
    unsent: new Unsent(),
    progress: (more) =>
      Effect.suspend(() => {
        rows += more
        return Effect.andThen(progress({ rows, of: Math.max(of, rows) }), Effect.yieldNow)
      })
  }
  const { chains, signatures } = yield* Entries.check(look)
  const indexed = yield* Indexes.check(look)
  const positions = yield* Positions.check(look)
  yield* IdSets.check(look)
  const { count, gaps, problems } = findings
  return {
    entries: seen.count,
    chains,
    signatures,
    relays: relays.size,
    positions,
    ...indexed,
    gaps,
    problems,
    found: count
  }
})

/** The relays in use. One without its mark cannot be used, and is left out. */
const readRelays = Effect.fnUntraced(function*(
  look: Pick<Look, "findings" | "progress" | "store">,
  meta: Ledger.MetaRow
) {
  const { findings } = look
  const markByNumber = new Map<number, Ledger.MarkRow>()
  yield* each(look, Ledger.mark, (rows) =>
    Effect.sync(() => {
      for (const { key, row } of rows) markByNumber.set(key, row)
    }))
  const relays = new Map<number, LookRelay>()
  yield* each(look, Ledger.relay, (rows) =>
    Effect.sync(() => {
      for (const { key: number, row } of rows) {
        const { url } = row.address
        const mark = markByNumber.get(number)
        markByNumber.delete(number)
        if (number > meta.relays) {
          findings.add("counter", url, `it is relay ${number}; the last given is ${meta.relays}`)
        }
        if ([...relays.values()].some((other) => Bytes.equals(other.row.address.key, row.address.key))) {
          findings.add("index", url, `it is there twice, the second time as relay ${number}`)
        }
        if (mark === undefined) findings.add("index", url, "how far this device is with it is not there")
        else relays.set(number, { number, row, mark })
      }
    }))
  for (const number of markByNumber.keys()) findings.add("index", `relay ${number}`, "its address is not there")
  return relays
})
