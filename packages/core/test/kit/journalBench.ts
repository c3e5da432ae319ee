/** A device's books over a store in memory, without a client: for tests of what becomes of single pages. */
import * as Keystore from "@sotto/core/Keystore"
import * as Directory from "@sotto/core/log/Directory"
import * as Inbox from "@sotto/core/log/Inbox"
import * as Journal from "@sotto/core/log/Journal"
import * as Ledger from "@sotto/core/log/Ledger"
import * as Reader from "@sotto/core/log/Reader"
import * as Secret from "@sotto/core/Secret"
import type { ClientEvent } from "@sotto/core/Status"
import { makeMemory, type Store } from "@sotto/core/Store"
import type { Head } from "@sotto/schema/Head"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as FakeRelay from "./fakeRelay.ts"
import { type CryptoService, type Seat } from "./seededSpace.ts"
import { valuesOf } from "./values.ts"

export interface Bench {
  readonly relay: FakeRelay.FakeRelay
  readonly store: Store["Service"]
  readonly journal: () => Journal.Journal
  /** As a process that starts over the same store. */
  readonly reopen: Effect.Effect<void>
  /** Takes a page in, as from the only relay. */
  readonly accept: (
    page: ReturnType<FakeRelay.FakeRelay["page"]>,
    last?: boolean
  ) => Effect.Effect<
    Inbox.Taken & { readonly events: ReadonlyArray<ClientEvent> },
    Effect.Error<ReturnType<typeof Inbox.accept>>
  >
  /** Takes note of a head that came by itself. */
  readonly note: (head: Head | null) => Effect.Effect<void>
  readonly values: Effect.Effect<ReadonlyArray<string>>
  /** Reasons of what is set aside, by how often. */
  readonly aside: Effect.Effect<Record<string, number>>
}

const EVENTS_MAX = 1024

/** The books of a device that knows `state`, with one relay; `over` may come between them and their store. */
export const make = Effect.fnUntraced(function*(
  crypto: CryptoService,
  { identity, state }: Seat,
  over = (store: Store["Service"]) => store
) {
  const relay = FakeRelay.make(crypto, ({ relayKey }) => state.keys.routeId(relayKey))
  const store = makeMemory()
  const keystore = Keystore.fromKey(crypto, Secret.make(crypto.random(32)))
  const row: Ledger.RelayRow = {
    ...Directory.freshRelay({ url: "ws://fake/", key: relay.identity.relayKey }, null),
    keys: relay.identity.keys
  }
  yield* Effect.orDie(store.commit([
    yield* Effect.orDie(Directory.stateWrite({ keystore }, state)),
    ...Directory.firstWrites([row])
  ]))
  const open = Effect.orDie(Journal.open({ crypto, store: over(store), keystore, identity }))
  let journal = yield* open
  const bench: Bench = {
    relay,
    store,
    journal: () => journal,
    reopen: Effect.map(open, (opened) => {
      journal = opened
    }),
    accept: (page, last = true) =>
      Effect.scoped(Effect.gen(function*() {
        const heard = yield* PubSub.subscribe(journal.events)
        const taken = yield* Inbox.accept(journal, relay.identity.relayKey, { ...page, last })
        return { ...taken, events: yield* PubSub.takeUpTo(heard, EVENTS_MAX) }
      })),
    note: (head) =>
      Effect.orDie(journal.update((books) => {
        const [book] = [...books.bookByHex.values()]
        if (book === undefined) return Effect.die("a bench without a relay")
        const mark = { ...book.mark, head }
        return Effect.succeed({
          books: Inbox.withMark(books, book, mark),
          writes: [Ledger.mark.put(book.number, mark)],
          value: undefined
        })
      })),
    values: Effect.suspend(() => Effect.orDie(Effect.map(Stream.runCollect(Reader.entries(journal)), valuesOf))),
    aside: Effect.suspend(() =>
      Effect.map(Effect.orDie(Reader.quarantine(journal)), (all) => {
        const counts: Record<string, number> = {}
        for (const { reason } of all) counts[reason] = (counts[reason] ?? 0) + 1
        return counts
      })
    )
  }
  return bench
})
