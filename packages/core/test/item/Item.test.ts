import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import { EntryHash } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Utf8 from "@sotto/schema/Utf8"
import * as fc from "fast-check"
import * as Item from "../../src/item/Item.ts"
import { NO_HASH, write } from "../kit/pen.ts"
import { makeSpace, NOW, put } from "../kit/seededSpace.ts"
import { idOf, text, value } from "./kit.ts"
import { device } from "./merge/kit.ts"

describe("order of keys", () => {
  it("is that of their bytes", () => {
    const key = fc.string({
      unit: fc.constantFrom("a", "é", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"),
      maxLength: 4
    })
    fc.assert(
      fc.property(key, key, (a, b) => {
        assert.strictEqual(
          Math.sign(Item.compareKeys(a, b)),
          Math.sign(Bytes.compare(Utf8.encode(a), Utf8.encode(b)))
        )
      }),
      { numRuns: 500 }
    )
    // Where the order of UTF-16 is another one.
    assert.isAbove(Item.compareKeys("😀", "\uffff"), 0)
    assert.deepStrictEqual(["\uffff", "😀"].toSorted((a, b) => a < b ? -1 : 1), ["😀", "\uffff"])
  })
})

describe("an accepted entry", () => {
  const hash = EntryHash.make(new Uint8Array(32).fill(0xab))
  const id = Item.OpId("ab".repeat(32))
  const op = (key: string, ...parents: ReadonlyArray<number>): Op => ({
    collection: "notes",
    key,
    parents: parents.map((parent) => EntryHash.make(new Uint8Array(32).fill(parent))),
    action: { _tag: "Put", value: text("v") }
  })
  const from = (ops: ReadonlyArray<Op>) =>
    Item.fromEntry(hash, { device: device(7), hlc: { millis: NOW, counter: 3 }, ops })

  it("names its author, its time and its parents as text", () => {
    assert.deepStrictEqual(from([op("k", 1, 2)]), {
      id,
      author: Item.Author("07".repeat(32)),
      hlc: { millis: NOW, counter: 3 },
      ops: [{
        collection: "notes",
        key: "k",
        parents: [Item.OpId("01".repeat(32)), Item.OpId("02".repeat(32))],
        action: { _tag: "Put", value: text("v") }
      }]
    })
  })

  it("that appends makes an item of its own for each operation without a key, whatever parents that claims", () => {
    const { ops } = from([op(""), op("k"), op("", 1)])
    assert.deepStrictEqual(ops.map(({ key, parents }) => [key, parents.length]), [[`${id}.0`, 0], ["k", 0], [
      `${id}.2`,
      0
    ]])
    assert.strictEqual(Item.appendKey(id, 2), `${id}.2`)
    assert.isAtMost(Utf8.encode(Item.appendKey(id, Limit.opsMax)).length, Limit.keyBytesMax)
  })
})

describe("an operation's name", () => {
  it("stays when somebody seals its entry again", () => {
    const { crypto, identity, state } = makeSpace("items")
    const seal = () => write(crypto, state, identity, { seq: 1, prev: NO_HASH, ops: [put("notes", "k", "v")] }).opened
    const [first, again] = [seal(), seal()]
    assert.notDeepEqual(again.id, first.id)
    const [one, other] = [first, again].map(({ entry, hash }) => Item.fromEntry(hash, entry))
    assert.deepStrictEqual(other, one)
    assert.strictEqual(one?.author, Item.authorOf(identity.id))
    assert.deepStrictEqual(Item.hashOf(one?.id ?? Item.OpId("")), first.hash)
    assert.strictEqual(Item.idOf(first.hash), one?.id)
  })
})

describe("superseding", () => {
  it("names the heads in order, and no more than an operation may", () => {
    const heads = Array.from({ length: Limit.parentsMax + 5 }, (_, at) => idOf(Limit.parentsMax + 5 - at))
    const { parents, ...op } = Item.supersede({ collection: "a", key: "k" }, heads, value("x"))
    assert.deepStrictEqual(op, { collection: "a", key: "k", action: value("x") })
    assert.deepStrictEqual(parents, heads.toReversed().slice(0, Limit.parentsMax))
  })
})
