/**
 * Frozen vectors: the bytes and texts in ../vectors are the protocol, whatever the code says. To freeze new ones, run
 * this file with SOTTO_FREEZE=1: it adds files and cases, and never changes one that is there.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { revive, show, type Vector, type VectorFile, vectorFiles } from "./kit/vectors.ts"

const directory = new URL("../vectors/", import.meta.url)
const freezing = process.env["SOTTO_FREEZE"] === "1"

const File = Schema.fromJsonString(Schema.Struct({
  about: Schema.String,
  cases: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.Unknown, form: Schema.String }))
}))

const load = ({ file }: VectorFile): ReadonlyArray<Vector> => {
  const url = new URL(file, directory)
  return Fs.existsSync(url) ? Schema.decodeUnknownSync(File)(Fs.readFileSync(url, "utf8")).cases : []
}

const fresh = ({ toForm, values }: VectorFile): ReadonlyArray<Vector> =>
  Object.entries(values).map(([name, value]) => ({ name, value: show(value), form: toForm(value) }))

if (freezing) {
  Fs.mkdirSync(directory, { recursive: true })
  for (const file of vectorFiles) {
    const frozen = load(file)
    const cases = [...frozen, ...fresh(file).filter(({ name }) => !frozen.some((old) => old.name === name))]
    Fs.writeFileSync(new URL(file.file, directory), `${JSON.stringify({ about: file.about, cases }, null, 2)}\n`)
  }
}

describe.each(vectorFiles)("$file", (file) => {
  const frozen = load(file)

  it("holds a case for each value of the fixtures, and they agree", () => {
    const names = frozen.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
    for (const vector of fresh(file)) {
      assert.deepStrictEqual(frozen.find(({ name }) => name === vector.name), JSON.parse(JSON.stringify(vector)))
    }
  })

  it.each(frozen)("$name", ({ form, value }) => {
    assert.strictEqual(file.toForm(revive(value)), form)
    assert.deepStrictEqual(show(file.fromForm(form)), value)
  })
})

it("has no vector file that nothing reads", () => {
  const known = new Set(vectorFiles.map(({ file }) => file))
  for (const name of Fs.readdirSync(directory)) if (name.endsWith(".json")) assert.isTrue(known.has(name), name)
})
