/**
 * Turns the AST of a wire schema (Wire.ts) into closures that measure, write and read its values. It runs once for each
 * codec, at its first use; whatever it does not know how to bound or to represent, it refuses there and then.
 *
 * Each node answers for one place in the type:
 * - `measure` checks a value that is to be written and says how many bytes it takes (throws a RangeError: a bug);
 * - `write` puts a measured value down;
 * - `read` takes a value, or fails the reader;
 * - `least` is the size of the smallest value, by which counts are held against the input that is left.
 */
import type * as AST from "effect/SchemaAST"
import { Limit } from "../Limit.ts"
import type { Reader } from "./reader.ts"
import * as Utf8 from "./utf8.ts"
import { binSize, countSize, textSize, uintSize, type Writer } from "./writer.ts"

export interface Node {
  readonly least: number
  readonly measure: (value: unknown) => number
  readonly write: (writer: Writer, value: unknown) => void
  readonly read: (reader: Reader) => unknown
}

const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3

/** No bound of its own: what is left of the input bounds it. */
const COUNT_MAX = 0xffff_ffff

/** The node of an AST; `path` is its place in the type, for messages, `depth` how many values it stands inside. */
export const compile = (ast: AST.AST, path: string, depth: number): Node => {
  if (depth > Limit.decodeDepthMax) return refuse(path, `a schema of more than ${Limit.decodeDepthMax} levels`)
  if (ast.encoding !== undefined) return refuse(path, "a schema with a transformation")
  if (ast._tag === "Objects") return structParts(ast, path, depth).node
  if (ast._tag === "Union") return unionNode(ast, path, depth)
  if (ast._tag === "Literal") return literalsNode([ast], path)
  if (ast._tag === "Boolean") return booleanNode(ast, path)
  if (ast._tag === "Number") return uintNode(ast, path)
  if (ast._tag === "String") return textNode(ast, path)
  if (ast._tag === "Arrays") return arrayNode(ast, path, depth)
  if (ast._tag === "Declaration") return bytesNode(ast, path)
  return refuse(path, `a schema of kind ${ast._tag}`)
}

const refuse = (path: string, what: string): never => {
  throw new TypeError(`${path}: ${what} has no canonical form`)
}

const bug = (path: string, expected: string): never => {
  throw new RangeError(`${path}: ${expected} was expected`)
}

// -- what checks say ---------------------------------------------------------------------------------------------------

/** The bounds that a schema's checks state. Any check that is not understood here is refused: it would not be enforced. */
interface Bounds {
  readonly int: boolean
  readonly minimum: number
  readonly maximum: number
  readonly lengthMinimum: number
  readonly lengthMaximum: number
  readonly textBytesMax: number
}

const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null

const numberAt = (value: unknown, name: string): number | undefined => {
  const found = isRecord(value) ? value[name] : undefined
  return typeof found === "number" ? found : undefined
}

/** What each check that Wire.ts uses states, by the identity that Effect gives it and that check's parameters. */
const BOUNDS: { readonly [id: string]: (payload: unknown) => Partial<Bounds> } = {
  "effect/schema/isInt": () => ({ int: true }),
  "effect/schema/isBetween": (payload) => ({ minimum: field(payload, "minimum"), maximum: field(payload, "maximum") }),
  "effect/schema/isMaxLength": (payload) => ({ lengthMaximum: field(payload, "maxLength") }),
  "effect/schema/isBetweenLength": (payload) => ({
    lengthMinimum: field(payload, "minimum"),
    lengthMaximum: field(payload, "maximum")
  })
}

/** NaN when it is not there: every bound made from it then fails its own test. */
const field = (payload: unknown, name: string): number => numberAt(payload, name) ?? NaN

const boundsOfCheck = (check: AST.Check<never>, path: string): Partial<Bounds> => {
  const textBytesMax = numberAt(check.annotations, "wireTextBytesMax")
  if (textBytesMax !== undefined) return { textBytesMax }
  const representation: unknown = check.annotations?.["representation"]
  const id = isRecord(representation) ? representation["id"] : undefined
  const bounds = typeof id === "string" ? BOUNDS[id] : undefined
  if (bounds === undefined || !isRecord(representation)) return refuse(path, `the check ${String(id)}`)
  return bounds(representation["payload"])
}

const boundsOf = (ast: AST.AST, path: string): Bounds => {
  let bounds: Bounds = {
    int: false,
    minimum: -Infinity,
    maximum: Infinity,
    lengthMinimum: 0,
    lengthMaximum: Infinity,
    textBytesMax: Infinity
  }
  for (const check of ast.checks ?? []) {
    const more = boundsOfCheck(check, path)
    bounds = {
      int: bounds.int || more.int === true,
      minimum: Math.max(bounds.minimum, more.minimum ?? -Infinity),
      maximum: Math.min(bounds.maximum, more.maximum ?? Infinity),
      lengthMinimum: Math.max(bounds.lengthMinimum, more.lengthMinimum ?? 0),
      lengthMaximum: Math.min(bounds.lengthMaximum, more.lengthMaximum ?? Infinity),
      textBytesMax: Math.min(bounds.textBytesMax, more.textBytesMax ?? Infinity)
    }
  }
  return bounds
}

const noChecks = (ast: AST.AST, path: string): void => {
  if (ast.checks !== undefined) refuse(path, "a check on this kind of schema")
}

// -- leaves ------------------------------------------------------------------------------------------------------------

const booleanNode = (ast: AST.Boolean, path: string): Node => {
  noChecks(ast, path)
  return {
    least: 1,
    measure: (value) => typeof value === "boolean" ? 1 : bug(path, "a boolean"),
    write: (writer, value) => writer.byte(value === true ? TRUE : FALSE),
    read: (reader) => {
      const byte = reader.byte()
      return byte === TRUE || byte === FALSE ? byte === TRUE : reader.fail("wrong-type", reader.at - 1)
    }
  }
}

const isUint = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0

const uintNode = (ast: AST.Number, path: string): Node => {
  const { int, maximum, minimum } = boundsOf(ast, path)
  if (!int || !isUint(minimum) || !isUint(maximum)) {
    return refuse(path, "a number that is not an integer between two bounds, from zero on")
  }
  return {
    least: 1,
    measure: (value) =>
      isUint(value) && value >= minimum && value <= maximum
        ? uintSize(value)
        : bug(path, `an integer from ${minimum} to ${maximum}`),
    write: (writer, value) => typeof value === "number" ? writer.uint(value) : bug(path, "an integer"),
    read: (reader) => {
      const offset = reader.at
      const value = reader.uint()
      return value < minimum || value > maximum ? reader.fail("out-of-range", offset) : value
    }
  }
}

const textNode = (ast: AST.String, path: string): Node => {
  const { lengthMaximum, lengthMinimum, textBytesMax } = boundsOf(ast, path)
  if (!(textBytesMax < Infinity) || lengthMinimum !== 0) return refuse(path, "text without boundedText")
  return {
    least: 1,
    measure: (value) => {
      if (typeof value !== "string" || value.length > lengthMaximum) {
        return bug(path, `text of at most ${textBytesMax} bytes`)
      }
      const length = Utf8.byteLength(value)
      return length < 0 || length > textBytesMax
        ? bug(path, `well-formed text of at most ${textBytesMax} bytes`)
        : textSize(length)
    },
    write: (writer, value) =>
      typeof value === "string" ? writer.text(value, Utf8.byteLength(value)) : bug(path, "text"),
    read: (reader) => {
      const offset = reader.at
      const text = reader.text(textBytesMax)
      return text.length > lengthMaximum ? reader.fail("too-long", offset) : text
    }
  }
}

const bytesNode = (ast: AST.Declaration, path: string): Node => {
  const representation: unknown = ast.annotations?.["representation"]
  if (!isRecord(representation) || representation["id"] !== "effect/schema/Uint8Array") {
    return refuse(path, "a declared type")
  }
  const { lengthMaximum, lengthMinimum } = boundsOf(ast, path)
  if (!(lengthMaximum < Infinity) || !(lengthMinimum >= 0)) return refuse(path, "a byte string without a bound")
  return {
    least: binSize(lengthMinimum),
    measure: (value) =>
      value instanceof Uint8Array && value.length >= lengthMinimum && value.length <= lengthMaximum
        ? binSize(value.length)
        : bug(path, `${lengthMinimum} to ${lengthMaximum} bytes`),
    write: (writer, value) => value instanceof Uint8Array ? writer.bin(value) : bug(path, "bytes"),
    read: (reader) => reader.bin(lengthMinimum, lengthMaximum)
  }
}

/** One of a few numbers or words. */
const literalsNode = (members: ReadonlyArray<AST.Literal>, path: string): Node => {
  const values = members.map(({ literal }) => literal)
  for (const member of members) noChecks(member, path)
  if (values.every(isUint)) {
    const known = new Set<unknown>(values)
    return {
      least: 1,
      measure: (value) =>
        typeof value === "number" && known.has(value) ? uintSize(value) : bug(path, `one of ${values.join(", ")}`),
      write: (writer, value) => typeof value === "number" ? writer.uint(value) : bug(path, "a number"),
      read: (reader) => {
        const offset = reader.at
        const value = reader.uint()
        return known.has(value) ? value : reader.fail("out-of-range", offset)
      }
    }
  }
  const words = values.flatMap((value) => typeof value === "string" ? [value] : [])
  if (words.length !== values.length) return refuse(path, "a mixture of literals")
  const known = new Set<unknown>(words)
  const longest = Math.max(...words.map(Utf8.byteLength))
  return {
    least: 1,
    measure: (value) =>
      typeof value === "string" && known.has(value)
        ? textSize(Utf8.byteLength(value))
        : bug(path, `one of ${words.join(", ")}`),
    write: (writer, value) =>
      typeof value === "string" ? writer.text(value, Utf8.byteLength(value)) : bug(path, "a word"),
    read: (reader) => {
      const offset = reader.at
      const value = reader.text(longest)
      return known.has(value) ? value : reader.fail("out-of-range", offset)
    }
  }
}

// -- composites --------------------------------------------------------------------------------------------------------

const arrayNode = (ast: AST.Arrays, path: string, depth: number): Node => {
  const [item, second] = ast.rest
  if (ast.elements.length > 0 || item === undefined || second !== undefined) return refuse(path, "a tuple")
  const { lengthMaximum, lengthMinimum } = boundsOf(ast, path)
  if (!(lengthMaximum < Infinity) || lengthMinimum !== 0) return refuse(path, "an array without boundedArray")
  const { least, measure, read, write } = compile(item, `${path}[]`, depth + 1)
  return {
    least: 1,
    measure: (value) => {
      if (!Array.isArray(value) || value.length > lengthMaximum) return bug(path, `at most ${lengthMaximum} items`)
      let size = countSize(value.length)
      for (let i = 0; i < value.length; i++) size += measure(value[i])
      return size
    },
    write: (writer, value) => {
      if (!Array.isArray(value)) return bug(path, "an array")
      writer.array(value.length)
      for (let i = 0; i < value.length; i++) write(writer, value[i])
    },
    read: (reader) => {
      const count = reader.array(lengthMaximum, least)
      const items: Array<unknown> = []
      for (let i = 0; i < count; i++) items.push(read(reader))
      return items
    }
  }
}

/** What a struct is made of: its number in a tagged union, its count on the wire, its fields without their header. */
interface StructParts {
  readonly tag: Tag | undefined
  readonly count: number
  readonly fields: Node
  readonly node: Node
}

/** A struct as an array of its fields. With a wire tag, that number comes first and `_tag` is left out. */
const structParts = (ast: AST.Objects, path: string, depth: number): StructParts => {
  const tag = tagOf(ast, path)
  const fields = fieldsNode(ast, path, depth, tag)
  const count = ast.propertySignatures.length
  const header = countSize(count) + (tag === undefined ? 0 : uintSize(tag.number))
  const node: Node = {
    least: header + fields.least,
    measure: (value) => {
      if (!isRecord(value)) return bug(path, "an object")
      if (tag !== undefined && value["_tag"] !== tag.name) return bug(path, `a ${tag.name}`)
      return header + fields.measure(value)
    },
    write: (writer, value) => {
      writer.array(count)
      if (tag !== undefined) writer.uint(tag.number)
      fields.write(writer, value)
    },
    read: (reader) => {
      const offset = reader.at
      if (reader.array(COUNT_MAX, 1) !== count) reader.fail("wrong-length", offset)
      if (tag !== undefined) {
        const at = reader.at
        if (reader.uint() !== tag.number) reader.fail("unknown-tag", at)
      }
      return fields.read(reader)
    }
  }
  return { tag, count, fields, node }
}

interface Tag {
  readonly name: string
  readonly number: number
}

/** The name and the number of a member of a tagged union, when the schema is one. */
const tagOf = (ast: AST.Objects, path: string): Tag | undefined => {
  const number = numberAt(ast.annotations, "wireTag")
  if (number === undefined) return undefined
  const type = ast.propertySignatures.find(({ name }) => name === "_tag")?.type
  const name = type?._tag === "Literal" ? type.literal : undefined
  return typeof name === "string" && isUint(number)
    ? { name, number }
    : refuse(path, "a wire tag without `_tag`")
}

/** The fields of a struct, one after the other, without a header. */
const fieldsNode = (ast: AST.Objects, path: string, depth: number, tag: Tag | undefined): Node => {
  noChecks(ast, path)
  if (ast.indexSignatures.length > 0) return refuse(path, "an index signature")
  const names: Array<string> = []
  const nodes: Array<Node> = []
  for (const { name, type } of ast.propertySignatures) {
    if (typeof name !== "string" || name === "__proto__") return refuse(path, "a field of this name")
    if (type.context?.isOptional === true) return refuse(`${path}.${name}`, "an optional field")
    if (name === "_tag" && tag !== undefined) continue
    names.push(name)
    nodes.push(compile(type, `${path}.${name}`, depth + 1))
  }
  return {
    least: nodes.reduce((sum, { least }) => sum + least, 0),
    measure: (value) => {
      if (!isRecord(value)) return bug(path, "an object")
      let size = 0
      for (let i = 0; i < nodes.length; i++) size += nodes[i]?.measure(value[names[i] ?? ""]) ?? 0
      return size
    },
    write: (writer, value) => {
      if (!isRecord(value)) return bug(path, "an object")
      for (let i = 0; i < nodes.length; i++) nodes[i]?.write(writer, value[names[i] ?? ""])
    },
    read: (reader) => {
      const value: Record<string, unknown> = tag === undefined ? {} : { _tag: tag.name }
      for (let i = 0; i < nodes.length; i++) value[names[i] ?? ""] = nodes[i]?.read(reader)
      return value
    }
  }
}

/** `NullOr(x)`, literals, or a union of tagged structs. Nothing else can be told apart by its first bytes alone. */
const unionNode = (ast: AST.Union, path: string, depth: number): Node => {
  noChecks(ast, path)
  const members = ast.types.filter(({ _tag }) => _tag !== "Null")
  const [only] = members
  if (members.length < ast.types.length) {
    return members.length === 1 && only !== undefined
      ? nullOrNode(compile(only, path, depth))
      : refuse(path, "a union of null and several others")
  }
  const literals = members.flatMap((member) => member._tag === "Literal" ? [member] : [])
  return literals.length === members.length ? literalsNode(literals, path) : taggedNode(members, path, depth)
}

const nullOrNode = (node: Node): Node => ({
  least: 1,
  measure: (value) => value === null ? 1 : node.measure(value),
  write: (writer, value) => value === null ? writer.byte(NIL) : node.write(writer, value),
  read: (reader) => {
    if (reader.peek() !== NIL) return node.read(reader)
    reader.at++
    return null
  }
})

const taggedNode = (types: ReadonlyArray<AST.AST>, path: string, depth: number): Node => {
  const byNumber = new Map<number, StructParts>()
  const byName = new Map<unknown, StructParts>()
  for (const type of types) {
    const parts = type._tag === "Objects" ? structParts(type, path, depth) : undefined
    if (parts?.tag === undefined) return refuse(path, "a union of untagged types")
    if (byNumber.has(parts.tag.number) || byName.has(parts.tag.name)) return refuse(path, "a tag that stands twice")
    byNumber.set(parts.tag.number, parts)
    byName.set(parts.tag.name, parts)
  }
  const nodeOf = (value: unknown): Node =>
    byName.get(isRecord(value) ? value["_tag"] : undefined)?.node ??
      bug(path, `one of ${[...byName.keys()].join(", ")}`)
  return {
    least: Math.min(...[...byName.values()].map(({ node }) => node.least)),
    measure: (value) => nodeOf(value).measure(value),
    write: (writer, value) => nodeOf(value).write(writer, value),
    read: (reader) => {
      const offset = reader.at
      const count = reader.array(COUNT_MAX, 1)
      if (count === 0) return reader.fail("wrong-length", offset)
      const at = reader.at
      const member = byNumber.get(reader.uint()) ?? reader.fail("unknown-tag", at)
      if (count !== member.count) return reader.fail("wrong-length", offset)
      return member.fields.read(reader)
    }
  }
}
