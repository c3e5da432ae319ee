/**
 * The ids of all envelopes that this device keeps, accepted or waiting, as the set that it reconciles (protocol.md §2a).
 * It is built when it is first needed, and follows every commit from then on. What was refused is not in it: this device
 * would have to pass it on.
 *
 * 1. It is built page by page, each under the journal's permit, so that a commit falls before or after a page and is
 *    never missed; what was built stays when whoever asked goes away.
 * 2. A commit whose outcome is not known, and a new epoch with its new short ids, drop it.
 */
import type { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { KeystoreFailed } from "../Keystore.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import { currentEpoch } from "../space/SpaceState.ts"
import type { StoreFailed, Write } from "../Store.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"

/** The set, as far as it is built. Owned by the journal. */
export class IdSet {
  #building: { readonly set: ReconcileSet.ReconcileSet; after: EnvelopeId | undefined; whole: boolean } | undefined

  /** Follows a commit. */
  follow(writes: ReadonlyArray<Write>): void {
    if (this.#building === undefined) return
    const { set } = this.#building
    for (const write of writes) {
      const known = Ledger.knownIn(write)
      if (known === undefined) continue
      if (isGiven(known.row)) ReconcileSet.insert(set, known.id)
      else ReconcileSet.remove(set, known.id)
    }
  }

  /** Forgets everything; it is built again when somebody asks. */
  drop(): void {
    this.#building = undefined
  }

  /** Whether this set is the one that still follows. */
  is(set: ReconcileSet.ReconcileSet): boolean {
    return this.#building?.set === set
  }

  /** Reads one more page into the set; answers the set once it is whole. To be called under the journal's permit. */
  grow({ books, store }: Pick<Journal, "books" | "store">): Effect.Effect<
    ReconcileSet.ReconcileSet | undefined,
    StoreFailed
  > {
    return Effect.suspend(() => {
      const { state } = books()
      const { epoch } = currentEpoch(state)
      if (this.#building?.set.keyEpoch !== epoch) {
        const set = ReconcileSet.make({ key: state.keys.shortIdKey(epoch), keyEpoch: epoch })
        this.#building = { set, after: undefined, whole: false }
      }
      const building = this.#building
      const { after, set } = building
      if (building.whole) return Effect.succeed(set)
      const range = after === undefined ? { limit: PAGE_ROWS } : { limit: PAGE_ROWS, after }
      return Effect.map(Ledger.known.scan(store, range), (rows) => {
        for (const { key, row } of rows) if (isGiven(row)) ReconcileSet.insert(set, key)
        building.after = rows.at(-1)?.key ?? after
        building.whole = rows.length < PAGE_ROWS
        return building.whole ? set : undefined
      })
    })
  }
}

/** Whether this device has the envelope and may give it to others. */
const isGiven = (row: Ledger.KnownRow | null): boolean => row !== null && row._tag !== "Refused"

/** Rows that are read together: a few milliseconds of work. */
const PAGE_ROWS = 512

/** The set with everything that is durable now. It goes on changing with the books. */
export const current = (
  journal: Pick<Journal, "books" | "ids" | "store" | "update">
): Effect.Effect<ReconcileSet.ReconcileSet, StoreFailed | KeystoreFailed> =>
  Effect.flatMap(
    journal.update((books) => Effect.map(journal.ids.grow(journal), (value) => ({ books, writes: [], value }))),
    (set) =>
      set === undefined ? Effect.andThen(Effect.yieldNow, Effect.suspend(() => current(journal))) : Effect.succeed(set)
  )
