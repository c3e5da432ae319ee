/**
 * The ids of all envelopes that this device knows, as the sets that it reconciles (protocol.md §2a): what it keeps and may
 * give to others, and apart from that what it refused, which is only compared with relays, so as not to be asked for
 * again. They are built when they are first needed, and follow every commit from then on.
 *
 * 1. They are built page by page, each under the journal's permit, so that a commit falls before or after a page and is
 *    never missed; what was built stays when whoever asked goes away.
 * 2. A commit whose outcome is not known, and a new epoch with its new short ids, drop them.
 */
import type { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import type { KeystoreFailed } from "../Keystore.ts"
import * as ReconcileSet from "../reconcile/ReconcileSet.ts"
import { currentEpoch } from "../space/SpaceState.ts"
import type { StoreFailed, Write } from "../Store.ts"
import type { Journal } from "./Journal.ts"
import * as Ledger from "./Ledger.ts"

/** Both sets. They go on changing with the books. */
export interface Sets {
  readonly kept: ReconcileSet.ReconcileSet
  readonly refused: ReconcileSet.ReconcileSet
}

/** The sets, as far as they are built. Owned by the journal. */
export class IdSet {
  #building: { readonly sets: Sets; after: EnvelopeId | undefined; whole: boolean } | undefined

  /** Follows a commit. */
  follow(writes: ReadonlyArray<Write>): void {
    if (this.#building === undefined) return
    for (const write of writes) {
      const known = Ledger.knownIn(write)
      if (known !== undefined) note(this.#building.sets, known.id, known.row)
    }
  }

  /** Forgets everything; it is built again when somebody asks. */
  drop(): void {
    this.#building = undefined
  }

  /** Whether these sets are the ones that still follow. */
  are(sets: Sets): boolean {
    return this.#building?.sets === sets
  }

  /** Reads one more page into the sets; answers them once they are whole. To be called under the journal's permit. */
  grow({ books, store }: Pick<Journal, "books" | "store">): Effect.Effect<Sets | undefined, StoreFailed> {
    return Effect.suspend(() => {
      const { state } = books()
      const { epoch } = currentEpoch(state)
      if (this.#building?.sets.kept.keyEpoch !== epoch) {
        const options = { key: state.keys.shortIdKey(epoch), keyEpoch: epoch }
        const sets = { kept: ReconcileSet.make(options), refused: ReconcileSet.make(options) }
        this.#building = { sets, after: undefined, whole: false }
      }
      const building = this.#building
      const { after, sets } = building
      if (building.whole) return Effect.succeed(sets)
      const range = after === undefined ? { limit: PAGE_ROWS } : { limit: PAGE_ROWS, after }
      return Effect.map(Ledger.known.scan(store, range), (rows) => {
        for (const { key, row } of rows) note(sets, key, row)
        building.after = rows.at(-1)?.key ?? after
        building.whole = rows.length < PAGE_ROWS
        return building.whole ? sets : undefined
      })
    })
  }
}

const note = ({ kept, refused }: Sets, id: EnvelopeId, row: Ledger.KnownRow | null): void => {
  const goes = row === null ? undefined : row._tag === "Refused" ? refused : kept
  for (const set of [kept, refused]) {
    if (set === goes) ReconcileSet.insert(set, id)
    else ReconcileSet.remove(set, id)
  }
}

/** Rows that are read together: a few milliseconds of work. */
const PAGE_ROWS = 512

/** The sets with everything that is durable now. */
export const current = (
  journal: Pick<Journal, "books" | "ids" | "store" | "update">
): Effect.Effect<Sets, StoreFailed | KeystoreFailed> =>
  Effect.flatMap(
    journal.update((books) => Effect.map(journal.ids.grow(journal), (value) => ({ books, writes: [], value }))),
    (sets) =>
      sets === undefined
        ? Effect.andThen(Effect.yieldNow, Effect.suspend(() => current(journal)))
        : Effect.succeed(sets)
  )
