/**
 * A map merged field by field against what both sides began with (protocol.md §5): a field that one side changed is that
 * side's; one that both changed alike is that; one that both changed differently is `field`'s to decide, or a person's.
 *
 * Without a common base every field counts as new on both sides: nothing is lost, and what differs is a conflict. After
 * merges that crossed there are several bases: a field on which these agree is merged as usual, and one on which they do
 * not is a conflict where the sides differ.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedBytes, boundedText } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compareKeys } from "../Item.ts"
import { UNRESOLVED } from "./Custom.ts"
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

/** A map's fields and their values. */
export type Fields = ReadonlyMap<string, Uint8Array>

/** How a map's fields stand in its bytes. Equal fields have to give equal bytes, whatever their order. */
export interface MapForm {
  /** Undefined for bytes that are no map. */
  readonly decode: (value: Uint8Array) => Fields | undefined
  readonly encode: (fields: Fields) => Uint8Array
}

/** A field that both sides changed. Absent is deleted, or never there. */
export interface FieldSides {
  readonly key: string
  readonly field: string
  readonly base?: Uint8Array
  readonly local?: Uint8Array
  readonly remote?: Uint8Array
}

export interface MapOptions extends FoldOptions {
  /** `fields` unless given. */
  readonly form?: MapForm
  /** Decides about a field that both sides changed: its value, undefined to leave it out, or that a person has to decide. */
  readonly field?: (sides: FieldSides) => Uint8Array | undefined | typeof UNRESOLVED
}

const Rows = boundedArray(
  Schema.Struct({ field: boundedText(Limit.keyBytesMax), value: boundedBytes(Limit.inlineValueBytesMax) }),
  Limit.inlineValueBytesMax
)
const codec = Codec.make(Rows, "ThreeWayMap")

/** Fields as bytes: ascending by name. Names have at most `Limit.keyBytesMax` bytes; longer ones throw a RangeError. */
export const fields: MapForm = {
  decode: (value) => {
    const rows = Result.getOrUndefined(codec.decode(value))
    const isAscending = rows?.every(({ field }, at) => {
      const before = rows[at - 1]
      return before === undefined || compareKeys(before.field, field) < 0
    })
    return rows === undefined || isAscending === false
      ? undefined
      : new Map(rows.map(({ field, value: inner }) => [field, inner]))
  },
  encode: (all) =>
    codec.encode([...all].map(([field, value]) => ({ field, value })).sort((a, b) => compareKeys(a.field, b.field)))
}

const NAME = "three-way map"

/** Merges maps field by field. */
export const threeWayMap = ({ field, form = fields, onDelete = "conflict" }: MapOptions = {}): Strategy => ({
  _tag: "Fold",
  name: NAME,
  onDelete,
  usesBase: true,
  isForeign: field !== undefined || form !== fields,
  fold: (sides) => guard(NAME, () => mergeMaps(sides, form, field))
})

const mergeMaps = (
  { bases, key, local, remote }: Sides,
  form: MapForm,
  decide: MapOptions["field"]
): Result.Result<Merged, MergeFailed> => {
  const [ours, theirs] = [form.decode(local), form.decode(remote)]
  if (ours === undefined || theirs === undefined) return failed("malformed", NAME)
  const decoded = bases.map((base) => form.decode(base)).filter((base) => base !== undefined)
  // With one that is no map, what the fields began with is not known.
  const before = decoded.length === bases.length ? decoded : []
  const all = new Map<string, Uint8Array>()
  for (const field of new Set([...ours.keys(), ...theirs.keys()])) {
    const sides = {
      key,
      field,
      bases: before.map((base) => base.get(field)),
      local: ours.get(field),
      remote: theirs.get(field)
    }
    const value = mergeField(sides) ?? (decide === undefined ? CONFLICT : ask(decide, sides))
    if (value._tag === "Unresolved") return Result.succeed(unresolved)
    if (value._tag === "Returned") return failed("returned", NAME)
    if (value.value !== undefined) all.set(field, value.value)
  }
  return Result.succeed(merged(form.encode(all)))
}

type Value = Uint8Array | undefined

interface OneField {
  readonly key: string
  readonly field: string
  readonly bases: ReadonlyArray<Value>
  readonly local: Value
  readonly remote: Value
}

/** What a field becomes; `Returned`: the app's function answered nothing that it may. */
type FieldValue =
  | { readonly _tag: "Value"; readonly value: Value }
  | { readonly _tag: "Unresolved" }
  | { readonly _tag: "Returned" }

const CONFLICT: FieldValue = { _tag: "Unresolved" }

/** The value of a field that at most one side changed; undefined for one that both did, or that nobody knows. */
const mergeField = ({ bases: [base, ...others], local, remote }: OneField): FieldValue | undefined => {
  if (isSame(local, remote)) return { _tag: "Value", value: local }
  if (!others.every((other) => isSame(base, other))) return undefined
  if (isSame(base, remote)) return { _tag: "Value", value: local }
  return isSame(base, local) ? { _tag: "Value", value: remote } : undefined
}

/** What the app says of a field. What it answers is checked: types do not hold JavaScript. */
const ask = (
  decide: NonNullable<MapOptions["field"]>,
  { bases: [base, ...others], field, key, local, remote }: OneField
): FieldValue => {
  const answer: unknown = decide({
    key,
    field,
    ...(base === undefined || others.some((other) => !isSame(base, other)) ? {} : { base: base.slice() }),
    ...(local === undefined ? {} : { local: local.slice() }),
    ...(remote === undefined ? {} : { remote: remote.slice() })
  })
  if (answer === UNRESOLVED) return CONFLICT
  return answer === undefined || answer instanceof Uint8Array
    ? { _tag: "Value", value: answer }
    : { _tag: "Returned" }
}

const isSame = (a: Value, b: Value): boolean => a === undefined || b === undefined ? a === b : Bytes.equals(a, b)
