/**
 * What a person wants to know at a glance: is my work safe, and if not, why not (protocol.md §7). A value, computed from
 * what this device knows for certain: what a relay acknowledged, not whether a socket is open.
 *
 * Everything here is plain data, so that it can be shown, logged and sent between threads as it is.
 */
import type { DeviceId, EnvelopeId, Epoch, Position, RelayKey } from "@sotto/schema/Id"
import type { Reason } from "./log/Quarantine.ts"

/** Something that stands in the way: the tag of its error, and the sentence for people. */
export interface Failure {
  readonly tag: string
  readonly message: string
  /** Whether this device keeps trying by itself. `false`: someone has to do what the message says. */
  readonly retrying: boolean
}

/** What an error comes to for people. */
export const failureOf = (
  { _tag, message }: { readonly _tag: string; readonly message: string },
  retrying: boolean
): Failure => ({ tag: _tag, message, retrying })

/**
 * Where a relay's connection is: `paused` by the app, `waiting` for the next try, `connecting`, `catching-up` with what
 * it missed, `live`, or `stopped` by a failure that trying again would not cure.
 */
export type RelayPhase = "paused" | "waiting" | "connecting" | "catching-up" | "live" | "stopped"

/** One relay, as this device sees it. */
export interface RelayStatus {
  readonly relay: RelayKey
  readonly url: string
  readonly phase: RelayPhase
  /** Entries of this device that this relay has not acknowledged. */
  readonly pending: number
  /** Everything up to here was received and saved. */
  readonly received: Position
  /** The newest position that the relay signed. */
  readonly head: Position
  /** When the next try is due, while `waiting`. */
  readonly retryAtMillis: number | null
  readonly failure: Failure | null
}

interface Common {
  /** Entries of this device that fewer relays have than are to have them. They are saved here. */
  readonly pending: number
  /** Envelopes that were set aside, waiting ones included. */
  readonly quarantined: number
  /** Items that wait for a person's decision, in collections that were named; 0 until one is used. */
  readonly conflicted: number
  readonly relays: ReadonlyArray<RelayStatus>
}

/**
 * The whole device: `Offline` (no relay in reach, paused, or none configured), `Connecting`, `Pending` (connected; sending
 * or catching up), `Synced` (everything of this device is stored at as many relays as it is to be, one unless the device
 * was opened with another quorum, and everything that a relay has is here), `Failed`.
 */
export type Status =
  | Common & { readonly _tag: "Offline"; readonly paused: boolean; readonly retryAtMillis: number | null }
  | Common & { readonly _tag: "Connecting" }
  | Common & { readonly _tag: "Pending" }
  | Common & { readonly _tag: "Synced" }
  | Common & { readonly _tag: "Failed"; readonly failure: Failure }

/** Something that happened, for a log or a notice. */
export type ClientEvent =
  | { readonly _tag: "Connected"; readonly relay: RelayKey }
  | {
    readonly _tag: "Disconnected"
    readonly relay: RelayKey
    readonly failure: Failure
    readonly retryAtMillis: number | null
  }
  /** All of the relay's log up to here is on this device. */
  | { readonly _tag: "CaughtUp"; readonly relay: RelayKey; readonly position: Position }
  /**
   * Positions `from` to `to` (both included) were not delivered. `expired`: the relay no longer keeps them; otherwise
   * they were pruned, or are withheld. Other relays and devices may still have them.
   */
  | {
    readonly _tag: "Gap"
    readonly relay: RelayKey
    readonly from: Position
    readonly to: Position
    readonly expired: boolean
  }
  | { readonly _tag: "Quarantined"; readonly id: EnvelopeId; readonly reason: Reason; readonly waiting: boolean }
  /** Envelopes that had been set aside were accepted after all. */
  | { readonly _tag: "Healed"; readonly count: number }
  /** The relay was caught; its connection stays down until `relays.trustAgain`. */
  | { readonly _tag: "Misbehaved"; readonly relay: RelayKey; readonly failure: Failure }
  /** The relay did not know the space any more. Everything on this device is being sent to it again. */
  | { readonly _tag: "RelayReset"; readonly relay: RelayKey; readonly lastPosition: Position }
  /** This device and the relay were compared: the relay had `received` envelopes more, and is sent `sent` entries. */
  | { readonly _tag: "Reconciled"; readonly relay: RelayKey; readonly received: number; readonly sent: number }
  /** They could not be compared. The relay's log is read all the same. */
  | { readonly _tag: "NotReconciled"; readonly relay: RelayKey; readonly failure: Failure }
  /** Another device of the space is connected directly. */
  | { readonly _tag: "PeerMet"; readonly device: DeviceId }
  /** This device, which connected, and the other one have what each had. */
  | { readonly _tag: "PeerReconciled"; readonly device: DeviceId; readonly received: number; readonly sent: number }
  /** Its connection ended, after so many envelopes. */
  | { readonly _tag: "PeerLeft"; readonly device: DeviceId; readonly received: number; readonly sent: number }
  /** The relay will not store this entry as it is; it stays on this device. */
  | { readonly _tag: "Refused"; readonly relay: RelayKey; readonly id: EnvelopeId; readonly failure: Failure }
  /**
   * Entries that this device had signed, and forgotten, came back: its storage had been restored from an older copy.
   * They are kept; `reissued` entries that it had written meanwhile got new places after them.
   */
  | { readonly _tag: "Restored"; readonly adopted: number; readonly reissued: number }
  /**
   * Entries that `entries` had given out are not part of the log any more: their author was removed before it wrote them.
   * They are listed in the quarantine.
   */
  | { readonly _tag: "Retracted"; readonly ids: ReadonlyArray<EnvelopeId> }
  | { readonly _tag: "MemberAdded"; readonly device: DeviceId; readonly label: string }
  | { readonly _tag: "MemberRemoved"; readonly device: DeviceId }
  | { readonly _tag: "EpochOpened"; readonly epoch: Epoch }

/** What the whole status is made from. */
export interface Facts {
  readonly paused: boolean
  readonly pending: number
  /** How many of the relays must have an entry. */
  readonly needed: number
  readonly quarantined: number
  readonly conflicted: number
  readonly relays: ReadonlyArray<RelayStatus>
  /** This device's own trouble, such as a full disk. */
  readonly failure: Failure | null
}

const earliest = (relays: ReadonlyArray<RelayStatus>): number | null => {
  const due = relays.flatMap((relay) => relay.retryAtMillis === null ? [] : [relay.retryAtMillis])
  return due.length === 0 ? null : Math.min(...due)
}

/** This device's own trouble; or that so many relays have stopped for good that what is pending cannot be stored. */
const troubleOf = ({ failure, needed, paused, pending, relays }: Facts): Failure | null => {
  const stopped = relays.filter(({ phase }) => phase === "stopped")
  const stuck = pending > 0 && !paused && relays.length - stopped.length < needed
  return failure ?? (stuck ? stopped.find((relay) => relay.failure !== null)?.failure ?? null : null)
}

/**
 * The status of a whole device. As many relays as are needed are enough: the trouble of another stands in `relays`. A
 * failure counts when nothing works, or when it keeps this device's entries from being stored.
 */
export const make = (facts: Facts): Status => {
  const { conflicted, paused, pending, quarantined, relays } = facts
  const failure = troubleOf(facts)
  const common = { pending, quarantined, conflicted, relays }
  if (failure !== null) return { _tag: "Failed", ...common, failure }
  if (paused) return { _tag: "Offline", ...common, paused, retryAtMillis: null }
  const attached = relays.filter((relay) => relay.phase === "live" || relay.phase === "catching-up")
  if (attached.some((relay) => relay.phase === "live") && pending === 0) return { _tag: "Synced", ...common }
  if (attached.some((relay) => relay.failure === null)) return { _tag: "Pending", ...common }
  if (relays.some((relay) => relay.phase === "connecting")) return { _tag: "Connecting", ...common }
  const [stuck] = [...attached, ...relays.filter((relay) => relay.phase === "stopped")]
  if (stuck !== undefined && stuck.failure !== null && relays.every((relay) => relay.phase !== "waiting")) {
    return { _tag: "Failed", ...common, failure: stuck.failure }
  }
  return { _tag: "Offline", ...common, paused, retryAtMillis: earliest(relays) }
}
