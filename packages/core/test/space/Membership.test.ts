import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch, SigningKey } from "@sotto/schema/Id"
import { type MemberAction, type MemberOp, ROLE, type Role } from "@sotto/schema/Space"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Device from "../../src/Device.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Roster from "../../src/space/Roster.ts"
import { type CryptoService, expectFailure, expectSuccess, makeSpace, NOW } from "../kit/seededSpace.ts"

/** Signatures are checked again and again in these tests: each is worked out once. */
const remembering = (crypto: CryptoService): CryptoService => {
  const known = new Map<string, boolean>()
  const verify: CryptoService["signature"]["verify"] = (publicKey, message, signature) => {
    const key = Bytes.toHex(crypto.sha256(Bytes.concat(publicKey, signature, message)))
    const result = known.get(key) ?? crypto.signature.verify(publicKey, message, signature)
    known.set(key, result)
    return result
  }
  return { ...crypto, signature: { ...crypto.signature, verify } }
}

const space = makeSpace("membership")
const crypto = remembering(space.crypto)
const start = space.state.membership
const owner = space.identity
const devices = Array.from(
  { length: 7 },
  (_, i) => Device.generate({ crypto, label: `device ${i}`, nowMillis: NOW + i })
)
const [phone, laptop, tablet, watch, car] = devices
assert.isDefined(phone)
assert.isDefined(laptop)
assert.isDefined(tablet)
assert.isDefined(watch)
assert.isDefined(car)

const recoveryPair = space.recovery.signing(space.state.genesis.body.random)
const recovery = Membership.recoverySigner(crypto, 1, recoveryPair, SigningKey.make(recoveryPair.publicKey))

type State = Membership.Membership

const act = (
  state: State,
  author: Device.DeviceIdentity | Membership.Signer,
  action: MemberAction,
  nowMillis = NOW
): MemberOp =>
  Membership.build(crypto, state, "certificate" in author ? Membership.deviceSigner(crypto, author) : author, {
    action,
    nowMillis
  })

const add = (device: Device.DeviceIdentity, role: Role = ROLE.write): MemberAction => ({
  _tag: "AddMember",
  certificate: device.certificate,
  role
})

const setRole = (device: Device.DeviceIdentity, role: Role): MemberAction => ({
  _tag: "SetRole",
  device: device.id,
  role
})
const relabel = (device: Device.DeviceIdentity, label: string): MemberAction => ({
  _tag: "Relabel",
  device: device.id,
  label
})

/** The shape of a Rekey; what its wraps hold is the business of Rekey.test.ts. */
const rekey = (
  state: State,
  removed: ReadonlyArray<Device.DeviceIdentity>,
  more: Partial<Extract<MemberAction, { _tag: "Rekey" }>> = {}
): MemberAction => {
  const gone = new Set(removed.map(({ id }) => Bytes.toHex(id)))
  const remaining = Membership.members(state).filter(({ id }) => !gone.has(Bytes.toHex(id))).length
  return {
    _tag: "Rekey",
    removed: removed.map(({ id }) => id),
    cutoffs: [],
    epoch: Epoch.make(state.roster.epoch + 1),
    commit: new Uint8Array(32),
    wrapping: new Uint8Array(1216),
    wraps: Array.from({ length: Membership.wrapCount(remaining) }, () => ({
      tag: new Uint8Array(16),
      ciphertext: new Uint8Array(1120),
      sealed: new Uint8Array(48)
    })),
    ...more
  }
}

const apply = (state: State, ...ops: ReadonlyArray<MemberOp>): State =>
  expectSuccess(Membership.applyAll(crypto, state, ops))
const refusal = (state: State, op: MemberOp) => expectFailure(Membership.apply(crypto, state, op)).reason

const run = (
  state: State,
  author: Device.DeviceIdentity | Membership.Signer,
  action: MemberAction | ((state: State) => MemberAction)
): State => apply(state, act(state, author, typeof action === "function" ? action(state) : action))

const roleOf = (state: State, device: Device.DeviceIdentity) => {
  const member = Membership.memberOf(state, device.id)
  return member === undefined ? "none" : member.removed === null ? member.role : "removed"
}

/** All that a state says, without the order in which it came together. */
const view = (state: State) => ({
  members: [...state.roster.memberByHex].sort(([a], [b]) => a < b ? -1 : 1).map(([hex, member]) => ({
    hex,
    role: member.role,
    label: member.label,
    wrapping: Bytes.toHex(member.wrapping),
    certificate: Bytes.toHex(member.certificate.signature),
    removed: member.removed === null
      ? null
      : [...member.removed].map(([lane, { hash, seq }]) => `${lane} ${seq} ${Bytes.toHex(hash)}`).sort()
  })),
  epoch: state.roster.epoch,
  openings: [...state.roster.openingsByEpoch].sort(([a], [b]) => a - b).map(([epoch, openings]) => [
    epoch,
    ...openings.map(({ record }) => record.hex)
  ]),
  voided: [...state.roster.voided].sort(),
  heads: state.graph.heads.map(({ hex }) => hex),
  logHead: Bytes.toHex(Membership.logHead(crypto, state)),
  mayWrite: devices.map(({ id }) => [1, 2, 3].map((epoch) => Roster.mayWrite(state.roster, Bytes.toHex(id), epoch)))
})

/** Applies operations in the given order, going round again for those whose parents come later. */
const applyInAnyOrder = (ops: ReadonlyArray<MemberOp>): State => {
  let state = start
  let waiting = ops
  while (waiting.length > 0) {
    const later: Array<MemberOp> = []
    for (const op of waiting) {
      const next = Membership.apply(crypto, state, op)
      if (Result.isSuccess(next)) state = next.success
      else if (next.failure.waiting) later.push(op)
      else throw next.failure
    }
    if (later.length === waiting.length) throw new Error("operations without their parents")
    waiting = later
  }
  return state
}

describe("members", () => {
  it("begin with the creator as owner", () => {
    assert.deepStrictEqual(Membership.members(start).map(({ id }) => id), [owner.id])
    assert.isTrue(Membership.hasRole(start, owner.id, ROLE.owner))
    assert.strictEqual(Membership.log(start).length, 0)
  })

  it("are added by an owner or an administrator, with a role up to the author's own", () => {
    const state = run(run(start, owner, add(phone, ROLE.admin)), phone, add(laptop, ROLE.admin))
    assert.deepStrictEqual([owner, phone, laptop, tablet].map((device) => roleOf(state, device)), [4, 3, 3, "none"])
    assert.strictEqual(refusal(state, act(state, phone, add(tablet, ROLE.owner))), "not-authorised")
    assert.strictEqual(roleOf(run(state, owner, add(tablet, ROLE.owner)), tablet), ROLE.owner)
  })

  it("are not added by anybody else", () => {
    let state = start
    for (const [device, role] of [[phone, ROLE.write], [laptop, ROLE.read], [tablet, ROLE.carry]] as const) {
      state = run(state, owner, add(device, role))
      assert.strictEqual(refusal(state, act(state, device, add(watch))), "not-authorised")
    }
    assert.strictEqual(refusal(state, act(state, watch, add(car))), "author-unknown")
    assert.strictEqual(refusal(state, act(state, watch, add(watch))), "author-unknown")
  })

  it("come with a certificate that verifies", () => {
    const body = { ...phone.certificate.body, label: "somebody else" }
    const forged: MemberAction = { _tag: "AddMember", role: ROLE.write, certificate: { ...phone.certificate, body } }
    assert.strictEqual(refusal(start, act(start, owner, forged)), "certificate")
    const otherSuite = { ...phone.certificate.body, suite: 2 as const }
    const action: MemberAction = {
      _tag: "AddMember",
      role: ROLE.write,
      certificate: { ...phone.certificate, body: otherSuite }
    }
    assert.strictEqual(refusal(start, act(start, owner, action)), "certificate")
  })

  it("need a signature that is the author's, over this space and this operation", () => {
    const state = run(start, owner, add(phone, ROLE.admin))
    const op = act(state, owner, add(laptop))
    assert.strictEqual(refusal(state, { ...op, body: { ...op.body, author: phone.id } }), "signature")
    assert.strictEqual(refusal(state, { ...op, body: { ...op.body, createdMillis: 1 } }), "signature")
    const elsewhere = makeSpace("membership elsewhere").state.membership
    const replayed = { ...op, body: { ...op.body, parents: [] } }
    assert.strictEqual(refusal(elsewhere, replayed), "author-unknown")
  })

  it("are unchanged by an operation that is applied again", () => {
    const op = act(start, owner, add(phone))
    const state = apply(start, op)
    assert.strictEqual(apply(state, op), state)
    const more = run(state, owner, add(laptop))
    assert.strictEqual(apply(more, op), more)
    assert.strictEqual(Membership.log(more).length, 2)
  })

  it("wait for the operations that theirs names", () => {
    const state = run(start, owner, add(phone))
    const op = act(state, owner, add(laptop))
    const error = expectFailure(Membership.apply(crypto, start, op))
    assert.strictEqual(error.reason, "parents-unknown")
    assert.isTrue(error.waiting)
  })

  it("say in which epoch they speak", () => {
    const op = act(start, owner, add(phone))
    const signer = Membership.deviceSigner(crypto, owner)
    const pretended = { ...start, roster: { ...start.roster, epoch: 2 } }
    const wrong = Membership.build(crypto, pretended, signer, { action: add(phone), nowMillis: NOW })
    assert.strictEqual(refusal(start, wrong), "epoch")
    apply(start, op)
  })

  it("change their own label and certificate, and nobody else's", () => {
    let state = run(start, owner, add(phone, ROLE.read))
    state = run(state, phone, relabel(phone, "pocket"))
    assert.strictEqual(Membership.memberOf(state, phone.id)?.label, "pocket")
    assert.strictEqual(refusal(state, act(state, owner, relabel(phone, "mine"))), "not-authorised")
    const renewed = Device.rewrap(crypto, phone, { seed: new Uint8Array(32).fill(3), nowMillis: NOW + 100 })
    state = run(state, renewed, add(renewed, ROLE.read))
    assert.deepStrictEqual(Membership.memberOf(state, phone.id)?.wrapping, renewed.certificate.body.wrapping)
    assert.strictEqual(refusal(state, act(state, renewed, add(renewed, ROLE.write))), "not-authorised")
  })

  it("change roles within their rank", () => {
    let state = run(run(start, owner, add(phone, ROLE.admin)), owner, add(laptop, ROLE.write))
    assert.strictEqual(roleOf(run(state, phone, setRole(laptop, ROLE.admin)), laptop), ROLE.admin)
    assert.strictEqual(refusal(state, act(state, phone, setRole(laptop, ROLE.owner))), "not-authorised")
    assert.strictEqual(refusal(state, act(state, phone, setRole(owner, ROLE.read))), "not-authorised")
    assert.strictEqual(refusal(state, act(state, phone, add(owner, ROLE.admin))), "not-authorised")
    assert.strictEqual(refusal(state, act(state, laptop, setRole(laptop, ROLE.admin))), "not-authorised")
    assert.strictEqual(refusal(state, act(state, owner, setRole(tablet, ROLE.read))), "target-unknown")
    state = run(state, owner, setRole(phone, ROLE.write))
    assert.strictEqual(refusal(state, act(state, phone, add(tablet))), "not-authorised")
  })
})

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

  it("come to the same whatever the order", { timeout: 60_000 }, () => {
    const step = fc.record({
      author: fc.nat({ max: 4 }),
      target: fc.nat({ max: 5 }),
      kind: fc.constantFrom("add", "add", "add", "role", "label", "rekey", "merge", "merge"),
      role: fc.constantFrom(...Object.values(ROLE)),
      from: fc.nat({ max: 4 })
    })
    const everyone = [owner, ...devices]
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), fc.infiniteStream(fc.nat({ max: 1_000_000 })), (steps, noise) => {
        // Five devices, each with its own copy of the log; they act on what they know and merge now and then.
        const copies = Array.from({ length: 5 }, () => base)
        const all = new Map<string, MemberOp>(base.graph.records.map(({ hex, op }) => [hex, op]))
        for (const { author, from, kind, role, target } of steps) {
          const state = copies[author] ?? base
          const who = everyone[author] ?? owner
          const whom = everyone[target] ?? owner
          if (kind === "merge") {
            copies[author] = applyInAnyOrder([...Membership.log(state), ...Membership.log(copies[from] ?? base)])
            continue
          }
          const action = kind === "add"
            ? add(whom, role)
            : kind === "role"
            ? setRole(whom, role)
            : kind === "label"
            ? relabel(who, `by ${author}`)
            : rekey(state, Membership.memberOf(state, whom.id) === undefined ? [] : [whom])
          const op = act(state, who, action, NOW + target)
          const next = Membership.apply(crypto, state, op)
          if (Result.isFailure(next)) continue
          copies[author] = next.success
          all.set(Bytes.toHex(Membership.opHash(crypto, 1, start.spaceId, op)), op)
        }
        const ops = [...all.values()]
        const expected = view(applyInAnyOrder(ops))
        for (let round = 0; round < 3; round++) {
          const shuffled = ops.map((op) => ({ op, rank: noise.next().value })).sort((a, b) => a.rank - b.rank)
          const state = applyInAnyOrder(shuffled.map(({ op }) => op))
          assert.deepStrictEqual(view(state), expected)
          assert.deepStrictEqual(view(applyInAnyOrder(Membership.log(state))), expected)
        }
      }),
      { numRuns: 120 }
    )
  })
})

describe("removals", () => {
  const base = run(run(start, owner, add(phone, ROLE.admin)), owner, add(laptop))
  const lane = space.state.keys.laneOf("notes")
  const hash = (byte: number) =>
    Membership.opHash(crypto, 1, start.spaceId, act(base, owner, relabel(owner, `${byte}`)))

  it("are the business of administrators, and owners of owners", () => {
    assert.strictEqual(refusal(base, act(base, laptop, rekey(base, [phone]))), "not-authorised")
    assert.strictEqual(refusal(base, act(base, phone, rekey(base, [owner]))), "not-authorised")
    assert.strictEqual(refusal(base, act(base, phone, rekey(base, [phone]))), "not-authorised")
    const two = run(base, owner, add(tablet, ROLE.owner))
    assert.strictEqual(roleOf(run(two, tablet, rekey(two, [owner])), owner), "removed")
  })

  it("open the next epoch, with as many wraps as there must be", () => {
    assert.strictEqual(refusal(base, act(base, owner, rekey(base, [laptop], { epoch: Epoch.make(3) }))), "epoch")
    assert.strictEqual(refusal(base, act(base, owner, rekey(base, [laptop], { wraps: [] }))), "rekey")
    assert.strictEqual(refusal(base, act(base, owner, rekey(base, [tablet]))), "target-unknown")
    assert.strictEqual(refusal(base, act(base, owner, rekey(base, [laptop, laptop]))), "rekey")
    const cutoffs = [{ device: phone.id, lane, seq: 1, hash: hash(1) }]
    assert.strictEqual(refusal(base, act(base, owner, rekey(base, [laptop], { cutoffs }))), "rekey")
    assert.deepStrictEqual([1, 4, 5, 8, 9, 100].map(Membership.wrapCount), [4, 4, 8, 8, 16, 128])
  })

  it("end a device's lanes where its removers had seen them", () => {
    const one = act(
      base,
      owner,
      rekey(base, [laptop], { cutoffs: [{ device: laptop.id, lane, seq: 4, hash: hash(4) }] })
    )
    const two = act(
      base,
      phone,
      rekey(base, [laptop], { cutoffs: [{ device: laptop.id, lane, seq: 7, hash: hash(7) }] })
    )
    assert.isUndefined(Membership.cutoffOf(base, laptop.id, lane))
    assert.deepStrictEqual(Membership.cutoffOf(apply(base, one), laptop.id, lane), { seq: 4, hash: hash(4) })
    assert.deepStrictEqual(Membership.cutoffOf(apply(base, one, two), laptop.id, lane), { seq: 7, hash: hash(7) })
    assert.deepStrictEqual(view(apply(base, one, two)), view(apply(base, two, one)))
    assert.strictEqual(Membership.cutoffOf(apply(base, one), laptop.id, space.state.keys.laneOf("tasks"))?.seq, 0)
  })
})

describe("who may write in an epoch", () => {
  const mayWrite = (state: State, device: Device.DeviceIdentity) =>
    [1, 2, 3].map((epoch) => Roster.mayWrite(state.roster, Bytes.toHex(device.id), epoch))

  it("is who was given the role by then; losing it takes effect with the next epoch", () => {
    let state = run(run(start, owner, add(phone)), owner, add(laptop, ROLE.read))
    assert.deepStrictEqual(mayWrite(state, phone), [true, true, true])
    assert.deepStrictEqual(mayWrite(state, laptop), [false, false, false])
    assert.deepStrictEqual(mayWrite(state, tablet), [false, false, false])
    state = run(state, owner, setRole(phone, ROLE.read))
    assert.deepStrictEqual(mayWrite(state, phone), [true, true, true])
    state = run(state, owner, (now) => rekey(now, []))
    assert.deepStrictEqual(mayWrite(state, phone), [true, false, true])
    state = run(state, owner, setRole(laptop, ROLE.write))
    assert.deepStrictEqual(mayWrite(state, laptop), [false, true, true])
    state = run(state, owner, (now) => rekey(now, []))
    assert.deepStrictEqual(mayWrite(state, phone), [true, false, false])
  })
})
