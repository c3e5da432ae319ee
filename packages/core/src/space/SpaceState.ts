/**
 * What one device knows of one space: its genesis, members and keys (protocol.md §3, §9). Immutable; every change gives
 * a new one. `encode` is what the store keeps (sealed by whoever stores it), `toWelcome` what a new device is given.
 *
 * 1. The log verifies from the genesis on, and the genesis hashes to `spaceId`.
 * 2. Every epoch's key above the first has the commitment that stands in the operation which opened it. Where two
 *    devices opened the same epoch, keys of both are kept: `epochs` has the one that holds, `rivals` the others.
 */
import * as Bytes from "@sotto/schema/Bytes"
import * as Codec from "@sotto/schema/Codec"
import { type DeviceId, Epoch, type SigningKey, type SpaceId } from "@sotto/schema/Id"
import type { RelayAddress, WelcomeBody } from "@sotto/schema/Pairing"
import { EpochSecret, Genesis, MemberOp, type SpacePolicy } from "@sotto/schema/Space"
import { boundedArray, fixedBytes, uint } from "@sotto/schema/Wire"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Crypto } from "../Crypto.ts"
import type { DeviceIdentity } from "../Device.ts"
import * as Secret from "../Secret.ts"
import { create as createGenesis, verify as verifyGenesis } from "./Genesis.ts"
import { type AdminKeys, type EpochKeys, make as makeKeys, makeAdmin, makeEpoch, type SpaceKeys } from "./Keys.ts"
import * as Membership from "./Membership.ts"

type CryptoService = Crypto["Service"]

export interface SpaceState {
  readonly genesis: Genesis
  readonly spaceId: SpaceId
  readonly keys: SpaceKeys
  /** Keys by epoch, as far as this device was given them. */
  readonly epochs: ReadonlyMap<number, EpochKeys>
  /** Other keys of an epoch that was opened twice: they open envelopes and seal none. */
  readonly rivals: ReadonlyMap<number, ReadonlyArray<EpochKeys>>
  /** The newest of the administrators' keys that this device was given. */
  readonly admin?: AdminKeys
  readonly membership: Membership.Membership
}

/** The membership log, each operation after those that it names. */
const log = (state: SpaceState): ReadonlyArray<MemberOp> => Membership.log(state.membership)

/** The keys of the newest epoch that this device has a key of: what it seals under. */
export const currentEpoch = (state: SpaceState): EpochKeys => {
  const newest = state.epochs.get(Math.max(...state.epochs.keys()))
  if (newest === undefined) throw new RangeError("a space's state without an epoch's key")
  return newest
}

/** A new space, with its creator as owner and its first epoch's keys. `recovery` gives the key for the random bytes. */
export const create = (options: {
  readonly crypto: CryptoService
  readonly creator: DeviceIdentity
  readonly policy: SpacePolicy
  readonly recovery: (random: Uint8Array) => SigningKey
}): SpaceState => {
  const { creator, crypto, policy } = options
  const random = crypto.random(32)
  const { genesis, spaceId } = createGenesis({ crypto, creator, policy, random, recovery: options.recovery(random) })
  const suite = genesis.body.suite
  const epoch = Epoch.make(1)
  return {
    genesis,
    spaceId,
    keys: makeKeys({ crypto, suite, spaceId, spaceRoot: crypto.random(32) }),
    epochs: new Map([[1, makeEpoch({ crypto, suite, spaceId, epoch, key: crypto.random(32) })]]),
    rivals: new Map(),
    admin: makeAdmin({ crypto, suite, spaceId, epoch, seed: crypto.random(32) }),
    membership: Membership.create(crypto, genesis, spaceId)
  }
}

/** The state after one more operation of the membership log. */
export const applyOp = (
  crypto: CryptoService,
  state: SpaceState,
  op: MemberOp
): Result.Result<SpaceState, Membership.MembershipRefused> =>
  Result.map(
    Membership.apply(crypto, state.membership, op),
    (membership) => membership === state.membership ? state : settleEpochs({ ...state, membership })
  )

/** Adds the key of an epoch. One whose commitment no operation of the log carries is refused: undefined. */
export const withEpoch = (
  crypto: CryptoService,
  state: SpaceState,
  { epoch, key }: EpochSecret,
  adminSeed?: Uint8Array
): SpaceState | undefined => {
  const { suite } = state.keys
  const keys = makeEpoch({ crypto, suite, spaceId: state.spaceId, epoch, key })
  if (!isCommitted(crypto, state.membership, keys)) return undefined
  const known = allEpochs(state, epoch)
  const added = known.some(({ commit }) => Bytes.equals(commit, keys.commit))
    ? state
    : settleEpochs({ ...state, rivals: new Map(state.rivals).set(epoch, [...(state.rivals.get(epoch) ?? []), keys]) })
  return adminSeed === undefined || (state.admin !== undefined && state.admin.epoch > epoch)
    ? added
    : { ...added, admin: makeAdmin({ crypto, suite, spaceId: state.spaceId, epoch, seed: adminSeed }) }
}

/** Every key that may have sealed an envelope of this epoch; the one that holds comes first. */
export const allEpochs = (state: SpaceState, epoch: number): ReadonlyArray<EpochKeys> => {
  const first = state.epochs.get(epoch)
  const others = state.rivals.get(epoch) ?? []
  return first === undefined ? others : [first, ...others]
}

const isCommitted = (crypto: CryptoService, { roster }: Membership.Membership, keys: EpochKeys): boolean =>
  keys.epoch === 1 ||
  (roster.openingsByEpoch.get(keys.epoch) ?? []).some(({ commit }) => crypto.equal(commit, keys.commit))

/** Puts, for each epoch, the key of the operation that holds into `epochs`, and the others into `rivals`. */
const settleEpochs = (state: SpaceState): SpaceState => {
  const epochs = new Map<number, EpochKeys>()
  const rivals = new Map<number, ReadonlyArray<EpochKeys>>()
  for (const epoch of new Set([...state.epochs.keys(), ...state.rivals.keys()])) {
    const commits = (state.membership.roster.openingsByEpoch.get(epoch) ?? []).map(({ commit }) => commit)
    const rank = ({ commit }: EpochKeys) => {
      const at = commits.findIndex((other) => Bytes.equals(other, commit))
      return at < 0 ? commits.length : at
    }
    const [first, ...others] = [...allEpochs(state, epoch)].sort((a, b) => rank(a) - rank(b))
    if (first !== undefined) epochs.set(epoch, first)
    if (others.length > 0) rivals.set(epoch, others)
  }
  return { ...state, epochs, rivals }
}

// -- welcome -----------------------------------------------------------------------------------------------------------

/** What a welcome held does not make a space that this device belongs to. */
export class WelcomeRefused extends Schema.TaggedError<WelcomeRefused>()("WelcomeRefused", {
  reason: Schema.Literals(["genesis", "space", "log", "log-head", "not-member", "epochs", "codec", "version"])
}) {
  override get message() {
    return `The space that was handed over does not verify (${this.reason}). Nothing was joined and nothing was kept; ` +
      "start again, with the device that you meant to pair with."
  }
}

const refuse = (reason: WelcomeRefused["reason"]) => Result.fail(new WelcomeRefused({ reason }))

/** What a new member is given. Whether it gets old epochs is the space's policy; administrators' keys go to them alone. */
export const toWelcome = (crypto: CryptoService, state: SpaceState, options: {
  readonly relays: ReadonlyArray<RelayAddress>
  readonly admin: boolean
}): WelcomeBody => {
  const current = currentEpoch(state).epoch
  const withHistory = state.genesis.body.policy.history === 1
  return {
    genesis: state.genesis,
    log: log(state),
    spaceRoot: Secret.reveal(state.keys.spaceRoot),
    epochs: secretsOf(state).filter(({ epoch }) => withHistory || epoch === current),
    admin: options.admin && state.admin !== undefined ? Secret.reveal(state.admin.secret) : null,
    relays: options.relays,
    logHead: Membership.logHead(crypto, state.membership)
  }
}

const secretsOf = (state: SpaceState): Array<EpochSecret> =>
  [...state.epochs.keys()].sort((a, b) => a - b).flatMap((epoch) =>
    allEpochs(state, epoch).map((keys) => ({ epoch: keys.epoch, key: Secret.reveal(keys.secret) }))
  )

/**
 * The state that a welcome makes, for the device that received it; `expected` is the space's id when it is known from
 * elsewhere. Who sent it was checked before: its signature is not part of the body.
 */
export const fromWelcome = (crypto: CryptoService, body: WelcomeBody, options: {
  readonly device: DeviceId
  readonly expected?: SpaceId
}): Result.Result<SpaceState, WelcomeRefused> => {
  const state = rebuild(crypto, body)
  if (Result.isFailure(state)) return state
  const { membership, spaceId } = state.success
  if (options.expected !== undefined && !Bytes.equals(options.expected, spaceId)) return refuse("space")
  if (!Bytes.equals(Membership.logHead(crypto, membership), body.logHead)) return refuse("log-head")
  if (!Membership.hasRole(membership, options.device, 0)) return refuse("not-member")
  return state.success.epochs.has(membership.roster.epoch) ? state : refuse("epochs")
}

type Parts = Pick<WelcomeBody, "genesis" | "log" | "spaceRoot" | "epochs" | "admin">

const rebuild = (crypto: CryptoService, parts: Parts): Result.Result<SpaceState, WelcomeRefused> => {
  const { genesis } = parts
  const verified = verifyGenesis(crypto, genesis)
  if (Result.isFailure(verified)) return refuse("genesis")
  const spaceId = verified.success
  const folded = Membership.applyAll(crypto, Membership.create(crypto, genesis, spaceId), parts.log)
  if (Result.isFailure(folded)) return refuse("log")
  let state: SpaceState = {
    genesis,
    spaceId,
    keys: makeKeys({ crypto, suite: genesis.body.suite, spaceId, spaceRoot: parts.spaceRoot.slice() }),
    epochs: new Map(),
    rivals: new Map(),
    membership: folded.success
  }
  const newest = parts.epochs.reduce((most, { epoch }) => Math.max(most, epoch), 0)
  for (const secret of parts.epochs) {
    const seed = secret.epoch === newest && parts.admin !== null ? parts.admin : undefined
    const next = withEpoch(crypto, state, secret, seed)
    if (next === undefined) return refuse("epochs")
    state = next
  }
  return state.epochs.size === 0 ? refuse("epochs") : Result.succeed(state)
}

// -- store -------------------------------------------------------------------------------------------------------------

const STORED_VERSION = 1
const STORED_OPS_MAX = 65_536
const STORED_EPOCHS_MAX = 65_536

const Stored = Schema.Struct({
  version: uint(255),
  genesis: Genesis,
  log: boundedArray(MemberOp, STORED_OPS_MAX),
  spaceRoot: fixedBytes(32),
  epochs: boundedArray(EpochSecret, STORED_EPOCHS_MAX),
  admin: Schema.NullOr(EpochSecret)
})
const storedCodec = Codec.make(Stored, "SpaceState")

/** The state as bytes, secrets in the open: whoever stores them seals them first. */
export const encode = (state: SpaceState): Uint8Array =>
  storedCodec.encode({
    version: STORED_VERSION,
    genesis: state.genesis,
    log: log(state),
    spaceRoot: Secret.reveal(state.keys.spaceRoot),
    epochs: secretsOf(state),
    admin: state.admin === undefined ? null : { epoch: state.admin.epoch, key: Secret.reveal(state.admin.secret) }
  })

/** The state of `encode`, verified again from its genesis on. */
export const decode = (crypto: CryptoService, bytes: Uint8Array): Result.Result<SpaceState, WelcomeRefused> => {
  const decoded = storedCodec.decode(bytes)
  if (Result.isFailure(decoded)) return refuse("codec")
  const { admin, version, ...parts } = decoded.success
  if (version !== STORED_VERSION) return refuse("version")
  return Result.map(rebuild(crypto, { ...parts, admin: null }), (state) =>
    admin === null ? state : {
      ...state,
      admin: makeAdmin({
        crypto,
        suite: state.keys.suite,
        spaceId: state.spaceId,
        epoch: admin.epoch,
        seed: admin.key
      })
    })
}
