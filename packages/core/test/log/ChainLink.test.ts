import { assert, describe, it } from "@effect/vitest"
import { EntryHash } from "@sotto/schema/Id"
import * as Effect from "effect/Effect"
import * as Chain from "../../src/log/Chain.ts"
import * as ChainLink from "../../src/log/ChainLink.ts"
import type { OpenedEnvelope } from "../../src/log/Sealing.ts"
import { pen, write } from "../kit/pen.ts"
import { expectSuccess, join, makeSpace, NOW } from "../kit/seededSpace.ts"

const space = makeSpace("chain link")
const { crypto } = space
const { guest, host: { state } } = join(crypto, space, "phone")
const device = guest.identity
const NOTES = state.keys.laneOf("notes")

const feed = (
  chains: Chain.Chains,
  page: ReadonlyArray<OpenedEnvelope>,
  more: Partial<Chain.Context> = {}
): Chain.Outcome => Effect.runSync(Chain.feed({ crypto, state, nowMillis: NOW, ...more }, chains, page))

const reasons = (outcome: Chain.Outcome) => outcome.quarantined.map(({ error }) => error.reason)

describe("a log that was pruned", () => {
  it("begins and goes on above a gap only when the caller says so", () => {
    const hand = pen(crypto, state, device)
    const all = Array.from({ length: 10 }, (_, i) => hand.write({ signed: i % 2 === 1 }))
    const kept = [...all.slice(2, 4), ...all.slice(6, 8)]
    const strict = feed(Chain.empty, kept)
    assert.deepStrictEqual(strict.accepted, [])
    assert.deepStrictEqual(reasons(strict), ["gap", "gap", "gap", "gap"])
    const lenient = feed(Chain.empty, kept, { truncated: true })
    assert.deepStrictEqual(lenient.accepted, kept)
    const rest = feed(lenient.chains, all.slice(8))
    assert.deepStrictEqual(rest.accepted, all.slice(8))
    // What was held before the caller knew is taken up as well.
    assert.deepStrictEqual(feed(strict.chains, [], { truncated: true }).accepted, kept)
  })

  it("does not take a broken link for a gap", () => {
    const hand = pen(crypto, state, device)
    const a = hand.write()
    const broken = write(crypto, state, device, { seq: 2, prev: EntryHash.make(new Uint8Array(32).fill(7)) }).opened
    assert.deepStrictEqual(reasons(feed(feed(Chain.empty, [a]).chains, [broken], { truncated: true })), ["prev"])
  })

  it("does not accept an unsigned entry above a gap", () => {
    const hand = pen(crypto, state, device)
    hand.write()
    const above = hand.write({ signed: false })
    const outcome = feed(Chain.empty, [above], { truncated: true })
    assert.deepStrictEqual(outcome.accepted, [])
    assert.deepStrictEqual(reasons(outcome), ["gap"])
  })
})

describe("what a store keeps", () => {
  it("reads back, and goes on from there", () => {
    const hand = pen(crypto, state, device)
    const page = [
      ...Array.from({ length: 30 }, () => hand.write({ signed: false })),
      hand.write(),
      hand.write({ signed: false })
    ]
    const { chains, pending } = feed(Chain.empty, page)
    const stored = [...chains.chainByKey.values()].map((chain) =>
      expectSuccess(ChainLink.decode(ChainLink.encode(chain)))
    )
    const restored = Chain.hold(Chain.fromStored(stored), pending)
    // What for they wait is known once they were judged again.
    const again = feed(restored, [])
    assert.deepStrictEqual([again.chains, again.pending], [chains, pending])
    const closing = hand.write()
    assert.deepStrictEqual(feed(restored, [closing]).accepted, [...pending, closing])
  })

  it("refuses a damaged row", () => {
    const hand = pen(crypto, state, device)
    const { chains } = feed(Chain.empty, [hand.write()])
    const [chain] = chains.chainByKey.values()
    assert.isDefined(chain)
    const bytes = ChainLink.encode(chain)
    assert.strictEqual(ChainLink.decode(bytes.slice(0, -1))._tag, "Failure")
    assert.strictEqual(ChainLink.decode(ChainLink.encode({ ...chain, recent: [] }))._tag, "Failure")
  })

  it("is not changed by a page that comes to nothing", () => {
    const hand = pen(crypto, state, device)
    const { chains } = feed(Chain.empty, [hand.write()])
    const before = new Map(chains.chainByKey)
    feed(chains, [hand.write(), hand.write({ signed: false })])
    assert.deepStrictEqual(chains.chainByKey, before)
  })

  it("is bounded", () => {
    const hand = pen(crypto, state, device)
    hand.write()
    const above = hand.write({ signed: false })
    const [first] = feed(Chain.empty, [above]).chains.chainByKey.values()
    assert.isDefined(first)
    const rules = { truncated: false, latestMillis: NOW, heldMax: 1 }
    const more = [above, hand.write({ signed: false }), hand.write({ signed: false })]
      .map((opened) => ({ opened, at: 0, signed: false, reason: undefined }))
    const linked = ChainLink.advance(ChainLink.begin(device.id, NOTES), more, rules)
    assert.strictEqual(linked.chain.held.size, 1)
    assert.strictEqual(linked.quarantined.length, 3)
  })
})
