/**
 * A collection as an app has it (protocol.md §1): a name, the form of its values, and what happens with versions that were
 * written at the same time. A view says what an item comes to, and a write on top of a view supersedes what that showed.
 */
import type { ContentRef } from "@sotto/schema/Content"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Effect from "effect/Effect"
import * as Ancestor from "./Ancestor.ts"
import {
  type Author,
  DELETE,
  type Heads,
  type ItemAction,
  type ItemOp,
  type ItemRef,
  type OpId,
  put,
  supersede,
  toHeads
} from "./Item.ts"
import type { ItemStore } from "./ItemStore.ts"
import * as Merge from "./Merge.ts"
import { ask } from "./merge/Ask.ts"
import type { Strategy } from "./merge/Strategy.ts"

/** The bytes of a collection's values. Equal values should have equal bytes: versions that are equal are one. */
export interface ValueForm<in out A> {
  readonly encode: (value: A) => Uint8Array
  /** Undefined for bytes that are no such value. */
  readonly decode: (bytes: Uint8Array) => A | undefined
}

export interface Collection<in out A> {
  readonly name: string
  readonly form: ValueForm<A>
  readonly merge: Strategy
}

/** A collection. Unless it says how to merge, every conflict is for a person to decide. */
export const make = <A>(
  name: string,
  { form, merge = ask }: { readonly form: ValueForm<A>; readonly merge?: Strategy }
): Collection<A> => ({ name, form, merge })

/** Values as the bytes that they are. */
export const bytes: ValueForm<Uint8Array> = { encode: (value) => value, decode: (value) => value.slice() }

/** Values as text, in UTF-8. */
export const text: ValueForm<string> = {
  encode: Utf8.encode,
  decode: Utf8.decode
}

/** What a version says. */
export type Shown<A> =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Value"; readonly value: A }
  | { readonly _tag: "Content"; readonly content: ContentRef }
  /** Bytes that are no value of the collection, and what its form threw, if it did. */
  | { readonly _tag: "Unreadable"; readonly bytes: Uint8Array; readonly cause?: unknown }

/** What an item comes to on this device. */
export interface View<A> extends ItemRef {
  readonly shown: Shown<A>
  /** What stands beside it, in a collection that keeps versions side by side. */
  readonly beside: ReadonlyArray<Shown<A>>
  /** Why it is a conflict, if it is one. `shown` is this device's own version then, or the last one. */
  readonly conflict: Merge.Reason | undefined
  /** Heads that a write on top of this view supersedes. */
  readonly shows: ReadonlyArray<OpId>
  /** The operation that writes down what was merged, if anything was. */
  readonly settle: ItemOp | undefined
  /** Whether this device is the one to write that at once (`Merge.isWriter`). */
  readonly isSettler: boolean
}

/** What an item comes to on the device `self`. */
export const view = Effect.fnUntraced(function*<A, E>(
  store: ItemStore<E>,
  collection: Collection<A>,
  key: string,
  self: Author
): Effect.fn.Return<View<A>, E> {
  const item = { collection: collection.name, key }
  const heads = toHeads((yield* store.heads([item]))[0] ?? [])
  if (heads === undefined) {
    return { ...item, shown: ABSENT, beside: [], conflict: undefined, shows: [], settle: undefined, isSettler: false }
  }
  const history: Ancestor.History = Merge.usesHistory(heads, collection.merge)
    ? yield* Ancestor.history(store, item, heads)
    : new Map()
  return viewOf(collection, item, { heads, history, self })
})

const ABSENT = { _tag: "Absent" } as const

const viewOf = <A>(
  { form, merge }: Collection<A>,
  item: ItemRef,
  { heads, history, self }: { readonly heads: Heads; readonly history: Ancestor.History; readonly self: Author }
): View<A> => {
  const resolution = Merge.resolve({ key: item.key, heads, history, strategy: merge, self })
  const { shows } = resolution
  const [first, ...beside] = resolution._tag === "Kept" ? resolution.actions : [resolution.action]
  return {
    ...item,
    shown: first === undefined ? ABSENT : show(form, first),
    beside: beside.map((action) => show(form, action)),
    conflict: resolution._tag === "Conflict" ? resolution.reason : undefined,
    shows,
    settle: resolution._tag === "Merged" ? supersede(item, shows, resolution.action) : undefined,
    isSettler: resolution._tag === "Merged" && Merge.isWriter(heads, self)
  }
}

/** What an action says, in the form of a collection. */
export const show = <A>({ decode }: ValueForm<A>, action: ItemAction): Shown<A> => {
  if (action._tag === "Delete") return ABSENT
  if (action._tag === "PutContent") return { _tag: "Content", content: action.content }
  try {
    const value = decode(action.value)
    return value === undefined ? { _tag: "Unreadable", bytes: action.value } : { _tag: "Value", value }
  } catch (cause) {
    return { _tag: "Unreadable", bytes: action.value, cause }
  }
}

/** The operation that writes a value on top of what a view shows. */
export const write = <A>({ form }: Collection<A>, view: View<A>, value: A): ItemOp =>
  supersede(view, view.shows, put(form.encode(value)))

/** The operation that deletes what a view shows. */
export const remove = <A>(view: View<A>): ItemOp => supersede(view, view.shows, DELETE)
