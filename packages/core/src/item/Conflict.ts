/**
 * The conflict list (protocol.md §5): items whose heads differ, and whose collection's merge leaves them to a person. It is
 * read off the graph whenever it is asked for, by the strategy that the collection has then. Nothing of it is kept beside
 * the heads: it survives a restart, another strategy changes it at once, and other items go on meanwhile.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Ancestor from "./Ancestor.ts"
import {
  type Author,
  type Heads,
  ItemAction,
  type ItemOp,
  type ItemRef,
  latestOf,
  localOf,
  type Operation,
  type OpId,
  supersede,
  toHeads
} from "./Item.ts"
import type { ItemStore } from "./ItemStore.ts"
import * as Merge from "./Merge.ts"
import { MergeFailed, type Strategy } from "./merge/Strategy.ts"

/** A version that this device does not show, the last of those that say the same. */
export interface Remote {
  readonly version: Operation
  /** What it and the local version began with; undefined when that is not known, or nothing. */
  readonly base: ItemAction | undefined
}

/** An item for a person to decide about. Versions tell their author and, by the author's clock, their time. */
export interface Conflict extends ItemRef {
  readonly reason: Merge.Reason
  /** What this device shows meanwhile. */
  readonly local: Operation
  readonly remotes: ReadonlyArray<Remote>
  readonly heads: Heads
}

/** How a collection's items are judged, and on which device. */
export interface Judge {
  readonly strategy: Strategy
  readonly self: Author
}

/** A page of a collection's conflicts, in the order of their keys, and the key to go on after; absent at the end. */
export interface Page {
  readonly conflicts: ReadonlyArray<Conflict>
  readonly next?: string
}

/** Items that are looked at together. */
const PAGE_ITEMS = 64

/** What there is to decide in a collection: at most about `limit` conflicts, of keys after `after`. */
export const list = <E>(
  store: ItemStore<E>,
  judge: Judge,
  { after, collection, limit = PAGE_ITEMS }: {
    readonly collection: string
    readonly after?: string
    readonly limit?: number
  }
): Effect.Effect<Page, E> =>
  Effect.gen(function*() {
    const conflicts: Array<Conflict> = []
    let from = after
    while (conflicts.length < limit && mayConflict(judge.strategy)) {
      const keys = yield* store.contested({
        collection,
        prefix: "",
        limit: PAGE_ITEMS,
        ...(from === undefined ? {} : { after: from })
      })
      for (const key of keys) {
        const conflict = yield* inspect(store, judge, { collection, key })
        if (conflict !== undefined) conflicts.push(conflict)
        from = key
        if (conflicts.length === limit) return { conflicts, next: key }
      }
      if (keys.length < PAGE_ITEMS) break
    }
    return { conflicts }
  })

const mayConflict = ({ _tag }: Strategy): boolean => _tag === "Fold" || _tag === "Ask"

/** One item's conflict; undefined when there is nothing to decide. */
export const inspect = <E>(
  store: ItemStore<E>,
  { self, strategy }: Judge,
  item: ItemRef
): Effect.Effect<Conflict | undefined, E> =>
  Effect.gen(function*() {
    const heads = toHeads((yield* store.heads([item]))[0] ?? [])
    if (heads === undefined) return undefined
    const history = yield* Ancestor.history(store, item, heads)
    const resolution = Merge.resolve({ key: item.key, heads, history, strategy, self })
    if (resolution._tag !== "Conflict") return undefined
    const { reason, shows } = resolution
    const past = Ancestor.pastOf(history, shows)
    const remotes = Merge.groupsOf(heads).filter((group) => group.heads.every(({ id }) => !shows.includes(id)))
      .map((group): Remote => ({
        version: latestOf(group.heads),
        base: Merge.baseOf(Ancestor.nearest(history, past, Ancestor.pastOf(history, group.heads.map(({ id }) => id))))
      }))
    const { collection, key } = item
    return { collection, key, reason, local: localOf(heads, self), remotes, heads }
  })

// -- deciding ----------------------------------------------------------------------------------------------------------

/** A decision names a version that the conflict does not have. */
export class UnknownHead extends Schema.TaggedError<UnknownHead>()("UnknownHead", {}) {
  override get message() {
    return "This conflict has no such version: it may have changed since. Nothing was written; look at it again."
  }
}

/**
 * Decides by value: the operation to be pushed. It supersedes the versions that the conflict shows, and no others: what
 * came meanwhile stays.
 */
export const byValue = (conflict: Conflict, action: ItemAction): ItemOp =>
  supersede(conflict, conflict.heads.map(({ id }) => id), action)

/** Decides for one of the versions, by its name. */
export const byHead = (conflict: Conflict, id: OpId): Result.Result<ItemOp, UnknownHead> => {
  const head = conflict.heads.find((each) => each.id === id)
  return head === undefined ? Result.fail(new UnknownHead()) : Result.succeed(byValue(conflict, head.action))
}

/** Decides by a function of the conflict. One that throws, or answers no action, is a `MergeFailed`. */
export const byFunction = (
  conflict: Conflict,
  decide: (conflict: Conflict) => ItemAction
): Result.Result<ItemOp, MergeFailed> => {
  const strategy = "a decision by function"
  let answer: unknown
  try {
    answer = decide(conflict)
  } catch (cause) {
    return Result.fail(new MergeFailed({ reason: "threw", strategy, cause }))
  }
  return isAction(answer)
    ? Result.succeed(byValue(conflict, answer))
    : Result.fail(new MergeFailed({ reason: "returned", strategy }))
}

/** What the types say, and JavaScript does not hold. */
const isAction = Schema.is(ItemAction)
