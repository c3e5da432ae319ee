import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { EntryHash, Signature } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import { ROLE } from "@sotto/schema/Space"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Chain from "../../src/log/Chain.ts"
import type { OpenedEnvelope } from "../../src/log/Sealing.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import { NO_HASH, pen, write } from "../kit/pen.ts"
import { expectSuccess, invite, join, makeSpace, NOW, put } from "../kit/seededSpace.ts"

const space = makeSpace("chain")
const { crypto } = space
const { guest, host } = join(crypto, space, "phone")
const { state } = host
const device = guest.identity

const NOTES = state.keys.laneOf("notes")

const context: Chain.Context = { crypto, state, nowMillis: NOW }

const feed = (
  chains: Chain.Chains,
  page: ReadonlyArray<OpenedEnvelope>,
  more: Partial<Chain.Context> = {}
): Chain.Outcome => Effect.runSync(Chain.feed({ ...context, ...more }, chains, page))

const reasons = (outcome: Chain.Outcome) => outcome.quarantined.map(({ error }) => error.reason)
const hexes = (page: ReadonlyArray<OpenedEnvelope>) => page.map(({ hash }) => Bytes.toHex(hash))

/** Every entry of the page comes out under exactly one heading. */
const assertAccountedFor = (outcome: Chain.Outcome, page: ReadonlyArray<OpenedEnvelope>) => {
  const out = [
    ...outcome.accepted,
    ...outcome.pending,
    ...outcome.duplicates,
    ...outcome.quarantined.map(({ opened }) => opened)
  ]
  assert.sameMembers(hexes(out), hexes(page))
}

describe("a chain", () => {
  it("accepts signed entries in their order", () => {
    const hand = pen(crypto, state, device)
    const page = [hand.write(), hand.write(), hand.write()]
    const outcome = feed(Chain.empty, page)
    assert.deepStrictEqual(outcome.accepted, page)
    assert.deepStrictEqual(Chain.headOf(outcome.chains, device.id, NOTES), {
      seq: page[2]?.entry.seq,
      hash: page[2]?.hash
    })
    assert.strictEqual(outcome.changed.length, 1)
    assertAccountedFor(outcome, page)
  })

  it("accepts what stands before a signature, with one check for all of it", () => {
    const hand = pen(crypto, state, device)
    const page = [...Array.from({ length: 20 }, () => hand.write({ signed: false })), hand.write()]
    assert.strictEqual(Chain.prepare(context, Chain.empty, page).checks.length, 1)
    assert.deepStrictEqual(feed(Chain.empty, page).accepted, page)
  })

  it("keeps an unsigned tail pending, and accepts it with the signature that comes later", () => {
    const hand = pen(crypto, state, device)
    const page = [hand.write(), hand.write({ signed: false }), hand.write({ signed: false })]
    const first = feed(Chain.empty, page)
    assert.deepStrictEqual(first.accepted, page.slice(0, 1))
    assert.deepStrictEqual(first.pending, page.slice(1))
    assertAccountedFor(first, page)
    const closing = hand.write()
    const second = feed(first.chains, [closing])
    assert.deepStrictEqual(second.accepted, [...page.slice(1), closing])
    assert.strictEqual(second.chains.heldCount, 0)
  })

  it("holds entries above a gap until it is filled", () => {
    const hand = pen(crypto, state, device)
    const [a, b, c] = [hand.write(), hand.write({ signed: false }), hand.write()]
    const first = feed(Chain.empty, [a, c])
    assert.deepStrictEqual(first.accepted, [a])
    assert.deepStrictEqual(reasons(first), ["gap"])
    assert.isTrue(first.quarantined[0]?.error.waiting)
    const second = feed(first.chains, [b])
    assert.deepStrictEqual(second.accepted, [b, c])
    assert.deepStrictEqual(second.quarantined, [])
  })

  it("checks a held signature once", () => {
    const hand = pen(crypto, state, device)
    const [a, b, c] = [hand.write({ signed: false }), hand.write({ signed: false }), hand.write()]
    const first = feed(Chain.empty, [a, c])
    assert.strictEqual(Chain.prepare(context, first.chains, [b]).checks.length, 0)
    assert.deepStrictEqual(feed(first.chains, [b]).accepted, [a, b, c])
  })

  it("ends in the same place whatever the order and the pages", () => {
    const hand = pen(crypto, state, device)
    const entries = Array.from({ length: 12 }, (_, i) => hand.write({ signed: i % 4 === 3 }))
    const expected = feed(Chain.empty, entries)
    fc.assert(
      fc.property(
        fc.shuffledSubarray(entries, { minLength: 12 }),
        fc.array(fc.nat({ max: 12 }), { maxLength: 4 }),
        (order, cuts) => {
          const edges = [0, ...[...cuts].sort((a, b) => a - b), 12]
          let chains = Chain.empty
          const accepted: Array<OpenedEnvelope> = []
          for (let i = 1; i < edges.length; i++) {
            const page = order.slice(edges[i - 1], edges[i])
            if (page.length === 0) continue
            const outcome = feed(chains, page)
            chains = outcome.chains
            accepted.push(...outcome.accepted)
            assert.isFalse(outcome.quarantined.some(({ error }) => !error.waiting))
          }
          assert.deepStrictEqual(accepted, entries)
          assert.deepStrictEqual(chains, expected.chains)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("ignores what it has, and says so", () => {
    const hand = pen(crypto, state, device)
    const page = [hand.write(), hand.write(), hand.write({ signed: false })]
    const { chains } = feed(Chain.empty, page)
    const again = feed(chains, page)
    assert.deepStrictEqual(again.accepted, [])
    assert.deepStrictEqual(again.changed, [])
    assert.deepStrictEqual(again.chains, chains)
    assert.strictEqual(again.duplicates.length, 3)
  })

  it("takes the signed copy of an entry that it holds unsigned", () => {
    const hand = pen(crypto, state, device)
    const signed = hand.write()
    const bare = write(crypto, state, device, { seq: 1, prev: NO_HASH, signed: false }).opened
    assert.deepStrictEqual(bare.hash, signed.hash)
    const first = feed(Chain.empty, [bare])
    assert.deepStrictEqual(first.pending, [bare])
    const second = feed(first.chains, [signed])
    assert.deepStrictEqual(second.accepted, [signed])
    assert.deepStrictEqual(second.duplicates, [bare])
  })

  it("keeps chains of other devices and lanes apart", () => {
    const one = pen(crypto, state, device)
    const two = pen(crypto, state, device)
    const three = pen(crypto, state, host.identity)
    const page = [
      one.write(),
      two.write({ ops: [put("tasks", "", "y")] }),
      three.write(),
      one.write({ signed: false }),
      two.write({ ops: [put("tasks", "", "z")] }),
      one.write()
    ]
    const outcome = feed(Chain.empty, page)
    assert.strictEqual(outcome.changed.length, 3)
    assert.sameMembers(hexes(outcome.accepted), hexes(page))
  })
})

describe("lies about a chain", () => {
  it("refuses a forged signature, and everything after it waits", () => {
    const hand = pen(crypto, state, device)
    const signature = Signature.make(new Uint8Array(64).fill(1))
    const page = [hand.write(), hand.write({ signature }), hand.write()]
    const outcome = feed(Chain.empty, page)
    assert.deepStrictEqual(outcome.accepted, page.slice(0, 1))
    assert.sameMembers(reasons(outcome), ["signature", "gap"])
    assertAccountedFor(outcome, page)
  })

  it("refuses an entry signed by another member in the device's name", () => {
    const entry = pen(crypto, state, device).write({ signer: host.identity })
    assert.deepStrictEqual(reasons(feed(Chain.empty, [entry])), ["signature"])
  })

  it("does not let an unsigned entry of another member into the chain", () => {
    // Every member can seal; only the device can sign. The forger's entry waits for a signature that never comes.
    const hand = pen(crypto, state, device)
    const genuine = hand.write()
    const forged = write(crypto, state, device, {
      seq: 2,
      prev: genuine.hash,
      signed: false,
      ops: [put("notes", "", "lie")]
    })
    const first = feed(Chain.empty, [genuine, forged.opened])
    assert.deepStrictEqual(first.pending, [forged.opened])
    const next = hand.write()
    const second = feed(first.chains, [next])
    assert.deepStrictEqual(second.accepted, [next])
    assert.deepStrictEqual(reasons(second), ["fork"])
    assert.deepStrictEqual(second.quarantined[0]?.error.fork, {
      accepted: next.hash,
      refused: forged.opened.hash,
      signed: false
    })
    assert.strictEqual(second.chains.heldCount, 0)
  })

  it("finds a fork and keeps both hashes as evidence", () => {
    const hand = pen(crypto, state, device)
    const [a, b] = [hand.write(), hand.write()]
    const rival = write(crypto, state, device, { seq: 2, prev: a.hash, ops: [put("notes", "", "the other story")] })
    const { chains } = feed(Chain.empty, [a, b])
    const outcome = feed(chains, [rival.opened])
    assert.deepStrictEqual(reasons(outcome), ["fork"])
    const error = outcome.quarantined[0]?.error
    assert.isFalse(error?.waiting)
    assert.deepStrictEqual(error?.fork, { accepted: b.hash, refused: rival.opened.hash, signed: true })
    assert.deepStrictEqual(feed(outcome.chains, [hand.write()]).quarantined, [])
  })

  it("takes the same side of a fork whatever comes first in a page", () => {
    const start = write(crypto, state, device, { seq: 1, prev: NO_HASH }).opened
    const rivals = ["left", "right"].map((text) =>
      write(crypto, state, device, { seq: 2, prev: start.hash, ops: [put("notes", "", text)] }).opened
    )
    const one = feed(Chain.empty, [start, ...rivals])
    const two = feed(Chain.empty, [...rivals.toReversed(), start])
    assert.deepStrictEqual(hexes(one.accepted), hexes(two.accepted))
    assert.deepStrictEqual(reasons(one), ["fork"])
    assert.deepStrictEqual(reasons(two), ["fork"])
  })

  it("knows a fork far behind its head, without the hash that it forgot", () => {
    const hand = pen(crypto, state, device)
    const page = Array.from({ length: 40 }, (_, i) => hand.write({ signed: i === 39 }))
    const { chains } = feed(Chain.empty, page)
    const rival = write(crypto, state, device, {
      seq: 3,
      prev: page[1]?.hash ?? NO_HASH,
      ops: [put("notes", "", "late")]
    })
    assert.deepStrictEqual(feed(chains, [rival.opened]).quarantined[0]?.error.fork, {
      accepted: null,
      refused: rival.opened.hash,
      signed: true
    })
  })

  it("refuses a broken link", () => {
    const hand = pen(crypto, state, device)
    const a = hand.write()
    const prev = EntryHash.make(new Uint8Array(32).fill(7))
    const broken = write(crypto, state, device, { seq: 2, prev }).opened
    const beginning = write(crypto, state, device, { seq: 1, prev }).opened
    assert.deepStrictEqual(reasons(feed(Chain.empty, [a, broken])), ["prev"])
    assert.deepStrictEqual(reasons(feed(Chain.empty, [beginning])), ["prev"])
    const skipping = write(crypto, state, device, { seq: 5, prev: a.hash }).opened
    assert.deepStrictEqual(reasons(feed(feed(Chain.empty, [a]).chains, [skipping])), ["gap"])
    const b = hand.write({ signed: false })
    const wrongCount = write(crypto, state, device, { seq: 4, prev: b.hash }).opened
    assert.deepStrictEqual(reasons(feed(Chain.empty, [a, b, wrongCount])), ["prev"])
  })

  it("keeps what is dated ahead until its time has come", () => {
    const hand = pen(crypto, state, device)
    const limit = NOW + Limit.clockAheadMillisMax
    const [just, ahead, after] = [hand.write({ millis: limit }), hand.write({ millis: limit + 1 }), hand.write()]
    const first = feed(Chain.empty, [just, ahead, after])
    assert.deepStrictEqual(first.accepted, [just])
    assert.deepStrictEqual(reasons(first), ["clock", "gap"])
    assert.isTrue(first.quarantined.every(({ error }) => error.waiting))
    const later = feed(first.chains, [], { nowMillis: NOW + 1 })
    assert.deepStrictEqual(later.accepted, [ahead, after])
  })

  it("tells what an entry waits for when that is something else than before, and once", () => {
    const hand = pen(crypto, state, device)
    const limit = NOW + Limit.clockAheadMillisMax
    const [ahead, further] = [hand.write({ millis: limit + 1 }), hand.write({ millis: limit + 2 })]
    const first = feed(Chain.empty, [ahead, further])
    assert.deepStrictEqual(reasons(first), ["clock", "gap"])
    const second = feed(first.chains, [], { nowMillis: NOW + 1 })
    assert.deepStrictEqual(second.accepted, [ahead])
    assert.deepStrictEqual(second.quarantined.map(({ opened }) => opened), [further])
    assert.deepStrictEqual(reasons(second), ["clock"])
    const third = feed(second.chains, [], { nowMillis: NOW + 1 })
    assert.deepStrictEqual(reasons(third), [])
    assert.deepStrictEqual(feed(third.chains, [], { nowMillis: NOW + 2 }).accepted, [further])
  })

  it("accepts what comes before an entry that is dated ahead, in one batch", () => {
    const hand = pen(crypto, state, device)
    const page = [hand.write({ signed: false }), hand.write({ millis: NOW * 2 })]
    const outcome = feed(Chain.empty, page)
    assert.deepStrictEqual(outcome.pending, page.slice(0, 1))
    assert.deepStrictEqual(reasons(outcome), ["clock"])
  })
})

describe("authors", () => {
  it("keeps entries of a device that is not known yet, and accepts them once it is", () => {
    const { identity, op } = invite(crypto, host, "tablet")
    const hand = pen(crypto, state, identity)
    const page = [hand.write({ signed: false }), hand.write()]
    const first = feed(Chain.empty, page)
    assert.deepStrictEqual(reasons(first), ["author-unknown", "author-unknown"])
    assert.isTrue(first.quarantined[0]?.error.waiting)
    const known = expectSuccess(SpaceState.applyOp(crypto, state, op))
    const second = feed(first.chains, [], { state: known })
    assert.deepStrictEqual(second.accepted, page)
  })

  it("checks a signature only once the author is known, and never loses the answer", () => {
    const { identity, op } = invite(crypto, host, "watch")
    const forged = pen(crypto, state, identity).write({ signer: device })
    const first = feed(Chain.empty, [forged])
    assert.deepStrictEqual(reasons(first), ["author-unknown"])
    const known = expectSuccess(SpaceState.applyOp(crypto, state, op))
    assert.deepStrictEqual(reasons(feed(first.chains, [], { state: known })), ["signature"])
  })

  it("does not accept what a reader writes, until it may write", () => {
    const reader = join(crypto, host, "reader", ROLE.read)
    const entry = pen(crypto, reader.host.state, reader.guest.identity).write()
    const first = feed(Chain.empty, [entry], { state: reader.host.state })
    assert.deepStrictEqual(reasons(first), ["author-role"])
    const raise = Membership.build(
      crypto,
      reader.host.state.membership,
      Membership.deviceSigner(crypto, host.identity),
      { action: { _tag: "SetRole", device: reader.guest.identity.id, role: ROLE.write }, nowMillis: NOW }
    )
    const raised = expectSuccess(SpaceState.applyOp(crypto, reader.host.state, raise))
    assert.deepStrictEqual(feed(first.chains, [], { state: raised }).accepted, [entry])
  })

  const removal = (entries: ReadonlyArray<OpenedEnvelope>, seen: number) => {
    const last = entries[seen - 1]
    const cutoffs = last === undefined
      ? []
      : [{ device: device.id, lane: last.header.lane, seq: last.entry.seq, hash: last.hash }]
    const signer = Membership.deviceSigner(crypto, host.identity)
    const prepared = Rekey.prepare({ crypto, state, signer, removed: [device.id], cutoffs, nowMillis: NOW })
    assert.isDefined(prepared)
    return expectSuccess(SpaceState.applyOp(crypto, state, prepared.op))
  }

  it("accepts a removed device's entries up to its cut-off, and none after it", () => {
    const hand = pen(crypto, state, device)
    const entries = Array.from({ length: 5 }, () => hand.write())
    const removed = removal(entries, 3)
    const outcome = feed(Chain.empty, entries, { state: removed })
    assert.deepStrictEqual(outcome.accepted, entries.slice(0, 3))
    assert.deepStrictEqual(reasons(outcome), ["cutoff", "cutoff"])
    assert.isFalse(outcome.quarantined[0]?.error.waiting)
  })

  it("refuses another entry at the cut-off's own place, and every lane that the remover had not seen", () => {
    const hand = pen(crypto, state, device)
    const entries = Array.from({ length: 3 }, () => hand.write())
    const removed = removal(entries, 3)
    const backdated = write(crypto, state, device, {
      seq: 3,
      prev: entries[1]?.hash ?? NO_HASH,
      ops: [put("notes", "", "backdated")],
      millis: NOW - 1_000_000
    }).opened
    const elsewhere = pen(crypto, state, device).write({ ops: [put("tasks", "", "x")] })
    const page = [...entries.slice(0, 2), backdated, elsewhere]
    assert.deepStrictEqual(reasons(feed(Chain.empty, page, { state: removed })), ["cutoff", "cutoff"])
  })

  it("says which chains went on when the removal became known too late", () => {
    const hand = pen(crypto, state, device)
    const entries = Array.from({ length: 5 }, () => hand.write())
    const { chains } = feed(Chain.empty, entries)
    assert.deepStrictEqual(Chain.overruns(chains, state.membership), [])
    const { membership } = removal(entries, 3)
    assert.deepStrictEqual(Chain.overruns(chains, membership), [
      { device: device.id, lane: NOTES, lastSeq: 3 }
    ])
  })
})
