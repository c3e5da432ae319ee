/**
 * What was written to an item, one version after the other (protocol.md §5): as far as it is still here. Superseded
 * versions go when everybody has what superseded them.
 */
import * as Effect from "effect/Effect"
import { type Collection, show, type Shown } from "./Collection.ts"
import { compareTimes, type Operation, type OpId } from "./Item.ts"
import type { ItemStore } from "./ItemStore.ts"

/** A version of an item, and what it says. */
export interface Past<A> {
  readonly version: Operation
  readonly shown: Shown<A>
  /** Nothing supersedes it. */
  readonly isHead: boolean
}

const LIMIT = 100

/** Versions of an item by the writers' clocks, the latest first: at most `limit`. */
export const read = Effect.fnUntraced(function*<A, E>(
  store: ItemStore<E>,
  { form, name }: Collection<A>,
  key: string,
  limit = LIMIT
): Effect.fn.Return<ReadonlyArray<Past<A>>, E> {
  const item = { collection: name, key }
  const heads = (yield* store.heads([item]))[0] ?? []
  const isHead = new Set(heads)
  const seen = new Set<OpId>(heads.map(({ id }) => id))
  const open: Array<Operation> = [...heads]
  const found: Array<Operation> = []
  while (open.length > 0 && found.length < limit) {
    open.sort(compareTimes)
    const version = open.pop()
    if (version === undefined) break
    found.push(version)
    const parents = version.parents.filter((id) => !seen.has(id))
    for (const id of parents) seen.add(id)
    if (parents.length === 0) continue
    for (const row of yield* store.ops(parents.map((id) => ({ item, id })))) {
      if (row !== undefined && row.op !== null) open.push(row.op)
    }
  }
  return found.map((version) => ({ version, shown: show(form, version.action), isHead: isHead.has(version) }))
})
