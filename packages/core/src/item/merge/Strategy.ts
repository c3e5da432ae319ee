/**
 * What a collection does with heads that differ (protocol.md §5): strategies, as data. The built-in ones have a file each
 * beside this one. `Merge.resolve` applies them.
 *
 * A strategy decides from what is in the graph, so that every device comes to the same bytes. Time, chance and settings of
 * one device have no place in it.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Author, Heads, Operation } from "../Item.ts"

/** A merge that came to nothing. The item is listed as a conflict; nothing else stops. */
export class MergeFailed extends Schema.TaggedError<MergeFailed>()("MergeFailed", {
  /** `malformed`: a value is not what the strategy works on; `threw`, `returned`: an app's function did that. */
  reason: Schema.Literals(["malformed", "threw", "returned", "too-large"]),
  strategy: Schema.String,
  /** What the app's function threw. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    const what = {
      malformed: "a value is not of the collection's form",
      threw: "the app's function threw",
      returned: "the app's function returned neither bytes nor `unresolved`",
      "too-large": "the merged value does not fit an entry"
    }[this.reason]
    return `Merging by ${this.strategy} failed: ${what}. All versions are kept, and the item is listed as a ` +
      "conflict. Resolve it by value, by head or by function."
  }
}

/** Two values to be merged, and where they come from. Never changed by who merges. */
export interface Sides {
  readonly key: string
  /** What both began with; absent when they have nothing in common, or several things that differ. */
  readonly base?: Uint8Array
  /** Each of the nearest common ancestors' values: one, as a rule; several after merges that crossed. */
  readonly bases: ReadonlyArray<Uint8Array>
  /** The side whose operation comes first by name, or what was merged before: the same on every device. */
  readonly local: Uint8Array
  readonly remote: Uint8Array
}

/** What came of two sides. */
export type Merged =
  | { readonly _tag: "Merged"; readonly value: Uint8Array }
  /** A person has to decide. */
  | { readonly _tag: "Unresolved" }

/** What is to happen when one deleted what another edited. */
export type OnDelete = "conflict" | "keep" | "delete"

/** Chooses one of the heads, deletions included, on this device. */
export interface Pick {
  readonly _tag: "Pick"
  readonly pick: (heads: Heads, self: Author) => Operation
}

/** Merges values, two at a time. */
export interface Fold {
  readonly _tag: "Fold"
  readonly name: string
  readonly onDelete: OnDelete
  /** Whether it looks at what both sides began with. */
  readonly usesBase: boolean
  /** Whether it calls code of an app, which may answer one thing here and another there. */
  readonly isForeign: boolean
  readonly fold: (sides: Sides) => Result.Result<Merged, MergeFailed>
}

/** All heads stand beside each other, and that is no conflict. */
export interface Keep {
  readonly _tag: "Keep"
}

/** A person decides, always. */
export interface Ask {
  readonly _tag: "Ask"
}

export type Strategy = Pick | Fold | Keep | Ask

/** Options of strategies that merge values. */
export interface FoldOptions {
  /** `conflict` unless given: deleting what another edited is for a person to decide. */
  readonly onDelete?: OnDelete
}

export const merged = (value: Uint8Array): Merged => ({ _tag: "Merged", value })

/** A person has to decide. */
export const unresolved: Merged = { _tag: "Unresolved" }

/**
 * A strategy for values that hold all they need to be merged: `join` has to be commutative, associative and idempotent.
 * No base is asked for. `decode` answers undefined for bytes that are no such value, `encode` for one that is too large.
 */
export const joining = <A>(options: {
  readonly name: string
  readonly decode: (bytes: Uint8Array) => A | undefined
  readonly encode: (value: A) => Uint8Array | undefined
  readonly join: (a: A, b: A) => A
  readonly onDelete: OnDelete
}): Strategy => ({
  _tag: "Fold",
  name: options.name,
  onDelete: options.onDelete,
  usesBase: false,
  isForeign: false,
  fold: ({ local, remote }) => {
    const [a, b] = [options.decode(local), options.decode(remote)]
    if (a === undefined || b === undefined) return failed("malformed", options.name)
    const value = options.encode(options.join(a, b))
    return value === undefined ? failed("too-large", options.name) : Result.succeed(merged(value))
  }
})

/** A merge that failed for a reason of its own. */
export const failed = (
  reason: MergeFailed["reason"],
  strategy: string
): Result.Result<never, MergeFailed> => Result.fail(new MergeFailed({ reason, strategy }))

/** What code that calls an app's functions comes to, or that one of these threw. */
export const guard = (
  strategy: string,
  run: () => Result.Result<Merged, MergeFailed>
): Result.Result<Merged, MergeFailed> => {
  try {
    return run()
  } catch (cause) {
    return Result.fail(new MergeFailed({ reason: "threw", strategy, cause }))
  }
}
