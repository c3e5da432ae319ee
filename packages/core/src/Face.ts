/**
 * The promise face of a running device: for apps that do not know Effect. It adds nothing to `Client` and takes nothing
 * away: the same calls, the same order, the same errors, which arrive as rejections with the tagged error itself. What is
 * a stream there is an `AsyncIterable` here; leaving its loop ends it.
 *
 * Each platform's `openSotto` makes one over its own Layers. It, `FaceItems` and `FacePeers` are what of core knows promises:
 * nothing else here may depend on them.
 */
import type { Op } from "@sotto/schema/Entry"
import type { DeviceId, Position, RelayKey, SpaceId } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { Retention } from "@sotto/schema/Relay"
import type { Role } from "@sotto/schema/Space"
import { relayAddressFromText } from "@sotto/schema/Ticket"
import * as Utf8 from "@sotto/schema/Utf8"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  Client,
  type DeviceInfo,
  type PresenceMessage,
  type PushOptions,
  type QuarantinedEnvelope,
  type Quorum,
  type Receipt,
  type ReceivedEntry,
  type RelayInfo
} from "./Client.ts"
import type { Crypto } from "./Crypto.ts"
import type { DeviceIdentity } from "./Device.ts"
import * as Entrance from "./Entrance.ts"
import { makeCollections, type OpenCollection } from "./FaceItems.ts"
import { makePeers, type PeersHandle } from "./FacePeers.ts"
import type { Keystore } from "./Keystore.ts"
import type { Cursor, Ordinal } from "./log/Cursor.ts"
import type { RouteOpening } from "./log/Directory.ts"
import type { RelayMisbehaved } from "./log/Evidence.ts"
import * as Pairing from "./Pairing.ts"
import type { Attempts } from "./pairing/Attempts.ts"
import type { Invitation, Step } from "./pairing/Guest.ts"
import type { Admitted, JoinRequest } from "./pairing/Host.ts"
import * as Secret from "./Secret.ts"
import * as Sotto from "./Sotto.ts"
import type { ClientEvent, Status } from "./Status.ts"
import type { Store } from "./Store.ts"
import type { Transport } from "./Transport.ts"

/** Ends a call early (`signal`); it then rejects, and what was durable by then stays. */
export type CallOptions = Pick<Effect.RunOptions, "signal">

/** What `push` resolves to: the entry is durable on this device. */
export interface PushReceipt extends Omit<Receipt, "stored"> {
  /**
   * Resolves once as many relays have it durably as `quorum` asks for, with the position at the first of them. It may be
   * asked for any number of times.
   */
  readonly stored: (options?: CallOptions) => Promise<Position>
}

export interface PairOptions extends CallOptions {
  /** Show `code` to be typed, or `url` as a QR code. Both are secrets, good for one device and ten minutes. */
  readonly onCode: (offer: Pairing.Offer) => void | Promise<void>
  /** Ask the person: both screens show the same pictures. `false` declines. */
  readonly approve: (request: JoinRequest) => boolean | Promise<boolean>
  /** Admin unless given. */
  readonly role?: Role
}

export interface SottoHandle {
  readonly device: DeviceId
  /** What people call this device. */
  readonly label: string
  readonly space: SpaceId
  /** Writes a value (a string is stored as UTF-8), here first. Rejects with `PushFailed`. */
  readonly push: (value: Uint8Array | string, options?: PushOptions & CallOptions) => Promise<PushReceipt>
  /** Writes operations, all of them or none. */
  readonly pushAll: (ops: ReadonlyArray<Op>, options?: CallOptions) => Promise<PushReceipt>
  /** Accepted entries after `after`, each once; with `live`, also what comes later, until the loop is left. */
  readonly entries: (options?: { readonly after?: Ordinal; readonly live?: boolean }) => AsyncIterable<ReceivedEntry>
  /** A collection: values by key, and how versions merge that were written at the same time. */
  readonly collection: OpenCollection<PushReceipt>
  /** A page of a relay's log, in the relay's order. */
  readonly log: (options?: {
    readonly relay?: RelayKey
    readonly after?: Cursor
    readonly limit?: number
  }) => Promise<ReadonlyArray<ReceivedEntry>>
  /** Resolves when everything that the relays have is here. Rejects with `NotConnected` when none answers. */
  readonly pull: (options?: CallOptions) => Promise<void>
  /** Resolves when everything of this device is stored, as `quorum` asks, and everything of the relays is here. */
  readonly settled: (options?: CallOptions) => Promise<void>
  /** Waits a moment for what is on its way; resolves with how many entries are left. */
  readonly flush: (atMost?: Duration.Input) => Promise<number>
  readonly status: () => Promise<Status>
  /** The current status, then every later one. */
  readonly statusChanges: () => AsyncIterable<Status>
  /** What happens from the moment that the loop begins. */
  readonly events: () => AsyncIterable<ClientEvent>
  readonly devices: () => Promise<ReadonlyArray<DeviceInfo>>
  readonly quarantine: () => Promise<ReadonlyArray<QuarantinedEnvelope>>
  readonly evidence: () => Promise<ReadonlyArray<RelayMisbehaved>>
  readonly presence: {
    readonly publish: (body: Uint8Array) => Promise<void>
    readonly changes: () => AsyncIterable<PresenceMessage>
  }
  readonly relays: {
    readonly list: () => Promise<ReadonlyArray<RelayInfo>>
    readonly add: (address: RelayAddress, open?: RouteOpening) => Promise<void>
    readonly remove: (relay: RelayKey) => Promise<void>
    readonly trustAgain: (relay: RelayKey) => Promise<void>
  }
  /** Devices that are in reach without a relay. */
  readonly peers: PeersHandle
  /** Lets one device in. Rejects with `HostFailed`. */
  readonly pair: (options: PairOptions) => Promise<Admitted>
  /** Leaves the network until `resume`. */
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  /** Tries again now: the app came to the foreground, the network is back. */
  readonly wake: () => Promise<void>
  /** Ends it and lets go of the directory. What was pushed is kept, and goes out the next time. */
  readonly close: () => Promise<void>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

type Services = Client | Transport | Crypto

/** What a platform gives: the services of an open device, and how to end them. */
export interface FaceOptions {
  readonly context: Context.Context<Services>
  readonly device: DeviceIdentity
  /** What the device runs in. */
  readonly scope: Scope.Scope
  readonly close: () => Promise<void>
}

const receiptOf = (run: Run, { stored, ...receipt }: Receipt): PushReceipt => ({
  ...receipt,
  stored: (options) => run(Effect.map(stored, ({ position }) => position), options)
})

type Run = <A, E>(effect: Effect.Effect<A, E, Services>, options?: CallOptions) => Promise<A>

/** An app's function as an effect. What it throws is its bug: the call that it belongs to rejects with that. */
const called = <A>(run: () => A | Promise<A>): Effect.Effect<A> => Effect.promise(async () => run())

/** The face over a running client. */
const makeFace = ({ close, context, device, scope }: FaceOptions): SottoHandle => {
  const client = Context.get(context, Client)
  const run: Run = Effect.runPromiseWith(context)
  const iterable = <A, E>(stream: Stream.Stream<A, E>): AsyncIterable<A> => Stream.toAsyncIterable(stream)
  return {
    device: client.device,
    label: device.certificate.body.label,
    space: client.space,
    push: async (value, { signal, ...options } = {}) => {
      const bytes = typeof value === "string" ? Utf8.encode(value) : value
      return receiptOf(run, await run(client.push(bytes, options), signal === undefined ? {} : { signal }))
    },
    pushAll: async (ops, options) => receiptOf(run, await run(client.pushAll(ops), options)),
    entries: (options) => iterable(client.entries(options)),
    collection: makeCollections({ items: client.items, run, receipt: (receipt) => receiptOf(run, receipt) }),
    log: (options = {}) => run(client.log(options)),
    pull: (options) => run(client.pull, options),
    settled: (options) => run(client.settled, options),
    flush: (atMost) => run(client.flush(atMost)),
    status: () => run(client.status.current),
    statusChanges: () => iterable(client.status.changes),
    events: () => iterable(client.events),
    devices: () => run(client.devices),
    quarantine: () => run(client.quarantine),
    evidence: () => run(client.evidence),
    presence: {
      publish: (body) => run(client.presence.publish(body)),
      changes: () => iterable(client.presence.changes)
    },
    relays: {
      list: () => run(client.relays.list),
      add: (address, open) => run(client.relays.add(address, open)),
      remove: (relay) => run(client.relays.remove(relay)),
      trustAgain: (relay) => run(client.relays.trustAgain(relay))
    },
    peers: makePeers({ peers: client.peers, run, scope }),
    pair: ({ approve, onCode, role, signal }) =>
      run(
        Pairing.host({
          client,
          device,
          ...role === undefined ? {} : { role },
          onOffer: (offer) => called(() => onCode(offer)),
          approve: (request) => called(() => approve(request))
        }),
        signal === undefined ? {} : { signal }
      ),
    pause: () => run(client.pause),
    resume: () => run(client.resume),
    wake: () => run(client.wake),
    close,
    [Symbol.asyncDispose]: close
  }
}

// -- from a directory to a face ----------------------------------------------------------------------------------------

/** What a device stands on: each platform has a Layer of these for a directory of its own. */
export type Platform = Store | Keystore | Crypto | Transport | Attempts

export interface OpenOptions {
  /** What people call this device, should it be made now. */
  readonly label: string
  /** A relay's address with its key, as text. Given: a device that is in no space yet makes one there. */
  readonly relay?: string
  /** What that relay is asked to keep; everything (`Durable`) unless given, so that new devices get the history. */
  readonly retention?: Retention
  /** For a relay that admits by token. */
  readonly token?: string
  /** How many of the space's relays must have an entry until it counts as stored; 1 unless given. */
  readonly quorum?: Quorum
  /** Gets the 32 recovery bytes of a new space, this once. */
  readonly onCreated?: (recovery: Uint8Array) => void
}

/** Makes the space of a device that is in none. */
const found = Effect.fnUntraced(function*({ label, onCreated, relay, retention, token }: OpenOptions) {
  if (relay === undefined || (yield* Sotto.stateOf) === "space") return
  const { recovery } = yield* Sotto.create({
    label,
    relays: [yield* Effect.fromResult(relayAddressFromText(relay))],
    retention: retention ?? { _tag: "Durable" },
    ...token === undefined ? {} : { token }
  })
  onCreated?.(Secret.reveal(recovery).slice())
  Secret.wipe(recovery)
})

/** What a platform builds on beside the handle, for what only it can do. */
export interface Inside {
  readonly client: Client["Service"]
  /** What the device runs in; `close` closes it. */
  readonly scope: Scope.Scope
}

/** As `openFace`, of which `extend` makes the platform's own handle. */
export const openFaceWith = Effect.fnUntraced(function*<E, A>(
  layer: Layer.Layer<Platform, E>,
  options: OpenOptions,
  extend: (handle: SottoHandle, inside: Inside) => A
) {
  const scope = yield* Scope.make()
  const close = Effect.runPromiseWith(yield* Effect.context())
  const open = Effect.gen(function*() {
    const context = yield* Layer.build(layer)
    const sotto = yield* Effect.provideContext(
      Effect.andThen(found(options), Sotto.openWith(options.quorum === undefined ? {} : { quorum: options.quorum })),
      Context.add(context, Scope.Scope, scope)
    )
    const face = makeFace({
      context: Context.add(context, Client, sotto.client),
      device: sotto.identity,
      scope,
      close: () => close(Scope.close(scope, Exit.void))
    })
    return extend(face, { client: sotto.client, scope })
  })
  return yield* open.pipe(
    Effect.provideService(Scope.Scope, scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
})

/** Opens the device of a directory, which then runs until `close`. When it fails, nothing is left running. */
export const openFace = <E>(layer: Layer.Layer<Platform, E>, options: OpenOptions) =>
  openFaceWith(layer, options, (handle) => handle)

export interface JoinOptions {
  /** What people call this device. */
  readonly label: string
  /** The code as typed, with the relay's address; or the link of a QR code, which names the relay itself. */
  readonly from: { readonly code: string; readonly relay: string } | { readonly url: string }
  /** Shows where it stands; with `WaitingForApproval` come the pictures to compare. */
  readonly onStep?: (step: Step) => void
  /** Asked with the verified space before anything is taken over. */
  readonly confirm: (invitation: Invitation) => boolean | Promise<boolean>
}

/** Brings a device into the space of the one that shows the code; `openFace` runs it afterwards. */
export const joinFace = Effect.fnUntraced(function*<E>(layer: Layer.Layer<Platform, E>, options: JoinOptions) {
  const { confirm, from, label, onStep } = options
  const source: Pairing.Source = "url" in from
    ? { _tag: "Ticket", url: from.url }
    : { _tag: "Code", code: from.code, relay: yield* Effect.fromResult(relayAddressFromText(from.relay)) }
  yield* Entrance.check(source)
  const entered = Entrance.enter({
    from: source,
    label,
    onStep: (step) => Effect.sync(() => onStep?.(step)),
    confirm: (invitation) => called(() => confirm(invitation))
  })
  yield* Effect.provide(entered, layer)
})
