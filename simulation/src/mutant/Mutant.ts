/**
 * A bug planted on purpose: one exact text of one source file, and what stands in its place. It shows whether the
 * invariants of a simulation see what they are for. Whoever wrote the code knows nothing of it: `Loader` patches the
 * source when a module is loaded, and the file stays as it is.
 *
 * ```json
 * {
 *   "name": "ack-before-append", "class": "durability", "file": "src/Relay.ts",
 *   "find": "yield* append(rows)\n  yield* answer(rows)", "replace": "yield* answer(rows)\n  yield* append(rows)",
 *   "invariant": "no-acknowledged-loss", "note": "The answer leaves before the rows are durable."
 * }
 * ```
 *
 * 1. The text stands exactly once in the file. A patch that no longer applies is an error that names file and text, never
 *    a mutant that was not found.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"

const Name = Schema.NonEmptyString

/** What stands in a file of a folder of mutants: one of these, or an array of them. */
const Written = Schema.Struct({
  name: Name,
  class: Name,
  /** Relative to the working directory. */
  file: Name,
  /** Exact text, which has to occur once. */
  find: Name,
  replace: Schema.String,
  /** Names of the invariants of which one should see it. */
  invariant: Schema.Union([Name, Schema.NonEmptyArray(Name)]),
  /** The simulation to be run; all of the config's without it. */
  simulation: Schema.optionalKey(Name),
  /** Passed to the simulation's `expand`. */
  strategy: Schema.optionalKey(Name),
  note: Schema.optionalKey(Schema.String),
  /** Written without a look at the invariants. */
  heldOut: Schema.optionalKey(Schema.Boolean)
})
type Written = typeof Written.Type

/** A mutant, ready to be planted. */
export interface Mutant
  extends Pick<Written, "name" | "class" | "file" | "find" | "replace" | "simulation" | "strategy">
{
  readonly invariants: ReadonlyArray<string>
  readonly note: string
  readonly heldOut: boolean
}

/** A mutant of a folder, or why a file there is none. */
export type Entry =
  | { readonly name: string; readonly mutant: Mutant }
  | { readonly name: string; readonly error: string }

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([Written, Schema.Array(Written)])))

const fromWritten = ({ heldOut = false, invariant, note = "", ...written }: Written): Mutant => ({
  ...written,
  invariants: typeof invariant === "string" ? [invariant] : invariant,
  note,
  heldOut
})

/** The mutants of a JSON text. `name` stands for them when it has none. */
export const parse = (name: string, json: string): ReadonlyArray<Entry> => {
  const decoded = decode(json)
  if (Result.isFailure(decoded)) return [{ name, error: `not a mutant: ${decoded.failure.message}` }]
  const written = "name" in decoded.success ? [decoded.success] : decoded.success
  return written.map((one) => ({ name: one.name, mutant: fromWritten(one) }))
}

/** The mutants in the JSON files of a folder, by name. Of two with one name, the second is an error. */
export const readFolder = (folder: string): ReadonlyArray<Entry> => {
  const files = fs.readdirSync(folder).filter((file) => file.endsWith(".json")).sort()
  const entries = files.flatMap((file) =>
    parse(path.basename(file, ".json"), fs.readFileSync(path.join(folder, file), "utf8"))
  )
  const seen = new Set<string>()
  return entries.map((entry) => {
    if (seen.has(entry.name)) return { name: entry.name, error: "another mutant has this name" }
    seen.add(entry.name)
    return entry
  })
}

/** The source with the bug in it, or why it cannot be planted. */
export const apply = ({ file, find, replace }: Mutant, source: string): Result.Result<string, string> => {
  const at = source.indexOf(find)
  if (at < 0) return Result.fail(`${file}: the text is not there any more: ${JSON.stringify(find)}`)
  if (source.includes(find, at + 1)) {
    return Result.fail(`${file}: the text stands there more than once: ${JSON.stringify(find)}`)
  }
  if (find === replace) return Result.fail(`${file}: the replacement is the text itself: ${JSON.stringify(find)}`)
  return Result.succeed(source.slice(0, at) + replace + source.slice(at + find.length))
}

/** The patched source of a mutant's file. */
export const patched = (mutant: Mutant, directory: string): Result.Result<string, string> => {
  const file = path.resolve(directory, mutant.file)
  return fs.existsSync(file)
    ? apply(mutant, fs.readFileSync(file, "utf8"))
    : Result.fail(`${mutant.file}: there is no such file`)
}
