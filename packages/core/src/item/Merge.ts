/**
 * What an item's heads come to (protocol.md §5): one value, or a conflict. A function of the heads, their history and the
 * collection's strategy, so that every device comes to the same bytes; only preferences and what is shown meanwhile depend
 * on the device.
 *
 * 1. Heads that say the same are one. So devices that merge alike, each with an entry of its own, are done.
 * 2. Others fold two at a time, in the order of their names, each pair with its nearest common ancestors.
 * 3. Resolutions that go on differing, which they do when an app's function is not one, stop after `GENERATIONS_MAX`: the
 *    item is a conflict then, and no further entries are written.
 * 4. What was shown is what a later write supersedes, and nothing that was not.
 */
import { Limit } from "@sotto/schema/Limit"
import * as Result from "effect/Result"
import * as Ancestor from "./Ancestor.ts"
import {
  type Author,
  compareIds,
  type Heads,
  isAlike,
  isContested,
  type ItemAction,
  latestOf,
  localOf,
  type Operation,
  type OpId,
  toHeads
} from "./Item.ts"
import { type Fold, MergeFailed, type Sides, type Strategy } from "./merge/Strategy.ts"

/** Why an item's heads came to no value. */
export type Reason =
  /** The collection leaves every conflict to a person. */
  | { readonly _tag: "Asked" }
  /** Its merge leaves this one to a person. */
  | { readonly _tag: "Unresolved" }
  /** One deleted what another edited. */
  | { readonly _tag: "Deleted" }
  /** A version is content, which its merge does not read. */
  | { readonly _tag: "Content" }
  /** Devices went on resolving it differently. */
  | { readonly _tag: "Diverging" }
  /** Its merge failed. */
  | { readonly _tag: "Failed"; readonly error: MergeFailed }

/** What heads come to. `shows` are the heads that are in what is shown: those that a write on top of it supersedes. */
export type Resolution =
  /** The heads say the same. */
  | { readonly _tag: "Settled"; readonly action: ItemAction; readonly shows: ReadonlyArray<OpId> }
  /** They stand beside each other. */
  | { readonly _tag: "Kept"; readonly actions: ReadonlyArray<ItemAction>; readonly shows: ReadonlyArray<OpId> }
  /** They were merged: to be written, by `Item.supersede(item, shows, action)`. */
  | { readonly _tag: "Merged"; readonly action: ItemAction; readonly shows: ReadonlyArray<OpId> }
  /** A conflict. `action` is what is shown meanwhile. */
  | {
    readonly _tag: "Conflict"
    readonly reason: Reason
    readonly action: ItemAction
    readonly shows: ReadonlyArray<OpId>
  }

/**
 * Resolutions of resolutions, after which an app's function is called no more. Devices that merge by the same function need
 * two or three when all have heard of the same, and about a dozen when many merge whatever they happen to have heard of.
 */
export const GENERATIONS_MAX = 32

/** Heads that say the same. */
interface Group {
  readonly action: ItemAction
  readonly heads: Heads
}

interface Growing {
  readonly action: ItemAction
  readonly heads: [Operation, ...Array<Operation>]
}

/** Heads by what they say, in the order of their first names. */
export const groupsOf = (heads: Heads): readonly [Group, ...ReadonlyArray<Group>] => {
  const [first, ...others] = toHeads(heads.toSorted((a, b) => compareIds(a.id, b.id))) ?? heads
  const groups: [Growing, ...Array<Growing>] = [{ action: first.action, heads: [first] }]
  const byDigest = new Map<number, ReadonlyArray<Growing>>([[digestOf(first.action), groups.slice(0, 1)]])
  for (const head of others) {
    const digest = digestOf(head.action)
    const like = byDigest.get(digest) ?? []
    const group = like.find(({ action }) => isAlike(action, head.action))
    if (group !== undefined) group.heads.push(head)
    else {
      const made: Growing = { action: head.action, heads: [head] }
      groups.push(made)
      byDigest.set(digest, [...like, made])
    }
  }
  return groups
}

/** Actions that are alike have one digest (FNV-1a, 32 bits). It only spares comparing each with all. */
const digestOf = (action: ItemAction): number => {
  if (action._tag !== "Put") return action._tag === "Delete" ? 0 : 1
  let digest = 0x811c9dc5
  for (const byte of action.value) digest = Math.imul(digest ^ byte, 0x01000193)
  return digest
}

const idsOf = (heads: ReadonlyArray<Operation>): ReadonlyArray<OpId> => heads.map(({ id }) => id)

/** Whether `resolve` looks at the history of these heads; without that, an empty one does. */
export const usesHistory = (heads: Heads, strategy: Strategy): boolean =>
  strategy._tag === "Fold" && strategy.usesBase && isContested(heads)

/** What some heads come to. `history` is `Ancestor.history` of them. */
export const resolve = (options: {
  readonly key: string
  readonly heads: Heads
  readonly history: Ancestor.History
  readonly strategy: Strategy
  readonly self: Author
}): Resolution => {
  const { heads, self, strategy } = options
  const groups = groupsOf(heads)
  const [{ action }, ...others] = groups
  if (others.length === 0) return { _tag: "Settled", action, shows: idsOf(heads) }
  switch (strategy._tag) {
    case "Keep":
      return { _tag: "Kept", actions: groups.map((group) => group.action), shows: idsOf(heads) }
    case "Pick":
      return { _tag: "Merged", action: strategy.pick(heads, self).action, shows: idsOf(heads) }
    case "Ask":
      return conflict(options, { _tag: "Asked" })
    case "Fold": {
      const folded = foldGroups(options.key, groups, options.history, strategy)
      return Result.isSuccess(folded)
        ? { _tag: "Merged", action: folded.success, shows: idsOf(heads) }
        : conflict(options, folded.failure)
    }
  }
}

/** What this device shows of a conflict: its own last word, or the last there is. */
const conflict = ({ heads, self }: { readonly heads: Heads; readonly self: Author }, reason: Reason): Resolution => {
  const local = localOf(heads, self)
  const alike = heads.filter(({ action }) => isAlike(action, local.action))
  return { _tag: "Conflict", reason, action: local.action, shows: idsOf(alike) }
}

const isDelete = ({ action }: Group): boolean => action._tag === "Delete"

/** One action out of several, which differ. */
const foldGroups = (
  key: string,
  groups: ReadonlyArray<Group>,
  history: Ancestor.History,
  strategy: Fold
): Result.Result<ItemAction, Reason> => {
  const heads = groups.flatMap((group) => group.heads)
  const isEndless = heads.every(({ generation }) => generation >= GENERATIONS_MAX)
  if (strategy.isForeign && isEndless) return Result.fail({ _tag: "Diverging" })
  if (groups.some(isDelete)) {
    if (strategy.onDelete === "conflict") return Result.fail({ _tag: "Deleted" })
    if (strategy.onDelete === "delete") return Result.succeed({ _tag: "Delete" })
  }
  const edits = groups.filter((group) => !isDelete(group))
  const [only, ...others] = edits
  return only !== undefined && others.length === 0
    ? Result.succeed(only.action)
    : foldValues(key, edits, history, strategy)
}

/** One value out of several, each merged into what came of those before it. */
const foldValues = (
  key: string,
  groups: ReadonlyArray<Group>,
  history: Ancestor.History,
  strategy: Fold
): Result.Result<ItemAction, Reason> => {
  let value: Uint8Array | undefined
  const left = new Set<OpId>()
  for (const { action, heads } of groups) {
    if (action._tag !== "Put") return Result.fail({ _tag: "Content" })
    const right = Ancestor.pastOf(history, idsOf(heads))
    const next: Result.Result<Uint8Array, Reason> = value === undefined
      ? Result.succeed(action.value)
      : foldTwo(strategy, sidesOf({ key, local: value, remote: action.value }, Ancestor.nearest(history, left, right)))
    if (Result.isFailure(next)) return Result.fail(next.failure)
    value = next.success
    Ancestor.addPast(history, left, idsOf(heads))
  }
  if (value === undefined) return Result.fail({ _tag: "Unresolved" })
  if (value.length <= Limit.inlineValueBytesMax) return Result.succeed({ _tag: "Put", value })
  return Result.fail({ _tag: "Failed", error: new MergeFailed({ reason: "too-large", strategy: strategy.name }) })
}

const foldTwo = (strategy: Fold, sides: Sides): Result.Result<Uint8Array, Reason> => {
  const merged = strategy.fold(sides)
  if (Result.isFailure(merged)) return Result.fail({ _tag: "Failed", error: merged.failure })
  return merged.success._tag === "Merged" ? Result.succeed(merged.success.value) : Result.fail({ _tag: "Unresolved" })
}

/** Sides with their bases. An ancestor that deleted the item, or is content, is no base; with one like that, none is. */
const sidesOf = (
  sides: { readonly key: string; readonly local: Uint8Array; readonly remote: Uint8Array },
  ancestors: ReadonlyArray<Operation>
): Sides => {
  const bases = ancestors.flatMap(({ action }) => action._tag === "Put" ? [action.value] : [])
  const base = baseOf(ancestors)
  return {
    ...sides,
    bases: bases.length === ancestors.length ? bases : [],
    ...(base?._tag === "Put" ? { base: base.value } : {})
  }
}

/** What heads began with: the nearest common ancestor; with several, only if they say the same. */
export const baseOf = ([first, ...others]: ReadonlyArray<Operation>): ItemAction | undefined =>
  others.every(({ action }) => first !== undefined && isAlike(first.action, action)) ? first?.action : undefined

/**
 * Whether this device is the one to write a resolution down at once: it wrote the latest of the heads. Others see the same
 * value without that, and write it when they change the item. So a conflict costs one entry, not one for each device.
 */
export const isWriter = (heads: Heads, self: Author): boolean => latestOf(heads).author === self
