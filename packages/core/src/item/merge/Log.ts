/**
 * A list that devices append to at the same time, kept as one value (protocol.md §5): in the order of the writers' clocks,
 * the same everywhere. Nothing is taken out. A list that outgrows one value is better kept as appends: items without a key.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import * as Hlc from "@sotto/schema/Hlc"
import { DeviceId } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { boundedArray, boundedBytes } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type FoldOptions, joining, type Strategy } from "./Strategy.ts"

/** A line of a log, and who wrote it when. */
const Line = Schema.Struct({ hlc: Hlc.Hlc, device: DeviceId, value: boundedBytes(Limit.inlineValueBytesMax) })
export type Line = typeof Line.Type

/** A log: lines ascending by `compare`, none twice. */
const Lines = boundedArray(Line, Limit.inlineValueBytesMax)
type Lines = typeof Lines.Type

const codec = Codec.make(Lines, "Log")

const compare = (a: Line, b: Line): number =>
  Hlc.compare(a.hlc, b.hlc) || Bytes.compare(a.device, b.device) || Bytes.compare(a.value, b.value)

/** The lines of a log, in its order; undefined for bytes that are none. */
export const lines = (value: Uint8Array): ReadonlyArray<Line> | undefined => {
  const decoded = Result.getOrUndefined(codec.decode(value))
  const isAscending = decoded?.every((line, at) => {
    const before = decoded[at - 1]
    return before === undefined || compare(before, line) < 0
  })
  return isAscending === true ? decoded : undefined
}

const join = (a: Lines, b: Lines): Lines => {
  const all = [...a, ...b].sort(compare)
  return all.filter((line, at) => {
    const before = all[at - 1]
    return before === undefined || compare(before, line) !== 0
  })
}

/** Merges logs. */
export const log = ({ onDelete = "conflict" }: FoldOptions = {}): Strategy =>
  joining({ name: "log", decode: lines, encode: codec.encode, join, onDelete })

/** A log without lines. */
export const empty: Uint8Array = codec.encode([])

/**
 * A log with one more line; undefined for bytes that are no log, and for a line that no log holds. `hlc` is the device's
 * clock, later than all that it has seen.
 */
export const append = (value: Uint8Array, line: Line): Uint8Array | undefined => {
  const before = lines(value)
  const isTooLong = line.value.length > Limit.inlineValueBytesMax
  return before === undefined || isTooLong ? undefined : codec.encode(join(before, [line]))
}
