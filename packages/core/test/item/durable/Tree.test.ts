import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Tree from "../../../src/item/durable/Tree.ts"
import { compareKeys } from "../../../src/item/Item.ts"

/** Nodes as bytes, as a store has them, and how often they are read. */
class Nodes {
  readonly bytesById = new Map<number, Uint8Array>()
  root = 0
  nodes = 0
  reads = 0

  readonly read = (id: number): Effect.Effect<Tree.Node, string> => {
    this.reads++
    const node = Tree.decode(this.bytesById.get(id) ?? new Uint8Array())
    return node === undefined ? Effect.fail(`no node ${id}`) : Effect.succeed(node)
  }

  change(isInByText: ReadonlyMap<string, boolean>): number {
    const { nodeById, nodes, root } = Effect.runSync(Tree.change(this.read, this, isInByText))
    this.root = root
    this.nodes = nodes
    for (const [id, node] of nodeById) {
      if (node === undefined) this.bytesById.delete(id)
      else this.bytesById.set(id, Tree.encode(node))
    }
    return nodeById.size
  }

  select(stretch: Partial<Tree.Stretch>): ReadonlyArray<string> {
    const all = { isBefore: () => false, isBehind: () => false, reverse: false, limit: Infinity }
    return Effect.runSync(Tree.select(this.read, this.root, { ...all, ...stretch }))
  }

  /** Of every node from here downwards: its size, and how deep its leaves are. Dies when an order is broken. */
  check(id: number, low: string): { readonly depth: number; readonly ids: ReadonlyArray<number> } {
    const { children, texts } = Effect.runSync(this.read(id))
    assert.isAtLeast(texts.length, 1)
    assert.isAtMost(texts.length, Tree.NODE_MAX)
    assert.deepStrictEqual(texts, texts.toSorted(compareKeys))
    assert.isAtMost(compareKeys(low, texts[0] ?? ""), 0)
    if (children === null) return { depth: 0, ids: [id] }
    const below = children.map((child, at) => this.check(child, texts[at] ?? ""))
    for (const { depth } of below) assert.strictEqual(depth, below[0]?.depth)
    return { depth: 1 + (below[0]?.depth ?? 0), ids: [id, ...below.flatMap(({ ids }) => ids)] }
  }
}

const ALPHABET = ["a", "b", "ｚ", "😀", "é"]
const text = fc.array(fc.constantFrom(...ALPHABET), { maxLength: 5 }).map((parts) => `x${parts.join("")}`)
/** Many that are put in or taken out together make nodes that split and join. */
const changes = fc.array(
  fc.tuple(fc.uniqueArray(text, { maxLength: 300, size: "max" }), fc.constantFrom(true, true, false)),
  { maxLength: 12, size: "max" }
)
const stretch = fc.record({
  from: text,
  beginning: text,
  reverse: fc.boolean(),
  limit: fc.constantFrom(0, 1, 7, 100, Infinity)
})

describe("the tree", () => {
  it("holds what was put in and not taken out, in its order, in nodes of one depth", () => {
    let deepest = 0
    fc.assert(
      fc.property(changes, stretch, (all, { beginning, from, limit, reverse }) => {
        const [nodes, model] = [new Nodes(), new Set<string>()]
        for (const [texts, isIn] of all) {
          nodes.change(new Map(texts.map((one) => [one, isIn])))
          for (const one of texts) {
            if (isIn) model.add(one)
            else model.delete(one)
          }
          const sorted = [...model].sort(compareKeys)
          assert.deepStrictEqual(nodes.select({}), sorted)
          const inside = sorted.filter((one) => compareKeys(one, from) >= 0 && one.startsWith(beginning))
          const isBehind = (one: string) => !one.startsWith(beginning) && compareKeys(one, beginning) > 0
          const isBefore = (one: string) => compareKeys(one, beginning) < 0 || compareKeys(one, from) < 0
          const found = nodes.select({ isBefore, isBehind, reverse, limit })
          const expected = reverse ? inside.toReversed() : inside
          assert.deepStrictEqual(found, expected.slice(0, limit))
          if (nodes.root === 0) assert.strictEqual(nodes.bytesById.size, 0)
          else {
            const { depth, ids } = nodes.check(nodes.root, "")
            deepest = Math.max(deepest, depth)
            assert.sameMembers(ids.slice(), [...nodes.bytesById.keys()], "no node is left over")
          }
        }
      }),
      { numRuns: 100 }
    )
    assert.isAtLeast(deepest, 1)
  })

  it("of a hundred thousand reads and writes a handful of nodes for one", () => {
    const nodes = new Nodes()
    const nameOf = (n: number) => `item ${String((n * 7919) % 100_000).padStart(6, "0")}`
    for (let from = 0; from < 100_000; from += 1000) {
      nodes.change(new Map(Array.from({ length: 1000 }, (_, n) => [nameOf(from + n), true])))
    }
    assert.lengthOf(nodes.select({}), 100_000)
    nodes.check(nodes.root, "")
    nodes.reads = 0
    const written = nodes.change(new Map([["item 050000b", true]]))
    assert.isAtMost(Math.max(nodes.reads, written), 5)
    nodes.reads = 0
    const isBefore = (one: string) => one < "item 05000"
    assert.deepStrictEqual(nodes.select({ isBefore, limit: 2 }), ["item 050000", "item 050000b"])
    assert.isAtMost(nodes.reads, 5)
  })

  it("gives its nodes back when what was in it is taken out again", () => {
    const nodes = new Nodes()
    const texts = Array.from({ length: 20_000 }, (_, n) => `item ${n}`)
    nodes.change(new Map(texts.map((one) => [one, true])))
    const full = nodes.bytesById.size
    for (let from = 0; from < 20_000; from += 100) {
      nodes.change(new Map(texts.slice(from, from + 100).filter((_, n) => n % 10 > 0).map((one) => [one, false])))
    }
    assert.lengthOf(nodes.select({}), 2000)
    assert.isBelow(nodes.bytesById.size, full / 4, "small ones are joined")
    nodes.change(new Map(texts.map((one) => [one, false])))
    assert.deepStrictEqual([nodes.root, nodes.bytesById.size], [0, 0])
  })
})
