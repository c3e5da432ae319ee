/**
 * One space on one device (protocol.md §7): what an app, a collection and a command line stand on. It writes to this
 * device first and to relays when there is one, and gives back every entry of the space once, in one order.
 *
 * 1. `push` answers when the entry is durable here; `Receipt.stored` when enough relays have it. No acknowledged entry is lost
 *    by a crash between two writes, and no sequence number is used twice.
 * 2. `entries` gives each accepted entry once, in the order of its ordinal, own ones included.
 * 3. What this device cannot accept is listed in `quarantine`, never dropped.
 * 4. Nothing here waits for a network, but `pull`, `settled`, `flush` and `Receipt.stored`.
 *
 * `Sotto.ts` is the way to one for most.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type { DeviceId, RelayKey, SpaceId } from "@sotto/schema/Id"
import type { MemberOp, Role } from "@sotto/schema/Space"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { NotConnected, QuarantineFull, TooLarge, UnknownRelay } from "./ClientError.ts"
import * as ClientItems from "./ClientItems.ts"
import { Crypto, type EntropyUnavailable } from "./Crypto.ts"
import type { DeviceIdentity } from "./Device.ts"
import { Keystore, type KeystoreFailed } from "./Keystore.ts"
import * as Crew from "./log/Crew.ts"
import type { Cursor, Ordinal } from "./log/Cursor.ts"
import type { RelayMisbehaved } from "./log/Evidence.ts"
import * as IdSet from "./log/IdSet.ts"
import * as Journal from "./log/Journal.ts"
import * as Misconduct from "./log/Misconduct.ts"
import * as Outbox from "./log/Outbox.ts"
import * as Peers from "./log/Peers.ts"
import type { Quorum } from "./log/Quorum.ts"
import * as Reader from "./log/Reader.ts"
import type { SpaceState } from "./space/SpaceState.ts"
import type { ClientEvent, Status } from "./Status.ts"
import { Store, type StoreFailed } from "./Store.ts"
import type { Transport } from "./Transport.ts"

export type { PresenceMessage, RelayInfo } from "./log/Crew.ts"
export type { AddMemberFailed, PushOptions, Receipt } from "./log/Outbox.ts"
export type { Quorum } from "./log/Quorum.ts"
export type { QuarantinedEnvelope, ReceivedEntry } from "./log/Reader.ts"

/** A device that is or was a member of the space. */
export interface DeviceInfo {
  readonly id: DeviceId
  readonly label: string
  readonly role: Role
  /** When its certificate was made, by its own clock. */
  readonly createdMillis: number
  readonly own: boolean
  readonly removed: boolean
}

export class Client extends Context.Service<Client, {
  readonly device: DeviceId
  readonly space: SpaceId

  /** Writes a value. Pushes that meet while one is being saved share an entry. */
  readonly push: (value: Uint8Array, options?: Outbox.PushOptions) => Effect.Effect<Outbox.Receipt, Outbox.PushFailed>
  /** Writes operations, all of them or none, in one entry. */
  readonly pushAll: (ops: ReadonlyArray<Op>) => Effect.Effect<Outbox.Receipt, Outbox.PushFailed>
  /** Accepted entries after `after` (0 unless given): what is here, then, if `live`, what comes. */
  readonly entries: (options?: {
    readonly after?: Ordinal
    readonly live?: boolean
  }) => Stream.Stream<Reader.ReceivedEntry, StoreFailed>
  /** Collections of items: values by key, merges, conflicts. Costs nothing until it is used. */
  readonly items: ClientItems.ClientItems
  /** A page of a relay's log, as far as it was received, in the relay's order. Without `after`, from its start. */
  readonly log: (options: {
    readonly relay?: RelayKey
    readonly after?: Cursor
    readonly limit?: number
  }) => Effect.Effect<ReadonlyArray<Reader.ReceivedEntry>, StoreFailed | UnknownRelay>

  /** Connects now if it must, and waits until everything that the relays have is here. Fails when none answers. */
  readonly pull: Effect.Effect<void, NotConnected>
  /**
   * Compares this device with each of its relays: afterwards each has, or is being sent, what the other had. It happens
   * by itself now and then, and whenever it is the shorter way; this is for who wants to be sure.
   */
  readonly reconcile: Effect.Effect<ReadonlyArray<Crew.Comparison>>
  /** Waits until this device's entries are stored, as the quorum asks, and everything that the relays have is here. */
  readonly settled: Effect.Effect<void>
  /** Tells the relays how far this device is, now rather than within two seconds. */
  readonly ack: Effect.Effect<void>
  /** Waits until this device's entries are stored so, at most `Limit.suspendFlushMillis`; answers what is left. */
  readonly flush: (atMost?: Duration.Input) => Effect.Effect<number>

  readonly presence: {
    /** Tells whoever is connected now; nothing is stored. */
    readonly publish: (body: Uint8Array) => Effect.Effect<void, NotConnected | TooLarge | EntropyUnavailable>
    readonly changes: Stream.Stream<Crew.PresenceMessage>
  }

  readonly status: {
    readonly current: Effect.Effect<Status>
    /** The current one, then every later one; a slow reader skips what is outdated. */
    readonly changes: Stream.Stream<Status>
  }
  /** What happens from now on. A reader that falls 1,024 behind loses the oldest. */
  readonly events: Stream.Stream<ClientEvent>
  readonly quarantine: Effect.Effect<ReadonlyArray<Reader.QuarantinedEnvelope>, StoreFailed>
  /** The evidence against relays that this device has kept, oldest first. */
  readonly evidence: Effect.Effect<ReadonlyArray<RelayMisbehaved>, StoreFailed>

  /** What this device knows of the space now: members, epochs and keys. */
  readonly state: Effect.Effect<SpaceState>
  /** Devices that are or were members, by id. */
  readonly devices: Effect.Effect<ReadonlyArray<DeviceInfo>>
  /** Applies a membership operation, and puts it durably into the log for the others. */
  readonly addMember: (op: MemberOp) => Effect.Effect<Outbox.Receipt, Outbox.AddMemberFailed>

  readonly relays: Crew.Relays
  /** Devices of the space that are in reach without a relay. */
  readonly peers: Peers.Peers
  /** Leaves the network until `resume`. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Tries again now instead of when the next try is due: the app came to the foreground, the network is back. */
  readonly wake: Effect.Effect<void>
}>()("@sotto/core/Client") {}

export interface ClientOptions {
  /** How many of the relays must have an entry until it counts as stored: 1 unless given. */
  readonly quorum?: Quorum
}

/** The running client of the space that the directory is in; see `Sotto` for how it comes to be in one. */
export const make: (
  identity: DeviceIdentity,
  options?: ClientOptions
) => Effect.Effect<
  Client["Service"],
  StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable,
  Store | Keystore | Crypto | Transport | Scope.Scope
> = Effect.fn("Client.make")(function*(identity, options) {
  const crypto = yield* Crypto
  const journal = yield* Journal.open({
    crypto,
    identity,
    store: yield* Store,
    keystore: yield* Keystore,
    quorum: options?.quorum ?? 1
  })
  yield* Effect.addFinalizer(() => Effect.andThen(journal.close, IdSet.saveQuietly(journal)))
  const outbox = yield* Outbox.make(journal)
  const crew = yield* Crew.make(journal)
  yield* crew.start
  const items = yield* ClientItems.make(journal, outbox)
  const push = (ops: ReadonlyArray<Op>) => outbox.push(ops)
  return Client.of({
    device: identity.id,
    space: journal.books().state.spaceId,
    push: (value, options) => push([Outbox.putOp(value, options)]),
    pushAll: push,
    entries: (options) => Reader.entries(journal, options),
    items,
    log: (options) => Reader.log(journal, options),
    pull: crew.pull,
    reconcile: crew.reconcile,
    settled: crew.settled,
    ack: crew.acknowledge,
    flush: crew.flush,
    presence: crew.presence,
    status: crew.status,
    events: crew.events,
    quarantine: Reader.quarantine(journal),
    evidence: Misconduct.readAll(journal.store),
    state: Effect.sync(() => journal.books().state),
    devices: Effect.sync(() => devicesOf(journal)),
    addMember: outbox.pushMember,
    relays: crew.relays,
    peers: Peers.make(journal, crew.tell),
    pause: crew.pause,
    resume: crew.resume,
    wake: crew.wake
  })
})

const devicesOf = (journal: Journal.Journal): ReadonlyArray<DeviceInfo> =>
  [...journal.books().state.membership.roster.memberByHex.values()]
    .sort((a, b) => Bytes.compare(a.id, b.id))
    .map(({ certificate, id, label, removed, role }) => ({
      id,
      label,
      role,
      createdMillis: certificate.body.createdMillis,
      own: Bytes.equals(id, journal.identity.id),
      removed: removed !== null
    }))
