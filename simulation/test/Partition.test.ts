import { assert, describe, it } from "vitest"
import * as Partition from "../src/Partition.ts"
import { draws } from "../src/Seed.ts"
import { connected, drain, world } from "./kit/SmallNetwork.ts"
import { utf8 } from "./kit/SmallWorld.ts"

describe("the shapes of partitions", () => {
  const nodes = ["a", "b", "c", "d", "e"]
  const cut = (pairs: (from: string, to: string) => boolean) =>
    nodes.flatMap((from) => nodes.filter((to) => from !== to && pairs(from, to)).map((to) => from + to))

  it("cut what they say", () => {
    assert.deepStrictEqual(cut(Partition.isolate("a", "in")), ["ba", "ca", "da", "ea"])
    assert.deepStrictEqual(cut(Partition.isolate("a", "out")), ["ab", "ac", "ad", "ae"])
    assert.deepStrictEqual(cut(Partition.between(["a", "b"], ["c"])), ["ac", "bc", "ca", "cb"])
    assert.deepStrictEqual(cut(Partition.bridge(["a", "b"], "c", ["d", "e"])), [
      "ad",
      "ae",
      "bd",
      "be",
      "da",
      "db",
      "ea",
      "eb"
    ])
    assert.deepStrictEqual(cut(Partition.ring(nodes)), ["ac", "ad", "bd", "be", "ca", "ce", "da", "db", "eb", "ec"])
  })

  it("swizzle: every node is clogged and let go again, and nothing is lost", () => {
    const small = world({ law: { giveUpMicros: 0 } })
    const { local, remote } = connected(small)
    const heard: Array<string> = []
    drain(remote, heard)
    const from = small.timeline.nowMicros()
    Partition.swizzleClog(small.network, {
      nodes: ["a", "b", "c"],
      everyMicros: 1_000_000,
      draws: draws(1n, "swizzle")
    })
    small.timeline.run(from + 2_500_000)
    local.write(utf8("x"))
    small.timeline.run(from + 2_900_000)
    assert.deepStrictEqual(heard, [])
    small.timeline.run()
    assert.deepStrictEqual(heard, ["x"])
    const kinds = small.recorder.rows().map((row) => row.kind)
    assert.strictEqual(kinds.filter((kind) => kind === "clog").length, 3)
    assert.strictEqual(kinds.filter((kind) => kind === "unclog").length, 3)
  })
})
