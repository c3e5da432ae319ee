/** The sets of ids of a device's books over a store in memory that can fail, or end, at any commit. */
import * as Keystore from "@sotto/core/Keystore"
import * as Directory from "@sotto/core/log/Directory"
import * as IdSet from "@sotto/core/log/IdSet"
import * as Journal from "@sotto/core/log/Journal"
import * as Ledger from "@sotto/core/log/Ledger"
import * as ReconcileSet from "@sotto/core/reconcile/ReconcileSet"
import * as Secret from "@sotto/core/Secret"
import { makeMemory, type Store, StoreFailed } from "@sotto/core/Store"
import type { EnvelopeId } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import { hexes } from "../reconcile/kit.ts"
import { makeSpace, type TestSpace } from "./seededSpace.ts"
import type { Fault } from "./World.ts"

type StoreService = Store["Service"]

/** What is said of an id: null removes it. */
export type Said = readonly [id: EnvelopeId, row: Ledger.KnownRow | null]

export interface IdBench {
  readonly space: TestSpace
  /** The rows, whatever process is running. */
  readonly rows: StoreService
  readonly journal: () => Journal.Journal
  /** As a process that starts over the same rows. */
  readonly reopen: Effect.Effect<void>
  readonly fault: (fault: Fault) => void
  readonly commits: () => number
  /** How often the table of everything that is known was read. */
  readonly scans: () => number
  readonly say: (said: ReadonlyArray<Said>) => Effect.Effect<void, StoreFailed>
  readonly current: Effect.Effect<IdSet.Sets, StoreFailed>
  readonly save: Effect.Effect<void, StoreFailed>
  readonly setState: (state: TestSpace["state"]) => Effect.Effect<void>
}

/** The process ended: nothing that it does counts any more. */
export const GONE = "the process is gone"

const KNOWN_TABLE = 8

/** A snapshot is due at so few ids. */
const IDS_MIN = 8

export const make = Effect.fnUntraced(function*(seed: string) {
  const space = makeSpace(seed)
  const { crypto, identity, state } = space
  const rows = makeMemory()
  const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
  yield* rows.commit([yield* Directory.stateWrite({ keystore }, state), ...Directory.firstWrites([])])
  let [commits, scans] = [0, 0]
  let fault: Fault = () => "ok"
  const storeOf = (process: { dead: boolean }): StoreService => {
    const alive = <A>(effect: Effect.Effect<A, StoreFailed>) =>
      Effect.suspend(() => process.dead ? Effect.die(GONE) : effect)
    const failed = new StoreFailed({ reason: "unavailable", operation: "commit", detail: "as the test wants" })
    return {
      get: (key) => alive(rows.get(key)),
      getMany: (keys) => alive(rows.getMany(keys)),
      scan: (range) => {
        if (range.from[0] === KNOWN_TABLE) scans++
        return alive(rows.scan(range))
      },
      commit: (writes) =>
        alive(Effect.suspend(() => {
          const verdict = fault(++commits)
          const done = verdict === "ok" || verdict.endsWith("after") ? rows.commit(writes) : Effect.void
          if (verdict.startsWith("die")) process.dead = true
          return Effect.andThen(
            done,
            verdict === "ok" ? Effect.void : process.dead ? Effect.die(GONE) : Effect.fail(failed)
          )
        }))
    }
  }
  const open = Effect.suspend(() =>
    Journal.open({ crypto, identity, keystore, store: storeOf({ dead: false }), savedIdsMin: IDS_MIN })
  )
  let journal = yield* open
  const bench: IdBench = {
    space,
    rows,
    journal: () => journal,
    reopen: Effect.orDie(Effect.map(open, (opened) => {
      journal = opened
    })),
    fault: (next) => {
      fault = next
    },
    commits: () => commits,
    scans: () => scans,
    say: (said) =>
      Effect.catchTag(
        Effect.suspend(() =>
          journal.update((books) =>
            Effect.succeed({
              books,
              writes: said.map(([id, row]) => row === null ? Ledger.known.remove(id) : Ledger.known.put(id, row)),
              value: undefined
            })
          )
        ),
        "KeystoreFailed",
        Effect.die
      ),
    current: Effect.suspend(() => Effect.catchTag(IdSet.current(journal), "KeystoreFailed", Effect.die)),
    save: Effect.suspend(() => Effect.catchTag(IdSet.save(journal), "KeystoreFailed", Effect.die)),
    setState: (next) =>
      Effect.orDie(journal.update((books) =>
        Effect.map(Directory.stateWrite({ keystore }, next), (write) => ({
          books: { ...books, state: next },
          writes: [write],
          value: undefined
        }))
      ))
  }
  return bench
}, Effect.orDie)

/** What the table of everything that is known says, as hexadecimal ids. */
export const saidOf = Effect.fnUntraced(function*({ rows }: IdBench) {
  const known = yield* Effect.orDie(Ledger.known.scan(rows, { limit: Number.MAX_SAFE_INTEGER }))
  const idsOf = (isRefused: boolean) =>
    hexes(known.filter(({ row }) => (row._tag === "Refused") === isRefused).map(({ key }) => key))
  return { kept: idsOf(false), refused: idsOf(true) }
})

export const membersOf = ({ kept, refused }: IdSet.Sets) => ({
  kept: hexes(ReconcileSet.ids(kept)),
  refused: hexes(ReconcileSet.ids(refused))
})
