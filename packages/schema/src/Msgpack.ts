/**
 * Canonical MessagePack of plain values, for the control plane (protocol.md §5a), whose messages Effect RPC builds:
 * null, booleans, finite numbers, text, bytes, arrays, and objects as maps whose keys ascend by their UTF-8 bytes.
 *
 * An integer takes its shortest form; every other finite number, minus zero included, is a float64. Nothing else has a
 * form. Sealed and signed bytes never come from here: those have types, and a `Codec`.
 *
 * Bounds on bytes, depth and items are held before anything is allocated for them.
 */
import * as Result from "effect/Result"
import { attempt, CodecError } from "./Codec.ts"
import { Reader } from "./internal/reader.ts"
import * as Utf8 from "./internal/utf8.ts"
import { binSize, countSize, negativeSize, textSize, uintSize, Writer } from "./internal/writer.ts"
import { Limit } from "./Limit.ts"

/** A value that has a form. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | ReadonlyArray<Value>
  | { readonly [key: string]: Value }

/** Bounds of one message. */
export interface Limits {
  readonly bytesMax: number
  /** Arrays and objects inside each other; a scalar alone has depth 0. */
  readonly depthMax: number
  /** Items of all arrays and pairs of all objects together. */
  readonly itemsMax: number
}

/** Bounds of a control message. */
export const LIMITS: Limits = {
  bytesMax: Limit.controlBytesMax,
  depthMax: Limit.decodeDepthMax,
  itemsMax: Limit.controlItemsMax
}

const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
const FLOAT64 = 0xcb

const bug = (what: string): never => {
  throw new RangeError(`${what} has no MessagePack form`)
}

const scratch = new DataView(new ArrayBuffer(8))

const isInteger = (value: number): boolean => Number.isSafeInteger(value) && !Object.is(value, -0)

/** UTF-16 units in the order of the code points that they belong to, which is the order of UTF-8 bytes. */
const rank = (unit: number): number => unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000

/** Order of two texts by their UTF-8 bytes. */
export const compareText = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

const isPlain = (value: object): value is { readonly [key: string]: unknown } => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** An object's keys in their order. One whose value is undefined is absent, as in JSON. */
const keysOf = (value: { readonly [key: string]: unknown }): ReadonlyArray<string> =>
  Object.keys(value).filter((key) => value[key] !== undefined).sort(compareText)

const lengthOf = (text: string): number => {
  const length = Utf8.byteLength(text)
  return length < 0 ? bug("text with a lone surrogate") : length
}

const measureNumber = (value: number): number => {
  if (!Number.isFinite(value)) return bug(String(value))
  if (!isInteger(value)) return 9
  return value < 0 ? negativeSize(value) : uintSize(value)
}

const measureArray = (values: ReadonlyArray<unknown>, depth: number): number => {
  let size = countSize(values.length)
  for (let i = 0; i < values.length; i++) size += measure(values[i], depth)
  return size
}

const measureMap = (value: { readonly [key: string]: unknown }, depth: number): number => {
  const keys = keysOf(value)
  let size = countSize(keys.length)
  for (const key of keys) {
    if (key === "__proto__") return bug("the key __proto__")
    size += textSize(lengthOf(key)) + measure(value[key], depth)
  }
  return size
}

const measure = (value: unknown, depth: number): number => {
  if (value === null || typeof value === "boolean") return 1
  if (typeof value === "number") return measureNumber(value)
  if (typeof value === "string") return textSize(lengthOf(value))
  if (typeof value !== "object") return bug(`a value of type ${typeof value}`)
  if (value instanceof Uint8Array) return binSize(value.length)
  if (depth === 0) return bug("a value that is nested too deep")
  if (Array.isArray(value)) return measureArray(value, depth - 1)
  return isPlain(value) ? measureMap(value, depth - 1) : bug("an object with a prototype of its own")
}

const writeNumber = (writer: Writer, value: number): void => {
  if (!isInteger(value)) {
    scratch.setFloat64(0, value)
    writer.byte(FLOAT64)
    writer.u32(scratch.getUint32(0))
    writer.u32(scratch.getUint32(4))
  } else if (value < 0) writer.negative(value)
  else writer.uint(value)
}

/** Writes a measured value. */
const write = (writer: Writer, value: unknown): void => {
  if (value === null) writer.byte(NIL)
  else if (typeof value === "boolean") writer.byte(value ? TRUE : FALSE)
  else if (typeof value === "number") writeNumber(writer, value)
  else if (typeof value === "string") writer.text(value, Utf8.byteLength(value))
  else if (value instanceof Uint8Array) writer.bin(value)
  else if (Array.isArray(value)) {
    writer.array(value.length)
    for (let i = 0; i < value.length; i++) write(writer, value[i])
  } else if (typeof value === "object" && isPlain(value)) {
    const keys = keysOf(value)
    writer.map(keys.length)
    for (const key of keys) {
      writer.text(key, Utf8.byteLength(key))
      write(writer, value[key])
    }
  }
}

/**
 * The canonical bytes of a value, after room for `before` bytes that the caller fills. Throws a RangeError for what has
 * no form (a bug): undefined outside an object, bigint, NaN, class instances, cycles and whatever is nested deeper than
 * `Limit.decodeDepthMax`. A property that is undefined is left out.
 */
export const encode = (value: unknown, before = 0): Uint8Array => {
  const writer = new Writer(before + measure(value, LIMITS.depthMax), before)
  write(writer, value)
  return writer.bytes
}

/** A reader with what is left of its budgets. */
class Budget extends Reader {
  items: number
  depth: number

  constructor(bytes: Uint8Array, limits: Limits) {
    super(bytes)
    this.items = limits.itemsMax
    this.depth = limits.depthMax
  }

  enter(offset: number, count: number): void {
    if (this.depth === 0) this.fail("too-deep", offset)
    if (count > this.items) this.fail("too-large", offset)
    this.depth--
    this.items -= count
  }
}

const readFloat = (reader: Budget, offset: number): number => {
  reader.at++
  for (let i = 0; i < 8; i++) scratch.setUint8(i, reader.byte())
  const value = scratch.getFloat64(0)
  if (!Number.isFinite(value)) return reader.fail("out-of-range", offset)
  return isInteger(value) ? reader.fail("not-canonical", offset) : value
}

const readArray = (reader: Budget, offset: number): Value => {
  const count = reader.array(0xffff_ffff, 1)
  reader.enter(offset, count)
  const items: Array<Value> = []
  for (let i = 0; i < count; i++) items.push(readValue(reader))
  reader.depth++
  return items
}

const readMap = (reader: Budget, offset: number): Value => {
  const count = reader.map(0xffff_ffff, 2)
  reader.enter(offset, count)
  const object: Record<string, Value> = {}
  let previous: string | undefined
  for (let i = 0; i < count; i++) {
    const at = reader.at
    const key = reader.text(0xffff_ffff)
    if (key === "__proto__") reader.fail("forbidden-key", at)
    if (previous !== undefined && compareText(previous, key) >= 0) reader.fail("not-canonical", at)
    object[key] = readValue(reader)
    previous = key
  }
  reader.depth++
  return object
}

/** What a value's first byte says it is. Whatever has no form is left to the reader of integers, which refuses it. */
const kindOf = (first: number): "word" | "float" | "bin" | "text" | "array" | "map" | "int" => {
  if (first < 0x80 || first >= 0xe0) return "int"
  if (first < 0x90) return "map"
  if (first < 0xa0) return "array"
  return first < 0xc0 ? "text" : KINDS[first - 0xc0] ?? "int"
}

const KINDS = Array.from({ length: 0x20 }, (_, at) => {
  const first = 0xc0 + at
  if (first === NIL || first === FALSE || first === TRUE) return "word"
  if (first === FLOAT64) return "float"
  if (first >= 0xc4 && first <= 0xc6) return "bin"
  if (first >= 0xd9 && first <= 0xdb) return "text"
  if (first === 0xdc || first === 0xdd) return "array"
  return first >= 0xde ? "map" : "int"
})

const readWord = (reader: Budget): null | boolean => {
  const byte = reader.byte()
  return byte === NIL ? null : byte === TRUE
}

const readValue = (reader: Budget): Value => {
  const offset = reader.at
  switch (kindOf(reader.peek())) {
    case "word":
      return readWord(reader)
    case "float":
      return readFloat(reader, offset)
    case "bin":
      return reader.bin(0, 0xffff_ffff)
    case "text":
      return reader.text(0xffff_ffff)
    case "array":
      return readArray(reader, offset)
    case "map":
      return readMap(reader, offset)
    case "int":
      return reader.int()
  }
}

/** The value of canonical bytes, within `limits`. Byte strings above 64 bytes are views of `bytes`. */
export const decode = (bytes: Uint8Array, limits: Limits = LIMITS): Result.Result<Value, CodecError> => {
  if (bytes.length > limits.bytesMax) return Result.fail(new CodecError({ reason: "too-large", offset: 0 }))
  const reader = new Budget(bytes, limits)
  return attempt(reader, () => {
    const value = readValue(reader)
    return reader.left() === 0 ? value : reader.fail("trailing", reader.at)
  })
}
