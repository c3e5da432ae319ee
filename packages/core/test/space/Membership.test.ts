import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch } from "@sotto/schema/Id"
import { type MemberAction, ROLE } from "@sotto/schema/Space"
import * as Device from "../../src/Device.ts"
import { wrapCount } from "../../src/space/Authority.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Roster from "../../src/space/Roster.ts"
import {
  act,
  add,
  apply,
  car,
  crypto,
  laptop,
  owner,
  phone,
  refusal,
  rekey,
  relabel,
  roleOf,
  run,
  setRole,
  space,
  start,
  type State,
  tablet,
  view,
  watch
} from "../kit/memberBook.ts"
import { expectFailure, makeSpace, NOW } from "../kit/seededSpace.ts"

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
    assert.deepStrictEqual([1, 4, 5, 8, 9, 100].map(wrapCount), [4, 4, 8, 8, 16, 128])
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
