import { assert, describe, it } from "@effect/vitest"
import { Limit } from "@sotto/schema/Limit"
import { ROLE } from "@sotto/schema/Space"
import * as Device from "../../src/Device.ts"
import * as Presence from "../../src/log/Presence.ts"
import * as Sealing from "../../src/log/Sealing.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import { NO_HASH, write } from "../kit/pen.ts"
import { expectFailure, expectSuccess, join, makeSpace, NOW, textBytes } from "../kit/seededSpace.ts"

const space = makeSpace("presence")
const { crypto } = space
const { guest, host } = join(crypto, space, "reader", ROLE.read)
const hlc = { millis: NOW, counter: 3 }

const seal = (author = guest.identity, body = textBytes("typing"), at = hlc) =>
  Presence.seal(crypto, guest.state, { author, hlc: at, body })

const open = (bytes: Uint8Array, state = host.state, nowMillis = NOW) =>
  Presence.open(crypto, state, { bytes, nowMillis })
const reason = (bytes: Uint8Array, state = host.state) => expectFailure(open(bytes, state)).reason

describe("presence", () => {
  it("reaches the other members, from readers too", () => {
    const { body, device, hlc: at } = expectSuccess(open(seal()))
    assert.deepStrictEqual({ body, device, at }, { body: textBytes("typing"), device: guest.identity.id, at: hlc })
  })

  it("fits its limit at its longest, and no more", () => {
    const longest = seal(guest.identity, new Uint8Array(Presence.PRESENCE_BODY_BYTES_MAX), {
      millis: 0xffff_ffff_ffff,
      counter: 0xffff
    })
    assert.isAtMost(longest.length, Limit.presenceBytesMax)
    assert.throws(() => seal(guest.identity, new Uint8Array(Presence.PRESENCE_BODY_BYTES_MAX + 1)), RangeError)
  })

  it("is refused from strangers, forgers and removed devices", () => {
    const stranger = Device.generate({ crypto, label: "stranger", nowMillis: NOW })
    assert.strictEqual(reason(seal(stranger)), "author-unknown")
    const forger = { ...guest.identity, id: host.identity.id }
    assert.strictEqual(reason(seal(forger)), "signature")
    const signer = Membership.deviceSigner(crypto, host.identity)
    const removed = [guest.identity.id]
    const prepared = Rekey.prepare({ crypto, state: host.state, signer, removed, cutoffs: [], nowMillis: NOW })
    assert.isDefined(prepared)
    assert.strictEqual(reason(seal(), expectSuccess(SpaceState.applyOp(crypto, host.state, prepared.op))), "cutoff")
  })

  it("is refused when it is dated ahead, changed, or of another space or kind", () => {
    const ahead = { millis: NOW + Limit.clockAheadMillisMax + 1, counter: 0 }
    assert.strictEqual(reason(seal(guest.identity, textBytes("x"), ahead)), "clock")
    expectSuccess(open(seal(guest.identity, textBytes("x"), ahead), host.state, NOW + 1))
    const bytes = seal()
    for (let at = 0; at < bytes.length; at++) {
      expectFailure(open(bytes.map((byte, i) => i === at ? byte ^ 1 : byte)))
    }
    assert.strictEqual(reason(bytes, makeSpace("presence elsewhere").state), "commitment")
    const entry = write(crypto, host.state, host.identity, { seq: 1, prev: NO_HASH }).bytes
    assert.strictEqual(reason(entry), "kind")
    assert.strictEqual(expectFailure(Sealing.open(crypto, host.state, bytes)).reason, "kind")
  })
})
