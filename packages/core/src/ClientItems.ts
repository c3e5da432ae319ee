/**
 * The items of a running client (protocol.md §5, §7): collections over the log. Everything here is read off a graph of
 * items that this device keeps, sealed, beside its log. It is built from the log the first time that somebody asks, and
 * goes on from where it was after that.
 *
 * 1. A write reads what this device shows, supersedes that, and can be read when it is answered. Writes of items come one
 *    after the other, so that each knows of the one before.
 * 2. Of a collection that was named here, merges are written down by the device whose turn it is (`Merge.isWriter`), as
 *    soon as it is at rest. A device that may not write shows them all the same.
 * 3. What a person has to decide is counted, for the status.
 * 4. Until the first question about items nothing runs, and nothing is read or written.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Desk } from "./collection/Desk.ts"
import { collectionOf } from "./collection/Handle.ts"
import type { ItemCollection } from "./collection/ItemCollection.ts"
import { Settler } from "./collection/Settler.ts"
import { Tally } from "./collection/Tally.ts"
import * as Collection from "./item/Collection.ts"
import * as DurableItemStore from "./item/DurableItemStore.ts"
import type { Strategy } from "./item/merge/Strategy.ts"
import * as ItemFeed from "./log/ItemFeed.ts"
import type { Journal } from "./log/Journal.ts"
import type { Outbox } from "./log/Outbox.ts"

export interface ClientItems {
  /**
   * A collection, and how its versions merge: by a person's decision unless given. Values are bytes unless there is a
   * form. Naming one again replaces its merge.
   */
  readonly collection: {
    (name: string, options?: { readonly merge?: Strategy }): ItemCollection<Uint8Array>
    <A>(
      name: string,
      options: { readonly form: Collection.ValueForm<A>; readonly merge?: Strategy }
    ): ItemCollection<A>
  }
}

/** The items of a journal's space, written through its outbox. Nothing runs yet. */
export const make = Effect.fn("ClientItems.make")(function*(
  journal: Journal,
  outbox: Outbox
): Effect.fn.Return<ClientItems, never, Scope.Scope> {
  const store = yield* DurableItemStore.make(journal)
  const feed = yield* ItemFeed.make(journal, store)
  const desk = new Desk(journal, outbox, feed)
  const settler = new Settler(desk)
  const tally = new Tally(feed, journal.undecided)
  const scope = yield* Effect.scope
  let isRunning = false
  /** Everything that is accepted now shows; merges are written, and conflicts counted, from now on. */
  const ready = Effect.suspend(() => {
    if (isRunning) return feed.current
    isRunning = true
    const looksAfter = Effect.all([settler.run, tally.run], { concurrency: "unbounded" })
    return Effect.andThen(Effect.forkIn(looksAfter, scope), feed.current)
  })

  function collection(name: string, options?: { readonly merge?: Strategy }): ItemCollection<Uint8Array>
  function collection<A>(
    name: string,
    options: { readonly form: Collection.ValueForm<A>; readonly merge?: Strategy }
  ): ItemCollection<A>
  function collection<A>(
    name: string,
    { form, ...merge }: { readonly form?: Collection.ValueForm<A>; readonly merge?: Strategy } = {}
  ): ItemCollection<A> | ItemCollection<Uint8Array> {
    const open = <B>(made: Collection.Collection<B>) => {
      settler.register(made)
      tally.register(made)
      return collectionOf(desk, ready, made)
    }
    return form === undefined
      ? open(Collection.make(name, { form: Collection.bytes, ...merge }))
      : open(Collection.make(name, { form, ...merge }))
  }
  return { collection }
})
