/** What found mutants in an earlier run: lines of `sotto-sim mutants --json`. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Known } from "./Runner.ts"

const Line = Schema.fromJsonString(Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  found: Schema.optionalKey(Schema.Unknown),
  simulation: Schema.optionalKey(Schema.String),
  seed: Schema.optionalKey(Schema.String),
  seeds: Schema.optionalKey(Schema.Finite)
}))
const decode = Schema.decodeUnknownResult(Line)

/** By the names of the mutants that were found, or what is wrong with the text. */
export const fromText = (text: string): ReadonlyMap<string, Known> | string => {
  const known = new Map<string, Known>()
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue
    const decoded = decode(line)
    if (Result.isFailure(decoded)) return `line ${at + 1} is none of \`sotto-sim mutants --json\``
    const { found, name, seed, seeds, simulation } = decoded.success
    if (found !== true || name === undefined || seed === undefined || simulation === undefined) continue
    known.set(name, { simulation, seed, seeds: seeds ?? 1 })
  }
  return known
}
