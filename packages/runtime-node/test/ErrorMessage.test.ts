/**
 * Every error that can leave schema, core or this package tells a person what happened, whether what they have is safe,
 * and what to do; and none shows bytes. The classes are found in the sources, so that a new one is tried as well.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const PACKAGES = ["schema", "core", "runtime-node"]

/** Those that no person sees, and why. */
const UNSEEN: ReadonlySet<string> = new Set([
  // Becomes `StoreFailed` or `RelayStoreFailed`, which say it.
  "SqliteFailed",
  // Everything has been said; it carries an exit code.
  "Told"
])

const SAFE =
  /nothing|\bsafe\b|\bkept\b|\bkeep\b|\bsaved\b|not (?:opened|stored|touched|affected|started)|stay as they were|works without|no guess|was dropped|waits on this device|untouched|not replaced|no data was touched|still hold|may be damaged here|there is no device/i
const NEXT =
  /\b(?:try|tried|type|check|resolve|ask|show|start|stop|restore|use|give|make|made|update|close|free|split|copy|connect|look|add|correct|choose|pair|register|report|open|set one up|send|fetch|put|split|restart|higher|name|trying|reconnecting|change its role)\b|go(?:es)? out|goes on|taken up|by itself|changes nothing|what there is/i

const sourceOf = (name: string): string => fileURLToPath(new URL(`../../${name}/src`, import.meta.url))

/** Error classes, and where they are. */
const found = PACKAGES.flatMap((name) =>
  readdirSync(sourceOf(name), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(sourceOf(name), file))
    .flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/TaggedError<(\w+)>/g)].map((match) => ({ file, name: match[1] ?? "" }))
    )
)

const isErrorClass = (value: unknown): value is Schema.Schema<Error> => Schema.isSchema(value)

const samplesOf = async (file: string, name: string): Promise<ReadonlyArray<Error>> => {
  const module: Record<string, unknown> = await import(pathToFileURL(file).href)
  const schema = module[name]
  if (!isErrorClass(schema)) throw new Error(`${name} is not exported from ${file}`)
  const options = { count: 150, seed: 5, size: 6, maxDiscards: 100_000 }
  return Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(schema), options))
}

/** Every run of bytes that an error carries. */
const bytesIn = (value: unknown): ReadonlyArray<Uint8Array> => {
  if (value instanceof Uint8Array) return value.length < 4 ? [] : [value]
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(bytesIn) : []
}

/** How bytes get into text by mistake. */
const formsOf = (bytes: Uint8Array): ReadonlyArray<string> => [
  Buffer.from(bytes).toString("hex"),
  Buffer.from(bytes).toString("base64"),
  bytes.join(),
  bytes.join(" ")
]

const faultsOf = (message: string, carried: ReadonlyArray<Uint8Array> = []): ReadonlyArray<string> => [
  ...message.length < 40 ? ["says too little"] : [],
  ...SAFE.test(message) ? [] : ["does not say whether data is safe"],
  ...NEXT.test(message) ? [] : ["does not say what to do"],
  .../undefined|\[object|NaN|Uint8Array/.test(message) ? ["shows what it cannot format"] : [],
  ...carried.flatMap(formsOf).some((form) => message.includes(form)) ? ["shows bytes"] : []
]

describe("the message of", () => {
  it("a made-up error is found wanting, for each reason", () => {
    const bytes = Uint8Array.of(200, 201, 202, 203)
    assert.deepStrictEqual(faultsOf("It failed."), [
      "says too little",
      "does not say whether data is safe",
      "does not say what to do"
    ])
    const good = "The disk is gone. What you wrote is kept elsewhere; try again when it is back"
    assert.deepStrictEqual(faultsOf(good, [bytes]), [])
    for (const form of formsOf(bytes)) assert.deepStrictEqual(faultsOf(`${good} (${form})`, [bytes]), ["shows bytes"])
    assert.deepStrictEqual(faultsOf(`${good} ([object Object])`), ["shows what it cannot format"])
  })

  it("as many errors as there are", () => assert.isAtLeast(found.length, 50))

  it.each(found.filter(({ name }) => !UNSEEN.has(name)))("$name", async ({ file, name }) => {
    const samples = await samplesOf(file, name)
    assert.isAtLeast(samples.length, 150)
    for (const error of samples) {
      assert.deepStrictEqual(faultsOf(error.message, bytesIn(error)), [], error.message)
      assert.strictEqual(String(error), `${name}: ${error.message}`)
    }
  })
})
