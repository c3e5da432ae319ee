/** Peers that lie: each way is bounded, ends in agreement or in a reason with its evidence, and never in an exception. */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Limit } from "@sotto/schema/Limit"
import * as Reconcile from "@sotto/schema/Reconcile"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Initiator from "../../src/reconcile/Initiator.ts"
import * as ReconcileSet from "../../src/reconcile/ReconcileSet.ts"
import * as Responder from "../../src/reconcile/Responder.ts"
import { idsFrom, nonce, pairOf, random, setOf, talk } from "./kit.ts"

const rootOf = (set: ReconcileSet.ReconcileSet) => Bytes.toHex(ReconcileSet.root(set))

/** Answers of one kind, changed; others as they are. */
const twisting = <Tag extends Reconcile.Answer["_tag"]>(
  tag: Tag,
  change: (answer: Extract<Reconcile.Answer, { _tag: Tag }>) => Reconcile.Answer
) =>
(bytes: Uint8Array): Uint8Array => {
  const answer = Result.getOrThrow(Reconcile.decodeAnswer(bytes))
  const isOf = (value: Reconcile.Answer): value is Extract<Reconcile.Answer, { _tag: Tag }> => value._tag === tag
  return isOf(answer) ? Reconcile.encodeAnswer(change(answer)) : bytes
}

const garbage = (length: number): Uint8Array => {
  const next = random(length)
  return Uint8Array.from({ length }, () => next() & 0xff)
}

describe("an initiator and a lying responder", () => {
  it("garbage for cells: a few more are asked for, then ranges find the truth", () => {
    const { a, b } = pairOf(1, 3000, 40)
    const { outcome, tags } = talk(a, b, {
      twist: twisting("Cells", (answer) => ({ ...answer, cells: garbage(answer.cells.length) }))
    })
    assert.strictEqual(outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
    assert.isAtMost(tags.filter((tag) => tag === 0x03).length, 6)
    assert.include(tags, 0x06)
  })

  it("one wrong bit in a cell is no wrong result", () => {
    const { a, b } = pairOf(2, 3000, 40)
    const flip = (bytes: Uint8Array) => bytes.map((byte, i) => i === 120 ? byte ^ 4 : byte)
    const { outcome } = talk(a, b, { twist: twisting("Cells", (answer) => ({ ...answer, cells: flip(answer.cells) })) })
    assert.strictEqual(outcome, "Agreed")
    assert.strictEqual(rootOf(a), rootOf(b))
  })

  it.each<readonly [string, string, "sketch" | "ranges", (bytes: Uint8Array) => Uint8Array]>([
    ["cells from elsewhere", "inconsistent", "sketch", twisting("Cells", (answer) => ({ ...answer, from: 7 }))],
    [
      "a forged count",
      "inconsistent",
      "ranges",
      (() => {
        let round = 0
        return twisting("Sums", (answer) => {
          round++
          return round < 2
            ? answer
            : { ...answer, counts: answer.counts.map((count, i) => i === 3 ? count + 1 : count) }
        })
      })()
    ],
    [
      "a forged sum",
      "inconsistent",
      "ranges",
      (() => {
        let round = 0
        return twisting("Sums", (answer) => {
          round++
          const counts = answer.counts.map((count) => Math.max(count, 1))
          return round < 2 ? answer : { ...answer, counts, sums: answer.sums.map((sum) => (sum + 1) % 2 ** 48) }
        })
      })()
    ],
    [
      "fewer children than a range has",
      "inconsistent",
      "ranges",
      twisting("Sums", (answer) => ({ ...answer, counts: answer.counts.slice(1), sums: answer.sums.slice(1) }))
    ],
    [
      "no children at all",
      "inconsistent",
      "ranges",
      twisting("Sums", (answer) => ({ ...answer, counts: new Float64Array(0), sums: new Float64Array(0) }))
    ],
    [
      "a list longer than was said",
      "inconsistent",
      "ranges",
      twisting("Lists", (answer) => ({ ...answer, lists: answer.lists.map(() => new Float64Array(30)) }))
    ],
    [
      "lists of other ranges",
      "inconsistent",
      "ranges",
      twisting("Lists", (answer) => ({ ...answer, bits: 31, lists: answer.lists.map(() => new Float64Array(0)) }))
    ],
    [
      "counts beyond everything",
      "too-many-differences",
      "ranges",
      twisting("Sums", (answer) => ({
        ...answer,
        counts: answer.counts.map(() => Limit.reconcileDifferencesMax),
        sums: answer.sums
      }))
    ],
    ["an answer to another question", "unexpected", "sketch", () => Uint8Array.of(0x42)],
    ["an answer to another question, in ranges", "unexpected", "ranges", () => Uint8Array.of(0x41)],
    ["a message cut short", "malformed", "sketch", (bytes) => bytes.subarray(0, bytes.length - 1)],
    ["a message with more after it", "malformed", "ranges", (bytes) => Bytes.concat(bytes, Uint8Array.of(0))],
    ["a message too long", "malformed", "sketch", () => new Uint8Array(Limit.reconcileBytesMax + 1)],
    ["nothing", "malformed", "sketch", () => new Uint8Array(0)],
    ["noise", "malformed", "ranges", () => garbage(300)]
  ])("%s: %s", (_, reason, strategy, twist) => {
    // Lists appear only for sets whose ranges differ; the first set is large enough for two steps of them.
    const { a, b } = pairOf(3, 3000, 60)
    const before = rootOf(a)
    const { error, outcome, roundTrips } = talk(a, b, { strategy, twist })
    assert.strictEqual(outcome === "inconsistent" && reason === "too-many-differences" ? reason : outcome, reason)
    assert.strictEqual(rootOf(a), before)
    assert.isAtMost(roundTrips, 8)
    assert.isAbove(error?.request.length ?? 0, 0)
    assert.strictEqual(error?.isMisconduct, outcome !== "too-many-differences")
    assert.include(error?.message ?? "", outcome)
  })

  it("a root that never is the one of what is listed: everything is compared once, and then it ends", () => {
    const { a, b } = pairOf(4, 3000, 10)
    const wrong = garbage(16)
    const twist = (bytes: Uint8Array) => {
      const answer = Result.getOrThrow(Reconcile.decodeAnswer(bytes))
      return "proof" in answer ? Reconcile.encodeAnswer({ ...answer, proof: wrong }) : bytes
    }
    const { error, outcome, tags } = talk(a, b, { twist })
    assert.strictEqual(outcome, "root-mismatch")
    assert.isTrue(error?.isMisconduct)
    for (const tag of [0x01, 0x06, 0x08]) assert.include(tags, tag)
    assert.isAtMost(tags.length, 40)
  })

  it("ids that are promised and never come, and ids that nobody asked for", () => {
    const { a, b, theirs } = pairOf(5, 2000, 20)
    const ask = (step: Initiator.Step): Initiator.Step => {
      if (step._tag !== "Ask") return step
      const answered = Result.getOrThrow(Responder.respond(Responder.begin, { replica: b }, step.message))
      return ask(Initiator.receive(step.initiator, a, answered.message ?? new Uint8Array(0)))
    }
    const found = ask(Initiator.begin({ replica: a, nonce }))
    assert.strictEqual(found._tag, "Found")
    if (found._tag !== "Found") return
    const stranger = Initiator.confirm(found.initiator, a, [...theirs, garbage(32)])
    assert.strictEqual(stranger._tag === "Failed" ? stranger.error.reason : "", "unasked")
    let step: Initiator.Step = Initiator.confirm(found.initiator, a, theirs.slice(1))
    const stages: Array<string> = []
    for (let turn = 0; turn < 10 && step._tag !== "Failed" && step._tag !== "Agreed"; turn++) {
      step = ask(step)
      if (step._tag !== "Found") break
      stages.push(step.initiator.stage._tag)
      step = Initiator.confirm(step.initiator, a, theirs.slice(1))
    }
    assert.deepStrictEqual(stages, ["Range", "Exact"])
    assert.strictEqual(step._tag === "Failed" ? step.error.reason : "", "root-mismatch")
    assert.strictEqual(Initiator.confirm(found.initiator, a, theirs)._tag, "Agreed")
    // The same id twice is the same id once.
    assert.strictEqual(Initiator.confirm(found.initiator, a, [...theirs, ...theirs])._tag, "Agreed")
  })

  it.each<readonly [string, (answer: Extract<Reconcile.Answer, { _tag: "Difference" }>) => Reconcile.Answer]>([
    ["goes back", (answer) => ({ ...answer, through: "0".repeat(16), missing: new Float64Array(0), ids: [] })],
    ["goes too far", (answer) => ({ ...answer, missing: Float64Array.of(60_000) })],
    ["names what was named", (answer) => ({ ...answer, ids: [...answer.ids, ...answer.ids] })]
  ])("comparing id by id, an answer that %s", (_, change) => {
    const { a, b } = pairOf(6, 2000, 6)
    let exact = 0
    const lie = twisting("Difference", (answer) => {
      exact++
      return change({ ...answer, ids: [...answer.ids, ...idsFrom(61, 1)] })
    })
    const wrong = garbage(16)
    const { outcome } = talk(a, b, {
      twist: (bytes) => {
        const answer = Result.getOrThrow(Reconcile.decodeAnswer(bytes))
        return answer._tag === "Difference" || !("proof" in answer)
          ? lie(bytes)
          : Reconcile.encodeAnswer({ ...answer, proof: wrong })
      }
    })
    assert.strictEqual(exact, 1)
    assert.strictEqual(outcome, "inconsistent")
  })

  it("whatever it answers, a conversation ends, nothing is thrown, and nothing is taken in", () => {
    const { a, b } = pairOf(7, 400, 30)
    const before = rootOf(a)
    const proof = fc.constantFrom(garbage(16), garbage(17).subarray(0, 16))
    const handles = fc.array(fc.nat(), { maxLength: 30 }).map((values) => Float64Array.from(values).sort())
    const lie: fc.Arbitrary<Reconcile.Answer> = fc.oneof(
      fc.record({ _tag: fc.constantFrom("Tail" as const, "List" as const), proof, handles }),
      fc.record({ _tag: fc.constant("Coarse" as const), proof, count: fc.nat() }),
      fc.record({
        _tag: fc.constant("Cells" as const),
        proof,
        from: fc.constantFrom(0, 10, 60),
        cells: fc.nat(60).map((count) => garbage(11 * count))
      }),
      fc.record({
        _tag: fc.constant("Sums" as const),
        proof,
        counts: fc.constantFrom(2, 16, 64).map((count) => Float64Array.from({ length: count }, (_, i) => i)),
        sums: fc.constant(new Float64Array(64).fill(5))
      }),
      fc.record({ _tag: fc.constant("Lists" as const), proof, bits: fc.nat(16), lists: fc.array(handles) }),
      fc.constant({ _tag: "Differ" as const })
    )
    fc.assert(
      fc.property(
        fc.array(fc.option(lie), { minLength: 1, maxLength: 8 }),
        fc.constantFrom("sketch" as const, "ranges" as const),
        (lies, strategy) => {
          let step = Initiator.begin({ replica: a, nonce, strategy })
          let turns = 0
          while (step._tag === "Ask") {
            const told = lies[turns++ % lies.length] ?? null
            const honest = Result.getOrThrow(Responder.respond(Responder.begin, { replica: b }, step.message)).message
            const answer = told === null ? honest ?? new Uint8Array(0) : Reconcile.encodeAnswer(told)
            step = Initiator.receive(step.initiator, a, answer)
          }
          assert.isAtMost(turns, 200)
          if (step._tag === "Agreed") assert.fail("agreed with a peer whose set is another")
        }
      ),
      { numRuns: 400 }
    )
    assert.strictEqual(rootOf(a), before)
  })
})

describe("a responder and a lying initiator", () => {
  const set = setOf(idsFrom(70, 3000))
  const respond = (request: Reconcile.Request, responder = Responder.begin) =>
    Responder.respond(responder, { replica: set }, Reconcile.encodeRequest(request))
  const reasonOf = (result: ReturnType<typeof respond>) => Result.isFailure(result) ? result.failure.reason : "answered"

  it("endless More: as many messages as a conversation may have, and no cells beyond those that are kept", () => {
    let responder = Responder.begin
    let cells = 0
    let messages = 0
    for (;;) {
      const result = respond({ _tag: "More", nonce, from: 17 * messages, count: 1_000_000 }, responder)
      if (Result.isFailure(result)) {
        assert.strictEqual(result.failure.reason, "too-many-messages")
        break
      }
      responder = result.success.responder
      const answer = Result.getOrThrow(Reconcile.decodeAnswer(result.success.message ?? new Uint8Array(0)))
      cells = Math.max(cells, answer._tag === "Cells" ? answer.from + answer.cells.length / 11 : 0)
      messages++
    }
    assert.strictEqual(messages, Limit.reconcileMessagesMax)
    assert.strictEqual(cells, 2 ** set.sketch.scale)
  })

  it.each<readonly [string, Uint8Array, string]>([
    ["nothing", new Uint8Array(0), "malformed"],
    ["an answer", Uint8Array.of(0x41), "malformed"],
    ["a message too long", new Uint8Array(Limit.reconcileBytesMax + 1), "malformed"],
    ["WantAll of nothing", Reconcile.encodeRequest({ _tag: "WantAll" }), "unexpected"]
  ])("%s", (_, bytes, reason) => {
    const result = Responder.respond(Responder.begin, { replica: set }, bytes)
    assert.strictEqual(Result.isFailure(result) ? result.failure.reason : "", reason)
    if (Result.isFailure(result)) assert.deepStrictEqual(result.failure.received, bytes)
  })

  it("ids that are not in order, or not in their range", () => {
    const [one = new Uint8Array(32), two = one] = [...ReconcileSet.ids(set)]
      .map((id) => ({ id, short: ReconcileSet.shortOf(set, id)[0] }))
      .sort((a, b) => a.short - b.short).map(({ id }) => id)
    const all = { _tag: "Exact", nonce, from: "0".repeat(16), through: "f".repeat(16) } as const
    assert.strictEqual(reasonOf(respond({ ...all, ids: [one, two] })), "answered")
    assert.strictEqual(reasonOf(respond({ ...all, ids: [two, one] })), "inconsistent")
    assert.strictEqual(reasonOf(respond({ ...all, ids: [one, one] })), "inconsistent")
    assert.strictEqual(reasonOf(respond({ ...all, through: "0".repeat(16), ids: [one] })), "inconsistent")
    assert.strictEqual(
      reasonOf(respond({ ...all, from: "f".repeat(16), through: "0".repeat(16), ids: [] })),
      "inconsistent"
    )
  })

  it("handles that are not here get nothing, and one that stands often gets its envelope once", () => {
    const [id = new Uint8Array(32)] = idsFrom(70, 1)
    const [high, low] = ReconcileSet.shortOf(set, id)
    const handle = high * 0x1_0000 + (low >>> 16)
    const want = (handles: ReadonlyArray<number>) =>
      Result.getOrThrow(respond({ _tag: "Want", handles: Float64Array.from(handles) })).send
    assert.deepStrictEqual(want([5]), [])
    assert.deepStrictEqual(want([handle, handle, handle]), [id])
  })
})
