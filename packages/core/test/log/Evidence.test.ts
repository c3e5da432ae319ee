import { assert, describe, it } from "@effect/vitest"
import { type Head, type HeadBody, headBodyCodec } from "@sotto/schema/Head"
import { EnvelopeId, Position, RelayKey, RouteId, Signature, SigningKey } from "@sotto/schema/Id"
import { Limit } from "@sotto/schema/Limit"
import * as Proof from "@sotto/schema/Proof"
import type * as Result from "effect/Result"
import * as Evidence from "../../src/log/Evidence.ts"
import { expectFailure, expectSuccess, NOW, seededCrypto } from "../kit/seededSpace.ts"

const crypto = seededCrypto("evidence")
const pair = crypto.signature.keyPair(crypto.random(32))
const subject: Evidence.Subject = {
  relay: RelayKey.make(crypto.random(32)),
  route: RouteId.make(crypto.random(32)),
  signing: SigningKey.make(pair.publicKey)
}
const ids = Array.from({ length: 10 }, () => EnvelopeId.make(crypto.random(32)))
const otherIds = Array.from({ length: 10 }, () => EnvelopeId.make(crypto.random(32)))

const running = (upTo: number, log = ids) => Evidence.advance(crypto, Evidence.runningStart, log.slice(0, upTo))

const headOf = (position: number, more: Partial<HeadBody> = {}, log = ids): Head => {
  const body: HeadBody = {
    relay: subject.relay,
    route: subject.route,
    position: Position.make(position),
    chain: running(position, log).chain,
    lowest: Position.make(1),
    millis: NOW + position,
    ...more
  }
  return {
    body,
    signature: Signature.make(crypto.signature.sign(pair.secretKey, Proof.head(headBodyCodec.encode(body))))
  }
}

const check = (next: Head, previous: Head | null = null, own: Evidence.Running | null = null) =>
  Evidence.check(crypto, subject, { next, previous, running: own })

/** The evidence of a failure, after a journey through its bytes. */
const evidenceOf = <A>(result: Result.Result<A, Evidence.RelayMisbehaved>): Evidence.Evidence =>
  expectSuccess(Evidence.evidenceCodec.decode(Evidence.evidenceCodec.encode(expectFailure(result).evidence)))

const isProven = (evidence: Evidence.Evidence) => Evidence.isProven(crypto, subject.signing, evidence)

describe("the running chain", () => {
  it("is the hash of the chain before and the id, from zero on, in any pages", () => {
    let chain = new Uint8Array(32)
    for (const id of ids) chain = new Uint8Array(crypto.sha256(Proof.chainLink(chain, id)))
    assert.deepStrictEqual(running(10), { position: Position.make(10), chain })
    assert.deepStrictEqual(Evidence.advance(crypto, running(4), ids.slice(4)), running(10))
    assert.notDeepEqual(Evidence.advance(crypto, running(8), ids.slice(8).toReversed()), running(10))
  })
})

describe("a head", () => {
  it("is taken when it goes on, and matches what came", () => {
    expectSuccess(check(headOf(0)))
    expectSuccess(check(headOf(5), null, running(5)))
    expectSuccess(check(headOf(7), headOf(5), running(5)))
    expectSuccess(check(headOf(5), headOf(5)))
    expectSuccess(check(headOf(5, { lowest: Position.make(6) })))
  })

  it("is refused unsigned, or about something else", () => {
    const head = headOf(5)
    assert.strictEqual(evidenceOf(check({ ...head, body: { ...head.body, millis: 1 } })).reason, "signature")
    assert.strictEqual(evidenceOf(check(headOf(5, { relay: RelayKey.make(new Uint8Array(32)) }))).reason, "route")
    assert.strictEqual(evidenceOf(check(headOf(5, { route: RouteId.make(new Uint8Array(32)) }))).reason, "route")
  })

  it("is refused when it contradicts itself, and that is proven by itself", () => {
    const cases: ReadonlyArray<Partial<HeadBody>> = [
      { lowest: Position.make(0) },
      { lowest: Position.make(7) }
    ]
    for (const more of cases) {
      const evidence = evidenceOf(check(headOf(5, more)))
      assert.strictEqual(evidence.reason, "inconsistent")
      assert.isTrue(isProven(evidence))
    }
    assert.strictEqual(evidenceOf(check(headOf(0, { chain: new Uint8Array(32).fill(1) }))).reason, "inconsistent")
  })

  it("is refused when the log went back", () => {
    assert.strictEqual(evidenceOf(check(headOf(4), headOf(5))).reason, "regress")
    const lower = headOf(6, { lowest: Position.make(2) })
    assert.strictEqual(evidenceOf(check(lower, headOf(5, { lowest: Position.make(3) }))).reason, "regress")
  })

  it("is refused when the log forked, and the two heads prove it to anybody", () => {
    const evidence = evidenceOf(check(headOf(5, {}, otherIds), headOf(5)))
    assert.strictEqual(evidence.reason, "fork")
    assert.isTrue(isProven(evidence))
    assert.isFalse(Evidence.isProven(crypto, SigningKey.make(new Uint8Array(32).fill(9)), evidence))
    assert.isFalse(isProven({ ...evidence, heads: [headOf(5), headOf(5)] }))
    assert.isFalse(isProven({ ...evidence, heads: [headOf(5), headOf(6, {}, otherIds)] }))
    assert.isFalse(isProven({ ...evidence, heads: [] }))
    assert.isFalse(isProven({ ...evidence, route: RouteId.make(new Uint8Array(32)) }))
  })

  it("is refused when it does not count what came", () => {
    // One envelope left out, or two in another order: the position is right and the chain is not.
    const own = Evidence.advance(crypto, Evidence.runningStart, [...ids.slice(0, 3), ...ids.slice(4, 6)])
    const evidence = evidenceOf(check(headOf(5), null, own))
    assert.strictEqual(evidence.reason, "chain")
    assert.deepStrictEqual(evidence.own, own)
    assert.isFalse(isProven(evidence))
    expectSuccess(check(headOf(6), null, own))
  })
})

describe("a head that another member saw", () => {
  const late = Limit.clockAheadMillisMax + 1

  const witness = (mine: Head, theirs: Head) => Evidence.witness(crypto, subject, { mine, theirs })

  it("shows a fork, with proof", () => {
    const evidence = evidenceOf(witness(headOf(5), headOf(5, {}, otherIds)))
    assert.strictEqual(evidence.reason, "fork")
    assert.isTrue(isProven(evidence))
  })

  it("shows a rollback, whichever of the two was rolled back", () => {
    const before = headOf(9)
    const after = headOf(5, { millis: NOW + 9 + late })
    for (const evidence of [evidenceOf(witness(before, after)), evidenceOf(witness(after, before))]) {
      assert.strictEqual(evidence.reason, "regress")
      assert.deepStrictEqual(evidence.heads, [before, after])
      assert.isTrue(isProven(evidence))
    }
  })

  it("is no evidence when one was simply earlier, or the clock was set back a little", () => {
    expectSuccess(witness(headOf(5), headOf(9)))
    expectSuccess(witness(headOf(9), headOf(5)))
    expectSuccess(witness(headOf(5, { millis: NOW + 100 }), headOf(9, { millis: NOW })))
  })

  it("says nothing about the relay when the relay did not sign it", () => {
    const mine = headOf(5)
    const forged = { ...headOf(5, {}, otherIds), signature: mine.signature }
    assert.deepStrictEqual(expectSuccess(witness(mine, forged)), mine)
  })
})

describe("delivered positions", () => {
  const order = (after: number, positions: ReadonlyArray<number>, head: Head | null = null) =>
    Evidence.checkOrder(subject, {
      after: Position.make(after),
      positions: positions.map((at) => Position.make(at)),
      head
    })

  it("ascend from the cursor to the head", () => {
    expectSuccess(order(3, [4, 5, 9]))
    expectSuccess(order(3, [4, 5], headOf(5)))
    expectSuccess(order(9, [], headOf(5)))
    for (const result of [order(3, [3]), order(3, [5, 4]), order(3, [4, 4]), order(3, [4, 6], headOf(5))]) {
      assert.strictEqual(evidenceOf(result).reason, "order")
    }
  })
})

describe("evidence", () => {
  it("tells a person what happened and what is safe", () => {
    const error = expectFailure(check(headOf(4), headOf(5)))
    assert.strictEqual(error._tag, "RelayMisbehaved")
    assert.include(error.message, "safe")
  })
})
