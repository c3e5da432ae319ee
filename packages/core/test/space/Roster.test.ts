import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { type MemberOp, ROLE } from "@sotto/schema/Space"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Membership from "../../src/space/Membership.ts"
import {
  act,
  add,
  apply,
  applyInAnyOrder,
  car,
  crypto,
  devices,
  laptop,
  owner,
  phone,
  recovery,
  refusal,
  rekey,
  relabel,
  roleOf,
  run,
  setRole,
  start,
  type State,
  tablet,
  view,
  watch
} from "../kit/memberBook.ts"
import { NOW } from "../kit/seededSpace.ts"

describe("concurrent changes", () => {
  const base = run(run(start, owner, add(phone, ROLE.admin)), owner, add(laptop, ROLE.admin))

  const both = (...ops: ReadonlyArray<MemberOp>) => {
    const one = apply(base, ...ops)
    const two = apply(base, ...ops.toReversed())
    assert.deepStrictEqual(view(one), view(two))
    return one
  }

  it("union their adds", () => {
    const state = both(act(base, phone, add(tablet)), act(base, laptop, add(watch)), act(base, owner, add(car)))
    assert.deepStrictEqual([tablet, watch, car].map((device) => roleOf(state, device)), [2, 2, 2])
    assert.strictEqual(state.graph.heads.length, 3)
    const merged = run(state, owner, relabel(owner, "merged"))
    assert.strictEqual(merged.graph.heads.length, 1)
  })

  it("take the lower of two roles, until somebody who saw both decides", () => {
    const state = both(act(base, phone, add(tablet, ROLE.admin)), act(base, laptop, add(tablet, ROLE.read)))
    assert.strictEqual(roleOf(state, tablet), ROLE.read)
    assert.strictEqual(roleOf(run(state, owner, setRole(tablet, ROLE.admin)), tablet), ROLE.admin)
  })

  it("take the later of two labels", () => {
    const state = both(act(base, phone, relabel(phone, "a"), NOW + 5), act(base, phone, relabel(phone, "b"), NOW + 4))
    assert.strictEqual(Membership.memberOf(state, phone.id)?.label, "a")
  })

  it("union removals, also of two that remove each other", () => {
    const state = both(act(base, phone, rekey(base, [laptop])), act(base, laptop, rekey(base, [phone])))
    assert.deepStrictEqual([phone, laptop].map((device) => roleOf(state, device)), ["removed", "removed"])
    assert.isTrue(Membership.isContested(state))
    const next = run(state, owner, (now) => rekey(now, []))
    assert.strictEqual(next.roster.epoch, 3)
    assert.isFalse(Membership.isContested(next))
  })

  it("let the larger removal open the epoch, then the lower hash", () => {
    const three = run(base, owner, add(tablet))
    const small = act(three, phone, rekey(three, [tablet]))
    const large = act(three, owner, rekey(three, [tablet, laptop]))
    for (const ops of [[small, large], [large, small]]) {
      const openings = apply(three, ...ops).roster.openingsByEpoch.get(2)
      assert.deepStrictEqual(openings?.map(({ removedCount }) => removedCount), [2, 1])
    }
    const equal = act(three, laptop, rekey(three, [tablet], { commit: new Uint8Array(32).fill(1) }))
    const hexes = apply(three, small, equal).roster.openingsByEpoch.get(2)?.map(({ record }) => record.hex) ?? []
    assert.deepStrictEqual(hexes, [...hexes].sort())
    assert.deepStrictEqual(view(apply(three, small, equal)), view(apply(three, equal, small)))
  })

  it("void what a removed device did that its remover did not know of, and what rests on it", () => {
    const addition = act(base, phone, add(tablet, ROLE.admin))
    const removal = act(base, owner, rekey(base, [phone]))
    const further = act(apply(base, addition), tablet, add(watch))
    const state = apply(base, addition, further, removal)
    assert.deepStrictEqual(view(state), view(apply(base, removal, addition, further)))
    assert.deepStrictEqual([phone, tablet, watch].map((device) => roleOf(state, device)), ["removed", "none", "none"])
    assert.strictEqual(state.roster.voided.size, 2)
    const known = apply(base, addition)
    const kept = apply(known, act(known, owner, rekey(known, [phone])))
    assert.strictEqual(roleOf(kept, tablet), ROLE.admin)
  })

  it("let nobody backdate an operation past its removal", () => {
    // The thief of a removed device signs an operation that names only what was there before the removal.
    const removed = run(base, owner, rekey(base, [phone]))
    const backdated = act(base, phone, add(tablet, ROLE.admin))
    assert.strictEqual(roleOf(apply(removed, backdated), tablet), "none")
    assert.strictEqual(refusal(removed, act(removed, phone, add(tablet))), "removed")
  })

  it("keep a removed device out", () => {
    const removed = run(base, owner, rekey(base, [phone]))
    assert.strictEqual(refusal(removed, act(removed, owner, add(phone))), "removed")
    const concurrent = act(base, laptop, add(phone, ROLE.admin))
    assert.strictEqual(roleOf(apply(removed, concurrent), phone), "removed")
  })

  it("are overridden by the recovery key", () => {
    // A thief with an administrator's device adds itself and throws the others out; the words take the space back.
    const thief = act(base, phone, rekey(base, [laptop]))
    const accomplice = act(apply(base, thief), phone, add(tablet, ROLE.admin))
    const rescue = act(base, recovery, rekey(base, [phone]))
    for (const ops of [[thief, accomplice, rescue], [rescue, thief, accomplice]]) {
      const state = apply(base, ...ops)
      assert.deepStrictEqual([phone, laptop, tablet].map((device) => roleOf(state, device)), ["removed", 3, "none"])
      assert.strictEqual(state.roster.openingsByEpoch.get(2)?.length, 1)
    }
    const back = run(apply(base, thief, accomplice, rescue), recovery, add(watch, ROLE.owner))
    assert.strictEqual(roleOf(back, watch), ROLE.owner)
  })

  const everyone = [owner, ...devices]
  const step = fc.record({
    author: fc.nat({ max: 4 }),
    target: fc.nat({ max: 5 }),
    kind: fc.constantFrom("add", "add", "add", "role", "label", "rekey", "rescue", "rescue", "merge", "merge"),
    role: fc.constantFrom(...Object.values(ROLE)),
    from: fc.nat({ max: 4 })
  })
  type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

  const operationOf = (state: State, { author, kind, role, target }: Step): MemberOp => {
    const who = everyone[author] ?? owner
    const whom = everyone[target] ?? owner
    const removed = Membership.memberOf(state, whom.id) === undefined ? [] : [whom]
    switch (kind) {
      case "role":
        return act(state, who, setRole(whom, role), NOW + target)
      case "label":
        return act(state, who, relabel(who, `by ${author}`), NOW + target)
      case "rekey":
        return act(state, who, rekey(state, removed), NOW + target)
      case "rescue":
        return act(state, recovery, rekey(state, removed), NOW + target)
      case "add":
      case "merge":
        return act(state, who, add(whom, role), NOW + target)
    }
  }

  /** Five devices, each with its own copy of the log: they act on what they know, and merge now and then. */
  const live = (steps: ReadonlyArray<Step>): ReadonlyArray<MemberOp> => {
    const copies = Array.from({ length: 5 }, () => base)
    const all = new Map<string, MemberOp>(base.graph.records.map(({ hex, op }) => [hex, op]))
    for (const next of steps) {
      const state = copies[next.author] ?? base
      if (next.kind === "merge") {
        copies[next.author] = applyInAnyOrder([...Membership.log(state), ...Membership.log(copies[next.from] ?? base)])
        continue
      }
      const op = operationOf(state, next)
      const applied = Membership.apply(crypto, state, op)
      if (Result.isFailure(applied)) continue
      copies[next.author] = applied.success
      all.set(Bytes.toHex(Membership.opHash(crypto, 1, start.spaceId, op)), op)
    }
    return [...all.values()]
  }

  it("come to the same whatever the order", { timeout: 60_000 }, () => {
    const seen = { forks: 0, voided: 0, removed: 0, contested: 0 }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 16 }), fc.infiniteStream(fc.nat({ max: 1_000_000 })), (steps, noise) => {
        const ops = live(steps)
        const whole = applyInAnyOrder(ops)
        if (whole.graph.heads.length > 1) seen.forks++
        if (whole.roster.voided.size > 0) seen.voided++
        if ([...whole.roster.memberByHex.values()].some(({ removed }) => removed !== null)) seen.removed++
        if (Membership.isContested(whole)) seen.contested++
        for (let round = 0; round < 3; round++) {
          const shuffled = ops.map((op) => ({ op, rank: noise.next().value })).sort((a, b) => a.rank - b.rank)
          const state = applyInAnyOrder(shuffled.map(({ op }) => op))
          assert.deepStrictEqual(view(state), view(whole))
          assert.deepStrictEqual(view(applyInAnyOrder(Membership.log(state))), view(whole))
        }
      }),
      { numRuns: 250 }
    )
    // What the property is about did happen.
    for (const count of Object.values(seen)) assert.isAbove(count, 5)
  })
})
