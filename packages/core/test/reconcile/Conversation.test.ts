import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Reconcile from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Checkpoint from "../../src/reconcile/Checkpoint.ts"
import * as Initiator from "../../src/reconcile/Initiator.ts"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as Responder from "../../src/reconcile/Responder.ts"
import * as Union from "../../src/reconcile/Union.ts"
import { find, hexes, idsFrom, nonce, pairOf, setOf, talk } from "./kit.ts"

const rootOf = (set: ReconcileSet.ReconcileSet) => Bytes.toHex(ReconcileSet.root(set))

/** Sizes from nothing to a few hundred, alike and unlike. */
const sizes = fc.record({ seed: fc.integer(), shared: fc.nat(300), mine: fc.nat(60), theirs: fc.nat(60) })

const pairArb = sizes.map(({ mine, seed, shared, theirs }) => {
  const both = idsFrom(seed, shared)
  const [ours, others] = [idsFrom(seed + 1, mine), idsFrom(seed + 2, theirs)]
  return { a: setOf([...both, ...ours]), b: setOf([...both, ...others]), ours, others }
})

describe.each(["sketch", "ranges"] as const)("%s", (strategy) => {
  it("makes random pairs equal, and moves nothing twice", () => {
    fc.assert(
      fc.property(pairArb, ({ a, b, others, ours }) => {
        const result = talk(a, b, { strategy })
        assert.strictEqual(result.outcome, "Agreed")
        assert.strictEqual(rootOf(a), rootOf(b))
        assert.deepStrictEqual(hexes(result.pushed), hexes(ours))
        assert.deepStrictEqual(hexes(result.received), hexes(others))
      }),
      { numRuns: 80 }
    )
  })

  it.each([
    { shared: 0, different: 0 },
    { shared: 0, different: 1 },
    { shared: 0, different: 3000 },
    { shared: 3000, different: 0 },
    { shared: 3000, different: 2 },
    { shared: 6000, different: 40 },
    { shared: 6000, different: 900 },
    { shared: 3000, different: 9000 }
  ])("agrees over $shared shared and $different different ids", ({ different, shared }) => {
    const { a, b, mine, theirs } = pairOf(shared + different, shared, different)
    const result = talk(a, b, { strategy })
    assert.strictEqual(result.outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
    assert.deepStrictEqual([result.pushed.length, result.received.length], [mine.length, theirs.length])
  })

  it("works with sets that sum later", () => {
    const ids = idsFrom(33, 400)
    const a = setOf(ids.slice(0, 390), { sumLater: true })
    const b = setOf(ids.slice(10), { sumLater: true })
    const { outcome, tags } = talk(a, b, { strategy })
    assert.strictEqual(outcome, "Agreed")
    assert.notInclude(tags, 0x08)
    assert.strictEqual(rootOf(a), rootOf(setOf(ids)))
  })

  it("works when one side is empty, or holds all of the other", () => {
    const ids = idsFrom(3, 2500)
    for (const [left, right] of [[[], ids], [ids, []], [ids, ids.slice(7)], [ids.slice(7), ids]] as const) {
      const [a, b] = [setOf(left), setOf(right)]
      assert.strictEqual(talk(a, b, { strategy }).outcome, "Agreed")
      assert.strictEqual(ReconcileSet.count(a), 2500)
      assert.strictEqual(rootOf(a), rootOf(b))
    }
  })
})

describe("sketch", () => {
  it("finds what ranges find, without taking anything in", () => {
    fc.assert(
      fc.property(pairArb, ({ a, b, others, ours }) => {
        const before = [rootOf(a), rootOf(b)]
        const expected = { push: hexes(ours), need: hexes(others) }
        assert.deepStrictEqual(find(a, b, { strategy: "sketch" }), expected)
        assert.deepStrictEqual(find(a, b, { strategy: "ranges" }), expected)
        assert.deepStrictEqual([rootOf(a), rootOf(b)], before)
      }),
      { numRuns: 60 }
    )
  })

  it("usually takes one round trip, and bytes in proportion to the difference", () => {
    const runs = Array.from({ length: 12 }, (_, i) => {
      const { a, b } = pairOf(100 + i, 6000, 100)
      return talk(a, b)
    })
    const sum = (of: (run: { readonly roundTrips: number; readonly bytes: number }) => number) =>
      runs.reduce((total, run) => total + of(run), 0) / runs.length
    assert.isAtMost(sum(({ roundTrips }) => roundTrips), 1.5)
    assert.isAtMost(sum(({ bytes }) => bytes), 3300)
  })

  it("says Same in one byte when nothing differs", () => {
    const { a, b } = pairOf(5, 5000, 0)
    const { bytes, roundTrips, tags } = talk(a, b)
    assert.deepStrictEqual([roundTrips, ...tags], [1, 0x01, 0x41])
    assert.isAtMost(bytes, 80)
  })

  it("is told of another key, and that is nobody's fault", () => {
    const ids = idsFrom(6, 10)
    const { error, outcome } = talk(setOf(ids), setOf(ids, { keyEpoch: 2 }))
    assert.strictEqual(outcome, "other-key")
    assert.isFalse(error?.isMisconduct)
  })

  it("goes to ranges when the difference is beyond the cells and beyond a list", () => {
    // A list of them would be longer than a message: the answer says so before anything is listed.
    const replica: ReconcileSet.Replica = { ...setOf([]), sketch: { ...setOf([]).sketch, count: 400_000 } }
    const hello = Initiator.begin({ replica: setOf(idsFrom(7, 10)), nonce })
    assert.strictEqual(hello._tag, "Ask")
    if (hello._tag !== "Ask") return
    const answered = Result.getOrThrow(Responder.respond(Responder.begin, { replica }, hello.message))
    const answer = Result.getOrThrow(Reconcile.decodeAnswer(answered.message ?? new Uint8Array(0)))
    assert.strictEqual(answer._tag, "Coarse")
    const { a, b } = pairOf(8, 500, 30)
    const twist = (bytes: Uint8Array) => bytes[0] === 0x47 ? answered.message ?? bytes : bytes
    assert.strictEqual(talk(a, b, { twist }).outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
  })

  it("reconciles several lanes at once", () => {
    const [one, two, three] = [pairOf(11, 5000, 4), pairOf(12, 30, 3), pairOf(13, 0, 5)]
    const mine = Union.make([one.a, two.a, three.a])
    const theirs = Union.make([one.b, two.b, three.b])
    let step = Initiator.begin({ replica: mine, nonce })
    let responder = Responder.begin
    while (step._tag === "Ask") {
      const answered = Result.getOrThrow(Responder.respond(responder, { replica: theirs }, step.message))
      responder = answered.responder
      step = Initiator.receive(step.initiator, mine, answered.message ?? new Uint8Array(0))
    }
    assert.strictEqual(step._tag, "Found")
    if (step._tag !== "Found") return
    assert.deepStrictEqual(hexes(step.push), hexes([...one.mine, ...two.mine, ...three.mine]))
    const { send } = Result.getOrThrow(
      Responder.respond(responder, { replica: theirs }, step.message ?? new Uint8Array(0))
    )
    assert.deepStrictEqual(hexes(send), hexes([...one.theirs, ...two.theirs, ...three.theirs]))
    assert.strictEqual(Initiator.confirm(step.initiator, mine, send)._tag, "Agreed")
  })
})

describe("ranges", () => {
  it("begin anew when a set changes meanwhile, and end when it never stops", () => {
    const { a, b } = pairOf(4, 3000, 60)
    // Both sides change while the second question is on its way.
    const late = idsFrom(41, 2)
    const once = talk(a, b, {
      strategy: "ranges",
      meanwhile: (round) => {
        if (round === 1) late.forEach((id, i) => ReconcileSet.insert(i === 0 ? a : b, id))
      }
    })
    assert.strictEqual(once.outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
    const c = setOf(idsFrom(42, 50))
    const always = talk(c, b, {
      strategy: "ranges",
      meanwhile: (round) => ReconcileSet.insert(b, idsFrom(1000 + round, 1)[0] ?? new Uint8Array(32))
    })
    assert.strictEqual(always.outcome, "changing")
    assert.isFalse(always.error?.isMisconduct)
  })
})

describe.each(["a", "b"] as const)("when %s alone changes meanwhile", (side) => {
  const late = idsFrom(60, 1)

  it("ranges begin anew, and need no more than that", () => {
    const pair = pairOf(61, 3000, 60)
    const { outcome, tags } = talk(pair.a, pair.b, {
      strategy: "ranges",
      meanwhile: (round) => {
        if (round === 1) { for (const id of late) ReconcileSet.insert(pair[side], id) }
      }
    })
    assert.strictEqual(outcome, "Agreed")
    assert.notInclude(tags, 0x08)
    assert.strictEqual(rootOf(pair.a), rootOf(pair.b))
  })

  it("cells are asked for anew, and ranges are not needed", () => {
    const pair = pairOf(62, 3000, 200)
    // The first answer is cut, so that there is a second question.
    const half = (bytes: Uint8Array): Uint8Array => {
      const answer = Result.getOrThrow(Reconcile.decodeAnswer(bytes))
      return answer._tag === "Cells" && answer.from === 0
        ? Reconcile.encodeAnswer({ ...answer, cells: answer.cells.subarray(0, 100 * Reconcile.CELL_BYTES) })
        : bytes
    }
    const { outcome, tags } = talk(pair.a, pair.b, {
      twist: half,
      meanwhile: (round) => {
        if (round === 1) { for (const id of late) ReconcileSet.insert(pair[side], id) }
      }
    })
    assert.strictEqual(outcome, "Agreed")
    assert.isAtLeast(tags.filter((tag) => tag === 0x01).length, 2)
    assert.notInclude(tags, 0x06)
    assert.strictEqual(rootOf(pair.a), rootOf(pair.b))
  })
})

describe("checkpoints", () => {
  const agreed = (seed: number, count: number) => {
    const { a, b } = pairOf(seed, count, 0)
    return { a, b, checkpoints: { mine: Checkpoint.take(a, 5), theirs: Checkpoint.take(b, 9) } }
  }

  it.each([0, 1, 2, 10, 1000])("cost little when %d new ids are the difference", (count) => {
    const { a, b, checkpoints } = agreed(20 + count, 4000)
    idsFrom(999, count).forEach((id, i) => ReconcileSet.insert(i % 2 === 0 ? b : a, id))
    const { bytes, outcome, roundTrips } = talk(a, b, { checkpoints })
    assert.strictEqual(outcome, "Agreed")
    assert.strictEqual(roundTrips, 1)
    assert.strictEqual(rootOf(a), rootOf(b))
    assert.isAtMost(bytes, count <= 2 ? 40 : 40 + 3 * count)
  })

  it("leave out what both sides got from elsewhere", () => {
    const { a, b, checkpoints } = agreed(31, 100)
    const news = idsFrom(32, 9)
    for (const id of news) ReconcileSet.insert(a, id)
    for (const id of news.slice(3)) ReconcileSet.insert(b, id)
    const { outcome, pushed, received } = talk(a, b, { checkpoints })
    assert.strictEqual(outcome, "Agreed")
    assert.deepStrictEqual([pushed.length, received.length], [3, 0])
  })

  it("fall back to the greeting when an id was removed on either side", () => {
    for (const side of ["a", "b"] as const) {
      const pair = agreed(33, 300)
      const [gone = new Uint8Array(32)] = idsFrom(33, 1)
      assert.isTrue(ReconcileSet.remove(pair[side], gone))
      ReconcileSet.insert(pair.a, idsFrom(34, 1)[0] ?? gone)
      const { outcome, tags } = talk(pair.a, pair.b, { checkpoints: pair.checkpoints })
      assert.strictEqual(outcome, "Agreed")
      assert.include(tags, 0x01)
      assert.strictEqual(rootOf(pair.a), rootOf(pair.b))
    }
  })

  it("that never were the same end in agreement all the same", () => {
    const { a, b } = pairOf(35, 200, 8)
    // A claims the checkpoint of B's own root: the tails say nothing of the difference, but the roots do.
    const checkpoints = {
      mine: { ...Checkpoint.take(a, 0), root: ReconcileSet.root(b) },
      theirs: Checkpoint.take(b, 0)
    }
    assert.strictEqual(talk(a, b, { checkpoints }).outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
  })

  it("are kept as bytes", () => {
    const checkpoint = Checkpoint.take(setOf(idsFrom(36, 5)), 77)
    assert.deepStrictEqual(Result.getOrThrow(Checkpoint.decode(Checkpoint.encode(checkpoint))), checkpoint)
    assert.isAtMost(Checkpoint.encode(checkpoint).length, 60)
    assert.isTrue(Result.isFailure(Checkpoint.decode(new Uint8Array(5))))
  })

  it("can be made sure of with one question", () => {
    const { a, b } = pairOf(37, 10, 0)
    const check = (set: ReconcileSet.ReconcileSet) => {
      const step = Initiator.begin({ replica: set, nonce })
      if (step._tag !== "Ask") throw new Error("no question")
      const hello = Result.getOrThrow(Reconcile.decodeRequest(step.message))
      if (hello._tag !== "Hello") throw new Error("no greeting")
      const message = Reconcile.encodeRequest({ _tag: "Check", nonce, proof: hello.proof })
      return Result.getOrThrow(Responder.respond(Responder.begin, { replica: b }, message))
    }
    assert.deepStrictEqual([check(a).agreed, check(a).message], [true, Uint8Array.of(0x41)])
    ReconcileSet.insert(a, new Uint8Array(32))
    assert.deepStrictEqual([check(a).agreed, check(a).message], [false, Uint8Array.of(0x42)])
  })
})

it("every answer of a responder fits a message", () => {
  const set = setOf(idsFrom(50, 150_000), { sumLater: true })
  const requests: ReadonlyArray<Reconcile.Request> = [
    { _tag: "More", nonce, from: 0, count: 2 ** 50 },
    { _tag: "More", nonce, from: 2 ** 50, count: 1 },
    { _tag: "Probe", nonce, bits: 16, step: 8, nodes: Float64Array.from({ length: 2 ** 16 }, (_, i) => i) },
    { _tag: "Ask", nonce, bits: 0, nodes: Float64Array.of(0) },
    { _tag: "Ask", nonce, bits: 20, nodes: Float64Array.from({ length: 100_000 }, (_, i) => i) },
    { _tag: "Ask", nonce, bits: 18, nodes: Float64Array.from({ length: 2 ** 18 }, (_, i) => i) },
    { _tag: "Probe", nonce, bits: 8, step: 8, nodes: Float64Array.from({ length: 2 ** 8 }, (_, i) => i) },
    { _tag: "Exact", nonce, from: "0".repeat(16), through: "f".repeat(16), ids: [] }
  ]
  for (const request of requests) {
    const { message } = Result.getOrThrow(
      Responder.respond(Responder.begin, { replica: set }, Reconcile.encodeRequest(request))
    )
    assert.isAtMost(message?.length ?? Number.POSITIVE_INFINITY, Limit.reconcileBytesMax, request._tag)
    assert.isTrue(Result.isSuccess(Reconcile.decodeAnswer(message ?? new Uint8Array(0))))
  }
})
