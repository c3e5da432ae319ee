/**
 * An app's own merge (protocol.md §5). It is called with what both sides began with, if that is known, and may leave the
 * decision to a person. What it throws, and what it answers beside bytes and `unresolved`, is a `MergeFailed`.
 *
 * 1. It has to be a function of its arguments alone: every device calls it and has to come to the same bytes. One that is
 *    not ends in the conflict list, after a bounded number of entries.
 * 2. It never sees two equal sides. A value that counts has to say who counted (see Counter.ts).
 */
import * as Result from "effect/Result"
import {
  failed,
  type FoldOptions,
  guard,
  type Merged,
  merged,
  type MergeFailed,
  type Sides,
  type Strategy,
  unresolved
} from "./Strategy.ts"

/** What an app's function answers: the merged value, or that a person has to decide. */
export type Answer = Uint8Array | typeof UNRESOLVED

/** A person has to decide. */
export const UNRESOLVED = "unresolved"

/**
 * Merges by a function of the app. `name` is what errors call it.
 *
 * ```ts
 * const longest = custom("longest", ({ local, remote }) => local.length >= remote.length ? local : remote)
 * show(longest)
 * ```
 */
export const custom = (
  name: string,
  merge: (sides: Sides) => Answer,
  { onDelete = "conflict" }: FoldOptions = {}
): Strategy => ({
  _tag: "Fold",
  name,
  onDelete,
  usesBase: true,
  isForeign: true,
  fold: (sides) => guard(name, () => check(name, merge(copyOf(sides))))
})

/** What the types say, and JavaScript does not hold. */
const check = (name: string, answer: unknown): Result.Result<Merged, MergeFailed> => {
  if (answer instanceof Uint8Array) return Result.succeed(merged(Uint8Array.from(answer)))
  return answer === UNRESOLVED ? Result.succeed(unresolved) : failed("returned", name)
}

/** The sides in memory of their own: a function that writes into its arguments changes nothing here. */
const copyOf = ({ base, bases, key, local, remote }: Sides): Sides => ({
  key,
  bases: bases.map((each) => each.slice()),
  local: local.slice(),
  remote: remote.slice(),
  ...(base === undefined ? {} : { base: base.slice() })
})
