/**
 * One space on one device (protocol.md §7): what an app, a collection and a command line stand on. It writes to this
 * device first and to relays when there is one, and gives back every entry of the space once, in one order.
 *
 * 1. `push` answers when the entry is durable here; `Receipt.stored` when a relay has it. No acknowledged entry is lost
 *    by a crash between two writes, and no sequence number is used twice.
 * 2. `entries` gives each accepted entry once, in the order of its ordinal, own ones included.
 * 3. What this device cannot accept is listed in `quarantine`, never dropped.
 * 4. Nothing here waits for a network, but `pull`, `settled`, `flush` and `Receipt.stored`.
 *
 * `Sotto.ts` is the way to one for most.
 */
import * as Bytes from "@sotto/schema/Bytes"
import type { Op } from "@sotto/schema/Entry"
import type { Hlc } from "@sotto/schema/Hlc"
import type { DeviceId, EnvelopeId, RelayKey, Seq, SpaceId } from "@sotto/schema/Id"
import type { RelayAddress } from "@sotto/schema/Pairing"
import type { MemberOp, Role } from "@sotto/schema/Space"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  Closed,
  NotConnected,
  NotWriter,
  OutboxFull,
  QuarantineFull,
  TooLarge,
  UnknownRelay
} from "./ClientError.ts"
import { Crypto, type EntropyUnavailable } from "./Crypto.ts"
import type { DeviceIdentity } from "./Device.ts"
import { Keystore, type KeystoreFailed } from "./Keystore.ts"
import type { TransactionRefused } from "./log/Batch.ts"
import * as Crew from "./log/Crew.ts"
import type { Cursor, Ordinal } from "./log/Cursor.ts"
import type { RouteOpening } from "./log/Directory.ts"
import type { RelayMisbehaved } from "./log/Evidence.ts"
import * as Journal from "./log/Journal.ts"
import * as Misconduct from "./log/Misconduct.ts"
import * as Outbox from "./log/Outbox.ts"
import type { Quarantined } from "./log/Quarantine.ts"
import * as Reader from "./log/Reader.ts"
import type { MembershipRefused } from "./space/Membership.ts"
import type { SpaceState } from "./space/SpaceState.ts"
import type { ClientEvent, Status } from "./Status.ts"
import { Store, type StoreFailed } from "./Store.ts"
import type { Transport } from "./Transport.ts"

export type PushFailed =
  | TooLarge
  | TransactionRefused
  | OutboxFull
  | NotWriter
  | Closed
  | EntropyUnavailable
  | KeystoreFailed
  | StoreFailed
export type AddMemberFailed = MembershipRefused | PushFailed

export interface PushOptions {
  /** "" unless given: the collection of what has none. */
  readonly collection?: string
  /** "" unless given: an item of its own. */
  readonly key?: string
  /** Envelopes of the heads that this supersedes. */
  readonly parents?: ReadonlyArray<EnvelopeId>
}

/** What `push` answers: the entry is durable on this device. */
export interface Receipt {
  readonly ordinal: Ordinal
  readonly id: EnvelopeId
  readonly device: DeviceId
  readonly seq: Seq
  readonly hlc: Hlc
  /** Place of the first of the pushed operations among the entry's: several pushes may share an entry. */
  readonly index: number
  /** Waits until one relay has it durably; answers where. It may be asked for any number of times. */
  readonly stored: Effect.Effect<Cursor, Closed>
}

/** An accepted entry. */
export interface ReceivedEntry {
  readonly ordinal: Ordinal
  /** Where a relay keeps it: the first of this client's relays that does. Absent while it is only here. */
  readonly position?: Cursor
  readonly id: EnvelopeId
  readonly device: DeviceId
  readonly seq: Seq
  readonly hlc: Hlc
  readonly ops: ReadonlyArray<Op>
  /** Written by this device. */
  readonly own: boolean
}

/** What makes up a presence message, opened and checked. */
export interface PresenceMessage {
  readonly device: DeviceId
  readonly hlc: Hlc
  readonly body: Uint8Array
}

export interface DeviceInfo {
  readonly id: DeviceId
  readonly label: string
  readonly role: Role
  /** When its certificate was made, by its own clock. */
  readonly createdMillis: number
  readonly own: boolean
  readonly removed: boolean
}

/** An envelope that was set aside. */
export interface QuarantinedEnvelope {
  readonly id: EnvelopeId
  readonly reason: Quarantined["reason"]
  readonly waiting: boolean
  /** Where it came from, while that relay is in use. */
  readonly position?: Cursor
  readonly sinceMillis: number
  readonly sizeBytes: number
}

/** One of the space's relays, as configured. */
export interface RelayInfo {
  readonly address: RelayAddress
  /** What it was caught with; null for a relay in good standing. */
  readonly misbehaved: RelayMisbehaved | null
}

export interface Relays {
  readonly list: Effect.Effect<ReadonlyArray<RelayInfo>, StoreFailed>
  /**
   * Adds a relay and sends it everything that this device has. `open`: with what to create the space's route if it is
   * not there. A relay that is there already is left as it is.
   */
  readonly add: (address: RelayAddress, open?: RouteOpening) => Effect.Effect<void, StoreFailed | KeystoreFailed>
  /** Forgets a relay. What it keeps stays there. */
  readonly remove: (relay: RelayKey) => Effect.Effect<void, StoreFailed | KeystoreFailed | UnknownRelay>
  /**
   * Goes on with a relay that was caught, or that went back to an older state, knowing that: its log is read anew from
   * the start and everything that this device has is sent to it again. The evidence is kept.
   */
  readonly trustAgain: (relay: RelayKey) => Effect.Effect<void, StoreFailed | KeystoreFailed | UnknownRelay>
}

export class Client extends Context.Service<Client, {
  readonly device: DeviceId
  readonly space: SpaceId

  /** Writes a value. Pushes that meet while one is being saved share an entry. */
  readonly push: (value: Uint8Array, options?: PushOptions) => Effect.Effect<Receipt, PushFailed>
  /** Writes operations, all of them or none, in one entry. */
  readonly pushAll: (ops: ReadonlyArray<Op>) => Effect.Effect<Receipt, PushFailed>
  /** Accepted entries after `after` (0 unless given): what is here, then, if `live`, what comes. */
  readonly entries: (options?: {
    readonly after?: Ordinal
    readonly live?: boolean
  }) => Stream.Stream<ReceivedEntry, StoreFailed>
  /** A page of a relay's log, as far as it was received, in the relay's order. Without `after`, from its start. */
  readonly log: (options: {
    readonly relay?: RelayKey
    readonly after?: Cursor
    readonly limit?: number
  }) => Effect.Effect<ReadonlyArray<ReceivedEntry>, StoreFailed | UnknownRelay>

  /** Connects now if it must, and waits until everything that the relays have is here. Fails when none answers. */
  readonly pull: Effect.Effect<void, NotConnected>
  /** Waits until this device's entries are stored at a relay and everything that the relays have is here. */
  readonly settled: Effect.Effect<void>
  /** Tells the relays how far this device is, now rather than within two seconds. */
  readonly ack: Effect.Effect<void>
  /** Waits until this device's entries are stored at a relay, at most `Limit.suspendFlushMillis`; answers what is left. */
  readonly flush: (atMost?: Duration.Input) => Effect.Effect<number>

  readonly presence: {
    /** Tells whoever is connected now; nothing is stored. */
    readonly publish: (body: Uint8Array) => Effect.Effect<void, NotConnected | TooLarge | EntropyUnavailable>
    readonly changes: Stream.Stream<PresenceMessage>
  }

  readonly status: {
    readonly current: Effect.Effect<Status>
    /** The current one, then every later one; a slow reader skips what is outdated. */
    readonly changes: Stream.Stream<Status>
  }
  /** What happens from now on. A reader that falls 1,024 behind loses the oldest. */
  readonly events: Stream.Stream<ClientEvent>
  readonly quarantine: Effect.Effect<ReadonlyArray<QuarantinedEnvelope>, StoreFailed>
  /** The evidence against relays that this device has kept, oldest first. */
  readonly evidence: Effect.Effect<ReadonlyArray<RelayMisbehaved>, StoreFailed>

  /** What this device knows of the space now: members, epochs and keys. */
  readonly state: Effect.Effect<SpaceState>
  /** Devices that are or were members, by id. */
  readonly devices: Effect.Effect<ReadonlyArray<DeviceInfo>>
  /** Applies a membership operation, and puts it durably into the log for the others. */
  readonly addMember: (op: MemberOp) => Effect.Effect<Receipt, AddMemberFailed>

  readonly relays: Relays
  /** Leaves the network until `resume`. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Tries again now instead of when the next try is due: the app came to the foreground, the network is back. */
  readonly wake: Effect.Effect<void>
}>()("@sotto/core/Client") {}

/** The operation that `push` writes. */
export const putOp = (value: Uint8Array, { collection = "", key = "", parents = [] }: PushOptions = {}): Op => ({
  collection,
  key,
  parents,
  action: { _tag: "Put", value }
})

/** The running client of the space that the directory is in; see `Sotto` for how it comes to be in one. */
export const make: (
  identity: DeviceIdentity
) => Effect.Effect<
  Client["Service"],
  StoreFailed | KeystoreFailed | QuarantineFull | EntropyUnavailable,
  Store | Keystore | Crypto | Transport | Scope.Scope
> = Effect.fn("Client.make")(function*(identity) {
  const crypto = yield* Crypto
  const journal = yield* Journal.open({ crypto, identity, store: yield* Store, keystore: yield* Keystore })
  yield* Effect.addFinalizer(() => journal.close)
  const outbox = yield* Outbox.make(journal)
  const crew = yield* Crew.make(journal)
  yield* crew.start
  const push = (ops: ReadonlyArray<Op>) => outbox.push(ops)
  return Client.of({
    device: identity.id,
    space: journal.books().state.spaceId,
    push: (value, options) => push([putOp(value, options)]),
    pushAll: push,
    entries: (options) => Reader.entries(journal, options),
    log: (options) => Reader.log(journal, options),
    pull: crew.pull,
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
