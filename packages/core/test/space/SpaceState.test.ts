import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@sotto/schema/Bytes"
import { Epoch } from "@sotto/schema/Id"
import { type WelcomeBody, welcomeBodyCodec } from "@sotto/schema/Pairing"
import { ROLE } from "@sotto/schema/Space"
import { inspect } from "node:util"
import * as Device from "../../src/Device.ts"
import * as Secret from "../../src/Secret.ts"
import * as Genesis from "../../src/space/Genesis.ts"
import * as Membership from "../../src/space/Membership.ts"
import * as Rekey from "../../src/space/Rekey.ts"
import * as SpaceState from "../../src/space/SpaceState.ts"
import { expectFailure, expectSuccess, invite, join, makeSpace, NOW } from "../kit/seededSpace.ts"

const space = makeSpace("space state")
const { crypto } = space
const { guest, host } = join(crypto, space, "laptop", ROLE.admin)

const welcome = (more: Partial<WelcomeBody> = {}): WelcomeBody => ({
  ...SpaceState.toWelcome(crypto, host.state, { relays: [], admin: true }),
  ...more
})

const reason = (body: WelcomeBody, device = guest.identity.id) =>
  expectFailure(SpaceState.fromWelcome(crypto, body, { device })).reason

/** Everything that two states of one space must agree on. */
const view = (state: SpaceState.SpaceState) => ({
  spaceId: state.spaceId,
  spaceRoot: Secret.reveal(state.keys.spaceRoot),
  epochs: [...state.epochs].map(([epoch, keys]) => [epoch, Secret.reveal(keys.secret), keys.commit]),
  rivals: [...state.rivals].map(([epoch, keys]) => [epoch, keys.map(({ secret }) => Secret.reveal(secret))]),
  admin: state.admin === undefined ? undefined : [state.admin.epoch, Secret.reveal(state.admin.secret)],
  logHead: Membership.logHead(crypto, state.membership),
  lane: state.keys.laneOf("notes")
})

describe("a device", () => {
  it("is stored and read back, and named by its signing key alone", () => {
    const identity = Device.generate({ crypto, label: "phone", nowMillis: NOW })
    const decoded = expectSuccess(Device.decode(crypto, Device.encode(identity)))
    assert.deepStrictEqual(Device.encode(decoded), Device.encode(identity))
    assert.deepStrictEqual(decoded.id, identity.id)
    assert.isTrue(Device.verifyCertificate(crypto, identity.certificate))
    const renamed = Device.relabel(crypto, identity, { label: "pocket", nowMillis: NOW + 1 })
    assert.deepStrictEqual(renamed.id, identity.id)
    assert.isTrue(Device.verifyCertificate(crypto, renamed.certificate))
    assert.isFalse(
      Device.verifyCertificate(crypto, { ...renamed.certificate, signature: identity.certificate.signature })
    )
  })

  it("is refused when what was stored does not belong together", () => {
    const identity = Device.generate({ crypto, label: "phone", nowMillis: NOW })
    const other = Device.generate({ crypto, label: "other", nowMillis: NOW })
    const why = (bytes: Uint8Array) => expectFailure(Device.decode(crypto, bytes)).reason
    assert.strictEqual(why(Device.encode({ ...identity, signing: other.signing })), "keys")
    assert.strictEqual(why(Device.encode({ ...identity, wrapping: other.wrapping })), "keys")
    assert.strictEqual(why(Device.encode({ ...identity, noiseX25519: other.noiseX25519 })), "keys")
    assert.strictEqual(why(Device.encode({ ...identity, noiseMlKem: other.noiseMlKem })), "keys")
    const { body } = identity.certificate
    const relabelled = { ...identity.certificate, body: { ...body, label: "x" } }
    assert.strictEqual(why(Device.encode({ ...identity, certificate: relabelled })), "certificate")
    assert.strictEqual(why(Device.encode(identity).slice(1)), "codec")
  })

  it("shows no secret when it is printed", () => {
    const identity = Device.generate({ crypto, label: "phone", nowMillis: NOW })
    const seed = Secret.reveal(identity.signing)
    const printed = `${JSON.stringify(identity)} ${inspect(identity)}`
    assert.notInclude(printed, Bytes.toHex(seed))
    assert.notInclude(printed, [...seed].join(","))
  })
})

describe("a genesis", () => {
  const { genesis } = space.state

  it("names the space, and reads back", () => {
    assert.deepStrictEqual(expectSuccess(Genesis.verify(crypto, genesis)), space.state.spaceId)
    const created = Genesis.create({
      crypto,
      creator: space.identity,
      policy: genesis.body.policy,
      recovery: genesis.body.recovery,
      random: genesis.body.random
    })
    assert.deepStrictEqual(created.spaceId, space.state.spaceId)
    assert.deepStrictEqual(expectSuccess(Genesis.decode(crypto, created.bytes)).spaceId, space.state.spaceId)
  })

  it("is refused when anything in it was changed", () => {
    const { body, signature } = genesis
    const why = (changed: typeof genesis) => expectFailure(Genesis.verify(crypto, changed)).reason
    assert.strictEqual(why({ body: { ...body, random: new Uint8Array(32) }, signature }), "signature")
    assert.strictEqual(why({ body: { ...body, policy: { lanes: 1, history: 1 } }, signature }), "signature")
    assert.strictEqual(why({ body: { ...body, suite: 2 }, signature }), "suite")
    const creator = { ...body.creator, body: { ...body.creator.body, label: "someone" } }
    assert.strictEqual(why({ body: { ...body, creator }, signature }), "certificate")
    assert.strictEqual(expectFailure(Genesis.decode(crypto, new Uint8Array(9))).reason, "codec")
  })
})

describe("a welcome", () => {
  it("makes the new device know what the others know", () => {
    const state = expectSuccess(SpaceState.fromWelcome(crypto, welcome(), {
      device: guest.identity.id,
      expected: space.state.spaceId
    }))
    assert.deepStrictEqual(view(state), view(host.state))
    assert.deepStrictEqual(
      welcomeBodyCodec.encode(SpaceState.toWelcome(crypto, state, { relays: [], admin: true })),
      welcomeBodyCodec.encode(welcome())
    )
  })

  it("gives the administrators' key to administrators alone", () => {
    const body = SpaceState.toWelcome(crypto, host.state, { relays: [], admin: false })
    assert.isNull(body.admin)
    assert.isUndefined(expectSuccess(SpaceState.fromWelcome(crypto, body, { device: guest.identity.id })).admin)
  })

  it("is refused when anything in it does not fit", () => {
    const elsewhere = makeSpace("space state elsewhere").state
    assert.strictEqual(
      expectFailure(
        SpaceState.fromWelcome(crypto, welcome(), { device: guest.identity.id, expected: elsewhere.spaceId })
      ).reason,
      "space"
    )
    const genesis = { ...host.state.genesis, body: { ...host.state.genesis.body, random: new Uint8Array(32) } }
    assert.strictEqual(reason(welcome({ genesis })), "genesis")
    assert.strictEqual(reason(welcome({ genesis: elsewhere.genesis })), "log")
    assert.strictEqual(reason(welcome({ log: [] })), "log-head")
    assert.strictEqual(
      reason(welcome({ log: [], logHead: Membership.logHead(crypto, space.state.membership) })),
      "not-member"
    )
    const { op } = invite(crypto, host, "not in this log")
    assert.strictEqual(reason(welcome({ log: [...welcome().log, op] })), "log-head")
    assert.strictEqual(reason(welcome({ epochs: [] })), "epochs")
    const second = { epoch: Epoch.make(2), key: new Uint8Array(32) }
    assert.strictEqual(reason(welcome({ epochs: [...welcome().epochs, second] })), "epochs")
  })

  const rekeyed = () => {
    const signer = Membership.deviceSigner(crypto, host.identity)
    const prepared = Rekey.prepare({ crypto, state: host.state, signer, removed: [], cutoffs: [], nowMillis: NOW })
    assert.isDefined(prepared)
    const applied = expectSuccess(SpaceState.applyOp(crypto, host.state, prepared.op))
    const state = SpaceState.withEpoch(crypto, applied, prepared.secret, prepared.adminSeed)
    assert.isDefined(state)
    return { prepared, state }
  }

  it("carries old epochs where the policy gives new members its history, and not where it does not", () => {
    const { state } = rekeyed()
    const body = SpaceState.toWelcome(crypto, state, { relays: [], admin: false })
    assert.deepStrictEqual(body.epochs.map(({ epoch }) => epoch), [1, 2])
    const closed = {
      ...state,
      genesis: { ...state.genesis, body: { ...state.genesis.body, policy: { lanes: 0, history: 0 } as const } }
    }
    const shorter = SpaceState.toWelcome(crypto, closed, { relays: [], admin: false })
    assert.deepStrictEqual(shorter.epochs.map(({ epoch }) => epoch), [2])
    const joined = expectSuccess(
      SpaceState.fromWelcome(crypto, { ...body, epochs: shorter.epochs }, { device: guest.identity.id })
    )
    assert.deepStrictEqual([...joined.epochs.keys()], [2])
  })

  it("is refused with a key that the log did not commit to, or without the current one", () => {
    const { prepared, state } = rekeyed()
    const body = SpaceState.toWelcome(crypto, state, { relays: [], admin: true })
    const [one, two] = body.epochs
    assert.isDefined(one)
    assert.isDefined(two)
    assert.strictEqual(reason({ ...body, epochs: [one, { ...two, key: new Uint8Array(32).fill(1) }] }), "epochs")
    assert.strictEqual(reason({ ...body, epochs: [one] }), "epochs")
    assert.deepStrictEqual(two.key, prepared.secret.key)
  })

  it("survives the store with all its epochs and rivals", () => {
    const { state } = rekeyed()
    for (const each of [space.state, host.state, guest.state, state]) {
      const restored = expectSuccess(SpaceState.decode(crypto, SpaceState.encode(each)))
      assert.deepStrictEqual(view(restored), view(each))
      assert.deepStrictEqual(SpaceState.encode(restored), SpaceState.encode(each))
    }
    const bytes = SpaceState.encode(state)
    assert.strictEqual(expectFailure(SpaceState.decode(crypto, bytes.slice(0, -1))).reason, "codec")
    const later = bytes.slice()
    later[1] = 2
    assert.strictEqual(expectFailure(SpaceState.decode(crypto, later)).reason, "version")
  })
})
