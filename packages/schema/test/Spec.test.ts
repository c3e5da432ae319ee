/** The pages in docs/spec against the code. To bring their generated parts up to date, run with SOTTO_FREEZE=1. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { asked, regenerate, typeNames } from "./kit/spec.ts"
import { vectorFiles } from "./kit/vectors.ts"

/** The envelope has a fixed layout, which the page draws. */
const byHand = new Set(["Header", "Kind"])

const compare = (a = "", b = ""): number => a < b ? -1 : a > b ? 1 : 0

const protocolUrl = new URL("../../../docs/spec/protocol.md", import.meta.url)
const vectorsUrl = new URL("../../../docs/spec/vectors.md", import.meta.url)

if (process.env["SOTTO_FREEZE"] === "1") {
  Fs.writeFileSync(protocolUrl, regenerate(Fs.readFileSync(protocolUrl, "utf8")))
}

const protocol = Fs.readFileSync(protocolUrl, "utf8")
const vectors = Fs.readFileSync(vectorsUrl, "utf8")

describe("docs/spec/protocol.md", () => {
  it("says of types, calls, purposes, limits and errors what the code says", () => {
    assert.strictEqual(regenerate(protocol), protocol)
  })

  it("defines every wire type once, and shows every table", () => {
    const parts = asked(protocol)
    assert.strictEqual(new Set(parts).size, parts.length)
    assert.deepStrictEqual(
      parts.toSorted(compare),
      [...typeNames.filter((name) => !byHand.has(name)), "calls", "purposes", "limits", "errors"].toSorted(compare)
    )
  })
})

describe("docs/spec/vectors.md", () => {
  it("names each vector file and no other", () => {
    const named = [...vectors.matchAll(/`([\w-]+\.json)`/g)].map(([, name]) => name)
    assert.deepStrictEqual([...new Set(named)].toSorted(compare), vectorFiles.map(({ file }) => file).toSorted(compare))
  })
})
