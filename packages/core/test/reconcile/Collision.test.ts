/**
 * Ids that share a short id: an insider who knows the key makes a pair in 2^32 steps. Here the hash is replaced by one
 * that takes the short id from the id itself, so that every pair can be made.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { vi } from "vitest"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import { hexes, idsFrom, setOf, talk } from "./kit.ts"

vi.mock("../../src/reconcile/SipHash.ts", () => ({
  keyFrom: () => [0, 0, 0, 0],
  hash: (_: unknown, words: Uint32Array, at: number, out: Uint32Array, outAt: number) => {
    out[outAt] = words[at + 7] ?? 0
    out[outAt + 1] = words[at + 6] ?? 0
  }
}))

/** An id with the same short id: another one in the middle, or also in what range sums add. */
const twin = (id: Uint8Array, where: "middle" | "everywhere", n = 1): Uint8Array => {
  const other = id.slice()
  other[where === "middle" ? 0 : 12] = (other[where === "middle" ? 0 : 12] ?? 0) ^ n
  return other
}

const base = idsFrom(1, 1500)
const [x = new Uint8Array(32), y = x] = idsFrom(2, 2)
const rootOf = (set: ReconcileSet.ReconcileSet) => Bytes.toHex(ReconcileSet.root(set))

describe.each(["sketch", "ranges"] as const)("%s sees through ids that share a short id", (strategy) => {
  it("without naming every id, as long as sums tell where to look", () => {
    const [a, b] = [setOf([...base, x]), setOf([...base, twin(x, "middle")])]
    const { bytes, outcome } = talk(a, b, { strategy })
    assert.strictEqual(outcome, "Agreed")
    assert.isBelow(bytes, 8000)
  })

  it.each<readonly [string, ReadonlyArray<Uint8Array>, ReadonlyArray<Uint8Array>]>([
    ["two on one side", [x, twin(x, "middle")], []],
    ["two on the other side", [], [x, twin(x, "middle")]],
    ["one on each side", [x], [twin(x, "middle")]],
    ["one on each side, and their sums agree", [x], [twin(x, "everywhere")]],
    ["one on both sides, its twin on one", [x, twin(x, "middle")], [x]],
    ["three against two", [x, twin(x, "middle"), twin(x, "middle", 2)], [twin(x, "middle", 3), twin(x, "middle", 4)]],
    ["some pairs among others", [x, y, ...idsFrom(3, 20)], [
      twin(x, "everywhere"),
      twin(y, "middle"),
      ...idsFrom(4, 20)
    ]]
  ])("%s", (_, mine, theirs) => {
    const a = setOf([...base, ...mine])
    const b = setOf([...base, ...theirs])
    const { outcome } = talk(a, b, { strategy })
    assert.strictEqual(outcome, "Agreed")
    const all = new Set([...base, ...mine, ...theirs].map(Bytes.toHex))
    assert.deepStrictEqual(hexes(ReconcileSet.ids(a)), [...all].sort())
    assert.strictEqual(rootOf(a), rootOf(b))
  })
})
