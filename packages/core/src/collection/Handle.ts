/** A collection over the desk of a client: what `ClientItems.collection` gives an app. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { FormFailed, NoConflict } from "../ClientError.ts"
import * as Collection from "../item/Collection.ts"
import * as Conflict from "../item/Conflict.ts"
import * as Item from "../item/Item.ts"
import { MergeFailed } from "../item/merge/Strategy.ts"
import type * as ItemFeed from "../log/ItemFeed.ts"
import type { Desk } from "./Desk.ts"
import {
  type Decision,
  type ItemCollection,
  type ItemConflict,
  type ItemReadFailed,
  type ResolveFailed,
  toConflict,
  toLine,
  toPast
} from "./ItemCollection.ts"

const encoded = <A>(
  { form }: Collection.Collection<A>,
  value: A
): Effect.Effect<Item.ItemAction, FormFailed> =>
  Effect.try({
    try: () => Item.put(form.encode(value)),
    catch: (cause) => new FormFailed({ reason: "encode", cause })
  })

/** The value that a view shows. */
const valueOf = <A>({ shown }: Collection.View<A>): Effect.Effect<A | undefined, FormFailed> => {
  switch (shown._tag) {
    case "Absent":
      return Effect.undefined
    case "Value":
      return Effect.succeed(shown.value)
    case "Content":
      return Effect.fail(new FormFailed({ reason: "content" }))
    case "Unreadable":
      return Effect.fail(
        new FormFailed({ reason: "decode", ...shown.cause === undefined ? {} : { cause: shown.cause } })
      )
  }
}

/** The operation that a decision comes to. */
const decided = <A>(
  collection: Collection.Collection<A>,
  conflict: ItemConflict<A>,
  decision: Decision<A> | ((conflict: ItemConflict<A>) => Decision<A>)
): Effect.Effect<Item.ItemOp, FormFailed | Conflict.UnknownHead | MergeFailed> =>
  Effect.gen(function*() {
    const { source } = conflict
    const made = typeof decision !== "function" ? decision : yield* Effect.try({
      try: () => decision(conflict),
      catch: (cause) => new MergeFailed({ reason: "threw", strategy: "a decision by function", cause })
    })
    if ("head" in made) return yield* Effect.fromResult(Conflict.byHead(source, made.head))
    return Conflict.byValue(source, "value" in made ? yield* encoded(collection, made.value) : Item.DELETE)
  })

/** A collection. `ready`: everything that is accepted shows. */
export const collectionOf = <A>(
  desk: Desk,
  ready: Effect.Effect<void, ItemFeed.FeedFailed>,
  made: Collection.Collection<A>
): ItemCollection<A> => {
  const { items } = desk
  const page = ({ conflicts, next }: Conflict.Page) => ({
    conflicts: conflicts.map((each) => toConflict(made, each)),
    ...(next === undefined ? {} : { next })
  })
  const view = (key: string) => items.view(made, key)
  const put = (key: string, value: A) =>
    Effect.andThen(
      ready,
      Effect.flatMap(encoded(made, value), (action) =>
        desk.writeOne(Effect.map(view(key), (shown) => Item.supersede(shown, shown.shows, action))))
    )
  const found = (which: string | ItemConflict<A>): Effect.Effect<ItemConflict<A>, NoConflict | ItemReadFailed> =>
    typeof which !== "string" ? Effect.succeed(which) : Effect.flatMap(
      items.conflicts.inspect(made, which),
      (conflict) => conflict === undefined ? Effect.fail(new NoConflict()) : Effect.succeed(toConflict(made, conflict))
    )
  const resolve: ItemCollection<A>["conflicts"]["resolve"] = (which, decision) => {
    const prepared: Effect.Effect<Item.ItemOp, ResolveFailed> = Effect.flatMap(
      found(which),
      (conflict) => decided(made, conflict, decision)
    )
    return Effect.andThen(ready, desk.writeOne(prepared))
  }
  return {
    name: made.name,
    put,
    add: (value) =>
      Effect.map(put("", value), (receipt) => ({
        ...receipt,
        key: Item.appendKey(Item.idOf(receipt.hash), receipt.index)
      })),
    get: (key) => Effect.flatMap(Effect.andThen(ready, view(key)), valueOf),
    view: (key) => Effect.andThen(ready, view(key)),
    delete: (key) =>
      Effect.andThen(
        ready,
        desk.write(
          Effect.map(view(key), (shown) => shown.shown._tag === "Absent" ? undefined : Collection.remove(shown))
        )
      ),
    list: (options) => Effect.map(Effect.andThen(ready, items.list(made, options)), (all) => all.map(toLine)),
    watch: (options) =>
      Stream.unwrap(Effect.as(ready, Stream.map(items.watchList(made, options), (all) => all.map(toLine)))),
    history: (key, limit) =>
      Effect.map(Effect.andThen(ready, items.history(made, key, limit)), (all) => all.map(toPast)),
    conflicts: {
      list: (options) => Effect.map(Effect.andThen(ready, items.conflicts.list(made, options)), page),
      inspect: (key) =>
        Effect.map(
          Effect.andThen(ready, items.conflicts.inspect(made, key)),
          (conflict) => conflict === undefined ? undefined : toConflict(made, conflict)
        ),
      watch: Stream.unwrap(Effect.as(ready, Stream.map(items.conflicts.watch(made), page))),
      resolve
    }
  }
}
