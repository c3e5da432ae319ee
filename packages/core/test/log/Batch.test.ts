import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type { Head } from "@sotto/schema/Head"
import * as Hlc from "@sotto/schema/Hlc"
import { EntryHash, Position, RelayKey, RouteId, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Batch from "../../src/log/Batch.ts"
import * as Chain from "../../src/log/Chain.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import { control, expectFailure, expectSuccess, invite, makeSpace, NOW, put } from "../kit/seededSpace.ts"

const space = makeSpace("batch")
const { crypto, identity, state } = space

const input: Batch.BatchInput = {
  crypto,
  state,
  author: identity,
  transactions: [],
  chains: Chain.empty,
  clock: { millis: NOW, counter: 0 },
  nowMillis: NOW,
  lastHead: null
}

const head: Head = {
  body: {
    relay: RelayKey.make(new Uint8Array(32).fill(1)),
    route: RouteId.make(new Uint8Array(32).fill(2)),
    position: Position.make(Number.MAX_SAFE_INTEGER - 1),
    chain: new Uint8Array(32).fill(3),
    lowest: Position.make(Number.MAX_SAFE_INTEGER),
    millis: 0xffff_ffff_ffff
  },
  signature: Signature.make(new Uint8Array(64).fill(4))
}

const build = (transactions: ReadonlyArray<Batch.Transaction>, more: Partial<Batch.BatchInput> = {}) =>
  expectSuccess(Batch.build({ ...input, transactions, ...more }))

const open = ({ bytes }: Batch.SealedEntry) => expectSuccess(Sealing.open(crypto, state, bytes))

/** What another device makes of a batch: everything is accepted, in its order. */
const receive = (output: Batch.BatchOutput, chains = Chain.empty) => {
  const page = output.entries.map(open)
  const outcome = Effect.runSync(Chain.feed({ crypto, state, nowMillis: NOW + 1000 }, chains, page))
  assert.deepStrictEqual(outcome.quarantined, [])
  assert.deepStrictEqual(outcome.pending, [])
  return outcome
}

describe("a batch", () => {
  it("puts what fits into one signed entry", () => {
    const transactions = Array.from({ length: 100 }, (_, i) => [put("notes", `key ${i}`, `value ${i}`)])
    const output = build(transactions)
    assert.strictEqual(output.entries.length, 1)
    const [entry] = output.entries.map(open)
    assert.deepStrictEqual(entry?.entry.ops, transactions.flat())
    assert.isNotNull(entry?.entry.signature)
    assert.deepStrictEqual(output.entries[0]?.transactions, transactions.map((_, i) => i))
    receive(output)
  })

  it("keeps a chain for each lane, and signs the last entry of each", () => {
    const transactions = ["notes", "tasks", "notes", "events", "tasks"].map((name, i) => [put(name, `${i}`, "x")])
    const output = build(transactions)
    assert.strictEqual(output.entries.length, 3)
    assert.isTrue(output.entries.every((entry) => open(entry).entry.signature !== null && entry.seq === 1))
    assert.strictEqual(receive(output).changed.length, 3)
    const second = build(transactions, { chains: output.chains, clock: output.clock })
    assert.isTrue(second.entries.every(({ seq }) => seq === 2))
    assert.strictEqual(receive(second, output.chains).accepted.length, 3)
  })

  it("signs one of many entries of a lane", () => {
    const transactions = Array.from({ length: 12 }, (_, i) => [put("notes", `${i}`, crypto.random(60_000))])
    const output = build(transactions, { envelopeBytesMax: 150_000 })
    assert.strictEqual(output.entries.length, 6)
    const signed = output.entries.map((entry) => open(entry).entry.signature !== null)
    assert.deepStrictEqual(signed, [false, false, false, false, false, true])
    assert.strictEqual(receive(output).accepted.length, 6)
    const clocks = output.entries.map(({ hlc }) => hlc)
    for (let i = 1; i < clocks.length; i++) {
      assert.isBelow(Hlc.compare(clocks[i - 1] ?? input.clock, clocks[i] ?? input.clock), 0)
    }
    assert.deepStrictEqual(output.clock, clocks.at(-1))
  })

  it("never makes an envelope above the limit, and fills them well", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 20_000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 32_000, max: 200_000 }),
        (sizes, envelopeBytesMax) => {
          const transactions = sizes.map((size, i) => [put("notes", `${i}`, new Uint8Array(size))])
          const output = build(transactions, { envelopeBytesMax, lastHead: head })
          assert.isTrue(output.entries.every(({ bytes }) => bytes.length <= envelopeBytesMax))
          assert.deepStrictEqual(output.entries.flatMap((entry) => open(entry).entry.ops), transactions.flat())
          // No two neighbours would have fitted together.
          const room = Sealing.plaintextBytesMax(envelopeBytesMax)
          const sum = ({ ops }: Batch.SealedEntry) =>
            ops.reduce((total, { action }) => total + (action._tag === "Put" ? action.value.length : 0) + 30, 500)
          for (let i = 1; i < output.entries.length; i++) {
            const [a, b] = [output.entries[i - 1], output.entries[i]]
            if (a !== undefined && b !== undefined) assert.isAbove(sum(a) + sum(b), room)
          }
        }
      ),
      { numRuns: 30 }
    )
  })

  it("fills an entry to the byte, with a head in it", () => {
    const value = (length: number) => [put("notes", "k", new Uint8Array(length))]
    const room = Sealing.plaintextBytesMax(34_000)
    const refused = expectFailure(Batch.build({ ...input, transactions: [value(room)], envelopeBytesMax: 34_000 }))
    assert.strictEqual(refused.reason, "too-large")
    const longest = room - (refused.sizeBytes - room)
    const output = build([value(longest)], { envelopeBytesMax: 34_000, lastHead: head })
    assert.isAtMost(output.entries[0]?.bytes.length ?? 0, 34_000)
    expectFailure(Batch.build({ ...input, transactions: [value(longest + 1)], envelopeBytesMax: 34_000 }))
  })

  it("keeps the room for an entry's other fields no larger than they can get", () => {
    // Sequence number, head and clock at their longest: the entry must still fit the bucket that was counted on.
    const longest = Number.MAX_SAFE_INTEGER - 1
    const seen = build([[put("notes", "k", "")]]).entries.map(open)[0]
    assert.isDefined(seen)
    const chains = new Map([...build([[put("notes", "k", "")]]).chains.chainByKey].map(([key, chain]) => [
      key,
      { ...chain, head: { seq: chain.head?.seq ?? seen.entry.seq, hash: seen.hash } }
    ]))
    for (const chain of chains.values()) Reflect.set(chain.head, "seq", longest)
    const room = Sealing.plaintextBytesMax(34_000)
    const { maxBytes, sizeBytes } = expectFailure(
      Batch.build({ ...input, transactions: [[put("notes", "k", new Uint8Array(room))]], envelopeBytesMax: 34_000 })
    )
    const output = build([[put("notes", "k", new Uint8Array(room - (sizeBytes - maxBytes)))]], {
      envelopeBytesMax: 34_000,
      chains: { chainByKey: chains, heldCount: 0 },
      lastHead: head,
      clock: { millis: 0xffff_ffff_ffff - 1, counter: 0xfffe }
    })
    const [entry] = output.entries
    assert.isDefined(entry)
    assert.strictEqual(entry.seq, longest + 1)
    // To the byte: one more and it would not have fitted, so the count is neither too small nor too large.
    assert.strictEqual(entry.bytes.length, 72 + room + 16)
  })

  it("puts the head into its first entry alone", () => {
    const transactions = ["notes", "tasks"].map((name) => [put(name, "k", "x")])
    const heads = build(transactions, { lastHead: head }).entries.map((entry) => open(entry).entry.lastHead)
    assert.deepStrictEqual(heads, [head, null])
  })

  it("keeps operations that belong together in one entry, in lane zero when they span collections", () => {
    const pair = [put("notes", "a", "1"), put("tasks", "b", "2")]
    const output = build([[put("notes", "x", "0")], pair, [put("notes", "y", "3")]])
    assert.deepStrictEqual(output.entries.map(({ ops }) => ops.length), [2, 2])
    const spanning = output.entries.map(open).find(({ header }) => Bytes.isZero(header.lane))
    assert.deepStrictEqual(spanning?.entry.ops, pair)
    receive(output)
  })

  it("puts every collection into one entry where lanes are hidden", () => {
    const hidden = makeSpace("batch without lanes", { lanes: 1 })
    const transactions = ["notes", "tasks", "events"].map((name) => [put(name, "k", "x")])
    const { entries } = build(transactions, { state: hidden.state, author: hidden.identity })
    assert.strictEqual(entries.length, 1)
    expectSuccess(Sealing.open(crypto, hidden.state, entries[0]?.bytes ?? Bytes.EMPTY))
  })

  it("keeps two collections apart that share a lane by the accident of a hash", () => {
    const lane = state.keys.laneOf("notes")
    const collided = { ...state, keys: { ...state.keys, laneOf: () => lane } }
    const { entries } = build([[put("notes", "a", "1")], [put("tasks", "b", "2")]], { state: collided })
    assert.deepStrictEqual(entries.map(({ ops, seq }) => [seq, ops.length]), [[1, 1], [2, 1]])
    for (const { bytes } of entries) expectSuccess(Sealing.open(crypto, collided, bytes))
  })

  it("keeps control operations apart from data", () => {
    const { op } = invite(crypto, space, "phone")
    const pair = [put("notes", "a", "1"), put("tasks", "b", "2")]
    const output = build([[control(op)], pair, [control(op)]])
    assert.deepStrictEqual(output.entries.map((entry) => open(entry).header.kind), [2, 1, 2])
    assert.deepStrictEqual(output.entries.map(({ seq }) => seq), [1, 2, 3])
    receive(output)
  })
})

describe("an item written twice in one batch", () => {
  const parent = EntryHash.make(new Uint8Array(32).fill(1))
  const other = EntryHash.make(new Uint8Array(32).fill(2))

  it("names the earlier entry as its parent, in place of what that one superseded", () => {
    const output = build([[put("notes", "k", "1", [parent])], [put("notes", "k", "2", [parent, other])]])
    const [first, second] = output.entries
    assert.isDefined(first)
    assert.isDefined(second)
    assert.deepStrictEqual(second.ops[0]?.parents, [first.hash, other])
    assert.deepStrictEqual([first, second].map((entry) => open(entry).entry.signature !== null), [false, true])
    receive(output)
  })

  it("does so across lanes, where both entries are signed", () => {
    const output = build([
      [put("notes", "k", "1")],
      [put("notes", "k", "2"), put("tasks", "t", "2")],
      [put("notes", "k", "3")],
      [put("tasks", "t", "3")]
    ])
    const byValue = new Map<string, { readonly entry: Batch.SealedEntry; readonly op: Op }>()
    for (const entry of output.entries) {
      for (const op of entry.ops) {
        if (op.action._tag === "Put") byValue.set(`${op.collection}${op.action.value[0]}`, { entry, op })
      }
    }
    const hash = (name: string) => Bytes.toHex(byValue.get(name)?.entry.hash ?? Bytes.EMPTY)
    const parents = (name: string) => byValue.get(name)?.op.parents.map(Bytes.toHex)
    assert.deepStrictEqual(parents("notes50"), [hash("notes49")])
    assert.deepStrictEqual(parents("notes51"), [hash("notes50")])
    assert.deepStrictEqual(parents("tasks51"), [hash("tasks50")])
    receive(output)
  })

  it("leaves appends alone", () => {
    const output = build([[put("notes", "", "1")], [put("notes", "", "2"), put("notes", "", "3")]])
    assert.strictEqual(output.entries.length, 1)
    assert.isTrue(output.entries[0]?.ops.every(({ parents }) => parents.length === 0))
  })

  it("never names more parents than there may be", () => {
    const many = Array.from({ length: Limit.parentsMax }, (_, i) => EntryHash.make(new Uint8Array(32).fill(i + 3)))
    const output = build([[put("notes", "k", "1")], [put("notes", "k", "2", many)]])
    const parents = output.entries[1]?.ops[0]?.parents ?? []
    assert.strictEqual(parents.length, Limit.parentsMax)
    assert.deepStrictEqual(parents[0], output.entries[0]?.hash)
  })
})

describe("what can't be an entry", () => {
  const reason = (transactions: ReadonlyArray<Batch.Transaction>) =>
    expectFailure(Batch.build({ ...input, transactions }))

  it("is refused with its place, and nothing is made", () => {
    assert.deepInclude(reason([[put("notes", "k", "1")], []]), { reason: "empty", index: 1 })
    const appends = Array.from({ length: Limit.opsMax + 1 }, () => put("notes", "", ""))
    assert.deepInclude(reason([appends]), { reason: "too-many-ops", index: 0 })
    const twice = [put("notes", "k", "1"), put("notes", "k", "2")]
    assert.deepInclude(reason([twice]), { reason: "item-twice", index: 0 })
    const large = put("notes", "k", new Uint8Array(Limit.inlineValueBytesMax + 1))
    assert.deepInclude(reason([[large]]), { reason: "too-large", maxBytes: Limit.inlineValueBytesMax })
    const many = Array.from({ length: 17 }, (_, i) => put("notes", `${i}`, new Uint8Array(Limit.inlineValueBytesMax)))
    assert.deepInclude(reason([many]), { reason: "too-large", maxBytes: Sealing.plaintextBytesMax() })
  })

  it("leaves the chains as they were", () => {
    const { chains } = build([[put("notes", "k", "1")]])
    const before = new Map(chains.chainByKey)
    expectFailure(Batch.build({ ...input, chains, transactions: [[put("notes", "k", "2")], []] }))
    build([[put("notes", "k", "2")]], { chains })
    assert.deepStrictEqual(chains.chainByKey, before)
  })

  it("fits as many operations as an entry may have", () => {
    const appends = Array.from({ length: Limit.opsMax }, () => put("notes", "", ""))
    const output = build([appends, [put("notes", "", "one more")]])
    assert.deepStrictEqual(output.entries.map(({ ops }) => ops.length), [Limit.opsMax, 1])
    receive(output)
  })
})

describe("economy", () => {
  it("takes at most 150 bytes on the wire for a value of 100 bytes, a hundred together", () => {
    const transactions = Array.from({ length: 100 }, (_, i) => [put("notes", `item-${i}`, crypto.random(100))])
    const { entries } = build(transactions, { lastHead: head })
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 0)
    assert.strictEqual(entries.length, 1)
    assert.isAtMost(bytes / 100, 150)
  })
})
