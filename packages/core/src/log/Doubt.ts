/**
 * A commit of which storage said that it failed, though it may have made it (`Journal`). Commits are all or nothing, so the
 * rows say which.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Effect from "effect/Effect"
import type { Store, StoreFailed, Write } from "../Store.ts"
import * as Ledger from "./Ledger.ts"

/** Rows that are looked up together: they may be as large as rows are. */
const LOOK_ROWS = 16

/**
 * Whether a commit was made: all of its rows are as it leaves them. Of what left the log this says nothing, since whoever
 * keeps what came of entries may have taken note of it meanwhile.
 */
export const isMade = Effect.fnUntraced(function*(
  store: Store["Service"],
  writes: ReadonlyArray<Write>
): Effect.fn.Return<boolean, StoreFailed> {
  const lastByHex = new Map(writes.map((write) => [Bytes.toHex(write.key), write]))
  const rows = [...lastByHex.values()].filter((write) => !Ledger.isWithdrawn(write))
  for (let at = 0; at < rows.length; at += LOOK_ROWS) {
    const some = rows.slice(at, at + LOOK_ROWS)
    const found = yield* store.getMany(some.map(({ key }) => key))
    const isAsWritten = some.every(({ value }, k) => {
      const there = found[k]
      return value === undefined || there === undefined ? value === there : Bytes.equals(value, there)
    })
    if (!isAsWritten) return false
  }
  return rows.length > 0
})
