import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { type Cutoff, type KeyWrap, type MemberOp, ROLE } from "@sotto/schema/Space"
import * as Device from "../../src/Device.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import * as Secret from "../../src/Secret.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import { NO_HASH, write } from "../kit/pen.ts"
import { expectFailure, expectSuccess, join, makeSpace, NOW, type Seat } from "../kit/seededSpace.ts"

const { crypto, ...creator } = makeSpace("rekey")
const first = join(crypto, creator, "admin", ROLE.admin)
const second = join(crypto, first.host, "writer")
const third = join(crypto, second.host, "lost phone")
const host = third.host
/** Every device, as it stands when all have heard of all. */
const seats = [first, second, third].map(({ guest }) => ({ identity: guest.identity, state: host.state }))
const [admin, writer, lost] = seats
assert.isDefined(admin)
assert.isDefined(writer)
assert.isDefined(lost)

const prepare = (seat: Seat, removed: ReadonlyArray<Seat>, cutoffs: ReadonlyArray<Cutoff> = []) => {
  const prepared = Rekey.prepare({
    crypto,
    state: seat.state,
    signer: Membership.deviceSigner(crypto, seat.identity),
    removed: removed.map(({ identity }) => identity.id),
    cutoffs,
    nowMillis: NOW
  })
  assert.isDefined(prepared)
  return prepared
}

const unwrap = ({ identity, state }: Seat, op: MemberOp, wrapping = [identity.wrapping]) =>
  Rekey.unwrap(crypto, state, { op, device: identity.id, wrapping })

/** What a device does with a Rekey that it receives. */
const take = (seat: Seat, op: MemberOp): Seat => {
  const unwrapped = unwrap(seat, op)
  assert.isDefined(unwrapped)
  const applied = expectSuccess(SpaceState.applyOp(crypto, seat.state, op))
  const state = SpaceState.withEpoch(crypto, applied, unwrapped.secret, unwrapped.adminSeed)
  assert.isDefined(state)
  return { ...seat, state }
}

const wrapsOf = (op: MemberOp): ReadonlyArray<KeyWrap> =>
  op.body.action._tag === "Rekey" ? op.body.action.wraps : assert.fail("not a Rekey")

describe("opening the next epoch", () => {
  it("gives everyone who remains the same key, and the removed device nothing", () => {
    const prepared = prepare(host, [lost])
    for (const seat of [host, admin, writer]) {
      const after = take(seat, prepared.op)
      const current = SpaceState.currentEpoch(after.state)
      assert.strictEqual(current.epoch, 2)
      assert.deepStrictEqual(Secret.reveal(current.secret), prepared.secret.key)
    }
    assert.isUndefined(unwrap(lost, prepared.op))
    assert.deepStrictEqual(prepared.skipped, [])
  })

  it("gives administrators, and nobody else, the administrators' seed", () => {
    const { adminSeed, op } = prepare(host, [lost])
    assert.deepStrictEqual(unwrap(host, op)?.adminSeed, adminSeed)
    assert.deepStrictEqual(unwrap(admin, op)?.adminSeed, adminSeed)
    assert.isUndefined(unwrap(writer, op)?.adminSeed)
    assert.strictEqual(take(admin, op).state.admin?.epoch, 2)
    assert.strictEqual(take(writer, op).state.admin?.epoch, 1)
  })

  it("shuts the removed device out of what is written from then on", () => {
    const { op } = prepare(host, [lost])
    const after = take(host, op)
    const { bytes } = write(crypto, after.state, host.identity, { seq: 1, prev: NO_HASH })
    expectSuccess(Sealing.open(crypto, take(writer, op).state, bytes))
    const told = expectSuccess(SpaceState.applyOp(crypto, lost.state, op))
    assert.strictEqual(expectFailure(Sealing.open(crypto, told, bytes)).reason, "epoch-unknown")
    const old = write(crypto, host.state, host.identity, { seq: 1, prev: NO_HASH }).bytes
    expectSuccess(Sealing.open(crypto, after.state, old))
  })

  it("tells its number of members by a power of two only, and their order not at all", () => {
    for (const removed of [[], [lost], [lost, writer]]) {
      const wraps = wrapsOf(prepare(host, removed).op)
      assert.strictEqual(wraps.length, 4)
      const tags = wraps.map(({ tag }) => Bytes.toHex(tag))
      assert.deepStrictEqual(tags, [...tags].sort())
      assert.strictEqual(new Set(tags).size, 4)
    }
  })

  it("refuses a key that is not the one committed to", () => {
    const { op } = prepare(host, [lost])
    const applied = expectSuccess(SpaceState.applyOp(crypto, host.state, op))
    const forged = { epoch: prepare(host, [lost]).secret.epoch, key: new Uint8Array(32).fill(1) }
    assert.isUndefined(SpaceState.withEpoch(crypto, applied, forged))
    assert.isUndefined(SpaceState.withEpoch(crypto, host.state, prepare(host, [lost]).secret))
  })

  it("notices a wrap that was changed or belongs to another operation", () => {
    const one = prepare(host, [lost])
    const two = prepare(host, [lost])
    const withWraps = (wraps: ReadonlyArray<KeyWrap>): MemberOp => {
      const { body, signature } = one.op
      return body.action._tag === "Rekey"
        ? { body: { ...body, action: { ...body.action, wraps } }, signature }
        : assert.fail("not a Rekey")
    }
    assert.isUndefined(unwrap(writer, withWraps(wrapsOf(two.op))))
    const broken = wrapsOf(one.op).map((wrap) => ({ ...wrap, sealed: wrap.sealed.map((byte) => byte ^ 1) }))
    assert.isUndefined(unwrap(writer, withWraps(broken)))
    assert.isDefined(unwrap(writer, withWraps(wrapsOf(one.op))))
  })

  it("opens with a wrapping key that was replaced meanwhile, as long as the device kept it", () => {
    const { op } = prepare(host, [lost])
    const rotated = Device.rewrap(crypto, writer.identity, { seed: crypto.random(32), nowMillis: NOW })
    const seat = { ...writer, identity: rotated }
    assert.isUndefined(unwrap(seat, op))
    assert.isDefined(unwrap(seat, op, [rotated.wrapping, writer.identity.wrapping]))
  })

  it("publishes its author's next wrapping key, to which the epoch after is wrapped", () => {
    const { op, wrappingSeed } = prepare(host, [lost])
    const after = take(host, op)
    const next = prepare({ ...after, identity: host.identity }, [])
    const rewrapped = Device.rewrap(crypto, host.identity, { seed: wrappingSeed, nowMillis: NOW })
    assert.isUndefined(unwrap(after, next.op))
    assert.isDefined(unwrap({ ...after, identity: rewrapped }, next.op))
  })

  it("can't be prepared without the current epoch's key", () => {
    const { op } = prepare(host, [lost])
    const told = expectSuccess(SpaceState.applyOp(crypto, admin.state, op))
    const signer = Membership.deviceSigner(crypto, admin.identity)
    assert.isUndefined(
      Rekey.prepare({ crypto, state: told, signer, removed: [], cutoffs: [], nowMillis: NOW })
    )
  })
})

describe("two that open the same epoch", () => {
  it("keep both keys, seal under the one that holds, and come together in the next", () => {
    const one = prepare(host, [lost])
    const two = prepare(admin, [lost, writer])
    const both = [one.op, two.op].reduce((seat, op) => take(seat, op), host)
    const reversed = [two.op, one.op].reduce((seat, op) => take(seat, op), admin)
    for (const { state } of [both, reversed]) {
      // The larger removal holds.
      assert.deepStrictEqual(Secret.reveal(SpaceState.currentEpoch(state).secret), two.secret.key)
      assert.deepStrictEqual(state.rivals.get(2)?.map(({ secret }) => Secret.reveal(secret)), [one.secret.key])
      assert.isTrue(Membership.isContested(state.membership))
    }
    const alone = take(host, one.op)
    const { bytes } = write(crypto, alone.state, host.identity, { seq: 1, prev: NO_HASH })
    expectSuccess(Sealing.open(crypto, both.state, bytes))
    assert.strictEqual(expectFailure(Sealing.open(crypto, take(admin, two.op).state, bytes)).reason, "commitment")
    const merged = prepare(both, [])
    assert.strictEqual(merged.secret.epoch, 3)
    const rewrapped = Device.rewrap(crypto, admin.identity, { seed: two.wrappingSeed, nowMillis: NOW })
    const healed = take({ ...reversed, identity: rewrapped }, merged.op)
    assert.isFalse(Membership.isContested(healed.state.membership))
    assert.deepStrictEqual(Secret.reveal(SpaceState.currentEpoch(healed.state).secret), merged.secret.key)
  })
})
