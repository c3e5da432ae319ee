/** What both sides compute alike, as it was frozen with version 1 of the protocol (docs/spec/reconciliation.md). */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import * as Cells from "../../src/reconcile/Cells.ts"
import * as LtHash from "../../src/reconcile/LtHash.ts"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as ShortId from "../../src/reconcile/ShortId.ts"
import { key, nonce, setOf } from "./kit.ts"

const hex = Bytes.toHex
const ids = [0, 32, 64, 96, 128].map((from) => Uint8Array.from({ length: 32 }, (_, i) => from + i))
const set = setOf(ids)

const SHOWN = [
  ["7127512f72f27cce", "4006b4", "689c9529", "0 3 8 40 98 151 197 203"],
  ["c46d4c3358ae89a5", "49c0fc", "3a4cc09f", "0 1 2 4 5 6 8 32"],
  ["27bd5ecb84e56c87", "92ca81", "2b9da90c", "0 1 2 3 5 6 18 21"],
  ["1d829164c5efca0b", "99fc44", "d24d41df", "0 1 5 7 10 18 76 114"],
  ["78010d1d08a62636", "ceccc7", "937569d2", "0 1 2 4 14 20 97 102"]
]

const SKETCH = {
  root: "e8a2cafcf4c497da412c075704e4db97dc174ffdddb24709c2119b5728c41aeb",
  proof: "3deb9edd7203b8b599fe1880991e8ab5",
  mark: "8dbebf45",
  counters: "-1 -1 -1 -3 -1 3 1 -1 -3 5 3 1 3 1 -1 -1 -1 5 -5 -3 -1 3 -1 1 1 -3 5 -1 -1 -1 1 1",
  cells: "f774dfae63f075d1cc3c4a86538e811102091f8c3afe9bd11fe5d4edc31415c6ba569a0fe4f6171049d2cc35",
  range: { count: 5, sum: 99322465830464 }
}

const walkOf = (high: number, low: number): ReadonlyArray<number> => {
  const walk: Array<number> = []
  Cells.walkOf(walk, high, low, 2 ** 18)
  return walk.slice(0, 8)
}

describe("frozen", () => {
  it("short ids, checks, signs and walks", () => {
    assert.strictEqual(hex(key), "000102030405060708090a0b0c0d0e0f")
    const shown = ids.map((id) => {
      const [high, low] = ReconcileSet.shortOf(set, id)
      const [check, signs] = [ShortId.checkOf(high, low), ShortId.signsOf(high, low)]
      return [ShortId.toHex(high, low), check.toString(16), (signs >>> 0).toString(16), walkOf(high, low).join(" ")]
    })
    assert.deepStrictEqual(shown, SHOWN)
  })

  it("the sketch of five ids", () => {
    const root = ReconcileSet.root(set)
    assert.deepStrictEqual(
      {
        root: hex(root),
        proof: hex(LtHash.proofOf(root, nonce)),
        mark: hex(LtHash.markOf(root, nonce)),
        counters: set.sketch.counters.join(" "),
        cells: hex(Cells.toBytes(set.sketch.cells, 0, 4)),
        range: ReconcileSet.rangeOf(set, 0, 0)
      },
      SKETCH
    )
  })
})
