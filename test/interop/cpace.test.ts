/** The CPace draft's own file, when the public vectors are beside the repository. */
import { assert, describe, it } from "@effect/vitest"
import * as Portable from "@sotto/core/crypto/Portable"
import * as Cpace from "@sotto/core/pairing/Cpace"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"

const FILE = new URL("../../../shared/vectors/cpace/testvectors.json", import.meta.url)

const Run = Schema.Record(Schema.String, Schema.Unknown)
const File = Schema.Struct({
  G_Coffee25519: Schema.Record(Schema.String, Schema.String),
  G_Coffee25519_points: Run
})

const hex = (text: string): Uint8Array => Result.getOrThrow(Hex.decode(text.toLowerCase()))
const crypto = Portable.make({ random: (length) => new Uint8Array(length) })

describe.skipIf(!existsSync(FILE))("CPace, draft 21", () => {
  it("ristretto255: shares, keys and points", () => {
    const file = Schema.decodeUnknownSync(Schema.fromJsonString(File))(readFileSync(FILE, "utf8"))
    const run = file.G_Coffee25519
    const value = (name: string) => hex(run[name] ?? "")
    const setting = { password: value("PRS"), channel: value("CI"), session: value("sid") }
    const initiator = { element: value("Ya"), data: value("ADa") }
    const responder = { element: value("Yb"), data: value("ADb") }
    assert.deepStrictEqual(Cpace.element(crypto, setting, value("ya")), initiator.element)
    assert.deepStrictEqual(Cpace.element(crypto, setting, value("yb")), responder.element)
    for (const [scalar, remote] of [["ya", responder.element], ["yb", initiator.element]] as const) {
      const key = Cpace.sharedKey(crypto, {
        session: setting.session,
        scalar: value(scalar),
        remote,
        initiator,
        responder
      })
      assert.deepStrictEqual(key, value("ISK_IR"))
    }
    let points = 0
    const scalar = value("ya")
    for (const [name, point] of Object.entries(file.G_Coffee25519_points)) {
      if (!name.startsWith("Invalid") || typeof point !== "string") continue
      points++
      const remote = hex(point)
      assert.isUndefined(
        Cpace.sharedKey(crypto, { session: setting.session, scalar, remote, initiator, responder }),
        name
      )
    }
    assert.isAbove(points, 0)
    console.log(`cpace ristretto255: 4 values and ${points} invalid points`)
  })
})
