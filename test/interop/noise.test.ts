/**
 * Public Noise vectors: cacophony and snow (classical), clatter 2.2 (hybrid). They lie in a folder beside the checkout;
 * without it there is nothing to compare with here, and `packages/core/test/channel/Noise.test.ts` carries a handful.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { runVector, type Vector, type VectorSide } from "../../packages/core/test/channel/vectorRun.ts"

const folder = fileURLToPath(new URL("../../../shared/vectors/", import.meta.url))
const present = existsSync(folder)

type Json = { readonly [key: string]: unknown }

const isJson = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)
const objects = (value: unknown): ReadonlyArray<Json> => Array.isArray(value) ? value.filter(isJson) : []
const text = (value: unknown): string => typeof value === "string" ? value : ""
const texts = (value: unknown): ReadonlyArray<string> => Array.isArray(value) ? value.map(text) : []

const load = (path: string): ReadonlyArray<Json> => {
  if (!present) return []
  const parsed: unknown = JSON.parse(readFileSync(`${folder}${path}`, "utf8"))
  return isJson(parsed) ? objects(parsed["vectors"]) : []
}

const side = (json: Json, prefix: "init" | "resp"): VectorSide => ({
  draws: [text(json[`${prefix}_ephemeral`])],
  ...(json[`${prefix}_static`] !== undefined && { static: text(json[`${prefix}_static`]) })
})

const classical = (json: Json): Vector => ({
  name: text(json["protocol_name"]),
  prologue: text(json["init_prologue"]),
  psks: texts(json["init_psks"]),
  initiator: side(json, "init"),
  responder: side(json, "resp"),
  messages: objects(json["messages"]).map((message) => ({
    payload: text(message["payload"]),
    ciphertext: text(message["ciphertext"])
  })),
  ...(json["handshake_hash"] !== undefined && { handshakeHash: text(json["handshake_hash"]) })
})

const hybridSide = (json: Json, prefix: "init" | "resp", sender: string): VectorSide => ({
  static: text(json[`${prefix}_static_25519`]),
  staticKem: text(json[`${prefix}_static_mlkem768_seed`]),
  draws: objects(json["messages"]).filter((message) => message["sender"] === sender).flatMap(({ draws }) =>
    texts(draws)
  )
})

const hybrid = (json: Json): Vector => ({
  name: text(json["protocol_name"]),
  prologue: text(json["prologue"]),
  psks: [],
  initiator: hybridSide(json, "init", "initiator"),
  responder: hybridSide(json, "resp", "responder"),
  messages: [...objects(json["messages"]), ...objects(json["transport"])].map((message) => ({
    payload: text(message["payload"]),
    ciphertext: text(message["ciphertext"]),
    ...(message["h"] !== undefined && { hash: text(message["h"]) })
  }))
})

const SETS = [
  { file: "noise/cacophony.json", shape: classical, count: 48 },
  { file: "noise/snow.json", shape: classical, count: 32 },
  { file: "noise-hybrid/clatter-2.2.json", shape: hybrid, count: 2 }
]

describe.skipIf(!present)("public Noise vectors", () => {
  for (const { count, file, shape } of SETS) {
    const vectors = load(file).map(shape)
    it(`${file}: all ${count} there are`, () => {
      assert.strictEqual(vectors.length, count)
    })
    for (const vector of vectors) it(`${file} ${vector.name}`, () => runVector(vector))
  }
})
