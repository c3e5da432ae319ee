/**
 * The front door for Effect users: a device's directory (a `Store`, and a `Keystore` for its secrets) and the running
 * `Client` of its space. The promise-based door of each runtime is a thin cover of this one.
 *
 * A directory goes through three states, each durable before the next begins: empty; a device (`device`); a device in a
 * space, by `create` for the first one and by `join` for one that another let in. `open` runs it from there.
 */
import { type RelayKey, SigningKey } from "@sotto/schema/Id"
import type { RelayAddress, WelcomeBody } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import type { SpacePolicy } from "@sotto/schema/Space"
import { SUITE_DEFAULT } from "@sotto/schema/Suite"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Client from "./Client.ts"
import type { QuarantineFull } from "./ClientError.ts"
import { Crypto, type EntropyUnavailable } from "./Crypto.ts"
import { checkLabel, type DeviceIdentity, generate, type IdentityDamaged, type LabelRefused } from "./Device.ts"
import * as Entropy from "./internal/entropy.ts"
import { Keystore, type KeystoreFailed } from "./Keystore.ts"
import * as Directory from "./log/Directory.ts"
import * as Verify from "./log/Verify.ts"
import * as Secret from "./Secret.ts"
import { makeRecovery } from "./space/Keys.ts"
import * as SpaceState from "./space/SpaceState.ts"
import { Store, type StoreFailed } from "./Store.ts"
import type { Transport } from "./Transport.ts"

/** The directory is not in the state that was asked for. */
export class WrongDirectory extends Schema.TaggedError<WrongDirectory>()("WrongDirectory", {
  reason: Schema.Literals(["no-device", "no-space", "in-space"])
}) {
  override get message() {
    const what = {
      "no-device":
        "This directory has no device yet, and nothing was changed. Create one, or pair with a device that you have.",
      "no-space":
        "This device is in no space yet, and nothing was changed. Create one, or pair with a device that is in one.",
      "in-space": "This device is in a space already. Nothing was changed; use another directory for another space."
    }[this.reason]
    return what
  }
}

type Directories = Store | Keystore | Crypto
type DirectoryFailed = StoreFailed | KeystoreFailed | IdentityDamaged

const parts: Effect.Effect<Directory.Parts, never, Directories> = Effect.gen(function*() {
  return { crypto: yield* Crypto, store: yield* Store, keystore: yield* Keystore }
})

/** What a directory holds: nothing, a device, or a device in a space. */
export const stateOf: Effect.Effect<"empty" | "device" | "space", DirectoryFailed, Directories> = Effect.gen(
  function*() {
    const directory = yield* parts
    if ((yield* Directory.readIdentity(directory)) === undefined) return "empty"
    return (yield* Directory.hasSpace(directory)) ? "space" : "device"
  }
)

/** The directory's device; a new one, made durable, when it has none. `label` is what people call it. */
export const device: (options: {
  readonly label: string
}) => Effect.Effect<DeviceIdentity, DirectoryFailed | EntropyUnavailable | LabelRefused, Directories> = Effect.fn(
  "Sotto.device"
)(
  function*({ label }) {
    const directory = yield* parts
    const known = yield* Directory.readIdentity(directory)
    if (known !== undefined) return known
    yield* Effect.fromResult(checkLabel(label))
    const nowMillis = yield* Clock.currentTimeMillis
    const identity = yield* Entropy.attempt(() => generate({ crypto: directory.crypto, label, nowMillis }))
    yield* directory.store.commit([yield* Directory.identityWrite(directory, identity)])
    return identity
  }
)

export interface CreateOptions {
  readonly label: string
  readonly relays: ReadonlyArray<RelayAddress>
  /** Lanes visible and full history unless given. */
  readonly policy?: SpacePolicy
  /** What the relays are asked to keep: everything until it is pruned, unless given. */
  readonly retention?: Retention
  /** For relays that admit by token. */
  readonly token?: string
}

/** What a new space comes with. */
export interface Created {
  readonly identity: DeviceIdentity
  /** 32 bytes, kept nowhere: to be shown as words once, and written down by its owner. */
  readonly recovery: Secret.Secret
}

const POLICY_DEFAULT: SpacePolicy = { lanes: 0, history: 1 }
const RECOVERY_BYTES = 32

/** Makes the device, if there is none, and a space with it as owner. Nothing is sent: `open` opens its routes. */
export const create: (options: CreateOptions) => Effect.Effect<
  Created,
  DirectoryFailed | EntropyUnavailable | LabelRefused | WrongDirectory,
  Directories
> = Effect.fn("Sotto.create")(function*(options) {
  const directory = yield* parts
  const { crypto } = directory
  const identity = yield* device(options)
  if (yield* Directory.hasSpace(directory)) return yield* new WrongDirectory({ reason: "in-space" })
  const secret = yield* Entropy.attempt(() => crypto.random(RECOVERY_BYTES))
  const keys = makeRecovery({ crypto, suite: SUITE_DEFAULT, secret })
  const state = yield* Entropy.attempt(() =>
    SpaceState.create({
      crypto,
      creator: identity,
      policy: options.policy ?? POLICY_DEFAULT,
      recovery: (random) => SigningKey.make(keys.signing(random).publicKey)
    })
  )
  const recoveryAt = (relay: RelayKey) => SigningKey.make(keys.capability(state.spaceId, relay).publicKey)
  const relays = options.relays.map((address) =>
    Directory.freshRelay(address, {
      token: options.token ?? null,
      retention: options.retention ?? Directory.RETENTION_DEFAULT,
      recovery: recoveryAt(address.key)
    })
  )
  yield* directory.store.commit([yield* Directory.stateWrite(directory, state), ...Directory.firstWrites(relays)])
  return { identity, recovery: Secret.make(secret) }
})

/** Takes a space in that the device was welcomed to; who sent the welcome was checked before, by pairing. */
export const join: (
  welcome: WelcomeBody
) => Effect.Effect<
  void,
  DirectoryFailed | EntropyUnavailable | SpaceState.WelcomeRefused | WrongDirectory,
  Directories
> = Effect.fn("Sotto.join")(function*(welcome) {
  const directory = yield* parts
  const identity = yield* Directory.readIdentity(directory)
  if (identity === undefined) return yield* new WrongDirectory({ reason: "no-device" })
  if (yield* Directory.hasSpace(directory)) return yield* new WrongDirectory({ reason: "in-space" })
  const state = yield* Effect.fromResult(
    SpaceState.fromWelcome(directory.crypto, welcome, { device: identity.id })
  )
  const relays = welcome.relays.map((address) => Directory.freshRelay(address, null))
  yield* directory.store.commit([yield* Directory.stateWrite(directory, state), ...Directory.firstWrites(relays)])
})

/** A device in a space, running. */
export class Sotto extends Context.Service<Sotto, {
  readonly identity: DeviceIdentity
  readonly client: Client.Client["Service"]
}>()("@sotto/core/Sotto") {}

export type OpenFailed = DirectoryFailed | EntropyUnavailable | QuarantineFull | WrongDirectory

/** Runs the space of a directory that is in one, until the scope closes. `quorum`: as of `Client.make`. */
export const openWith: (
  options: Client.ClientOptions
) => Effect.Effect<Sotto["Service"], OpenFailed, Directories | Transport | Scope.Scope> = Effect.fn("Sotto.open")(
  function*(options) {
    const directory = yield* parts
    const identity = yield* Directory.readIdentity(directory)
    if (identity === undefined) return yield* new WrongDirectory({ reason: "no-device" })
    if (!(yield* Directory.hasSpace(directory))) return yield* new WrongDirectory({ reason: "no-space" })
    return { identity, client: yield* Client.make(identity, options) }
  }
)

/** Runs the space of a directory that is in one, until the scope closes: one relay is enough. */
export const open: Effect.Effect<Sotto["Service"], OpenFailed, Directories | Transport | Scope.Scope> = openWith({})

/**
 * Looks everything through that the directory of a device in a space holds, and reports what does not agree. It changes
 * nothing and needs no network. Nobody else may use the directory meanwhile.
 */
export const verify = (
  options: Pick<Verify.Options, "progress"> = {}
): Effect.Effect<Verify.Report, DirectoryFailed | WrongDirectory, Directories> =>
  Effect.gen(function*() {
    const directory = yield* parts
    const identity = yield* Directory.readIdentity(directory)
    if (identity === undefined) return yield* new WrongDirectory({ reason: "no-device" })
    const state = yield* Directory.readState(directory)
    if (state === undefined) return yield* new WrongDirectory({ reason: "no-space" })
    return yield* Verify.run({ ...options, ...directory, state, device: identity.id })
  })

/**
 * Runs the space of the directory. `create`: makes the device and the space first when the directory is in none;
 * `onCreated` gets the recovery secret, this once. `quorum`: how many relays must have an entry, 1 unless given.
 */
export const layer = (options: Client.ClientOptions & {
  readonly create?: CreateOptions & { readonly onCreated: (created: Created) => Effect.Effect<void> }
} = {}): Layer.Layer<Sotto | Client.Client, OpenFailed | LabelRefused, Directories | Transport> =>
  Layer.effectContext(Effect.gen(function*() {
    const { create: first, ...how } = options
    if (first !== undefined && (yield* stateOf) !== "space") yield* first.onCreated(yield* create(first))
    const sotto = yield* openWith(how)
    return Context.make(Sotto, sotto).pipe(Context.add(Client.Client, sotto.client))
  }))
