/** Where items are read and written: one write after the other, each shown before it is answered. */
import type { Op } from "@sotto/schema/Entry"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Item from "../item/Item.ts"
import type * as ItemFeed from "../log/ItemFeed.ts"
import type { Journal } from "../log/Journal.ts"
import type { Outbox, Receipt } from "../log/Outbox.ts"
import { hasRole } from "../space/Membership.ts"
import type { ItemWriteFailed } from "./ItemCollection.ts"

/** The one place of a client that writes items. */
export class Desk {
  readonly items: ItemFeed.ItemFeed["items"]
  readonly #journal: Journal
  readonly #outbox: Outbox
  readonly #feed: ItemFeed.ItemFeed
  readonly #permit = Semaphore.makeUnsafe(1)

  constructor(journal: Journal, outbox: Outbox, feed: ItemFeed.ItemFeed) {
    this.items = feed.items
    this.#journal = journal
    this.#outbox = outbox
    this.#feed = feed
  }

  get current(): Effect.Effect<void, ItemFeed.FeedFailed> {
    return this.#feed.current
  }

  mayWrite(): boolean {
    const { identity } = this.#journal
    return hasRole(this.#journal.books().state.membership, identity.id, ROLE.write)
  }

  /** Writes the operation that `prepare` comes to, if any. It shows when this answers. */
  write<E>(
    prepare: Effect.Effect<Item.ItemOp | undefined, E>
  ): Effect.Effect<Receipt | undefined, E | ItemWriteFailed> {
    return this.#permit.withPermit(Effect.gen({ self: this }, function*() {
      yield* this.#feed.current
      const op = yield* prepare
      if (op === undefined) return undefined
      const receipt = yield* this.#outbox.push([toOp(op)])
      // It is saved. That it can't be shown is for who reads next to hear, not for who would write it a second time.
      yield* Effect.ignore(this.#feed.reached(receipt.ordinal))
      return receipt
    }))
  }

  /** Writes an operation that there is. */
  writeOne<E>(prepare: Effect.Effect<Item.ItemOp, E>): Effect.Effect<Receipt, E | ItemWriteFailed> {
    return Effect.flatMap(
      this.write(prepare),
      (receipt) => receipt === undefined ? Effect.die("an operation without a receipt") : Effect.succeed(receipt)
    )
  }
}

const toOp = ({ action, collection, key, parents }: Item.ItemOp): Op => ({
  collection,
  key,
  parents: parents.map(Item.hashOf),
  action
})
