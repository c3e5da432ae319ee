/**
 * Renders what docs/spec/protocol.md says about types, calls, purposes, limits and errors from the code, so that the page
 * cannot drift. A generated part stands between `<!-- generated: WHAT -->` and `<!-- end -->`.
 */
import * as Sotto from "@sotto/schema"
import type * as AST from "effect/SchemaAST"
import * as Fs from "node:fs"
import { wireTypes } from "./wireTypes.ts"

const nameOf = (path: string): string => path.slice(path.indexOf(".") + 1)
const nameByAst = new Map<AST.AST, string>(wireTypes.map(({ name, schema }) => [schema.ast, nameOf(name)]))
const typeByName = new Map(wireTypes.map(({ name, schema }) => [nameOf(name), schema.ast]))

/** Every wire type, by the name that the page uses. */
export const typeNames: ReadonlyArray<string> = [...typeByName.keys()]

interface Bounds {
  readonly minimum: number
  readonly maximum: number
}

const boundsOf = (ast: AST.AST): Bounds => {
  let bounds: Bounds = { minimum: 0, maximum: Infinity }
  for (const check of ast.checks ?? []) {
    const representation: unknown = check.annotations?.["representation"]
    const payload = representation !== null && typeof representation === "object" && "payload" in representation
      ? representation.payload
      : undefined
    if (payload === null || typeof payload !== "object") continue
    const at = (name: string) => {
      const found = new Map<string, unknown>(Object.entries(payload)).get(name)
      return typeof found === "number" ? found : undefined
    }
    bounds = { minimum: at("minimum") ?? bounds.minimum, maximum: at("maximum") ?? at("maxLength") ?? bounds.maximum }
  }
  return bounds
}

/** A large bound of all ones as a power of two. */
const number = (value: number): string =>
  value > 0xff && Number.isInteger(Math.log2(value + 1)) ? `2^${Math.log2(value + 1)} − 1` : `${value}`

const range = ({ maximum, minimum }: Bounds): string =>
  minimum === maximum
    ? number(minimum)
    : minimum === 0
    ? `≤ ${number(maximum)}`
    : `${number(minimum)} … ${number(maximum)}`

const uint = (bounds: Bounds): string =>
  bounds.maximum !== Number.MAX_SAFE_INTEGER
    ? `uint(${range(bounds)})`
    : bounds.minimum === 0
    ? "uint"
    : `uint(≥ ${bounds.minimum})`

/** A type where it is used: by its name when it has one. */
const use = (ast: AST.AST): string => nameByAst.get(ast) ?? define(ast)

const fields = (ast: AST.Objects): ReadonlyArray<string> =>
  ast.propertySignatures.filter(({ name }) => name !== "_tag").map(({ name, type }) => `${String(name)}: ${use(type)}`)

const struct = (ast: AST.Objects): string => {
  const tag: unknown = ast.annotations?.["wireTag"]
  return `[ ${[...(typeof tag === "number" ? [`${tag}`] : []), ...fields(ast)].join(", ")} ]`
}

const define = (ast: AST.AST): string => {
  if (ast._tag === "Objects") return struct(ast)
  if (ast._tag === "Union") return ast.types.map(use).join(" / ")
  if (ast._tag === "Literal") return typeof ast.literal === "string" ? JSON.stringify(ast.literal) : String(ast.literal)
  if (ast._tag === "Null") return "nil"
  if (ast._tag === "Boolean") return "bool"
  if (ast._tag === "Number") return uint(boundsOf(ast))
  if (ast._tag === "String") return `text(${range(boundsOf(ast))})`
  if (ast._tag === "Arrays") return `array(${ast.rest.map(use).join(", ")}, ${range(boundsOf(ast))})`
  if (ast._tag === "Declaration") return `bytes(${range(boundsOf(ast))})`
  throw new TypeError(`a wire type of kind ${ast._tag}`)
}

const tagNameOf = (ast: AST.AST): string | undefined => {
  const type = ast._tag === "Objects" ? ast.propertySignatures.find(({ name }) => name === "_tag")?.type : undefined
  return type?._tag === "Literal" ? String(type.literal) : undefined
}

/** One definition, its alternatives on lines of their own when they have tags. */
const definition = (name: string): string => {
  const ast = typeByName.get(name)
  if (ast === undefined) throw new Error(`the page asks for a type ${name}, which is not there`)
  if (ast._tag !== "Union" || tagNameOf(ast.types[0] ?? ast) === undefined) return `${name} = ${define(ast)}`
  const width = Math.max(...ast.types.map((type) => tagNameOf(type)?.length ?? 0))
  const lines = ast.types.map((type) => `  / ${(tagNameOf(type) ?? "").padEnd(width)} = ${define(type)}`)
  return `${name} =\n${lines.join("\n")}`
}

const WIDTH = 100

/** A long line, broken between fields. */
const wrap = (line: string): string => {
  const parts = line.split(/(?<=,) /)
  const lines = parts.reduce<ReadonlyArray<string>>((done, part) => {
    const last = done.at(-1)
    if (last === undefined) return [part]
    return last.length + 1 + part.length <= WIDTH
      ? [...done.slice(0, -1), `${last} ${part}`]
      : [...done, `      ${part}`]
  }, [])
  return lines.join("\n")
}

const fence = (text: string): string => `\`\`\`\n${text}\n\`\`\``

const calls = (): string => {
  const rows = [...Sotto.Relay.RelayRpcs.requests.values()].map((rpc) => {
    const [payload, success] = [rpc.payloadSchema, rpc.successSchema].map(({ ast }) =>
      ast._tag === "Void" ? "–" : use(ast)
    )
    return `| \`${rpc._tag}\` | \`${payload}\` | \`${success}\` |`
  })
  return ["| method | payload | value |", "|---|---|---|", ...rows].join("\n").replaceAll("`–`", "–")
}

const purposes = (): string => {
  const words: ReadonlyArray<string> = Object.values(Sotto.Purpose.Purpose)
  return fence(
    words.reduce<ReadonlyArray<string>>((lines, word) => {
      const last = lines.at(-1) ?? ""
      return last === "" || last.length + word.length > 90
        ? [...lines, word]
        : [...lines.slice(0, -1), `${last}  ${word}`]
    }, []).join("\n")
  )
}

/** Names, values and comments as they stand in Limit.ts. */
const limits = (): string => {
  const source = Fs.readFileSync(new URL("../../src/Limit.ts", import.meta.url), "utf8")
  const values = new Map<string, number>(Object.entries(Sotto.Limit.Limit))
  const rows: Array<string> = []
  let about = ""
  for (const line of source.slice(source.indexOf("export const Limit")).split("\n")) {
    const heading = /^ {2}\/\/ (.*)$/.exec(line)
    const comment = /^ {2}\/\*\* (.*) \*\/$/.exec(line)
    const entry = /^ {2}(\w+):/.exec(line)
    if (heading !== null) rows.push(`| **${heading[1]}** | | |`)
    if (comment !== null) about = comment[1] ?? ""
    if (entry === null) continue
    const name = entry[1] ?? ""
    rows.push(`| \`${name}\` | ${(values.get(name) ?? NaN).toLocaleString("en-US")} | ${about} |`)
    about = ""
  }
  return ["| limit | value | meaning |", "|---|---|---|", ...rows].join("\n")
}

const errors = (): string => {
  const rows = Sotto.RelayError.REFUSALS.map((row) => {
    const places = new Map<string, unknown>(Object.entries(row))
    const at = (name: string): string => {
      const field = places.get(name)
      return typeof field === "string" ? `\`${field}\`` : "–"
    }
    return `| ${row.number} | \`${row.tag}\` | ${at("detail")} | ${at("a")} | ${at("b")} |`
  })
  return ["| number | error | `detail` | `a` | `b` |", "|---|---|---|---|---|", ...rows].join("\n")
}

/** What stands in a generated part that was asked for as `what`. */
const generate = (what: string): string => {
  const [kind = "", ...names] = what.split(" ")
  switch (kind) {
    case "types":
      return fence(names.flatMap((name) => definition(name).split("\n")).map(wrap).join("\n"))
    case "calls":
      return calls()
    case "purposes":
      return purposes()
    case "limits":
      return limits()
    case "errors":
      return errors()
    default:
      throw new Error(`the page asks for ${what}, which nothing generates`)
  }
}

const PART = /<!-- generated: ([^\n]*?) -->\n[^]*?<!-- end -->/g

/** The page with each generated part as the code has it. */
export const regenerate = (page: string): string =>
  page.replace(PART, (_, what: string) => `<!-- generated: ${what} -->\n\n${generate(what)}\n\n<!-- end -->`)

/** The types that a page defines, in its order, and the other parts that it asks for. */
export const asked = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(PART)].flatMap(([, what = ""]) => what.startsWith("types ") ? what.slice(6).split(" ") : [what])
