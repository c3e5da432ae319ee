/**
 * The saved sets of ids (`IdSnapshot`), opened as a device opens them, and held against the names of what is here: the same
 * ids in the same sets, with the same sums. While it is looked at, an id takes some 110 bytes of memory.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ReconcileSet from "../../reconcile/ReconcileSet.ts"
import type { StoreFailed } from "../../Store.ts"
import * as IdSet from "../IdSet.ts"
import { KEY_EPOCH } from "../IdSet.ts"
import * as IdSnapshot from "../IdSnapshot.ts"
import * as Ledger from "../Ledger.ts"
import { Findings } from "./Findings.ts"
import { each, type Look } from "./Look.ts"

type LookIds = Pick<Look, "findings" | "progress" | "state" | "store">

const WHERE = "saved sets of ids"

/** Looks at the snapshot, if there is one. */
export const check = Effect.fnUntraced(function*(look: LookIds): Effect.fn.Return<void, StoreFailed> {
  const { findings, store } = look
  const [base] = yield* Ledger.idState.look(store, { limit: 1 })
  if (base === undefined) return
  const opened = Result.isSuccess(base.found) ? yield* open(look, base.found.success.row) : undefined
  if (opened === undefined) return findings.add("snapshot", WHERE, "they do not read")
  const { options, saved } = opened
  const made: IdSnapshot.Sets = { kept: ReconcileSet.make(options), refused: ReconcileSet.make(options) }
  let missing = 0
  // Names that do not read are found where names are looked at.
  yield* each({ ...look, findings: new Findings() }, Ledger.known, (rows) =>
    Effect.sync(() => {
      for (const { key: id, row } of rows) {
        const set = IdSet.setOf(row)
        IdSnapshot.apply(made, { id, set })
        if (set !== undefined && !ReconcileSet.has(saved[set], id)) missing++
      }
    }))
  for (const set of IdSnapshot.NAMES) {
    const [is, was] = [ReconcileSet.count(made[set]), ReconcileSet.count(saved[set])]
    if (is !== was) findings.add("index", `${WHERE}, ${set}`, `${was} are saved, and there are ${is}`)
    else if (!Bytes.equals(ReconcileSet.root(made[set]), ReconcileSet.root(saved[set]))) {
      findings.add("index", `${WHERE}, ${set}`, "their sum is not that of what is there")
    }
  }
  if (missing > 0) findings.add("index", WHERE, `${missing} of the envelopes that are there are not among them`)
})

/** Under the key that they are saved with now, or one of the epochs' that they once had: then they wait to be taken back. */
const open = Effect.fnUntraced(function*({ progress, state, store }: LookIds, base: Ledger.IdStateRow) {
  for (const keyEpoch of new Set([KEY_EPOCH, ...Array.from(state.epochs.values(), ({ epoch }) => epoch)])) {
    const options = { key: state.keys.shortIdKey(keyEpoch), keyEpoch }
    const opening = yield* IdSnapshot.begin(store, base, options)
    if (opening === undefined) continue
    while (true) {
      const step = yield* IdSnapshot.open(store, opening)
      yield* progress(0)
      if (step === "more") continue
      return step === "whole" && opening.sets !== undefined ? { options, saved: opening.sets } : undefined
    }
  }
  return undefined
})
